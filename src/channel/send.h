/* SPDX-License-Identifier: MIT */
/* What the files of the senders' side share: where a message can go, and how it gets there. */
#ifndef CVY_SEND_H
#define CVY_SEND_H

#include "channel/ring.h"

/* Where all is got, a message of this size goes where the last ones went: that is in the cache. */
#define WARM_MIN UINT64_C(16384)
/* How far one looks ahead, in slots and in cache lines of payload; and of payloads how long. */
#define AHEAD 4u
#define AHEAD_MOST 1024u

enum room { ROOM, NO_SLOT, NO_DATA, AT_BOUND };

/* Where a payload goes: see struct slot. */
struct spot {
	uint64_t pos;
	uint64_t place;
};

/* ---- room.c */

/* -EMSGSIZE: the words for a message of a length that can never go there. */
int cvy_len_refused(const struct queue_ref *ref, uint64_t len);
/* The lock, where another sender has it. */
int cvy_await_senders(const struct queue_ref *ref, struct cvy_wait *wait);
/* The error of a put to a queue that is not open. */
int cvy_put_refused(const struct queue_ref *ref, uint32_t state);
/*
 * Makes room for message n of len bytes, waiting while the queue is at its bound.
 * With the lock held. 0 and *segment, *spot; or an error.
 */
int cvy_make_room(const struct queue_ref *ref, uint64_t n, uint64_t len, struct cvy_wait *wait,
                  struct segment **segment, struct spot *spot);

/*
 * Where message n of len bytes, before which sum bytes were put, can go in the
 * last segment, as far as the receivers were seen.
 */
static inline enum room cvy_look(struct queue *q, struct segment *segment, uint64_t n, uint64_t len,
                                 uint64_t sum, struct spot *spot)
{
	uint64_t head = q->send_seen_head, oldest, bytes;

	if (q->max_messages && n - head >= q->max_messages)
		return AT_BOUND;
	if (q->max_bytes && sum + len > q->max_bytes + q->send_seen_got)
		return AT_BOUND;
	if (head < segment->first)
		head = segment->first;
	if (n - head >= segment->slots || (segment->slots == 1 && n != segment->first))
		return NO_SLOT;
	*spot = (struct spot){q->send_pos, q->send_place};
	if (len <= INLINE_MAX)
		return ROOM;
	bytes = round_up(len, PAYLOAD_ALIGN);
	if (bytes > segment->data_size)
		return NO_DATA;
	if (bytes > segment->data_size - spot->place ||
	    (bytes >= WARM_MIN && spot->place && head == n)) {
		spot->pos += segment->data_size - spot->place;
		spot->place = 0;
	}
	oldest = head < n ? slot_of(segment, head)->pos : spot->pos;
	return spot->pos + bytes - oldest <= segment->data_size ? ROOM : NO_DATA;
}

/* Moves on the place where the next payload may begin, past one of len bytes at spot. */
static inline void cvy_put_pass(struct queue *q, const struct segment *segment,
                                const struct spot *spot, uint64_t len)
{
	uint64_t bytes = round_up(len, PAYLOAD_ALIGN);

	if (spot->place == IN_SLOT)
		return;
	q->send_pos = spot->pos + bytes;
	q->send_place = spot->place + bytes;
	if (q->send_place == segment->data_size)
		q->send_place = 0;
}

/* Writes the slot of message n; its payload goes where cvy_payload says. */
static inline struct slot *cvy_fill_slot(struct segment *segment, uint64_t n, uint64_t len,
                                         struct spot *spot, uint64_t sum)
{
	struct slot *slot = slot_of(segment, n);

	if (len <= INLINE_MAX)
		spot->place = IN_SLOT;
	slot->len = len;
	slot->sum = sum;
	slot->pos = spot->pos;
	slot->place = spot->place;
	return slot;
}

/*
 * Fetches the lines that will be written a few messages later, as it seems: the receivers' cores
 * have them. Each message, as this one of len bytes that goes to `to`, waits for its own before
 * it is published.
 */
static inline void cvy_look_ahead(const struct queue *q, struct segment *segment, uint64_t n,
                                  const unsigned char *to, uint64_t len, const struct spot *spot)
{
	uint64_t bytes = round_up(len, PAYLOAD_ALIGN), ahead = bytes + AHEAD * PAYLOAD_ALIGN;

	if (n + AHEAD - q->send_seen_head >= segment->slots) /* those may still be read */
		return;
	cvy_prefetch_write(slot_of(segment, n + AHEAD));
	if (len <= INLINE_MAX || bytes > AHEAD_MOST)
		return;
	if (spot->place + ahead + bytes <= segment->data_size)
		for (uint64_t i = 0; i < bytes; i += 64)
			cvy_prefetch_write(to + ahead + i);
}

static inline void cvy_put_publish(struct queue *q, uint64_t tail, uint64_t sum)
{
	/* The sum last: a death before it leaves too little, which the next sender mends. */
	cvy_notify_publish_watched(&q->empty_word, &q->empty_watched, &q->tail, tail);
	atomic_store_explicit(&q->put_bytes, sum, memory_order_relaxed);
}

static inline int cvy_check_len(const struct queue_ref *ref, uint64_t len)
{
	const struct queue *q = ref->queue;
	bool fits = (!q->max_message || len <= q->max_message) &&
	            (!q->max_bytes || len <= q->max_bytes);

	return __builtin_expect(fits, 1) ? 0 : cvy_len_refused(ref, len);
}

/* Enters the senders' side: the length, the lock. */
static inline int cvy_enter_senders(const struct queue_ref *ref, uint64_t len,
                                    struct cvy_wait *wait)
{
	int rc = cvy_check_len(ref, len);

	if (rc < 0)
		return rc;
	rc = cvy_send_lock(ref, 0);
	if (__builtin_expect(rc == -ETIMEDOUT, 0))
		rc = cvy_await_senders(ref, wait);
	if (rc < 0)
		return rc;
	if (__builtin_expect(ref->queue->end_with_senders != 0, 0)) {
		rc = cvy_senders_note(ref->queue, ref);
		if (rc < 0)
			cvy_send_unlock(ref->queue);
	}
	return rc;
}

#endif
