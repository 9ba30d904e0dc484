/* SPDX-License-Identifier: MIT */
/*
 * What is done: taken off the workers' stack, listed for as_completed, called
 * back, and at last recycled. A future is recycled once its end is known here,
 * its user has freed it, and its callbacks have run.
 */
#include "pool/pool.h"

#include <limits.h>
#include <stdlib.h>

#define AHEAD 8

/* The pool whose callbacks this thread is running. */
static __thread const covey_pool *calling_back;

bool cvy_in_callback_of(const covey_pool *pool)
{
	return calling_back == pool;
}

/* ---- the lists of the completed */

void cvy_enlist(struct group *group, covey_future *f)
{
	f->listed = true;
	f->next = NULL;
	f->prev = group->last;
	if (group->last)
		group->last->next = f;
	else
		group->first = f;
	group->last = f;
}

void cvy_unlist(covey_future *f)
{
	struct group *group = f->group;

	if (f->prev)
		f->prev->next = f->next;
	else
		group->first = f->next;
	if (f->next)
		f->next->prev = f->prev;
	else
		group->last = f->prev;
	f->listed = false;
	group->left--;
}

/* ---- ends */

static void list_done(covey_pool *pool, covey_future *f)
{
	uint64_t state = atomic_load_explicit(&cvy_task_of(f)->state, memory_order_acquire);
	uint32_t worker = STATE_WORKER(state);

	if (!f->used || f->drained || !cvy_is_done(state))
		return;
	f->drained = true;
	pool->pending--;
	pool->limited -= f->limit != 0;
	/* Of a task that died, the supervisor has written down whose it was. */
	if (worker && worker <= pool->slots && STATUS(state) != TASK_DIED)
		f->pid = atomic_load(&pool->shared->worker[worker - 1].pid);
	if (f->callbacks) {
		f->next_call = NULL;
		*pool->due_last = f;
		pool->due_last = &f->next_call;
	}
	if (f->freed && !f->callbacks)
		cvy_recycle(pool, f);
	else if (!f->freed && f->group)
		cvy_enlist(f->group, f);
}

/*
 * Tasks are mostly done in the order of their places, and each has last been written by
 * another core: fetches the one some steps on, to be written.
 */
static inline void look_ahead(covey_pool *pool, uint32_t at, uint32_t next)
{
	int64_t far = (int64_t)at - 1 + ((int64_t)next - at) * AHEAD;

	if (far >= 0 && far < pool->made) {
		cvy_prefetch_write(&pool->tasks[far]);
		__builtin_prefetch(pool->tasks[far].result_bytes);
	}
}

void cvy_drain(covey_pool *pool)
{
	uint32_t at, next, order = 0, left = pool->made;

	if (!atomic_load_explicit(&pool->shared->done, memory_order_relaxed))
		return;
	at = atomic_exchange_explicit(&pool->shared->done, 0, memory_order_acquire);
	/* The stack has the last first. */
	for (; at && at <= pool->made && left; left--) { /* a damaged one may have no end */
		struct task *task = &pool->tasks[at - 1];

		next = task->next;
		look_ahead(pool, at, next);
		task->next = order;
		order = at;
		at = next;
	}
	for (; order && order <= pool->made && left < pool->made; left++) {
		next = __atomic_load_n(&pool->tasks[order - 1].next, __ATOMIC_RELAXED);
		list_done(pool, cvy_future_at(pool, order - 1));
		order = next;
	}
}

void cvy_end_task(covey_pool *pool, covey_future *f, enum status status)
{
	struct task *task = cvy_task_of(f);
	uint64_t state = atomic_load(&task->state);

	atomic_store(&task->state, STATE_OF(status, STATE_WORKER(state), f->generation));
	cvy_futex_wake(cvy_state_word(task), INT_MAX);
	list_done(pool, f);
}

bool cvy_unclaim(covey_pool *pool, covey_future *f, enum status status)
{
	struct task *task = cvy_task_of(f);
	uint64_t state = atomic_load(&task->state);

	while (STATUS(state) == TASK_PENDING || STATUS(state) == TASK_WAITING)
		if (atomic_compare_exchange_strong(&task->state, &state,
		                                   STATE_OF(status, 0, f->generation))) {
			cvy_end_task(pool, f, status);
			return true;
		}
	return false;
}

void cvy_end_pending(covey_pool *pool, enum status status)
{
	for (uint32_t i = 0; i < pool->made; i++) {
		covey_future *f = cvy_future_at(pool, i);

		if (f->used && !f->drained)
			cvy_unclaim(pool, f, status);
	}
}

void cvy_recycle(covey_pool *pool, covey_future *f)
{
	struct task *task = cvy_task_of(f);

	cvy_block_give(pool, &task->arg, &f->arg, f->arg_class);
	cvy_block_give(pool, &task->reserved, &f->room, f->room_class);
	cvy_region_free(&task->result);
	atomic_store_explicit(&task->state, 0, memory_order_relaxed);
	if (f->trace) {
		free(f->trace);
		f->trace = NULL;
	}
	f->used = f->drained = f->freed = f->listed = f->passed = f->starved = f->overdue = false;
	f->arg_class = f->room_class = 0;
	f->data = NULL;
	f->generation++;
	f->next = pool->free;
	pool->free = f;
}

/* ---- callbacks */

/* The oldest of a future's callbacks; NULL for none. */
static struct callback *next_callback(covey_future *f)
{
	struct callback *callback = f->callbacks;

	if (callback)
		f->callbacks = callback->next;
	return callback;
}

void cvy_call_back(covey_pool *pool)
{
	const covey_pool *outer = calling_back;
	struct callback *callback;
	covey_future *f;

	calling_back = pool;
	cvy_biased_lock(&pool->lock);
	cvy_drain(pool);
	while ((f = pool->due) != NULL) {
		pool->due = f->next_call;
		if (!pool->due)
			pool->due_last = &pool->due;
		/* Those that are added meanwhile wait for their turn here too. */
		f->calling = true;
		while ((callback = next_callback(f)) != NULL) {
			cvy_biased_unlock(&pool->lock);
			callback->fn(f, callback->context);
			free(callback);
			cvy_biased_lock(&pool->lock);
		}
		f->calling = false;
		if (f->freed)
			cvy_recycle(pool, f);
	}
	cvy_biased_unlock(&pool->lock);
	calling_back = outer;
}
