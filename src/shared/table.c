/* SPDX-License-Identifier: MIT */
/* The table of a dict: finding, adding, deleting, growing, compacting, mending. */
#include "shared/dict.h"

#include <sys/random.h>

#define SLOTS_LEAST UINT64_C(32)
#define DEAD_LEAST (UINT64_C(32) << 10) /* dead bytes that are not worth a copy */

static uint64_t first_record(uint64_t slots)
{
	return sizeof(struct table) + slots * sizeof(uint64_t);
}

struct table *cvy_table_at(uint64_t word)
{
	uint64_t offset = cvy_store_offset(word);

	return cvy_block_at(offset) ? (struct table *)(void *)(cvy_base + offset) : NULL;
}

struct table *cvy_table_of(struct dict *d)
{
	struct table *t = cvy_table_at(atomic_load(&d->store.table));

	return t && cvy_table_slots(t) ? t : NULL;
}

uint64_t cvy_table_slots(const struct table *t)
{
	uint64_t slots = __atomic_load_n(&t->slots, __ATOMIC_RELAXED), room = cvy_store_rest(t);

	return slots & (slots - 1) || slots > room / 8 || first_record(slots) > room ? 0 : slots;
}

struct record *cvy_table_record(struct table *t, uint64_t word, uint64_t lens[2])
{
	uint64_t at = (word & ((UINT64_C(1) << OFFSET_BITS) - 1)) * 8, room = cvy_store_rest(t);
	struct record *r = (struct record *)(void *)((unsigned char *)t + at);

	if (word <= DELETED || at > room || sizeof *r > room - at)
		return NULL;
	lens[0] = __atomic_load_n(&r->key_len, __ATOMIC_RELAXED);
	lens[1] = __atomic_load_n(&r->value_len, __ATOMIC_RELAXED);
	if (lens[0] > cvy_size || lens[1] > cvy_size ||
	    cvy_record_bytes(lens[0], lens[1]) > room - at)
		return NULL;
	return r;
}

static uint64_t hash_bits(uint64_t hash)
{
	return hash >> OFFSET_BITS << OFFSET_BITS;
}

static bool same_key(struct record *r, const struct key *key)
{
	const unsigned char *bytes = key->data;
	const uint64_t *words = cvy_record_key(r);
	uint64_t word;
	size_t left;

	if (__atomic_load_n(&r->hash, __ATOMIC_RELAXED) != key->hash)
		return false;
	for (left = key->len; left >= 8; left -= 8, bytes += 8, words++) {
		memcpy(&word, bytes, 8);
		if (__atomic_load_n(words, __ATOMIC_RELAXED) != word)
			return false;
	}
	if (!left)
		return true;
	word = 0;
	memcpy(&word, bytes, left);
	return __atomic_load_n(words, __ATOMIC_RELAXED) == word;
}

struct place cvy_table_find(struct table *t, uint64_t slots, const struct key *key)
{
	struct place place = {UINT64_MAX, NULL};
	uint64_t *index = cvy_index(t);

	for (uint64_t i = key->hash & (slots - 1), n = 0; n < slots;
	     i = (i + 1) & (slots - 1), n++) {
		uint64_t word = __atomic_load_n(&index[i], __ATOMIC_ACQUIRE);

		if (word <= DELETED && place.slot == UINT64_MAX)
			place.slot = i; /* where it would go */
		if (!word)
			break;
		if (word != DELETED && hash_bits(word) == hash_bits(key->hash)) {
			uint64_t lens[2];
			struct record *r = cvy_table_record(t, word, lens);

			if (r && lens[0] == key->len && same_key(r, key))
				return (struct place){i, r};
		}
	}
	return place;
}

/* Makes end and the counts anew from the index. */
static void recount(struct table *t)
{
	uint64_t *index = cvy_index(t), slots = cvy_table_slots(t), lens[2], bytes;

	t->end = first_record(slots);
	t->count = t->filled = t->live = 0;
	for (uint64_t i = 0; i < slots; i++) {
		struct record *r = cvy_table_record(t, index[i], lens);

		t->filled += index[i] != 0;
		if (!r)
			continue;
		bytes = cvy_record_bytes(lens[0], lens[1]);
		t->count++;
		t->live += bytes;
		if (cvy_offset(r) - cvy_offset(t) + bytes > t->end)
			t->end = cvy_offset(r) - cvy_offset(t) + bytes;
	}
	t->backed = cvy_region_bytes(cvy_offset(t));
}

void cvy_table_mend(struct dict *d)
{
	struct table *t = cvy_table_of(d);

	cvy_store_mend(&d->store);
	if (t)
		recount(t);
	atomic_store(&d->store.changing, 0);
}

/* Makes a fresh table beside the dict's for so many keys and bytes of records. */
static int begin(struct dict *d, uint64_t keys, uint64_t bytes, struct table **fresh)
{
	struct cvy_store_room room;
	uint64_t slots = SLOTS_LEAST;
	struct table *t;
	int rc;

	while (slots < 2 * keys)
		slots *= 2;
	rc = cvy_store_begin(&d->store, first_record(slots), bytes, &room);
	if (rc < 0)
		return rc;
	t = cvy_region_at(room.offset, room.backed);
	if (!t)
		return cvy_fail(EBADMSG, "dict: the object table is damaged");
	memset(t, 0, first_record(slots));
	t->reserve = room.reserve;
	t->slots = slots;
	t->end = first_record(slots);
	t->backed = room.backed;
	*fresh = t;
	return 0;
}

int cvy_table_reset(struct dict *d)
{
	struct table *fresh;
	int rc;

	atomic_store(&d->store.changing, 1);
	rc = begin(d, 0, 0, &fresh);
	if (rc == 0) {
		while (getrandom(fresh->secret, sizeof fresh->secret, 0) < 0 && errno == EINTR)
			;
		cvy_store_swap(&d->store);
	}
	atomic_store(&d->store.changing, 0);
	return rc;
}

/* Writes a record at the end of a table; the index word that makes it part of it, 0: damaged. */
static uint64_t append(struct table *t, uint64_t end, const struct key *key, const void *value,
                       size_t value_len)
{
	struct record *r = (struct record *)(void *)((unsigned char *)t + end);
	uint64_t room = cvy_store_rest(t);

	if (end % 8 || end < first_record(SLOTS_LEAST) || end > room ||
	    cvy_record_bytes(key->len, value_len) > room - end)
		return 0;
	__atomic_store_n(&r->hash, key->hash, __ATOMIC_RELAXED);
	__atomic_store_n(&r->key_len, key->len, __ATOMIC_RELAXED);
	__atomic_store_n(&r->value_len, value_len, __ATOMIC_RELAXED);
	cvy_words_store(cvy_record_key(r), key->data, key->len);
	cvy_words_store(cvy_record_value(r, key->len), value, value_len);
	return end / 8 | hash_bits(key->hash);
}

/* Copies the live records to a fresh table with room for one of `bytes` more. */
static int rebuild(struct dict *d, uint64_t bytes)
{
	struct table *old = cvy_table_of(d), *t;
	uint64_t *index, slots, lens[2], size, fresh, end, backed, keys = 0, live = 0;
	int rc;

	if (!old)
		return cvy_fail(EBADMSG, "dict: its memory is damaged");
	index = cvy_index(old);
	slots = cvy_table_slots(old);
	/* What the table says of itself may be damaged. */
	for (uint64_t i = 0; i < slots; i++)
		if (cvy_table_record(old, index[i], lens)) {
			keys++;
			live += cvy_record_bytes(lens[0], lens[1]);
		}
	if (live > cvy_store_rest(old))
		return cvy_fail(EBADMSG, "dict: its memory is damaged");
	atomic_store(&d->store.changing, 1);
	rc = begin(d, keys + 1, live + bytes, &t);
	if (rc < 0) {
		atomic_store(&d->store.changing, 0);
		return rc;
	}
	memcpy(t->secret, old->secret, sizeof t->secret);
	fresh = cvy_table_slots(t);
	end = first_record(fresh);
	backed = cvy_store_rest(t);
	for (uint64_t i = 0; i < slots; i++) {
		struct record *r = cvy_table_record(old, index[i], lens);
		uint64_t at, word, n, hash = r ? r->hash : 0;

		size = r ? cvy_record_bytes(lens[0], lens[1]) : 0;
		if (!r || !fresh || size > backed - end)
			continue;
		word = append(t, end, &(struct key){cvy_record_key(r), lens[0], hash},
		              cvy_record_value(r, lens[0]), lens[1]);
		for (at = hash & (fresh - 1), n = 0; cvy_index(t)[at] && n < fresh; n++)
			at = (at + 1) & (fresh - 1);
		cvy_index(t)[at] = word;
		end += size;
		t->end = end;
		t->live += size;
		t->count++;
		t->filled++;
	}
	cvy_store_swap(&d->store);
	atomic_store(&d->store.changing, 0);
	return 0;
}

int cvy_table_make_room(struct dict *d, uint64_t bytes)
{
	struct table *t = cvy_table_of(d);
	uint64_t dead = t->end - first_record(t->slots) - t->live;
	uint64_t need = t->end + bytes, goal;

	if ((t->filled + 1) * 4 > t->slots * 3 || need > cvy_store_rest(t) || need < bytes)
		return rebuild(d, bytes);
	if (need <= t->backed)
		return 0;
	if (need > t->reserve || (dead > DEAD_LEAST && dead > t->live))
		return rebuild(d, bytes);
	goal = cvy_store_pages(t->backed + t->backed / 2);
	if (goal < need || goal > t->reserve)
		goal = cvy_store_pages(need);
	if (goal > t->reserve)
		return rebuild(d, bytes);
	if (cvy_region_back(cvy_offset(t), goal) < 0) {
		goal = need;
		if (cvy_region_back(cvy_offset(t), goal) < 0)
			return dead > t->live ? rebuild(d, bytes) : covey_errcode();
	}
	t->backed = goal;
	return 0;
}

int cvy_table_put(struct dict *d, const struct place *place, const struct key *key,
                  const void *value, size_t value_len)
{
	struct table *t = cvy_table_of(d);
	uint64_t bytes = cvy_record_bytes(key->len, value_len), before[2] = {0, 0};
	uint64_t end = t ? __atomic_load_n(&t->end, __ATOMIC_RELAXED) : 0, *to, word;

	if (!t || place->slot >= cvy_table_slots(t))
		return -EBADMSG;
	to = &cvy_index(t)[place->slot];
	word = append(t, end, key, value, value_len);
	if (!word)
		return -EBADMSG;
	if (place->record && !cvy_table_record(t, *to, before))
		return -EBADMSG;
	atomic_store_explicit(&d->store.changing, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	t->end = end + bytes;
	t->live += bytes - (place->record ? cvy_record_bytes(before[0], before[1]) : 0);
	t->count += !place->record;
	t->filled += *to == 0;
	__atomic_store_n(to, word, __ATOMIC_RELEASE);
	atomic_store_explicit(&d->store.changing, 0, memory_order_release);
	return 0;
}

void cvy_table_delete(struct dict *d, const struct place *place)
{
	struct table *t = cvy_table_of(d);
	uint64_t dead, lens[2] = {0, 0};

	if (!t || place->slot >= cvy_table_slots(t) ||
	    !cvy_table_record(t, cvy_index(t)[place->slot], lens))
		return;
	atomic_store_explicit(&d->store.changing, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	t->live -= cvy_record_bytes(lens[0], lens[1]);
	t->count--;
	__atomic_store_n(&cvy_index(t)[place->slot], DELETED, __ATOMIC_RELEASE);
	atomic_store_explicit(&d->store.changing, 0, memory_order_release);
	dead = t->end - first_record(t->slots) - t->live;
	if (dead > DEAD_LEAST && dead / 3 > t->live)
		rebuild(d, 0); /* where there is no memory for that, it stays as it is */
}
