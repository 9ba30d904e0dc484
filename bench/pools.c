/* SPDX-License-Identifier: MIT */
/* Tasks that do nothing, by processes and, as the peer, by covey's own threads. */
#include "bench.h"

#include <stdlib.h>

COVEY_TASK(uint64_t, same, uint64_t, n)
{
	return n;
}

static covey_pool *open_pool(covey_pool_kind kind)
{
	covey_pool *pool;

	if (covey_pool_open(&pool, &(covey_pool_opts){.kind = kind, .workers = 2}) < 0)
		bench_fail("pool");
	return pool;
}

static double end_pool(covey_pool *pool, double figure)
{
	covey_pool_close(pool);
	covey_pool_join(pool, COVEY_FOREVER);
	return figure;
}

static double throughput(covey_pool_kind kind)
{
	int n = bench_quick ? 50000 : 500000;
	covey_future **f = malloc((size_t)n * sizeof(covey_future *));
	covey_pool *pool = open_pool(kind);
	double since;
	uint64_t out;

	if (!f)
		bench_fail("memory");
	covey_future_free(covey_submit(pool, same, 1));
	since = bench_now();
	for (int i = 0; i < n; i++)
		f[i] = covey_submit(pool, same, (uint64_t)i);
	for (int i = 0; i < n; i++) {
		if (covey_result(f[i], &out, COVEY_FOREVER) < 0 || out != (uint64_t)i)
			bench_fail("result");
		covey_future_free(f[i]);
	}
	since = bench_now() - since;
	free(f);
	return end_pool(pool, n / since / 1e6);
}

static double round_trip(covey_pool_kind kind)
{
	int n = bench_quick ? 2000 : 20000;
	covey_pool *pool = open_pool(kind);
	double since = bench_now();
	uint64_t out;

	for (int i = 0; i < n; i++) {
		covey_future *f = covey_submit(pool, same, (uint64_t)i);

		covey_result(f, &out, COVEY_FOREVER);
		covey_future_free(f);
	}
	since = bench_now() - since;
	return end_pool(pool, since / n * 1e6);
}

static double processes_throughput(size_t size)
{
	(void)size;
	return throughput(COVEY_PROCESSES);
}

static double threads_throughput(size_t size)
{
	(void)size;
	return throughput(COVEY_THREADS);
}

static double processes_round_trip(size_t size)
{
	(void)size;
	return round_trip(COVEY_PROCESSES);
}

static double threads_round_trip(size_t size)
{
	(void)size;
	return round_trip(COVEY_THREADS);
}

const struct bench_case pool_cases[] = {
	{"pool", "empty tasks, 2 workers", "M/s", 1, 0, processes_throughput, "covey's threads",
         threads_throughput},
	{"pool", "one task, there and back", "us", 0, 0, processes_round_trip, "covey's threads",
         threads_round_trip},
};
const int pool_count = sizeof pool_cases / sizeof *pool_cases;
