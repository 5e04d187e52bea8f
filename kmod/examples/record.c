// SPDX-License-Identifier: MIT
/*
 * record NODE FILE BYTES: writes a ring that a device fills to a file, and
 * proves each chunk, or counts the bytes of it that may have been overwritten while
 * the disk read them: wait, check, write, check again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/resmem.h>

#define CHUNK	(256ULL << 10)

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

/* Waits until the device has written all bytes before `wanted`. */
static int wait_for(int node, __u64 wanted, struct resmem_ring_position *now)
{
	for (;;) {
		struct resmem_ring_watch watch = { .eventfd = -1 };
		struct pollfd event = { .fd = node, .events = POLLPRI };

		if (ioctl(node, RESMEM_IOC_POSITION, now) < 0)
			return errno;
		if (now->position >= wanted + now->lag)
			return 0;
		watch.position = wanted + now->lag;
		if (ioctl(node, RESMEM_IOC_WATCH, &watch) < 0)
			return errno;
		/* The module's timer looks where there is no interrupt. */
		if (poll(&event, 1, 1000) < 0 && errno != EINTR)
			return errno;
	}
}

int main(int argc, char **argv)
{
	struct resmem_region_info info = { 0 };
	struct resmem_ring_position first = { 0 }, now = { 0 };
	__u64 begin, at, end, suspect = 0;
	int node, file, error;

	if (argc != 4) {
		fprintf(stderr, "usage: %s NODE FILE BYTES\n", argv[0]);
		return 2;
	}
	node = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (node < 0 || ioctl(node, RESMEM_IOC_INFO, &info) < 0 ||
	    ioctl(node, RESMEM_IOC_POSITION, &first) < 0)
		return fail(argv[1], errno);
	if (info.size % CHUNK)
		return fail(argv[1], EINVAL);
	file = open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
	if (file < 0)
		return fail(argv[2], errno);

	/* The disk begins at a chunk of the ring. */
	begin = (first.position + CHUNK - 1) / CHUNK * CHUNK;
	end = begin + (strtoull(argv[3], NULL, 0) + CHUNK - 1) / CHUNK * CHUNK;
	for (at = begin; at < end;) {
		struct resmem_transfer dump = { 0 };
		__u64 oldest;

		error = wait_for(node, at + CHUNK, &now);
		if (error)
			return fail(argv[1], error);
		dump.fd = file;
		dump.region_offset = at % info.size;
		dump.file_offset = at - begin;
		dump.length = CHUNK;
		if (ioctl(node, RESMEM_IOC_DUMP, &dump) < 0 && errno != EINTR)
			return fail(argv[2], errno);
		/* A debugger had a look: all of it again. */
		if (dump.error == EINTR)
			continue;
		if (dump.error)
			return fail(argv[2], dump.error);
		/* The device may have got as far as this while the disk read the chunk. */
		if (ioctl(node, RESMEM_IOC_POSITION, &now) < 0)
			return fail(argv[1], errno);
		if (now.breaks != first.breaks)
			return fail(argv[1], EOVERFLOW);
		oldest = now.position + now.lead;
		oldest = oldest > info.size ? oldest - info.size : 0;
		if (oldest > at)
			suspect += oldest - at < CHUNK ? oldest - at : CHUNK;
		at += CHUNK;
	}
	if (fsync(file) < 0 || close(file) < 0)
		return fail(argv[2], errno);
	printf("from %llu: %llu bytes, %llu of them suspect\n", (unsigned long long)begin,
	       (unsigned long long)(end - begin), (unsigned long long)suspect);
	return 0;
}
