/* SPDX-License-Identifier: MIT */
/* Processes from start to joined, and tasks that do nothing. */
#include "bench.h"

#include <stdlib.h>

#define SAMPLES_MOST 200000
/* Longer than anybody spins before sleeping. */
#define ASLEEP_AFTER 250e-6

static double samples[SAMPLES_MOST];

void bench_start(const struct plan *plan, const struct start *by)
{
	double begin, now;
	long n = 0;

	for (int i = 0; i < 3; i++)
		by->once();
	begin = bench_now();
	do {
		double since = bench_now();

		by->once();
		now = bench_now();
		samples[n++] = now - since;
	} while ((now < begin + plan->window || n < 3) && n < SAMPLES_MOST);
	bench_say(1, bench_median(samples, n));
}

void bench_many(const struct plan *plan, const struct pool *by)
{
	double since, now;
	long n = 0;

	by->open(plan);
	for (now = bench_now(), since = now; now < since + plan->warm; now = bench_now())
		by->many(plan->tasks);
	for (since = now; now < since + plan->window; now = bench_now(), n += plan->tasks)
		by->many(plan->tasks);
	bench_say(1, (double)n / (now - since));
}

static void one_by_one(const struct plan *plan, const struct pool *by, double pause)
{
	double begin, now;
	long n = 0;

	by->open(plan);
	for (now = bench_now(), begin = now; now < begin + plan->warm; now = bench_now())
		by->one();
	for (begin = now; now < begin + plan->window && n < SAMPLES_MOST;) {
		double since;

		bench_pause(pause);
		since = bench_now();
		by->one();
		now = bench_now();
		samples[n++] = now - since;
	}
	bench_say(1, bench_median(samples, n));
}

void bench_one(const struct plan *plan, const struct pool *by)
{
	one_by_one(plan, by, 0);
}

void bench_one_asleep(const struct plan *plan, const struct pool *by)
{
	one_by_one(plan, by, ASLEEP_AFTER);
}
