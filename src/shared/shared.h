/* SPDX-License-Identifier: MIT */
/*
 * Shared data: blocks, values, arrays, dicts, lists. Uses arena and sync.
 */
#ifndef CVY_SHARED_H
#define CVY_SHARED_H

#include <string.h>

#include "sync/guard.h"

/* ---- areas (area.c): memory that stays where it is while it grows and shrinks */

/*
 * region  the word that owns it; address space for max bytes.
 * size    bytes in use; the rest of what is backed may hold anything.
 * max     never changed once the object is live.
 * All by the holder of the object's mutex; size is read by anyone.
 */
struct cvy_area {
	uint64_t region;
	_Atomic uint64_t size;
	uint64_t max;
};

/*
 * In a kind's init: an area of `size` zero bytes, or of none where these are
 * over CVY_WARM_BLOCK: to be had by resize, since backing so much takes long and
 * the table of objects is locked in init. -ENOMEM in words.
 */
int cvy_area_init(struct cvy_area *area, uint64_t size, uint64_t max);
/* In a kind's clear. */
void cvy_area_clear(struct cvy_area *area);
/* Zeroes what it gains, gives back what it loses. -ENOMEM, with nothing changed. */
int cvy_area_resize(struct cvy_area *area, uint64_t size);
/* Its bytes here, NULL where the object was destroyed meanwhile. */
void *cvy_area_data(const struct cvy_area *area);

/* ---- words: bytes that are read while another may be writing them */

static inline void cvy_words_store(uint64_t *to, const void *from, size_t len)
{
	const unsigned char *bytes = from;
	uint64_t word;

	for (; len >= sizeof word; to++, bytes += sizeof word, len -= sizeof word) {
		memcpy(&word, bytes, sizeof word);
		__atomic_store_n(to, word, __ATOMIC_RELAXED);
	}
	if (len) {
		word = 0;
		memcpy(&word, bytes, len);
		__atomic_store_n(to, word, __ATOMIC_RELAXED);
	}
}

static inline void cvy_words_load(void *to, const uint64_t *from, size_t len)
{
	unsigned char *bytes = to;
	uint64_t word;

	for (; len >= sizeof word; from++, bytes += sizeof word, len -= sizeof word) {
		word = __atomic_load_n(from, __ATOMIC_RELAXED);
		memcpy(bytes, &word, sizeof word);
	}
	if (len) {
		word = __atomic_load_n(from, __ATOMIC_RELAXED);
		memcpy(bytes, &word, len);
	}
}

#endif
