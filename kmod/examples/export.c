// SPDX-License-Identifier: MIT
/*
 * export NODE PROGRAM [ARGUMENT]...: makes a dma-buf of a region and becomes a
 * program that has it as standard input, for a driver that imports it: V4L2, DRM,
 * FunctionFS.
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
	/* A length of 0: to the region's end. */
	struct resmem_region_export buffer = { .flags = RESMEM_EXPORT_CLOEXEC };
	int node;

	if (argc < 3) {
		fprintf(stderr, "usage: %s NODE PROGRAM [ARGUMENT]...\n", argv[0]);
		return 2;
	}
	/* Closed by execve, as the dma-buf's first descriptor is; that keeps what it needs. */
	node = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (node < 0 || ioctl(node, RESMEM_IOC_EXPORT, &buffer) < 0)
		return fail(argv[1], errno);
	if (dup2(buffer.fd, STDIN_FILENO) < 0)
		return fail(argv[1], errno);
	execvp(argv[2], argv + 2);
	return fail(argv[2], errno);
}
