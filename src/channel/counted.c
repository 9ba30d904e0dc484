/* SPDX-License-Identifier: MIT */
/*
 * Counted queues: which process has got how many messages that it has not
 * marked done. A message counts as got by its receiver before head passes it,
 * so whoever sees nothing in the queue sees all of them with their receivers.
 * A receiver that dies in between has got one too many, which the next one
 * mends by the note; and until head passes that message, nobody believes the
 * counts.
 */
#include "channel/ring.h"

#include <linux/futex.h>

#include <limits.h>
#include <string.h>

static struct counts *counts_of(const struct queue *q)
{
	uint64_t at = __atomic_load_n(&q->counts, __ATOMIC_RELAXED);

	return cvy_block_at(at) >= sizeof(struct counts) ? (struct counts *)(void *)(cvy_base + at)
	                                                 : NULL;
}

int cvy_counts_init(struct queue *q, bool counted)
{
	int rc;

	q->counts = 0;
	memset(&q->receive_taking, 0, sizeof q->receive_taking);
	if (!counted)
		return 0;
	if (!q->counts_region) {
		rc = cvy_region_alloc(&q->counts_region, sizeof(struct counts));
		if (rc < 0)
			return rc;
	}
	q->counts = q->counts_region;
	if (!counts_of(q))
		return cvy_fail(EBADMSG, "queue: its memory is damaged");
	memset(counts_of(q), 0, sizeof(struct counts));
	return 0;
}

int cvy_counts_enter(const struct queue_ref *ref)
{
	struct counts *counts = counts_of(ref->queue);
	uint64_t user = cvy_user_self();
	struct taker *free = NULL;
	char title[CVY_TITLE];

	if (!counts || !user)
		return counts ? covey_errcode() : cvy_queue_damaged(ref);
	for (uint32_t i = 0; i < TAKERS_MAX; i++) {
		struct taker *taker = &counts->taker[((uint32_t)user + i) % TAKERS_MAX];
		uint64_t seen = atomic_load_explicit(&taker->user, memory_order_relaxed);

		if (seen == user || !seen) {
			free = taker;
			break;
		}
	}
	for (uint32_t i = 0; i < TAKERS_MAX && !free; i++)
		if (!cvy_user_alive(atomic_load(&counts->taker[i].user)))
			free = &counts->taker[i];
	if (!free)
		return cvy_fail(ENOSPC,
		                "%s: %u processes get from it, which is as many as can be "
		                "counted",
		                cvy_queue_title(title, ref), TAKERS_MAX);
	if (atomic_load(&free->user) != user) {
		atomic_store(&free->lost, atomic_load(&free->got) - atomic_load(&free->done));
		atomic_store(&free->user, user);
	}
	ref->queue->receive_taking.taker = (uint32_t)(free - counts->taker) + 1;
	return 0;
}

void cvy_counts_take(struct queue *q, uint64_t head)
{
	struct counts *counts = counts_of(q);
	struct taking *taking = &q->receive_taking;
	struct taker *taker;
	uint32_t which;
	uint64_t n = head - atomic_load_explicit(&q->head, memory_order_relaxed);

	which = __atomic_load_n(&taking->taker, __ATOMIC_RELAXED);
	if (!counts || which - 1 >= TAKERS_MAX)
		return;
	taker = &counts->taker[which - 1];
	taking->head = head;
	taking->got = atomic_load(&taker->got);
	CVY_ORDERED();
	taking->noted = which;
	CVY_ORDERED();
	atomic_store(&taker->got, taking->got + n);
}

void cvy_counts_mend(struct queue *q)
{
	struct counts *counts = counts_of(q);
	struct taking *taking = &q->receive_taking;

	if (counts && taking->noted - 1 < TAKERS_MAX && atomic_load(&q->head) != taking->head)
		atomic_store(&counts->taker[taking->noted - 1].got, taking->got);
	CVY_ORDERED();
	taking->noted = 0;
}

void cvy_counts_end(const struct queue *q)
{
	struct counts *counts = counts_of(q);

	if (counts)
		cvy_notify_all(&counts->word);
}

static int refer(covey_queue handle, struct queue_ref *ref, struct counts **counts)
{
	char title[CVY_TITLE];
	int rc = cvy_queue_ref(handle.id, CVY_QUEUE, ref);

	if (rc < 0)
		return rc;
	if (!ref->queue->counts) {
		cvy_fail(EINVAL, "%s: it was made without .counted", cvy_queue_title(title, ref));
		return -EINVAL;
	}
	*counts = counts_of(ref->queue);
	if (*counts)
		return 0;
	cvy_queue_damaged(ref);
	return -EBADMSG;
}

/* Whether one of its messages could be marked. */
static bool mark(struct taker *taker)
{
	uint64_t done = atomic_load(&taker->done);

	do {
		if (atomic_load(&taker->got) - done <= atomic_load(&taker->lost))
			return false;
	} while (!atomic_compare_exchange_weak(&taker->done, &done, done + 1));
	return true;
}

int covey_queue_task_done(covey_queue handle)
{
	struct robust_list *outer;
	struct queue_ref ref;
	struct counts *counts;
	char title[CVY_TITLE];
	uint64_t user;
	bool marked = false;
	int rc = refer(handle, &ref, &counts);

	if (rc < 0)
		return rc;
	user = cvy_user_self();
	/* From here on our death wakes one who joins, who looks and wakes the others. */
	outer = cvy_pending_set(&counts->word);
	for (uint32_t i = 0; i < TAKERS_MAX && user && !marked; i++) {
		struct taker *taker = &counts->taker[((uint32_t)user + i) % TAKERS_MAX];

		if (atomic_load_explicit(&taker->user, memory_order_relaxed) == user)
			marked = mark(taker);
	}
	atomic_fetch_add(&counts->marks, 1);
	cvy_notify_all(&counts->word);
	cvy_pending_restore(outer);
	if (marked)
		return 0;
	return cvy_fail(EINVAL, "%s: this process has got no message that it has not marked done",
	                cvy_queue_title(title, &ref));
}

/*
 * What is not done yet, how many are lost by the dead, and one who lives and has some to
 * mark, 0 for none. Where messages came or went meanwhile it is at least 1, for then there
 * is more to look at.
 */
static uint64_t unfinished(struct queue *q, struct counts *counts, uint64_t *lost, uint64_t *user)
{
	uint64_t head = atomic_load(&q->head), tail = atomic_load(&q->tail), left = tail - head;

	*lost = *user = 0;
	for (uint32_t i = 0; i < TAKERS_MAX; i++) {
		struct taker *taker = &counts->taker[i];
		uint64_t of = atomic_load(&taker->user);
		uint64_t before = atomic_load(&taker->lost);
		uint64_t open = atomic_load(&taker->got) - atomic_load(&taker->done);

		if (!open)
			continue;
		if (!cvy_user_alive(of))
			before = open;
		else if (open > before)
			*user = of;
		*lost += before;
		left += open - before;
	}
	if (left == 0 && (atomic_load(&q->head) != head || atomic_load(&q->tail) != tail))
		left = 1;
	return left;
}

static int64_t wait_for_marks(const struct queue_ref *ref, struct counts *counts,
                              struct cvy_wait *wait)
{
	char title[CVY_TITLE];

	for (;;) {
		uint32_t state = atomic_load(&ref->queue->state);
		uint64_t marks = atomic_load(&counts->marks), lost, user;
		uint64_t left = unfinished(ref->queue, counts, &lost, &user);
		struct cvy_news news = {.word = &counts->word,
		                        .index = &counts->marks,
		                        .seen = marks,
		                        .other = &ref->queue->state,
		                        .other_seen = state};
		int64_t until;

		if (!cvy_object_is(ref->object, ref->id, CVY_QUEUE) || state == QUEUE_DESTROYED)
			return cvy_stale(ref->id, CVY_QUEUE);
		if (left == 0)
			return (int64_t)lost;
		if (wait->timeout_ms == 0 || cvy_now() >= cvy_until(wait))
			return cvy_timed_out(wait->timeout_ms, "%s: %llu messages are not done",
			                     cvy_queue_title(title, ref), (unsigned long long)left);
		until = wait->deadline;
		/* Whoever has some marks them or dies; where nobody has, a get tells nobody. */
		if (!user || cvy_user_watch(user, &news.life))
			until = cvy_sooner(until, cvy_blind(&wait->slice, CVY_BLIND_SLICE));
		cvy_notify_wait(&news, until);
	}
}

int64_t covey_queue_join(covey_queue handle, int timeout_ms)
{
	struct robust_list *outer;
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	struct queue_ref ref;
	struct counts *counts;
	int64_t rc = refer(handle, &ref, &counts);

	if (rc < 0)
		return rc;
	/* We may be the one of those who join that the kernel wakes: our death wakes another. */
	outer = cvy_pending_set(&counts->word);
	rc = wait_for_marks(&ref, counts, &wait);
	if (timeout_ms != 0)
		cvy_futex_wake(&counts->word, INT_MAX);
	cvy_pending_restore(outer);
	return rc;
}
