/* SPDX-License-Identifier: MIT */
/*
 * The array of a list. It is one region:
 *
 *     struct seq | index, `slots` words | another | records, one behind the other
 *
 * One of the two indexes holds; `state` says which, and how many of its words
 * are elements. Appending, popping the last, and replacing write only what nobody
 * looks at and then make it so with one store, to `state` or an index word.
 * Inserting and deleting elsewhere copy the index to the other with the change,
 * and then turn `state` to it. Records are never changed; when there is no room,
 * the live ones are copied to a new region.
 */
#ifndef CVY_LIST_H
#define CVY_LIST_H

#include <covey/list.h>

#include "shared/store.h"

/* In the slot. */
struct list {
	struct cvy_guard guard;
	struct cvy_store store;
};
_Static_assert(sizeof(struct list) <= sizeof((struct cvy_object *)0)->space, "it fits the slot");

/*
 * reserve, slots  never changed.
 * state           in the high 24 bits a count of turns, whose lowest bit is the
 *                 index that holds; in the low 40 the length.
 * end, backed, live  as in a dict's table; made anew where a holder died while
 *                 store.changing was 1.
 * All by the holder of the lock; state is read by anyone.
 */
struct seq {
	uint64_t reserve;
	uint64_t slots;
	_Alignas(128) _Atomic uint64_t state;
	uint64_t end;
	uint64_t backed;
	uint64_t live;
};

/* The element follows, filled up with zeros to whole words. */
struct element {
	uint64_t len;
};

#define LENGTH_BITS 40

static inline uint64_t cvy_seq_length(uint64_t state)
{
	return state & ((UINT64_C(1) << LENGTH_BITS) - 1);
}

static inline struct list *cvy_list_of(struct cvy_object *object)
{
	return (struct list *)object->space;
}

/* The index that a state names. */
static inline uint64_t *cvy_seq_index(struct seq *s, uint64_t slots, uint64_t state)
{
	return (uint64_t *)(s + 1) + (state >> LENGTH_BITS & 1) * slots;
}

static inline uint64_t cvy_element_bytes(uint64_t len)
{
	return sizeof(struct element) + ((len + 7) & ~UINT64_C(7));
}

/* seq.c: with the lock held, but for the first two */

struct seq *cvy_seq_at(uint64_t word);       /* NULL where it is not in the arena */
uint64_t cvy_seq_slots(const struct seq *s); /* 0 where that is damaged */
/* The element of an index word, NULL where it lies outside the array's block; and its length. */
struct element *cvy_seq_element(struct seq *s, uint64_t word, uint64_t *len);
struct seq *cvy_seq_of(struct list *l); /* NULL: damaged */
void cvy_seq_mend(struct list *l);
int cvy_seq_reset(struct list *l);
/* Room for so many elements more, of so many bytes of records. May move the array. */
int cvy_seq_make_room(struct list *l, uint64_t elements, uint64_t bytes);
/* Writes a record; its index word to *word. Not yet an element. -EBADMSG in words. */
int cvy_seq_write(struct list *l, const void *data, size_t len, uint64_t *word);
/* Adds n words at the end, puts one in another's place, inserts one, deletes one. */
void cvy_seq_append(struct list *l, const uint64_t *words, uint64_t n);
void cvy_seq_replace(struct list *l, uint64_t at, uint64_t word);
void cvy_seq_insert(struct list *l, uint64_t at, uint64_t word);
void cvy_seq_delete(struct list *l, uint64_t at);

/* list.c */

struct cvy_object *cvy_list_lock(covey_list l); /* NULL with words */
int cvy_list_damaged(struct cvy_object *object);
int cvy_list_said(struct cvy_object *object, int rc, int64_t index, const struct cvy_into *into);

#endif
