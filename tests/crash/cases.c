/* SPDX-License-Identifier: MIT */
/* The cases of the sweep: which calls, in which situations, and what must hold after a death. */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#include "arena/arena.h"

#define FILLED 6
#define SMALL 64
#define LARGE 1500

/* ---- queues */

/* The victim's message and buffer, made ready before it is stepped. */
static unsigned char victims[LARGE];

static void new_queue(struct world *w, uint64_t bound)
{
	memset(w, 0, sizeof *w);
	make_message(victims, LARGE, 50); /* its beginning is a whole message of any length */
	if (covey_queue_create(&w->q, &(covey_queue_opts){.name = "swept", .max_messages = bound}) <
	    0)
		abort();
}

static void put_id(covey_queue q, size_t len, uint32_t id)
{
	static unsigned char buf[LARGE];

	make_message(buf, len, id);
	if (covey_queue_put(q, buf, len, COVEY_FOREVER) < 0)
		abort();
}

static void fill(struct world *w, uint64_t n, size_t len)
{
	for (uint32_t i = 0; i < n; i++)
		put_id(w->q, len, 1000 + i);
	w->count = n;
}

static void empty_queue(struct world *w)
{
	new_queue(w, FILLED);
}

static void half_full_queue(struct world *w)
{
	new_queue(w, FILLED);
	fill(w, 3, SMALL);
}

static void full_queue(struct world *w)
{
	new_queue(w, FILLED);
	fill(w, FILLED, SMALL);
}

/* All slots of the first segment used: the next put chains one. */
static void brimming_queue(struct world *w)
{
	new_queue(w, 0);
	fill(w, 64, SMALL);
}

/* All of the first segment taken, more in the next: the next get leaves the first. */
static void crossing_queue(struct world *w)
{
	unsigned char buf[SMALL];

	new_queue(w, 0);
	fill(w, 66, SMALL);
	for (int i = 0; i < 64; i++)
		if (covey_queue_get(w->q, buf, sizeof buf, 0) != SMALL)
			abort();
	w->count = 2;
}

static void large_queue(struct world *w)
{
	new_queue(w, 0);
	fill(w, 2, LARGE);
}

static void put_small(struct world *w)
{
	covey_queue_put(w->q, victims, SMALL, COVEY_FOREVER);
}

static void put_tiny(struct world *w)
{
	covey_queue_put(w->q, victims, 8, COVEY_FOREVER);
}

static void put_large(struct world *w)
{
	covey_queue_put(w->q, victims, LARGE, COVEY_FOREVER);
}

static void put_batch(struct world *w)
{
	struct iovec v[3] = {{victims, SMALL}, {victims, SMALL}, {victims, SMALL}};

	covey_queue_put_many(w->q, v, 3, COVEY_FOREVER);
}

static void put_in_place(struct world *w)
{
	covey_message m;

	if (covey_queue_reserve(w->q, SMALL, &m, COVEY_FOREVER) == 0) {
		memcpy(m.data, victims, SMALL);
		covey_queue_commit(&m);
	}
}

static int get_whole(struct world *w, uint32_t *got)
{
	static unsigned char buf[LARGE];
	int64_t n = covey_queue_get(w->q, buf, sizeof buf, COVEY_FOREVER);

	if (n < 0)
		return (int)n;
	if (!whole_message(buf, (size_t)n, got))
		board->torn = 1;
	return 0;
}

static void get_one(struct world *w)
{
	covey_queue_get(w->q, victims, LARGE, COVEY_FOREVER);
}

static void get_batch(struct world *w)
{
	static unsigned char buf[3][SMALL];
	struct iovec v[3] = {{buf[0], SMALL}, {buf[1], SMALL}, {buf[2], SMALL}};

	covey_queue_get_many(w->q, v, 3, COVEY_FOREVER);
}

static void get_in_place(struct world *w)
{
	covey_message m;

	if (covey_queue_peek(w->q, &m, COVEY_FOREVER) == 0)
		covey_queue_release(&m);
}

static void close_it(struct world *w)
{
	covey_queue_close(w->q);
}

static int put_helper(struct world *w, uint32_t *got)
{
	(void)got;
	put_id(w->q, SMALL, 70);
	return 0;
}

/* Getters asleep: as many must go on as there were messages to get. */
static int messages_now(struct world *w)
{
	int done = 0;

	for (int i = 0; i < HELPERS - 2; i++)
		done += board->done[i];
	return done + (int)covey_queue_size(w->q);
}

/* Putters asleep: as many must go on as there is room. */
static int room_now(struct world *w)
{
	int done = 0;

	for (int i = 0; i < HELPERS - 2; i++)
		done += board->done[i];
	return done + FILLED - (int)covey_queue_size(w->q);
}

static int all_when_closed(struct world *w)
{
	int n = 0;

	/* Closed or not, as the kill fell: whoever sees it closed must not sleep on. */
	if (covey_queue_put(w->q, &n, 4, 0) == -EPIPE)
		return HELPERS;
	return messages_now(w);
}

/* What is left is whole and in order, and the queue works on. */
static const char *drain_and_use(struct world *w, const struct board *b)
{
	static unsigned char buf[LARGE];
	uint32_t id, last = 0;
	int64_t n;
	int slack = 0;

	for (;;) {
		n = covey_queue_get(w->q, buf, sizeof buf, 0);
		if (n == -EAGAIN && covey_queue_size(w->q) == 0)
			break;
		if (n == -EAGAIN && slack++ < 1000000)
			continue; /* another receiver is inside */
		if (n < 0)
			return "get failed";
		if (!whole_message(buf, (size_t)n, &id)) {
			board->torn = 1;
			return "a torn message";
		}
		if (id >= 1000 && id <= last)
			return "out of order or twice";
		if (id >= 1000)
			last = id;
	}
	for (int i = 0; i < HELPERS - 2; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	if (covey_queue_bytes(w->q) != 0)
		return "bytes are counted in an empty queue";
	for (uint32_t i = 0; i < 200; i++) {
		make_message(buf, SMALL, i);
		if (covey_queue_put(w->q, buf, SMALL, COVEY_FOREVER) < 0)
			return "put failed afterwards";
		if (covey_queue_get(w->q, buf, sizeof buf, COVEY_FOREVER) != SMALL)
			return "get failed afterwards";
		if (!whole_message(buf, SMALL, &id) || id != i)
			return "another message came than was put";
	}
	return NULL;
}

/* The same, after a check of how many messages there may be. */
static const char *count_drain_and_use(struct world *w, const struct board *b, uint64_t least,
                                       uint64_t most)
{
	uint64_t n = (uint64_t)covey_queue_size(w->q);

	if (n < least || n > most)
		return "messages were lost or doubled";
	return drain_and_use(w, b);
}

static const char *after_put(struct world *w, const struct board *b)
{
	return count_drain_and_use(w, b, w->count, w->count + 1 + (uint64_t)b->done[HELPERS - 2]);
}

static const char *after_batch(struct world *w, const struct board *b)
{
	uint64_t n = (uint64_t)covey_queue_size(w->q);

	return n != w->count && n != w->count + 3 ? "half a batch" : drain_and_use(w, b);
}

static const char *after_get(struct world *w, const struct board *b)
{
	return count_drain_and_use(w, b, w->count - 1 - (uint64_t)b->done[HELPERS - 2], w->count);
}

static const char *after_batch_get(struct world *w, const struct board *b)
{
	uint64_t n = (uint64_t)covey_queue_size(w->q);

	return n != w->count && n != w->count - 3 ? "half a batch" : drain_and_use(w, b);
}

static const char *is_sound(struct world *w, const struct board *b)
{
	return drain_and_use(w, b);
}

static const char *closed_or_sound(struct world *w, const struct board *b)
{
	int n = 0;

	(void)b;
	for (int i = 0; i < 2; i++)
		if (covey_queue_close(w->q) < 0)
			return "close failed afterwards";
	while (covey_get(w->q, &n, COVEY_FOREVER) == 0)
		;
	return covey_errcode() == -EPIPE ? NULL : "no end of the stream";
}

static int closed_get(struct world *w, uint32_t *got)
{
	int n;
	int rc = covey_get(w->q, &n, COVEY_FOREVER);

	*got = 0;
	return rc == -EPIPE ? 0 : rc;
}

static void end_queue(struct world *w)
{
	if (covey_queue_destroy(w->q) < 0)
		abort();
}

/* ---- locks */

static void new_locks(struct world *w)
{
	memset(w, 0, sizeof *w);
	if (covey_lock_create(&w->lock, "swept") < 0 || covey_rlock_create(&w->rlock, "swept") < 0)
		abort();
}

static int hold_briefly(struct world *w, uint32_t *got)
{
	int rc = covey_lock_acquire(w->lock, COVEY_FOREVER);

	*got = rc == COVEY_OWNER_DIED;
	return rc < 0 ? rc : covey_lock_release(w->lock);
}

static void lock_unlock(struct world *w)
{
	uint32_t got;

	hold_briefly(w, &got);
}

static void rlock_twice(struct world *w)
{
	covey_rlock_acquire(w->rlock, COVEY_FOREVER);
	covey_rlock_acquire(w->rlock, COVEY_FOREVER);
	covey_rlock_release(w->rlock);
	covey_rlock_release(w->rlock);
}

static const char *locks_work(struct world *w, const struct board *b)
{
	int rc;

	(void)b;
	for (int i = 0; i < 3; i++) {
		rc = covey_lock_acquire(w->lock, COVEY_FOREVER);
		if (rc < 0 || (i && rc))
			return "acquire failed, or death was told twice";
		if (covey_lock_release(w->lock) < 0)
			return "release failed";
		rc = covey_rlock_acquire(w->rlock, COVEY_FOREVER);
		if (rc < 0 || (i && rc))
			return "rlock acquire failed, or death was told twice";
		if (covey_rlock_release(w->rlock) < 0)
			return "rlock release failed";
		if (covey_rlock_release(w->rlock) != -EPERM)
			return "depth outlived its holder";
	}
	return NULL;
}

static void end_locks(struct world *w)
{
	covey_lock_destroy(w->lock);
	covey_rlock_destroy(w->rlock);
}

/* ---- making and unmaking */

static void make_lock(struct world *w)
{
	covey_lock_create(&w->lock, "made");
}

static void make_queue(struct world *w)
{
	covey_queue_create(&w->q, NULL);
}

static void unmake_lock(struct world *w)
{
	covey_lock_destroy(w->lock);
}

static void unmake_queue(struct world *w)
{
	covey_queue_destroy(w->q);
}

static void nothing(struct world *w)
{
	memset(w, 0, sizeof *w);
}

static const char *table_works(struct world *w, const struct board *b)
{
	covey_lock lock;
	covey_queue q;

	(void)w;
	(void)b;
	for (uint32_t i = 0; i < 3; i++) {
		unsigned char buf[SMALL];
		uint32_t id;

		if (covey_lock_create(&lock, "after") < 0 || covey_queue_create(&q, NULL) < 0)
			return "create failed afterwards";
		if (covey_lock_acquire(lock, COVEY_FOREVER) != 0 || covey_lock_release(lock) != 0)
			return "a new lock does not work";
		make_message(buf, SMALL, i);
		if (covey_queue_put(q, buf, SMALL, COVEY_FOREVER) < 0 ||
		    covey_queue_get(q, buf, SMALL, COVEY_FOREVER) != SMALL ||
		    !whole_message(buf, SMALL, &id) || id != i)
			return "a new queue does not work";
		if (covey_lock_destroy(lock) < 0 || covey_queue_destroy(q) < 0)
			return "destroy failed afterwards";
	}
	return NULL;
}

/* Destroyed wholly, or there and destroyed now. */
static const char *can_be_unmade(struct world *w, const struct board *b)
{
	int rc = w->q.id ? covey_queue_destroy(w->q) : covey_lock_destroy(w->lock);

	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	return table_works(w, b);
}

static void leave(struct world *w)
{
	(void)w;
}

const struct crash_case crash_cases[] = {
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
	{.name = "close, two getters asleep",
         .setup = empty_queue,
         .call = close_it,
         .sleepers = 2,
         .sleeper = closed_get,
         .awake = all_when_closed,
         .check = closed_or_sound,
         .teardown = end_queue},
	{.name = "lock and release, alone",
         .setup = new_locks,
         .call = lock_unlock,
         .check = locks_work,
         .teardown = end_locks},
	{.name = "lock and release, contended",
         .setup = new_locks,
         .call = lock_unlock,
         .contended = true,
         .check = locks_work,
         .teardown = end_locks},
	{.name = "rlock taken twice",
         .setup = new_locks,
         .call = rlock_twice,
         .check = locks_work,
         .teardown = end_locks},
	{.name = "create a lock",
         .setup = nothing,
         .call = make_lock,
         .check = table_works,
         .teardown = leave},
	{.name = "destroy a lock",
         .setup = new_locks,
         .call = unmake_lock,
         .check = can_be_unmade,
         .teardown = end_locks},
	{.name = "create a queue",
         .setup = nothing,
         .call = make_queue,
         .check = table_works,
         .teardown = leave,
         .may_stay = 24576},
	{.name = "destroy a queue",
         .setup = crossing_queue,
         .call = unmake_queue,
         .check = can_be_unmade,
         .teardown = leave},
};

const int crash_case_count = sizeof crash_cases / sizeof *crash_cases;
