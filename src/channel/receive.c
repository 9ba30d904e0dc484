/* SPDX-License-Identifier: MIT */
/* The receivers' side: get, in all its forms, and get_many. */
#include "channel/receive.h"

#include <stdlib.h>

static int too_long(const struct queue_ref *ref, uint64_t len, size_t cap)
{
	char title[CVY_TITLE];

	return cvy_fail(EMSGSIZE, "%s: the first message has %llu bytes, the buffer %zu",
	                cvy_queue_title(title, ref), (unsigned long long)len, cap);
}

int64_t cvy_receive(const struct queue_ref *ref, void *buf, size_t cap, int timeout_ms)
{
	struct found found;
	uint64_t head;
	int64_t len;
	int rc;

	if (cap && !buf)
		return cvy_fail(EINVAL, "%s: no buffer was given", cvy_kind_name(ref->kind));
	rc = cvy_enter_receivers(ref, timeout_ms, &found, &head);
	if (rc < 0)
		return rc;
	len = (int64_t)found.len;
	if (__builtin_expect((uint64_t)len > cap, 0)) {
		len = too_long(ref, found.len, cap);
	} else {
		cvy_copy(buf, found.payload, (uint64_t)len);
		cvy_take(ref->queue, head + 1, &found);
	}
	cvy_receive_unlock(ref->queue);
	return len;
}

int64_t covey_queue_get(covey_queue handle, void *buf, size_t cap, int timeout_ms)
{
	struct queue_ref ref;
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);

	return rc < 0 ? rc : cvy_receive(&ref, buf, cap, timeout_ms);
}

int cvy_receive_exactly(const struct queue_ref *ref, void *object, size_t size, int timeout_ms)
{
	struct found found;
	char title[CVY_TITLE];
	uint64_t head;
	int rc;

	if (!object)
		return cvy_fail(EINVAL, "%s: no object was given", cvy_kind_name(ref->kind));
	rc = cvy_enter_receivers(ref, timeout_ms, &found, &head);
	if (rc < 0)
		return rc;
	if (__builtin_expect(found.len != size, 0)) {
		rc = cvy_fail(EMSGSIZE, "%s: the first message has %llu bytes, the object %zu",
		              cvy_queue_title(title, ref), (unsigned long long)found.len, size);
	} else {
		cvy_copy(object, found.payload, size);
		cvy_take(ref->queue, head + 1, &found);
	}
	cvy_receive_unlock(ref->queue);
	return rc;
}

int covey_queue_get_exactly(covey_queue handle, void *object, size_t size, int timeout_ms)
{
	struct queue_ref ref;
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);

	return rc < 0 ? rc : cvy_receive_exactly(&ref, object, size, timeout_ms);
}

int64_t cvy_receive_alloc(const struct queue_ref *ref, void **data, int timeout_ms)
{
	struct found found;
	char title[CVY_TITLE];
	unsigned char *copy;
	uint64_t head;
	int64_t len;
	int rc;

	if (!data)
		return cvy_fail(EINVAL, "%s: no place for the message was given",
		                cvy_kind_name(ref->kind));
	rc = cvy_enter_receivers(ref, timeout_ms, &found, &head);
	if (rc < 0)
		return rc;
	len = (int64_t)found.len;
	copy = malloc((size_t)len + 1);
	if (copy) {
		cvy_copy(copy, found.payload, (uint64_t)len);
		copy[len] = 0;
		*data = copy;
		cvy_take(ref->queue, head + 1, &found);
	} else {
		len = cvy_fail(ENOMEM, "%s: no memory for the first message of %lld bytes",
		               cvy_queue_title(title, ref), (long long)len);
	}
	cvy_receive_unlock(ref->queue);
	return len;
}

int64_t covey_queue_get_alloc(covey_queue handle, void **data, int timeout_ms)
{
	struct queue_ref ref;
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);

	return rc < 0 ? rc : cvy_receive_alloc(&ref, data, timeout_ms);
}

int cvy_receive_ready(const struct queue_ref *ref, int timeout_ms)
{
	struct found found;
	uint64_t head;
	int rc = cvy_enter_receivers(ref, timeout_ms, &found, &head);

	if (rc < 0)
		return rc;
	cvy_receive_unlock(ref->queue);
	return 1;
}

int covey_queue_get_many(covey_queue handle, struct iovec *messages, int count, int timeout_ms)
{
	struct queue_ref ref;
	struct found found, last;
	uint64_t head, end;
	int rc, done = 0;

	if (count < 0 || (count && !messages))
		return cvy_fail(EINVAL, "queue: no buffers were given");
	rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);
	if (rc < 0 || count == 0)
		return rc;
	rc = cvy_enter_receivers(&ref, timeout_ms, &found, &head);
	if (rc < 0)
		return rc;
	last = found;
	ref.queue->receive_seen_tail = atomic_load_explicit(&ref.queue->tail, memory_order_acquire);
	/* To the end of the segment: it may be left only once head has passed it. */
	end = atomic_load_explicit(&found.segment->end, memory_order_acquire);
	if (end > ref.queue->receive_seen_tail)
		end = ref.queue->receive_seen_tail;
	while (done < count && head + (uint64_t)done < end) {
		found.slot = slot_of(found.segment, head + (uint64_t)done);
		found.len = __atomic_load_n(&found.slot->len, __ATOMIC_RELAXED);
		found.payload = cvy_payload(found.segment, found.slot, found.len);
		if (!found.payload) {
			rc = cvy_queue_damaged(&ref);
			break;
		}
		if (found.len > messages[done].iov_len) {
			if (!done)
				rc = too_long(&ref, found.len, messages[done].iov_len);
			break;
		}
		cvy_copy(messages[done].iov_base, found.payload, found.len);
		messages[done].iov_len = found.len;
		last = found;
		done++;
	}
	if (done)
		cvy_take(ref.queue, head + (uint64_t)done, &last);
	cvy_receive_unlock(ref.queue);
	return done ? done : rc;
}
