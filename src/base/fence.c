/* SPDX-License-Identifier: MIT */
#include "base/fence.h"

#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define SINGLE_THREADED __libc_single_threaded
#else
#define SINGLE_THREADED false
#endif

#define ROW_FIRST 256
/* So often in a row, even a wait of some ten milliseconds will pay. */
#define ROW_MOST (UINT32_C(1) << 16)

__thread char cvy_thread_name;

static int membarrier(int command)
{
	return (int)syscall(SYS_membarrier, command, 0, 0);
}

bool cvy_heavy_fence_prepare(bool costly)
{
	static _Atomic int prepared; /* 1: it is, -1: it cannot be */
	int saved = errno, is = atomic_load_explicit(&prepared, memory_order_relaxed);

	/* The thread sanitizer does not know such fences. */
	if (CVY_THREAD_SANITIZER || is < 0)
		return false;
	if (is > 0 || !(costly || SINGLE_THREADED))
		return is > 0;
	is = membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0 ? 1 : -1;
	atomic_store(&prepared, is);
	errno = saved;
	return is > 0;
}

void cvy_heavy_fence(void)
{
	int saved = errno;

	atomic_thread_fence(memory_order_seq_cst);
	/* Forbidden meanwhile: within a moment every core has written what it had to write. */
	if (membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) < 0)
		nanosleep(&(struct timespec){.tv_nsec = 10 * CVY_MS}, NULL);
	errno = saved;
}

void cvy_biased_init(struct cvy_biased *lock)
{
	*lock = (struct cvy_biased){.enough = ROW_FIRST};
	pthread_mutex_init(&lock->mutex, NULL);
}

void cvy_biased_destroy(struct cvy_biased *lock)
{
	pthread_mutex_destroy(&lock->mutex);
}

/* With the mutex held: waits until the favourite is outside, and will come by the mutex. */
static void end_favour(struct cvy_biased *lock)
{
	atomic_store_explicit(&lock->favourite, 0, memory_order_relaxed);
	cvy_heavy_fence();
	/* It cannot wake whom it has let in, who may end the lock: so it is looked at. */
	for (int64_t pause = 0; atomic_load_explicit(&lock->inside, memory_order_acquire);) {
		if (pause < 20 * CVY_MS / 1000)
			sched_yield();
		else
			nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
		if (pause < CVY_MS)
			pause += CVY_MS / 1000;
	}
	if (lock->enough < ROW_MOST)
		lock->enough *= 2;
}

void cvy_biased_take(struct cvy_biased *lock)
{
	uintptr_t self = (uintptr_t)&cvy_thread_name;

	pthread_mutex_lock(&lock->mutex);
	if (atomic_load_explicit(&lock->favourite, memory_order_relaxed))
		end_favour(lock);
	if (lock->last != self) {
		lock->last = self;
		lock->row = 0;
	} else if (++lock->row >= lock->enough && cvy_heavy_fence_prepare(lock->row >= ROW_MOST)) {
		lock->row = 0;
		atomic_store_explicit(&lock->favourite, self, memory_order_relaxed);
	}
}
