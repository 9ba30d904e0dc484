/* SPDX-License-Identifier: MIT */
/* The receivers' side: entering it, waiting for a message, and the end of the stream. */
#include "channel/ready.h"
#include "channel/receive.h"

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
	cvy_sleeps_on(ref->id);
	rc = cvy_notify_wait(&news, until);
	cvy_sleeps_on(0);
	return rc < 0 && until == wait->deadline ? empty(ref, wait->timeout_ms) : 0;
}

int cvy_leave_segment(const struct queue_ref *ref, struct segment *segment)
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

int cvy_enter_receivers(const struct queue_ref *ref, int timeout_ms, struct found *found,
                        uint64_t *head)
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
			             : cvy_find(ref, *head, found);
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
