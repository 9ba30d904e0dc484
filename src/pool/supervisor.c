/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: a thread of the pool's process that sees workers and the
 * nursery die, settles what they leave, and has them replaced. It also runs
 * callbacks. The crew and the nursery are its own; what others read of them
 * changes under the pool's lock, which is never held while anything is started.
 */
#include "pool/pool.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* What could not be started is tried again after so many ms. */
#define RETRY_MS 100

void cvy_kick(covey_pool *pool)
{
	uint64_t one = 1;

	if (pool->notify_fd >= 0 && write(pool->notify_fd, &one, sizeof one) < 0)
		return; /* it is full of kicks already */
}

struct supervision {
	covey_pool *pool;
	uint32_t workers;    /* in fds */
	struct pollfd fds[]; /* the eventfd, the nursery, the workers */
};

static void watch(struct supervision *s, bool missing)
{
	covey_pool *pool = s->pool;
	struct pollfd *workers = s->fds + 2;
	int nursery = pool->nursery ? cvy_nursery_pidfd(pool->nursery) : -1, tick;

	s->fds[0] = (struct pollfd){.fd = pool->notify_fd, .events = POLLIN};
	s->fds[1] = (struct pollfd){.fd = nursery, .events = POLLIN};
	cvy_biased_lock(&pool->lock);
	s->workers = pool->slots;
	cvy_biased_unlock(&pool->lock);
	for (uint32_t i = 0; i < s->workers; i++)
		workers[i] = (struct pollfd){.fd = pool->crew[i].pidfd, .events = POLLIN};
	tick = cvy_limit_tick(pool);
	if (missing && (tick < 0 || tick > RETRY_MS))
		tick = RETRY_MS;
	if (cvy_poll(s->fds, s->workers + 2, tick) < 0)
		for (uint32_t i = 0; i < s->workers + 2; i++)
			s->fds[i].revents = 0;
}

static void *supervise(void *context)
{
	struct supervision *s = context;
	covey_pool *pool = s->pool;
	uint64_t kicks;
	bool lame, missing;

	for (;;) {
		lame = cvy_tend_nursery(pool, false);
		missing = cvy_staff(pool);
		if (atomic_load(&pool->alive) == 0 && !missing)
			break;
		watch(s, lame || missing);
		if (s->fds[0].revents &&
		    read(pool->notify_fd, &kicks, sizeof kicks) == sizeof kicks) {
			cvy_serve(pool);
			cvy_call_back(pool);
		}
		cvy_limit_look(pool);
		if (s->fds[1].revents)
			cvy_tend_nursery(pool, true);
		for (uint32_t i = 0; i < s->workers; i++)
			if (s->fds[2 + i].revents)
				cvy_worker_ended(pool, i);
	}
	free(s);
	return NULL;
}

int cvy_supervise(covey_pool *pool)
{
	struct supervision *s = malloc(sizeof *s + (WORKERS_MAX + 2) * sizeof(struct pollfd));
	int rc;

	if (!s)
		return cvy_fail(ENOMEM, "pool '%s': no memory", pool->name);
	s->pool = pool;
	rc = cvy_thread_start(&pool->supervisor, true, supervise, s);
	if (rc) {
		free(s);
		return cvy_fail(rc, "pool '%s': its supervisor: %s", pool->name,
		                covey_strerror(rc));
	}
	cvy_own_thread(1);
	pool->supervised = true;
	return 0;
}
