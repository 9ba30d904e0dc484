/* SPDX-License-Identifier: MIT */
/*
 * Conditions: waiting, with a lock given up meanwhile, until another has
 * changed what the lock guards.
 *
 *     covey_condition changed;
 *     covey_condition_create(&changed, lock, "changed");   // of a covey_lock
 *
 *     COVEY_WITH (lock) {                                  // here
 *         while (!shared->ready)
 *             if (covey_condition_wait(changed, COVEY_FOREVER) < 0)
 *                 return 1;
 *     }
 *     COVEY_WITH (lock) {                                  // there
 *         shared->ready = 1;
 *         covey_condition_notify_all(changed);
 *     }
 *
 * A wait may end although nobody notified: look again at what it is about, or
 * call covey_condition_wait_for(), which does.
 *
 * Death: who is notified and dies before it has the lock again passes its
 * notification on. Where a process dies inside a call, all who wait wake. So a
 * death can wake too many, never too few. A process that dies while it holds
 * the lock, before it notifies, has notified nobody: the next to take the
 * lock, in a wait too, gets COVEY_OWNER_DIED.
 */
#ifndef COVEY_CONDITION_H
#define COVEY_CONDITION_H

#include <covey/base.h>
#include <covey/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_condition {
	uint64_t id;
} covey_condition;

/*
 * Makes a condition of a lock, or of an rlock (that of a value or array, too);
 * name may be NULL. It lives until destroyed or until the family has ended; the
 * lock stays its owner's, and may have several conditions.
 * -EBADF: not a live lock. -ENAMETOOLONG, -ENOMEM, -ENOSPC as for a lock.
 * Since 0.1.
 */
COVEY_API int covey_condition_create(covey_condition *c, covey_lock lock, const char *name);
COVEY_API int covey_condition_create_rlock(covey_condition *c, covey_rlock lock, const char *name);

/*
 * Ends a condition. Later calls on it answer -EBADF; those now waiting too,
 * with the lock held again. -EBADF: not a live condition. Since 0.1.
 */
COVEY_API int covey_condition_destroy(covey_condition c);

/*
 * Gives the lock back, however often an rlock was taken, waits up to timeout_ms
 * to be notified, and takes the lock again as often, however long that takes.
 * Returns with the lock held, on failure too, unless it says otherwise.
 * 0: notified, or woken by a death. COVEY_OWNER_DIED: the lock's last holder
 * died, as of covey_lock_acquire(), whatever else happened.
 * -ETIMEDOUT: not notified in time. -EAGAIN: timeout_ms is 0; the lock was not
 * given back. -EPERM: this thread does not hold the lock. -ENOMEM: no memory to
 * wait in. -EBADF: not a live condition, or destroyed meanwhile; or its lock
 * was, which is then not held. Since 0.1.
 */
COVEY_API int covey_condition_wait(covey_condition c, int timeout_ms);

/*
 * Waits so up to timeout_ms in all until predicate(context), called with the
 * lock held, is not 0. 0: it is positive. A negative number is returned as it is.
 * COVEY_OWNER_DIED: at once, for the caller to mend what the lock guards.
 * -ETIMEDOUT, -EAGAIN: still 0. Else as covey_condition_wait(). Since 0.1.
 */
COVEY_API int covey_condition_wait_for(covey_condition c, int (*predicate)(void *context),
                                       void *context, int timeout_ms);

/*
 * Wakes up to n of those who wait, the longest waiting first; all of them. Who
 * does not wait now is not concerned. Usually called with the lock held, which
 * is not required. Returns how many it woke. Does not block. -EBADF. Since 0.1.
 */
COVEY_API int covey_condition_notify(covey_condition c, uint32_t n);
COVEY_API int covey_condition_notify_all(covey_condition c);

#ifdef __cplusplus
}
#endif
#endif
