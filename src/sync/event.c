/* SPDX-License-Identifier: MIT */
/*
 * Events: a word that counts how often it was set and cleared, odd while set,
 * and a notify word. No lock: set may run in a signal handler. (pending: the
 * entry of the thread's robust list at which the kernel looks when it dies.)
 *
 *     set:   pending = sleepers | state even -> odd | full fence
 *            sleepers != 0: sleepers = 0, wake all at state | pending = none
 *     wait:  sleepers = FUTEX_WAITERS | pending = sleepers
 *            sleep while state and sleepers are as seen, at both
 *
 * If the setter dies after its change, the kernel wakes one at `sleepers`, who
 * wakes all at `state`. Should that one die before, its own pending entry has
 * the kernel wake the next. Who is about to sleep sees that state has changed.
 */
#include <covey/event.h>

#include <limits.h>
#include <linux/futex.h>

#include "arena/arena.h"
#include "base/notify.h"
#include "sync/line.h"

/*
 * In the object's slot.
 * state     by anyone, by CAS; it only counts on, from one event of the slot to
 *           the next. ENDED: by who destroys it, before the slot is given up.
 * sleepers  to FUTEX_WAITERS by who waits, to 0 by who wakes them.
 */
#define ENDED (UINT32_C(1) << 31)
struct event {
	_Atomic uint32_t state;
	_Atomic uint32_t sleepers;
};

static struct event *event_of(struct cvy_object *object)
{
	return (struct event *)(void *)object->space;
}

static bool is_set(uint32_t state)
{
	return state & 1;
}

static uint32_t next_of(uint32_t state)
{
	return (state + 1) & ~ENDED;
}

static int init(struct cvy_object *object, const void *context)
{
	struct event *event = event_of(object);
	uint32_t state = next_of(atomic_load(&event->state));

	(void)context;
	atomic_store(&event->state, is_set(state) ? next_of(state) : state);
	return 0;
}

static const struct cvy_kind_ops ops = {.kind = CVY_EVENT, .init = init};

/* The event of a handle, or NULL: not live, or about to end. */
static struct event *live(uint64_t id)
{
	struct cvy_object *object = cvy_object(id, CVY_EVENT);
	struct event *event = object ? event_of(object) : NULL;

	return event && !(atomic_load(&event->state) & ENDED) ? event : NULL;
}

static int stale(uint64_t id)
{
	if (cvy_object(id, CVY_EVENT))
		return cvy_fail(EBADF, "event: it was destroyed");
	return cvy_stale(id, CVY_EVENT);
}

static void wake_all(struct event *event)
{
	atomic_store(&event->sleepers, 0);
	cvy_futex_wake(&event->state, INT_MAX);
}

int covey_event_create(covey_event *handle, const char *name)
{
	if (!handle)
		return cvy_fail(EINVAL, "event: no place for the handle was given");
	return cvy_object_create(&ops, name, NULL, &handle->id);
}

/* Counts the state on, where it is (not) set, with the sleepers pending; wakes them if told to. */
static void change(struct event *event, bool from_set, bool wake)
{
	struct robust_list *outer = cvy_pending_set(&event->sleepers);
	uint32_t state = atomic_load(&event->state);

	while (is_set(state) == from_set && !(state & ENDED) &&
	       !atomic_compare_exchange_weak(&event->state, &state, next_of(state)))
		;
	atomic_thread_fence(memory_order_seq_cst);
	if (wake && atomic_load(&event->sleepers))
		wake_all(event);
	cvy_pending_restore(outer);
}

int covey_event_set(covey_event handle)
{
	struct event *event = live(handle.id);

	if (!event)
		return stale(handle.id);
	change(event, false, true);
	return 0;
}

int covey_event_clear(covey_event handle)
{
	struct event *event = live(handle.id);

	if (!event)
		return stale(handle.id);
	change(event, true, false);
	return 0;
}

int covey_event_is_set(covey_event handle)
{
	struct event *event = live(handle.id);

	return event ? is_set(atomic_load(&event->state)) : stale(handle.id);
}

/* Sleeps while the state is as seen, for a slice at most. */
static void sleep_at(struct event *event, uint32_t seen, int64_t deadline)
{
	/* What a dead setter owes is paid by a kernel that knows both; else by slices. */
	bool old = cvy_line_slices || cvy_notify_takes;
	int64_t until = cvy_sooner(cvy_in(old ? CVY_LINE_SLICE : cvy_notify_slice), deadline);
	struct futex_waitv words[2];
	int woken;

	atomic_store(&event->sleepers, FUTEX_WAITERS);
	if (old) {
		cvy_futex_wait(&event->state, seen, until);
		return;
	}
	cvy_futex_expect(&words[0], &event->state, seen);
	cvy_futex_expect(&words[1], &event->sleepers, FUTEX_WAITERS);
	woken = cvy_futex_wait_any(words, 2, until);
	if (woken == 1)
		wake_all(event);
	else if (woken == -ENOSYS)
		cvy_line_slices = true;
}

static void spin_a_while(struct event *event, uint32_t seen)
{
	for (struct cvy_spin spin = CVY_SPIN(); cvy_spin(&spin);)
		if (atomic_load_explicit(&event->state, memory_order_relaxed) != seen)
			return;
}

/* Until the state is no longer as seen, or the deadline has passed. */
static void wait_while(struct event *event, uint64_t id, uint32_t seen, int64_t deadline)
{
	struct robust_list *outer;

	spin_a_while(event, seen);
	if (atomic_load(&event->state) != seen)
		return;
	cvy_sleeps_on(id);
	outer = cvy_pending_set(&event->sleepers);
	while (atomic_load(&event->state) == seen &&
	       (deadline == CVY_NEVER || cvy_now() < deadline))
		sleep_at(event, seen, deadline);
	cvy_pending_restore(outer);
	cvy_sleeps_on(0);
}

int covey_event_wait(covey_event handle, int timeout_ms)
{
	struct event *event = live(handle.id);
	char title[CVY_TITLE];
	uint32_t seen;

	if (!event)
		return stale(handle.id);
	seen = atomic_load(&event->state);
	if (is_set(seen))
		return 0;
	if (timeout_ms != 0)
		wait_while(event, handle.id, seen, cvy_deadline(timeout_ms));
	if (!live(handle.id))
		return stale(handle.id);
	if (atomic_load(&event->state) != seen)
		return 0;
	return cvy_timed_out(timeout_ms, "%s: not set",
	                     cvy_title(title, cvy_object(handle.id, CVY_EVENT), CVY_EVENT));
}

int covey_event_destroy(covey_event handle)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_EVENT);
	struct robust_list *outer;
	int rc;

	if (!object)
		return cvy_stale(handle.id, CVY_EVENT);
	rc = cvy_mutex_lock(&object->mutex, CVY_NEVER);
	if (rc == 1)
		cvy_mutex_mended(&object->mutex);
	else if (rc < 0)
		return cvy_fail(-rc, "event: %s", covey_strerror(rc));
	if (cvy_object_is(object, handle.id, CVY_EVENT)) {
		/* Those who wait go first. Dying here leaves an event that can only be destroyed.
		 */
		outer = cvy_pending_set(&event_of(object)->sleepers);
		atomic_fetch_or(&event_of(object)->state, ENDED);
		wake_all(event_of(object));
		cvy_pending_restore(outer);
		cvy_object_retire(&ops, object);
		rc = 0;
	} else {
		rc = cvy_stale(handle.id, CVY_EVENT);
	}
	cvy_mutex_unlock(&object->mutex);
	return rc;
}
