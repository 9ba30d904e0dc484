/* SPDX-License-Identifier: MIT */
/* What follows a future: a task that takes its result, or its failure passed on. */
#include "pool/pool.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The task to come. Its pool stays until it is settled, as for a future that is not freed. */
struct sequel {
	covey_pool *pool;
	uint32_t index;
	uint32_t generation;
};

/* Ends what follows as `before` has ended. With the lock. */
static void pass_on(covey_pool *pool, covey_future *f, covey_future *before, const char *words)
{
	enum status status = STATUS(atomic_load(&cvy_task_of(before)->state));

	f->passed = true;
	f->trace = strdup(words);
	f->wait_status = before->wait_status;
	f->pid = before->pid;
	cvy_task_of(f)->code = cvy_task_of(before)->code;
	if (!f->trace) {
		f->passed = false;
		status = TASK_CANCELLED;
	}
	cvy_unclaim(pool, f, status);
	cvy_tell(pool->shared);
}

/* Has it run, or fail for a reason of its own. With the lock. */
static void go_on(covey_pool *pool, covey_future *f, const void *data, uint64_t len)
{
	struct task *task = cvy_task_of(f);

	if (cvy_submit_argument(pool, f, data, len) >= 0)
		return;
	task->code = -covey_errcode();
	strncpy((char *)task->result_bytes, covey_errmsg(), sizeof task->result_bytes - 1);
	cvy_unclaim(pool, f, TASK_FAILED);
	cvy_tell(pool->shared);
}

static void follow(covey_future *before, void *context)
{
	struct sequel *sequel = context;
	covey_pool *pool = sequel->pool;
	const void *data = NULL;
	int64_t len = covey_future_view(before, &data, 0);
	covey_future *f;

	cvy_biased_lock(&pool->lock);
	f = cvy_future_at(pool, sequel->index);
	if (f->generation == sequel->generation && f->used && !f->drained) {
		if (len < 0)
			pass_on(pool, f, before, covey_errmsg());
		else
			go_on(pool, f, data, (uint64_t)len);
	}
	cvy_biased_unlock(&pool->lock);
	cvy_wake_worker(pool->shared, sequel->index + sequel->generation);
	cvy_call_back(pool);
	cvy_biased_lock(&pool->lock);
	pool->futures--;
	cvy_pool_unlock_or_free(pool);
	free(sequel);
}

covey_future *covey_pool_then_v(covey_pool *pool, covey_future *before, covey_task_fn *fn,
                                const covey_submit_opts *given, size_t size)
{
	struct submission what = {.group = &pool->group};
	struct sequel *sequel;
	covey_submit_opts opts;
	covey_future *f;

	if (cvy_pool_own(pool) < 0 || cvy_future_check(before) < 0 ||
	    cvy_options(&opts, sizeof opts, given, size, "then") < 0)
		return NULL;
	if (covey_fn_make(&what.fn, fn) < 0 || cvy_submit_opts(&what, &opts, pool) < 0) {
		cvy_fail_in("pool '%s': ", pool->name);
		return NULL;
	}
	sequel = malloc(sizeof *sequel);
	if (!sequel) {
		cvy_fail(ENOMEM, "pool '%s': no memory", pool->name);
		return NULL;
	}
	cvy_biased_lock(&pool->lock);
	f = cvy_submit_waiting(pool, &what);
	if (f) {
		*sequel = (struct sequel){pool, f->index, f->generation};
		pool->futures++;
	}
	cvy_biased_unlock(&pool->lock);
	if (!f) {
		free(sequel);
		return NULL;
	}
	if (covey_future_on_done(before, follow, sequel) < 0) {
		covey_future_cancel(f);
		covey_future_free(f);
		cvy_biased_lock(&pool->lock);
		pool->futures--;
		cvy_pool_unlock_or_free(pool);
		free(sequel);
		return NULL;
	}
	return f;
}
