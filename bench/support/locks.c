/* SPDX-License-Identifier: MIT */
/* Locks: what taking and giving costs alone, and with two processes at it. */
#include "bench.h"

#define AT_ONCE 1000

static void take_and_give(const struct lock *by, void *lock)
{
	for (int i = 0; i < AT_ONCE; i++) {
		by->take(lock);
		by->give(lock);
	}
}

void bench_alone(const struct plan *plan, const struct lock *by)
{
	void *lock = by->make();
	double since, now;
	long n = 0;

	for (now = bench_now(), since = now; now < since + plan->warm; now = bench_now())
		take_and_give(by, lock);
	for (since = now; now < since + plan->window; now = bench_now(), n += AT_ONCE)
		take_and_give(by, lock);
	bench_say(1, (now - since) / (double)n);
}

struct race {
	const struct lock *by;
	void *lock;
};

static void race_on(void *context, int index, volatile uint64_t *counter)
{
	const struct race *race = context;

	(void)index;
	for (;; (*counter)++) {
		race->by->take(race->lock);
		race->by->give(race->lock);
	}
}

/* Both counts together, a second; and the lesser one's part of the greater. */
void bench_race(const struct plan *plan, const struct lock *by)
{
	struct race race = {by, by->make()};
	uint64_t counts[16];
	struct crew crew;
	double seconds, a, b;

	bench_crew(&crew);
	bench_enlist(&crew, race_on, &race, 0);
	bench_enlist(&crew, race_on, &race, 1);
	seconds = bench_watch(&crew, plan, counts);
	a = (double)counts[0];
	b = (double)counts[1];
	if (a + b == 0)
		bench_fail("nobody got the lock");
	bench_say(2, (a + b) / seconds, a < b ? a / b : b / a);
}
