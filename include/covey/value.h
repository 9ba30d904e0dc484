/* SPDX-License-Identifier: MIT */
/*
 * Values: one object of any type that processes share, never seen half written.
 *
 *     struct status { double progress; char phase[16]; } s = {0, "start"};
 *
 *     covey_value v;
 *     covey_value_create(&v, &s, "status");      // holds a copy of s
 *     covey_value_set(v, &s);                    // here
 *     covey_value_get(v, &s);                    // there
 *
 *     COVEY_WITH (covey_value_lock(v)) {         // read, change, write as one
 *         covey_value_get(v, &s);
 *         s.progress += 0.1;
 *         covey_value_set(v, &s);
 *     }
 *
 *     int64_t n = 0;
 *     covey_value_create(&hits, &n, "hits");
 *     covey_value_add(hits, 1, NULL);
 *
 * The sizes come from the types of the objects pointed to: a get or set with an
 * object of another size is -EMSGSIZE and does nothing.
 *
 * get gives what was last set, without the lock, so it does not wait for who
 * holds it (only where setters overtake it 64 times does it take its turn among
 * them). set, add and compare_set take the value's lock, so whoever holds it
 * for several calls is not disturbed.
 *
 * Death: a setter killed at any instruction has set the whole object or nothing.
 * When a holder of the lock dies, the next covey_rlock_acquire of it answers
 * COVEY_OWNER_DIED; set and the others go on (it may tell so also after a death
 * inside one of these calls, which needs no mending).
 *
 * A counter that many processes raise a million times a second is better an
 * _Atomic in a covey_block.
 */
#ifndef COVEY_VALUE_H
#define COVEY_VALUE_H

#include <covey/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_value {
	uint64_t id;
} covey_value;

/*
 * Makes a value of the type of *initial, which is copied; name may be NULL. It
 * lives until destroyed or until the family has ended. -EINVAL: an object of
 * no bytes. -ENOMEM, -ENOSPC, -ENAMETOOLONG as for a lock. Since 0.1.
 */
#define covey_value_create(v, initial, name) \
	covey_value_create_bytes((v), (initial), sizeof *(initial), (name))
COVEY_API int covey_value_create_bytes(covey_value *v, const void *initial, size_t size,
                                       const char *name);

/* Ends a value, once its lock is free. Later calls on it answer -EBADF. Since 0.1. */
COVEY_API int covey_value_destroy(covey_value v);

/*
 * Copies the value to *object. -EMSGSIZE; -EBADF, where a destroy in the midst
 * of it may have left anything in *object. Since 0.1.
 */
#define covey_value_get(v, object) covey_value_get_bytes((v), (object), sizeof *(object))
COVEY_API int covey_value_get_bytes(covey_value v, void *object, size_t size);

/* Replaces the value by *object. Waits for its lock. -EMSGSIZE, -EBADF. Since 0.1. */
#define covey_value_set(v, object) covey_value_set_bytes((v), (object), sizeof *(object))
COVEY_API int covey_value_set_bytes(covey_value v, const void *object, size_t size);

/*
 * Adds to an int64_t or uint64_t, which wraps round, as one step. The sum goes
 * to *now, unless now is NULL. Waits for its lock. -EMSGSIZE: the value has not
 * 8 bytes. -EBADF. Since 0.1.
 */
COVEY_API int covey_value_add(covey_value v, int64_t by, int64_t *now);

/*
 * Replaces the value by *desired where it equals *expected, byte by byte (mind
 * the padding of structs), as one step. 1: done. 0: it does not, and *expected
 * becomes what it is. Waits for its lock. -EMSGSIZE, -EBADF. Since 0.1.
 */
#define covey_value_compare_set(v, expected, desired)                              \
	covey_value_compare_set_bytes((v), (expected), 1 ? (desired) : (expected), \
	                              sizeof *(expected))
COVEY_API int covey_value_compare_set_bytes(covey_value v, void *expected, const void *desired,
                                            size_t size);

/*
 * Its lock, for COVEY_WITH and covey_rlock_acquire. It is part of the value:
 * covey_rlock_destroy refuses it. Does not block, and does not fail: using the
 * lock of a value that is none is -EBADF. Since 0.1.
 */
static inline COVEY_UNUSED covey_rlock covey_value_lock(covey_value v)
{
	covey_rlock lock = {v.id};

	return lock;
}

#ifdef __cplusplus
}
#endif
#endif
