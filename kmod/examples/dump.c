// SPDX-License-Identifier: MIT
/*
 * dump NODE FILE: dumps a region to a file, by the ABI's header alone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
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
	struct resmem_transfer dump = { 0 };
	unsigned long long direct = 0, copied = 0;
	int node, file, ret;

	if (argc != 3) {
		fprintf(stderr, "usage: %s NODE FILE\n", argv[0]);
		return 2;
	}
	node = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (node < 0 || ioctl(node, RESMEM_IOC_INFO, &info) < 0)
		return fail(argv[1], errno);
	file = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	if (file < 0)
		return fail(argv[2], errno);

	dump.fd = file;
	dump.length = info.size;
	do {
		ret = ioctl(node, RESMEM_IOC_DUMP, &dump);
		if (ret < 0 && errno != EINTR)
			return fail(argv[2], errno);
		direct += dump.direct;
		copied += dump.copied;
		dump.region_offset += dump.moved;
		dump.file_offset += dump.moved;
		dump.length -= dump.moved;
		/* That is no error: a debugger had a look. The rest, then. */
	} while (dump.error == EINTR);
	if (dump.error)
		return fail(argv[2], dump.error);
	/* Metadata of the file, and what the disk has in a cache of its own. */
	if (fsync(file) < 0 || close(file) < 0)
		return fail(argv[2], errno);
	printf("%s: %llu bytes, %llu direct, %llu copied\n", (char *)info.label,
	       direct + copied, direct, copied);
	return 0;
}
