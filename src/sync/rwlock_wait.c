/* SPDX-License-Identifier: MIT */
/* Readers-writer locks by way of the monitor: who may come in, and who waits. */
#include "sync/holds.h"
#include "sync/rwlock.h"

void cvy_writer_died(struct cvy_rwlock *rw)
{
	/* Without the bit it had not come so far as to write, or had done with it. */
	if (atomic_load(&rw->gate) & CVY_GATE_WRITER) {
		rw->news = CVY_UNTOLD;
		cvy_gate_set(rw, CVY_GATE_NEWS, true);
		cvy_gate_set(rw, CVY_GATE_WRITER, false);
	}
	cvy_mutex_mended(&rw->writer);
}

/* Whether nobody writes; who died writing does not. */
static bool nobody_writes(struct cvy_inside *in)
{
	struct cvy_rwlock *rw = cvy_block(in);
	uint32_t word = atomic_load(cvy_writer_word(rw));
	int rc;

	if (!(word & FUTEX_OWNER_DIED))
		return !(word & FUTEX_TID_MASK);
	rc = cvy_mutex_lock(&rw->writer, 0);
	if (rc == 1)
		cvy_writer_died(rw);
	if (rc >= 0)
		cvy_mutex_unlock(&rw->writer);
	cvy_stay(in);
	return rc >= 0;
}

/* By one who has just taken it: and told where there is news for it. */
static int hear(struct cvy_inside *in, enum cvy_way way)
{
	struct cvy_rwlock *rw = cvy_block(in);

	if (!rw->news ||
	    (rw->news != CVY_UNTOLD && !cvy_gone((uint32_t)rw->news, (uint32_t)(rw->news >> 32))))
		return CVY_TAKEN;
	rw->news = way == CVY_READ ? cvy_my_generation() | cvy_self() : 0;
	cvy_gate_set(rw, CVY_GATE_NEWS, way == CVY_READ);
	return CVY_TAKEN_AND_TOLD;
}

static int try_to_read(struct cvy_inside *in)
{
	struct cvy_rwlock *rw = cvy_block(in);
	_Atomic uint64_t *share;

	if (!nobody_writes(in))
		return CVY_NOT_NOW;
	share = cvy_make_my_share(in, &rw->readers);
	if (!share)
		return covey_errcode();
	cvy_share_more(share);
	return hear(in, CVY_READ);
}

static int try_to_write(struct cvy_inside *in)
{
	struct cvy_rwlock *rw = cvy_block(in);
	int rc;

	if (!nobody_writes(in) || cvy_shares_sum(&rw->readers))
		return CVY_NOT_NOW;
	rc = cvy_mutex_lock(&rw->writer, 0);
	cvy_stay(in);
	if (rc < 0)
		return cvy_fail(-rc, "rwlock: its mutex: %s", covey_strerror(rc));
	cvy_gate_set(rw, CVY_GATE_WRITER, true);
	if (cvy_shares_sum(&rw->readers)) { /* one came before the gate closed */
		cvy_gate_set(rw, CVY_GATE_WRITER, false);
		cvy_mutex_unlock(&rw->writer);
		cvy_stay(in);
		return CVY_NOT_NOW;
	}
	atomic_store(&rw->writing, cvy_self());
	return hear(in, CVY_WRITE);
}

static int try(struct cvy_inside *in, enum cvy_way way)
{
	return way == CVY_READ ? try_to_read(in) : try_to_write(in);
}

static int busy(struct cvy_inside *in, int timeout_ms)
{
	struct cvy_rwlock *rw = cvy_block(in);
	char title[CVY_TITLE], holders[CVY_HOLDERS];
	pid_t writer = cvy_writer_pid(rw);

	cvy_title(title, in->object, CVY_RWLOCK);
	if (writer)
		return cvy_timed_out(timeout_ms, "%s: pid %d writes; %u wait", title, (int)writer,
		                     in->line->waiting);
	return cvy_timed_out(timeout_ms, "%s: for reading %s; %u wait", title,
	                     cvy_shares_words(holders, &rw->readers), in->line->waiting);
}

/* The ticket of the first in line that wants to write. */
static uint64_t first_writer(struct cvy_inside *in)
{
	struct cvy_place *place;
	uint64_t first = UINT64_MAX;

	for (uint32_t i = 0; (place = cvy_line_each(in, &i));)
		if (place->want == CVY_WRITE && place->ticket < first)
			first = place->ticket;
	return first;
}

/* Readers at the head of the line come in together. */
static void tell_readers(struct cvy_inside *in)
{
	uint64_t writer = first_writer(in);
	struct cvy_place *place;

	for (uint32_t i = 0; (place = cvy_line_each(in, &i));)
		if (place->ticket < writer)
			cvy_line_tell(place, CVY_TOLD);
}

/* Watches those whom the first in line waits for; false: there is none any more. */
static bool watch_holders(struct cvy_inside *in, enum cvy_way way, struct cvy_watch *watch)
{
	struct cvy_rwlock *rw = cvy_block(in);

	if (cvy_watch_holder(watch, cvy_writer_word(rw)))
		return true;
	return way == CVY_WRITE && cvy_shares_watch(&rw->readers, watch) != 0;
}

/* In line until it is its turn. Leaves the monitor. */
static int wait_in_line(struct cvy_inside *in, enum cvy_way way, int timeout_ms)
{
	struct cvy_rwlock *rw = cvy_block(in);
	int64_t deadline = cvy_deadline(timeout_ms);
	struct cvy_place *place = cvy_line_join(in, way), *before = NULL;
	struct cvy_watch watch;
	int rc = place ? 0 : covey_errcode(), slept = 0;

	if (place)
		cvy_gate_set(rw, CVY_GATE_LINE, true);
	cvy_watch_begin(&watch);
	while (rc == 0) {
		cvy_line_reap(in);
		before = cvy_line_before(in, place);
		if (!before || (way == CVY_READ && place->ticket < first_writer(in)))
			rc = try(in, way);
		if (rc == 0 && slept == -ETIMEDOUT)
			rc = busy(in, timeout_ms);
		if (rc)
			break;
		cvy_watch_only(&watch, before);
		if (!before && !watch_holders(in, way, &watch))
			continue;
		slept = cvy_line_sleep(in, place, &watch, deadline);
		if (slept < 0 && slept != -ETIMEDOUT)
			return slept;
	}
	if (place)
		cvy_line_quit(in, place);
	if (rc > 0 && way == CVY_READ && !before)
		tell_readers(in);
	cvy_rwlock_leave(in);
	return rc;
}

/* Where waiting makes sense, a while until nobody writes. */
static void spin_a_while(struct cvy_rwlock *rw)
{
	for (struct cvy_spin spin = CVY_SPIN(); cvy_spin(&spin);)
		if (atomic_load_explicit(&rw->gate, memory_order_relaxed) != CVY_GATE_WRITER)
			return;
}

/* CVY_TAKEN, CVY_TAKEN_AND_TOLD, or a negative errno. */
int cvy_rwlock_take(struct cvy_object *object, uint64_t id, enum cvy_way way, int timeout_ms)
{
	struct cvy_rwlock *rw = cvy_rwlock_of(object);
	char title[CVY_TITLE];
	struct cvy_inside in;
	int rc;

	if (rw && cvy_i_write(rw))
		return cvy_fail(EDEADLK, "%s: this thread writes already",
		                cvy_title(title, object, CVY_RWLOCK));
	if (rw && timeout_ms)
		spin_a_while(rw);
	if (way == CVY_READ && cvy_come_in(object, id))
		return CVY_TAKEN;
	rc = cvy_enter(&in, &cvy_rwlock_kind, id, timeout_ms);
	if (rc < 0)
		return rc;
	rc = in.line->waiting ? CVY_NOT_NOW : try(&in, way);
	if (rc == CVY_NOT_NOW && in.line->waiting) {
		cvy_line_reap(&in);
		rc = in.line->waiting ? CVY_NOT_NOW : try(&in, way);
	}
	if (rc == CVY_NOT_NOW && timeout_ms)
		return wait_in_line(&in, way, timeout_ms);
	if (rc == CVY_NOT_NOW)
		rc = busy(&in, 0);
	cvy_rwlock_leave(&in);
	return rc;
}
