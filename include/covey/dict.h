/* SPDX-License-Identifier: MIT */
/*
 * Dictionaries that processes share: keys and values are bytes of any length.
 *
 *     covey_dict d;
 *     covey_dict_create(&d, "totals");
 *
 *     struct total { uint64_t bytes, files; } t = {0};
 *     covey_dict_set(d, "home", &t);            // a string and a struct
 *     covey_dict_get(d, "home", &t);            // 0, or -ENOENT
 *
 *     COVEY_WITH (covey_dict_lock(d)) {         // read, change, write as one
 *         if (covey_dict_get(d, "home", &t) == 0) {
 *             t.files++;
 *             covey_dict_set(d, "home", &t);
 *         }
 *     }
 *
 *     covey_dict_items *items;
 *     covey_dict_item item;
 *     covey_dict_snapshot(d, &items);
 *     while (covey_dict_next(items, &item))
 *         printf("%s\n", (const char *)item.key);
 *     covey_dict_items_free(items);
 *
 * The short calls take sizes from types: a char pointer is a string, and stands
 * for its characters without the zero; any other pointer stands for the one
 * object it points to (mind that padding in a key is compared too). The calls
 * beneath take bytes with their length.
 *
 * Reading takes no lock and waits for nobody: readers in all processes go at the
 * same time, beside writers, and see each value whole. Changes take the dict's
 * lock one after the other. Each is one step for everybody else.
 *
 * Death: a process killed at any instruction has made its change wholly or not
 * at all, and the dict goes on. When a holder of the lock dies, the next
 * covey_rlock_acquire of it answers COVEY_OWNER_DIED (it may tell so also after
 * a death inside one of these calls, which needs no mending).
 *
 * Memory: what is replaced or deleted is given back when it outweighs what is
 * alive, by copying that to new memory. For the time of the copy both are held.
 * Keys are hashed with a secret of the dict's own, so that nobody can choose
 * keys that make it slow.
 */
#ifndef COVEY_DICT_H
#define COVEY_DICT_H

#include <covey/bytes.h>
#include <covey/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_dict {
	uint64_t id;
} covey_dict;

/*
 * Makes an empty dict; name may be NULL. It lives until destroyed or until the
 * family has ended. -ENOMEM, -ENOSPC, -ENAMETOOLONG as for a lock. Since 0.1.
 */
COVEY_API int covey_dict_create(covey_dict *d, const char *name);

/* Ends a dict, once its lock is free. Later calls on it answer -EBADF. Since 0.1. */
COVEY_API int covey_dict_destroy(covey_dict d);

/*
 * Sets the value of a key, which may be there already. 1: the key is new, 0: its
 * value was replaced. Both are copied. -ENOMEM: no memory; nothing changed.
 * -EBADF: not a live dict. Since 0.1.
 */
COVEY_API int covey_dict_set_bytes(covey_dict d, const void *key, size_t key_len, const void *value,
                                   size_t value_len);

/*
 * Copies the value of a key to buf and returns its length. -ENOENT: no such key.
 * -EMSGSIZE: the value is longer than cap; the words say how long. -EBADF. buf
 * may be written also where the key is deleted in the midst of it. Since 0.1.
 */
COVEY_API int64_t covey_dict_get_bytes(covey_dict d, const void *key, size_t key_len, void *buf,
                                       size_t cap);

/*
 * The same into memory of its own: *value from malloc, the caller's to free,
 * with a zero byte behind it. -ENOMEM too. Since 0.1.
 */
COVEY_API int64_t covey_dict_get_alloc_bytes(covey_dict d, const void *key, size_t key_len,
                                             void **value);

/* 1: the key is there, 0: it is not. -EBADF. Since 0.1. */
COVEY_API int covey_dict_contains_bytes(covey_dict d, const void *key, size_t key_len);

/* Deletes a key. -ENOENT: no such key. -EBADF. Since 0.1. */
COVEY_API int covey_dict_delete_bytes(covey_dict d, const void *key, size_t key_len);

/*
 * Get and delete as one step: of two who pop, one gets it. Errors of get; with
 * -EMSGSIZE the key stays. Since 0.1.
 */
COVEY_API int64_t covey_dict_pop_bytes(covey_dict d, const void *key, size_t key_len, void *buf,
                                       size_t cap);

/* Get and pop of a value of exactly that size: 0, else -EMSGSIZE, and it stays. Since 0.1. */
COVEY_API int covey_dict_get_exactly(covey_dict d, const void *key, size_t key_len, void *object,
                                     size_t size);
COVEY_API int covey_dict_pop_exactly(covey_dict d, const void *key, size_t key_len, void *object,
                                     size_t size);

/*
 * Sets a key to *object unless it is there; 1: set. 0: it was there, and *object
 * becomes its value. -EMSGSIZE: it is there with a value of another size.
 * -ENOMEM, -EBADF. Since 0.1.
 */
COVEY_API int covey_dict_set_default_exactly(covey_dict d, const void *key, size_t key_len,
                                             void *object, size_t size);

/*
 * Replaces the value of a key by *desired where it equals *expected, byte by byte, as one
 * step. 1: done. 0: it does not, and *expected becomes what it is. -ENOENT: no such key.
 * -EMSGSIZE: its value has another size. -ENOMEM: nothing changed. -EBADF. Since 0.1.
 */
COVEY_API int covey_dict_compare_set_exactly(covey_dict d, const void *key, size_t key_len,
                                             void *expected, const void *desired, size_t size);

/*
 * Changes the value of a key by a function of the caller's, as one step:
 *
 *     static int add_one(void *count, void *context) { ++*(int *)count; return 0; }
 *     int count = 0;                                       // where there is no such key
 *     covey_dict_update(words, "apple", &count, add_one, NULL);
 *
 * *object becomes the key's value, and stays as it is where there is no such key; the
 * function changes it in place and returns 0; then it is set. 1: the key is new, 0: its
 * value was replaced. The function is called once, in this thread, with the dict's lock held,
 * and may call on the dict, too; what it holds up is other writers, never readers. Where it
 * returns anything else, nothing is set: -ECANCELED. Killed at any instruction, in the
 * function too, the caller leaves the old value or the new one.
 * -EMSGSIZE: the key's value has another size, and the function was not called. -ENOMEM:
 * nothing is set. -EINVAL: no function. -EBADF: also where the function destroyed the dict.
 * Since 0.1.
 */
typedef int covey_dict_change(void *object, void *context);
COVEY_API int covey_dict_update_exactly(covey_dict d, const void *key, size_t key_len, void *object,
                                        size_t size, covey_dict_change *change, void *context);

/* How many keys it has. Waits for its lock. -EBADF. Since 0.1. */
COVEY_API int64_t covey_dict_size(covey_dict d);

/* Deletes all, as one step. -ENOMEM: no memory for an empty one; nothing changed. -EBADF. Since
 * 0.1. */
COVEY_API int covey_dict_clear(covey_dict d);

/*
 * Its lock, for COVEY_WITH and covey_rlock_acquire. It is part of the dict:
 * covey_rlock_destroy refuses it. Since 0.1.
 */
static inline COVEY_UNUSED covey_rlock covey_dict_lock(covey_dict d)
{
	covey_rlock lock = {d.id};

	return lock;
}

/* What a dict held at one moment: memory of this process. */
typedef struct covey_dict_items covey_dict_items;

/* Both have a zero byte behind them and are aligned for any type; freed with their items. */
typedef struct covey_dict_item {
	const void *key;
	size_t key_len;
	const void *value;
	size_t value_len;
} covey_dict_item;

/*
 * Copies all keys and values, as they are at one moment. Free with
 * covey_dict_items_free. Waits for the lock. -ENOMEM, -EBADF. Since 0.1.
 */
COVEY_API int covey_dict_snapshot(covey_dict d, covey_dict_items **items);

/* The next of them, in no particular order: 1, or 0 when there is none left. Since 0.1. */
COVEY_API int covey_dict_next_v(covey_dict_items *items, covey_dict_item *item, size_t size);
static inline COVEY_UNUSED int covey_dict_next(covey_dict_items *items, covey_dict_item *item)
{
	return covey_dict_next_v(items, item, sizeof *item);
}

/* NULL is fine. Since 0.1. */
COVEY_API void covey_dict_items_free(covey_dict_items *items);

/* A string, or one object: what a pointer stands for in the calls below. C only. Since 0.1. */
#ifndef __cplusplus
#define covey_dict_set(d, key, value) \
	covey_dict_set_bytes((d), COVEY_BYTES_OF(key), COVEY_BYTES_OF(value))
#define covey_dict_get(d, key, object) \
	covey_dict_get_exactly((d), COVEY_BYTES_OF(key), (object), sizeof *(object))
#define covey_dict_pop(d, key, object) \
	covey_dict_pop_exactly((d), COVEY_BYTES_OF(key), (object), sizeof *(object))
#define covey_dict_set_default(d, key, object) \
	covey_dict_set_default_exactly((d), COVEY_BYTES_OF(key), (object), sizeof *(object))
#define covey_dict_compare_set(d, key, expected, desired)                    \
	covey_dict_compare_set_exactly((d), COVEY_BYTES_OF(key), (expected), \
	                               1 ? (desired) : (expected), sizeof *(expected))
#define covey_dict_update(d, key, object, change, context)                                        \
	covey_dict_update_exactly((d), COVEY_BYTES_OF(key), (object), sizeof *(object), (change), \
	                          (context))
#define covey_dict_get_alloc(d, key, value) \
	covey_dict_get_alloc_bytes((d), COVEY_BYTES_OF(key), (value))
#define covey_dict_contains(d, key) covey_dict_contains_bytes((d), COVEY_BYTES_OF(key))
#define covey_dict_delete(d, key) covey_dict_delete_bytes((d), COVEY_BYTES_OF(key))
#endif

#ifdef __cplusplus
}
#endif
#endif
