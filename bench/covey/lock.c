/* SPDX-License-Identifier: MIT */
#include "covey.h"

void *lock_make(void)
{
	static covey_lock lock;

	need(covey_lock_create(&lock, "bench"), "lock");
	return &lock;
}

void lock_take(void *lock)
{
	need(covey_lock_acquire(*(covey_lock *)lock, COVEY_FOREVER), "acquire");
}

void lock_give(void *lock)
{
	need(covey_lock_release(*(covey_lock *)lock), "release");
}

/* Seconds to make, take, give back and destroy a lock, with `live` others. */
void lock_cost(const struct plan *plan)
{
	double since, now;
	covey_lock lock;
	long n = -1000;

	for (long i = 1; i < plan->live; i++)
		need(covey_lock_create(&lock, NULL), "lock");
	for (since = now = bench_now(); now < since + plan->window; now = bench_now(), n++) {
		if (n == 0)
			since = now;
		need(covey_lock_create(&lock, NULL), "lock");
		lock_take(&lock);
		lock_give(&lock);
		need(covey_lock_destroy(lock), "destroy");
	}
	bench_say(1, (now - since) / (double)n);
}
