/* SPDX-License-Identifier: MIT */
/* OpenMP tasks, made by one thread of a team. */
#include "bench.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static long *results;
static int workers;

static void open_pool(const struct plan *plan)
{
	workers = plan->workers;
	results = calloc((size_t)plan->tasks, sizeof *results);
}

static void many(long n)
{
#pragma omp parallel num_threads(workers)
#pragma omp single
	for (long i = 0; i < n; i++) {
#pragma omp task firstprivate(i)
		results[i] = i;
	}
	for (long i = 0; i < n; i++)
		if (results[i] != i)
			bench_fail("OpenMP: a result");
}

static void one(void)
{
	many(1);
}

static void version(void)
{
	printf("OpenMP %d (gcc %s)\n", _OPENMP, __VERSION__);
}

const struct peer peer = {
	.version = version,
	.pools = {{"task", open_pool, many, one}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
