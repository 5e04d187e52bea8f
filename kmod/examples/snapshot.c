// SPDX-License-Identifier: MIT
/*
 * snapshot NODE FILE: copies a region at one moment, and writes the copy to a
 * new file: a device that goes on filling the region changes nothing in it.
 */
#define _FILE_OFFSET_BITS 64
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/resmem.h>

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

int main(int argc, char **argv)
{
	struct resmem_region_info info = { 0 };
	struct resmem_snapshot snapshot = { .eventfd = -1 };
	struct resmem_snapshot_status status = { 0 };
	struct pollfd event = { .events = POLLIN };
	unsigned long long at = 0;
	char *copy;
	int file;

	if (argc != 3) {
		fprintf(stderr, "usage: %s NODE FILE\n", argv[0]);
		return 2;
	}
	event.fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (event.fd < 0 || ioctl(event.fd, RESMEM_IOC_INFO, &info) < 0)
		return fail(argv[1], errno);
	if (info.size > RESMEM_SNAPSHOT_MAX)
		return fail(argv[1], EFBIG);
	file = open(argv[2], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return fail(argv[2], errno);
	copy = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (copy == MAP_FAILED)
		return fail("memory", errno);

	snapshot.address = (uintptr_t)copy;
	snapshot.length = info.size;
	if (ioctl(event.fd, RESMEM_IOC_SNAPSHOT, &snapshot) < 0)
		return fail(argv[1], errno);
	/* The module fills the buffer in the background; it is read after that. */
	while (poll(&event, 1, -1) < 0)
		if (errno != EINTR)
			return fail(argv[1], errno);
	if (ioctl(event.fd, RESMEM_IOC_SNAPSHOT_STATUS, &status) < 0)
		return fail(argv[1], errno);
	if (status.error)
		return fail(argv[1], status.error);

	while (at < status.copied) {
		ssize_t written = write(file, copy + at, status.copied - at);

		if (written < 0)
			return fail(argv[2], errno);
		at += written;
	}
	if (fsync(file) < 0 || close(file) < 0)
		return fail(argv[2], errno);
	printf("%s: %llu bytes\n", (char *)info.label, at);
	return 0;
}
