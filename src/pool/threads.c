/* SPDX-License-Identifier: MIT */
/* Workers that are threads: started, renewed, joined. */
#include "pool/pool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct thread_arg {
	covey_pool *pool;
	uint32_t index;
	bool renews; /* follows `before` in its slot */
	pthread_t before;
};

static void *thread_worker(void *context);

static int start_thread(covey_pool *pool, uint32_t index, const pthread_t *before)
{
	struct thread_arg *arg = malloc(sizeof *arg);
	int error = ENOMEM;

	if (arg) {
		*arg = (struct thread_arg){.pool = pool, .index = index, .renews = before};
		if (before)
			arg->before = *before;
		cvy_worker_clear(&pool->shared->worker[index]);
		error = cvy_thread_start(&pool->crew[index].thread, false, thread_worker, arg);
	}
	if (!error)
		return 0;
	free(arg);
	return cvy_fail(error, "pool '%s': thread %u: %s", pool->name, index,
	                covey_strerror(error));
}

/* Has another thread follow in this one's slot; false where this one is to stay. */
static bool renew(covey_pool *pool, uint32_t index)
{
	pthread_t self = pthread_self();
	bool renewed;

	cvy_biased_lock(&pool->lock);
	renewed = start_thread(pool, index, &self) == 0;
	if (!renewed)
		pool->crew[index].thread = self;
	cvy_biased_unlock(&pool->lock);
	return renewed;
}

/* The end of a thread that none follows; its slot may be another's as soon as the lock is free. */
static void leave(covey_pool *pool, uint32_t index)
{
	bool refused = cvy_stage(&pool->shared->worker[index]) == STAGE_REFUSED;

	cvy_biased_lock(&pool->lock);
	pool->crew[index].state = CREW_NONE;
	pool->crew[index].left = true;
	if (refused)
		cvy_note_refusal(pool, index, getpid());
	cvy_biased_unlock(&pool->lock);
	if (refused)
		cvy_log(COVEY_LOG_ERROR, "pool '%s': thread %u has not begun", pool->name, index);
	if (refused && !cvy_anybody(pool))
		cvy_give_up(pool, NULL);
	atomic_fetch_sub(&pool->alive, 1);
	cvy_futex_wake(&pool->alive, INT_MAX);
}

static void *thread_worker(void *context)
{
	struct thread_arg arg = *(struct thread_arg *)context;
	struct shared *shared = arg.pool->shared;
	struct worker *worker = &shared->worker[arg.index];
	char name[16];

	snprintf(name, sizeof name, "%.10s-%u", arg.pool->name[0] ? arg.pool->name : "worker",
	         arg.index % 10000);
	pthread_setname_np(pthread_self(), name);
	free(context);
	if (arg.renews)
		pthread_join(arg.before, NULL);
	for (;;) {
		cvy_worker_loop(shared, arg.index, arg.pool, -1);
		if (cvy_stage(worker) == STAGE_REFUSED || atomic_load(&worker->leave) ||
		    (atomic_load(&shared->closing) && !cvy_anything(shared)))
			break;
		if (renew(arg.pool, arg.index))
			return NULL;
	}
	leave(arg.pool, arg.index);
	return NULL;
}

int cvy_start_threads(covey_pool *pool)
{
	for (uint32_t i = 0; i < pool->slots; i++) {
		struct crew *crew = &pool->crew[i];
		pthread_t before = crew->thread;

		if (crew->state != CREW_WANTED)
			continue;
		if (start_thread(pool, i, crew->left ? &before : NULL) < 0) {
			crew->thread = before;
			return covey_errcode();
		}
		crew->state = CREW_ALIVE;
		crew->left = false;
	}
	return 0;
}

void cvy_join_threads(covey_pool *pool)
{
	for (uint32_t i = 0; i < pool->slots; i++) {
		if (pool->crew[i].left)
			pthread_join(pool->crew[i].thread, NULL);
		pool->crew[i].left = false;
	}
}
