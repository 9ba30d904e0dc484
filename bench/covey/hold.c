/* SPDX-License-Identifier: MIT */
/*
 * Makes something, says "ready", and holds it until standard input ends, to be looked at from
 * outside: `workers` idle worker processes, `live` locks or queues, or an idle family.
 */
#include "covey.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

COVEY_TASK(int, twice, int, n)
{
	return 2 * n;
}

static covey_pool *open_pool(covey_pool_kind kind, int workers)
{
	covey_pool *pool;
	int in[100] = {0}, out[100];

	need(covey_pool_open(&pool, &(covey_pool_opts){.kind = kind, .workers = workers}), "pool");
	need(covey_map(pool, twice, in, 100, out), "map");
	return pool;
}

static void end_pool(covey_pool *pool)
{
	need(covey_pool_close(pool), "close");
	need(covey_pool_join(pool, COVEY_FOREVER), "join");
}

/* Also sees to it that every worker has started. */
static void wait_for_end(void)
{
	char c;

	printf("ready\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static void hold_locks(long n)
{
	covey_lock lock;

	for (long i = 0; i < n; i++) {
		need(covey_lock_create(&lock, NULL), "lock");
		lock_take(&lock);
		lock_give(&lock);
	}
	wait_for_end();
}

static void hold_queues(long n)
{
	covey_queue q;
	int m = 1;

	for (long i = 0; i < n; i++) {
		need(covey_queue_create(&q, NULL), "queue");
		need(covey_put(q, &m, COVEY_FOREVER), "put");
		need(covey_get(q, &m, COVEY_FOREVER), "get");
	}
	wait_for_end();
}

struct waiters {
	covey_lock lock;
	covey_queue queue;
};

static int wait_for_lock(const void *arg, size_t len)
{
	const struct waiters *w = arg;

	(void)len;
	return covey_lock_acquire(w->lock, COVEY_FOREVER);
}

static int wait_for_message(const void *arg, size_t len)
{
	const struct waiters *w = arg;
	int m;

	(void)len;
	return covey_get(w->queue, &m, COVEY_FOREVER);
}

/* Pools of both kinds with nothing to do, and a process at a lock, one at a queue. */
static void hold_family(int workers)
{
	covey_pool *processes = open_pool(COVEY_PROCESSES, workers), *threads;
	covey_process *at_lock, *at_queue;
	struct waiters w;

	need(covey_lock_create(&w.lock, NULL), "lock");
	need(covey_queue_create(&w.queue, NULL), "queue");
	lock_take(&w.lock);
	need(covey_start(&at_lock, wait_for_lock, &w, .daemon = 1), "start");
	need(covey_start(&at_queue, wait_for_message, &w, .method = COVEY_FORKSERVER, .daemon = 1),
	     "start");
	threads = open_pool(COVEY_THREADS, workers);
	wait_for_end();
	covey_process_kill(at_lock);
	covey_process_kill(at_queue);
	end_pool(processes);
	end_pool(threads);
}

void hold(const struct plan *plan)
{
	covey_pool *pool;

	if (plan->by && strcmp(plan->by, "locks") == 0) {
		hold_locks(plan->live);
	} else if (plan->by && strcmp(plan->by, "queues") == 0) {
		hold_queues(plan->live);
	} else if (plan->by && strcmp(plan->by, "family") == 0) {
		hold_family(plan->workers);
	} else {
		pool = open_pool(COVEY_PROCESSES, plan->workers);
		wait_for_end();
		end_pool(pool);
	}
}
