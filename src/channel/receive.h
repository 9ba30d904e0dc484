/* SPDX-License-Identifier: MIT */
/* What the files of the receivers' side share: the first message, and taking it. */
#ifndef CVY_RECEIVE_H
#define CVY_RECEIVE_H

#include "channel/ring.h"

/* A message in its place. */
struct found {
	struct segment *segment;
	struct slot *slot;
	unsigned char *payload;
	uint64_t len; /* read once: another process may change it between check and use */
};

/* ---- await.c */

/* Enters the receivers' side with the first message found, waiting for one. */
int cvy_enter_receivers(const struct queue_ref *ref, int timeout_ms, struct found *found,
                        uint64_t *head);
/* Moves on from a segment whose messages are all taken, and frees it. */
int cvy_leave_segment(const struct queue_ref *ref, struct segment *segment);

/* Message n, which is there: its slot and payload, checked. */
static inline int cvy_find(const struct queue_ref *ref, uint64_t n, struct found *found)
{
	struct queue *q = ref->queue;

	for (;;) {
		struct segment *segment = cvy_segment(q->receive_segment);
		int rc;

		if (__builtin_expect(!segment, 0))
			return cvy_queue_damaged(ref);
		if (__builtin_expect(n < atomic_load_explicit(&segment->end, memory_order_acquire),
		                     1)) {
			found->segment = segment;
			found->slot = slot_of(segment, n);
			found->len = __atomic_load_n(&found->slot->len, __ATOMIC_RELAXED);
			found->payload = cvy_payload(segment, found->slot, found->len);
			return found->payload ? 0 : cvy_queue_damaged(ref);
		}
		rc = cvy_leave_segment(ref, segment);
		if (rc < 0)
			return rc;
	}
}

/* Takes all messages before `head`, of which `last` is the last. */
static inline void cvy_take(struct queue *q, uint64_t head, const struct found *last)
{
	uint64_t sum = last->slot->sum;
	bool solo = last->segment->slots == 1;

	/* Idempotent: who dies between the two leaves a sum that the next one stores again. */
	atomic_store_explicit(&q->got_bytes, sum, memory_order_relaxed);
	if (__builtin_expect(q->counts != 0, 0))
		cvy_counts_take(q, head);
	cvy_notify_publish_watched(&q->full_word, &q->full_watched, &q->head, head);
	cvy_counts_taken(q);
	/* No second message ever comes to it; a smaller one stays warm for the next of its size. */
	if (__builtin_expect(solo, 0) && last->segment->data_size > CVY_WARM_BLOCK)
		cvy_region_trim(q->receive_segment, 1);
}

#endif
