/* SPDX-License-Identifier: MIT */
/* Stores: the two regions of a dict or list, one of which holds. */
#include "shared/store.h"

#include <stdlib.h>

#define RESERVE_LEAST (UINT64_C(64) << 10)

static unsigned spare(const struct cvy_store *store)
{
	uint64_t offset = cvy_store_offset(atomic_load(&store->table));

	return store->half[0] && store->half[0] == offset ? 1 : 0;
}

static void publish(struct cvy_store *store, uint64_t offset)
{
	uint64_t number = (atomic_load(&store->table) >> 32) + 1;

	atomic_store_explicit(&store->table, number << 32 | offset >> 12, memory_order_release);
}

int cvy_into_copy(struct cvy_into *into, const uint64_t *words, uint64_t len)
{
	into->len = len;
	if (into->alloc) {
		into->buf = malloc(len + 1);
		if (!into->buf)
			return -ENOMEM;
		((char *)into->buf)[len] = 0;
	} else if (into->exactly ? len != into->cap : len > into->cap) {
		return -EMSGSIZE;
	}
	cvy_words_load(into->buf, words, len);
	return 0;
}

int cvy_store_begin(struct cvy_store *store, uint64_t head, uint64_t bytes,
                    struct cvy_store_room *room)
{
	uint64_t *half = &store->half[spare(store)];
	int rc;

	room->backed = cvy_store_pages(head + bytes + bytes / 4);
	room->reserve = head + 4 * bytes;
	if (room->reserve < RESERVE_LEAST)
		room->reserve = RESERVE_LEAST;
	if (room->reserve < room->backed)
		room->reserve = room->backed;
	cvy_region_free(half);
	rc = cvy_region_reserve(half, room->reserve, room->backed);
	if (rc < 0 && room->backed < room->reserve) { /* address space may be short too */
		room->reserve = room->backed;
		rc = cvy_region_reserve(half, room->backed, room->backed);
	}
	room->offset = *half;
	return rc;
}

void cvy_store_swap(struct cvy_store *store)
{
	publish(store, store->half[spare(store)]);
	cvy_region_free(&store->half[spare(store)]);
}

void cvy_store_mend(struct cvy_store *store)
{
	cvy_region_free(&store->half[spare(store)]);
}

void cvy_store_clear(struct cvy_store *store)
{
	publish(store, 0);
	cvy_region_free(&store->half[0]);
	cvy_region_free(&store->half[1]);
	atomic_store(&store->changing, 0);
}
