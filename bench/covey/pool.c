/* SPDX-License-Identifier: MIT */
/* Tasks that do nothing, by processes and by threads; and the ten sums of the tour. */
#include "covey.h"

#include <stdlib.h>

COVEY_TASK(long, same, long, n)
{
	return n;
}

static covey_pool *pool;
static covey_future **futures;

static void open_kind(const struct plan *plan, covey_pool_kind kind)
{
	covey_lock lock;

	futures = calloc((size_t)plan->tasks, sizeof(covey_future *));
	for (long i = 0; i < plan->live; i++)
		need(covey_lock_create(&lock, NULL), "lock");
	need(covey_pool_open(&pool, &(covey_pool_opts){.kind = kind, .workers = plan->workers}),
	     "pool");
}

void pool_open(const struct plan *plan)
{
	open_kind(plan, COVEY_PROCESSES);
}

void pool_open_threads(const struct plan *plan)
{
	open_kind(plan, COVEY_THREADS);
}

static void collect(covey_future *f, long expected)
{
	long out;

	if (!f)
		bench_fail(covey_errmsg());
	need(covey_result(f, &out, COVEY_FOREVER), "result");
	if (out != expected)
		bench_fail("a wrong result");
	covey_future_free(f);
}

void pool_many(long n)
{
	for (long i = 0; i < n; i++)
		futures[i] = covey_submit(pool, same, i);
	for (long i = 0; i < n; i++)
		collect(futures[i], i);
}

void pool_one(void)
{
	collect(covey_submit(pool, same, 1), 1);
}

/*
 * 0 + 1 + ... + (n - 1), one after the other: the compiler is not to know the formula. Not inlined,
 * so that the task and the plain call run the same instructions.
 */
static __attribute__((noinline)) uint64_t sum_below(uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++) {
		sum += i;
		__asm__ volatile("" : "+r"(sum));
	}
	return sum;
}

COVEY_TASK(uint64_t, sum_numbers, uint64_t, n)
{
	return sum_below(n);
}

/* Not a constant, or the plain call would get a function of its own. */
static volatile uint64_t largest = 1000000000;

/* Seconds for the sums to 1, 10, ... 1e9, from opening the pool to joining it. */
void sums(const struct plan *plan)
{
	double since = bench_now();
	uint64_t sum;
	int done = 0;

	need(covey_pool_open(&pool, &(covey_pool_opts){.workers = plan->workers}), "pool");
	for (uint64_t n = 1; n <= largest; n *= 10)
		if (!covey_submit(pool, sum_numbers, n))
			bench_fail(covey_errmsg());
	for (covey_future *f; (f = covey_as_completed(pool, COVEY_FOREVER)); done++) {
		need(covey_result(f, &sum, 0), "result");
		covey_future_free(f);
	}
	need(covey_pool_close(pool), "close");
	need(covey_pool_join(pool, COVEY_FOREVER), "join");
	if (done != 10)
		bench_fail("not ten results");
	bench_say(1, bench_now() - since);
}

/* Seconds for the largest of them, by a plain call. */
void largest_sum(const struct plan *plan)
{
	double since = bench_now();

	(void)plan;
	if (sum_below(largest) != largest / 2 * (largest - 1))
		bench_fail("a wrong sum");
	bench_say(1, bench_now() - since);
}
