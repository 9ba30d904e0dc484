/* SPDX-License-Identifier: MIT */
/* The senders' side: in place, by reserve and commit. */
#include "channel/send.h"

int covey_queue_reserve(covey_queue handle, size_t len, covey_message *message, int timeout_ms)
{
	struct queue_ref ref;
	struct segment *segment;
	struct spot spot;
	uint64_t n;
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	unsigned char *data;
	int rc;

	rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);
	if (rc == 0)
		rc = cvy_enter_senders(&ref, len, &wait);
	if (rc < 0)
		return rc;
	n = atomic_load_explicit(&ref.queue->tail, memory_order_relaxed);
	rc = cvy_make_room(&ref, n, len, &wait, &segment, &spot);
	if (rc == 0) {
		data = cvy_payload(segment, cvy_fill_slot(segment, n, len, &spot, 0), len);
		if (data)
			cvy_look_ahead(ref.queue, segment, n, data, len, &spot);
		else
			rc = cvy_queue_damaged(&ref);
	}
	if (rc < 0) {
		cvy_send_unlock(ref.queue);
		return rc;
	}
	ref.queue->send_reserved = (uint64_t)len + 1;
	*message = (covey_message){.data = data, .len = len, .id = handle.id};
	return 0; /* with the lock held: commit and abandon give it back */
}

/* The queue that the calling thread has reserved a message in. */
static int reserved_by_us(covey_message *message, struct queue_ref *ref)
{
	char title[CVY_TITLE];
	int rc;

	if (!message || !message->id)
		return cvy_fail(EINVAL, "queue: nothing is reserved");
	rc = cvy_queue_ref(message->id, CVY_QUEUE, ref);
	if (rc < 0)
		return rc;
	rc = cvy_mutex_lock(&ref->queue->send_lock, 0);
	if (rc == -EDEADLK && ref->queue->send_reserved)
		return 0;
	if (rc == 1)
		cvy_mutex_mended(&ref->queue->send_lock);
	if (rc >= 0)
		cvy_send_unlock(ref->queue);
	return cvy_fail(EINVAL, "%s: this thread has nothing reserved in it",
	                cvy_queue_title(title, ref));
}

static int end_reserve(const struct queue_ref *ref, covey_message *message)
{
	ref->queue->send_reserved = 0;
	message->data = NULL;
	message->id = 0;
	cvy_send_unlock(ref->queue);
	return 0;
}

int covey_queue_commit(covey_message *message)
{
	struct queue_ref ref;
	struct queue *q;
	struct segment *segment;
	struct slot *slot;
	uint64_t n, sum, reserved;
	char title[CVY_TITLE];
	uint32_t state;
	int rc = reserved_by_us(message, &ref);

	if (rc < 0)
		return rc;
	q = ref.queue;
	reserved = q->send_reserved - 1;
	if (message->len > reserved)
		return cvy_fail(EINVAL, "%s: %zu bytes committed, but only %llu were reserved",
		                cvy_queue_title(title, &ref), message->len,
		                (unsigned long long)reserved);
	state = atomic_load(&q->state);
	segment = cvy_segment(q->send_segment);
	if (state != QUEUE_OPEN || !segment) {
		end_reserve(&ref, message);
		return segment ? cvy_put_refused(&ref, state) : cvy_queue_damaged(&ref);
	}
	n = atomic_load_explicit(&q->tail, memory_order_relaxed);
	slot = slot_of(segment, n);
	sum = atomic_load_explicit(&q->put_bytes, memory_order_relaxed) + message->len;
	slot->len = message->len;
	slot->sum = sum;
	cvy_put_pass(q, segment, &(struct spot){slot->pos, slot->place}, message->len);
	cvy_put_publish(q, n + 1, sum);
	return end_reserve(&ref, message);
}

int covey_queue_abandon(covey_message *message)
{
	struct queue_ref ref;
	int rc = reserved_by_us(message, &ref);

	return rc < 0 ? rc : end_reserve(&ref, message);
}
