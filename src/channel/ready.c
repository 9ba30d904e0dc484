/* SPDX-License-Identifier: MIT */
#include "channel/ready.h"

#include <limits.h>

#include "channel/ring.h"

static int refer(const struct cvy_side *side, struct queue_ref *ref)
{
	return side->kind == CVY_PIPE ? cvy_pipe_side(side->id, side->sends, ref)
	                              : cvy_queue_ref(side->id, side->kind, ref);
}

static bool can_receive(struct queue *q)
{
	return atomic_load(&q->tail) != atomic_load(&q->head) ||
	       atomic_load(&q->state) != QUEUE_OPEN ||
	       (q->end_with_senders && cvy_users_ended(&q->senders));
}

static bool can_send(const struct queue_ref *ref)
{
	struct queue *q = ref->queue;
	uint64_t head = atomic_load(&q->head), got = atomic_load(&q->got_bytes);

	if (atomic_load(&q->state) != QUEUE_OPEN)
		return true;
	if (ref->receivers && cvy_users_ended(ref->receivers))
		return true;
	if (q->max_messages && atomic_load(&q->tail) - head >= q->max_messages)
		return false;
	return !q->max_bytes || atomic_load(&q->put_bytes) < q->max_bytes + got;
}

static int look(const struct cvy_side *side, const struct queue_ref *ref)
{
	bool live = cvy_object_is(ref->object, ref->id, ref->kind);

	/* Its destroyer wakes us before the handle is stale: the same answer before as after. */
	if (side->kind == CVY_QUEUE &&
	    (!live || atomic_load(&ref->queue->state) == QUEUE_DESTROYED))
		return cvy_stale(side->id, CVY_QUEUE);
	/* An object that is gone is news as well, and the call will tell. */
	if (!live)
		return 1;
	return side->sends ? can_send(ref) : can_receive(ref->queue);
}

int cvy_side_ready(const struct cvy_side *side)
{
	struct queue_ref ref;
	int rc = refer(side, &ref);

	return rc != 0 ? rc : look(side, &ref);
}

int cvy_side_arm(const struct cvy_side *side, struct cvy_sleep *sleep)
{
	struct queue_ref ref;
	struct users *users;
	struct queue *q;
	int rc = refer(side, &ref);

	if (rc != 0)
		return rc;
	q = ref.queue;
	users = side->sends ? ref.receivers : q->end_with_senders ? &q->senders : NULL;
	*sleep = (struct cvy_sleep){.word = side->sends ? &q->full_word : &q->empty_word};
	/* As in send.c. */
	sleep->blind = users && (cvy_users_watch(users, &sleep->life) ||
	                         (side->sends && !atomic_load(&users->latest)));
	atomic_store(side->sends ? &q->full_watched : &q->empty_watched, 1);
	sleep->value = cvy_notify_arm(sleep->word);
	return look(side, &ref);
}

void cvy_side_pass_on(const struct cvy_side *side)
{
	struct queue_ref ref;

	if (refer(side, &ref) != 0)
		return;
	cvy_futex_wake(side->sends ? &ref.queue->full_word : &ref.queue->empty_word, INT_MAX);
	if (atomic_load(&ref.queue->state) != QUEUE_OPEN) /* see set_state in queue.c */
		cvy_futex_wake(side->sends ? &ref.queue->empty_word : &ref.queue->full_word,
		               INT_MAX);
}
