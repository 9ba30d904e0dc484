/* SPDX-License-Identifier: MIT */
/*
 * Stores: what a dict keeps its table in, and a list its array. A table is one region. To
 * grow or compact, the live part is copied to a second region, which one store
 * to `table` makes the one that holds. A death in between leaves the second
 * region owned by its word in `half`, and the next holder of the lock frees it.
 */
#ifndef CVY_STORE_H
#define CVY_STORE_H

#include "shared/shared.h"

/*
 * half      the words that own the regions: the table's, and one in the making
 *           or not freed yet.
 * table     the region that holds, in pages, and in the high half a number that
 *           differs with each: what a reader without the lock compares after.
 * changing  1 while a change is under way that a death leaves to be mended.
 * All by the holder of the slot's mutex, or under the lock of the table of
 * objects before the object is live; table is read by anyone.
 */
struct cvy_store {
	uint64_t half[2];
	_Atomic uint64_t table;
	_Atomic uint64_t changing;
};

/* The offset of the table that a word names, 0 for none. */
static inline uint64_t cvy_store_offset(uint64_t table)
{
	return (uint64_t)(uint32_t)table << 12;
}

/* Whole pages for so many bytes. */
static inline uint64_t cvy_store_pages(uint64_t bytes)
{
	return (bytes + 4095) & ~UINT64_C(4095);
}

/* A region for a table: where it lies, how far it is backed, and may be. */
struct cvy_store_room {
	uint64_t offset, backed, reserve;
};

/* Bytes of its block from there on, where the table or anything in it lies. */
static inline uint64_t cvy_store_rest(const void *p)
{
	uint64_t offset = cvy_offset(p), bytes = UINT64_C(4096)
	                                         << ((offset >> cvy_range_shift) - 1);

	return bytes - (offset & (bytes - 1));
}

/* What becomes of a value or element that is found. */
struct cvy_into {
	void *buf; /* to there; NULL with alloc */
	size_t cap;
	bool exactly;    /* only where it has cap bytes */
	bool alloc;      /* to memory of malloc, which becomes buf */
	uint64_t len;    /* of what was found, out */
	uint64_t length; /* of the list, out */
};
/* Copies len bytes, which may change meanwhile, word by word. 0, -EMSGSIZE, -ENOMEM. */
int cvy_into_copy(struct cvy_into *into, const uint64_t *words, uint64_t len);

/* A fresh region beside the table: for a head of it, for `bytes` behind that, and for some more. */
int cvy_store_begin(struct cvy_store *store, uint64_t head, uint64_t bytes,
                    struct cvy_store_room *room);
/* Makes the fresh region the one that holds, and frees the other. */
void cvy_store_swap(struct cvy_store *store);
/* Frees what is not the table. */
void cvy_store_mend(struct cvy_store *store);
/* In a kind's clear. */
void cvy_store_clear(struct cvy_store *store);

#endif
