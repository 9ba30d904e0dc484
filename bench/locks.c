/* SPDX-License-Identifier: MIT */
/* Locks, uncontended and with two processes, beside the C library's robust mutex. */
#include "bench.h"

#include <pthread.h>
#include <sys/mman.h>

#define TIMES 2000000

static double covey_alone(size_t size)
{
	covey_lock lock;
	double since;

	(void)size;
	if (covey_lock_create(&lock, "bench") < 0)
		bench_fail("lock");
	since = bench_now();
	for (int i = 0; i < TIMES; i++) {
		covey_lock_acquire(lock, COVEY_FOREVER);
		covey_lock_release(lock);
	}
	since = bench_now() - since;
	covey_lock_destroy(lock);
	return since / TIMES * 1e9;
}

static pthread_mutex_t *robust(void)
{
	pthread_mutex_t *mutex =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &attr);
	return mutex;
}

static double robust_alone(size_t size)
{
	pthread_mutex_t *mutex = robust();
	double since = bench_now();

	(void)size;
	for (int i = 0; i < TIMES; i++) {
		pthread_mutex_lock(mutex);
		pthread_mutex_unlock(mutex);
	}
	since = bench_now() - since;
	munmap(mutex, 4096);
	return since / TIMES * 1e9;
}

static void take_covey(void *context)
{
	covey_lock lock = *(covey_lock *)context;

	for (int i = 0; i < TIMES; i++) {
		covey_lock_acquire(lock, COVEY_FOREVER);
		covey_lock_release(lock);
	}
}

static void take_robust(void *context)
{
	for (int i = 0; i < TIMES; i++) {
		pthread_mutex_lock(context);
		pthread_mutex_unlock(context);
	}
}

static double covey_two(size_t size)
{
	covey_lock lock;
	double since;
	int pid;

	(void)size;
	if (covey_lock_create(&lock, "bench") < 0)
		bench_fail("lock");
	since = bench_now();
	pid = bench_beside(take_covey, &lock);
	take_covey(&lock);
	bench_end(pid);
	since = bench_now() - since;
	covey_lock_destroy(lock);
	return 2 * TIMES / since / 1e6;
}

static double robust_two(size_t size)
{
	pthread_mutex_t *mutex = robust();
	double since = bench_now();
	int pid = bench_beside(take_robust, mutex);

	(void)size;
	take_robust(mutex);
	bench_end(pid);
	since = bench_now() - since;
	munmap(mutex, 4096);
	return 2 * TIMES / since / 1e6;
}

const struct bench_case lock_cases[] = {
	{"lock", "take and release, alone", "ns", 0, 0, covey_alone, "robust mutex", robust_alone},
	{"lock", "two processes", "M/s", 1, 0, covey_two, "robust mutex", robust_two},
};
const int lock_count = sizeof lock_cases / sizeof *lock_cases;
