/* SPDX-License-Identifier: MIT */
/* Lists: reading without the lock, and snapshots. */
#include "shared/list.h"

#include <stdlib.h>

/* Reads that a change disturbed before a reader takes the lock. */
#define TRIES 16

#define AGAIN 1

/* Whether nothing that was read since has been used for anything else. */
static bool still(struct list *l, uint64_t word, struct seq *s, uint64_t state)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&s->state, memory_order_relaxed) >> LENGTH_BITS ==
	               state >> LENGTH_BITS &&
	       atomic_load_explicit(&l->store.table, memory_order_relaxed) == word;
}

/* One try: 0, -ERANGE, -EMSGSIZE, -ENOMEM; AGAIN where a change disturbed it. */
static int read_once(struct list *l, int64_t index, struct cvy_into *into)
{
	uint64_t word = atomic_load_explicit(&l->store.table, memory_order_acquire);
	uint64_t slots, state, at, from, len;
	struct seq *s = cvy_seq_at(word);
	struct element *e;
	int rc;

	if (!s)
		return AGAIN;
	slots = cvy_seq_slots(s);
	state = atomic_load_explicit(&s->state, memory_order_acquire);
	/* From here on slots is that of a list, or the arena is damaged. */
	if (!still(l, word, s, state) || !slots)
		return AGAIN;
	into->length = cvy_seq_length(state);
	at = (uint64_t)index + (index < 0 ? into->length : 0);
	if (at >= into->length || into->length > slots)
		return -ERANGE;
	from = __atomic_load_n(&cvy_seq_index(s, slots, state)[at], __ATOMIC_ACQUIRE);
	e = cvy_seq_element(s, from, &len);
	rc = e ? cvy_into_copy(into, (const uint64_t *)(e + 1), len) : AGAIN;
	if (still(l, word, s, state))
		return rc;
	if (into->alloc && rc == 0)
		free(into->buf);
	return AGAIN;
}

static int read_element(covey_list handle, int64_t index, struct cvy_into *into)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_LIST);
	int rc = AGAIN;

	if (!object)
		return cvy_stale(handle.id, CVY_LIST);
	for (int i = 0; rc == AGAIN && i < TRIES; i++)
		rc = read_once(cvy_list_of(object), index, into);
	if (rc == AGAIN) {
		if (!cvy_list_lock(handle))
			return covey_errcode();
		rc = read_once(cvy_list_of(object), index, into);
		cvy_guard_leave(object);
		if (rc == AGAIN)
			return cvy_list_damaged(object);
	}
	if (!cvy_object_is(object, handle.id, CVY_LIST)) {
		if (into->alloc && rc == 0)
			free(into->buf);
		return cvy_stale(handle.id, CVY_LIST);
	}
	return cvy_list_said(object, rc, index, into);
}

int64_t covey_list_get_bytes(covey_list l, int64_t index, void *buf, size_t cap)
{
	struct cvy_into into = {.buf = buf, .cap = cap};
	int rc = read_element(l, index, &into);

	return rc < 0 ? rc : (int64_t)into.len;
}

int64_t covey_list_get_alloc(covey_list l, int64_t index, void **data)
{
	struct cvy_into into = {.alloc = true};
	int rc = read_element(l, index, &into);

	if (rc < 0)
		return rc;
	*data = into.buf;
	return (int64_t)into.len;
}

int covey_list_get_exactly(covey_list l, int64_t index, void *object, size_t size)
{
	struct cvy_into into = {.buf = object, .cap = size, .exactly = true};

	return read_element(l, index, &into);
}

/* Elements follow one another in `bytes`: the length in 16 bytes, the element, a zero; aligned. */
struct covey_list_items {
	uint64_t count;
	uint64_t next; /* offset of the next in bytes */
	_Alignas(16) unsigned char bytes[];
};

static uint64_t room_for(uint64_t len)
{
	return (len + 1 + 15) & ~UINT64_C(15);
}

static covey_list_items *copy_all(struct seq *s)
{
	uint64_t state = atomic_load(&s->state), n = cvy_seq_length(state), len;
	uint64_t slots = cvy_seq_slots(s), *index = cvy_seq_index(s, slots, state);
	/* An item has at most 32 bytes more than its element, a record 8 or more. */
	uint64_t end = 0, most = s->live + 32 * n;
	covey_list_items *items =
		n > slots || most > cvy_size ? NULL : malloc(sizeof *items + most);

	if (!items)
		return NULL;
	items->count = items->next = 0;
	for (uint64_t i = 0; i < n; i++) {
		struct element *e = cvy_seq_element(s, index[i], &len);

		if (!e || end + 16 + room_for(len) > most)
			continue; /* damaged */
		memcpy(items->bytes + end, &len, sizeof len);
		memcpy(items->bytes + end + 16, e + 1, len);
		items->bytes[end + 16 + len] = 0;
		end += 16 + room_for(len);
		items->count++;
	}
	return items;
}

int covey_list_snapshot(covey_list handle, covey_list_items **items)
{
	struct cvy_object *object = cvy_list_lock(handle);
	covey_list_items *copy;
	struct seq *s;
	char title[CVY_TITLE];

	if (!object)
		return covey_errcode();
	s = cvy_seq_of(cvy_list_of(object));
	copy = s ? copy_all(s) : NULL;
	cvy_title(title, object, CVY_LIST);
	cvy_guard_leave(object);
	if (!copy)
		return cvy_fail(ENOMEM, "%s: no memory for a copy of its elements", title);
	*items = copy;
	return 0;
}

int covey_list_next(covey_list_items *items, const void **data, size_t *len)
{
	unsigned char *from = items->bytes + items->next;
	uint64_t n;

	if (!items->count)
		return 0;
	memcpy(&n, from, sizeof n);
	*data = from + 16;
	*len = n;
	items->next += 16 + room_for(n);
	items->count--;
	return 1;
}

void covey_list_items_free(covey_list_items *items)
{
	free(items);
}
