/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR MIT) */
/*
 * The user ABI of /dev/resmem/<label>, for C.
 *
 * The same as kmod/abi.rs, name by name, which a test compares with it; what
 * each command does, and with which errors it fails, is written there and in
 * docs/reference/abi.md. Structures grow at their end: a command is known by direction,
 * type and number, and the size in it is that of the caller's structure.
 * Zero the whole structure first: what is not set, or not known yet, is zero.
 */
#ifndef _UAPI_LINUX_RESMEM_H
#define _UAPI_LINUX_RESMEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* For reports; resmem_region_info.features says what a module can do. */
#define RESMEM_ABI_REVISION	7

/* Bytes of a label, the terminating NUL included. */
#define RESMEM_LABEL_BYTES	64

/* resmem_region_info.features: what the module can do on this kernel. */
#define RESMEM_FEATURE_SNAPSHOT	(1U << 0)	/* SNAPSHOT, SNAPSHOT_STATUS */
#define RESMEM_FEATURE_SYNC	(1U << 1)	/* SYNC, TRANSFER_NO_SYNC */
#define RESMEM_FEATURE_REGISTER	(1U << 2)	/* REGISTER */
#define RESMEM_FEATURE_POSITION	(1U << 3)	/* POSITION, WATCH, REACH */
#define RESMEM_FEATURE_EXPORT	(1U << 4)	/* EXPORT */
#define RESMEM_FEATURE_CONSUMED	(1U << 5)	/* CONSUMED */
#define RESMEM_FEATURE_TRIGGER	(1U << 6)	/* triggers in POSITION, REACH */

/* resmem_region_info.flags */
#define RESMEM_REGION_WRITABLE		(1U << 0)	/* may be written to */
#define RESMEM_REGION_PAGES		(1U << 1)	/* each frame has a struct page */
#define RESMEM_REGION_DEVICE_WRITES	(1U << 2)	/* a device writes it */
#define RESMEM_REGION_NONCOHERENT	(1U << 3)	/* caches do not see that */
#define RESMEM_REGION_SOME_PAGES	(1U << 4)	/* some frames, not all */
#define RESMEM_REGION_DEVICE_READS	(1U << 5)	/* a device reads it */
#define RESMEM_REGION_POSITION		(1U << 6)	/* a ring with a position */

/* Answer of RESMEM_IOC_INFO. */
struct resmem_region_info {
	__u32		abi;		/* RESMEM_ABI_REVISION, not 0 */
	__u32		flags;		/* RESMEM_REGION_* */
	__aligned_u64	base;		/* physical address */
	__aligned_u64	size;		/* bytes */
	__u32		page_size;	/* bytes, granularity of mappings */
	__u32		features;	/* RESMEM_FEATURE_* */
	__u8		label[RESMEM_LABEL_BYTES];
	__aligned_u64	reserved[4];	/* 0 */
};

/* resmem_transfer.flags */
#define RESMEM_TRANSFER_STRICT	(1U << 0)	/* refuse instead of copying */
#define RESMEM_TRANSFER_NO_SYNC	(1U << 1)	/* the caller has done SYNC */

/* resmem_transfer.chunk (bytes) and .depth (requests) */
#define RESMEM_CHUNK_MIN	(64U << 10)
#define RESMEM_CHUNK_MAX	(64U << 20)
#define RESMEM_CHUNK_DEFAULT	(4U << 20)
#define RESMEM_DEPTH_MAX	64
#define RESMEM_DEPTH_DEFAULT	4

/*
 * Argument and answer of RESMEM_IOC_DUMP and RESMEM_IOC_LOAD. The command
 * fails when nothing was moved; otherwise moved < length and error say that
 * and why it stopped early. The answer is written in both cases.
 */
struct resmem_transfer {
	__s32		fd;		/* in: the file, open with O_DIRECT */
	__u32		flags;		/* in: RESMEM_TRANSFER_* */
	__aligned_u64	region_offset;	/* in: bytes */
	__aligned_u64	length;		/* in: bytes, not 0 */
	__aligned_u64	file_offset;	/* in: bytes */
	__u32		chunk;		/* in: bytes a request, 0: default */
	__u32		depth;		/* in: requests in flight, 0: default */
	__aligned_u64	moved;		/* out: bytes of the contiguous prefix */
	__aligned_u64	direct;		/* out: of these, by DMA */
	__aligned_u64	copied;		/* out: of these, by a processor */
	__u32		error;		/* out: positive errno, or 0 */
	__u32		reserved0;	/* 0 */
	__aligned_u64	reserved[4];	/* 0 */
};

/* Longest snapshot in bytes. */
#define RESMEM_SNAPSHOT_MAX	(64ULL << 20)

/* Argument of RESMEM_IOC_SNAPSHOT. */
struct resmem_snapshot {
	__aligned_u64	address;	/* of the buffer */
	__aligned_u64	length;		/* bytes, not 0 */
	__aligned_u64	region_offset;	/* bytes */
	__s32		eventfd;	/* signalled at the end, or -1 */
	__u32		flags;		/* 0 */
	__aligned_u64	reserved[4];	/* 0 */
};

/* resmem_snapshot_status.state */
#define RESMEM_SNAPSHOT_NONE	0
#define RESMEM_SNAPSHOT_RUNNING	1
#define RESMEM_SNAPSHOT_DONE	2

/* Answer of RESMEM_IOC_SNAPSHOT_STATUS. */
struct resmem_snapshot_status {
	__aligned_u64	copied;		/* bytes */
	__u32		state;		/* RESMEM_SNAPSHOT_* */
	__u32		error;		/* positive errno, or 0 */
	__aligned_u64	reserved[2];	/* 0 */
};

/* resmem_region_sync.direction */
#define RESMEM_SYNC_FOR_CPU	0	/* see what the device wrote */
#define RESMEM_SYNC_FOR_DEVICE	1	/* let the device write again */

/* Argument of RESMEM_IOC_SYNC. */
struct resmem_region_sync {
	__aligned_u64	region_offset;	/* bytes */
	__aligned_u64	length;		/* bytes, not 0 */
	__u32		direction;	/* RESMEM_SYNC_FOR_* */
	__u32		flags;		/* 0 */
	__aligned_u64	reserved[2];	/* 0 */
};

/* Longest range of one RESMEM_IOC_REGISTER in bytes. */
#define RESMEM_REGISTER_MAX	(1U << 30)

/* Argument of RESMEM_IOC_REGISTER, the 16 bytes of an entry; does not grow. */
struct resmem_register_buffer {
	__aligned_u64	region_offset;	/* bytes */
	__u32		length;		/* bytes, not 0 */
	__u32		index;		/* in the ring's table of buffers */
};

/* resmem_ring_position.evidence */
#define RESMEM_EVIDENCE_EXACT	0	/* cannot have repeated */
#define RESMEM_EVIDENCE_BOUNDED	1	/* no lap, by the greatest rate */
#define RESMEM_EVIDENCE_UNKNOWN	2	/* laps may be missing */

/* resmem_ring_position.flags */
#define RESMEM_POSITION_PROGRAM		(1U << 0)	/* DOORBELL sets it */
#define RESMEM_POSITION_INTERRUPT	(1U << 1)	/* wakes up, not a timer */
#define RESMEM_POSITION_BOUNDED		(1U << 2)	/* a place in the ring alone */
#define RESMEM_POSITION_TRIGGER		(1U << 3)	/* triggers are counted */
#define RESMEM_POSITION_CONSUMER	(1U << 4)	/* CONSUMED tells the device */

/* Answer of RESMEM_IOC_POSITION: where the device is in the ring. */
struct resmem_ring_position {
	__aligned_u64	position;	/* bytes, only grows */
	__aligned_u64	time;		/* ns, CLOCK_MONOTONIC, from before */
	__aligned_u64	breaks;		/* how often the position was lost */
	__aligned_u64	raw;		/* what the device says */
	__aligned_u64	ring;		/* bytes */
	__aligned_u64	lead;		/* bytes written beyond it at most */
	__aligned_u64	lag;		/* bytes before it not there at most */
	__aligned_u64	max_rate;	/* bytes a second, or 0 */
	__aligned_u64	patience;	/* ns to the next look at most, or 0 */
	__u32		evidence;	/* RESMEM_EVIDENCE_* */
	__u32		flags;		/* RESMEM_POSITION_* */
	__aligned_u64	triggers;	/* interrupts that came */
	__aligned_u64	trigger;	/* position seen first after the last */
	__aligned_u64	reserved[2];	/* 0 */
};

/* Argument of RESMEM_IOC_DOORBELL. */
struct resmem_ring_doorbell {
	__aligned_u64	raw;		/* as the device would say it */
	__aligned_u64	flags;		/* 0 */
	__aligned_u64	reserved[2];	/* 0 */
};

/* Argument of RESMEM_IOC_WATCH: POLLPRI once the position is reached. */
struct resmem_ring_watch {
	__aligned_u64	position;	/* bytes */
	__s32		eventfd;	/* told once as well, or -1 */
	__u32		flags;		/* 0 */
	__aligned_u64	reserved[2];	/* 0 */
};

/* Most RESMEM_IOC_REACH that wait on a region. */
#define RESMEM_REACH_MAX	64

/* Argument of RESMEM_IOC_REACH, the 16 bytes of an entry; does not grow. */
struct resmem_ring_reach {
	__aligned_u64	position;	/* bytes */
	__aligned_u64	triggers;	/* 0, or 1 more than those known */
};

/* Argument of RESMEM_IOC_CONSUMED: the device may write there again. */
struct resmem_ring_consumed {
	__aligned_u64	position;	/* bytes: everything before */
	__aligned_u64	flags;		/* 0 */
	__aligned_u64	reserved[2];	/* 0 */
};

/* resmem_region_export.flags */
#define RESMEM_EXPORT_WRITE	(1U << 0)	/* importers may write */
#define RESMEM_EXPORT_CLOEXEC	(1U << 1)	/* execve closes it */

/* Argument and answer of RESMEM_IOC_EXPORT: a dma-buf of whole pages. */
struct resmem_region_export {
	__aligned_u64	region_offset;	/* in: bytes */
	__aligned_u64	length;		/* in: bytes, 0: to the end; out: bytes */
	__u32		flags;		/* in: RESMEM_EXPORT_* */
	__s32		fd;		/* out: the descriptor */
	__aligned_u64	reserved[4];	/* 0 */
};

/* Bytes of the structures in the first release: smaller ones are refused. */
#define RESMEM_INFO_SIZE_VER0			128
#define RESMEM_TRANSFER_SIZE_VER0		104
#define RESMEM_SNAPSHOT_SIZE_VER0		64
#define RESMEM_SNAPSHOT_STATUS_SIZE_VER0	32
#define RESMEM_SYNC_SIZE_VER0			40
#define RESMEM_POSITION_SIZE_VER0		112
#define RESMEM_DOORBELL_SIZE_VER0		32
#define RESMEM_WATCH_SIZE_VER0			32
#define RESMEM_EXPORT_SIZE_VER0			56
#define RESMEM_CONSUMED_SIZE_VER0		32

/* 'R' 40-5F is free in Linux 7.3 (ioctl-number.rst). */
#define RESMEM_IOC_TYPE	'R'

#define RESMEM_IOC_INFO	\
	_IOR(RESMEM_IOC_TYPE, 0x40, struct resmem_region_info)
#define RESMEM_IOC_DUMP	\
	_IOWR(RESMEM_IOC_TYPE, 0x41, struct resmem_transfer)
#define RESMEM_IOC_LOAD	\
	_IOWR(RESMEM_IOC_TYPE, 0x42, struct resmem_transfer)
#define RESMEM_IOC_SNAPSHOT	\
	_IOW(RESMEM_IOC_TYPE, 0x43, struct resmem_snapshot)
#define RESMEM_IOC_SNAPSHOT_STATUS	\
	_IOR(RESMEM_IOC_TYPE, 0x44, struct resmem_snapshot_status)
#define RESMEM_IOC_SYNC	\
	_IOW(RESMEM_IOC_TYPE, 0x45, struct resmem_region_sync)
/* Not for ioctl(): the operation of an IORING_OP_URING_CMD on the node. */
#define RESMEM_IOC_REGISTER	\
	_IOW(RESMEM_IOC_TYPE, 0x46, struct resmem_register_buffer)
#define RESMEM_IOC_POSITION	\
	_IOR(RESMEM_IOC_TYPE, 0x47, struct resmem_ring_position)
#define RESMEM_IOC_DOORBELL	\
	_IOW(RESMEM_IOC_TYPE, 0x48, struct resmem_ring_doorbell)
#define RESMEM_IOC_WATCH	\
	_IOW(RESMEM_IOC_TYPE, 0x49, struct resmem_ring_watch)
/* Not for ioctl(): the operation of an IORING_OP_URING_CMD on the node. */
#define RESMEM_IOC_REACH	\
	_IOW(RESMEM_IOC_TYPE, 0x4a, struct resmem_ring_reach)
#define RESMEM_IOC_EXPORT	\
	_IOWR(RESMEM_IOC_TYPE, 0x4b, struct resmem_region_export)
#define RESMEM_IOC_CONSUMED	\
	_IOW(RESMEM_IOC_TYPE, 0x4c, struct resmem_ring_consumed)

#endif /* _UAPI_LINUX_RESMEM_H */
