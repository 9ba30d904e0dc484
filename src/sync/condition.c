/* SPDX-License-Identifier: MIT */
/*
 * Conditions: a monitor (line.h), in whose line stand those who wait. A notifier
 * sets a bit in the words of the first of them. They keep their places until
 * they have the lock again: the one behind watches, and where a notified one has
 * died, whoever reaps its place notifies the next instead.
 *
 * The lock is never given back or taken inside the monitor; the monitor may be
 * entered with the lock held.
 */
#include <covey/condition.h>

#include "sync/guard.h"
#include "sync/line.h"

#define NOTIFIED 2u

/* lock, rlock: what is given back meanwhile. Constant. */
struct condition {
	struct cvy_line line;
	uint64_t lock;
	uint64_t rlock; /* whether it is an rlock */
};

static int init(struct cvy_object *object, const void *context);
static void mend(struct cvy_inside *in);
static void dropped(struct cvy_inside *in, struct cvy_place *place);

static const struct cvy_line_kind kind = {
	.ops = {.kind = CVY_CONDITION, .init = init},
	.bytes = sizeof(struct condition),
	.mend = mend,
	.dropped = dropped,
};

struct of_lock {
	uint64_t lock;
	bool rlock;
};

static int init(struct cvy_object *object, const void *context)
{
	const struct of_lock *of = context;
	struct condition *c = cvy_line_init(object, &kind);

	if (!c)
		return covey_errcode();
	c->lock = of->lock;
	c->rlock = of->rlock;
	return 0;
}

/* Notifies the first n of those who are not. How many there were. */
static uint32_t notify(struct cvy_inside *in, uint32_t n)
{
	struct cvy_place *place = n ? cvy_line_first(in) : NULL;
	uint32_t woken = 0;

	for (; place && woken < n; place = cvy_line_after(in, place)) {
		if (atomic_load(&place->word) & NOTIFIED)
			continue;
		cvy_line_tell(place, NOTIFIED);
		woken++;
	}
	return woken;
}

/* A notifier may have died having woken some: all look for themselves. */
static void mend(struct cvy_inside *in)
{
	cvy_line_tell_all(in, NOTIFIED);
}

static void dropped(struct cvy_inside *in, struct cvy_place *place)
{
	if (atomic_load(&place->word) & NOTIFIED)
		notify(in, 1);
}

static int create(covey_condition *handle, uint64_t lock, bool rlock, const char *name)
{
	struct of_lock of = {lock, rlock};

	if (!handle)
		return cvy_fail(EINVAL, "condition: no place for the handle was given");
	if (!cvy_lock_object(lock, rlock))
		return cvy_stale(lock, rlock ? CVY_RLOCK : CVY_LOCK);
	return cvy_object_create(&kind.ops, name, &of, &handle->id);
}

int covey_condition_create(covey_condition *handle, covey_lock lock, const char *name)
{
	return create(handle, lock.id, false, name);
}

int covey_condition_create_rlock(covey_condition *handle, covey_rlock lock, const char *name)
{
	return create(handle, lock.id, true, name);
}

int covey_condition_destroy(covey_condition handle)
{
	return cvy_line_destroy(&kind, handle.id);
}

/* Enters with the lock held by the caller. 0, -EBADF, -EPERM in words. */
static int enter_as_holder(struct cvy_inside *in, uint64_t id)
{
	const struct condition *c;
	struct cvy_object *lock;
	char title[CVY_TITLE];
	int rc = cvy_enter(in, &kind, id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	c = cvy_block(in);
	lock = cvy_lock_object(c->lock, c->rlock);
	if (!lock)
		rc = cvy_stale(c->lock, c->rlock ? CVY_RLOCK : CVY_LOCK);
	else if (!cvy_lock_mine(lock))
		rc = cvy_fail(EPERM, "%s: this thread does not hold its lock",
		              cvy_title(title, in->object, CVY_CONDITION));
	if (rc < 0)
		cvy_leave(in);
	return rc;
}

/*
 * Until notified or the deadline, in line. Outside, before and after; the place
 * is kept, but for -EBADF.
 */
static int wait_for_notice(struct cvy_inside *in, struct cvy_place *place, int64_t deadline)
{
	struct cvy_watch watch;
	int rc = cvy_enter_place(in, place);

	if (rc < 0)
		return rc;
	cvy_watch_begin(&watch);
	for (;;) {
		cvy_line_reap(in);
		if (atomic_load(&place->word) & NOTIFIED) {
			rc = 0;
			break;
		}
		if (rc == -ETIMEDOUT)
			break;
		cvy_watch_only(&watch, cvy_line_before(in, place));
		rc = cvy_line_sleep(in, place, &watch, deadline);
		if (rc < 0 && rc != -ETIMEDOUT)
			return rc;
	}
	cvy_leave(in);
	return rc;
}

/* With the lock held again. A notice that came too late goes to another. */
static int give_up_place(struct cvy_inside *in, struct cvy_place *place, int rc)
{
	int entered = cvy_enter_place(in, place);

	if (entered < 0)
		return entered;
	if (rc == -ETIMEDOUT && (atomic_load(&place->word) & NOTIFIED))
		rc = 0;
	cvy_line_reap(in);
	cvy_line_quit(in, place);
	cvy_leave(in);
	return rc;
}

static int wait_until(covey_condition handle, int timeout_ms, int64_t deadline)
{
	struct cvy_inside in;
	struct cvy_place *place;
	struct condition of;
	char title[CVY_TITLE];
	uint64_t depth;
	int rc = enter_as_holder(&in, handle.id), held;

	if (rc < 0)
		return rc;
	of = *(struct condition *)cvy_block(&in);
	cvy_title(title, in.object, CVY_CONDITION);
	place = timeout_ms == 0 ? NULL : cvy_line_join(&in, 0);
	rc = place || timeout_ms == 0 ? 0 : covey_errcode();
	cvy_leave(&in);
	if (!place)
		return rc < 0 ? rc : cvy_timed_out(0, "%s: not notified", title);
	depth = cvy_lock_let_go(of.lock, of.rlock);
	rc = wait_for_notice(&in, place, deadline);
	held = cvy_lock_take_again(of.lock, of.rlock, depth);
	if (rc == 0 || rc == -ETIMEDOUT)
		rc = give_up_place(&in, place, rc);
	if (held)
		return held < 0 ? cvy_stale(of.lock, of.rlock ? CVY_RLOCK : CVY_LOCK) : held;
	if (rc == -ETIMEDOUT)
		return cvy_timed_out(timeout_ms, "%s: not notified", title);
	return rc;
}

int covey_condition_wait(covey_condition handle, int timeout_ms)
{
	return wait_until(handle, timeout_ms, cvy_deadline(timeout_ms));
}

int covey_condition_wait_for(covey_condition handle, int (*predicate)(void *context), void *context,
                             int timeout_ms)
{
	int64_t deadline = cvy_deadline(timeout_ms);
	struct cvy_inside in;
	int rc = enter_as_holder(&in, handle.id), holds;

	if (rc < 0)
		return rc;
	cvy_leave(&in);
	for (;;) {
		holds = predicate(context);
		if (holds)
			return holds < 0 ? holds : 0;
		if (rc)
			return rc;
		rc = wait_until(handle, timeout_ms, deadline);
		if (rc && rc != -ETIMEDOUT)
			return rc;
	}
}

static int notify_some(covey_condition handle, uint32_t n)
{
	struct cvy_inside in;
	uint32_t woken;
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	cvy_line_reap(&in);
	woken = notify(&in, n);
	cvy_leave(&in);
	return (int)woken;
}

int covey_condition_notify(covey_condition handle, uint32_t n)
{
	return notify_some(handle, n);
}

int covey_condition_notify_all(covey_condition handle)
{
	return notify_some(handle, UINT32_MAX);
}
