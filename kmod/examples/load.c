// SPDX-License-Identifier: MIT
/*
 * load NODE FILE: fills a region from a file, from its first byte on, by the
 * ABI's header alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
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
	struct resmem_transfer load = { 0 };
	unsigned long long direct = 0, copied = 0;
	struct stat stat;
	int node, file, ret;

	if (argc != 3) {
		fprintf(stderr, "usage: %s NODE FILE\n", argv[0]);
		return 2;
	}
	/* For writing: only where the region's node is writable. */
	node = open(argv[1], O_RDWR | O_CLOEXEC);
	if (node < 0 || ioctl(node, RESMEM_IOC_INFO, &info) < 0)
		return fail(argv[1], errno);
	file = open(argv[2], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (file < 0 || fstat(file, &stat) < 0)
		return fail(argv[2], errno);
	if ((unsigned long long)stat.st_size > info.size)
		return fail(argv[2], EFBIG);

	load.fd = file;
	load.length = stat.st_size;
	do {
		ret = ioctl(node, RESMEM_IOC_LOAD, &load);
		if (ret < 0 && errno != EINTR)
			return fail(argv[2], errno);
		direct += load.direct;
		copied += load.copied;
		load.region_offset += load.moved;
		load.file_offset += load.moved;
		load.length -= load.moved;
		/* That is no error: a debugger had a look. The rest, then. */
	} while (load.error == EINTR);
	if (load.error)
		return fail(argv[2], load.error);
	printf("%s: %llu bytes, %llu direct, %llu copied\n", (char *)info.label,
	       direct + copied, direct, copied);
	return 0;
}
