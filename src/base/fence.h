/* SPDX-License-Identifier: MIT */
/*
 * Fences of which one side pays for both. Where one side says something all the
 * time and looks whether anyone listens, and the other says once in a long while
 * that it listens and looks whether something was said, both need a fence
 * between; membarrier(2) lets the seldom side put one on the other's core:
 *
 *     often:   store; compiler fence; load
 *     seldom:  store; cvy_heavy_fence(); load
 *
 * It takes effect in processes that have called cvy_heavy_fence_prepare() only.
 */
#ifndef CVY_FENCE_H
#define CVY_FENCE_H

#include "base/base.h"

/*
 * Has other threads' and processes' heavy fences take effect in this process; whether they do.
 * costly: even where that takes some ten milliseconds, since there are several threads.
 */
bool cvy_heavy_fence_prepare(bool costly);
/* Some microseconds where the other side is running. */
void cvy_heavy_fence(void);

/*
 * A lock of this process's threads that is mostly taken by one of them: that one,
 * the favourite, takes it without an atomic instruction. Another one that comes
 * has it lose its favour, which costs a heavy fence, and the more often that
 * happens the longer it takes to win it again.
 *
 * favourite  a thread, 0: none. Changed with the mutex held.
 * inside     1: the favourite is inside, or looks whether it still is the favourite.
 * favoured   the holder is inside without the mutex; by the holder.
 * last, row, enough: who took the mutex last, how often in a row, and how often
 *            makes a favourite; under the mutex.
 */
struct cvy_biased {
	_Atomic uintptr_t favourite;
	_Atomic uint32_t inside;
	bool favoured;
	pthread_mutex_t mutex;
	uintptr_t last;
	uint32_t row, enough;
};

void cvy_biased_init(struct cvy_biased *lock);
void cvy_biased_destroy(struct cvy_biased *lock);
void cvy_biased_take(struct cvy_biased *lock); /* by the mutex */

/* Its address names a thread. */
extern __thread char cvy_thread_name __attribute__((tls_model("initial-exec")));

static inline void cvy_biased_lock(struct cvy_biased *lock)
{
	uintptr_t self = (uintptr_t)&cvy_thread_name;

	if (atomic_load_explicit(&lock->favourite, memory_order_relaxed) == self) {
		atomic_store_explicit(&lock->inside, 1, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
		if (__builtin_expect(atomic_load_explicit(&lock->favourite, memory_order_relaxed) ==
		                             self,
		                     1)) {
			lock->favoured = true;
			return;
		}
		atomic_store_explicit(&lock->inside, 0, memory_order_release);
	}
	cvy_biased_take(lock);
}

/* The lock may be gone once it is let go: another holder may end what it is part of. */
static inline void cvy_biased_unlock(struct cvy_biased *lock)
{
	if (!lock->favoured) {
		pthread_mutex_unlock(&lock->mutex);
		return;
	}
	lock->favoured = false;
	atomic_store_explicit(&lock->inside, 0, memory_order_release);
}

#endif
