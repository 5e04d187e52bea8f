/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module needs of the kernel and Rust's own bindings lack: functions that are inline in
 * C, constants hidden behind casts, and two headers. bindgen turns this file into helpers.rs; the
 * bodies are in helpers.c, as in the kernel's own rust/helpers.
 */
#ifndef RESMEM_HELPERS_H
#define RESMEM_HELPERS_H

#include <linux/dma-mapping.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/io_uring/cmd.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/of.h>
#include <linux/of_platform.h>
#include <linux/of_reserved_mem.h>
#include <linux/platform_device.h>
#include <linux/sched/signal.h>
#include <linux/security.h>

/*
 * The page frames of a reserved region: which is the first from pfn on that has a page (end: none); is it the
 * region's, so that nothing can take it away; which is the first from pfn on that has no page, is not the region's, or
 * whose bytes the kernel does not reach by its page, which is found out by reading one of them (end: none)?
 */
unsigned long resmem_first_frame_with_page(unsigned long pfn, unsigned long end);
bool resmem_frame_is_reserved(unsigned long pfn);
unsigned long resmem_first_frame_not_reached(unsigned long pfn, unsigned long end);
struct page *resmem_frame_to_page(unsigned long pfn);

/* Of a page in low memory. */
void *resmem_page_address(const struct page *page);
#if IS_ENABLED(CONFIG_KUNIT)
/* Whether a byte of the kernel's own part of the address space can be read. */
bool resmem_is_readable(const void *address);
bool resmem_sendpage_ok(struct page *page);
#endif

/*
 * In kiocb.rs: leaves the result of a request, and says what its waiter sleeps on. The other is for writes: write
 * access to the superblock was left to us to end.
 */
#ifndef __BINDGEN__
struct completion *resmem_request_landed(struct kiocb *iocb, long ret);
struct completion *resmem_request_written(struct kiocb *iocb, long ret);
#endif

/* Callbacks of requests, and of io_uring: see leave.c. */
void resmem_kiocb_written(struct kiocb *iocb, long ret);
void resmem_kiocb_read(struct kiocb *iocb, long ret);
void resmem_buffer_released(void *file);

void resmem_notify(struct file *file, bool modified);

void *resmem_eventfd_get(int fd);
void resmem_eventfd_signal(void *context);
void resmem_eventfd_put(void *context);

/* Entry idx of a device node's memory-region, as far as it is not exported under a name. */
#define RESMEM_NODE_FOUND			0x01
#define RESMEM_NODE_AVAILABLE			0x02
#define RESMEM_NODE_BELOW_RESERVED_MEMORY	0x04
#define RESMEM_NODE_CELLS_AS_ROOT		0x08
#define RESMEM_NODE_REUSABLE			0x10

u32 resmem_region_node_flags(const struct device_node *np, unsigned int idx);
int resmem_region_reg_bytes(const struct device_node *np, unsigned int idx, unsigned int *entry);
int resmem_region_node_name(const struct device_node *np, unsigned int idx, char *buf, size_t len);
int resmem_region_label(const struct device_node *np, unsigned int idx, const char **label);

/*
 * A device of a child of the root that is compatible, is not disabled and has none yet, or NULL: which child is left
 * to the function, and each call makes one. The other gives it back.
 */
struct device *resmem_make_device_at_root(const char *compatible);
void resmem_remove_device(struct device *dev);

/* The module's parameter reserve_mem, or NULL. */
const char *resmem_reserve_mem_parameter(void);

/*
 * Streaming mappings of a region that a device shares: is the device coherent; is a mapping the memory itself
 * and no copy; map and unmap without touching caches, and what is done to caches.
 */
bool resmem_dma_is_coherent(const struct device *dev);
int resmem_dma_prepare(struct device *dev);
unsigned int resmem_dma_line(void);
int resmem_dma_map(struct device *dev, u64 start, size_t size, u32 direction, u64 *address);
void resmem_dma_unmap(struct device *dev, u64 address, size_t size, u32 direction);
void resmem_dma_sync_for_cpu(struct device *dev, u64 address, size_t length);
void resmem_dma_sync_for_device(struct device *dev, u64 address, size_t length, u32 direction);

/* An uncached mapping of memory. */
void *resmem_map_uncached(u64 start, size_t length);
void resmem_unmap_uncached(void *address);
void resmem_copy_from_uncached(void *to, const void *from, size_t length);
void resmem_copy_to_uncached(void *to, const void *from, size_t length);

bool resmem_fatal_signal_pending(void);

/* Whether one more line about what a user did may go to the log. */
bool resmem_may_log(void);

/* Pages that the current process is going to have pinned: charged to its user, if that is limited, and to itself. */
int resmem_charge_pinned(unsigned long pages, struct user_struct **user, struct mm_struct **mm);
void resmem_uncharge_pinned(unsigned long pages, struct user_struct *user, struct mm_struct *mm);
bool resmem_page_is_reserved(const struct page *page);

/* A command on a node by io_uring: its file, its 16 bytes, and a fixed buffer that it asks for. */
struct file *resmem_uring_file(const struct io_uring_cmd *cmd);
u32 resmem_uring_operation(const struct io_uring_cmd *cmd);
void resmem_uring_argument(const struct io_uring_cmd *cmd, u64 *words);
int resmem_uring_register(struct io_uring_cmd *cmd, const struct bio_vec *bvec, unsigned int index,
			  unsigned int issue_flags);

int resmem_uring_cancel_later(struct io_uring_cmd *cmd, unsigned int issue_flags);
void resmem_uring_done(struct io_uring_cmd *cmd, int result, unsigned int issue_flags);

/*
 * A device's position: 4 bytes of a page or of a register, aligned, in little-endian or big-endian order; and where a
 * node's reg entry of that name lies (-ENODATA: it has no reg).
 */
int resmem_named_reg(const struct device_node *np, const char *name, u64 *start, u64 *size);
void *resmem_map_register(u64 start, size_t length);
u32 resmem_read_register(const void *address, unsigned int offset, bool big_endian);
u32 resmem_read_word(struct page *page, unsigned int offset, bool big_endian);
void resmem_write_register(void *address, u32 value, bool big_endian);
void resmem_write_word(struct page *page, unsigned int offset, u32 value, bool big_endian);

/*
 * What a node's property syscon names: the controller's register map, which is never freed (NULL: this kernel has no
 * such maps), where its registers lie, and the offset of the one that is meant. -ENODATA without the property,
 * -EINVAL for one that names none.
 */
int resmem_syscon(const struct device_node *np, void **map, u64 *start, u64 *size, u32 *offset,
		  bool *big_endian);
int resmem_syscon_read(void *map, u32 offset, u32 *value);
int resmem_syscon_write(void *map, u32 offset, u32 value);

void resmem_full_barrier(void);
/* Nanoseconds of the monotonic clock, and of one that goes on while the system is suspended. */
u64 resmem_now(void);
u64 resmem_now_with_suspend(void);

/*
 * In dmabuf.c and dmabuf.rs, of a kernel with dma-buf: makes one, and returns its file, or fails and keeps nothing.
 * `export` is what the others are called with; release is the last.
 */
int resmem_export(void *export, size_t size, bool writable, struct file **file);
#ifndef __BINDGEN__
int resmem_export_attach(const void *export);
int resmem_export_map(const void *export, struct device *importer, u32 direction,
		      struct sg_table **table);
void resmem_export_unmap(const void *export, struct sg_table *table);
int resmem_export_begin_cpu_access(const void *export, u32 direction);
int resmem_export_end_cpu_access(const void *export, u32 direction);
int resmem_export_mmap(const void *export, struct vm_area_struct *vma);
int resmem_export_vmap(const void *export, void **address);
void resmem_export_vunmap(const void *export);
void resmem_export_release(void *export);
#endif

/* What an importer's device takes, a scatter list for it, and pages of it at addresses of the kernel. */
unsigned int resmem_importer_segment(struct device *importer);
unsigned long resmem_importer_boundary(struct device *importer);
void resmem_table_set(struct scatterlist *entry, struct page *page, unsigned int length);
int resmem_table_map(struct device *importer, struct sg_table *table, u32 direction);
void resmem_table_unmap(struct device *importer, struct sg_table *table, u32 direction);
void resmem_table_sync_for_cpu(struct device *importer, struct sg_table *table, u32 direction);
void resmem_table_sync_for_device(struct device *importer, struct sg_table *table, u32 direction);
void *resmem_map_pages(struct page **pages, unsigned int count);
void resmem_unmap_pages(const void *address);

#ifdef __BINDGEN__
/* Bits of a physical address, as far as the kernel has a limit for them. */
#ifdef MAX_PHYSMEM_BITS
static const u32 RESMEM_PHYSICAL_BITS = MAX_PHYSMEM_BITS;
#else
static const u32 RESMEM_PHYSICAL_BITS = 8 * sizeof(phys_addr_t);
#endif
static const u32 RESMEM_GFP_BLOCK = (__force u32)(GFP_KERNEL | __GFP_COMP | __GFP_ZERO);
static const u32 RESMEM_FUSE_SUPER_MAGIC = FUSE_SUPER_MAGIC;
static const u32 RESMEM_URING_NONBLOCK = (u32)IO_URING_F_NONBLOCK;
static const u32 RESMEM_URING_UNLOCKED = (u32)IO_URING_F_UNLOCKED;
static const u32 RESMEM_URING_CANCEL = (u32)IO_URING_F_CANCEL;
static const u32 RESMEM_IOCB_APPEND = (__force u32)IOCB_APPEND;
static const u32 RESMEM_IOCB_DSYNC = (__force u32)IOCB_DSYNC;
static const u32 RESMEM_FMODE_READ = (__force u32)FMODE_READ;
static const u32 RESMEM_FMODE_WRITE = (__force u32)FMODE_WRITE;
static const u32 RESMEM_FMODE_LSEEK = (__force u32)FMODE_LSEEK;
static const u32 RESMEM_DMA_BIDIRECTIONAL = DMA_BIDIRECTIONAL;
static const u32 RESMEM_DMA_TO_DEVICE = DMA_TO_DEVICE;
static const u32 RESMEM_DMA_FROM_DEVICE = DMA_FROM_DEVICE;
static const u32 RESMEM_FMODE_CAN_ODIRECT = (__force u32)FMODE_CAN_ODIRECT;
#endif

#endif
