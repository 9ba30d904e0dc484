/* SPDX-License-Identifier: MIT */
/* Deaths: of workers, and of the process that the pool belongs to. */
#include "pool_tests.h"

COVEY_TASK(int, die_by, int, number)
{
	if (!number)
		exit(3);
	signal(number, SIG_DFL); /* the test library's handler would catch it in a forked worker */
	raise(number);
	return 0;
}

static void a_crash_costs_the_one_task(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	covey_future *f[60];
	covey_failure failure;
	uint64_t n;
	int i;

	for (i = 0; i < 60; i++)
		f[i] = i % 10 == 5 ? covey_submit(pool, die_by,
		                                  i == 5    ? SIGKILL
		                                  : i == 15 ? 0
		                                            : SIGSEGV)
		                   : covey_submit(pool, square, (uint64_t)i);
	for (i = 0; i < 60; i++) {
		if (i % 10 != 5) {
			assert_int_equal(covey_result(f[i], &n, COVEY_FOREVER), 0);
			assert_int_equal(n, i * i);
		} else {
			assert_int_equal(covey_result(f[i], &n, COVEY_FOREVER), -EOWNERDEAD);
			assert_int_equal(covey_future_failure(f[i], &failure), 0);
			assert_int_equal(failure.kind, COVEY_WORKER_DIED);
			assert_int_equal(failure.signal, i == 5 ? SIGKILL : i == 15 ? 0 : SIGSEGV);
			assert_int_equal(failure.code, i == 15 ? 3 : 0);
			assert_true(failure.pid > 1);
			assert_non_null(strstr(failure.words, "task 'die_by': worker 'test-"));
		}
		covey_future_free(f[i]);
	}
	end_pool(pool);
}

COVEY_TASK(int, die_once, covey_queue, lives)
{
	int n;

	if (covey_get(lives, &n, 0) == 0)
		raise(SIGKILL);
	return 42;
}

static void a_task_is_retried_where_asked(void **state)
{
	const struct flavour *flavour = *state;
	covey_queue lives;
	covey_pool *pool;
	covey_future *f;
	int n = 0;

	assert_int_equal(covey_queue_create(&lives, NULL), 0);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.method = flavour->method,
	                                                           .workers = 1,
	                                                           .retries = 2}),
	                 0);
	for (int deaths = 0; deaths <= 3; deaths++) {
		for (int i = 0; i < deaths; i++)
			assert_int_equal(covey_put(lives, &n, 0), 0);
		f = covey_submit(pool, die_once, lives);
		assert_int_equal(covey_result(f, &n, COVEY_FOREVER), deaths <= 2 ? 0 : -EOWNERDEAD);
		covey_future_free(f);
	}
	end_pool(pool);
	assert_int_equal(covey_queue_destroy(lives), 0);
}

static void random_kills_lose_no_task(void **state)
{
	const struct flavour *flavour = *state;
	enum { N = 20000 };
	covey_future **f = malloc(N * sizeof *f);
	unsigned seed = 11;
	covey_pool *pool;

	assert_int_equal(
		covey_pool_open(&pool, &(covey_pool_opts){.method = flavour->method, .workers = 2}),
		0);
	for (uint64_t i = 0; i < N; i++) {
		f[i] = covey_submit(pool, square, i);
		assert_non_null(f[i]);
		if (i % 500 == 499) {
			kill_a_worker(pool, &seed, 0x3ff);
		}
	}
	assert_true(squares_died(f, N) <= N / 500);
	free(f);
	end_pool(pool);
}

static void idle_workers_are_replaced_too(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_future *f;
	int pid, again;

	f = covey_submit(pool, pid_of_worker, 0);
	assert_int_equal(covey_result(f, &pid, COVEY_FOREVER), 0);
	covey_future_free(f);
	HARNESS_EVENTUALLY(harness_asleep(pid));
	harness_kill(pid, SIGKILL);
	f = covey_submit(pool, pid_of_worker, 0);
	assert_int_equal(covey_result(f, &again, COVEY_FOREVER), 0);
	assert_int_not_equal(pid, again);
	covey_future_free(f);
	end_pool(pool);
}

/* ---- in a process of its own, which is killed */

static int keep_a_pool(const void *arg, size_t len)
{
	const struct gate *gate = arg;
	covey_pool *pool;
	covey_future *f;
	int pid = 0;

	if (covey_pool_open(&pool, &(covey_pool_opts){.workers = 2}) < 0)
		return 1;
	f = covey_submit(pool, pid_of_worker, 0);
	covey_result(f, &pid, COVEY_FOREVER);
	covey_put(gate->says, &pid, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static void workers_end_with_the_pools_process(void **state)
{
	const struct flavour *flavour = *state;
	struct gate gate = new_gate();
	covey_process *p;
	int pid;

	assert_int_equal(covey_start(&p, keep_a_pool, &gate, .method = flavour->method), 0);
	assert_int_equal(covey_get(gate.says, &pid, COVEY_FOREVER), 0);
	assert_true(harness_exists(pid));
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	HARNESS_EVENTUALLY(!harness_exists(pid));
	covey_process_free(p);
	harness_objects_stay(); /* the killed process's pool */
}

static const struct harness_test tests[] = {
	BY_PROCESSES(a_crash_costs_the_one_task),
	BY_PROCESSES(a_task_is_retried_where_asked),
	BY_PROCESSES(random_kills_lose_no_task),
	BY_PROCESSES(idle_workers_are_replaced_too),
	BY_PROCESSES(workers_end_with_the_pools_process),
};

HARNESS_MAIN(tests)
