// SPDX-License-Identifier: GPL-2.0
/*
 * Has any DMA engine of the kernel's write a pattern to reserved memory, for tests. It stands for a device that fills a
 * region by itself: the engine gets the bare address, and nothing is done to the processors' caches.
 *
 *   echo "ADDRESS LENGTH SEED" >/dev/copier    hexadecimal; ends when the bytes are there
 *   cat /dev/copier                            what the last pattern was
 */
#include <linux/completion.h>
#include <linux/dma-direct.h>
#include <linux/dmaengine.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/of.h>
#include <linux/of_address.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define PIECE	16384u
#define LIMIT	(60 * HZ)

/* Protects the rest. */
static DEFINE_MUTEX(lock);
static size_t last_length;
static u32 last_seed;
static DECLARE_COMPLETION(finished);
/* An engine did not come to an end, and may still read what it was given: that is kept for ever. */
static bool stuck;

static void fill(__be32 *words, u64 offset, size_t length, u32 seed)
{
	size_t i;

	for (i = 0; i < length / 4; i++)
		words[i] = cpu_to_be32(seed + (u32)((offset >> 2) + i) * 2654435761u);
}

/* Whether a node of /reserved-memory has all of it: nothing else is written to. */
static bool is_reserved(u64 address, u64 length)
{
	struct device_node *parent = of_find_node_by_path("/reserved-memory"), *node;
	struct resource range;
	bool found = false;

	if (!parent)
		return false;
	for_each_child_of_node(parent, node) {
		if (!of_address_to_resource(node, 0, &range) && address >= range.start &&
		    address <= range.end && length - 1 <= range.end - address)
			found = true;
	}
	of_node_put(parent);
	return found;
}

static void end(void *nothing)
{
	complete(&finished);
}

static int move(struct dma_chan *channel, dma_addr_t to, dma_addr_t from, size_t length)
{
	struct dma_async_tx_descriptor *transfer;

	transfer = dmaengine_prep_dma_memcpy(channel, to, from, length, DMA_PREP_INTERRUPT | DMA_CTRL_ACK);
	if (!transfer)
		return -EIO;
	reinit_completion(&finished);
	transfer->callback = end;
	if (dma_submit_error(dmaengine_submit(transfer)))
		return -EIO;
	dma_async_issue_pending(channel);
	if (wait_for_completion_timeout(&finished, LIMIT))
		return 0;
	stuck = true;
	__module_get(THIS_MODULE);
	return -ETIMEDOUT;
}

static int copy(struct dma_chan *channel, u64 address, size_t length, u32 seed)
{
	struct device *device = channel->device->dev;
	dma_addr_t source, target = phys_to_dma(device, address);
	size_t done, piece;
	void *buffer;
	int ret = 0;

	if (target + length - 1 > dma_get_mask(device))
		return -ERANGE;
	buffer = dma_alloc_coherent(device, PIECE, &source, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	for (done = 0; done < length && !ret; done += piece) {
		piece = min_t(size_t, length - done, PIECE);
		fill(buffer, done, piece, seed);
		ret = move(channel, target + done, source, piece);
	}
	if (!stuck)
		dma_free_coherent(device, PIECE, buffer, source);
	return ret;
}

static ssize_t copier_write(struct file *file, const char __user *text, size_t count, loff_t *offset)
{
	struct dma_chan *channel;
	unsigned long long address;
	unsigned long length;
	dma_cap_mask_t wanted;
	char line[64];
	u32 seed;
	int ret;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, text, count))
		return -EFAULT;
	line[count] = 0;
	if (sscanf(line, "%llx %lx %x", &address, &length, &seed) != 3 || !length || length % 4)
		return -EINVAL;
	if (!is_reserved(address, length))
		return -EPERM;
	if (READ_ONCE(stuck))
		return -EBUSY;
	dma_cap_zero(wanted);
	dma_cap_set(DMA_MEMCPY, wanted);
	channel = dma_request_chan_by_mask(&wanted);
	if (IS_ERR(channel)) {
		/* Without any engine the kernel asks for another try, which is for the start of a driver. */
		ret = PTR_ERR(channel);
		return ret == -EPROBE_DEFER ? -ENODEV : ret;
	}
	mutex_lock(&lock);
	ret = copy(channel, address, length, seed);
	if (!ret) {
		pr_info("copier: %s of %s\n", dma_chan_name(channel), dev_driver_string(channel->device->dev));
		last_length = length;
		last_seed = seed;
	}
	mutex_unlock(&lock);
	if (ret != -ETIMEDOUT)
		dma_release_channel(channel);
	return ret ? ret : count;
}

static ssize_t copier_read(struct file *file, char __user *to, size_t count, loff_t *offset)
{
	ssize_t ret = 0;
	void *buffer;

	buffer = kmalloc(PIECE, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	mutex_lock(&lock);
	/* Offsets are those of whole words, unless a reader asks for less. */
	if (*offset % 4) {
		ret = -EINVAL;
	} else if (*offset < last_length) {
		size_t piece = min3(count & ~3, (size_t)(last_length - *offset), (size_t)PIECE);

		fill(buffer, *offset, piece, last_seed);
		ret = copy_to_user(to, buffer, piece) ? -EFAULT : piece;
	}
	mutex_unlock(&lock);
	if (ret > 0)
		*offset += ret;
	kfree(buffer);
	return ret;
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.read = copier_read,
	.write = copier_write,
};

static struct miscdevice node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "copier",
	.mode = 0600,
	.fops = &operations,
};
module_misc_device(node);
MODULE_AUTHOR("The resdump authors");
MODULE_DESCRIPTION("Has a DMA engine write to reserved memory, for tests");
MODULE_LICENSE("GPL");
