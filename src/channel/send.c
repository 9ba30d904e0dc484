/* SPDX-License-Identifier: MIT */
/* The senders' side: put, put_many. */
#include "channel/send.h"

int cvy_send(const struct queue_ref *ref, const void *data, size_t len, int timeout_ms)
{
	struct segment *segment;
	struct slot *slot;
	struct spot spot;
	uint64_t n, sum;
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	unsigned char *to;
	int rc;

	if (len && !data)
		return cvy_fail(EINVAL, "%s: no message was given", cvy_kind_name(ref->kind));
	rc = cvy_enter_senders(ref, len, &wait);
	if (rc < 0)
		return rc;
	n = atomic_load_explicit(&ref->queue->tail, memory_order_relaxed);
	rc = cvy_make_room(ref, n, len, &wait, &segment, &spot);
	if (__builtin_expect(rc == 0, 1)) {
		sum = atomic_load_explicit(&ref->queue->put_bytes, memory_order_relaxed) + len;
		slot = cvy_fill_slot(segment, n, len, &spot, sum);
		to = cvy_payload(segment, slot, len);
		if (__builtin_expect(to != NULL, 1)) {
			cvy_put_pass(ref->queue, segment, &spot, len);
			if (CVY_BROKEN == CVY_PUBLISH_FIRST)
				cvy_put_publish(ref->queue, n + 1, sum);
			cvy_look_ahead(ref->queue, segment, n, to, len, &spot);
			cvy_copy(to, data, len);
			cvy_put_publish(ref->queue, n + 1,
			                CVY_BROKEN == CVY_COUNTER_OUTSIDE ? sum - len : sum);
		} else {
			rc = cvy_queue_damaged(ref);
		}
	}
	cvy_send_unlock(ref->queue);
	if (CVY_BROKEN == CVY_COUNTER_OUTSIDE)
		atomic_fetch_add(&ref->queue->put_bytes, len);
	return rc;
}

int covey_queue_put(covey_queue handle, const void *data, size_t len, int timeout_ms)
{
	struct queue_ref ref;
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);

	return rc < 0 ? rc : cvy_send(&ref, data, len, timeout_ms);
}

/* Puts as many of the messages as fit in the last segment, from number n on. */
static int put_fitting(const struct queue_ref *ref, const struct iovec *messages, int count)
{
	struct queue *q = ref->queue;
	struct segment *segment = cvy_segment(q->send_segment);
	uint64_t n = atomic_load_explicit(&q->tail, memory_order_relaxed);
	uint64_t sum = atomic_load_explicit(&q->put_bytes, memory_order_relaxed);
	struct spot spot;
	int done = 0;

	if (!segment)
		return cvy_queue_damaged(ref);
	for (; done < count; done++) {
		uint64_t len = messages[done].iov_len;
		struct slot *slot;
		unsigned char *to;

		if (cvy_look(q, segment, n, len, sum, &spot) != ROOM)
			break;
		sum += len;
		slot = cvy_fill_slot(segment, n++, len, &spot, sum);
		to = cvy_payload(segment, slot, len);
		if (!to)
			return cvy_queue_damaged(ref);
		cvy_put_pass(q, segment, &spot, len);
		cvy_copy(to, messages[done].iov_base, len);
	}
	if (done)
		cvy_put_publish(q, n, sum);
	return done;
}

int covey_queue_put_many(covey_queue handle, const struct iovec *messages, int count,
                         int timeout_ms)
{
	struct queue_ref ref;
	struct segment *segment;
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	struct cvy_wait at_once = CVY_WAIT(0);
	struct spot spot;
	int rc, done = 0;

	if (count < 0 || (count && !messages))
		return cvy_fail(EINVAL, "queue: no messages were given");
	rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);
	if (rc < 0 || count == 0)
		return rc;
	rc = cvy_enter_senders(&ref, messages[0].iov_len, &wait);
	if (rc < 0)
		return rc;
	while (done < count) {
		if (done && cvy_check_len(&ref, messages[done].iov_len) < 0)
			break;
		rc = cvy_make_room(
			&ref, atomic_load_explicit(&ref.queue->tail, memory_order_relaxed),
			messages[done].iov_len, done ? &at_once : &wait, &segment, &spot);
		if (rc < 0)
			break;
		rc = put_fitting(&ref, messages + done, count - done);
		if (rc <= 0)
			break;
		done += rc;
	}
	cvy_send_unlock(ref.queue);
	return done ? done : rc;
}
