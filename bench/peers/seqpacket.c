/* SPDX-License-Identifier: MIT */
/* A pair of Unix sockets that keep messages apart and in order. */
#include "bench.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/utsname.h>

struct ends {
	int fds[2];
};

static void *open_sockets(const struct plan *plan, int way)
{
	static struct ends pairs[2];
	int room = 8 << 20;

	(void)plan;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pairs[way].fds) < 0)
		return NULL;
	/* As much as root may ask for, else as much as others may. */
	if (setsockopt(pairs[way].fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0)
		setsockopt(pairs[way].fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	return &pairs[way];
}

static void put(void *channel, const void *data, size_t size)
{
	const struct ends *ends = channel;

	if (send(ends->fds[0], data, size, 0) != (ssize_t)size)
		bench_fail("send");
}

static void get(void *channel, void *data, size_t size)
{
	const struct ends *ends = channel;

	if (recv(ends->fds[1], data, size, 0) != (ssize_t)size)
		bench_fail("recv");
}

static void version(void)
{
	struct utsname names;

	uname(&names);
	printf("SEQPACKET, Linux %s\n", names.release);
}

const struct peer peer = {
	.version = version,
	.channels = {{"seqpacket", 0, open_sockets, NULL, put, get}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
