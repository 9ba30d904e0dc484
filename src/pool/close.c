/* SPDX-License-Identifier: MIT */
/* Pools: closing, joining, terminating. */
#include "pool/pool.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

void cvy_pool_unlock_or_free(covey_pool *pool)
{
	bool last = pool->joined && pool->futures == 0;

	cvy_biased_unlock(&pool->lock);
	if (last)
		cvy_pool_dispose(pool);
}

int covey_pool_close(covey_pool *pool)
{
	int rc = cvy_pool_own(pool);

	if (rc < 0)
		return rc;
	cvy_biased_lock(&pool->lock);
	pool->closed = true;
	cvy_biased_unlock(&pool->lock);
	return 0;
}

/* Whether nothing is pending and nobody is in a call. */
static bool at_rest(covey_pool *pool)
{
	bool rest;

	cvy_biased_lock(&pool->lock);
	cvy_drain(pool);
	rest = pool->pending == 0 && pool->guests == 0;
	cvy_biased_unlock(&pool->lock);
	return rest;
}

/* 0 or -ETIMEDOUT. */
static int wait_for_rest(covey_pool *pool, struct cvy_wait *wait)
{
	struct shared *shared = pool->shared;

	for (;;) {
		int64_t until = cvy_now() + CVY_SLICE;

		if (at_rest(pool))
			return 0;
		if (wait->timeout_ms == 0 || cvy_now() >= cvy_until(wait))
			return -ETIMEDOUT;
		atomic_store(&shared->root_waits, 1);
		atomic_thread_fence(memory_order_seq_cst);
		if (at_rest(pool))
			return 0;
		if (cvy_anything(shared))
			cvy_wake_sleeper(shared);
		cvy_futex_wait(&shared->root_waits, 1,
		               until < wait->deadline ? until : wait->deadline);
	}
}

/* 0 or -ETIMEDOUT. */
static int wait_for_workers(covey_pool *pool, struct cvy_wait *wait)
{
	uint32_t alive;

	atomic_store(&pool->shared->closing, 1);
	cvy_wake_all(pool->shared);
	cvy_kick(pool);
	while ((alive = atomic_load(&pool->alive)) > 0) {
		int64_t until = cvy_now() + CVY_SLICE;

		if (wait->timeout_ms == 0 || cvy_now() >= cvy_until(wait))
			return -ETIMEDOUT;
		cvy_futex_wait(&pool->alive, alive,
		               until < wait->deadline ? until : wait->deadline);
	}
	return 0;
}

int covey_pool_join(covey_pool *pool, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	int rc = cvy_pool_own(pool);
	bool closed;

	if (rc < 0)
		return rc;
	cvy_biased_lock(&pool->lock);
	closed = pool->closed;
	cvy_biased_unlock(&pool->lock);
	if (!closed)
		return cvy_fail(EINVAL, "pool '%s': close it before joining it", pool->name);
	if (cvy_in_worker_of(pool) || cvy_in_callback_of(pool))
		return cvy_fail(EDEADLK, "pool '%s': joined by a task or callback of its own",
		                pool->name);
	if (wait_for_rest(pool, &wait) < 0)
		return cvy_timed_out(timeout_ms, "pool '%s': still at work on %lld tasks",
		                     pool->name, (long long)covey_pool_pending(pool));
	if (wait_for_workers(pool, &wait) < 0)
		return cvy_timed_out(timeout_ms, "pool '%s': %u of its workers have not ended",
		                     pool->name, atomic_load(&pool->alive));
	if (pool->supervised) {
		pthread_join(pool->supervisor, NULL);
		cvy_own_thread(-1);
	}
	if (pool->kind == COVEY_THREADS)
		cvy_join_threads(pool);
	cvy_call_back(pool);
	cvy_default_forget(pool);
	cvy_pools_remove(pool);
	cvy_nursery_close(pool->nursery);
	pool->nursery = NULL;
	if (pool->notify_fd >= 0)
		close(pool->notify_fd);
	pool->notify_fd = -1;
	cvy_biased_lock(&pool->lock);
	pool->joined = true;
	cvy_pool_unlock_or_free(pool);
	return 0;
}

/* With the lock held, which it gives back: callbacks run, as long as which the pool stays. */
static void leave_and_call_back(covey_pool *pool)
{
	pool->guests++;
	cvy_biased_unlock(&pool->lock);
	cvy_call_back(pool);
	cvy_biased_lock(&pool->lock);
	pool->guests--;
	cvy_tell(pool->shared);
	cvy_biased_unlock(&pool->lock);
}

/* Cancels what has not run, and sends a signal to those who run something. */
static int stop(covey_pool *pool, int signal)
{
	int rc = cvy_pool_own(pool), failed = 0;

	if (rc < 0)
		return rc;
	cvy_biased_lock(&pool->lock);
	pool->closed = pool->terminated = true;
	pool->stop_signal = signal;
	cvy_end_pending(pool, TASK_CANCELLED);
	for (uint32_t i = 0; i < pool->slots; i++)
		if (pool->crew[i].state == CREW_ALIVE && pool->crew[i].pidfd >= 0) {
			rc = cvy_pidfd_signal(pool->crew[i].pidfd, signal);
			if (rc < 0 && rc != -ESRCH)
				failed = rc;
		}
	leave_and_call_back(pool);
	if (failed)
		return cvy_fail(-failed,
		                "pool '%s': a worker cannot be signalled: %s; what is pending is "
		                "cancelled, what runs goes on",
		                pool->name, covey_strerror(failed));
	return 0;
}

int covey_pool_terminate(covey_pool *pool)
{
	return stop(pool, SIGKILL);
}

int covey_pool_terminate_workers(covey_pool *pool)
{
	return stop(pool, SIGTERM);
}

int covey_pool_cancel(covey_pool *pool)
{
	int rc = cvy_pool_own(pool);

	if (rc < 0)
		return rc;
	cvy_biased_lock(&pool->lock);
	cvy_end_pending(pool, TASK_CANCELLED);
	leave_and_call_back(pool);
	return 0;
}

void covey_pool_with_end(struct covey_pool_with *with)
{
	if (!with->pool)
		return;
	covey_pool_close(with->pool);
	covey_pool_join(with->pool, COVEY_FOREVER);
}
