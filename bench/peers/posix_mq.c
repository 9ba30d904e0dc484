/* SPDX-License-Identifier: MIT */
/* A POSIX message queue, as deep as asked where the limits can be raised, else as they allow. */
#include "bench.h"

#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/utsname.h>

static void *open_queue(const struct plan *plan, int way)
{
	static mqd_t queues[2];
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct mq_attr attr = {.mq_maxmsg = (long)plan->depth, .mq_msgsize = (long)plan->size};
	char name[80];

	snprintf(name, sizeof name, "/%s", bench_name(way, 0));
	setrlimit(RLIMIT_MSGQUEUE, &all);
	queues[way] = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	if (queues[way] < 0) {
		attr.mq_maxmsg = 10;
		queues[way] = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	}
	if (queues[way] < 0)
		return NULL;
	mq_unlink(name);
	return &queues[way];
}

static void put(void *channel, const void *data, size_t size)
{
	if (mq_send(*(mqd_t *)channel, data, size, 0) < 0)
		bench_fail("mq_send");
}

static void get(void *channel, void *data, size_t size)
{
	if (mq_receive(*(mqd_t *)channel, data, size, NULL) != (ssize_t)size)
		bench_fail("mq_receive");
}

static void version(void)
{
	struct utsname names;

	uname(&names);
	printf("POSIX mq, Linux %s\n", names.release);
}

const struct peer peer = {
	.version = version,
	.channels = {{"mq", 0, open_queue, NULL, put, get}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
