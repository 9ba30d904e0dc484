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

/* The squares of the numbers below n, each right or with its dead worker; how many are. Frees them.
 */
static inline COVEY_UNUSED uint64_t squares_died(covey_future **f, uint64_t n)
{
	uint64_t square, died = 0;

	for (uint64_t i = 0; i < n; i++) {
		int rc = covey_result(f[i], &square, COVEY_FOREVER);

		assert_true(rc == 0 || rc == -EOWNERDEAD);
		if (rc == 0)
			assert_int_equal(square, i * i);
		died += rc < 0;
		covey_future_free(f[i]);
	}
	return died;
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

/* One tells its pid, and is killed up to `spins` rounds later, in what it does then. 1 if so. */
static inline COVEY_UNUSED unsigned kill_a_worker(covey_pool *pool, unsigned *seed, unsigned spins)
{
	covey_future *who = covey_submit(pool, pid_of_worker, 0);
	int pid, told = covey_result(who, &pid, COVEY_FOREVER) == 0;

	if (told) {
		*seed = *seed * 1103515245 + 12345;
		for (unsigned spin = 0; spin < ((*seed >> 16) & spins); spin++)
			__asm__ volatile("");
		if (harness_exists(pid))
			harness_kill(pid, SIGKILL);
	}
	covey_future_free(who);
	return told ? 1 : 0;
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
