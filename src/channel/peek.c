/* SPDX-License-Identifier: MIT */
/* The receivers' side: in place, by peek and release. */
#include "channel/receive.h"

int covey_queue_peek(covey_queue handle, covey_message *message, int timeout_ms)
{
	struct queue_ref ref;
	struct found found;
	uint64_t head;
	int rc;

	if (!message)
		return cvy_fail(EINVAL, "queue: no place for the message was given");
	rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);
	if (rc == 0)
		rc = cvy_enter_receivers(&ref, timeout_ms, &found, &head);
	if (rc < 0)
		return rc;
	ref.queue->receive_peeking = 1;
	*message = (covey_message){.data = found.payload, .len = found.len, .id = handle.id};
	return 0; /* with the lock held: release and keep give it back */
}

static int peeked_by_us(covey_message *message, struct queue_ref *ref)
{
	char title[CVY_TITLE];
	int rc;

	if (!message || !message->id)
		return cvy_fail(EINVAL, "queue: nothing is peeked");
	rc = cvy_queue_ref(message->id, CVY_QUEUE, ref);
	if (rc < 0)
		return rc;
	rc = cvy_mutex_lock(&ref->queue->receive_lock, 0);
	if (rc == -EDEADLK && ref->queue->receive_peeking)
		return 0;
	if (rc == 1)
		cvy_mutex_mended(&ref->queue->receive_lock);
	if (rc >= 0)
		cvy_receive_unlock(ref->queue);
	return cvy_fail(EINVAL, "%s: this thread is not peeking into it",
	                cvy_queue_title(title, ref));
}

static int end_peek(const struct queue_ref *ref, covey_message *message)
{
	ref->queue->receive_peeking = 0;
	message->data = NULL;
	message->id = 0;
	cvy_receive_unlock(ref->queue);
	return 0;
}

int covey_queue_release(covey_message *message)
{
	struct queue_ref ref;
	struct found found = {0};
	uint64_t head;
	int rc = peeked_by_us(message, &ref);

	if (rc < 0)
		return rc;
	head = atomic_load_explicit(&ref.queue->head, memory_order_relaxed);
	rc = cvy_find(&ref, head, &found);
	if (rc == 0)
		cvy_take(ref.queue, head + 1, &found);
	end_peek(&ref, message);
	return rc;
}

int covey_queue_keep(covey_message *message)
{
	struct queue_ref ref;
	int rc = peeked_by_us(message, &ref);

	return rc < 0 ? rc : end_peek(&ref, message);
}
