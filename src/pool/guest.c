/* SPDX-License-Identifier: MIT */
/*
 * The pool as a worker process sees it: its tasks may submit tasks, which the pool's process
 * puts into the table for them (host.c) and frees when the worker has died. Their states
 * and results lie in the arena, so waiting for them needs nobody.
 */
#include "pool/pool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where this process works. */
static struct {
	struct shared *shared;
	uint32_t index;
	uint32_t incarnation;
	int notify_fd;
} here;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static covey_pool *guest;

void cvy_guest_at(struct shared *shared, uint32_t index, int notify_fd)
{
	here.shared = shared;
	here.index = index;
	here.notify_fd = notify_fd;
	here.incarnation = cvy_incarnation();
	guest = NULL;
}

static covey_pool *make(void)
{
	covey_pool *pool = calloc(1, sizeof *pool);

	if (!pool) {
		cvy_fail(ENOMEM, "pool: no memory for a worker's view of it");
		return NULL;
	}
	pool->guest = true;
	pool->guest_index = here.index;
	pool->incarnation = here.incarnation;
	pool->notify_fd = here.notify_fd;
	pool->shared = here.shared;
	pool->tasks = cvy_tasks(here.shared, &pool->limit);
	if (!pool->tasks) {
		cvy_fail(EBADMSG, "pool: its memory is damaged");
		free(pool);
		return NULL;
	}
	pool->workers = cvy_worker_count(here.shared);
	snprintf(pool->name, sizeof pool->name, "of this worker");
	cvy_biased_init(&pool->lock);
	return pool;
}

covey_pool *cvy_guest_pool(void)
{
	covey_pool *pool;

	if (!here.shared || here.incarnation != cvy_incarnation()) {
		cvy_fail(ENOENT, "pool: this is not a worker of one");
		return NULL;
	}
	pthread_mutex_lock(&lock);
	if (!guest)
		guest = make();
	pool = guest;
	pthread_mutex_unlock(&lock);
	return pool;
}

/* ---- asking. With the guest's lock */

static struct ask *ask_of(const covey_pool *pool)
{
	return &pool->shared->worker[pool->guest_index].ask;
}

static void wait_while_asked(covey_pool *pool, struct ask *ask)
{
	while (atomic_load_explicit(&ask->state, memory_order_acquire) == ASK_ASKED)
		if (cvy_futex_wait(&ask->state, ASK_ASKED, cvy_now() + CVY_SLICE) == -ETIMEDOUT)
			cvy_kick(pool);
}

/* Once what was asked before has been taken. */
static struct ask *begin(covey_pool *pool, uint32_t what, const covey_future *f)
{
	struct ask *ask = ask_of(pool);

	cvy_biased_lock(&pool->lock);
	wait_while_asked(pool, ask);
	ask->what = what;
	ask->index = f ? f->index : 0;
	ask->generation = f ? f->generation : 0;
	return ask;
}

/* Waits for the answer, in words where it is a failure. */
static int finish(covey_pool *pool, struct ask *ask)
{
	int rc;

	atomic_store(&ask->state, ASK_ASKED);
	cvy_kick(pool);
	wait_while_asked(pool, ask);
	rc = ask->rc;
	if (rc < 0)
		cvy_fail(-rc, "%.*s", (int)sizeof ask->failure.words, ask->failure.words);
	return rc;
}

static void end(covey_pool *pool, struct ask *ask)
{
	atomic_store(&ask->state, ASK_NONE);
	cvy_biased_unlock(&pool->lock);
}

/* ---- what futures need */

static int copy_argument(struct ask *ask, const struct submission *what)
{
	unsigned char *to;

	ask->len = (uint64_t)what->head_len + what->body_len;
	if (!ask->len)
		return 0;
	if (cvy_region_alloc(&ask->own_arg, ask->len) < 0)
		return cvy_fail_in("pool: an argument of %llu bytes: ",
		                   (unsigned long long)ask->len);
	to = cvy_at(__atomic_load_n(&ask->own_arg, __ATOMIC_RELAXED), ask->len);
	if (!to)
		return cvy_fail(EBADMSG, "pool: the arena is damaged");
	if (what->head_len)
		memcpy(to, what->head, what->head_len);
	if (what->body_len)
		memcpy(to + what->head_len, what->body, what->body_len);
	return 0;
}

covey_future *cvy_guest_submit(covey_pool *pool, const struct submission *what)
{
	covey_future *f = calloc(1, sizeof *f);
	struct ask *ask;
	uint32_t index;
	int rc;

	if (!f) {
		cvy_fail(ENOMEM, "pool: no memory for a future");
		return NULL;
	}
	ask = begin(pool, ASK_SUBMIT, NULL);
	rc = copy_argument(ask, what);
	if (rc == 0) {
		ask->fn = what->fn;
		ask->retries = what->retries;
		ask->priority = what->priority;
		ask->limit = what->limit;
		ask->result_size = what->result_size;
		ask->cleared = what->cleared;
		snprintf(ask->name, sizeof ask->name, "%s", what->name ? what->name : "");
		rc = finish(pool, ask);
		cvy_region_free(&ask->own_arg);
	}
	index = __atomic_load_n(&ask->index, __ATOMIC_RELAXED);
	if (rc == 0 && index >= pool->limit)
		rc = cvy_fail(EBADMSG, "pool: a damaged answer");
	if (rc == 0) {
		f->pool = pool;
		f->index = index;
		f->generation = ask->generation;
		f->group = what->group;
		snprintf(f->name, sizeof f->name, "%s", what->name ? what->name : "");
		if (f->group) {
			cvy_enlist(f->group, f);
			f->group->left++;
		}
	}
	end(pool, ask);
	if (rc == 0)
		return f;
	free(f);
	return NULL;
}

int cvy_guest_cancel(covey_future *f)
{
	struct ask *ask = begin(f->pool, ASK_CANCEL, f);
	int rc = finish(f->pool, ask);

	end(f->pool, ask);
	return rc;
}

int cvy_guest_failure(covey_future *f, covey_failure *failure)
{
	struct ask *ask = begin(f->pool, ASK_FAILURE, f);
	int rc = finish(f->pool, ask);

	if (rc == 0) {
		*failure = ask->failure;
		failure->words[sizeof failure->words - 1] = 0;
		f->pid = failure->pid;
	}
	end(f->pool, ask);
	return rc;
}

void cvy_guest_free(covey_future *f)
{
	covey_pool *pool = f->pool;
	struct ask *ask = begin(pool, ASK_FREE, f);

	if (f->listed)
		cvy_unlist(f);
	atomic_store(&ask->state, ASK_ASKED);
	cvy_kick(pool);
	cvy_biased_unlock(&pool->lock);
	free(f);
}
