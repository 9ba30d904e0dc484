/* SPDX-License-Identifier: MIT */
/* Tasks within tasks, pools within workers, and the pool that a program shares. */
#include "pool_tests.h"

#include <sys/resource.h>

COVEY_TASK(uint64_t, fib, uint64_t, n)
{
	covey_pool *pool = covey_current_pool();
	covey_future *f;
	uint64_t a = 0, b = 0;

	if (!pool)
		return (uint64_t)covey_task_fail(1, "%s", covey_errmsg());
	if (n < 2)
		return n;
	f = covey_submit(pool, fib, n - 1);
	if (!f || covey_apply(pool, fib, &b, n - 2) < 0 || covey_result(f, &a, COVEY_FOREVER) < 0)
		covey_task_fail(2, "%s", covey_errmsg());
	covey_future_free(f);
	return a + b;
}

static void tasks_within_tasks_do_not_lock_each_other_up(void **state)
{
	for (int workers = 1; workers < 4; workers++) {
		covey_pool *pool = open_pool(state, workers);
		uint64_t n = 0;

		assert_int_equal(covey_apply(pool, fib, &n, 12), 0);
		assert_int_equal(n, 144);
		end_pool(pool);
	}
	assert_null(covey_current_pool());
	assert_int_equal(covey_errcode(), -ENOENT);
}

/* What covey_current_pool fails with in a worker process whose memory is used up. */
COVEY_TASK(int, without_memory, int, none)
{
	struct rlimit before, limit;
	void **last = NULL, **piece;
	covey_pool *pool;
	int error;

	getrlimit(RLIMIT_AS, &before);
	limit = (struct rlimit){(rlim_t)none, before.rlim_max};
	setrlimit(RLIMIT_AS, &limit);
	for (size_t size = 1 << 20; size >= sizeof(void *); size /= 2)
		for (; (piece = malloc(size)); last = piece)
			*piece = last;
	pool = covey_current_pool();
	error = pool ? 0 : covey_errcode();
	for (; last; last = piece) {
		piece = *last;
		free(last);
	}
	setrlimit(RLIMIT_AS, &before);
	return covey_current_pool() ? error : 1;
}

static void a_worker_without_memory_says_so(void **state)
{
	covey_pool *pool;
	int error = 0;

	if (getenv("HARNESS_SHADOW_MEMORY"))
		harness_skip("a sanitizer's shadow memory does not fit the limit");
	pool = open_pool(state, 1);
	assert_int_equal(covey_apply(pool, without_memory, &error, 0), 0);
	assert_int_equal(error, -ENOMEM);
	end_pool(pool);
}

COVEY_TASK(uint64_t, sum_of_squares, uint64_t, n)
{
	covey_pool *pool = covey_current_pool();
	covey_future *f[8], *last[1];
	uint64_t in[8], out[8], sum = 0, one;
	int rc = 0;

	for (uint64_t i = 0; i < 8; i++)
		in[i] = n + i;
	if (covey_map(pool, square, in, 8, out) < 0)
		covey_task_fail(1, "%s", covey_errmsg());
	for (int i = 0; i < 8; i++)
		sum += out[i];
	for (uint64_t i = 0; i < 8; i++)
		f[i] = covey_submit(pool, square, i);
	if (covey_wait(f, 8, COVEY_FIRST_DONE, COVEY_FOREVER) < 1 ||
	    covey_wait(f, 8, COVEY_ALL_DONE, 60000) != 8)
		covey_task_fail(2, "%s", covey_errmsg());
	for (int i = 0; i < 8; i++) {
		rc |= covey_result(f[i], &one, 0);
		sum += one;
		covey_future_free(f[i]);
	}
	last[0] = covey_submit(pool, square, 2);
	rc |= covey_result(last[0], &one, 60000);
	covey_future_free(last[0]);
	if (rc)
		covey_task_fail(3, "%s", covey_errmsg());
	return sum;
}

static void maps_and_waits_within_tasks(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	uint64_t in[5] = {0, 1, 2, 3, 4}, out[5];

	assert_int_equal(covey_map(pool, sum_of_squares, in, 5, out), 0);
	for (uint64_t n = 0; n < 5; n++) {
		uint64_t sum = 140;

		for (uint64_t i = 0; i < 8; i++)
			sum += (n + i) * (n + i);
		assert_int_equal(out[n], sum);
	}
	end_pool(pool);
}

/* Submits once the pool is closed. */
COVEY_TASK(uint64_t, late, covey_queue, says, covey_queue, gate)
{
	covey_pool *pool = covey_current_pool();
	uint64_t n = 0;
	int any = 0;

	covey_put(says, &any, COVEY_FOREVER);
	covey_get(gate, &any, COVEY_FOREVER);
	if (covey_apply(pool, square, &n, 7) < 0)
		covey_task_fail(1, "%s", covey_errmsg());
	return n;
}

static void a_closed_pool_lets_in_what_its_tasks_submit(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *f = covey_submit(pool, late, gate.says, gate.gate);
	uint64_t n = 0;

	at_gate(&gate);
	assert_int_equal(covey_pool_close(pool), 0);
	assert_null(covey_submit(pool, square, 1));
	open_gate(&gate, 0);
	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), 0);
	assert_int_equal(n, 49);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	covey_future_free(f);
	end_gate(&gate);
}

/* Has something pending in its own pool, something running, and dies. */
COVEY_TASK(int, die_with_tasks, covey_queue, says, covey_queue, gate)
{
	covey_pool *pool = covey_current_pool();
	int n;

	for (int i = 0; i < 5; i++)
		covey_submit(pool, wait_for, says, gate);
	covey_submit(pool, square, 3);
	covey_get(gate, &n, COVEY_FOREVER);
	raise(SIGKILL);
	return 0;
}

static void a_killed_task_leaves_nothing_of_what_it_submitted(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct gate gate = new_gate();
	covey_future *f = covey_submit(pool, die_with_tasks, gate.says, gate.gate);
	uint64_t n64;
	int n;

	at_gate(&gate);
	HARNESS_EVENTUALLY(covey_pool_pending(pool) == 7);
	for (int i = 0; i < 6; i++) /* for each that may wait at it */
		open_gate(&gate, 0);
	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), -EOWNERDEAD);
	HARNESS_EVENTUALLY(covey_pool_pending(pool) == 0);
	assert_int_equal(covey_apply(pool, square, &n64, 5), 0);
	covey_future_free(f);
	end_pool(pool);
	end_gate(&gate);
}

COVEY_TASK(uint64_t, die_64, uint64_t, n)
{
	raise(SIGKILL);
	return n;
}

/* The task within dies: in this worker, and with it this task; or in another. */
COVEY_TASK(int, see_a_death, int, timeout_ms)
{
	covey_pool *pool = covey_current_pool();
	covey_future *f = covey_submit(pool, die_64, 1);
	covey_failure failure;
	uint64_t n;
	int rc = covey_result(f, &n, timeout_ms);

	if (rc != -EOWNERDEAD || !strstr(covey_errmsg(), "task 'die_64': worker 'test-"))
		return covey_task_fail(1, "%d: %s", rc, covey_errmsg());
	if (covey_future_failure(f, &failure) < 0 || failure.signal != SIGKILL)
		return covey_task_fail(2, "%d: %s", rc, covey_errmsg());
	covey_future_free(f);
	return failure.pid;
}

static void deaths_of_tasks_within_tasks_are_told(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	covey_failure failure;
	covey_future *f;
	int pid;

	f = covey_submit(pool, see_a_death, COVEY_FOREVER);
	if (covey_result(f, &pid, COVEY_FOREVER) == 0) {
		assert_true(pid > 1); /* another worker was quicker to take it */
	} else {
		assert_int_equal(covey_future_failure(f, &failure), 0);
		assert_int_equal(failure.kind, COVEY_WORKER_DIED);
		assert_int_equal(failure.signal, SIGKILL);
	}
	covey_future_free(f);
	/* Where time is limited, an idle worker takes it, and this one lives. */
	HARNESS_EVENTUALLY(covey_pool_workers(pool) == 2);
	f = covey_submit(pool, see_a_death, 60000);
	if (covey_result(f, &pid, COVEY_FOREVER) == 0)
		assert_true(pid > 1);
	else
		assert_int_equal(covey_future_failure(f, &failure), 0);
	covey_future_free(f);
	end_pool(pool);
}

COVEY_TASK(uint64_t, use_all_calls, uint64_t, n)
{
	covey_pool *pool = covey_current_pool();
	uint64_t in[10], sum = 0, one;
	covey_future *f, *g;
	covey_imap *it;
	unsigned char big[5000];
	int rc;

	for (uint64_t i = 0; i < 10; i++)
		in[i] = n + i;
	for (int unordered = 0; unordered < 2; unordered++) {
		it = covey_imap_open_with(pool, &((covey_imap_opts){.unordered = unordered}),
		                          square, in, 10);
		while ((rc = covey_imap_next(it, &one, COVEY_FOREVER)) > 0)
			sum += one;
		covey_imap_close(it);
		if (rc < 0)
			return (uint64_t)covey_task_fail(1, "%s", covey_errmsg());
	}
	for (uint64_t i = 0; i < 10; i++)
		covey_submit(pool, square, n + i);
	if (covey_pool_close(pool) != -EPERM || covey_pool_resize(pool, 3) != -EPERM ||
	    covey_pool_join(pool, 0) != -EPERM || covey_pool_terminate(pool) != -EPERM)
		return (uint64_t)covey_task_fail(2, "%s", covey_errmsg());
	for (int i = 0; i < 10; i++) {
		f = covey_as_completed(pool, COVEY_FOREVER);
		if (!f || covey_result(f, &one, 0) < 0)
			return (uint64_t)covey_task_fail(3, "%s", covey_errmsg());
		sum += one;
		covey_future_free(f);
	}
	if (covey_as_completed(pool, 0) || covey_errcode() != -ENOENT)
		return (uint64_t)covey_task_fail(4, "%s", covey_errmsg());
	memset(big, 9, sizeof big);
	f = covey_pool_submit(pool, echo, big, sizeof big, NULL);
	g = covey_pool_submit(pool, echo, big, sizeof big, &(covey_submit_opts){.priority = -1});
	if (covey_future_result(f, big, sizeof big, COVEY_FOREVER) != sizeof big || big[4999] != 9)
		return (uint64_t)covey_task_fail(5, "%s", covey_errmsg());
	rc = covey_future_cancel(g);
	if (rc != 0 && rc != -EBUSY)
		return (uint64_t)covey_task_fail(6, "%s", covey_errmsg());
	covey_future_free(f);
	covey_future_free(g);
	if (covey_pool_submit(pool, echo, big, 1, &(covey_submit_opts){.priority = 9}))
		return (uint64_t)covey_task_fail(7, "%s", covey_errmsg());
	return sum;
}

static void tasks_of_workers_have_all_calls(void **state)
{
	for (int workers = 1; workers < 3; workers++) {
		covey_pool *pool = open_pool(state, workers);
		uint64_t n = 0, sum = 0;

		for (uint64_t i = 0; i < 10; i++)
			sum += 3 * (5 + i) * (5 + i);
		assert_int_equal(covey_apply(pool, use_all_calls, &n, 5), 0);
		assert_int_equal(n, sum);
		end_pool(pool);
	}
}

/* ---- pools within workers */

COVEY_TASK(uint64_t, by_a_pool_of_its_own, int, kind, uint64_t, n)
{
	uint64_t square_of_n = 0;

	COVEY_WITH_POOL(pool, .kind = (covey_pool_kind)kind, .workers = 2)
	if (covey_apply(pool, square, &square_of_n, n) < 0)
		covey_task_fail(1, "%s", covey_errmsg());
	if (!square_of_n)
		covey_task_fail(2, "%s", covey_errmsg());
	return square_of_n;
}

static void a_worker_may_open_a_pool(void **state)
{
	covey_pool *pool = open_pool(state, 2);

	for (int kind = COVEY_PROCESSES; kind <= COVEY_THREADS; kind++)
		for (uint64_t i = 1; i < 4; i++) {
			uint64_t n = 0;

			assert_int_equal(covey_apply(pool, by_a_pool_of_its_own, &n, kind, i), 0);
			assert_int_equal(n, i * i);
		}
	end_pool(pool);
}

COVEY_TASK(int, wait_in_a_pool, covey_queue, says)
{
	covey_pool *pool;
	int pid = 0;

	if (covey_pool_open(&pool, &(covey_pool_opts){.workers = 1}) < 0 ||
	    covey_apply(pool, pid_of_worker, &pid, 0) < 0)
		return covey_task_fail(1, "%s", covey_errmsg());
	covey_put(says, &pid, COVEY_FOREVER);
	pid = getpid();
	covey_put(says, &pid, COVEY_FOREVER);
	for (;;)
		pause();
}

static void a_killed_workers_pool_ends_with_it(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *f = covey_submit(pool, wait_in_a_pool, gate.says);
	int inner, outer, n;

	assert_int_equal(covey_get(gate.says, &inner, COVEY_FOREVER), 0);
	assert_int_equal(covey_get(gate.says, &outer, COVEY_FOREVER), 0);
	assert_true(harness_exists(inner));
	harness_kill(outer, SIGKILL);
	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), -EOWNERDEAD);
	HARNESS_EVENTUALLY(!harness_exists(inner));
	covey_future_free(f);
	end_pool(pool);
	end_gate(&gate);
	harness_objects_stay();
}

/* ---- the default pool */

static int use_default_pool(const void *arg, size_t len)
{
	const struct gate *gate = arg;
	covey_pool *pool = covey_default_pool();
	uint64_t n = 0;

	if (!pool || pool != covey_default_pool() || covey_apply(pool, square, &n, 5) < 0 ||
	    n != 25)
		return 1;
	/* Whether it runs what is pending at the end. */
	for (int i = 0; i < 20; i++) {
		struct wait_for_covey_args args = {gate->says, gate->gate};

		covey_future_free(
			covey_pool_submit(pool, wait_for_covey_run, &args, sizeof args, NULL));
	}
	return 7;
}

static void the_default_pool_is_joined_at_the_end(void **state)
{
	const covey_method *method = *state;
	struct gate gate = new_gate();
	covey_process *p;

	assert_int_equal(covey_start(&p, use_default_pool, &gate, .method = *method), 0);
	for (int i = 0; i < 20; i++)
		open_gate(&gate, 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), 7);
	assert_int_equal(covey_queue_size(gate.says), 20);
	covey_process_free(p);
	end_gate(&gate);
}

static void a_forked_child_has_a_default_pool_of_its_own(void **state)
{
	covey_pool *pool = covey_default_pool();
	uint64_t n = 0;
	int status;
	pid_t pid;

	assert_int_equal(covey_apply(pool, square, &n, 3), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		covey_pool *own = covey_default_pool();

		if (!own || own == pool || covey_apply(own, square, &n, 4) < 0 || n != 16 ||
		    covey_pool_close(own) < 0 || covey_pool_join(own, COVEY_FOREVER) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(covey_apply(pool, square, &n, 3), 0);
	end_pool(pool);
	/* Another one is opened where it was closed. */
	pool = covey_default_pool();
	assert_int_equal(covey_apply(pool, square, &n, 6), 0);
	assert_int_equal(n, 36);
	end_pool(pool);
}

static const struct harness_test tests[] = {
	BY_ALL(tasks_within_tasks_do_not_lock_each_other_up),
	BY_PROCESSES(a_worker_without_memory_says_so),
	BY_ALL(maps_and_waits_within_tasks),
	BY_ALL(a_closed_pool_lets_in_what_its_tasks_submit),
	BY_PROCESSES(a_killed_task_leaves_nothing_of_what_it_submitted),
	BY_PROCESSES(deaths_of_tasks_within_tasks_are_told),
	BY_PROCESSES(tasks_of_workers_have_all_calls),
	BY_ALL(a_worker_may_open_a_pool),
	BY_PROCESSES(a_killed_workers_pool_ends_with_it),
	HARNESS_TEST_BY_METHODS(the_default_pool_is_joined_at_the_end),
	HARNESS_TEST(a_forked_child_has_a_default_pool_of_its_own),
};

HARNESS_MAIN(tests)
