/* SPDX-License-Identifier: MIT */
/* Counted queues: getting, marking done, joining. */
#include "cases.h"

#include <stdlib.h>

static covey_queue q;

/* Two messages put; n of them got by this process, which lives on. */
static void with_got(int n)
{
	uint32_t id = 1;

	if (covey_queue_create(&q, &(covey_queue_opts){.name = "swept", .counted = 1}) < 0)
		abort();
	for (int i = 0; i < 2; i++)
		if (covey_put(q, &id, 0) < 0)
			abort();
	for (int i = 0; i < n; i++)
		if (covey_get(q, &id, 0) < 0)
			abort();
}

static void queued(void)
{
	with_got(0);
}

static void none_queued(void)
{
	with_got(2);
	for (int i = 0; i < 2; i++)
		if (covey_queue_task_done(q) < 0)
			abort();
	if (covey_put(q, &(uint32_t){1}, 0) < 0)
		abort();
}

static void end_queue(void)
{
	if (covey_queue_destroy(q) < 0)
		abort();
}

static void get_one(void)
{
	uint32_t id;

	covey_get(q, &id, COVEY_FOREVER);
}

static void get_and_mark(void)
{
	get_one();
	covey_queue_task_done(q);
}

static void join_it(void)
{
	covey_queue_join(q, COVEY_FOREVER);
}

static int join_helper(uint32_t *got)
{
	int64_t rc = covey_queue_join(q, COVEY_FOREVER);

	*got = (uint32_t)rc;
	return rc < 0 ? (int)rc : 0;
}

static int do_all(uint32_t *got)
{
	while (covey_get(q, got, 0) == 0)
		if (covey_queue_task_done(q) < 0)
			return covey_errcode();
	return covey_errcode() == -EAGAIN ? 0 : covey_errcode();
}

/* Those who join must go on once all is marked; where some are lost they look in time. */
static int joined_now(void)
{
	int64_t rc = covey_queue_join(q, 0);
	int done = 0;

	for (int i = 0; i < SLEEPERS; i++)
		done += board->done[i];
	return rc == 0 ? SLEEPERS : done;
}

/* What was queued is got by us or was by the dead; all is marked or counted off. */
static const char *adds_up(const struct board *b)
{
	int64_t left = covey_queue_size(q), lost;
	uint32_t id;

	for (int i = 0; i < SLEEPERS; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	for (int64_t i = 0; i < left; i++) {
		if (covey_get(q, &id, COVEY_FOREVER) < 0)
			return "get failed afterwards";
		if (covey_queue_task_done(q) < 0)
			return "a message that was got cannot be marked";
	}
	if (covey_queue_task_done(q) != -EINVAL)
		return "more can be marked than was got";
	lost = covey_queue_join(q, COVEY_FOREVER);
	if (lost < 0)
		return "join failed";
	if (lost > 2 - left)
		return "more are said to be lost than the dead can have got";
	if (covey_put(q, &id, 0) < 0 || covey_queue_join(q, 0) != -EAGAIN)
		return "join does not see a new message";
	if (covey_get(q, &id, 0) < 0 || covey_queue_task_done(q) < 0)
		return "it does not work on";
	return covey_queue_join(q, COVEY_FOREVER) == lost ? NULL : "the lost do not stay the same";
}

static const struct crash_case cases[] = {
	{.name = "get of a counted queue",
         .setup = queued,
         .call = get_one,
         .check = adds_up,
         .teardown = end_queue},
	{.name = "get and task_done, two who join asleep",
         .setup = none_queued,
         .call = get_and_mark,
         .sleepers = 2,
         .sleeper = join_helper,
         .awake = joined_now,
         .check = adds_up,
         .teardown = end_queue},
	{.name = "join that slept, another who joins asleep",
         .setup = queued,
         .call = join_it,
         .sleeps = true,
         .sleepers = 1,
         .sleeper = join_helper,
         .waker = do_all,
         .awake = joined_now,
         .check = adds_up,
         .teardown = end_queue,
         .every = 31}, /* it looks at all who put, again and again */
};

CRASH_NOUN(counted, cases);
