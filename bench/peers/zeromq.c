/* SPDX-License-Identifier: MIT */
/*
 * ZeroMQ, PUSH to PULL over ipc: each receiver binds a name of its own, each sender connects to
 * all of them, and the library shares messages out. It batches by itself.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

struct queue {
	void *socket; /* of this process */
	int way, receivers, depth;
};

static void *open_queue(const struct plan *plan, int way)
{
	struct queue *q = calloc(1, sizeof *q);

	*q = (struct queue){.way = way, .receivers = plan->receivers, .depth = (int)plan->depth};
	return q;
}

/* A context's threads do not survive a fork: each process makes one. */
static void attach(void *channel, int sends, int index)
{
	static void *context;
	struct queue *q = channel;
	int again = 1; /* ms */
	char name[96];

	if (!context)
		context = zmq_ctx_new();
	q->socket = zmq_socket(context, sends ? ZMQ_PUSH : ZMQ_PULL);
	zmq_setsockopt(q->socket, sends ? ZMQ_SNDHWM : ZMQ_RCVHWM, &q->depth, sizeof q->depth);
	/* A sender may be earlier than the receiver's name; the default is 100 ms. */
	zmq_setsockopt(q->socket, ZMQ_RECONNECT_IVL, &again, sizeof again);
	for (int i = sends ? 0 : index; i < (sends ? q->receivers : index + 1); i++) {
		snprintf(name, sizeof name, "ipc://@%s", bench_name(q->way, i));
		if ((sends ? zmq_connect : zmq_bind)(q->socket, name) < 0)
			bench_fail("ZeroMQ: a socket");
	}
}

static void put(void *channel, const void *data, size_t size)
{
	if (zmq_send(((struct queue *)channel)->socket, data, size, 0) < 0)
		bench_fail("zmq_send");
}

static void get(void *channel, void *data, size_t size)
{
	if (zmq_recv(((struct queue *)channel)->socket, data, size, 0) != (int)size)
		bench_fail("zmq_recv");
}

static void version(void)
{
	int major, minor, patch;

	zmq_version(&major, &minor, &patch);
	printf("ZeroMQ %d.%d.%d\n", major, minor, patch);
}

const struct peer peer = {
	.version = version,
	.channels = {{"push-pull", 0, open_queue, attach, put, get}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
