/* SPDX-License-Identifier: MIT */
/*
 * Arrays: a fixed number of elements of one type that processes share.
 *
 *     covey_array a;
 *     covey_array_create(&a, double, 1000, "samples");   // all zero
 *
 *     double x = 2.5;
 *     covey_array_set(a, 7, &x);                         // bounds are checked
 *     covey_array_get(a, -1, &x);                        // the last one
 *
 *     double *all = covey_array_data(a, double);         // in place
 *     COVEY_WITH (covey_array_lock(a)) {
 *         for (int i = 0; i < 1000; i++)
 *             all[i] *= 2;
 *     }
 *
 * The types are the compiler's: a call with elements of another size is
 * -EMSGSIZE and does nothing. get and set take the array's lock, and whoever
 * works in place should hold it too. What covey/block.h says of pointers holds
 * for covey_array_data.
 *
 * Death: elements that were being changed in place by a process that dies are as
 * it left them, and so is an element of over 8 bytes inside set (of 1, 2, 4 and
 * 8 bytes it is the old or the new one). The next covey_rlock_acquire of the
 * lock answers COVEY_OWNER_DIED; get and set go on.
 */
#ifndef COVEY_ARRAY_H
#define COVEY_ARRAY_H

#include <covey/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_array {
	uint64_t id;
} covey_array;

/*
 * Makes an array of length elements of a type, all zero; name may be NULL. It
 * lives until destroyed or until the family has ended. -EOVERFLOW: more bytes
 * than a number holds. -EINVAL: a type of no bytes. -ENOMEM, -ENOSPC,
 * -ENAMETOOLONG as for a lock. Since 0.1.
 */
#define covey_array_create(a, type, length, name) \
	covey_array_create_bytes((a), sizeof(type), (length), (name))
COVEY_API int covey_array_create_bytes(covey_array *a, size_t element, uint64_t length,
                                       const char *name);

/* Ends an array, once its lock is free. Later calls on it answer -EBADF. Since 0.1. */
COVEY_API int covey_array_destroy(covey_array a);

/* How many elements it has. -EBADF. Since 0.1. */
COVEY_API int64_t covey_array_length(covey_array a);

/*
 * A pointer to its first element, of the given type. Does not block. NULL: not
 * a live array, or its elements have another size. Since 0.1.
 */
#define covey_array_data(a, type) ((type *)covey_array_data_bytes((a), sizeof(type)))
COVEY_API void *covey_array_data_bytes(covey_array a, size_t element);

/*
 * Copies an element out or in; a negative index counts from the end. Waits for
 * the lock. -ERANGE: there is no such element. -EMSGSIZE: *object has another
 * size. -EBADF. Since 0.1.
 */
#define covey_array_get(a, index, object) \
	covey_array_get_bytes((a), (index), (object), sizeof *(object))
#define covey_array_set(a, index, object) \
	covey_array_set_bytes((a), (index), (object), sizeof *(object))
COVEY_API int covey_array_get_bytes(covey_array a, int64_t index, void *object, size_t size);
COVEY_API int covey_array_set_bytes(covey_array a, int64_t index, const void *object, size_t size);

/*
 * Its lock, for COVEY_WITH and covey_rlock_acquire. It is part of the array:
 * covey_rlock_destroy refuses it. Since 0.1.
 */
static inline COVEY_UNUSED covey_rlock covey_array_lock(covey_array a)
{
	covey_rlock lock = {a.id};

	return lock;
}

#ifdef __cplusplus
}
#endif
#endif
