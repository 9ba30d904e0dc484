/* SPDX-License-Identifier: MIT */
/* The receivers' side: get, get_many, peek and release, and the end of the stream. */
#include "channel/ready.h"
#include "channel/ring.h"

#include <stdlib.h>
#include <string.h>

void (*_Atomic cvy_found_empty)(uint64_t id);

static int empty(const struct queue_ref *ref, int timeout_ms)
{
	void (*tell)(uint64_t) = atomic_load_explicit(&cvy_found_empty, memory_order_acquire);
	char title[CVY_TITLE];

	if (tell)
		tell(ref->id);
	return cvy_timed_out(timeout_ms, "%s: still empty", cvy_queue_title(title, ref));
}

/* Nothing is there. 0: look again; else the end, or out of time. */
static int wait_for_tail(const struct queue_ref *ref, uint64_t head, struct cvy_wait *wait)
{
	struct queue *q = ref->queue;
	struct cvy_proc *self = cvy_proc(cvy_self());
	uint32_t state = atomic_load(&q->state);
	struct cvy_news news = {.word = &q->empty_word,
	                        .watched = &q->empty_watched,
	                        .index = &q->tail,
	                        .seen = head,
	                        .other = &q->state,
	                        .other_seen = state};
	char title[CVY_TITLE];
	int64_t until;
	int rc;

	if (state != QUEUE_OPEN)
		cvy_notify_all(&q->full_word); /* see set_state in queue.c */
	if (state == QUEUE_DESTROYED)
		return cvy_stale(ref->id, ref->kind);
	if (state == QUEUE_CLOSED || (q->end_with_senders && cvy_users_ended(&q->senders))) {
		/* What was put before the end must be seen first. */
		if (atomic_load(&q->tail) != head)
			return 0;
		return cvy_fail(EPIPE, "%s: %s, and nothing is left in it",
		                cvy_queue_title(title, ref),
		                state == QUEUE_CLOSED ? "closed" : "its senders have ended");
	}
	if (wait->timeout_ms == 0)
		return empty(ref, 0);
	for (struct cvy_spin spin = CVY_SPIN(); cvy_spin(&spin);)
		if (atomic_load_explicit(&q->tail, memory_order_relaxed) != head)
			return 0;
	until = cvy_until(wait);
	if (q->end_with_senders && cvy_users_watch(&q->senders, &news.life))
		until = cvy_sooner(until, cvy_blind(&wait->slice, CVY_BLIND_SLICE));
	if (self)
		atomic_store_explicit(&self->waiting_for, ref->id, memory_order_relaxed);
	rc = cvy_notify_wait(&news, until);
	if (self)
		atomic_store_explicit(&self->waiting_for, 0, memory_order_relaxed);
	return rc < 0 && until == wait->deadline ? empty(ref, wait->timeout_ms) : 0;
}

/* Moves on from a segment whose messages are all taken, and frees it. */
static int leave_segment(const struct queue_ref *ref, struct segment *segment)
{
	struct queue *q = ref->queue;

	if (!cvy_segment_next(segment))
		return cvy_queue_damaged(ref);
	q->receive_leaving = q->receive_segment;
	atomic_signal_fence(memory_order_seq_cst);
	q->receive_segment = segment->next;
	cvy_region_free(&q->receive_leaving);
	return 0;
}

/* A message in its place. */
struct found {
	struct segment *segment;
	struct slot *slot;
	unsigned char *payload;
	uint64_t len; /* read once: another process may change it between check and use */
};

/* Message n, which is there: its slot and payload, checked. */
static inline int find(const struct queue_ref *ref, uint64_t n, struct found *found)
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
		rc = leave_segment(ref, segment);
		if (rc < 0)
			return rc;
	}
}

static inline void take(struct queue *q, uint64_t head, const struct found *last)
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

/* Sees what has come since the last look, when all that it saw is taken. */
static void look_at_tail(struct queue *q, uint64_t head, bool may_wait)
{
	int spins = may_wait ? cvy_spins() / 16 : 0;
	uint64_t tail;

	if (may_wait)
		cvy_pace(&q->receive_pace);
	while ((tail = atomic_load_explicit(&q->tail, memory_order_acquire)) == head && spins-- > 0)
		cvy_pause();
	q->receive_seen_tail = tail;
	if (may_wait)
		cvy_pace_learn(&q->receive_pace, tail - head, tail != head);
}

/* Enters the receivers' side with the first message found, waiting for one. */
static int enter(const struct queue_ref *ref, int timeout_ms, struct found *found, uint64_t *head)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	struct queue *q = ref->queue;
	int rc = cvy_receive_lock(ref, 0);

	if (__builtin_expect(rc == -ETIMEDOUT, 0)) {
		if (timeout_ms == 0 && atomic_load(&q->tail) == atomic_load(&q->head) &&
		    atomic_load(&q->state) == QUEUE_OPEN)
			return empty(ref, 0);
		rc = cvy_receive_lock(ref, timeout_ms ? cvy_until(&wait) : cvy_now() + CVY_MS);
		if (rc == -ETIMEDOUT)
			return empty(ref, timeout_ms);
	}
	if (rc < 0)
		return rc;
	for (;;) {
		*head = atomic_load_explicit(&q->head, memory_order_relaxed);
		if (q->receive_seen_tail == *head)
			look_at_tail(q, *head, timeout_ms != 0);
		if (__builtin_expect(q->receive_seen_tail != *head, 1)) {
			/* A queue being destroyed is at its end for those inside too. */
			rc = atomic_load_explicit(&q->state, memory_order_relaxed) ==
			                     QUEUE_DESTROYED
			             ? cvy_stale(ref->id, ref->kind)
			             : find(ref, *head, found);
			break;
		}
		rc = wait_for_tail(ref, *head, &wait);
		if (rc < 0)
			break;
	}
	if (__builtin_expect(q->counts != 0, 0) && rc == 0)
		rc = cvy_counts_enter(ref);
	if (rc < 0)
		cvy_receive_unlock(q);
	return rc;
}

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
	rc = enter(ref, timeout_ms, &found, &head);
	if (rc < 0)
		return rc;
	len = (int64_t)found.len;
	if (__builtin_expect((uint64_t)len > cap, 0)) {
		len = too_long(ref, found.len, cap);
	} else {
		cvy_copy(buf, found.payload, (uint64_t)len);
		take(ref->queue, head + 1, &found);
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
	rc = enter(ref, timeout_ms, &found, &head);
	if (rc < 0)
		return rc;
	if (__builtin_expect(found.len != size, 0)) {
		rc = cvy_fail(EMSGSIZE, "%s: the first message has %llu bytes, the object %zu",
		              cvy_queue_title(title, ref), (unsigned long long)found.len, size);
	} else {
		cvy_copy(object, found.payload, size);
		take(ref->queue, head + 1, &found);
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
	rc = enter(ref, timeout_ms, &found, &head);
	if (rc < 0)
		return rc;
	len = (int64_t)found.len;
	copy = malloc((size_t)len + 1);
	if (copy) {
		cvy_copy(copy, found.payload, (uint64_t)len);
		copy[len] = 0;
		*data = copy;
		take(ref->queue, head + 1, &found);
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
	int rc = enter(ref, timeout_ms, &found, &head);

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
	rc = enter(&ref, timeout_ms, &found, &head);
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
		take(ref.queue, head + (uint64_t)done, &last);
	cvy_receive_unlock(ref.queue);
	return done ? done : rc;
}

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
		rc = enter(&ref, timeout_ms, &found, &head);
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
	rc = find(&ref, head, &found);
	if (rc == 0)
		take(ref.queue, head + 1, &found);
	end_peek(&ref, message);
	return rc;
}

int covey_queue_keep(covey_message *message)
{
	struct queue_ref ref;
	int rc = peeked_by_us(message, &ref);

	return rc < 0 ? rc : end_peek(&ref, message);
}
