/* SPDX-License-Identifier: MIT */
/*
 * Who works: workers that are wanted are started, up to as many as the pool shall
 * have. A worker that says that it leaves is no longer counted, so that the next
 * one starts as it goes. By the supervisor, but for cvy_recruit.
 */
#include "pool/pool.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* What could not be started is tried again so often while nobody works. */
#define MISSES_MOST 50

/* ---- the nursery */

/* A program that has got threads since can only have a nursery of a fresh image. */
static int restart_nursery(covey_pool *pool)
{
	struct cvy_nursery *fresh;
	int rc = cvy_nursery_restart(pool->nursery);

	if (rc == -EREMOTEIO) { /* what it preloads fails, and would fail again */
		cvy_biased_lock(&pool->lock);
		snprintf(pool->why, sizeof pool->why, "%s", covey_errmsg());
		cvy_biased_unlock(&pool->lock);
		pool->strikes = STRIKES_MOST;
	}
	if (rc != -ENOTSUP || !cvy_can_spawn())
		return rc;
	rc = cvy_nursery_open(&fresh, COVEY_FORKSERVER);
	if (rc < 0)
		return rc;
	cvy_nursery_close(pool->nursery);
	pool->nursery = fresh;
	return 0;
}

bool cvy_tend_nursery(covey_pool *pool, bool died)
{
	if (!pool->nursery || (!died && cvy_nursery_pidfd(pool->nursery) >= 0))
		return false;
	if (!died && pool->strikes >= STRIKES_MOST)
		return false;
	if (restart_nursery(pool) == 0)
		return false;
	if (died) /* not each time that it is tried again */
		cvy_log(COVEY_LOG_ERROR, "pool '%s': %s", pool->name, covey_errmsg());
	return true;
}

/* ---- starting */

/* Takes a slot of the process table for worker `index`; or -errno. */
static int describe_worker(covey_pool *pool, uint32_t index, uint32_t *slot)
{
	struct worker_arg arg = {.shared = cvy_offset(pool->shared), .index = index};
	char name[COVEY_NAME_MAX + 1];
	struct cvy_proc *proc;
	covey_fn fn;
	int rc = covey_fn_make(&fn, cvy_worker_process);

	snprintf(name, sizeof name, "%.*s-%u", COVEY_NAME_MAX - 6,
	         pool->name[0] ? pool->name : "worker", index);
	if (rc == 0)
		rc = cvy_proc_new(name, slot);
	if (rc < 0)
		return rc;
	proc = cvy_proc(*slot);
	proc->fn = fn;
	proc->method = (uint8_t)pool->method;
	proc->daemon = 1;
	proc->arg_len = sizeof arg;
	memcpy(proc->inline_arg, &arg, sizeof arg);
	return 0;
}

int cvy_start_worker(covey_pool *pool, uint32_t index)
{
	struct crew *crew = &pool->crew[index];
	struct worker *worker = &pool->shared->worker[index];
	uint32_t slot;
	pid_t pid = 0;
	int rc = describe_worker(pool, index, &slot);

	if (rc < 0)
		return cvy_fail_in("pool '%s': worker %u: ", pool->name, index);
	/* Before it is there: it claims as soon as it is. */
	cvy_worker_clear(worker);
	if (pool->method == COVEY_SPAWN) {
		rc = cvy_spawn_process(slot, pool->notify_fd, &pid);
	} else {
		rc = cvy_nursery_fork(pool->nursery, slot, &pool->notify_fd, 1);
		if (rc == -EPIPE && restart_nursery(pool) == 0)
			rc = cvy_nursery_fork(pool->nursery, slot, &pool->notify_fd, 1);
		pid = atomic_load(&cvy_proc(slot)->pid);
	}
	if (rc < 0) {
		cvy_proc_free(slot);
		return cvy_fail_in("pool '%s': worker %u: ", pool->name, index);
	}
	cvy_biased_lock(&pool->lock);
	crew->pidfd = rc;
	crew->pid = pid;
	crew->slot = slot;
	crew->since = cvy_now();
	if (crew->state == CREW_NONE)
		atomic_fetch_add(&pool->alive, 1);
	crew->state = CREW_ALIVE;
	if (pool->terminated)
		cvy_pidfd_signal(crew->pidfd, pool->stop_signal);
	cvy_biased_unlock(&pool->lock);
	return 0;
}

/* ---- who is wanted */

/* Whether it counts: it is there or to come, and is not about to leave. */
static bool stays(covey_pool *pool, uint32_t index)
{
	struct worker *worker = &pool->shared->worker[index];

	switch (pool->crew[index].state) {
	case CREW_WANTED:
		return true;
	case CREW_ALIVE:
		return cvy_stage(worker) != STAGE_LEAVING && !atomic_load(&worker->leave);
	default:
		return false;
	}
}

/* A slot that is free; -errno. */
static int free_slot(covey_pool *pool)
{
	struct shared *shared = pool->shared;
	int rc;

	for (uint32_t i = 0; i < pool->slots; i++)
		if (pool->crew[i].state == CREW_NONE)
			return (int)i;
	if (pool->slots == WORKERS_MAX)
		return cvy_fail(EAGAIN, "pool '%s': %d workers are there, of which some leave",
		                pool->name, WORKERS_MAX);
	rc = cvy_region_back(cvy_offset(shared), SHARED_BYTES(pool->slots + 1));
	if (rc < 0)
		return cvy_fail_in("pool '%s': ", pool->name);
	memset(&shared->worker[pool->slots], 0, sizeof *shared->worker);
	atomic_store(&shared->workers, pool->slots + 1);
	return (int)pool->slots++;
}

int cvy_recruit(covey_pool *pool)
{
	uint32_t staying = 0;

	for (uint32_t i = 0; i < pool->slots; i++)
		staying += stays(pool, i);
	for (; staying < pool->workers; staying++) {
		int slot = free_slot(pool);

		if (slot < 0)
			return slot;
		pool->crew[slot].state = CREW_WANTED;
		atomic_fetch_add(&pool->alive, 1);
	}
	return 0;
}

/* Wakes a worker to have it leave, or to see that it is to. With the lock. */
static void dismiss(covey_pool *pool, uint32_t index)
{
	struct worker *worker = &pool->shared->worker[index];

	if (pool->crew[index].state == CREW_WANTED) {
		pool->crew[index].state = CREW_NONE;
		atomic_fetch_sub(&pool->alive, 1);
		cvy_futex_wake(&pool->alive, INT_MAX);
		return;
	}
	atomic_store(&worker->leave, 1);
	atomic_store(&worker->wake, 1);
	cvy_futex_wake(&worker->wake, 1);
}

/* Whether a worker would be missed least: 2: not yet there, 1: idle, 0: busy. */
static int spare(covey_pool *pool, uint32_t index)
{
	if (pool->crew[index].state == CREW_WANTED)
		return 2;
	return !atomic_load(&pool->shared->worker[index].current);
}

void cvy_thin_out(covey_pool *pool)
{
	uint32_t staying = 0;

	for (uint32_t i = 0; i < pool->slots; i++)
		staying += stays(pool, i);
	for (int rank = 2; rank >= 0; rank--)
		for (uint32_t i = pool->slots; i-- > 0 && staying > pool->workers;)
			if (stays(pool, i) && spare(pool, i) >= rank) {
				dismiss(pool, i);
				staying--;
			}
}

bool cvy_anybody(covey_pool *pool)
{
	bool any = false;

	cvy_biased_lock(&pool->lock);
	for (uint32_t i = 0; i < pool->slots; i++)
		any |= pool->crew[i].state == CREW_ALIVE;
	cvy_biased_unlock(&pool->lock);
	return any;
}

/* With the lock. */
static bool may_start(const covey_pool *pool)
{
	return !pool->failed && !pool->terminated && (!pool->closed || pool->pending > 0) &&
	       pool->strikes < STRIKES_MOST;
}

void cvy_note_refusal(covey_pool *pool, uint32_t index, pid_t pid)
{
	struct worker *worker = &pool->shared->worker[index];

	snprintf(pool->why, sizeof pool->why, "the initializer of its worker %u (pid %d): %.*s",
	         index, (int)pid, (int)sizeof worker->words, worker->words);
}

void cvy_give_up(covey_pool *pool, const char *why)
{
	char words[sizeof pool->why];

	cvy_biased_lock(&pool->lock);
	if (why)
		snprintf(pool->why, sizeof pool->why, "%s", why);
	else if (!pool->why[0])
		snprintf(pool->why, sizeof pool->why, "its workers die before they run anything");
	memcpy(words, pool->why, sizeof words);
	pool->failed = true;
	cvy_end_pending(pool, TASK_DIED);
	cvy_tell(pool->shared);
	cvy_biased_unlock(&pool->lock);
	cvy_log(COVEY_LOG_ERROR, "pool '%s' gives up: %s", pool->name, words);
	cvy_call_back(pool);
}

bool cvy_call_up(covey_pool *pool)
{
	bool missing = false;

	cvy_biased_lock(&pool->lock);
	if (may_start(pool)) {
		missing = cvy_recruit(pool) < 0;
	} else {
		for (uint32_t i = 0; i < pool->slots; i++)
			if (pool->crew[i].state == CREW_WANTED)
				dismiss(pool, i);
	}
	cvy_biased_unlock(&pool->lock);
	return missing;
}

/* The next slot whose worker is to be started; -1 for none. */
static int next_wanted(covey_pool *pool)
{
	int found = -1;

	cvy_biased_lock(&pool->lock);
	for (uint32_t i = 0; i < pool->slots && found < 0; i++)
		if (pool->crew[i].state == CREW_WANTED)
			found = (int)i;
	cvy_biased_unlock(&pool->lock);
	return found;
}

bool cvy_staff(covey_pool *pool)
{
	char why[sizeof pool->why];
	bool missing;
	int wanted;

	if (pool->strikes >= STRIKES_MOST && !pool->failed && !cvy_anybody(pool))
		cvy_give_up(pool, NULL);
	missing = cvy_call_up(pool);
	while (!missing && (wanted = next_wanted(pool)) >= 0) {
		missing = cvy_start_worker(pool, (uint32_t)wanted) < 0;
		if (!missing)
			pool->misses = 0;
	}
	if (!missing)
		return false;
	if (pool->misses++ == 0)
		cvy_log(COVEY_LOG_ERROR, "%s", covey_errmsg());
	if (pool->misses > MISSES_MOST && !cvy_anybody(pool)) {
		snprintf(why, sizeof why, "no worker can be started: %s", covey_errmsg());
		cvy_give_up(pool, why);
	}
	return true;
}
