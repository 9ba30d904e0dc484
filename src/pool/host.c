/* SPDX-License-Identifier: MIT */
/* What the pool's process does for the tasks of its worker processes that submit tasks. */
#include "pool/pool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a worker holds, by the task's number; NULL where it does not. */
static covey_future **find(struct crew *crew, uint32_t index)
{
	for (uint32_t i = crew->held_count; i-- > 0;)
		if (crew->held[i]->index == index)
			return &crew->held[i];
	return NULL;
}

static int make_room(struct crew *crew)
{
	uint32_t room = crew->held_room ? crew->held_room * 2 : 16;
	covey_future **more;

	if (crew->held_count < crew->held_room)
		return 0;
	more = realloc(crew->held, room * sizeof(covey_future *));
	if (!more)
		return cvy_fail(ENOMEM, "pool: no memory");
	crew->held = more;
	crew->held_room = room;
	return 0;
}

static int submit(covey_pool *pool, struct crew *crew, struct ask *ask)
{
	uint64_t len = __atomic_load_n(&ask->len, __ATOMIC_RELAXED);
	struct submission what = {.fn = ask->fn,
	                          .body = len ? cvy_region_at(ask->own_arg, len) : NULL,
	                          .body_len = len,
	                          .name = ask->name,
	                          .result_size = ask->result_size,
	                          .cleared = ask->cleared,
	                          .retries = ask->retries,
	                          .priority = ask->priority,
	                          .limit = ask->limit,
	                          .inner = true};
	covey_future *f;

	ask->name[sizeof ask->name - 1] = 0;
	if ((what.body_len && !what.body) || what.cleared > what.result_size || what.limit < 0 ||
	    what.priority < COVEY_PRIORITY_MIN || what.priority > COVEY_PRIORITY_MAX)
		return cvy_fail(EBADMSG, "pool '%s': a damaged request", pool->name);
	if (make_room(crew) < 0)
		return covey_errcode();
	f = cvy_submit(pool, &what);
	if (!f)
		return covey_errcode();
	crew->held[crew->held_count++] = f;
	ask->index = f->index;
	ask->generation = f->generation;
	return 0;
}

static int answer(covey_pool *pool, struct crew *crew, struct ask *ask)
{
	covey_future **at = ask->what == ASK_SUBMIT ? NULL : find(crew, ask->index);

	if (ask->what == ASK_SUBMIT)
		return submit(pool, crew, ask);
	if (!at)
		return cvy_fail(EBADMSG, "pool '%s': a damaged request", pool->name);
	switch (ask->what) {
	case ASK_CANCEL:
		return covey_future_cancel(*at);
	case ASK_FAILURE:
		return covey_future_failure(*at, &ask->failure);
	default:
		covey_future_free(*at);
		*at = crew->held[--crew->held_count];
		return 0;
	}
}

void cvy_serve(covey_pool *pool)
{
	uint32_t slots = cvy_worker_count(pool->shared);

	for (uint32_t i = 0; i < slots; i++) {
		struct ask *ask = &pool->shared->worker[i].ask;

		if (atomic_load_explicit(&ask->state, memory_order_acquire) != ASK_ASKED)
			continue;
		ask->rc = answer(pool, &pool->crew[i], ask);
		if (ask->rc < 0)
			snprintf(ask->failure.words, sizeof ask->failure.words, "%s",
			         covey_errmsg());
		atomic_store(&ask->state, ask->what == ASK_FREE ? ASK_NONE : ASK_ANSWERED);
		cvy_futex_wake(&ask->state, INT_MAX);
	}
}

void cvy_release_held(covey_pool *pool, uint32_t index)
{
	struct crew *crew = &pool->crew[index];

	cvy_region_free(&pool->shared->worker[index].ask.own_arg);
	while (crew->held_count) {
		covey_future *f = crew->held[--crew->held_count];

		covey_future_cancel(f);
		covey_future_free(f);
	}
	free(crew->held);
	crew->held = NULL;
	crew->held_room = 0;
}
