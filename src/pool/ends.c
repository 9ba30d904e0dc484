/* SPDX-License-Identifier: MIT */
/* Ends of worker processes: what they were at is settled, and their slots are free. */
#include "pool/pool.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A worker that dies so soon after its start may be followed by others that do. */
#define EARLY (1000 * CVY_MS)

/* Puts the task of a dead worker where another will find it. With the lock. */
static bool try_again(covey_pool *pool, covey_future *f)
{
	struct task *task = cvy_task_of(f);
	uint64_t flags = f->callbacks ? STATE_CALLED : 0;

	if (!f->retries || f->overdue || pool->terminated || pool->failed)
		return false;
	f->retries--;
	f->generation++; /* the old entry in the ring is of the past */
	cvy_region_free(&task->result);
	atomic_store(&task->state, STATE_OF(TASK_PENDING, 0, f->generation) | flags);
	cvy_futex_wake(cvy_state_word(task), INT_MAX);
	return cvy_enqueue(pool, f) == 0;
}

/* Whether it was the kernel that killed it, for lack of memory. */
static bool starved(covey_pool *pool, int status)
{
	if (status == -1 || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return false;
	if (cvy_oom_kills() <= pool->oom_kills)
		return false;
	pool->oom_kills++; /* of others that die at the same time each has its own */
	return true;
}

/* A task that the dead worker may have been at. With the lock. */
static void settle_task(covey_pool *pool, covey_future *f, uint32_t index, int status)
{
	struct worker *worker = &pool->shared->worker[index];
	uint64_t state = atomic_load(&cvy_task_of(f)->state);

	if (!f->used || f->drained || STATE_WORKER(state) != index + 1 ||
	    STATE_GENERATION(state) != f->generation)
		return;
	f->pid = pool->crew[index].pid;
	f->worker = (uint16_t)index;
	f->wait_status = status;
	if (STATUS(state) != TASK_RUNNING) {
		cvy_end_task(pool, f, STATUS(state)); /* done, and not yet told */
		return;
	}
	if (try_again(pool, f))
		return;
	free(f->trace);
	f->trace = status != -1 && WIFSIGNALED(status) ? cvy_crash_trace(worker, WTERMSIG(status))
	                                               : NULL;
	f->starved = starved(pool, status);
	cvy_end_task(pool, f, TASK_DIED);
}

/* All that the dead worker was at: tasks within a task, too. With the lock. */
static void settle(covey_pool *pool, uint32_t index, int status)
{
	struct worker *worker = &pool->shared->worker[index];
	uint32_t current = atomic_load(&worker->current);

	cvy_drain(pool);
	if (atomic_load(&worker->nested))
		for (uint32_t i = 0; i < pool->made; i++)
			settle_task(pool, cvy_future_at(pool, i), index, status);
	else if (current && current <= pool->made)
		settle_task(pool, cvy_future_at(pool, current - 1), index, status);
}

/* "was killed by signal 9 (Killed)", "ended with exit code 3" */
static void describe_status(char *to, size_t cap, int status)
{
	if (status == -1)
		snprintf(to, cap, "ended, and nobody saw how,");
	else if (WIFSIGNALED(status))
		snprintf(to, cap, "was killed by signal %d (%s)", WTERMSIG(status),
		         strsignal(WTERMSIG(status)));
	else
		snprintf(to, cap, "ended with exit code %d", WEXITSTATUS(status));
}

static void log_end(const covey_pool *pool, uint32_t index, pid_t pid, int status)
{
	char how[128];

	describe_status(how, sizeof how, status);
	cvy_log(status ? COVEY_LOG_WARN : COVEY_LOG_INFO, "pool '%s': worker %u (pid %d) %s",
	        pool->name, index, (int)pid, how);
}

/* What a worker that has not come as far as to its loop has said about it. */
static void note_words(covey_pool *pool, uint32_t index)
{
	struct cvy_proc *proc = cvy_proc(pool->crew[index].slot);

	if (!proc || !proc->error)
		return;
	cvy_biased_lock(&pool->lock);
	snprintf(pool->why, sizeof pool->why, "no worker can be started: %.*s",
	         (int)sizeof pool->why - 32, proc->words);
	cvy_biased_unlock(&pool->lock);
}

/* Whether those who follow it would fare better. */
static void count_strikes(covey_pool *pool, uint32_t index, int status)
{
	struct worker *worker = &pool->shared->worker[index];
	struct crew *crew = &pool->crew[index];
	enum stage stage = cvy_stage(worker);
	char how[128];

	if (atomic_load(&worker->ran) || atomic_load(&worker->current)) {
		pool->strikes = 0;
	} else if (stage == STAGE_REFUSED) {
		pool->strikes = STRIKES_MOST;
		cvy_biased_lock(&pool->lock);
		cvy_note_refusal(pool, index, crew->pid);
		cvy_biased_unlock(&pool->lock);
	} else if (stage == STAGE_INITIALIZER) {
		char *trace = status != -1 && WIFSIGNALED(status)
		                      ? cvy_crash_trace(worker, WTERMSIG(status))
		                      : NULL;

		pool->strikes += STRIKES_MOST / 3;
		describe_status(how, sizeof how, status);
		cvy_biased_lock(&pool->lock);
		snprintf(pool->why, sizeof pool->why,
		         "its worker %u (pid %d) %s in the initializer%s", index, (int)crew->pid,
		         how, trace ? trace : "");
		cvy_biased_unlock(&pool->lock);
		free(trace);
	} else if (!atomic_load(&worker->pid)) {
		pool->strikes += STRIKES_MOST / 8;
		note_words(pool, index);
	} else if (status && cvy_now() - crew->since < EARLY) {
		pool->strikes++;
	}
}

void cvy_worker_ended(covey_pool *pool, uint32_t index)
{
	struct crew *crew = &pool->crew[index];
	struct shared *shared = pool->shared;
	int status = cvy_proc_reap(crew->slot, crew->pidfd);
	uint32_t spinner = atomic_load(&shared->spinner), extra = index + 1;

	cvy_biased_lock(&pool->lock);
	settle(pool, index, status);
	close(crew->pidfd);
	crew->pidfd = -1;
	cvy_biased_unlock(&pool->lock);

	cvy_release_held(pool, index);
	count_strikes(pool, index, status);
	cvy_proc_free(crew->slot);
	atomic_fetch_and(&shared->idle[index / 64], ~(UINT64_C(1) << (index % 64)));
	if (SPINNER_WORKER(spinner) == index + 1)
		atomic_compare_exchange_strong(&shared->spinner, &spinner, 0);
	atomic_compare_exchange_strong(&shared->extra, &extra, 0);
	/* It may have been about to wake someone, or to take what it was woken for. */
	cvy_wake_all(shared);
	cvy_tell(shared);
	log_end(pool, index, crew->pid, status);
	cvy_biased_lock(&pool->lock);
	crew->state = CREW_NONE; /* and soon another's: see cvy_recruit */
	cvy_biased_unlock(&pool->lock);
	cvy_call_back(pool);
	cvy_call_up(pool);
	atomic_fetch_sub(&pool->alive, 1);
	cvy_futex_wake(&pool->alive, INT_MAX);
}
