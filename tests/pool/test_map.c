/* SPDX-License-Identifier: MIT */
/* Maps: many items, in order. */
#include "pool_tests.h"

COVEY_TASK(int, odd_fails, int, n)
{
	if (n % 2)
		return covey_task_fail(n, "odd");
	return n / 2;
}

static void map_keeps_the_order(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	enum { N = 1000 };
	static uint64_t in[N], out[N];
	int evens[] = {0, 2, 4, 7, 6, 9}, halves[6] = {0};
	unsigned char small[4] = {1, 2, 3, 4}, back[4] = {0};

	for (uint64_t i = 0; i < N; i++)
		in[i] = i;
	for (size_t chunk = 0; chunk <= N + 1; chunk += chunk < 3 ? 1 : N / 2 - 1) {
		memset(out, 0, sizeof out);
		assert_int_equal(covey_pool_map(pool, square_covey_run, in, N, sizeof *in, out,
		                                sizeof *out, &(covey_map_opts){.chunk = chunk}),
		                 0);
		for (uint64_t i = 0; i < N; i++)
			assert_int_equal(out[i], i * i);
	}
	assert_int_equal(covey_map(pool, square, in, 0, out), 0);
	assert_int_equal(covey_map(pool, odd_fails, evens, 6, halves), -EREMOTEIO);
	assert_non_null(strstr(covey_errmsg(), "item 3: odd"));
	assert_int_equal(halves[4], 3);
	assert_int_equal(covey_pool_map(pool, echo, small, 4, 1, back, 1, NULL), 0);
	assert_memory_equal(small, back, 4);
	assert_int_equal(covey_pool_map(pool, echo, small, 4, 1, out, 8, NULL), -EMSGSIZE);
	assert_null(covey_as_completed(pool, 0));
	assert_int_equal(covey_errcode(), -ENOENT);
	end_pool(pool);
}

COVEY_TASK(int, die_if_thirteen, int, n)
{
	if (n == 13)
		raise(SIGKILL);
	return n * 2;
}

static void a_crash_in_a_map_costs_the_one_item(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	int in[40], out[40] = {0};

	for (int i = 0; i < 40; i++)
		in[i] = i;
	assert_int_equal(covey_pool_map(pool, die_if_thirteen_covey_run, in, 40, sizeof *in, out,
	                                sizeof *out, &(covey_map_opts){.chunk = 10}),
	                 -EOWNERDEAD);
	assert_non_null(strstr(covey_errmsg(), "item 13"));
	for (int i = 0; i < 40; i++)
		if (i != 13)
			assert_int_equal(out[i], 2 * i);
	end_pool(pool);
}

/* ---- several arguments, none, no result */

COVEY_TASK(double, area, double, width, float, height, char, unit)
{
	return unit == 'm' ? width * (double)height : 0;
}

COVEY_TASK_VOID(add_to, covey_queue, sums, int, n)
{
	covey_put(sums, &n, COVEY_FOREVER);
}

COVEY_TASK_VOID(note_one, covey_queue, sums)
{
	int one = 1;

	covey_put(sums, &one, COVEY_FOREVER);
}

COVEY_TASK(int, forty_two, void)
{
	return 42;
}

static void apply_submits_and_waits(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_queue sums;
	uint64_t n = 0;
	double d = 0;
	int i = 0;

	assert_int_equal(covey_queue_create(&sums, NULL), 0);
	assert_int_equal(covey_apply(pool, square, &n, 9), 0);
	assert_int_equal(n, 81);
	assert_int_equal(covey_apply(pool, forty_two, &i), 0);
	assert_int_equal(i, 42);
	assert_int_equal(covey_apply(pool, area, &d, 2, 1.5f, 'm'), 0);
	assert_true(d == 3);
	assert_int_equal(covey_apply(pool, note_one, sums), 0);
	assert_int_equal(covey_get(sums, &i, 0), 0);
	assert_int_equal(i, 1);
	assert_int_equal(covey_apply(pool, fail_with, &i, 6), -EREMOTEIO);
	assert_non_null(strstr(covey_errmsg(), "no luck with 6"));
	assert_int_equal(covey_pool_apply(pool, echo, "abc", 4, &i, 4, NULL), 4);
	assert_memory_equal(&i, "abc", 4);
	assert_int_equal(covey_pool_apply(pool, echo, "abc", 4, &i, 3, NULL), -EMSGSIZE);
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_apply(pool, square, &n, 9), -ESHUTDOWN);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_destroy(sums), 0);
}

static void map_takes_an_array_for_each_argument(void **state)
{
	enum { N = 300 };
	covey_pool *pool = open_pool(state, 2);
	static double widths[N], areas[N];
	static float heights[N];
	static char units[N];
	static covey_args(area) fields[N];

	for (int i = 0; i < N; i++) {
		widths[i] = i;
		heights[i] = (float)i / 2;
		units[i] = i % 3 ? 'm' : 'x';
		fields[i] = (covey_args(area)){widths[i], heights[i], units[i]};
	}
	assert_int_equal(covey_map(pool, area, widths, heights, units, N, areas), 0);
	for (int i = 0; i < N; i++)
		assert_true(areas[i] == (i % 3 ? i * (i / 2.0) : 0));
	memset(areas, 0, sizeof areas);
	assert_int_equal(covey_starmap(pool, area, fields, N, areas), 0);
	for (int i = 0; i < N; i++)
		assert_true(areas[i] == (i % 3 ? i * (i / 2.0) : 0));
	assert_int_equal(covey_map(pool, area, widths, NULL, units, N, areas), -EINVAL);
	assert_non_null(strstr(covey_errmsg(), "array 1 is NULL"));
	assert_int_equal(covey_map(pool, area, NULL, NULL, NULL, 0, areas), 0);
	end_pool(pool);
}

static void map_without_results(void **state)
{
	enum { N = 50 };
	covey_pool *pool = open_pool(state, 2);
	covey_queue sums, queues[N];
	int n, sum = 0, numbers[N];
	covey_args(add_to) args[N];

	assert_int_equal(covey_queue_create(&sums, NULL), 0);
	for (int i = 0; i < N; i++) {
		queues[i] = sums;
		numbers[i] = i;
		args[i] = (covey_args(add_to)){sums, i};
	}
	assert_int_equal(covey_map(pool, add_to, queues, numbers, N), 0);
	assert_int_equal(covey_starmap(pool, add_to, args, N), 0);
	while (covey_get(sums, &n, 0) == 0)
		sum += n;
	assert_int_equal(sum, N * (N - 1));
	end_pool(pool);
	assert_int_equal(covey_queue_destroy(sums), 0);
}

static void map_can_run_out_of_time(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_args(wait_for) args[10];
	int out[10];

	for (int i = 0; i < 10; i++)
		args[i] = (covey_args(wait_for)){gate.says, gate.gate};
	open_gate(&gate, 0);
	/* Until it comes so far in time that one has run and one runs; the others are cancelled. */
	for (int ms = 50; covey_queue_size(gate.says) < 2; ms *= 2)
		assert_int_equal(
			covey_starmap_with(pool, &((covey_map_opts){.chunk = 1, .timeout_ms = ms}),
		                           wait_for, args, 10, out),
			-ETIMEDOUT);
	HARNESS_EVENTUALLY(covey_pool_pending(pool) == 1);
	open_gate(&gate, 1);
	end_pool(pool);
	assert_int_equal(covey_queue_size(gate.says), 2);
	end_gate(&gate);
}

static void map_looks_only_so_far_ahead(void **state)
{
	enum { N = 500 };
	covey_pool *pool = open_pool(state, 2);
	static uint64_t in[N], out[N];

	for (uint64_t i = 0; i < N; i++)
		in[i] = i;
	for (size_t buffer = 1; buffer < 200; buffer *= 5) {
		covey_map_opts opts = {.chunk = 3, .buffer = buffer, .priority = 2};

		memset(out, 0, sizeof out);
		assert_int_equal(covey_map_with(pool, &opts, square, in, N, out), 0);
		for (uint64_t i = 0; i < N; i++)
			assert_int_equal(out[i], i * i);
	}
	end_pool(pool);
}

static const struct harness_test tests[] = {
	BY_ALL(map_keeps_the_order),
	BY_ALL(apply_submits_and_waits),
	BY_ALL(map_takes_an_array_for_each_argument),
	BY_ALL(map_without_results),
	BY_ALL(map_can_run_out_of_time),
	BY_ALL(map_looks_only_so_far_ahead),
	BY_PROCESSES(a_crash_in_a_map_costs_the_one_item),
};

HARNESS_MAIN(tests)
