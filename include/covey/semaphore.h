/* SPDX-License-Identifier: MIT */
/*
 * Semaphores between processes, and threads: a number of units, of which each
 * acquire takes some and each release gives some back.
 *
 *     covey_semaphore gpus;
 *     covey_semaphore_create(&gpus, &(covey_semaphore_opts){ .name = "gpus", .value = 4 });
 *     COVEY_WITH (gpus) {
 *         ...                     // at most four processes are in here
 *     }
 *
 * Units are held by the process that acquired them, any of whose threads may
 * release them. More than was acquired cannot be released: every such semaphore
 * is bounded.
 *
 * The other use of a semaphore is as a signal: one process releases what
 * another acquires, and keeps. Say so by .tokens: then units are tokens, which
 * acquire takes away for good and release makes anew, by whichever process.
 *
 *     covey_semaphore_create(&ready, &(covey_semaphore_opts){ .tokens = 1 });   // none yet
 *     covey_semaphore_release(ready, 3);                       // here: three are ready
 *     covey_semaphore_acquire(ready, COVEY_FOREVER);           // there
 *
 * Death: units held by a process come back when it ends, killed or not, and
 * whoever waits learns of it at once. Tokens belong to nobody: none comes back.
 * A process that dies inside acquire has its units or has left them; inside
 * release likewise. A waiter that dies loses nobody's turn.
 *
 * Fork: a child holds nothing of what its parent holds. exec keeps what the
 * process holds until it ends.
 *
 * Order: waiters are served first come, first served, by any number of units:
 * who asks for many is not overtaken by those that ask for few.
 */
#ifndef COVEY_SEMAPHORE_H
#define COVEY_SEMAPHORE_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_semaphore {
	uint64_t id;
} covey_semaphore;

typedef struct covey_semaphore_opts {
	const char *name; /* for errors and tools; NULL for none */
	/* Units at the start, all free. 0: one; with .tokens: none. */
	uint32_t value;
	/* With .tokens: the most there may be; 0: no bound but 4,294,967,295.
	 * Without, what is held bounds it: 0, or the same as value. */
	uint32_t max;
	int tokens; /* not 0: acquire takes units away for good, release makes new ones */
} covey_semaphore_opts;

/*
 * Makes a semaphore; opts may be NULL: one unit. It lives until destroyed or
 * until the family has ended. -ENAMETOOLONG, -ENOMEM, -ENOSPC as for a lock;
 * -EINVAL: value over max, or max without tokens and not value. Since 0.1.
 */
COVEY_API int covey_semaphore_create_v(covey_semaphore *s, const covey_semaphore_opts *opts,
                                       size_t size);
static inline COVEY_UNUSED int covey_semaphore_create(covey_semaphore *s,
                                                      const covey_semaphore_opts *opts)
{
	return covey_semaphore_create_v(s, opts, sizeof *opts);
}

/*
 * Ends a semaphore. Later calls on it, and those now waiting, answer -EBADF.
 * -EBUSY: another process holds units; nothing happened. -EBADF. Since 0.1.
 */
COVEY_API int covey_semaphore_destroy(covey_semaphore s);

/*
 * Takes a unit, or n at once, waiting up to timeout_ms; n 0 takes nothing and
 * does not wait.
 * -ETIMEDOUT, -EAGAIN: too few are free; the words say who holds them and how
 * many wait. -EINVAL: n is more than there can ever be. -ENOMEM: no memory to
 * wait in, or to count in. -EBADF: not a live semaphore, or destroyed while
 * waiting. Since 0.1.
 */
COVEY_API int covey_semaphore_acquire(covey_semaphore s, int timeout_ms);
COVEY_API int covey_semaphore_acquire_many(covey_semaphore s, uint32_t n, int timeout_ms);

/*
 * Gives n units back (with tokens: makes n) and wakes whom they serve. Does
 * not block. -EPERM: this process holds fewer; the words say who holds what.
 * -EOVERFLOW: more tokens than max. In both cases nothing happened.
 * -EBADF. Since 0.1.
 */
COVEY_API int covey_semaphore_release(covey_semaphore s, uint32_t n);

/*
 * Units that are free now; gone out of date as it is returned. -EBADF.
 * Since 0.1.
 */
COVEY_API int64_t covey_semaphore_value(covey_semaphore s);

#ifdef __cplusplus
}
#endif

#include <covey/with.h>

#endif
