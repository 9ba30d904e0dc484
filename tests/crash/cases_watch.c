/* SPDX-License-Identifier: MIT */
/* Queues that are watched: those who put, get, close and select, with others asleep at one word. */
#include "cases.h"

#include <stdlib.h>

static covey_queue q, other;

static void empty_queues(void)
{
	if (covey_queue_create(&q, &(covey_queue_opts){.name = "swept", .max_messages = 1}) < 0 ||
	    covey_queue_create(&other, &(covey_queue_opts){.max_messages = 1}) < 0)
		abort();
}

static void full_queue(void)
{
	empty_queues();
	if (covey_put(q, &(uint32_t){7}, 0) < 0)
		abort();
}

static void end_queues(void)
{
	if (covey_queue_destroy(q) < 0 || covey_queue_destroy(other) < 0)
		abort();
}

static void put_one(void)
{
	covey_put(q, &(uint32_t){7}, COVEY_FOREVER);
}

static void get_one(void)
{
	uint32_t n;

	covey_get(q, &n, COVEY_FOREVER);
}

static void close_it(void)
{
	covey_queue_close(q);
}

static int select_one(uint32_t *got)
{
	covey_waitable w = COVEY_GET(q);

	*got = 1;
	return covey_select(&w, 1, COVEY_FOREVER) < 0 ? covey_errcode() : 0;
}

static void select_it(void)
{
	uint32_t got;

	select_one(&got);
}

static int select_two(uint32_t *got)
{
	covey_waitable w[2] = {COVEY_GET(other), COVEY_GET(q)};

	*got = 1;
	return covey_select(w, 2, COVEY_FOREVER) < 0 ? covey_errcode() : 0;
}

static int select_room(uint32_t *got)
{
	covey_waitable w = COVEY_PUT(q);

	*got = 1;
	return covey_select(&w, 1, COVEY_FOREVER) < 0 ? covey_errcode() : 0;
}

/* Peeks, so that the message is news to all. */
static int peek_one(uint32_t *got)
{
	covey_message m;

	*got = 1;
	if (covey_queue_peek(q, &m, COVEY_FOREVER) < 0)
		return covey_errcode() == -EPIPE ? 0 : covey_errcode();
	return covey_queue_keep(&m);
}

static int peek_select_or_two(uint32_t *got)
{
	/* The sleepers start one after the other, each in a fork of the sweeper. */
	int mine = __atomic_fetch_add((int *)(void *)board->area, 1, __ATOMIC_SEQ_CST);

	return mine == 0 ? peek_one(got) : mine == 1 ? select_one(got) : select_two(got);
}

static int put_helper(uint32_t *got)
{
	*got = 0;
	return covey_put(q, &(uint32_t){9}, COVEY_FOREVER);
}

static int done_now(void)
{
	int done = 0;

	for (int i = 0; i < SLEEPERS; i++)
		done += board->done[i];
	return done;
}

/* All who wait for news go on where there is some. */
static int all_with_news(void)
{
	covey_waitable w = COVEY_GET(q);

	return covey_select(&w, 1, 0) == 1 ? SLEEPERS : done_now();
}

static int all_with_room(void)
{
	covey_waitable w = COVEY_PUT(q);

	return covey_select(&w, 1, 0) == 1 ? SLEEPERS : done_now();
}

static const char *works(const struct board *b)
{
	covey_waitable w = COVEY_GET(q);
	uint32_t n;

	for (int i = 0; i < SLEEPERS; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	while (covey_get(q, &n, 0) == 0)
		;
	if (covey_errcode() == -EPIPE)
		return NULL;
	if (covey_select(&w, 1, 0) != -EAGAIN)
		return "an empty queue is said to be ready";
	if (covey_put(q, &n, COVEY_FOREVER) < 0 || covey_select(&w, 1, COVEY_FOREVER) != 1)
		return "a message is not seen afterwards";
	return covey_get(q, &n, 0) < 0 ? "get failed afterwards" : NULL;
}

static const struct crash_case cases[] = {
	{.name = "put, one who peeks and two who select asleep",
         .setup = empty_queues,
         .call = put_one,
         .sleepers = 3,
         .sleeper = peek_select_or_two,
         .awake = all_with_news,
         .check = works,
         .teardown = end_queues},
	{.name = "get, two who select for room asleep",
         .setup = full_queue,
         .call = get_one,
         .sleepers = 2,
         .sleeper = select_room,
         .awake = all_with_room,
         .check = works,
         .teardown = end_queues},
	{.name = "close, one who peeks and two who select asleep",
         .setup = empty_queues,
         .call = close_it,
         .sleepers = 3,
         .sleeper = peek_select_or_two,
         .awake = all_with_news,
         .check = works,
         .teardown = end_queues},
	{.name = "select that slept, others asleep",
         .setup = empty_queues,
         .call = select_it,
         .sleeps = true,
         .sleepers = 2,
         .sleeper = select_one,
         .waker = put_helper,
         .awake = all_with_news,
         .check = works,
         .teardown = end_queues},
};

CRASH_NOUN(watch, cases);
