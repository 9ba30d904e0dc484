/* SPDX-License-Identifier: MIT */
/* Segments: making, chaining, freeing, and what a sender's death leaves to mend. */
#include "channel/ring.h"

#include <string.h>

/* So many bytes hold all messages of len bytes that a queue may hold; 0 where it has no bound. */
static uint64_t enough(const struct queue *q, uint64_t len)
{
	uint64_t bytes;

	if (!q->max_messages ||
	    __builtin_mul_overflow(q->max_messages + 1, round_up(len, PAYLOAD_ALIGN), &bytes))
		return 0;
	return bytes;
}

/* enough: see above; a ring that is larger only costs cache. */
static void shape(const struct segment *last, uint64_t len, bool slots_full, bool data_full,
                  uint64_t enough, uint32_t *slots, uint64_t *data)
{
	*slots = SLOTS_FIRST;
	*data = DATA_FIRST;
	if (len > SOLO_MIN) {
		*slots = 1;
		*data = round_up(len, PAYLOAD_ALIGN);
		return;
	}
	if (last && last->slots > 1) {
		*slots = last->slots * (slots_full && last->slots < SLOTS_MOST ? 4 : 1);
		*data = last->data_size * (data_full && last->data_size < DATA_MOST ? 4 : 1);
		if (enough > last->data_size && enough < *data)
			*data = enough;
	}
	if (*slots > SLOTS_MOST)
		*slots = SLOTS_MOST;
	if (*data > DATA_MOST)
		*data = DATA_MOST;
	if (len > INLINE_MAX && *data < 4 * round_up(len, PAYLOAD_ALIGN))
		*data = 4 * round_up(len, PAYLOAD_ALIGN);
	/* Region, header and rings together fill whole pages. */
	*data = round_up(*data + sizeof(struct segment) + *slots * sizeof(struct slot), 4096) -
	        sizeof(struct segment) - *slots * sizeof(struct slot);
}

/* Allocates a segment to *where, for messages from `first` on. */
static int make(uint64_t *where, uint32_t slots, uint64_t data, uint64_t first, uint64_t sum)
{
	uint64_t head = sizeof(struct segment) + slots * sizeof(struct slot);
	struct segment *segment;
	int rc = cvy_region_alloc(where, head + data);

	if (rc < 0)
		return rc;
	segment = cvy_at(*where, head + data);
	if (!segment)
		return -EBADMSG;
	memset(segment, 0, sizeof *segment);
	segment->first = first;
	segment->first_sum = sum;
	segment->slots = slots;
	segment->data = *where + head;
	segment->data_size = data;
	atomic_store(&segment->end, NO_END);
	return 0;
}

int cvy_segment_grow(struct queue *q, uint64_t len, bool slots_full, bool data_full)
{
	struct segment *last = cvy_segment(q->send_segment);
	uint64_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);
	uint64_t sum = atomic_load_explicit(&q->put_bytes, memory_order_relaxed);
	uint64_t data;
	uint32_t slots;
	int rc;

	if (!last)
		return -EBADMSG;
	shape(last, len, slots_full, data_full, enough(q, len), &slots, &data);
	rc = make(&q->send_growing, slots, data, tail, sum);
	if (rc == -ENOMEM && slots > 1) {
		/* Not that much: then just enough. */
		shape(NULL, len, false, false, 0, &slots, &data);
		rc = make(&q->send_growing, slots, data, tail, sum);
	}
	if (rc < 0)
		return rc;
	/* In this order: see cvy_send_lock for what a kill between leaves. */
	last->next = q->send_growing;
	atomic_store_explicit(&last->end, tail, memory_order_release);
	q->send_segment = last->next;
	q->send_pos = 0;
	q->send_place = 0;
	atomic_signal_fence(memory_order_seq_cst);
	q->send_growing = 0;
	return 0;
}

int cvy_segment_first(struct queue *q)
{
	uint32_t slots;
	uint64_t data;
	int rc;

	shape(NULL, 0, false, false, 0, &slots, &data);
	rc = make(&q->receive_segment, slots, data, 0, 0);
	if (rc == 0)
		q->send_segment = q->receive_segment;
	return rc;
}

void cvy_segments_free(struct queue *q)
{
	q->send_segment = 0;
	if (q->send_growing == q->receive_segment)
		q->send_growing = 0;
	if (q->receive_leaving == q->receive_segment)
		q->receive_leaving = 0;
	cvy_region_free(&q->receive_leaving);
	while (q->receive_segment) {
		struct segment *segment = cvy_segment(q->receive_segment);
		uint64_t next = segment && cvy_segment_next(segment) ? segment->next : 0;

		/* One that was being chained belongs to the chain once it is linked. */
		if (next && next == q->send_growing)
			q->send_growing = 0;
		q->receive_leaving = q->receive_segment;
		atomic_signal_fence(memory_order_seq_cst);
		q->receive_segment = next;
		cvy_region_free(&q->receive_leaving);
	}
	cvy_region_free(&q->send_growing);
}

/* A sender died holding the lock: what it had not published never was. */
static int mend_sending(struct queue *q)
{
	uint64_t tail = atomic_load(&q->tail);
	struct segment *last = cvy_segment(q->send_segment);

	q->send_reserved = 0;
	if (last && last->next) {
		/* Chained, but not moved on to: finish that. */
		atomic_store(&last->end, tail);
		q->send_segment = last->next;
		last = cvy_segment(q->send_segment);
	}
	if (q->send_segment == q->send_growing)
		q->send_growing = 0;
	cvy_region_free(&q->send_growing);
	if (!last)
		return -EBADMSG;
	q->send_pos = 0;
	atomic_store(&q->put_bytes, last->first_sum);
	if (tail > last->first) {
		struct slot *slot = slot_of(last, tail - 1);

		q->send_pos = slot->pos;
		if (slot->place != IN_SLOT)
			q->send_pos += round_up(slot->len, PAYLOAD_ALIGN);
		atomic_store(&q->put_bytes, slot->sum);
	}
	q->send_place = last->data_size ? q->send_pos % last->data_size : 0;
	return 0;
}

static void mend_receiving(struct queue *q)
{
	q->receive_peeking = 0;
	if (q->receive_leaving == q->receive_segment)
		q->receive_leaving = 0;
	cvy_region_free(&q->receive_leaving);
	cvy_counts_mend(q);
}

/* With a side locked: whether the block still serves the queue that was meant. */
static inline int check(const struct queue_ref *ref, pthread_mutex_t *held)
{
	if (__builtin_expect(cvy_object_is(ref->object, ref->id, ref->kind), 1))
		return 0;
	cvy_mutex_unlock(held);
	return cvy_stale(ref->id, ref->kind);
}

int cvy_send_lock(const struct queue_ref *ref, int64_t deadline)
{
	int rc = cvy_mutex_lock(&ref->queue->send_lock, deadline);
	char title[CVY_TITLE];

	if (__builtin_expect(rc == 0, 1))
		return check(ref, &ref->queue->send_lock);
	if (rc == 1) {
		rc = mend_sending(ref->queue);
		cvy_mutex_mended(&ref->queue->send_lock);
		cvy_log(COVEY_LOG_WARN, "a sender of %s died; mended", cvy_queue_title(title, ref));
		if (rc < 0) {
			cvy_send_unlock(ref->queue);
			return cvy_queue_damaged(ref);
		}
		return check(ref, &ref->queue->send_lock);
	}
	if (rc == -ETIMEDOUT)
		return rc;
	return cvy_fail(-rc, "%s: %s", cvy_queue_title(title, ref),
	                rc == -EDEADLK ? "this thread has a reserved message in it"
	                               : covey_strerror(rc));
}

int cvy_receive_lock(const struct queue_ref *ref, int64_t deadline)
{
	int rc = cvy_mutex_lock(&ref->queue->receive_lock, deadline);
	char title[CVY_TITLE];

	if (__builtin_expect(rc == 0, 1))
		return check(ref, &ref->queue->receive_lock);
	if (rc == 1) {
		mend_receiving(ref->queue);
		cvy_mutex_mended(&ref->queue->receive_lock);
		cvy_log(COVEY_LOG_WARN, "a receiver of %s died; mended",
		        cvy_queue_title(title, ref));
		return check(ref, &ref->queue->receive_lock);
	}
	if (rc == -ETIMEDOUT)
		return rc;
	return cvy_fail(-rc, "%s: %s", cvy_queue_title(title, ref),
	                rc == -EDEADLK ? "this thread is peeking into it" : covey_strerror(rc));
}
