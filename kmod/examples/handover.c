// SPDX-License-Identifier: MIT
/*
 * A region for a program that may not open it.
 *
 * handover give NODE PROGRAM [ARGUMENT]... opens the region, starts the program with a
 * socket as its standard input, and sends the open descriptor by it (SCM_RIGHTS).
 * handover take FILE is such a program: it receives a region and dumps it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/resmem.h>

/* One descriptor, and the one byte that a message has at least. */
struct letter {
	_Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec data;
	struct msghdr message;
};

static struct cmsghdr *address(struct letter *letter)
{
	*letter = (struct letter){ 0 };
	letter->data = (struct iovec){ &letter->byte, 1 };
	letter->message.msg_iov = &letter->data;
	letter->message.msg_iovlen = 1;
	letter->message.msg_control = letter->room;
	letter->message.msg_controllen = sizeof(letter->room);
	return (struct cmsghdr *)letter->room;
}

static int fail(const char *what, int error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(error));
	return 1;
}

static int give(const char *path, char **program)
{
	int ends[2], status, node = open(path, O_RDONLY | O_CLOEXEC);
	struct letter letter;
	struct cmsghdr *rights = address(&letter);
	pid_t child;

	if (node < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(path, errno);
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDIN_FILENO);
		execvp(program[0], program);
		_exit(fail(program[0], errno));
	}
	close(ends[1]);
	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(sizeof(node));
	memcpy(CMSG_DATA(rights), &node, sizeof(node));
	if (child < 0 || sendmsg(ends[0], &letter.message, MSG_NOSIGNAL) < 0 ||
	    waitpid(child, &status, 0) < 0)
		return fail(program[0], errno);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int take(const char *path)
{
	struct resmem_region_info info = { 0 };
	struct resmem_transfer dump = { 0 };
	struct letter letter;
	struct cmsghdr *rights = address(&letter);
	int node;

	if (recvmsg(STDIN_FILENO, &letter.message, MSG_CMSG_CLOEXEC) < 0)
		return fail("standard input", errno);
	if (letter.message.msg_controllen < rights->cmsg_len || rights->cmsg_type != SCM_RIGHTS)
		return fail("standard input: a message without a descriptor", EBADMSG);
	memcpy(&node, CMSG_DATA(rights), sizeof(node));
	/* What it may be used for is what it was opened for: rights are not asked again. */
	if (ioctl(node, RESMEM_IOC_INFO, &info) < 0)
		return fail("the descriptor", errno);
	dump.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
	dump.length = info.size;
	if (dump.fd < 0 || ioctl(node, RESMEM_IOC_DUMP, &dump) < 0 || fsync(dump.fd) < 0)
		return fail(path, errno);
	if (dump.error)
		return fail(path, dump.error);
	printf("%s: %llu bytes\n", (char *)info.label, (unsigned long long)dump.moved);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 4 && !strcmp(argv[1], "give"))
		return give(argv[2], argv + 3);
	if (argc == 3 && !strcmp(argv[1], "take"))
		return take(argv[2]);
	fprintf(stderr, "usage: %s give NODE PROGRAM [ARGUMENT]... | %s take FILE\n", argv[0], argv[0]);
	return 2;
}
