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

void *rwlock_make(void)
{
	static covey_rwlock rw;

	need(covey_rwlock_create(&rw, "bench"), "rwlock");
	return &rw;
}

void rwlock_read(void *rw)
{
	need(covey_rwlock_acquire_read(*(covey_rwlock *)rw, COVEY_FOREVER), "read");
}

void rwlock_write(void *rw)
{
	need(covey_rwlock_acquire_write(*(covey_rwlock *)rw, COVEY_FOREVER), "write");
}

void rwlock_give(void *rw)
{
	need(covey_rwlock_release(*(covey_rwlock *)rw), "release");
}

void *semaphore_make(void)
{
	static covey_semaphore s;

	need(covey_semaphore_create(&s, &(covey_semaphore_opts){.value = 1}), "semaphore");
	return &s;
}

void semaphore_take(void *s)
{
	need(covey_semaphore_acquire(*(covey_semaphore *)s, COVEY_FOREVER), "acquire");
}

void semaphore_give(void *s)
{
	need(covey_semaphore_release(*(covey_semaphore *)s, 1), "release");
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
