/* SPDX-License-Identifier: MIT */
/* The senders' side: entering it, and waiting for room. */
#include "channel/send.h"

int cvy_len_refused(const struct queue_ref *ref, uint64_t len)
{
	const struct queue *q = ref->queue;
	bool message = q->max_message && len > q->max_message;
	char title[CVY_TITLE];

	return cvy_fail(EMSGSIZE, "%s: message of %llu bytes is over %s %llu",
	                cvy_queue_title(title, ref), (unsigned long long)len,
	                message ? "max_message" : "max_bytes",
	                (unsigned long long)(message ? q->max_message : q->max_bytes));
}

int cvy_put_refused(const struct queue_ref *ref, uint32_t state)
{
	char title[CVY_TITLE];

	cvy_notify_all(&ref->queue->empty_word); /* see set_state in queue.c */
	if (state != QUEUE_CLOSED)
		return cvy_stale(ref->id, ref->kind);
	return cvy_fail(EPIPE, "%s: closed to new messages", cvy_queue_title(title, ref));
}

static int nobody_receives(const struct queue_ref *ref)
{
	char title[CVY_TITLE];

	return cvy_fail(EPIPE, "%s: all who used its other end have ended",
	                cvy_queue_title(title, ref));
}

static int full(const struct queue_ref *ref, int timeout_ms)
{
	char title[CVY_TITLE];
	struct queue *q = ref->queue;

	return cvy_timed_out(
		timeout_ms, "%s: still full (%llu messages, %llu bytes)",
		cvy_queue_title(title, ref),
		(unsigned long long)(atomic_load(&q->tail) - atomic_load(&q->head)),
		(unsigned long long)(atomic_load(&q->put_bytes) - atomic_load(&q->got_bytes)));
}

int cvy_await_senders(const struct queue_ref *ref, struct cvy_wait *wait)
{
	/* Another sender is at it: briefly, unless the queue is full. */
	int rc = cvy_send_lock(ref, wait->timeout_ms ? cvy_until(wait) : cvy_now() + CVY_MS);

	return rc == -ETIMEDOUT ? full(ref, wait->timeout_ms) : rc;
}

static inline void see_head(struct queue *q)
{
	q->send_seen_head = atomic_load_explicit(&q->head, memory_order_acquire);
	q->send_seen_got = atomic_load_explicit(&q->got_bytes, memory_order_relaxed);
}

/* Waits while the receivers are where they were seen; 0 to look again. */
static int wait_for_head(const struct queue_ref *ref, struct cvy_wait *wait)
{
	struct queue *q = ref->queue;
	struct cvy_news news = {.word = &q->full_word,
	                        .watched = &q->full_watched,
	                        .index = &q->head,
	                        .seen = q->send_seen_head,
	                        .other = &q->state,
	                        .other_seen = QUEUE_OPEN};
	int64_t until;
	int rc;

	if (ref->receivers && cvy_users_ended(ref->receivers))
		return nobody_receives(ref);
	if (wait->timeout_ms == 0)
		return full(ref, 0);
	for (struct cvy_spin spin = CVY_SPIN(); cvy_spin(&spin);)
		if (atomic_load_explicit(&q->head, memory_order_relaxed) != q->send_seen_head)
			return 0;
	until = cvy_until(wait);
	/* The death of the very first that comes wakes who receives, not who sends. */
	if (ref->receivers &&
	    (cvy_users_watch(ref->receivers, &news.life) || !atomic_load(&ref->receivers->latest)))
		until = cvy_sooner(until, cvy_blind(&wait->slice, CVY_BLIND_SLICE));
	cvy_sleeps_on(ref->id);
	rc = cvy_notify_wait(&news, until);
	cvy_sleeps_on(0);
	if (rc < 0 && until == wait->deadline)
		return full(ref, wait->timeout_ms);
	/* It is woken for the first place; soon after there are more, and no need to sleep again.
	 */
	for (int i = cvy_spins() / 16; i > 0; i--)
		cvy_pause();
	return 0;
}

/* Sees what has been got since the last look, when there is no room as far as it saw. */
static void look_at_head(struct queue *q, bool may_wait)
{
	uint64_t before = q->send_seen_head;
	int spins = may_wait ? cvy_spins() / 16 : 0;

	if (may_wait)
		cvy_pace(&q->send_pace);
	for (;;) {
		see_head(q);
		if (q->send_seen_head != before || spins-- <= 0)
			break;
		cvy_pause();
	}
	if (may_wait)
		cvy_pace_learn(&q->send_pace, q->send_seen_head - before,
		               q->send_seen_head != before);
}

int cvy_make_room(const struct queue_ref *ref, uint64_t n, uint64_t len, struct cvy_wait *wait,
                  struct segment **segment, struct spot *spot)
{
	struct queue *q = ref->queue;
	uint64_t sum = atomic_load_explicit(&q->put_bytes, memory_order_relaxed);
	char title[CVY_TITLE];

	for (;;) {
		uint32_t state = atomic_load_explicit(&q->state, memory_order_relaxed);
		enum room room;
		int rc;

		if (__builtin_expect(state != QUEUE_OPEN, 0))
			return cvy_put_refused(ref, state);
		*segment = cvy_segment(q->send_segment);
		if (!*segment)
			return cvy_queue_damaged(ref);
		if (__builtin_expect(len >= WARM_MIN, 0))
			see_head(q);
		room = cvy_look(q, *segment, n, len, sum, spot);
		if (__builtin_expect(room == ROOM, 1))
			return 0;
		look_at_head(q, room == AT_BOUND && wait->timeout_ms != 0);
		room = cvy_look(q, *segment, n, len, sum, spot);
		if (room == ROOM)
			return 0;
		if (room == AT_BOUND) {
			rc = wait_for_head(ref, wait);
			if (rc < 0)
				return rc;
			continue;
		}
		rc = cvy_segment_grow(q, len, room == NO_SLOT, room == NO_DATA);
		if (rc == -ENOMEM) {
			cvy_fail_in("%s: message of %llu bytes: ", cvy_queue_title(title, ref),
			            (unsigned long long)len);
			return rc;
		}
		if (rc < 0)
			return cvy_queue_damaged(ref);
	}
}
