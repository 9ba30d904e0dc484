/* SPDX-License-Identifier: MIT */
/* A pipe, as roomy as an unprivileged process may have it. Messages all have the same length. */
#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

struct ends {
	int out, in;
};

static void *open_pipe(const struct plan *plan, int way)
{
	static struct ends pipes[2];
	int fds[2];

	(void)plan;
	if (pipe(fds) < 0)
		return NULL;
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	pipes[way] = (struct ends){.out = fds[0], .in = fds[1]};
	return &pipes[way];
}

static void put(void *channel, const void *data, size_t size)
{
	const struct ends *ends = channel;

	for (size_t done = 0; done < size;) {
		ssize_t n = write(ends->in, (const char *)data + done, size - done);

		if (n < 0)
			bench_fail("write");
		done += (size_t)n;
	}
}

static void get(void *channel, void *data, size_t size)
{
	const struct ends *ends = channel;

	for (size_t done = 0; done < size;) {
		ssize_t n = read(ends->out, (char *)data + done, size - done);

		if (n <= 0)
			bench_fail("read");
		done += (size_t)n;
	}
}

static void version(void)
{
	struct utsname names;

	uname(&names);
	printf("pipe, Linux %s\n", names.release);
}

const struct peer peer = {
	.version = version,
	.channels = {{"pipe", 0, open_pipe, NULL, put, get}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
