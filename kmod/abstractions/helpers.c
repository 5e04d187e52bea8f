// SPDX-License-Identifier: GPL-2.0
/*
 * Bodies of helpers.h: one call each, no logic that could live in Rust.
 */
#include "helpers.h"

#include <linux/cred.h>
#include <linux/fsnotify.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/mfd/syscon.h>
#include <linux/net.h>
#include <linux/of_address.h>
#include <linux/property.h>
#include <linux/ratelimit.h>
#include <linux/regmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/user.h>
#include <linux/uaccess.h>

#if !defined(CONFIG_FLATMEM) && !defined(CONFIG_SPARSEMEM_VMEMMAP)
#error "resmem walks struct page as one array per region; this memory model has none"
#endif

static char *reserve_mem;
module_param(reserve_mem, charp, 0444);
MODULE_PARM_DESC(reserve_mem, "regions reserved by the kernel's reserve_mem=: name[:rw],...");

const char *resmem_reserve_mem_parameter(void)
{
	return reserve_mem;
}

unsigned long resmem_first_frame_with_page(unsigned long pfn, unsigned long end)
{
#ifdef CONFIG_SPARSEMEM
	/* for_each_valid_pfn() is not for modules here. A section without pages is passed over as one. */
	unsigned long limit = min(end, section_nr_to_pfn(NR_MEM_SECTIONS));

	while (pfn < limit && !pfn_valid(pfn))
		pfn = valid_section(__pfn_to_section(pfn)) ? pfn + 1 : SECTION_ALIGN_UP(pfn + 1);
	return pfn < limit ? pfn : end;
#else
	unsigned long first;

	for_each_valid_pfn(first, pfn, end)
		return first;
	return end;
#endif
}

bool resmem_frame_is_reserved(unsigned long pfn)
{
	/* Pages of a device's own memory (pmem, a GPU) carry the flag as well, and can be taken away. */
	return PageReserved(pfn_to_page(pfn)) && !is_zone_device_page(pfn_to_page(pfn));
}

struct completion *resmem_request_written(struct kiocb *iocb, long ret)
{
	kiocb_end_write(iocb);
	return resmem_request_landed(iocb, ret);
}

/* With page faults switched off. */
static inline bool is_readable(const void *address)
{
	u8 byte;

	__get_kernel_nofault(&byte, address, u8, unreadable);
	return true;
unreadable:
	return false;
}

#if IS_ENABLED(CONFIG_KUNIT)
bool resmem_is_readable(const void *address)
{
	bool readable;

	pagefault_disable();
	readable = is_readable(address);
	pagefault_enable();
	return readable;
}
#endif

unsigned long resmem_first_frame_not_reached(unsigned long pfn, unsigned long end)
{
	/* A loop in Rust, with a call for each step, takes several times as long, at each start. */
	pagefault_disable();
	for (; pfn < end && pfn_valid(pfn) && resmem_frame_is_reserved(pfn); pfn++) {
		struct page *page = pfn_to_page(pfn);

		/* High memory is mapped when it is used. */
		if (!PageHighMem(page) && !is_readable(lowmem_page_address(page)))
			break;
	}
	pagefault_enable();
	return pfn;
}

struct page *resmem_frame_to_page(unsigned long pfn)
{
	return pfn_to_page(pfn);
}

void *resmem_page_address(const struct page *page)
{
	return page_address(page);
}

void resmem_notify(struct file *file, bool modified)
{
	if (modified)
		fsnotify_modify(file);
	else
		fsnotify_access(file);
}

void *resmem_eventfd_get(int fd)
{
	struct eventfd_ctx *context = eventfd_ctx_fdget(fd);

	return IS_ERR(context) ? NULL : context;
}

void resmem_eventfd_signal(void *context)
{
	eventfd_signal(context);
}

void resmem_eventfd_put(void *context)
{
	eventfd_ctx_put(context);
}

u32 resmem_region_node_flags(const struct device_node *np, unsigned int idx)
{
	struct device_node *region __free(device_node) = of_parse_phandle(np, "memory-region", idx);
	struct device_node *root __free(device_node) = of_find_node_by_path("/");
	u32 flags = 0;

	if (!region)
		return 0;
	flags |= RESMEM_NODE_FOUND;
	if (of_device_is_available(region))
		flags |= RESMEM_NODE_AVAILABLE;
	if (region->parent && region->parent->parent == root &&
	    of_node_name_eq(region->parent, "reserved-memory"))
		flags |= RESMEM_NODE_BELOW_RESERVED_MEMORY;
	if (root && of_n_addr_cells(region) == of_n_addr_cells(root) &&
	    of_n_size_cells(region) == of_n_size_cells(root))
		flags |= RESMEM_NODE_CELLS_AS_ROOT;
	if (of_property_read_bool(region, "reusable"))
		flags |= RESMEM_NODE_REUSABLE;
	return flags;
}

int resmem_region_reg_bytes(const struct device_node *np, unsigned int idx, unsigned int *entry)
{
	struct device_node *region __free(device_node) = of_parse_phandle(np, "memory-region", idx);
	int length;

	if (!region || !of_get_property(region, "reg", &length))
		return -ENODATA;
	*entry = sizeof(__be32) * (of_n_addr_cells(region) + of_n_size_cells(region));
	return length;
}

int resmem_region_node_name(const struct device_node *np, unsigned int idx, char *buf, size_t len)
{
	struct device_node *region = of_parse_phandle(np, "memory-region", idx);
	int ret;

	if (!region)
		return -ENODEV;
	ret = snprintf(buf, len, "%pOFn", region);
	of_node_put(region);
	return ret < (int)len ? ret : -ENAMETOOLONG;
}

int resmem_region_label(const struct device_node *np, unsigned int idx, const char **label)
{
	return of_property_read_string_index(np, "memory-region-names", idx, label);
}

struct device *resmem_make_device_at_root(const char *compatible)
{
	struct device_node *root __free(device_node) = of_find_node_by_path("/");

	for_each_child_of_node_scoped(root, child) {
		struct platform_device *made;

		if (!of_device_is_compatible(child, compatible))
			continue;
		made = of_platform_device_create(child, NULL, NULL);
		/* What changes the tree while the kernel runs may remove it before we do. */
		if (made)
			return get_device(&made->dev);
	}
	return NULL;
}

void resmem_remove_device(struct device *dev)
{
	of_platform_device_destroy(dev, NULL);
	put_device(dev);
}

bool resmem_dma_is_coherent(const struct device *dev)
{
	return device_get_dma_attr(dev) == DEV_DMA_COHERENT;
}

int resmem_dma_prepare(struct device *dev)
{
	int ret = dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));

	if (ret)
		return ret;
	/* Less than all: mappings may be copies of the memory (swiotlb). */
	return dma_max_mapping_size(dev) == SIZE_MAX ? 0 : -ENOBUFS;
}

unsigned int resmem_dma_line(void)
{
	return dma_get_cache_alignment();
}

int resmem_dma_map(struct device *dev, u64 start, size_t size, u32 direction, u64 *address)
{
	dma_addr_t mapped = dma_map_phys(dev, start, size, direction, DMA_ATTR_SKIP_CPU_SYNC);

	if (dma_mapping_error(dev, mapped))
		return -EIO;
	*address = mapped;
	return 0;
}

void resmem_dma_unmap(struct device *dev, u64 address, size_t size, u32 direction)
{
	dma_unmap_phys(dev, address, size, direction, DMA_ATTR_SKIP_CPU_SYNC);
}

void resmem_dma_sync_for_cpu(struct device *dev, u64 address, size_t length)
{
	/* Also of a mapping for both directions: what the device owns is not written back to. */
	dma_sync_single_for_cpu(dev, address, length, DMA_FROM_DEVICE);
}

void resmem_dma_sync_for_device(struct device *dev, u64 address, size_t length, u32 direction)
{
	dma_sync_single_for_device(dev, address, length, direction);
}

void *resmem_map_uncached(u64 start, size_t length)
{
	return (__force void *)ioremap_wc(start, length);
}

void resmem_unmap_uncached(void *address)
{
	iounmap((void __iomem *)address);
}

void resmem_copy_from_uncached(void *to, const void *from, size_t length)
{
	memcpy_fromio(to, (const void __iomem *)from, length);
}

void resmem_copy_to_uncached(void *to, const void *from, size_t length)
{
	memcpy_toio((void __iomem *)to, from, length);
	/* Before the device is notified. */
	wmb();
}

bool resmem_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

bool resmem_may_log(void)
{
	static DEFINE_RATELIMIT_STATE(limit, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);

	return __ratelimit(&limit);
}

/* As io_uring charges the buffers that are registered with it. */
int resmem_charge_pinned(unsigned long pages, struct user_struct **user, struct mm_struct **mm)
{
	*user = NULL;
	if (!capable(CAP_IPC_LOCK)) {
		struct user_struct *payer = current_user();
		unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
		long now = atomic_long_read(&payer->locked_vm);

		do {
			if (now + pages > limit)
				return -ENOMEM;
		} while (!atomic_long_try_cmpxchg(&payer->locked_vm, &now, now + pages));
		*user = get_uid(payer);
	}
	mmgrab(current->mm);
	*mm = current->mm;
	atomic64_add(pages, &current->mm->pinned_vm);
	return 0;
}

void resmem_uncharge_pinned(unsigned long pages, struct user_struct *user, struct mm_struct *mm)
{
	atomic64_sub(pages, &mm->pinned_vm);
	mmdrop(mm);
	if (user) {
		atomic_long_sub(pages, &user->locked_vm);
		free_uid(user);
	}
}

#if IS_ENABLED(CONFIG_KUNIT)
bool resmem_sendpage_ok(struct page *page)
{
	return sendpage_ok(page);
}
#endif

bool resmem_page_is_reserved(const struct page *page)
{
	return PageReserved(page);
}

struct file *resmem_uring_file(const struct io_uring_cmd *cmd)
{
	return cmd->file;
}

u32 resmem_uring_operation(const struct io_uring_cmd *cmd)
{
	return cmd->cmd_op;
}

struct uring_argument {
	u64 words[2];
};

void resmem_uring_argument(const struct io_uring_cmd *cmd, u64 *words)
{
	/* In memory that the process may write to meanwhile. */
	const struct uring_argument *shared = io_uring_sqe_cmd(cmd->sqe, struct uring_argument);

	words[0] = READ_ONCE(shared->words[0]);
	words[1] = READ_ONCE(shared->words[1]);
}

int resmem_uring_register(struct io_uring_cmd *cmd, const struct bio_vec *bvec, unsigned int index,
			  unsigned int issue_flags)
{
	struct file *file = get_file(cmd->file);
	int ret = io_buffer_register_bvec(cmd, bvec, 1, resmem_buffer_released, file,
					  1 << ITER_SOURCE, index, issue_flags);

	if (ret)
		fput(file);
	return ret;
}

int resmem_uring_cancel_later(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
#ifdef CONFIG_IO_URING
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	return 0;
#else
	return -EOPNOTSUPP;
#endif
}

void resmem_uring_done(struct io_uring_cmd *cmd, int result, unsigned int issue_flags)
{
	io_uring_cmd_done(cmd, result, issue_flags);
}

int resmem_named_reg(const struct device_node *np, const char *name, u64 *start, u64 *size)
{
	int index = of_property_match_string(np, "reg-names", name);
	struct resource resource;
	int ret;

	if (!of_property_present(np, "reg"))
		return -ENODATA;
	if (index < 0)
		return -EINVAL;
	ret = of_address_to_resource((struct device_node *)np, index, &resource);
	if (ret)
		return ret;
	*start = resource.start;
	*size = resource_size(&resource);
	return 0;
}

void *resmem_map_register(u64 start, size_t length)
{
	return (__force void *)ioremap(start, length);
}

u32 resmem_read_register(const void *address, unsigned int offset, bool big_endian)
{
	const void __iomem *place = (const void __iomem *)address + offset;

	return big_endian ? ioread32be(place) : ioread32(place);
}

u32 resmem_read_word(struct page *page, unsigned int offset, bool big_endian)
{
	const void *address = kmap_local_page(page);
	u32 word = READ_ONCE(*(const u32 *)(address + offset));

	/* The other half of a value is read after this one. */
	dma_rmb();
	kunmap_local(address);
	return big_endian ? be32_to_cpu((__force __be32)word) : le32_to_cpu((__force __le32)word);
}

void resmem_write_register(void *address, u32 value, bool big_endian)
{
	if (big_endian)
		iowrite32be(value, (void __iomem *)address);
	else
		iowrite32(value, (void __iomem *)address);
}

void resmem_write_word(struct page *page, unsigned int offset, u32 value, bool big_endian)
{
	void *address = kmap_local_page(page);
	u32 *word = address + offset;

	WRITE_ONCE(*word, big_endian ? (__force u32)cpu_to_be32(value) :
				       (__force u32)cpu_to_le32(value));
	kunmap_local(address);
}

int resmem_syscon(const struct device_node *np, void **map, u64 *start, u64 *size, u32 *offset,
		  bool *big_endian)
{
	struct of_phandle_args args;
	struct resource resource;
	u32 width = sizeof(u32);
	int ret;

	if (!of_property_present(np, "syscon"))
		return -ENODATA;
	if (of_parse_phandle_with_fixed_args(np, "syscon", 1, 0, &args))
		return -EINVAL;
	ret = of_address_to_resource(args.np, 0, &resource);
	of_property_read_u32(args.np, "reg-io-width", &width);
	if (!ret && (width != sizeof(u32) || !of_device_is_compatible(args.np, "syscon")))
		ret = -EINVAL;
	if (!ret) {
		*start = resource.start;
		*size = resource_size(&resource);
		*offset = args.args[0];
		*big_endian = of_property_read_bool(args.np, "big-endian") ||
			      (IS_ENABLED(CONFIG_CPU_BIG_ENDIAN) &&
			       of_property_read_bool(args.np, "native-endian"));
		*map = NULL;
		if (IS_REACHABLE(CONFIG_MFD_SYSCON)) {
			struct regmap *found = syscon_node_to_regmap(args.np);

			if (IS_ERR(found))
				ret = PTR_ERR(found);
			else
				*map = found;
		}
	}
	of_node_put(args.np);
	return ret;
}

int resmem_syscon_read(void *map, u32 offset, u32 *value)
{
	if (!IS_REACHABLE(CONFIG_MFD_SYSCON))
		return -EOPNOTSUPP;
	return regmap_read(map, offset, value);
}

int resmem_syscon_write(void *map, u32 offset, u32 value)
{
	if (!IS_REACHABLE(CONFIG_MFD_SYSCON))
		return -EOPNOTSUPP;
	return regmap_write(map, offset, value);
}

void resmem_full_barrier(void)
{
	mb();
}

u64 resmem_now(void)
{
	return ktime_get_ns();
}

u64 resmem_now_with_suspend(void)
{
	return ktime_get_boottime_ns();
}
