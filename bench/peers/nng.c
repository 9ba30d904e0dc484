/* SPDX-License-Identifier: MIT */
/* nng, push to pull over abstract Unix sockets: receivers listen, senders dial all of them. */
#include "bench.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <stdio.h>
#include <stdlib.h>

struct queue {
	nng_socket socket; /* of this process */
	int way, receivers, depth;
};

static void *open_queue(const struct plan *plan, int way)
{
	struct queue *q = calloc(1, sizeof *q);

	q->way = way;
	q->receivers = plan->receivers;
	q->depth = plan->depth < 8192 ? (int)plan->depth : 8192;
	return q;
}

static void attach(void *channel, int sends, int index)
{
	struct queue *q = channel;
	char name[96];

	if (sends ? nng_push0_open(&q->socket) : nng_pull0_open(&q->socket))
		bench_fail("nng: a socket");
	nng_socket_set_int(q->socket, sends ? NNG_OPT_SENDBUF : NNG_OPT_RECVBUF, q->depth);
	nng_socket_set_size(q->socket, NNG_OPT_RECVMAXSZ, 0);
	if (!sends) {
		snprintf(name, sizeof name, "abstract://%s", bench_name(q->way, index));
		if (nng_listen(q->socket, name, NULL, 0))
			bench_fail("nng_listen");
		return;
	}
	nng_socket_set_ms(q->socket, NNG_OPT_RECONNMINT, 5);
	nng_socket_set_ms(q->socket, NNG_OPT_RECONNMAXT, 5);
	for (int i = 0; i < q->receivers; i++) {
		snprintf(name, sizeof name, "abstract://%s", bench_name(q->way, i));
		if (nng_dial(q->socket, name, NULL, NNG_FLAG_NONBLOCK))
			bench_fail("nng_dial");
	}
}

static void put(void *channel, const void *data, size_t size)
{
	if (nng_send(((struct queue *)channel)->socket, (void *)(uintptr_t)data, size, 0))
		bench_fail("nng_send");
}

static void get(void *channel, void *data, size_t size)
{
	if (nng_recv(((struct queue *)channel)->socket, data, &size, 0))
		bench_fail("nng_recv");
}

static void version(void)
{
	printf("nng %s\n", nng_version());
}

const struct peer peer = {
	.version = version,
	.channels = {{"push-pull", 0, open_queue, attach, put, get}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
