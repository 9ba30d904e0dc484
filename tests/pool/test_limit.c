/* SPDX-License-Identifier: MIT */
/* Time limits of tasks: the one that runs for too long ends, and nothing else does. */
#include "support/harness.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

COVEY_TASK(int, endless, int, n)
{
	while (n)
		pause();
	return n;
}

COVEY_TASK(int, deaf, int, n)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	while (n)
		n |= 1;
	return n;
}

COVEY_TASK(int, quick, int, n)
{
	return n + 1;
}

static covey_pool *open_by(void **state, int retries)
{
	covey_pool_opts opts = {.method = *(const covey_method *)*state,
	                        .workers = 2,
	                        .name = "limited",
	                        .retries = retries};
	covey_pool *pool;

	assert_int_equal(covey_pool_open(&pool, &opts), 0);
	return pool;
}

static void end(covey_pool *pool)
{
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
}

static const covey_submit_opts limit = {.name = "endless", .time_limit = 30};

static void what_runs_for_too_long_is_ended(void **state)
{
	covey_pool *pool = open_by(state, 5);
	covey_future *f[2] = {covey_submit_with(pool, &limit, endless, 1),
	                      covey_submit_with(pool, &limit, deaf, 1)};
	covey_failure failure;
	int out = 77;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_result(f[i], &out, COVEY_FOREVER), -ETIME);
		assert_non_null(strstr(covey_errmsg(), "longer than 30 ms"));
		assert_non_null(strstr(covey_errmsg(), "worker 'limited-"));
		assert_int_equal(covey_future_failure(f[i], &failure), 0);
		assert_int_equal(failure.kind, COVEY_OVERDUE);
		assert_true(failure.pid > 1 && failure.pid != getpid());
		covey_future_free(f[i]);
	}
	assert_int_equal(out, 77);
	/* The workers were replaced, and work. */
	assert_int_equal(covey_apply(pool, quick, &out, 4), 0);
	assert_int_equal(out, 5);
	end(pool);
}

static void others_are_left_alone(void **state)
{
	covey_submit_opts far = {.time_limit = 600000};
	covey_pool *pool = open_by(state, 0);
	covey_future *f[200], *bad = NULL;
	int out;

	for (int i = 0; i < 200; i++) {
		f[i] = covey_submit_with(pool, i % 3 ? &far : NULL, quick, i);
		if (i == 50)
			bad = covey_submit_with(pool, &limit, endless, 1);
	}
	for (int i = 0; i < 200; i++) {
		assert_int_equal(covey_result(f[i], &out, COVEY_FOREVER), 0);
		assert_int_equal(out, i + 1);
		covey_future_free(f[i]);
	}
	assert_int_equal(covey_result(bad, &out, COVEY_FOREVER), -ETIME);
	covey_future_free(bad);
	end(pool);
}

/* Pending is not running: behind an endless one it has all of its time still. */
static void the_time_begins_when_it_runs(void **state)
{
	covey_submit_opts longer = {.time_limit = 400};
	covey_pool_opts opts = {.method = *(const covey_method *)*state, .workers = 1};
	covey_future *first, *second;
	covey_pool *pool;
	int out;

	assert_int_equal(covey_pool_open(&pool, &opts), 0);
	first = covey_submit_with(pool, &longer, endless, 1);
	second = covey_submit_with(pool, &longer, quick, 1);
	assert_int_equal(covey_result(second, &out, COVEY_FOREVER), 0);
	assert_int_equal(covey_result(first, &out, 0), -ETIME);
	covey_future_free(first);
	covey_future_free(second);
	end(pool);
}

static void what_cannot_have_one_is_refused(void **state)
{
	covey_submit_opts wrong = {.time_limit = -1};
	covey_pool *pool;

	assert_int_equal(
		covey_pool_open(&pool, &(covey_pool_opts){.kind = COVEY_THREADS, .workers = 1}), 0);
	assert_null(covey_submit_with(pool, &limit, quick, 1));
	assert_int_equal(covey_errcode(), -ENOTSUP);
	assert_null(covey_submit_with(pool, &wrong, quick, 1));
	assert_int_equal(covey_errcode(), -EINVAL);
	end(pool);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(what_runs_for_too_long_is_ended),
	HARNESS_TEST_BY_METHODS(others_are_left_alone),
	HARNESS_TEST_BY_METHODS(the_time_begins_when_it_runs),
	HARNESS_TEST(what_cannot_have_one_is_refused),
};

HARNESS_MAIN(tests)
