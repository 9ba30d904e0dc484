/* SPDX-License-Identifier: MIT */
/* The object table: objects made and destroyed. */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#define SMALL 64

static covey_queue q;
static covey_lock lock;
static covey_rwlock rwlock;

static void make_lock(void)
{
	covey_lock_create(&lock, "made");
}

static void make_queue(void)
{
	covey_queue_create(&q, NULL);
}

static void make_rwlock(void)
{
	covey_rwlock rw;

	covey_rwlock_create(&rw, "made");
}

static void unmake_rwlock(void)
{
	covey_rwlock_destroy(rwlock);
}

static void unmake_lock(void)
{
	covey_lock_destroy(lock);
}

static void unmake_queue(void)
{
	covey_queue_destroy(q);
}

static void nothing(void)
{
}

static void a_lock(void)
{
	q.id = rwlock.id = 0;
	if (covey_lock_create(&lock, "swept") < 0)
		abort();
}

static void a_rwlock(void)
{
	q.id = 0;
	if (covey_rwlock_create(&rwlock, "swept") < 0)
		abort();
}

/* One with two segments: the first is all taken. */
static void a_long_queue(void)
{
	unsigned char buf[SMALL];

	memset(buf, 1, sizeof buf);
	if (covey_queue_create(&q, NULL) < 0)
		abort();
	for (int i = 0; i < 66; i++)
		if (covey_queue_put(q, buf, sizeof buf, COVEY_FOREVER) < 0)
			abort();
	for (int i = 0; i < 64; i++)
		if (covey_queue_get(q, buf, sizeof buf, 0) != SMALL)
			abort();
}

static const char *table_works(const struct board *b)
{
	covey_lock new_lock;
	covey_queue new_queue;

	(void)b;
	for (uint32_t i = 0; i < 3; i++) {
		unsigned char buf[SMALL];
		uint32_t id;

		if (covey_lock_create(&new_lock, "after") < 0 ||
		    covey_queue_create(&new_queue, NULL) < 0)
			return "create failed afterwards";
		if (covey_lock_acquire(new_lock, COVEY_FOREVER) != 0 ||
		    covey_lock_release(new_lock) != 0)
			return "a new lock does not work";
		make_message(buf, SMALL, i);
		if (covey_queue_put(new_queue, buf, SMALL, COVEY_FOREVER) < 0 ||
		    covey_queue_get(new_queue, buf, SMALL, COVEY_FOREVER) != SMALL ||
		    !whole_message(buf, SMALL, &id) || id != i)
			return "a new queue does not work";
		if (covey_lock_destroy(new_lock) < 0 || covey_queue_destroy(new_queue) < 0)
			return "destroy failed afterwards";
	}
	return NULL;
}

/* Destroyed wholly, or there and destroyed now. */
static const char *can_be_unmade(const struct board *b)
{
	int rc = q.id        ? covey_queue_destroy(q)
	         : rwlock.id ? covey_rwlock_destroy(rwlock)
	                     : covey_lock_destroy(lock);

	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	return table_works(b);
}

static void leave(void)
{
}

static const struct crash_case cases[] = {
	{.name = "create a lock",
         .setup = nothing,
         .call = make_lock,
         .check = table_works,
         .teardown = leave},
	{.name = "destroy a lock",
         .setup = a_lock,
         .call = unmake_lock,
         .check = can_be_unmade,
         .teardown = leave},
	{.name = "create a rwlock",
         .setup = nothing,
         .call = make_rwlock,
         .check = table_works,
         .teardown = leave,
         .may_stay = 16384},
	{.name = "destroy a rwlock",
         .setup = a_rwlock,
         .call = unmake_rwlock,
         .check = can_be_unmade,
         .teardown = leave},
	{.name = "create a queue",
         .setup = nothing,
         .call = make_queue,
         .check = table_works,
         .teardown = leave,
         .may_stay = 24576},
	{.name = "destroy a queue",
         .setup = a_long_queue,
         .call = unmake_queue,
         .check = can_be_unmade,
         .teardown = leave},
};

CRASH_NOUN(object, cases);
