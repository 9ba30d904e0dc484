/* SPDX-License-Identifier: MIT */
/* Queues: creating, closing, destroying, asking. */
#include "channel/ring.h"

#include <string.h>

static int init(struct cvy_object *object, const void *context)
{
	return cvy_queue_init(object, context);
}

static const struct cvy_kind_ops ops = {.kind = CVY_QUEUE, .init = init, .clear = cvy_queue_clear};

static struct queue *block_of(struct cvy_object *object)
{
	uint64_t at = object->region;

	return cvy_block_at(at) ? (struct queue *)(cvy_base + at) : NULL;
}

void cvy_queue_clear(struct cvy_object *object)
{
	struct queue *q = block_of(object);

	if (q && object->made && q->ready == QUEUE_READY)
		cvy_segments_free(q);
}

/* Leaves a lock of the block free, whoever died with it. */
static void settle(pthread_mutex_t *mutex)
{
	int rc = cvy_mutex_lock(mutex, 0);

	if (rc == 1)
		cvy_mutex_mended(mutex);
	if (rc >= 0)
		cvy_mutex_unlock(mutex);
}

int cvy_queue_init(struct cvy_object *object, const covey_queue_opts *opts)
{
	struct queue *q = cvy_object_block(object, sizeof *q);
	int rc;

	if (!q)
		return covey_errcode();
	if (q->ready != QUEUE_READY) {
		rc = cvy_mutex_init(&q->send_lock);
		if (rc == 0)
			rc = cvy_mutex_init(&q->receive_lock);
		if (rc < 0)
			return cvy_fail(-rc, "queue: a mutex: %s", covey_strerror(rc));
		q->ready = QUEUE_READY;
	}
	settle(&q->send_lock);
	settle(&q->receive_lock);
	cvy_segments_free(q);
	q->max_messages = opts->max_messages;
	q->max_bytes = opts->max_bytes;
	q->max_message = opts->max_message;
	q->end_with_senders = opts->end_with_senders != 0;
	q->send_pos = q->send_place = q->send_seen_head = q->send_seen_got = q->send_reserved = 0;
	q->receive_seen_tail = q->receive_peeking = 0;
	atomic_store(&q->tail, 0);
	atomic_store(&q->put_bytes, 0);
	atomic_store(&q->head, 0);
	atomic_store(&q->got_bytes, 0);
	atomic_store(&q->empty_word, 0);
	atomic_store(&q->full_word, 0);
	atomic_store(&q->empty_watched, 0);
	atomic_store(&q->full_watched, 0);
	memset(&q->senders, 0, sizeof q->senders);
	rc = cvy_counts_init(q, opts->counted != 0);
	if (rc == 0)
		rc = cvy_segment_first(q);
	if (rc < 0)
		return rc;
	atomic_store(&q->state, QUEUE_OPEN);
	return 0;
}

int covey_queue_create_v(covey_queue *handle, const covey_queue_opts *given, size_t size)
{
	covey_queue_opts opts;
	int rc = cvy_options(&opts, sizeof opts, given, size, "queue");

	if (rc < 0)
		return rc;
	if (!handle)
		return cvy_fail(EINVAL, "queue: no place for the handle was given");
	if (opts.max_bytes && opts.max_message > opts.max_bytes)
		return cvy_fail(EINVAL, "queue: max_message %llu is over max_bytes %llu",
		                (unsigned long long)opts.max_message,
		                (unsigned long long)opts.max_bytes);
	return cvy_object_create(&ops, opts.name, &opts, &handle->id);
}

int cvy_queue_ref(uint64_t id, enum cvy_kind kind, struct queue_ref *ref)
{
	ref->object = cvy_object(id, kind);
	ref->queue = NULL;
	ref->id = id;
	ref->kind = kind;
	ref->receivers = NULL;
	if (__builtin_expect(!ref->object, 0)) {
		cvy_stale(id, kind);
		return -EBADF;
	}
	ref->queue = block_of(ref->object);
	if (__builtin_expect(ref->queue && ref->queue->ready == QUEUE_READY, 1))
		return 0;
	cvy_queue_damaged(ref);
	return -EBADMSG;
}

const char *cvy_queue_title(char to[CVY_TITLE], const struct queue_ref *ref)
{
	return cvy_title(to, ref->object, ref->kind);
}

int cvy_queue_damaged(const struct queue_ref *ref)
{
	char title[CVY_TITLE];

	return cvy_fail(EBADMSG, "%s: its memory is damaged", cvy_queue_title(title, ref));
}

/*
 * Raises the state and wakes whoever waits. A queue is not full and empty at
 * once, so sleepers are at one of the words; should they be at both, those who
 * find the state changed wake the others.
 */
static void set_state(struct queue *q, uint32_t state)
{
	bool full = atomic_load(&q->full_word) != 0;

	cvy_notify_state(full ? &q->full_word : &q->empty_word, &q->state, state);
	cvy_notify_all(full ? &q->empty_word : &q->full_word);
}

void cvy_queue_close(const struct queue_ref *ref)
{
	set_state(ref->queue, QUEUE_CLOSED);
}

int covey_queue_close(covey_queue handle)
{
	struct queue_ref ref;
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);

	if (rc < 0)
		return rc;
	cvy_queue_close(&ref);
	return 0;
}

/* Whether a side is held for as long as a user likes. */
static int held_by_user(const struct queue_ref *ref)
{
	struct queue *q = ref->queue;
	char title[CVY_TITLE];
	int sending = 0, receiving = 0;

	if (q->send_reserved) {
		sending = cvy_send_lock(ref, 0);
		if (sending == 0)
			cvy_send_unlock(q); /* its holder died, and that is mended now */
	}
	if (q->receive_peeking) {
		receiving = cvy_receive_lock(ref, 0);
		if (receiving == 0)
			cvy_receive_unlock(q);
	}
	if (sending < 0 || receiving < 0)
		return cvy_fail(EBUSY, "%s: not destroyed, since a thread has %s a message in it",
		                cvy_queue_title(title, ref), sending < 0 ? "reserved" : "peeked");
	return 0;
}

int cvy_queue_end(const struct queue_ref *ref, const struct cvy_kind_ops *kind_ops)
{
	struct queue *q = ref->queue;
	int rc;

	/* Whoever waits inside leaves now, and whoever comes finds it so. */
	set_state(q, QUEUE_DESTROYED);
	cvy_counts_end(q);
	rc = cvy_send_lock(ref, CVY_NEVER);
	if (rc < 0)
		return rc;
	rc = cvy_receive_lock(ref, CVY_NEVER);
	if (rc < 0) {
		cvy_send_unlock(q);
		return rc;
	}
	if (cvy_object_is(ref->object, ref->id, ref->kind))
		cvy_object_retire(kind_ops, ref->object);
	else
		rc = cvy_stale(ref->id, ref->kind);
	cvy_receive_unlock(q);
	cvy_send_unlock(q);
	return rc;
}

int covey_queue_destroy(covey_queue handle)
{
	struct queue_ref ref;
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);

	if (rc == 0)
		rc = held_by_user(&ref);
	return rc < 0 ? rc : cvy_queue_end(&ref, &ops);
}

int64_t covey_queue_size(covey_queue handle)
{
	struct queue_ref ref;
	uint64_t head;
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);

	if (rc < 0)
		return rc;
	head = atomic_load(&ref.queue->head); /* first: tail is never behind it */
	return (int64_t)(atomic_load(&ref.queue->tail) - head);
}

int64_t covey_queue_bytes(covey_queue handle)
{
	struct queue_ref ref;
	uint64_t got, put;
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);

	if (rc < 0)
		return rc;
	got = atomic_load(&ref.queue->got_bytes);
	put = atomic_load(&ref.queue->put_bytes);
	return put > got ? (int64_t)(put - got) : 0;
}
