/* SPDX-License-Identifier: MIT */
/*
 * The lock inside an object of shared data: the slot's own mutex, used as an
 * rlock. Its handle as a covey_rlock is the object's own id, so that a user can
 * hold it across several calls, and the calls themselves take it again.
 */
#ifndef CVY_GUARD_H
#define CVY_GUARD_H

#include "arena/arena.h"

/*
 * What the space of a guarded kind begins with. died: 1 from when a call met
 * the death of a holder until the next covey_rlock_acquire, which tells of it;
 * by the holder of the mutex.
 */
struct cvy_guard {
	_Atomic uint32_t died;
	uint32_t pad;
};

/* In a kind's init. */
void cvy_guard_init(struct cvy_object *object);
/* Takes it, waiting as long as it takes. 0; -EBADF, -EOVERFLOW in words. */
int cvy_guard_enter(struct cvy_object *object, uint64_t id, enum cvy_kind kind);
void cvy_guard_leave(struct cvy_object *object);
/* Takes it and ends the object. 0, -EBADF. */
int cvy_guard_destroy(uint64_t id, const struct cvy_kind_ops *ops);

/* ---- for conditions: a lock, or an rlock, which may be such a guard */

/* NULL where it is not a live one; no words. */
struct cvy_object *cvy_lock_object(uint64_t id, bool rlock);
/* Whether the calling thread holds it. */
bool cvy_lock_mine(struct cvy_object *object);
/* By its holder: gives it back entirely, however often an rlock was taken. How often. */
uint64_t cvy_lock_let_go(uint64_t id, bool rlock);
/* Takes it so often. As acquire without a limit. */
int cvy_lock_take_again(uint64_t id, bool rlock, uint64_t depth);

#endif
