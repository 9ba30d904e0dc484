/* SPDX-License-Identifier: MIT */
/*
 * Barriers: a monitor (line.h), in whose line stand those who have arrived. A
 * place's `want` is its round, and bits of its word are what became of it, so a
 * waiter learns of its own round however late it looks. What concerns many
 * places is announced by one store (releasing, broken, resetting) and then
 * told to each: where the teller dies, the mender tells the rest.
 *
 * The first in line watches all processes that have taken part, the others the
 * one before them.
 */
#ifndef CVY_BARRIER_H
#define CVY_BARRIER_H

#include <covey/barrier.h>

#include "sync/shares.h"

#define CVY_ROUND_RELEASED 2u
#define CVY_ROUND_BROKEN 4u

enum cvy_cause { CVY_WHOLE, CVY_DIED, CVY_TIMED_OUT, CVY_ABORTED, CVY_ACTION_FAILED };

/*
 * parties    constant.
 * round      of those who arrive now. Under the monitor, as all below.
 * acting     the round's last party runs its action.
 * releasing  the round being released + 1, while it is.
 * resetting  while the barrier is made as new.
 * broken     a cause, CVY_WHOLE: it is not. culprit is written before.
 * members    1 for each process that has taken part.
 */
struct cvy_barrier {
	struct cvy_line line;
	uint32_t parties;
	uint32_t round;
	uint32_t acting;
	uint32_t resetting;
	uint64_t releasing;
	uint32_t broken;
	int32_t culprit; /* pid */
	struct cvy_shares members;
};

/* ---- rounds (barrier_round.c), all in the monitor */

/* How many have arrived in this round. */
uint32_t cvy_round_arrived(const struct cvy_inside *in);
/* All of this round go on, and the next begins. */
void cvy_round_release(struct cvy_inside *in);
/* Unless it is broken already. */
void cvy_barrier_break(struct cvy_inside *in, enum cvy_cause cause, pid_t culprit);
/* Makes it as new. */
void cvy_barrier_reset(struct cvy_inside *in);
/*
 * Looks for processes that have taken part and are no more. They break the
 * barrier, unless they have ended well while nobody waited.
 */
void cvy_barrier_look(struct cvy_inside *in);
/* Of a kind: what one who died inside has begun is done. */
void cvy_barrier_mend(struct cvy_inside *in);

#endif
