/* SPDX-License-Identifier: MIT */
/*
 * Lists that processes share: elements are bytes, each of any length.
 *
 *     covey_list l;
 *     covey_list_create(&l, "steps");
 *
 *     struct step s = {...};
 *     covey_list_append(l, &s);                 // a struct
 *     covey_list_append(l, "done");             // or a string
 *     covey_list_get(l, -2, &s);                // from the end
 *
 *     COVEY_WITH (covey_list_lock(l)) {         // read, change, write as one
 *         if (covey_list_get(l, 0, &s) == 0) {
 *             s.n++;
 *             covey_list_set(l, 0, &s);
 *         }
 *     }
 *
 * The short calls take sizes from types, as those of a dict: a char pointer is a
 * string, any other stands for the one object it points to. An index below 0
 * counts from the end; -ERANGE: there is no such element.
 *
 * Reading takes no lock and waits for nobody, and sees each element whole.
 * Changes take the list's lock one after the other. Each is one step for
 * everybody else. Appending, popping the last and replacing cost the same
 * however long the list is; inserting and deleting elsewhere copy 8 bytes an
 * element. For work to hand out use a covey_queue, in which getters can wait.
 *
 * Death: a process killed at any instruction has made its change wholly or not
 * at all, and the list goes on. When a holder of the lock dies, the next
 * covey_rlock_acquire of it answers COVEY_OWNER_DIED (it may tell so also after
 * a death inside one of these calls, which needs no mending).
 *
 * Memory: what is replaced or deleted is given back when it outweighs what is
 * alive, by copying that to new memory. For the time of the copy both are held.
 */
#ifndef COVEY_LIST_H
#define COVEY_LIST_H

#include <sys/uio.h>

#include <covey/bytes.h>
#include <covey/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_list {
	uint64_t id;
} covey_list;

/*
 * Makes an empty list; name may be NULL. It lives until destroyed or until the
 * family has ended. -ENOMEM, -ENOSPC, -ENAMETOOLONG as for a lock. Since 0.1.
 */
COVEY_API int covey_list_create(covey_list *l, const char *name);

/* Ends a list, once its lock is free. Later calls on it answer -EBADF. Since 0.1. */
COVEY_API int covey_list_destroy(covey_list l);

/* Adds a copy of len bytes at the end. -ENOMEM: nothing changed. -EBADF. Since 0.1. */
COVEY_API int covey_list_append_bytes(covey_list l, const void *data, size_t len);

/* Adds n elements at the end as one step. -ENOMEM: nothing changed. -EBADF. Since 0.1. */
COVEY_API int covey_list_extend(covey_list l, const struct iovec *elements, int n);

/*
 * Puts an element before the one at index, which may also be the length: then at
 * the end. -ERANGE; -ENOMEM: nothing changed. -EBADF. Since 0.1.
 */
COVEY_API int covey_list_insert_bytes(covey_list l, int64_t index, const void *data, size_t len);

/* Replaces an element. -ERANGE; -ENOMEM: nothing changed. -EBADF. Since 0.1. */
COVEY_API int covey_list_set_bytes(covey_list l, int64_t index, const void *data, size_t len);

/*
 * Copies an element to buf and returns its length. -ERANGE. -EMSGSIZE: it is
 * longer than cap; the words say how long. -EBADF. buf may be written also
 * where the element is deleted in the midst of it. Since 0.1.
 */
COVEY_API int64_t covey_list_get_bytes(covey_list l, int64_t index, void *buf, size_t cap);

/*
 * The same into memory of its own: *data from malloc, the caller's to free,
 * with a zero byte behind it. -ENOMEM too. Since 0.1.
 */
COVEY_API int64_t covey_list_get_alloc(covey_list l, int64_t index, void **data);

/*
 * Get and delete as one step; -1 pops the last. Errors of get; with -EMSGSIZE
 * the element stays. Since 0.1.
 */
COVEY_API int64_t covey_list_pop_bytes(covey_list l, int64_t index, void *buf, size_t cap);

/* Get and pop of an element of exactly that size: 0, else -EMSGSIZE, and it stays. Since 0.1. */
COVEY_API int covey_list_get_exactly(covey_list l, int64_t index, void *object, size_t size);
COVEY_API int covey_list_pop_exactly(covey_list l, int64_t index, void *object, size_t size);

/* Deletes an element. -ERANGE, -EBADF. Since 0.1. */
COVEY_API int covey_list_delete(covey_list l, int64_t index);

/* How many elements it has. Waits for its lock. -EBADF. Since 0.1. */
COVEY_API int64_t covey_list_size(covey_list l);

/* Deletes all, as one step. -ENOMEM: nothing changed. -EBADF. Since 0.1. */
COVEY_API int covey_list_clear(covey_list l);

/*
 * Its lock, for COVEY_WITH and covey_rlock_acquire. It is part of the list:
 * covey_rlock_destroy refuses it. Since 0.1.
 */
static inline COVEY_UNUSED covey_rlock covey_list_lock(covey_list l)
{
	covey_rlock lock = {l.id};

	return lock;
}

/* What a list held at one moment: memory of this process. */
typedef struct covey_list_items covey_list_items;

/*
 * Copies all elements, as they are at one moment. Free with
 * covey_list_items_free. Waits for the lock. -ENOMEM, -EBADF. Since 0.1.
 */
COVEY_API int covey_list_snapshot(covey_list l, covey_list_items **items);

/*
 * The next of them, in order: 1, or 0 when there is none left. *data is aligned
 * for any type, has a zero byte behind it, and is freed with the items. Since 0.1.
 */
COVEY_API int covey_list_next(covey_list_items *items, const void **data, size_t *len);

/* NULL is fine. Since 0.1. */
COVEY_API void covey_list_items_free(covey_list_items *items);

/* A string, or one object. C only. Since 0.1. */
#ifndef __cplusplus
#define covey_list_append(l, element) covey_list_append_bytes((l), COVEY_BYTES_OF(element))
#define covey_list_insert(l, index, element) \
	covey_list_insert_bytes((l), (index), COVEY_BYTES_OF(element))
#define covey_list_set(l, index, element) \
	covey_list_set_bytes((l), (index), COVEY_BYTES_OF(element))
#endif
#define covey_list_get(l, index, object) \
	covey_list_get_exactly((l), (index), (object), sizeof *(object))
#define covey_list_pop(l, index, object) \
	covey_list_pop_exactly((l), (index), (object), sizeof *(object))

#ifdef __cplusplus
}
#endif
#endif
