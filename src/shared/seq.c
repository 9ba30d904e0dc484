/* SPDX-License-Identifier: MIT */
/* The array of a list: adding, deleting, growing, compacting, mending. */
#include "shared/list.h"

#define SLOTS_LEAST UINT64_C(32)
#define DEAD_LEAST (UINT64_C(32) << 10) /* dead bytes that are not worth a copy */

static uint64_t first_record(uint64_t slots)
{
	return sizeof(struct seq) + 2 * slots * sizeof(uint64_t);
}

struct seq *cvy_seq_at(uint64_t word)
{
	uint64_t offset = cvy_store_offset(word);

	return cvy_block_at(offset) ? (struct seq *)(void *)(cvy_base + offset) : NULL;
}

struct seq *cvy_seq_of(struct list *l)
{
	struct seq *s = cvy_seq_at(atomic_load(&l->store.table));

	if (!s || !cvy_seq_slots(s) || cvy_seq_length(atomic_load(&s->state)) > cvy_seq_slots(s))
		return NULL;
	return s;
}

uint64_t cvy_seq_slots(const struct seq *s)
{
	uint64_t slots = __atomic_load_n(&s->slots, __ATOMIC_RELAXED), room = cvy_store_rest(s);

	return slots > room / 16 || first_record(slots) > room ? 0 : slots;
}

struct element *cvy_seq_element(struct seq *s, uint64_t word, uint64_t *len)
{
	uint64_t room = cvy_store_rest(s);
	struct element *e;

	if (!word || word > room / 8 - 1)
		return NULL;
	e = (struct element *)(void *)((uint64_t *)(void *)s + word);
	*len = __atomic_load_n(&e->len, __ATOMIC_RELAXED);
	return *len <= cvy_size && cvy_element_bytes(*len) <= room - word * 8 ? e : NULL;
}

/* An array as a change sees it, read once. */
struct look {
	struct seq *s;
	uint64_t slots, state, length;
	uint64_t *index; /* that holds */
};

static struct look look_at(struct seq *s)
{
	struct look look = {.s = s};

	look.slots = s ? cvy_seq_slots(s) : 0;
	look.state = s ? atomic_load_explicit(&s->state, memory_order_relaxed) : 0;
	look.length = cvy_seq_length(look.state);
	if (look.length > look.slots)
		look.length = look.slots;
	look.index = s ? cvy_seq_index(s, look.slots, look.state) : NULL;
	return look;
}

static uint64_t bytes_at(struct seq *s, uint64_t word)
{
	uint64_t len;

	return cvy_seq_element(s, word, &len) ? cvy_element_bytes(len) : 0;
}

static void changing(struct list *l)
{
	atomic_store_explicit(&l->store.changing, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static void changed(struct list *l)
{
	atomic_store_explicit(&l->store.changing, 0, memory_order_release);
}

void cvy_seq_mend(struct list *l)
{
	struct seq *s = cvy_seq_of(l);
	struct look now = look_at(s);

	cvy_store_mend(&l->store);
	if (s) {
		s->end = first_record(now.slots);
		s->live = 0;
		s->backed = cvy_region_bytes(cvy_offset(s));
		for (uint64_t i = 0; i < now.length; i++) {
			uint64_t bytes = bytes_at(s, now.index[i]);

			s->live += bytes;
			if (bytes && now.index[i] * 8 + bytes > s->end)
				s->end = now.index[i] * 8 + bytes;
		}
	}
	changed(l);
}

/* Makes a fresh array beside the list's for so many elements and bytes of records. */
static int begin(struct list *l, uint64_t elements, uint64_t bytes, struct seq **fresh)
{
	struct cvy_store_room room;
	uint64_t slots = SLOTS_LEAST;
	struct seq *s;
	int rc;

	while (slots < elements + elements / 4)
		slots *= 2;
	rc = cvy_store_begin(&l->store, first_record(slots), bytes, &room);
	if (rc < 0)
		return rc;
	s = cvy_region_at(room.offset, room.backed);
	if (!s)
		return cvy_fail(EBADMSG, "list: the object table is damaged");
	memset(s, 0, sizeof *s);
	s->reserve = room.reserve;
	s->slots = slots;
	s->end = first_record(slots);
	s->backed = room.backed;
	*fresh = s;
	return 0;
}

int cvy_seq_reset(struct list *l)
{
	struct seq *fresh;
	int rc;

	changing(l);
	rc = begin(l, 0, 0, &fresh);
	if (rc == 0)
		cvy_store_swap(&l->store);
	changed(l);
	return rc;
}

static int damaged(void)
{
	return cvy_fail(EBADMSG, "list: its memory is damaged");
}

/* Writes a record at `end`; its index word, 0: that is not in the block. */
static uint64_t write_at(struct seq *s, uint64_t end, const void *data, size_t len)
{
	struct element *e = (struct element *)(void *)((unsigned char *)s + end);
	uint64_t room = cvy_store_rest(s);

	if (end % 8 || end < first_record(SLOTS_LEAST) || end > room ||
	    cvy_element_bytes(len) > room - end)
		return 0;
	__atomic_store_n(&e->len, len, __ATOMIC_RELAXED);
	cvy_words_store((uint64_t *)(e + 1), data, len);
	return end / 8;
}

int cvy_seq_write(struct list *l, const void *data, size_t len, uint64_t *word)
{
	struct seq *s = cvy_seq_of(l);
	uint64_t end = s ? __atomic_load_n(&s->end, __ATOMIC_RELAXED) : 0;

	*word = s ? write_at(s, end, data, len) : 0;
	if (!*word)
		return damaged();
	s->end = end + cvy_element_bytes(len);
	return 0;
}

/* Copies the live records to a fresh array with room for more. */
static int rebuild(struct list *l, uint64_t elements, uint64_t bytes)
{
	struct look old = look_at(cvy_seq_of(l)), now;
	uint64_t kept = 0, live = 0, end, len, word;
	struct seq *s;
	int rc;

	/* What the array says of itself may be damaged. */
	for (uint64_t i = 0; i < old.length; i++)
		live += bytes_at(old.s, old.index[i]);
	if (!old.s || live > cvy_store_rest(old.s))
		return damaged();
	changing(l);
	rc = begin(l, old.length + elements, live + bytes, &s);
	now = look_at(rc == 0 ? s : NULL);
	end = first_record(now.slots);
	for (uint64_t i = 0; rc == 0 && i < old.length && kept < now.slots; i++) {
		struct element *e = cvy_seq_element(old.s, old.index[i], &len);

		word = e ? write_at(s, end, e + 1, len) : 0;
		if (!word)
			continue; /* damaged */
		now.index[kept++] = word;
		end += cvy_element_bytes(len);
		s->end = end;
		s->live += cvy_element_bytes(len);
	}
	if (rc == 0) {
		atomic_store(&s->state, kept);
		cvy_store_swap(&l->store);
	}
	changed(l);
	return rc;
}

int cvy_seq_make_room(struct list *l, uint64_t elements, uint64_t bytes)
{
	struct look now = look_at(cvy_seq_of(l));
	struct seq *s = now.s;
	uint64_t dead, need, goal;

	if (!s)
		return damaged();
	dead = s->end - first_record(now.slots) - s->live;
	need = s->end + bytes;
	if (now.length + elements > now.slots || need > cvy_store_rest(s) || need < bytes)
		return rebuild(l, elements, bytes);
	if (need <= s->backed)
		return 0;
	if (need > s->reserve || (dead > DEAD_LEAST && dead > s->live))
		return rebuild(l, elements, bytes);
	goal = s->backed + s->backed / 2;
	if (goal < need || goal > s->reserve)
		goal = need;
	if (cvy_region_back(cvy_offset(s), goal) < 0) {
		goal = need;
		if (cvy_region_back(cvy_offset(s), goal) < 0)
			return dead > s->live ? rebuild(l, elements, bytes) : covey_errcode();
	}
	s->backed = goal;
	return 0;
}

void cvy_seq_append(struct list *l, const uint64_t *words, uint64_t n)
{
	struct look now = look_at(cvy_seq_of(l));
	struct seq *s = now.s;

	if (!s || n > now.slots - now.length)
		return;
	changing(l);
	for (uint64_t i = 0; i < n; i++) {
		__atomic_store_n(&now.index[now.length + i], words[i], __ATOMIC_RELAXED);
		s->live += bytes_at(s, words[i]);
	}
	atomic_store_explicit(&s->state, now.state + n, memory_order_release);
	changed(l);
}

void cvy_seq_replace(struct list *l, uint64_t at, uint64_t word)
{
	struct look now = look_at(cvy_seq_of(l));

	if (at >= now.length)
		return;
	changing(l);
	now.s->live += bytes_at(now.s, word) - bytes_at(now.s, now.index[at]);
	__atomic_store_n(&now.index[at], word, __ATOMIC_RELEASE);
	changed(l);
}

/* Copies words [from, from + n) of the index that holds to the other, from `to` on. */
static void copy_index(const struct look *now, uint64_t from, uint64_t n, uint64_t to)
{
	uint64_t *new =
		cvy_seq_index(now->s, now->slots, now->state + (UINT64_C(1) << LENGTH_BITS));

	for (uint64_t i = 0; i < n; i++)
		__atomic_store_n(&new[to + i], now->index[from + i], __ATOMIC_RELAXED);
}

static void turn(const struct look *now, uint64_t new_length)
{
	uint64_t turns = (now->state >> LENGTH_BITS) + 1;

	atomic_store_explicit(&now->s->state, turns << LENGTH_BITS | new_length,
	                      memory_order_release);
}

void cvy_seq_insert(struct list *l, uint64_t at, uint64_t word)
{
	struct look now = look_at(cvy_seq_of(l));
	uint64_t n = now.length;

	if (at == n) {
		cvy_seq_append(l, &word, 1);
		return;
	}
	if (at > n || n >= now.slots)
		return;
	changing(l);
	/* Pairs with the fence of a reader: who sees these words sees the turn before them. */
	atomic_thread_fence(memory_order_release);
	copy_index(&now, 0, at, 0);
	__atomic_store_n(
		&cvy_seq_index(now.s, now.slots, now.state + (UINT64_C(1) << LENGTH_BITS))[at],
		word, __ATOMIC_RELAXED);
	copy_index(&now, at, n - at, at + 1);
	now.s->live += bytes_at(now.s, word);
	turn(&now, n + 1);
	changed(l);
}

void cvy_seq_delete(struct list *l, uint64_t at)
{
	struct look now = look_at(cvy_seq_of(l));
	uint64_t n = now.length, dead;
	struct seq *s = now.s;

	if (at >= n)
		return;
	changing(l);
	s->live -= bytes_at(s, now.index[at]);
	if (at == n - 1) {
		atomic_store_explicit(&s->state, now.state - 1, memory_order_release);
	} else {
		atomic_thread_fence(memory_order_release);
		copy_index(&now, 0, at, 0);
		copy_index(&now, at + 1, n - at - 1, at);
		turn(&now, n - 1);
	}
	changed(l);
	dead = s->end - first_record(now.slots) - s->live;
	if (dead > DEAD_LEAST && dead / 3 > s->live)
		rebuild(l, 0, 0); /* where there is no memory for that, it stays as it is */
}
