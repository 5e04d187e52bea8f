// SPDX-License-Identifier: GPL-2.0
/*
 * An importer of dma-bufs, for tests: each open /dev/importer imports one, and moves bytes as a device would, by
 * nothing but the DMA addresses, or as a driver does by a mapping for the kernel.
 */
#include <linux/dma-buf.h>
#include <linux/dma-direct.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

/* userland/probe/src/import.rs has the same. */
struct importer_call {
	__s32	fd;
	__u32	direction;
	__u64	offset;
	__u64	length;
	__u64	buffer;
};

enum { DO_ATTACH, DO_MAP, DO_UNMAP, DO_READ, DO_WRITE, DO_BEGIN, DO_END, DO_VMAP, DO_VUNMAP, DO_DETACH };

struct importer {
	/* Protects the rest. */
	struct mutex lock;
	struct dma_buf *buffer;
	struct dma_buf_attachment *attachment;
	struct sg_table *table;
	enum dma_data_direction direction;
	struct iosys_map place;
};

static struct platform_device *device;

static int attach(struct importer *importer, int fd)
{
	struct dma_buf_attachment *attachment;
	struct dma_buf *buffer;

	if (importer->buffer)
		return -EBUSY;
	buffer = dma_buf_get(fd);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	attachment = dma_buf_attach(buffer, &device->dev);
	if (IS_ERR(attachment)) {
		dma_buf_put(buffer);
		return PTR_ERR(attachment);
	}
	importer->buffer = buffer;
	importer->attachment = attachment;
	return 0;
}

static int map(struct importer *importer, enum dma_data_direction direction)
{
	struct sg_table *table;

	if (!importer->buffer || importer->table)
		return -EINVAL;
	table = dma_buf_map_attachment_unlocked(importer->attachment, direction);
	if (IS_ERR(table))
		return PTR_ERR(table);
	importer->table = table;
	importer->direction = direction;
	return 0;
}

static int unmap(struct importer *importer)
{
	if (!importer->table)
		return -EINVAL;
	dma_buf_unmap_attachment_unlocked(importer->attachment, importer->table, importer->direction);
	importer->table = NULL;
	return 0;
}

static int map_for_kernel(struct importer *importer)
{
	if (!importer->buffer || iosys_map_is_set(&importer->place))
		return -EINVAL;
	return dma_buf_vmap_unlocked(importer->buffer, &importer->place);
}

static int unmap_for_kernel(struct importer *importer)
{
	if (!iosys_map_is_set(&importer->place))
		return -EINVAL;
	dma_buf_vunmap_unlocked(importer->buffer, &importer->place);
	iosys_map_clear(&importer->place);
	return 0;
}

static void detach(struct importer *importer)
{
	unmap_for_kernel(importer);
	unmap(importer);
	if (!importer->buffer)
		return;
	dma_buf_detach(importer->buffer, importer->attachment);
	dma_buf_put(importer->buffer);
	importer->buffer = NULL;
}

static int copy(void *memory, void __user *buffer, size_t length, bool write)
{
	if (write)
		return copy_from_user(memory, buffer, length) ? -EFAULT : 0;
	return copy_to_user(buffer, memory, length) ? -EFAULT : 0;
}

/* What lies at a DMA address, a page at a time. */
static int copy_at(dma_addr_t address, void __user *buffer, size_t length, bool write)
{
	while (length) {
		phys_addr_t place = dma_to_phys(&device->dev, address);
		size_t piece = min_t(size_t, length, PAGE_SIZE - offset_in_page(place));
		void *page = kmap_local_page(pfn_to_page(PHYS_PFN(place)));
		int ret = copy(page + offset_in_page(place), buffer, piece, write);

		kunmap_local(page);
		if (ret)
			return ret;
		address += piece;
		buffer += piece;
		length -= piece;
	}
	return 0;
}

static int move(struct importer *importer, const struct importer_call *call, bool write)
{
	void __user *buffer = u64_to_user_ptr(call->buffer);
	u64 offset = call->offset, left = call->length;
	struct scatterlist *entry;
	int i, ret;

	if (!importer->buffer || offset > importer->buffer->size ||
	    left > importer->buffer->size - offset)
		return -EINVAL;
	if (!importer->table) {
		if (!iosys_map_is_set(&importer->place))
			return -EINVAL;
		return copy(importer->place.vaddr + offset, buffer, left, write);
	}
	for_each_sgtable_dma_sg(importer->table, entry, i) {
		unsigned int length = sg_dma_len(entry);
		size_t piece;

		if (!PAGE_ALIGNED(sg_dma_address(entry)) || !PAGE_ALIGNED(length) ||
		    length > dma_get_max_seg_size(&device->dev))
			return -EILSEQ;
		if (offset >= length) {
			offset -= length;
			continue;
		}
		piece = min_t(u64, left, length - offset);
		ret = copy_at(sg_dma_address(entry) + offset, buffer, piece, write);
		if (ret)
			return ret;
		buffer += piece;
		left -= piece;
		offset = 0;
	}
	return left ? -ERANGE : 0;
}

static long do_call(struct importer *importer, unsigned int number, const struct importer_call *call)
{
	switch (number) {
	case DO_ATTACH:
		return attach(importer, call->fd);
	case DO_MAP:
		return map(importer, call->direction);
	case DO_UNMAP:
		return unmap(importer);
	case DO_READ:
		return move(importer, call, false);
	case DO_WRITE:
		return move(importer, call, true);
	case DO_BEGIN:
		return importer->buffer ?
		       dma_buf_begin_cpu_access(importer->buffer, call->direction) : -EINVAL;
	case DO_END:
		return importer->buffer ?
		       dma_buf_end_cpu_access(importer->buffer, call->direction) : -EINVAL;
	case DO_VMAP:
		return map_for_kernel(importer);
	case DO_VUNMAP:
		return unmap_for_kernel(importer);
	case DO_DETACH:
		detach(importer);
		return 0;
	}
	return -ENOTTY;
}

static long importer_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct importer *importer = file->private_data;
	struct importer_call call;
	long ret;

	if (_IOC_TYPE(command) != 'i' || _IOC_SIZE(command) != sizeof(call))
		return -ENOTTY;
	if (copy_from_user(&call, (void __user *)argument, sizeof(call)))
		return -EFAULT;
	mutex_lock(&importer->lock);
	ret = do_call(importer, _IOC_NR(command), &call);
	mutex_unlock(&importer->lock);
	return ret;
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct importer *importer = kzalloc(sizeof(*importer), GFP_KERNEL);

	if (!importer)
		return -ENOMEM;
	mutex_init(&importer->lock);
	file->private_data = importer;
	return 0;
}

static int importer_release(struct inode *inode, struct file *file)
{
	detach(file->private_data);
	kfree(file->private_data);
	return 0;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.unlocked_ioctl = importer_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "importer",
	.fops = &operations,
};

static int __init importer_init(void)
{
	int ret;

	device = platform_device_register_simple("importer", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	ret = dma_coerce_mask_and_coherent(&device->dev, DMA_BIT_MASK(64));
	if (!ret)
		ret = misc_register(&node);
	if (ret)
		platform_device_unregister(device);
	return ret;
}

static void __exit importer_exit(void)
{
	misc_deregister(&node);
	platform_device_unregister(device);
}

module_init(importer_init);
module_exit(importer_exit);
MODULE_AUTHOR("The resdump authors");
MODULE_DESCRIPTION("Imports a dma-buf, for tests");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS("DMA_BUF");
