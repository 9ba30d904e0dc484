/* SPDX-License-Identifier: MIT */
/*
 * Promises: futures that no worker brings about. They are those of a hall, a pool without
 * workers, which comes with a process's first promise and goes with its last; so
 * whatever takes futures takes them, too.
 */
#include "pool/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

pthread_mutex_t cvy_hall_lock = PTHREAD_MUTEX_INITIALIZER;
static covey_pool *hall;

/* ---- the hall */

/* Has one. With the halls' lock. */
static covey_pool *enter(void)
{
	static const covey_pool_opts opts = {
		.name = "promises", .kind = COVEY_THREADS, .workers = 1};

	if (hall && hall->incarnation == cvy_incarnation())
		return hall;
	hall = NULL; /* it was the parent's */
	if (cvy_pool_new(&hall, &opts) < 0)
		return NULL;
	hall->hall = true;
	hall->joined = true; /* it lasts as long as its futures */
	cvy_pools_add(hall);
	return hall;
}

void cvy_hall_unlock_or_free(covey_pool *pool)
{
	bool last = pool->futures == 0 && pool->guests == 0;

	cvy_biased_unlock(&pool->lock);
	if (last) {
		if (hall == pool)
			hall = NULL;
		cvy_pools_remove(pool);
		cvy_pool_dispose(pool);
	}
	pthread_mutex_unlock(&cvy_hall_lock);
}

void cvy_hall_call_back(covey_pool *pool)
{
	cvy_call_back(pool);
	pthread_mutex_lock(&cvy_hall_lock);
	cvy_biased_lock(&pool->lock);
	pool->guests--;
	cvy_hall_unlock_or_free(pool);
}

/* ---- making and keeping promises */

covey_future *covey_future_create(const char *name)
{
	struct submission what = {.name = name, .retries = -1};
	covey_future *f = NULL;
	covey_pool *pool;

	pthread_mutex_lock(&cvy_hall_lock);
	pool = enter();
	if (pool) {
		cvy_biased_lock(&pool->lock);
		f = cvy_submit_waiting(pool, &what);
		cvy_hall_unlock_or_free(pool);
		return f;
	}
	pthread_mutex_unlock(&cvy_hall_lock);
	return NULL;
}

/* 0 and the lock held, where the promise may still be kept. */
static int begin(covey_future *f)
{
	char title[CVY_TITLE];
	enum status status;
	int rc = cvy_future_check(f);

	if (rc < 0)
		return rc;
	if (!f->pool->hall)
		return cvy_fail(EINVAL, "%s: its worker ends it, and nobody else",
		                cvy_future_title(f, title));
	cvy_biased_lock(&f->pool->lock);
	status = STATUS(atomic_load(&cvy_task_of(f)->state));
	if (status == TASK_WAITING || status == TASK_RUNNING)
		return 0;
	cvy_biased_unlock(&f->pool->lock);
	if (status == TASK_CANCELLED)
		return cvy_fail(ECANCELED, "%s: cancelled", cvy_future_title(f, title));
	return cvy_fail(EALREADY, "%s: done already", cvy_future_title(f, title));
}

/* Lets go of the lock. */
static int end(covey_future *f, enum status status)
{
	covey_pool *pool = f->pool;

	pool->guests++;
	cvy_end_task(pool, f, status);
	cvy_tell(pool->shared);
	cvy_biased_unlock(&pool->lock);
	cvy_hall_call_back(pool); /* f may be gone by now */
	return 0;
}

int covey_future_set_running(covey_future *f)
{
	_Atomic uint64_t *state;
	uint64_t seen;
	int rc = begin(f);

	if (rc < 0)
		return rc;
	state = &cvy_task_of(f)->state;
	seen = atomic_load(state);
	while (!atomic_compare_exchange_strong(
		state, &seen, STATE_OF(TASK_RUNNING, 0, f->generation) | STATE_FLAGS(seen)))
		;
	cvy_biased_unlock(&f->pool->lock);
	return 0;
}

int covey_future_set_result(covey_future *f, const void *data, size_t len)
{
	char title[CVY_TITLE];
	struct task *task;
	int rc;

	if (len && !data)
		return cvy_fail(EINVAL, "promise: no result was given");
	rc = begin(f);
	if (rc < 0)
		return rc;
	task = cvy_task_of(f);
	if (len > RESULT_INLINE && cvy_region_alloc(&task->result, len) < 0) {
		cvy_biased_unlock(&f->pool->lock);
		return cvy_fail_in("%s: a result of %zu bytes: ", cvy_future_title(f, title), len);
	}
	task->result_len = len;
	if (len)
		memcpy(cvy_result_at(task, len), data, len);
	return end(f, TASK_DONE);
}

int covey_future_set_failure(covey_future *f, int code, const char *format, ...)
{
	struct task *task;
	va_list args;
	int rc = begin(f);

	if (rc < 0)
		return rc;
	task = cvy_task_of(f);
	task->code = code ? code : 1;
	va_start(args, format);
	vsnprintf((char *)task->result_bytes, sizeof task->result_bytes, format, args);
	va_end(args);
	return end(f, TASK_FAILED);
}
