/* SPDX-License-Identifier: MIT */
/* Dicts: reading without the lock, and snapshots. */
#include "shared/dict.h"

#include <stdlib.h>

/* Tables that were replaced under a reader before it takes the lock. */
#define TRIES 8

#define AGAIN 1

/* One try: 0, -ENOENT, -EMSGSIZE, -ENOMEM; AGAIN where the table was replaced meanwhile. */
static int read_once(struct dict *d, struct key *key, struct cvy_into *into)
{
	uint64_t word = atomic_load_explicit(&d->store.table, memory_order_acquire), slots;
	struct table *t = cvy_table_at(word);
	uint64_t secret[2];
	struct place place;
	int rc = 0;

	if (!t)
		return AGAIN;
	slots = cvy_table_slots(t);
	secret[0] = __atomic_load_n(&t->secret[0], __ATOMIC_RELAXED);
	secret[1] = __atomic_load_n(&t->secret[1], __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_acquire);
	/* From here on slots is that of a table, or the arena is damaged. */
	if (atomic_load_explicit(&d->store.table, memory_order_relaxed) != word || !slots)
		return AGAIN;
	key->hash = cvy_hash(secret, key->data, key->len);
	place = cvy_table_find(t, slots, key);
	if (!place.record)
		rc = -ENOENT;
	else if (into)
		rc = cvy_dict_copy(place.record, into);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&d->store.table, memory_order_relaxed) == word)
		return rc;
	if (into && into->alloc && rc == 0)
		free(into->buf);
	return AGAIN;
}

static int read_value(covey_dict handle, const void *data, size_t len, struct cvy_into *into)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_DICT);
	struct key key = {data, len == COVEY_TEXT ? strlen(data) : len, 0};
	int rc = AGAIN;

	if (!object)
		return cvy_stale(handle.id, CVY_DICT);
	for (int i = 0; rc == AGAIN && i < TRIES; i++)
		rc = read_once(cvy_dict_of(object), &key, into);
	if (rc == AGAIN) {
		if (!cvy_dict_lock(handle))
			return covey_errcode();
		rc = read_once(cvy_dict_of(object), &key, into);
		cvy_guard_leave(object);
		if (rc == AGAIN)
			return cvy_dict_damaged(object);
	}
	if (!cvy_object_is(object, handle.id, CVY_DICT)) {
		if (into && into->alloc && rc == 0)
			free(into->buf);
		return cvy_stale(handle.id, CVY_DICT);
	}
	return rc == -ENOENT && !into ? rc : cvy_dict_said(object, rc, into);
}

int64_t covey_dict_get_bytes(covey_dict d, const void *key, size_t key_len, void *buf, size_t cap)
{
	struct cvy_into into = {.buf = buf, .cap = cap};
	int rc = read_value(d, key, key_len, &into);

	return rc < 0 ? rc : (int64_t)into.len;
}

int64_t covey_dict_get_alloc_bytes(covey_dict d, const void *key, size_t key_len, void **value)
{
	struct cvy_into into = {.alloc = true};
	int rc = read_value(d, key, key_len, &into);

	if (rc < 0)
		return rc;
	*value = into.buf;
	return (int64_t)into.len;
}

int covey_dict_get_exactly(covey_dict d, const void *key, size_t key_len, void *object, size_t size)
{
	struct cvy_into into = {.buf = object, .cap = size, .exactly = true};

	return read_value(d, key, key_len, &into);
}

int covey_dict_contains_bytes(covey_dict d, const void *key, size_t key_len)
{
	int rc = read_value(d, key, key_len, NULL);

	return rc == -ENOENT ? 0 : rc < 0 ? rc : 1;
}

/* Items follow one another in `bytes`: two lengths, key, value, each with a zero, aligned. */
struct covey_dict_items {
	uint64_t count;
	uint64_t next; /* offset of the next item in bytes */
	_Alignas(16) unsigned char bytes[];
};

static uint64_t room_for(uint64_t len)
{
	return (len + 1 + 15) & ~UINT64_C(15);
}

static uint64_t put_item(unsigned char *to, struct record *r, const uint64_t lens[2])
{
	memcpy(to, lens, 2 * sizeof *lens);
	memcpy(to + 16, cvy_record_key(r), lens[0]);
	to[16 + lens[0]] = 0;
	memcpy(to + 16 + room_for(lens[0]), cvy_record_value(r, lens[0]), lens[1]);
	to[16 + room_for(lens[0]) + lens[1]] = 0;
	return 16 + room_for(lens[0]) + room_for(lens[1]);
}

static covey_dict_items *copy_all(struct table *t)
{
	/* An item has at most 48 bytes more than key and value, a record 24 or more. */
	uint64_t slots = cvy_table_slots(t), count = t->count;
	uint64_t end = 0, most = t->live + 48 * count, lens[2];
	covey_dict_items *items =
		count > slots || most > cvy_size ? NULL : malloc(sizeof *items + most);

	if (!items)
		return NULL;
	items->count = items->next = 0;
	for (uint64_t i = 0; i < slots && items->count < count; i++) {
		struct record *r = cvy_table_record(t, cvy_index(t)[i], lens);

		if (!r || end + cvy_record_bytes(lens[0], lens[1]) + 48 > most + 24)
			continue;
		end += put_item(items->bytes + end, r, lens);
		items->count++;
	}
	return items;
}

int covey_dict_snapshot(covey_dict handle, covey_dict_items **items)
{
	struct cvy_object *object = cvy_dict_lock(handle);
	covey_dict_items *copy;
	struct table *t;
	char title[CVY_TITLE];

	if (!object)
		return covey_errcode();
	t = cvy_table_of(cvy_dict_of(object));
	copy = t ? copy_all(t) : NULL;
	cvy_title(title, object, CVY_DICT);
	cvy_guard_leave(object);
	if (!copy)
		return cvy_fail(ENOMEM, "%s: no memory for a copy of its items", title);
	*items = copy;
	return 0;
}

int covey_dict_next_v(covey_dict_items *items, covey_dict_item *item, size_t size)
{
	unsigned char *from = items->bytes + items->next;
	covey_dict_item found;
	uint64_t lens[2];

	if (!items->count)
		return 0;
	memcpy(lens, from, sizeof lens);
	found = (covey_dict_item){from + 16, lens[0], from + 16 + room_for(lens[0]), lens[1]};
	cvy_answer(item, size, &found, sizeof found);
	items->next += 16 + room_for(lens[0]) + room_for(lens[1]);
	items->count--;
	return 1;
}

void covey_dict_items_free(covey_dict_items *items)
{
	free(items);
}
