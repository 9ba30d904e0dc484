/* SPDX-License-Identifier: MIT */
/* What the tests of pools share: every kind and start method, and tasks to be submitted. */
#ifndef TEST_POOL_H
#define TEST_POOL_H

#include "support/harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covey.h>

struct flavour {
	covey_pool_kind kind;
	covey_method method;
};

static inline COVEY_UNUSED covey_pool *open_pool(void **state, int workers)
{
	const struct flavour *flavour = *state;
	covey_pool *pool;

	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.name = "test",
	                                                           .kind = flavour->kind,
	                                                           .method = flavour->method,
	                                                           .workers = workers}),
	                 0);
	return pool;
}

static inline COVEY_UNUSED void end_pool(covey_pool *pool)
{
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
}

COVEY_TASK(uint64_t, square, uint64_t, n)
{
	return n * n;
}

COVEY_TASK(int, fail_with, int, code)
{
	if (code)
		covey_task_fail(code, "no luck with %d", code);
	return code;
}

static inline COVEY_UNUSED int echo(covey_task *task, const void *arg, size_t len)
{
	return covey_task_return(task, arg, len);
}

/* A task that waits for a message; so that a worker is busy for as long as a test wants. */
COVEY_TASK(int, wait_for, covey_queue, says, covey_queue, gate)
{
	int n = 0;

	covey_put(says, &n, COVEY_FOREVER);
	return covey_get(gate, &n, COVEY_FOREVER) < 0 ? -1 : n;
}

struct gate {
	covey_queue says, gate;
};

static inline COVEY_UNUSED struct gate new_gate(void)
{
	struct gate g;

	assert_int_equal(covey_queue_create(&g.says, NULL), 0);
	assert_int_equal(covey_queue_create(&g.gate, NULL), 0);
	return g;
}

static inline COVEY_UNUSED void open_gate(struct gate *g, int n)
{
	assert_int_equal(covey_put(g->gate, &n, COVEY_FOREVER), 0);
}

static inline COVEY_UNUSED void at_gate(struct gate *g)
{
	int n;

	assert_int_equal(covey_get(g->says, &n, COVEY_FOREVER), 0);
}

static inline COVEY_UNUSED void end_gate(struct gate *g)
{
	assert_int_equal(covey_queue_destroy(g->says), 0);
	assert_int_equal(covey_queue_destroy(g->gate), 0);
}

COVEY_TASK(int, pid_of_worker, int, unused)
{
	(void)unused;
	return getpid();
}

static COVEY_UNUSED struct flavour by_threads = {COVEY_THREADS, 0},
				   by_fork = {COVEY_PROCESSES, COVEY_FORK},
				   by_spawn = {COVEY_PROCESSES, COVEY_SPAWN},
				   by_server = {COVEY_PROCESSES, COVEY_FORKSERVER};

#define BY_PROCESSES(test)                                                                      \
	HARNESS_TEST_WITH(test, "fork", &by_fork), HARNESS_TEST_WITH(test, "spawn", &by_spawn), \
		HARNESS_TEST_WITH(test, "forkserver", &by_server)
#define BY_ALL(test) HARNESS_TEST_WITH(test, "threads", &by_threads), BY_PROCESSES(test)

#endif
