/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors. poll(2) refuses more of them than RLIMIT_NOFILE allows
 * to be opened, though all are open: the limit may have been lowered since, to 0
 * in a sandbox. select(2) knows no such limit.
 */
#include "base/base.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#define BITS (8 * sizeof(unsigned long))
#define WORDS_MOST 16 /* of a set on the stack */

static unsigned long bit(int fd)
{
	return 1UL << ((unsigned)fd % BITS);
}

/* After EBADF: says which are not open. How many. */
static int mark_closed(struct pollfd *fds, nfds_t n)
{
	int closed = 0;

	for (nfds_t i = 0; i < n; i++) {
		bool is = fds[i].fd >= 0 && fcntl(fds[i].fd, F_GETFD) < 0;

		fds[i].revents = is ? POLLNVAL : 0;
		closed += is;
	}
	return closed;
}

static int mark_ready(struct pollfd *fds, nfds_t n, const unsigned long *in,
                      const unsigned long *out)
{
	int ready = 0;

	for (nfds_t i = 0; i < n; i++) {
		int fd = fds[i].fd;

		fds[i].revents = 0;
		if (fd < 0)
			continue;
		if (in[(unsigned)fd / BITS] & bit(fd))
			fds[i].revents |= fds[i].events & POLLIN;
		if (out[(unsigned)fd / BITS] & bit(fd))
			fds[i].revents |= fds[i].events & POLLOUT;
		ready += fds[i].revents != 0;
	}
	return ready;
}

static int by_select(struct pollfd *fds, nfds_t n, int ms)
{
	struct timeval left = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};
	unsigned long few[2 * WORDS_MOST] = {0}, *in = few, *out;
	size_t words;
	int end = 0, rc;

	for (nfds_t i = 0; i < n; i++)
		if (fds[i].fd >= end)
			end = fds[i].fd + 1;
	words = (size_t)end / BITS + 1;
	if (words > WORDS_MOST && !(in = calloc(2 * words, sizeof *in)))
		return -1;
	out = in + words;
	for (nfds_t i = 0; i < n; i++) {
		if (fds[i].fd < 0)
			continue;
		if (fds[i].events & POLLIN)
			in[(unsigned)fds[i].fd / BITS] |= bit(fds[i].fd);
		if (fds[i].events & POLLOUT)
			out[(unsigned)fds[i].fd / BITS] |= bit(fds[i].fd);
	}
	rc = select(end, (fd_set *)(void *)in, (fd_set *)(void *)out, NULL, ms < 0 ? NULL : &left);
	if (rc < 0 && errno == EBADF)
		rc = mark_closed(fds, n);
	else if (rc >= 0)
		rc = mark_ready(fds, n, in, out);
	if (in != few)
		free(in);
	return rc;
}

int cvy_poll(struct pollfd *fds, nfds_t n, int ms)
{
	int rc = poll(fds, n, ms);

	return rc < 0 && errno == EINVAL ? by_select(fds, n, ms) : rc;
}
