/* SPDX-License-Identifier: MIT */
/* The senders' side: room, put, put_many, reserve and commit. */
#include "channel/ring.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where all is got, a message of this size goes where the last ones went: that is in the cache. */
#define WARM_MIN UINT64_C(16384)

enum room { ROOM, NO_SLOT, NO_DATA, AT_BOUND };

static inline void see_head(struct queue *q)
{
	q->send_seen_head = atomic_load_explicit(&q->head, memory_order_acquire);
	q->send_seen_got = atomic_load_explicit(&q->got_bytes, memory_order_relaxed);
}

/* How far look_ahead() looks, in slots and in cache lines of payload; and of payloads how long. */
#define AHEAD 4u
#define AHEAD_MOST 1024u

/* Where a payload goes: see struct slot. */
struct spot {
	uint64_t pos;
	uint64_t place;
};

/*
 * Where message n of len bytes, before which sum bytes were put, can go in the
 * last segment, as far as the receivers were seen.
 */
static inline enum room look(struct queue *q, struct segment *segment, uint64_t n, uint64_t len,
                             uint64_t sum, struct spot *spot)
{
	uint64_t head = q->send_seen_head, oldest, bytes;

	if (q->max_messages && n - head >= q->max_messages)
		return AT_BOUND;
	if (q->max_bytes && sum + len > q->max_bytes + q->send_seen_got)
		return AT_BOUND;
	if (head < segment->first)
		head = segment->first;
	if (n - head >= segment->slots || (segment->slots == 1 && n != segment->first))
		return NO_SLOT;
	*spot = (struct spot){q->send_pos, q->send_place};
	if (len <= INLINE_MAX)
		return ROOM;
	bytes = round_up(len, PAYLOAD_ALIGN);
	if (bytes > segment->data_size)
		return NO_DATA;
	if (bytes > segment->data_size - spot->place ||
	    (bytes >= WARM_MIN && spot->place && head == n)) {
		spot->pos += segment->data_size - spot->place;
		spot->place = 0;
	}
	oldest = head < n ? slot_of(segment, head)->pos : spot->pos;
	return spot->pos + bytes - oldest <= segment->data_size ? ROOM : NO_DATA;
}

static int check_len(const struct queue_ref *ref, uint64_t len)
{
	const struct queue *q = ref->queue;
	char title[CVY_TITLE];

	if (q->max_message && len > q->max_message)
		return cvy_fail(EMSGSIZE, "%s: message of %llu bytes is over max_message %llu",
		                cvy_queue_title(title, ref), (unsigned long long)len,
		                (unsigned long long)q->max_message);
	if (q->max_bytes && len > q->max_bytes)
		return cvy_fail(EMSGSIZE, "%s: message of %llu bytes is over max_bytes %llu",
		                cvy_queue_title(title, ref), (unsigned long long)len,
		                (unsigned long long)q->max_bytes);
	return 0;
}

static int refuse(const struct queue_ref *ref, uint32_t state)
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

/* Waits while the receivers are where they were seen; 0 to look again. */
static int wait_for_head(const struct queue_ref *ref, struct cvy_wait *wait)
{
	struct queue *q = ref->queue;
	struct cvy_proc *self = cvy_proc(cvy_self());
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
	if (self)
		atomic_store_explicit(&self->waiting_for, ref->id, memory_order_relaxed);
	rc = cvy_notify_wait(&news, until);
	if (self)
		atomic_store_explicit(&self->waiting_for, 0, memory_order_relaxed);
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

/*
 * Makes room for message n of len bytes, waiting while the queue is at its bound.
 * With the lock held. 0 and *segment, *spot; or an error.
 */
static int make_room(const struct queue_ref *ref, uint64_t n, uint64_t len, struct cvy_wait *wait,
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
			return refuse(ref, state);
		*segment = cvy_segment(q->send_segment);
		if (!*segment)
			return cvy_queue_damaged(ref);
		if (__builtin_expect(len >= WARM_MIN, 0))
			see_head(q);
		room = look(q, *segment, n, len, sum, spot);
		if (__builtin_expect(room == ROOM, 1))
			return 0;
		look_at_head(q, room == AT_BOUND && wait->timeout_ms != 0);
		room = look(q, *segment, n, len, sum, spot);
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

/* Moves on the place where the next payload may begin, past one of len bytes at spot. */
static inline void pass(struct queue *q, const struct segment *segment, const struct spot *spot,
                        uint64_t len)
{
	uint64_t bytes = round_up(len, PAYLOAD_ALIGN);

	if (spot->place == IN_SLOT)
		return;
	q->send_pos = spot->pos + bytes;
	q->send_place = spot->place + bytes;
	if (q->send_place == segment->data_size)
		q->send_place = 0;
}

/* Writes the slot of message n; its payload goes where cvy_payload says. */
static inline struct slot *fill_slot(struct segment *segment, uint64_t n, uint64_t len,
                                     struct spot *spot, uint64_t sum)
{
	struct slot *slot = slot_of(segment, n);

	if (len <= INLINE_MAX)
		spot->place = IN_SLOT;
	slot->len = len;
	slot->sum = sum;
	slot->pos = spot->pos;
	slot->place = spot->place;
	return slot;
}

/*
 * Fetches the lines that will be written a few messages later, as it seems: the receivers' cores
 * have them. Each message waits for its own before it is published.
 */
static inline void look_ahead(const struct queue *q, struct segment *segment, uint64_t n,
                              uint64_t len, const struct spot *spot)
{
	uint64_t bytes = round_up(len, PAYLOAD_ALIGN), at;

	if (n + AHEAD - q->send_seen_head >= segment->slots) /* those may still be read */
		return;
	cvy_prefetch_write(slot_of(segment, n + AHEAD));
	if (len <= INLINE_MAX || bytes > AHEAD_MOST)
		return;
	at = spot->place + bytes + AHEAD * PAYLOAD_ALIGN;
	if (at + bytes <= segment->data_size)
		for (uint64_t i = 0; i < bytes; i += 64)
			cvy_prefetch_write(cvy_base + segment->data + at + i);
}

static inline void publish(struct queue *q, uint64_t tail, uint64_t sum)
{
	/* The sum last: a death before it leaves too little, which the next sender mends. */
	cvy_notify_publish_watched(&q->empty_word, &q->empty_watched, &q->tail, tail);
	atomic_store_explicit(&q->put_bytes, sum, memory_order_relaxed);
}

/* Enters the senders' side: the length, the lock. */
static inline int enter(const struct queue_ref *ref, uint64_t len, struct cvy_wait *wait)
{
	int rc = check_len(ref, len);

	if (rc < 0)
		return rc;
	rc = cvy_send_lock(ref, 0);
	if (__builtin_expect(rc == -ETIMEDOUT, 0)) {
		/* Another sender is at it: briefly, unless the queue is full. */
		rc = cvy_send_lock(ref, wait->timeout_ms ? cvy_until(wait) : cvy_now() + CVY_MS);
		if (rc == -ETIMEDOUT)
			return full(ref, wait->timeout_ms);
	}
	if (rc < 0)
		return rc;
	if (__builtin_expect(ref->queue->end_with_senders != 0, 0)) {
		rc = cvy_senders_note(ref->queue, ref);
		if (rc < 0)
			cvy_send_unlock(ref->queue);
	}
	return rc;
}

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
	rc = enter(ref, len, &wait);
	if (rc < 0)
		return rc;
	n = atomic_load_explicit(&ref->queue->tail, memory_order_relaxed);
	rc = make_room(ref, n, len, &wait, &segment, &spot);
	if (__builtin_expect(rc == 0, 1)) {
		sum = atomic_load_explicit(&ref->queue->put_bytes, memory_order_relaxed) + len;
		slot = fill_slot(segment, n, len, &spot, sum);
		to = cvy_payload(segment, slot, len);
		if (__builtin_expect(to != NULL, 1)) {
			pass(ref->queue, segment, &spot, len);
			if (CVY_BROKEN == CVY_PUBLISH_FIRST)
				publish(ref->queue, n + 1, sum);
			look_ahead(ref->queue, segment, n, len, &spot);
			cvy_copy(to, data, len);
			publish(ref->queue, n + 1,
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

		if (look(q, segment, n, len, sum, &spot) != ROOM)
			break;
		sum += len;
		slot = fill_slot(segment, n++, len, &spot, sum);
		to = cvy_payload(segment, slot, len);
		if (!to)
			return cvy_queue_damaged(ref);
		pass(q, segment, &spot, len);
		cvy_copy(to, messages[done].iov_base, len);
	}
	if (done)
		publish(q, n, sum);
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
	rc = enter(&ref, messages[0].iov_len, &wait);
	if (rc < 0)
		return rc;
	while (done < count) {
		if (done && check_len(&ref, messages[done].iov_len) < 0)
			break;
		rc = make_room(&ref, atomic_load_explicit(&ref.queue->tail, memory_order_relaxed),
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

int covey_queue_reserve(covey_queue handle, size_t len, covey_message *message, int timeout_ms)
{
	struct queue_ref ref;
	struct segment *segment;
	struct spot spot;
	uint64_t n;
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	void *data;
	int rc;

	rc = cvy_queue_ref(handle.id, CVY_QUEUE, &ref);
	if (rc == 0)
		rc = enter(&ref, len, &wait);
	if (rc < 0)
		return rc;
	n = atomic_load_explicit(&ref.queue->tail, memory_order_relaxed);
	rc = make_room(&ref, n, len, &wait, &segment, &spot);
	if (rc == 0) {
		data = cvy_payload(segment, fill_slot(segment, n, len, &spot, 0), len);
		if (!data)
			rc = cvy_queue_damaged(&ref);
		look_ahead(ref.queue, segment, n, len, &spot);
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
		return segment ? refuse(&ref, state) : cvy_queue_damaged(&ref);
	}
	n = atomic_load_explicit(&q->tail, memory_order_relaxed);
	slot = slot_of(segment, n);
	sum = atomic_load_explicit(&q->put_bytes, memory_order_relaxed) + message->len;
	slot->len = message->len;
	slot->sum = sum;
	pass(q, segment, &(struct spot){slot->pos, slot->place}, message->len);
	publish(q, n + 1, sum);
	return end_reserve(&ref, message);
}

int covey_queue_abandon(covey_message *message)
{
	struct queue_ref ref;
	int rc = reserved_by_us(message, &ref);

	return rc < 0 ? rc : end_reserve(&ref, message);
}
