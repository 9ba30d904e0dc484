/* SPDX-License-Identifier: MIT */
/*
 * The C library's robust mutex in shared memory, with its one hole closed: a
 * waiter that is woken and killed before it runs, while another thread barged
 * in, leaves the next waiter asleep on a free mutex. So nobody sleeps on one
 * for longer than a slice before looking again. The slices grow, so that a long
 * wait costs next to nothing. Priority inheritance would close the hole too,
 * but moved a quarter of the messages through a contended queue.
 */
#include "base/base.h"

#include <linux/futex.h>
#include <time.h>

#define FIRST_SLICE (50 * CVY_MS)

/* The first and the longest pause between two looks at a mutex, in parts of all the spinning. */
#define SPIN_LOOKS_FIRST 256
#define SPIN_LOOKS_LAST 16

int cvy_mutex_init(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attr;
	int error = pthread_mutexattr_init(&attr);

	if (error)
		return -error;
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	error = pthread_mutex_init(mutex, &attr);
	pthread_mutexattr_destroy(&attr);
	return -error;
}

#if CVY_THREAD_SANITIZER
void __tsan_mutex_pre_lock(void *mutex, unsigned flags);
void __tsan_mutex_post_lock(void *mutex, unsigned flags, int recursion);
#endif

/* Sleeps on the mutex until a time on the monotonic clock; an errno. */
static int sleep_on(pthread_mutex_t *mutex, int64_t until)
{
#if CVY_THREAD_SANITIZER
	/* It does not know pthread_mutex_clocklock, nor that EOWNERDEAD means locked. */
	int64_t left = until - cvy_now();
	struct timespec at;
	int error;

	clock_gettime(CLOCK_REALTIME, &at);
	at = cvy_timespec((int64_t)at.tv_sec * 1000 * CVY_MS + at.tv_nsec + (left > 0 ? left : 0));
	error = pthread_mutex_timedlock(mutex, &at);
	if (error == EOWNERDEAD) {
		__tsan_mutex_pre_lock(mutex, 0);
		__tsan_mutex_post_lock(mutex, 0, 0);
	}
	return error;
#else
	struct timespec at = cvy_timespec(until);

	return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &at);
#endif
}

/*
 * Looks now and then whether it is free; an errno. The pauses between grow: a
 * holder that soon takes it again keeps its cache line meanwhile, and is
 * quicker than if the mutex went to and fro.
 */
static int spin_on(pthread_mutex_t *mutex)
{
	int longest = cvy_spins() / SPIN_LOOKS_LAST;
	int pause = cvy_spins() / SPIN_LOOKS_FIRST, left = pause, error;

	for (struct cvy_spin spin = CVY_SPIN(); cvy_spin(&spin);) {
		if (left-- > 0)
			continue;
		if (!(__atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) & FUTEX_TID_MASK)) {
			error = pthread_mutex_trylock(mutex);
			if (error != EBUSY)
				return error;
		}
		pause = pause < longest ? 2 * pause + 1 : longest;
		left = pause;
	}
	return EBUSY;
}

int cvy_mutex_wait(pthread_mutex_t *mutex, int64_t deadline)
{
	int64_t slice = FIRST_SLICE;
	int error = spin_on(mutex);

	if (error != EBUSY)
		return error == EOWNERDEAD ? 1 : -error;
	for (;;) {
		error = sleep_on(mutex, cvy_sooner(cvy_now() + slice, deadline));
		if (error != ETIMEDOUT)
			return error == EOWNERDEAD ? 1 : -error;
		if (deadline != CVY_NEVER && cvy_now() >= deadline)
			return -ETIMEDOUT;
		if (slice < CVY_SLICE)
			slice *= 2;
	}
}

void cvy_mutex_mended(pthread_mutex_t *mutex)
{
	pthread_mutex_consistent(mutex);
}
