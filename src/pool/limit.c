/* SPDX-License-Identifier: MIT */
/*
 * Time limits. While tasks that have one are pending, the supervisor looks
 * every few ms which of them run, and since when. One that has run for too long
 * is marked: from then on its worker cannot end it, so it is that task, and no
 * other, that the worker dies of.
 */
#include "pool/pool.h"

#include <signal.h>

#define TICK_MOST 20

int cvy_limit_tick(covey_pool *pool)
{
	int tick = -1;

	cvy_biased_lock(&pool->lock);
	if (pool->limited > 0)
		tick = pool->shortest < 8 * TICK_MOST ? (int)(pool->shortest / 8 + 1) : TICK_MOST;
	cvy_biased_unlock(&pool->lock);
	return tick;
}

/* Marks the task as overdue; false where its worker has just ended it. */
static bool mark(struct task *task, uint64_t state)
{
	while (STATUS(state) == TASK_RUNNING)
		if (atomic_compare_exchange_strong(&task->state, &state, state | STATE_OVERDUE))
			return true;
	return false;
}

/* Looks at what a worker is at. With the lock. */
static void look_at(covey_pool *pool, uint32_t index, int64_t now)
{
	struct crew *crew = &pool->crew[index];
	uint32_t current = atomic_load(&pool->shared->worker[index].current);
	covey_future *f =
		current && current <= pool->made ? cvy_future_at(pool, current - 1) : NULL;
	uint64_t state;

	if (!f || !f->used || f->drained || !f->limit || f->overdue)
		return;
	state = atomic_load(&cvy_task_of(f)->state);
	if (STATUS(state) != TASK_RUNNING || STATE_WORKER(state) != index + 1 ||
	    STATE_GENERATION(state) != f->generation)
		return;
	if (crew->at != current || crew->at_generation != f->generation) {
		crew->at = current;
		crew->at_generation = f->generation;
		crew->at_since = now;
	} else if (now - crew->at_since >= f->limit * CVY_MS && mark(cvy_task_of(f), state)) {
		f->overdue = true;
		cvy_pidfd_signal(crew->pidfd, SIGKILL);
	}
}

void cvy_limit_look(covey_pool *pool)
{
	int64_t now;

	cvy_biased_lock(&pool->lock);
	now = pool->limited > 0 ? cvy_now() : 0;
	for (uint32_t i = 0; now && i < pool->slots; i++)
		if (pool->crew[i].state == CREW_ALIVE && pool->crew[i].pidfd >= 0)
			look_at(pool, i, now);
	cvy_biased_unlock(&pool->lock);
}
