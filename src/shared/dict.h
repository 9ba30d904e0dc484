/* SPDX-License-Identifier: MIT */
/*
 * The table of a dict. It is one region:
 *
 *     struct table | index, `slots` words | records, one behind the other
 *
 * An index word is 0 (never used), DELETED, or a record's offset and some bits
 * of its hash. Setting, replacing and deleting a key each end in one store to
 * one index word: that is what makes it so. Records are written before, beyond
 * `end`, where nobody looks, and are never changed afterwards; when a table is
 * full, or mostly dead, the live records are copied to a new one.
 *
 * A reader without the lock is right if the store's table is still the one it
 * began with: memory of a table is used again only after another has become it.
 */
#ifndef CVY_DICT_H
#define CVY_DICT_H

#include <covey/dict.h>

#include "shared/store.h"

/* In the slot. */
struct dict {
	struct cvy_guard guard;
	struct cvy_store store;
};
_Static_assert(sizeof(struct dict) <= sizeof((struct cvy_object *)0)->space, "it fits the slot");

/*
 * reserve, slots, secret  never changed.
 * The others by the holder of the lock, and made anew from the index by the next
 * where it died while store.changing was 1.
 * end     offset behind the last record.
 * backed  bytes of the region that are backed.
 * count   keys; filled: index words that are not 0; live: bytes of their records.
 */
struct table {
	uint64_t reserve;
	uint64_t slots;
	uint64_t secret[2];
	_Alignas(128) uint64_t end;
	uint64_t backed;
	uint64_t count;
	uint64_t filled;
	uint64_t live;
};

/* Key and value follow, each filled up with zeros to whole words. */
struct record {
	uint64_t hash;
	uint64_t key_len;
	uint64_t value_len;
};

#define DELETED UINT64_C(1)
#define OFFSET_BITS 40 /* of an index word: the record's offset in words */

struct key {
	const void *data;
	size_t len;
	uint64_t hash;
};

/* Where a key is in the index, or belongs. */
struct place {
	uint64_t slot;
	struct record *record; /* NULL: the key is not there */
};

static inline struct dict *cvy_dict_of(struct cvy_object *object)
{
	return (struct dict *)object->space;
}

static inline uint64_t cvy_padded(uint64_t len)
{
	return (len + 7) & ~UINT64_C(7);
}

static inline uint64_t *cvy_index(struct table *t)
{
	return (uint64_t *)(t + 1);
}

static inline uint64_t *cvy_record_key(struct record *r)
{
	return (uint64_t *)(r + 1);
}

static inline uint64_t *cvy_record_value(struct record *r, uint64_t key_len)
{
	return cvy_record_key(r) + cvy_padded(key_len) / 8;
}

static inline uint64_t cvy_record_bytes(uint64_t key_len, uint64_t value_len)
{
	return sizeof(struct record) + cvy_padded(key_len) + cvy_padded(value_len);
}

/* hash.c */
uint64_t cvy_hash(const uint64_t secret[2], const void *data, size_t len);

/* table.c */

/* The table that a store's word names, NULL for none. Checks no more than that one can be there. */
struct table *cvy_table_at(uint64_t word);
/* How many slots its index has, 0 where it is damaged. */
uint64_t cvy_table_slots(const struct table *t);
/*
 * The record of an index word, NULL where it has none, or lies outside the table's block; and
 * its lengths, read once: they may change meanwhile.
 */
struct record *cvy_table_record(struct table *t, uint64_t word, uint64_t lens[2]);
/* Finds a key; `slots` are the table's, as checked. */
struct place cvy_table_find(struct table *t, uint64_t slots, const struct key *key);
/* With the lock held: */
struct table *cvy_table_of(struct dict *d);
void cvy_table_mend(struct dict *d);
/* Makes an empty table the dict's. */
int cvy_table_reset(struct dict *d);
/* Sees to it that a record of `bytes` can be added. May move the table. */
int cvy_table_make_room(struct dict *d, uint64_t bytes);
/* Adds a record in the place, which is of the table as it is now. -EBADMSG. */
int cvy_table_put(struct dict *d, const struct place *place, const struct key *key,
                  const void *value, size_t value_len);
void cvy_table_delete(struct dict *d, const struct place *place);

/* dict.c */

/* Locks the dict of a handle and mends it; its slot, or NULL with words. */
struct cvy_object *cvy_dict_lock(covey_dict d);
int cvy_dict_damaged(struct cvy_object *object);

/* Checks and copies a record's value. 0, -EMSGSIZE, -ENOMEM, -EBADMSG, without words. */
int cvy_dict_copy(struct record *r, struct cvy_into *into);
/* 0, or the words for -ENOENT, -EMSGSIZE, -ENOMEM. */
int cvy_dict_said(struct cvy_object *object, int rc, const struct cvy_into *into);

#endif
