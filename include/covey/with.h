/* SPDX-License-Identifier: MIT */
/*
 * Blocks that hold something while they run.
 *
 *     COVEY_WITH (lock) { ... }           // a lock, an rlock, a unit of a semaphore
 *     COVEY_WITH_READ (rw) { ... }        // an rwlock
 *     COVEY_WITH_WRITE (rw) { ... }
 *
 * It is given back however the block is left: at its end, by break, continue,
 * return or goto; not by longjmp or exit. Where it cannot be had (-EBADF,
 * -EDEADLK) the block is skipped, and covey_errmsg() says why. To learn of
 * COVEY_OWNER_DIED, or to wait for a limited time, call acquire. C only.
 */
#ifndef COVEY_WITH_H
#define COVEY_WITH_H

#include <covey/lock.h>
#include <covey/rwlock.h>
#include <covey/semaphore.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the blocks expand to uses these; call acquire and release. */
enum covey_with_what { COVEY_WITH_LOCK, COVEY_WITH_RLOCK, COVEY_WITH_SEMAPHORE, COVEY_WITH_RWLOCK };
struct covey_with {
	uint64_t id;
	enum covey_with_what what;
	int held;
};
COVEY_API void covey_with_end(struct covey_with *with);

static inline COVEY_UNUSED struct covey_with covey_with_lock(covey_lock lock)
{
	struct covey_with with = {lock.id, COVEY_WITH_LOCK,
	                          covey_lock_acquire(lock, COVEY_FOREVER) >= 0};

	return with;
}

static inline COVEY_UNUSED struct covey_with covey_with_rlock(covey_rlock lock)
{
	struct covey_with with = {lock.id, COVEY_WITH_RLOCK,
	                          covey_rlock_acquire(lock, COVEY_FOREVER) >= 0};

	return with;
}

static inline COVEY_UNUSED struct covey_with covey_with_semaphore(covey_semaphore s)
{
	struct covey_with with = {s.id, COVEY_WITH_SEMAPHORE,
	                          covey_semaphore_acquire(s, COVEY_FOREVER) >= 0};

	return with;
}

static inline COVEY_UNUSED struct covey_with covey_with_read(covey_rwlock rw)
{
	struct covey_with with = {rw.id, COVEY_WITH_RWLOCK,
	                          covey_rwlock_acquire_read(rw, COVEY_FOREVER) >= 0};

	return with;
}

static inline COVEY_UNUSED struct covey_with covey_with_write(covey_rwlock rw)
{
	struct covey_with with = {rw.id, COVEY_WITH_RWLOCK,
	                          covey_rwlock_acquire_write(rw, COVEY_FOREVER) >= 0};

	return with;
}

/* Runs the following block holding a lock, an rlock or a unit of a semaphore. Since 0.1. */
#define COVEY_WITH(what) COVEY_WITH_(what, __COUNTER__)
#define COVEY_WITH_(what, n) COVEY_WITH__(what, n)
/* clang-format off: it does not know _Generic */
#define COVEY_WITH__(what, n)                                         \
	COVEY_WITH_BLOCK(_Generic((what), covey_lock                  \
	                          : covey_with_lock, covey_rlock      \
	                          : covey_with_rlock, covey_semaphore \
	                          : covey_with_semaphore)(what),      \
	                 n)
/* clang-format on */
/* Runs the following block reading, or writing, what an rwlock guards. Since 0.1. */
#define COVEY_WITH_READ(rw) COVEY_WITH_BLOCK_(covey_with_read(rw), __COUNTER__)
#define COVEY_WITH_WRITE(rw) COVEY_WITH_BLOCK_(covey_with_write(rw), __COUNTER__)
#define COVEY_WITH_BLOCK_(begin, n) COVEY_WITH_BLOCK(begin, n)
#define COVEY_WITH_BLOCK(begin, n)                                                                \
	for (struct covey_with covey_with_##n __attribute__((cleanup(covey_with_end))) = (begin), \
	                                      *covey_once_##n = &covey_with_##n;                  \
	     covey_once_##n && covey_with_##n.held; covey_once_##n = NULL)

#ifdef __cplusplus
}
#endif
#endif
