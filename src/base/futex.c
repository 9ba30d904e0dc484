/* SPDX-License-Identifier: MIT */
/* Futexes between processes, and how long to spin before using one. */
#include "base/base.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS 60000
/* A yield that took longer let another run. */
#define YIELD_NS 15000

int cvy_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline)
{
	struct timespec at, *until = NULL;

	if (deadline != CVY_NEVER) {
		at = cvy_timespec(deadline);
		until = &at;
	}
	/* The bitset form takes an absolute time, so an interrupted wait may just be repeated. */
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, until, NULL,
	            FUTEX_BITSET_MATCH_ANY) == 0)
		return 0;
	if (errno == ETIMEDOUT)
		return -ETIMEDOUT;
	/* Where there is no sleeping at a futex, looking again must not be a busy loop. */
	if (errno != EAGAIN && errno != EINTR)
		nanosleep(&(struct timespec){.tv_nsec = CVY_MS}, NULL);
	return deadline != CVY_NEVER && cvy_now() >= deadline ? -ETIMEDOUT : 0;
}

void cvy_futex_expect(struct futex_waitv *entry, _Atomic uint32_t *word, uint32_t value)
{
	*entry = (struct futex_waitv){
		.val = value, .uaddr = (uint64_t)(uintptr_t)word, .flags = FUTEX_32};
}

int cvy_futex_wait_any(struct futex_waitv *entries, unsigned n, int64_t deadline)
{
	struct timespec at, *until = NULL;
	long woken;

	if (deadline != CVY_NEVER) {
		at = cvy_timespec(deadline);
		until = &at;
	}
	woken = syscall(SYS_futex_waitv, entries, n, 0, until, CLOCK_MONOTONIC);
	if (woken >= 0)
		return (int)woken;
	/* To a sandbox that refuses it, it is the same as to a kernel that has it not. */
	return errno == EPERM || errno == EACCES ? -ENOSYS : -errno;
}

int cvy_futex_wake(_Atomic uint32_t *word, int n)
{
	int saved = errno;
	long woken = syscall(SYS_futex, word, FUTEX_WAKE, n, NULL, NULL, 0);

	errno = saved;
	return woken < 0 ? 0 : (int)woken;
}

/* Rounds of cvy_pause() that take about SPIN_NS: they differ tenfold between processors. */
static int rounds(void)
{
	enum { SAMPLE = 64 };
	int64_t best = INT64_MAX;

	/* The quickest of some: another process may come in between. */
	for (int n = 0; n < 4; n++) {
		int64_t since = cvy_now(), took;

		for (int i = 0; i < SAMPLE; i++)
			cvy_pause();
		took = cvy_now() - since;
		if (took < best)
			best = took;
	}
	best = best / SAMPLE + 1;
	return SPIN_NS / best < 64 ? 64 : (int)(SPIN_NS / best);
}

static _Atomic int spins = -1;

void cvy_spins_forget(void)
{
	atomic_store_explicit(&spins, -1, memory_order_relaxed);
}

int cvy_spins(void)
{
	int n = atomic_load_explicit(&spins, memory_order_relaxed);
	cpu_set_t cpus;

	if (__builtin_expect(n < 0, 0)) {
		n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) < 2
		            ? 0
		            : rounds();
		atomic_store_explicit(&spins, n, memory_order_relaxed);
	}
	return n;
}

void cvy_spin_yield(struct cvy_spin *spin)
{
	int64_t since = cvy_now();

	sched_yield();
	spin->until_yield = cvy_spins() / CVY_SPIN_YIELDS;
	if (cvy_now() - since > YIELD_NS)
		spin->left = 0;
}
