// SPDX-License-Identifier: GPL-2.0
/*
 * A dma-buf whose exporter is in Rust (dmabuf.rs): Rust's own bindings lack linux/dma-buf.h. Each operation is one
 * call; what it is about is the Rust value that the buffer's private pointer leads to.
 */
#include "helpers.h"

#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/vmalloc.h>

MODULE_IMPORT_NS("DMA_BUF");

static int attach(struct dma_buf *buffer, struct dma_buf_attachment *attachment)
{
	return resmem_export_attach(buffer->priv);
}

static struct sg_table *map(struct dma_buf_attachment *attachment, enum dma_data_direction direction)
{
	struct sg_table *table;
	int ret = resmem_export_map(attachment->dmabuf->priv, attachment->dev, direction, &table);

	return ret ? ERR_PTR(ret) : table;
}

static void unmap(struct dma_buf_attachment *attachment, struct sg_table *table,
		  enum dma_data_direction direction)
{
	resmem_export_unmap(attachment->dmabuf->priv, table);
}

static int begin_cpu_access(struct dma_buf *buffer, enum dma_data_direction direction)
{
	return resmem_export_begin_cpu_access(buffer->priv, direction);
}

static int end_cpu_access(struct dma_buf *buffer, enum dma_data_direction direction)
{
	return resmem_export_end_cpu_access(buffer->priv, direction);
}

static int map_for_process(struct dma_buf *buffer, struct vm_area_struct *vma)
{
	return resmem_export_mmap(buffer->priv, vma);
}

static int map_for_kernel(struct dma_buf *buffer, struct iosys_map *place)
{
	void *address;
	int ret = resmem_export_vmap(buffer->priv, &address);

	if (!ret)
		iosys_map_set_vaddr(place, address);
	return ret;
}

static void unmap_for_kernel(struct dma_buf *buffer, struct iosys_map *place)
{
	resmem_export_vunmap(buffer->priv);
}

static void release(struct dma_buf *buffer)
{
	resmem_export_release(buffer->priv);
}

#define OPERATIONS					\
	.attach = attach,				\
	.map_dma_buf = map,				\
	.unmap_dma_buf = unmap,				\
	.begin_cpu_access = begin_cpu_access,		\
	.end_cpu_access = end_cpu_access,		\
	.mmap = map_for_process,			\
	.release = release

/* The kernel warns of a vmap that fails: what may not be written to has none. */
static const struct dma_buf_ops read_only = { OPERATIONS };

static const struct dma_buf_ops read_write = {
	OPERATIONS,
	.vmap = map_for_kernel,
	.vunmap = unmap_for_kernel,
};

int resmem_export(void *export, size_t size, bool writable, struct file **file)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *buffer;

	info.ops = writable ? &read_write : &read_only;
	info.size = size;
	info.flags = writable ? O_RDWR : O_RDONLY;
	info.priv = export;
	buffer = dma_buf_export(&info);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);
	*file = buffer->file;
	return 0;
}

unsigned int resmem_importer_segment(struct device *importer)
{
	return dma_get_max_seg_size(importer);
}

unsigned long resmem_importer_boundary(struct device *importer)
{
	return dma_get_seg_boundary(importer);
}

void resmem_table_set(struct scatterlist *entry, struct page *page, unsigned int length)
{
	sg_set_page(entry, page, length, 0);
}

int resmem_table_map(struct device *importer, struct sg_table *table, u32 direction)
{
	return dma_map_sgtable(importer, table, direction, 0);
}

void resmem_table_unmap(struct device *importer, struct sg_table *table, u32 direction)
{
	dma_unmap_sgtable(importer, table, direction, 0);
}

void resmem_table_sync_for_cpu(struct device *importer, struct sg_table *table, u32 direction)
{
	dma_sync_sgtable_for_cpu(importer, table, direction);
}

void resmem_table_sync_for_device(struct device *importer, struct sg_table *table, u32 direction)
{
	dma_sync_sgtable_for_device(importer, table, direction);
}

void *resmem_map_pages(struct page **pages, unsigned int count)
{
	return vmap(pages, count, VM_MAP, PAGE_KERNEL);
}

void resmem_unmap_pages(const void *address)
{
	vunmap(address);
}
