/* SPDX-License-Identifier: MIT */
/*
 * Barriers: a number of parties, each of which waits until all have arrived.
 *
 *     covey_barrier rounds;
 *     covey_barrier_create(&rounds, &(covey_barrier_opts){ .name = "rounds", .parties = 4 });
 *     for (...) {                                      // in each of four processes
 *         compute_my_part();
 *         if (covey_barrier_wait(rounds, COVEY_FOREVER) < 0)
 *             return 1;                                // -EPIPE: one of them has died
 *     }
 *
 * Parties are processes or threads, and the barrier serves round after round.
 *
 * Death: a process that has taken part, and dies while it waits or before it
 * arrives again, breaks the barrier: all who wait, and all who come, get
 * -EPIPE at once. So does one that ends by itself while others wait, and one
 * that ended with an exit code other than 0. Only a process that ends with 0
 * while nobody waits has just left, and another may take its place. A party
 * that dies before it was ever there is not known, and is waited for.
 *
 * A barrier is also broken by a party whose time runs out, by an action that
 * fails, and by covey_barrier_abort(). It stays so until covey_barrier_reset().
 */
#ifndef COVEY_BARRIER_H
#define COVEY_BARRIER_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_barrier {
	uint64_t id;
} covey_barrier;

typedef struct covey_barrier_opts {
	const char *name; /* for errors and tools; NULL for none */
	uint32_t parties; /* how many make a round; at least 1 */
} covey_barrier_opts;

/*
 * Makes a barrier. It lives until destroyed or until the family has ended.
 * -EINVAL: no parties. -ENAMETOOLONG, -ENOMEM, -ENOSPC as for a lock.
 * Since 0.1.
 */
COVEY_API int covey_barrier_create_v(covey_barrier *b, const covey_barrier_opts *opts, size_t size);
static inline COVEY_UNUSED int covey_barrier_create(covey_barrier *b,
                                                    const covey_barrier_opts *opts)
{
	return covey_barrier_create_v(b, opts, sizeof *opts);
}

/*
 * Ends a barrier. Later calls on it, and those now waiting, answer -EBADF.
 * -EBADF: not a live barrier. Since 0.1.
 */
COVEY_API int covey_barrier_destroy(covey_barrier b);

/*
 * Arrives, and waits up to timeout_ms until all parties have. Returns the
 * order of arrival: 0 for the first, parties - 1 for the last of the round.
 * With a timeout of 0 only the last arrives; others get -EAGAIN, and have not.
 * -ETIMEDOUT: the time ran out, which has broken the barrier. -EPIPE: it is
 * broken; the words say by what. -EBADF: not a live barrier, or destroyed
 * while waiting. -ENOMEM: no memory to wait in. Since 0.1.
 */
COVEY_API int covey_barrier_wait(covey_barrier b, int timeout_ms);

/*
 * The same, where the last to arrive first calls action(context), before
 * anyone goes on. Where it returns a negative number, that is what its caller
 * gets, and the barrier is broken. The other parties' actions are not called.
 * The action may use other objects, and should not wait here. Since 0.1.
 */
COVEY_API int covey_barrier_wait_then(covey_barrier b, int (*action)(void *context), void *context,
                                      int timeout_ms);

/* Breaks it: all who wait or come get -EPIPE. Does not block. -EBADF. Since 0.1. */
COVEY_API int covey_barrier_abort(covey_barrier b);

/*
 * Makes it as new: not broken, nobody there, nobody expected. Who waits gets
 * -EPIPE. Does not block. -EBADF. Since 0.1.
 */
COVEY_API int covey_barrier_reset(covey_barrier b);

/*
 * How many make a round; how many wait now; 1 where it is broken, else 0. The
 * last two have gone out of date as they are returned. -EBADF. Since 0.1.
 */
COVEY_API int64_t covey_barrier_parties(covey_barrier b);
COVEY_API int64_t covey_barrier_waiting(covey_barrier b);
COVEY_API int covey_barrier_broken(covey_barrier b);

#ifdef __cplusplus
}
#endif
#endif
