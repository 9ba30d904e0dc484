/* SPDX-License-Identifier: MIT */
/* Messages through a covey_queue: copied, in place, by batches. */
#include "covey.h"

#include <string.h>

void *queue_open(const struct plan *plan, int way)
{
	static covey_queue queues[2];
	covey_queue_opts opts = {.max_messages = plan->depth};

	need(covey_queue_create(&queues[way], &opts), "queue");
	return &queues[way];
}

void queue_put(void *channel, const void *data, size_t size)
{
	need(covey_queue_put(*(covey_queue *)channel, data, size, COVEY_FOREVER), "put");
}

void queue_get(void *channel, void *data, size_t size)
{
	need(covey_queue_get(*(covey_queue *)channel, data, size, COVEY_FOREVER), "get");
}

/* The one copy there is: from where the sender has the data into the queue. */
void place_put(void *channel, const void *data, size_t size)
{
	covey_message message;

	need(covey_queue_reserve(*(covey_queue *)channel, size, &message, COVEY_FOREVER),
	     "reserve");
	memcpy(message.data, data, size);
	need(covey_queue_commit(&message), "commit");
}

/* The receiver looks at both ends of the message where it lies. */
void place_get(void *channel, void *data, size_t size)
{
	covey_message message;

	need(covey_queue_peek(*(covey_queue *)channel, &message, COVEY_FOREVER), "peek");
	if (message.len != size)
		bench_fail("another length");
	memcpy(data, message.data, 8);
	memcpy(data, (char *)message.data + size - 8, 8);
	need(covey_queue_release(&message), "release");
}

static void describe(struct iovec *batch, const void *data, size_t size)
{
	for (int i = 0; i < BATCH; i++) {
		batch[i].iov_base = (char *)(uintptr_t)data + (size_t)i * size;
		batch[i].iov_len = size;
	}
}

void batch_put(void *channel, const void *data, size_t size)
{
	struct iovec batch[BATCH];

	describe(batch, data, size);
	for (int done = 0; done < BATCH;) {
		int n = covey_queue_put_many(*(covey_queue *)channel, batch + done, BATCH - done,
		                             COVEY_FOREVER);

		need(n, "put_many");
		done += n;
	}
}

void batch_get(void *channel, void *data, size_t size)
{
	struct iovec batch[BATCH];

	describe(batch, data, size);
	for (int done = 0; done < BATCH;) {
		int n = covey_queue_get_many(*(covey_queue *)channel, batch + done, BATCH - done,
		                             COVEY_FOREVER);

		need(n, "get_many");
		done += n;
	}
}
