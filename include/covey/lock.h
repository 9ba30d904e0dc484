/* SPDX-License-Identifier: MIT */
/*
 * Locks between processes, and threads, that survive the death of a holder.
 *
 *     covey_lock lock;
 *     covey_lock_create(&lock, "ledger");
 *     COVEY_WITH (lock) {
 *         ...                     // released however the block is left
 *     }
 *
 * Death: when a holder dies, its process or only its thread, the next to
 * acquire gets the lock with COVEY_OWNER_DIED: it holds the lock, and should
 * mend what the lock guards before relying on it. A waiter that dies loses
 * nobody's turn. A stopped holder is alive: others wait.
 *
 * Fork: a child does not hold what its parent holds; releasing it there is
 * -EPERM. exec by the holder counts as its death.
 *
 * A lock of the C library lies inside (process-shared, robust). Waiters look
 * again at the latest every 100 ms to 1 s, which closes a hole in it through
 * which the death of a waiter just woken could leave others asleep.
 */
#ifndef COVEY_LOCK_H
#define COVEY_LOCK_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A lock held at most once. */
typedef struct covey_lock {
	uint64_t id;
} covey_lock;

/* A lock that its holder may take again, to be released as often. */
typedef struct covey_rlock {
	uint64_t id;
} covey_rlock;

/* Of acquire: held, and the last holder died while holding. */
#define COVEY_OWNER_DIED 1

/*
 * Makes a lock, free, named in errors and tools; name may be NULL. It lives
 * until destroyed or until the family has ended.
 * -ENAMETOOLONG: over COVEY_NAME_MAX bytes. -ENOMEM: the quota is used up.
 * -ENOSPC: a million objects live. Since 0.1.
 */
COVEY_API int covey_lock_create(covey_lock *lock, const char *name);
COVEY_API int covey_rlock_create(covey_rlock *lock, const char *name);

/*
 * Ends a lock. Later calls on it, and those now waiting, answer -EBADF.
 * -EBUSY: someone holds it, other than the caller; nothing happened.
 * -EBADF: not a live lock. Since 0.1.
 */
COVEY_API int covey_lock_destroy(covey_lock lock);
COVEY_API int covey_rlock_destroy(covey_rlock lock);

/*
 * Takes the lock, waiting up to timeout_ms.
 * 0 or COVEY_OWNER_DIED: the calling thread holds it.
 * -ETIMEDOUT, -EAGAIN: another holds it. -EDEADLK: this thread holds the
 * covey_lock already. -EOVERFLOW: an rlock taken four billion times.
 * -EBADF: not a live lock, or destroyed while waiting. Since 0.1.
 */
COVEY_API int covey_lock_acquire(covey_lock lock, int timeout_ms);
COVEY_API int covey_rlock_acquire(covey_rlock lock, int timeout_ms);

/*
 * Gives it back, an rlock once for each acquire. Does not block.
 * -EPERM: the calling thread does not hold it; the words say who does.
 * -EBADF: not a live lock. Since 0.1.
 */
COVEY_API int covey_lock_release(covey_lock lock);
COVEY_API int covey_rlock_release(covey_rlock lock);

/*
 * The process id of the holder, 0 when free; gone out of date as it is
 * returned. -EBADF: not a live lock. Since 0.1.
 */
COVEY_API int covey_lock_holder(covey_lock lock);
COVEY_API int covey_rlock_holder(covey_rlock lock);

#ifdef __cplusplus
}
#endif

#include <covey/with.h>

#endif
