/* SPDX-License-Identifier: MIT */
/* Promises, what follows a future, and the next done of many. */
#include "pool_tests.h"

/* ---- promises */

static void a_promise_is_kept_once(void **state)
{
	covey_future *f = covey_future_create("download");
	covey_failure failure;
	char big[5000], back[5000];
	int n = 5, m = 0;

	assert_non_null(f);
	assert_int_equal(covey_future_done(f), 0);
	assert_int_equal(covey_future_running(f), 0);
	assert_int_equal(covey_result(f, &m, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "promise 'download'"));
	assert_int_equal(covey_result(f, &m, 5), -ETIMEDOUT);
	assert_int_equal(covey_future_set_running(f), 0);
	assert_int_equal(covey_future_running(f), 1);
	assert_int_equal(covey_future_cancel(f), -EBUSY);
	assert_int_equal(covey_future_set_result(f, &n, sizeof n), 0);
	assert_int_equal(covey_result(f, &m, 0), 0);
	assert_int_equal(m, 5);
	assert_int_equal(covey_future_set_result(f, &n, sizeof n), -EALREADY);
	assert_int_equal(covey_future_set_running(f), -EALREADY);
	assert_int_equal(covey_future_set_failure(f, 3, "late"), -EALREADY);
	assert_int_equal(covey_result(f, &m, 0), 0);
	covey_future_free(f);

	f = covey_future_create(NULL);
	memset(big, 7, sizeof big);
	assert_int_equal(covey_future_set_result(f, big, sizeof big), 0);
	assert_int_equal(covey_future_result(f, back, sizeof back, 0), sizeof big);
	assert_memory_equal(big, back, sizeof big);
	covey_future_free(f);

	f = covey_future_create("upload");
	assert_int_equal(covey_future_set_failure(f, 11, "no route to %s", "host"), 0);
	assert_int_equal(covey_result(f, &m, 0), -EREMOTEIO);
	assert_non_null(strstr(covey_errmsg(), "promise 'upload': no route to host"));
	assert_int_equal(covey_future_failure(f, &failure), 0);
	assert_int_equal(failure.kind, COVEY_TASK_FAILED);
	assert_int_equal(failure.code, 11);
	covey_future_free(f);

	f = covey_future_create(NULL);
	assert_int_equal(covey_future_cancel(f), 0);
	assert_int_equal(covey_future_set_running(f), -ECANCELED);
	assert_int_equal(covey_future_set_result(f, &n, sizeof n), -ECANCELED);
	assert_int_equal(covey_result(f, &m, 0), -ECANCELED);
	covey_future_free(f);
	assert_int_equal(covey_future_set_running(NULL), -EINVAL);
}

static _Atomic int calls;
static void count_call(covey_future *f, void *context)
{
	assert_int_equal(covey_future_done(f), 1);
	atomic_fetch_add(&calls, *(int *)context);
}

static void callbacks_of_promises(void **state)
{
	covey_future *f = covey_future_create(NULL);
	int one = 1, ten = 10;

	assert_int_equal(covey_future_on_done(f, count_call, &one), 0);
	assert_int_equal(covey_future_set_result(f, NULL, 0), 0);
	assert_int_equal(calls, 1);
	assert_int_equal(covey_future_on_done(f, count_call, &ten), 0);
	assert_int_equal(calls, 11);
	covey_future_free(f);
	/* One that nobody can keep any more is cancelled. */
	f = covey_future_create(NULL);
	assert_int_equal(covey_future_on_done(f, count_call, &one), 0);
	covey_future_free(f);
	assert_int_equal(calls, 12);
	f = covey_future_create(NULL);
	assert_int_equal(covey_future_set_running(f), 0);
	assert_int_equal(covey_future_on_done(f, count_call, &one), 0);
	covey_future_free(f);
	assert_int_equal(calls, 13);
}

static void *keep(void *context)
{
	covey_future **f = context;

	for (int i = 0; i < 1000; i++)
		covey_future_set_result(f[i], &i, sizeof i);
	return NULL;
}

static void promises_between_threads(void **state)
{
	covey_future *f[1000];
	pthread_t thread;
	int n;

	for (int i = 0; i < 1000; i++)
		f[i] = covey_future_create(NULL);
	assert_int_equal(pthread_create(&thread, NULL, keep, f), 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(covey_result(f[i], &n, COVEY_FOREVER), 0);
		assert_int_equal(n, i);
		covey_future_free(f[i]); /* while the other thread may still be in its call */
	}
	pthread_join(thread, NULL);
}

static void promises_and_tasks_together(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_future *f[2] = {covey_future_create(NULL), covey_submit(pool, square, 3)};

	assert_int_equal(covey_wait(f, 2, COVEY_FIRST_DONE, COVEY_FOREVER), 1);
	assert_int_equal(covey_wait(f, 2, COVEY_ALL_DONE, 0), -EAGAIN);
	assert_int_equal(covey_future_set_result(f[1], NULL, 0), -EINVAL);
	assert_int_equal(covey_future_set_result(f[0], NULL, 0), 0);
	assert_int_equal(covey_wait(f, 2, COVEY_ALL_DONE, COVEY_FOREVER), 2);
	covey_future_free(f[0]);
	covey_future_free(f[1]);
	end_pool(pool);
}

static void a_promise_is_its_makers(void **state)
{
	covey_future *f = covey_future_create(NULL), *own;
	int status, n = 1;
	pid_t pid;

	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (covey_future_set_result(f, &n, sizeof n) != -ECHILD)
			_exit(1);
		covey_future_free(f);
		own = covey_future_create("own");
		if (!own || covey_future_set_result(own, &n, sizeof n) < 0 ||
		    covey_result(own, &n, 0) < 0)
			_exit(2);
		covey_future_free(own);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(covey_future_set_result(f, &n, sizeof n), 0);
	covey_future_free(f);
}

/* ---- what follows */

COVEY_TASK(uint64_t, half, uint64_t, n)
{
	return n / 2;
}

COVEY_TASK(uint64_t, fail_64, uint64_t, n)
{
	covey_task_fail(9, "no luck at all");
	return n;
}

static void a_task_follows_another(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	covey_future *p = covey_future_create("start"), *chain[5], *f;
	uint64_t n = 6;

	chain[0] = covey_then(pool, p, square);
	chain[1] = covey_then(pool, chain[0], half);
	chain[2] = covey_then(pool, chain[1], square);
	assert_non_null(chain[2]);
	assert_int_equal(covey_result(chain[2], &n, 0), -EAGAIN);
	n = 6;
	assert_int_equal(covey_future_set_result(p, &n, sizeof n), 0);
	covey_future_free(p);
	assert_int_equal(covey_result(chain[2], &n, COVEY_FOREVER), 0);
	assert_int_equal(n, 324);
	/* Of one that is done already. */
	chain[3] = covey_then(pool, chain[2], half);
	assert_int_equal(covey_result(chain[3], &n, COVEY_FOREVER), 0);
	assert_int_equal(n, 162);
	/* An argument of another size is told. */
	f = covey_then(pool, chain[2], fail_with);
	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), -EREMOTEIO);
	assert_non_null(strstr(covey_errmsg(), "an argument of another size"));
	covey_future_free(f);
	for (int i = 0; i < 4; i++)
		covey_future_free(chain[i]);
	assert_null(covey_then(pool, NULL, square));
	assert_int_equal(covey_errcode(), -EINVAL);
	end_pool(pool);
}

static void large_results_are_passed_on(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	unsigned char *in = malloc(300000), *out = malloc(300000);
	covey_future *f, *g;

	memset(in, 3, 300000);
	f = covey_pool_submit(pool, echo, in, 300000, NULL);
	g = covey_pool_then(pool, f, echo, NULL);
	covey_future_free(f);
	assert_int_equal(covey_future_result(g, out, 300000, COVEY_FOREVER), 300000);
	assert_memory_equal(in, out, 300000);
	covey_future_free(g);
	end_pool(pool);
	free(in);
	free(out);
}

static void failures_pass_on(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_future *f = covey_submit(pool, fail_64, 1), *g = covey_then(pool, f, square),
		     *h = covey_then(pool, g, half), *p = covey_future_create(NULL), *q;
	covey_failure failure;
	uint64_t n;

	assert_int_equal(covey_result(h, &n, COVEY_FOREVER), -EREMOTEIO);
	assert_non_null(strstr(covey_errmsg(),
	                       "task 'half': task 'square': task 'fail_64': no luck at all"));
	assert_int_equal(covey_future_failure(h, &failure), 0);
	assert_int_equal(failure.kind, COVEY_TASK_FAILED);
	assert_int_equal(failure.code, 9);
	q = covey_then(pool, p, square);
	assert_int_equal(covey_future_cancel(p), 0);
	assert_int_equal(covey_result(q, &n, COVEY_FOREVER), -ECANCELED);
	covey_future_free(f);
	covey_future_free(g);
	covey_future_free(h);
	covey_future_free(p);
	covey_future_free(q);
	end_pool(pool);
}

static void deaths_pass_on(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *f = covey_submit(pool, wait_for, gate.says, gate.gate);
	covey_future *who = covey_then(pool, f, pid_of_worker);
	covey_failure failure;
	int n;

	assert_int_equal(covey_future_failure(who, &failure), -EAGAIN);
	at_gate(&gate);
	assert_int_equal(covey_pool_terminate(pool), 0);
	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), -EOWNERDEAD);
	/* Terminating has cancelled what was to follow. */
	assert_int_equal(covey_result(who, &n, COVEY_FOREVER), -ECANCELED);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	covey_future_free(f);
	covey_future_free(who);
	end_gate(&gate);
}

COVEY_TASK(uint64_t, die, uint64_t, n)
{
	raise(SIGKILL);
	return n;
}

static void a_kill_passes_on(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_future *f = covey_submit(pool, die, 1), *g = covey_then(pool, f, square);
	covey_failure failure;
	uint64_t n;

	assert_int_equal(covey_result(g, &n, COVEY_FOREVER), -EOWNERDEAD);
	assert_non_null(strstr(covey_errmsg(), "task 'square': task 'die': worker 'test-0'"));
	assert_int_equal(covey_future_failure(g, &failure), 0);
	assert_int_equal(failure.signal, SIGKILL);
	assert_true(failure.pid > 1);
	covey_future_free(f);
	covey_future_free(g);
	end_pool(pool);
}

static void what_follows_can_be_dropped(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_future *p = covey_future_create(NULL), *f[3];
	uint64_t n = 4;

	for (int i = 0; i < 3; i++)
		f[i] = covey_then(pool, p, square);
	assert_int_equal(covey_future_cancel(f[0]), 0);
	covey_future_free(f[0]);
	covey_future_free(f[1]); /* which is still to run */
	assert_int_equal(covey_pool_pending(pool), 2);
	assert_int_equal(covey_pool_cancel(pool), 0);
	assert_int_equal(covey_future_cancelled(f[2]), 1);
	/* The pool may go before what it waits for. */
	end_pool(pool);
	assert_int_equal(covey_future_set_result(p, &n, sizeof n), 0);
	covey_future_free(p);
	assert_int_equal(covey_result(f[2], &n, 0), -ECANCELED);
	covey_future_free(f[2]);
}

/* ---- the next of many */

static void as_completed_of_several_pools(void **state)
{
	enum { N = 2000 };
	covey_pool *a = open_pool(state, 1), *b = open_pool(state, 1);
	covey_future **f = malloc((N + 2) * sizeof *f), *g;
	uint64_t sum = 0, n;
	int left = N + 2, count = 0;

	for (uint64_t i = 0; i < N; i++)
		f[i] = covey_submit(i % 2 ? a : b, square, i);
	f[N] = NULL;
	f[N + 1] = covey_future_create(NULL);
	g = f[N + 1];
	while (count < N) {
		covey_future *done = covey_as_completed_of(f, &left, COVEY_FOREVER);

		assert_non_null(done);
		assert_int_equal(covey_result(done, &n, 0), 0);
		sum += n;
		count++;
		covey_future_free(done);
	}
	assert_int_equal(left, 1);
	assert_int_equal(sum, (uint64_t)(N - 1) * N * (2 * N - 1) / 6);
	assert_null(covey_as_completed_of(f, &left, 0));
	assert_int_equal(covey_errcode(), -EAGAIN);
	assert_null(covey_as_completed_of(f, &left, 10));
	assert_int_equal(covey_errcode(), -ETIMEDOUT);
	n = 1;
	assert_int_equal(covey_future_set_result(g, &n, sizeof n), 0);
	assert_ptr_equal(covey_as_completed_of(f, &left, COVEY_FOREVER), g);
	assert_int_equal(left, 0);
	assert_null(covey_as_completed_of(f, &left, COVEY_FOREVER));
	assert_int_equal(covey_errcode(), -ENOENT);
	covey_future_free(g);
	free(f);
	end_pool(a);
	end_pool(b);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_promise_is_kept_once),   HARNESS_TEST(callbacks_of_promises),
	HARNESS_TEST(promises_between_threads), HARNESS_TEST(a_promise_is_its_makers),
	BY_ALL(promises_and_tasks_together),    BY_ALL(a_task_follows_another),
	BY_ALL(large_results_are_passed_on),    BY_ALL(failures_pass_on),
	BY_PROCESSES(deaths_pass_on),           BY_PROCESSES(a_kill_passes_on),
	BY_ALL(what_follows_can_be_dropped),    BY_ALL(as_completed_of_several_pools),
};

HARNESS_MAIN(tests)
