/* SPDX-License-Identifier: MIT */
/* Queues: every way to put and get, close. */
#include "cases.h"

#include <string.h>

#include "swept_queue.h"

static void put_small(void)
{
	covey_queue_put(q, victims, SMALL, COVEY_FOREVER);
}

static void put_tiny(void)
{
	covey_queue_put(q, victims, 8, COVEY_FOREVER);
}

static void put_large(void)
{
	covey_queue_put(q, victims, LARGE, COVEY_FOREVER);
}

static void put_batch(void)
{
	struct iovec v[3] = {{victims, SMALL}, {victims, SMALL}, {victims, SMALL}};

	covey_queue_put_many(q, v, 3, COVEY_FOREVER);
}

static void put_in_place(void)
{
	covey_message m;

	if (covey_queue_reserve(q, SMALL, &m, COVEY_FOREVER) == 0) {
		memcpy(m.data, victims, SMALL);
		covey_queue_commit(&m);
	}
}

static void abandon_one(void)
{
	covey_message m;

	if (covey_queue_reserve(q, SMALL, &m, COVEY_FOREVER) == 0) {
		memcpy(m.data, victims, SMALL);
		covey_queue_abandon(&m);
	}
}

static int get_whole(uint32_t *got)
{
	static unsigned char buf[LARGE];
	int64_t n = covey_queue_get(q, buf, sizeof buf, COVEY_FOREVER);

	if (n < 0)
		return (int)n;
	if (!whole_message(buf, (size_t)n, got))
		board->torn = 1;
	return 0;
}

static void get_one(void)
{
	covey_queue_get(q, victims, LARGE, COVEY_FOREVER);
}

static void get_batch(void)
{
	static unsigned char buf[3][SMALL];
	struct iovec v[3] = {{buf[0], SMALL}, {buf[1], SMALL}, {buf[2], SMALL}};

	covey_queue_get_many(q, v, 3, COVEY_FOREVER);
}

static void get_in_place(void)
{
	covey_message m;

	if (covey_queue_peek(q, &m, COVEY_FOREVER) == 0)
		covey_queue_release(&m);
}

static void keep_one(void)
{
	covey_message m;

	if (covey_queue_peek(q, &m, COVEY_FOREVER) == 0)
		covey_queue_keep(&m);
}

static void close_it(void)
{
	covey_queue_close(q);
}

static int put_helper(uint32_t *got)
{
	(void)got;
	put_id(SMALL, HELPERS_ID);
	return 0;
}

/* Getters asleep: as many must go on as there were messages to get. */
static int messages_now(void)
{
	int done = 0;

	for (int i = 0; i < SLEEPERS; i++)
		done += board->done[i];
	return done + (int)covey_queue_size(q);
}

/* Putters asleep: as many must go on as there is room. */
static int room_now(void)
{
	int done = 0;

	for (int i = 0; i < SLEEPERS; i++)
		done += board->done[i];
	return done + FILLED - (int)covey_queue_size(q);
}

static int all_when_closed(void)
{
	int n = 0;

	/* Closed or not, as the kill fell: whoever sees it closed must not sleep on. */
	if (covey_queue_put(q, &n, 4, 0) == -EPIPE)
		return SLEEPERS;
	return messages_now();
}

static const char *after_put(const struct board *b)
{
	return count_drain_and_use(b, count, count + 1 + (uint64_t)b->done[CONTENDER]);
}

static const char *after_batch(const struct board *b)
{
	uint64_t n = (uint64_t)covey_queue_size(q);

	return n != count && n != count + 3 ? "half a batch" : drain_and_use(b);
}

static const char *after_get(const struct board *b)
{
	return count_drain_and_use(b, count - 1 - (uint64_t)b->done[CONTENDER], count);
}

static const char *after_batch_get(const struct board *b)
{
	uint64_t n = (uint64_t)covey_queue_size(q);

	return n != count && n != count - 3 ? "half a batch" : drain_and_use(b);
}

static const char *after_nothing(const struct board *b)
{
	return count_drain_and_use(b, count, count);
}

static const char *is_sound(const struct board *b)
{
	return drain_and_use(b);
}

static const char *closed_or_sound(const struct board *b)
{
	int n = 0;

	(void)b;
	for (int i = 0; i < 2; i++)
		if (covey_queue_close(q) < 0)
			return "close failed afterwards";
	while (covey_get(q, &n, COVEY_FOREVER) == 0)
		;
	return covey_errcode() == -EPIPE ? NULL : "no end of the stream";
}

static int closed_get(uint32_t *got)
{
	int n;
	int rc = covey_get(q, &n, COVEY_FOREVER);

	*got = 0;
	return rc == -EPIPE ? 0 : rc;
}

static const struct crash_case cases[] = {
	{.name = "put, alone",
         .setup = half_full_queue,
         .call = put_small,
         .check = after_put,
         .teardown = end_queue},
	{.name = "put of 8 bytes",
         .setup = half_full_queue,
         .call = put_tiny,
         .check = after_put,
         .teardown = end_queue},
	{.name = "put, getter asleep",
         .setup = empty_queue,
         .call = put_small,
         .sleepers = 1,
         .sleeper = get_whole,
         .awake = messages_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "put, two getters asleep",
         .setup = empty_queue,
         .call = put_small,
         .sleepers = 2,
         .sleeper = get_whole,
         .awake = messages_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "put, getter about to sleep",
         .setup = empty_queue,
         .call = put_small,
         .sleepers = 1,
         .sleeper = get_whole,
         .held = true,
         .awake = messages_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "put, contended",
         .setup = half_full_queue,
         .call = put_small,
         .contended = true,
         .check = after_put,
         .teardown = end_queue},
	{.name = "put, contended, getter asleep",
         .setup = empty_queue,
         .call = put_small,
         .contended = true,
         .sleepers = 1,
         .sleeper = get_whole,
         .awake = messages_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "put that chains a segment",
         .setup = brimming_queue,
         .call = put_small,
         .check = after_put,
         .teardown = end_queue},
	{.name = "put of 1,500 bytes",
         .setup = large_queue,
         .call = put_large,
         .check = after_put,
         .teardown = end_queue},
	{.name = "put of a batch",
         .setup = half_full_queue,
         .call = put_batch,
         .check = after_batch,
         .teardown = end_queue},
	{.name = "put in place",
         .setup = half_full_queue,
         .call = put_in_place,
         .check = after_put,
         .teardown = end_queue},
	{.name = "put in place that is abandoned",
         .setup = half_full_queue,
         .call = abandon_one,
         .check = after_nothing,
         .teardown = end_queue},
	{.name = "put that slept, another putter asleep",
         .setup = full_queue,
         .call = put_small,
         .sleeps = true,
         .sleepers = 1,
         .sleeper = put_helper,
         .waker = get_whole,
         .awake = room_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "get, alone",
         .setup = half_full_queue,
         .call = get_one,
         .check = after_get,
         .teardown = end_queue},
	{.name = "get, putter asleep",
         .setup = full_queue,
         .call = get_one,
         .sleepers = 1,
         .sleeper = put_helper,
         .awake = room_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "get, putter about to sleep",
         .setup = full_queue,
         .call = get_one,
         .sleepers = 1,
         .sleeper = put_helper,
         .held = true,
         .awake = room_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "get, two putters asleep",
         .setup = full_queue,
         .call = get_one,
         .sleepers = 2,
         .sleeper = put_helper,
         .awake = room_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "get, contended",
         .setup = half_full_queue,
         .call = get_one,
         .contended = true,
         .check = after_get,
         .teardown = end_queue},
	{.name = "get that leaves a segment",
         .setup = crossing_queue,
         .call = get_one,
         .check = after_get,
         .teardown = end_queue},
	{.name = "get of 1,500 bytes",
         .setup = large_queue,
         .call = get_one,
         .check = after_get,
         .teardown = end_queue},
	{.name = "get of a batch",
         .setup = half_full_queue,
         .call = get_batch,
         .check = after_batch_get,
         .teardown = end_queue},
	{.name = "get in place",
         .setup = half_full_queue,
         .call = get_in_place,
         .check = after_get,
         .teardown = end_queue},
	{.name = "get in place that is kept",
         .setup = half_full_queue,
         .call = keep_one,
         .check = after_nothing,
         .teardown = end_queue},
	{.name = "get that slept, another getter asleep",
         .setup = empty_queue,
         .call = get_one,
         .sleeps = true,
         .sleepers = 1,
         .sleeper = get_whole,
         .waker = put_helper,
         .awake = messages_now,
         .check = is_sound,
         .teardown = end_queue},
	{.name = "close, getter about to sleep",
         .setup = empty_queue,
         .call = close_it,
         .sleepers = 1,
         .sleeper = closed_get,
         .held = true,
         .awake = all_when_closed,
         .check = closed_or_sound,
         .teardown = end_queue},
	{.name = "close, two getters asleep",
         .setup = empty_queue,
         .call = close_it,
         .sleepers = 2,
         .sleeper = closed_get,
         .awake = all_when_closed,
         .check = closed_or_sound,
         .teardown = end_queue},
};

CRASH_NOUN(queue, cases);
