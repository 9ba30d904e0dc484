/* SPDX-License-Identifier: MIT */
/*
 * Events: a flag that processes and threads wait for.
 *
 *     covey_event ready;
 *     covey_event_create(&ready, "ready");
 *     covey_event_set(ready);                          // here: all who wait go on
 *     covey_event_wait(ready, COVEY_FOREVER);          // there
 *
 * Who waits when the event is set goes on, even if it is cleared right after.
 *
 * Death: a process that dies inside set has set it, and then all go on, or has
 * not. A waiter that dies is missed by nobody.
 *
 * Threads, signals: covey_event_set may be called in a signal handler.
 */
#ifndef COVEY_EVENT_H
#define COVEY_EVENT_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_event {
	uint64_t id;
} covey_event;

/*
 * Makes an event, not set; name may be NULL. It lives until destroyed or until
 * the family has ended. -ENAMETOOLONG, -ENOMEM, -ENOSPC as for a lock.
 * Since 0.1.
 */
COVEY_API int covey_event_create(covey_event *event, const char *name);

/*
 * Ends an event. Later calls on it, and those now waiting, answer -EBADF.
 * -EBADF: not a live event. Since 0.1.
 */
COVEY_API int covey_event_destroy(covey_event event);

/*
 * Sets it and wakes all who wait; again is harmless. Does not block, and is
 * safe in a signal handler, where only its result tells of an error: the words
 * stay those of the code that was interrupted, unless the handle is stale.
 * -EBADF. Since 0.1.
 */
COVEY_API int covey_event_set(covey_event event);

/* Makes it not set. Does not block. -EBADF. Since 0.1. */
COVEY_API int covey_event_clear(covey_event event);

/* 1 when it is set, 0 when not. -EBADF. Since 0.1. */
COVEY_API int covey_event_is_set(covey_event event);

/*
 * Waits up to timeout_ms until it is set. 0: it is, or was meanwhile.
 * -ETIMEDOUT, -EAGAIN: not set. -EBADF: not a live event, or destroyed while
 * waiting. Since 0.1.
 */
COVEY_API int covey_event_wait(covey_event event, int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
