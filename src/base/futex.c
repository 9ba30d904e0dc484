/* SPDX-License-Identifier: MIT */
/* Futexes between processes, and how long to spin before using one. */
#include "base/base.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int cvy_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
	struct timespec at, *until = NULL;

	if (deadline != CVY_NEVER) {
		at = cvy_timespec(deadline);
		until = &at;
	}
	/* The bitset form takes an absolute time, so an interrupted wait may just be repeated. */
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, until, NULL,
	            FUTEX_BITSET_MATCH_ANY) < 0 &&
	    errno == ETIMEDOUT)
		return -ETIMEDOUT;
	return 0;
}

int cvy_futex_wake(_Atomic uint32_t *word, int n)
{
	int saved = errno;
	long woken = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);

	errno = saved;
	return woken < 0 ? 0 : (int)woken;
}

int cvy_spins(void)
{
	static _Atomic int spins = -1;
	int n = atomic_load_explicit(&spins, memory_order_relaxed);
	cpu_set_t cpus;

	if (__builtin_expect(n < 0, 0)) {
		n = 2000;
		if (sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) < 2)
			n = 0;
		atomic_store_explicit(&spins, n, memory_order_relaxed);
	}
	return n;
}
