/* SPDX-License-Identifier: MIT */
/* Entering and leaving an object's monitor, and mending where one died inside. */
#include "sync/line.h"

#define PLACES_FIRST UINT64_C(4096) /* bytes */
/* How long one that may not wait waits for somebody inside. */
#define INSIDE_MOST (100 * CVY_MS)

static inline void take_guard(struct cvy_line *line)
{
	uint32_t waiters = atomic_load_explicit(&line->guard, memory_order_relaxed) & FUTEX_WAITERS;

	cvy_guard_pending(line);
	atomic_store_explicit(&line->guard, cvy_tid() | waiters, memory_order_relaxed);
	CVY_ORDERED();
}

void *cvy_line_init(struct cvy_object *object, const struct cvy_line_kind *kind)
{
	struct cvy_line *line = cvy_object_block(object, kind->bytes);
	int rc;

	if (!line)
		return NULL;
	rc = line->places ? 0
	                  : cvy_region_reserve(&line->places, CVY_PLACES * sizeof(struct cvy_place),
	                                       PLACES_FIRST);
	if (rc < 0)
		return NULL;
	/* Who destroyed the slot's last object may have died inside. */
	rc = cvy_mutex_lock(&object->mutex, 0);
	if (rc == 1)
		cvy_mutex_mended(&object->mutex);
	line->waiting = 0;
	atomic_store(&line->guard, 0);
	if (rc >= 0)
		cvy_mutex_unlock(&object->mutex);
	return line;
}

/* Who was inside died: what is derived is made anew, and all look again. */
static void mend(struct cvy_inside *in)
{
	struct cvy_place *places = cvy_places(in->line);
	uint64_t meant = in->id;

	/* Who comes late may mean an object that the slot had before. */
	in->id = cvy_object_id(in->object);
	in->line->waiting = 0;
	for (uint32_t i = 0; places && i < cvy_line_top(in->line); i++)
		in->line->waiting += cvy_in_line(&places[i], in->id);
	if (in->kind->mend)
		in->kind->mend(in);
	if (in->line->waiting)
		atomic_fetch_or(&in->line->guard, FUTEX_WAITERS);
	cvy_line_rouse_all(in);
	in->id = meant;
	cvy_mutex_mended(&in->object->mutex);
	cvy_log(COVEY_LOG_WARN, "a process died inside a %s; mended",
	        cvy_kind_name(in->kind->ops.kind));
}

/* Takes the monitor of a slot, whatever has become of its object. */
static int enter_slot(struct cvy_inside *in, int timeout_ms)
{
	int rc = cvy_mutex_lock(&in->object->mutex, 0);

	if (rc == -ETIMEDOUT) {
		int64_t deadline = cvy_deadline(timeout_ms), soonest = cvy_now() + INSIDE_MOST;

		rc = cvy_mutex_lock(&in->object->mutex, deadline > soonest ? deadline : soonest);
	}
	if (rc < 0)
		return rc;
	take_guard(in->line);
	if (__builtin_expect(rc == 1, 0))
		mend(in);
	return 0;
}

int cvy_enter(struct cvy_inside *in, const struct cvy_line_kind *kind, uint64_t id, int timeout_ms)
{
	int rc;

	in->kind = kind;
	in->id = id;
	in->object = cvy_object(id, kind->ops.kind);
	if (__builtin_expect(!in->object, 0))
		return cvy_stale(id, kind->ops.kind);
	in->line = cvy_line_block(in->object, kind->bytes);
	if (__builtin_expect(!in->line, 0))
		return cvy_fail(EBADMSG, "%s: its memory is damaged",
		                cvy_kind_name(kind->ops.kind));
	rc = enter_slot(in, timeout_ms);
	if (__builtin_expect(rc == -ETIMEDOUT, 0))
		return cvy_timed_out(timeout_ms, "%s: a process inside it does not move",
		                     cvy_kind_name(kind->ops.kind));
	if (__builtin_expect(rc < 0, 0))
		return cvy_fail(-rc, "%s: its lock: %s", cvy_kind_name(kind->ops.kind),
		                covey_strerror(rc));
	if (__builtin_expect(!cvy_object_is(in->object, id, kind->ops.kind), 0)) {
		cvy_leave(in);
		return cvy_stale(id, kind->ops.kind);
	}
	return 0;
}

int cvy_enter_again(struct cvy_inside *in)
{
	return enter_slot(in, COVEY_FOREVER);
}

int cvy_enter_place(struct cvy_inside *in, struct cvy_place *place)
{
	enum cvy_kind kind = in->kind->ops.kind;
	int rc = cvy_enter_again(in);

	if (rc < 0)
		return cvy_fail(-rc, "%s: its lock: %s", cvy_kind_name(kind), covey_strerror(rc));
	if (cvy_object_is(in->object, in->id, kind))
		return 0;
	atomic_store(&place->proc, 0);
	cvy_leave(in);
	return cvy_stale(in->id, kind);
}

void cvy_stay(struct cvy_inside *in)
{
	cvy_guard_pending(in->line);
}

void cvy_leave(struct cvy_inside *in)
{
	atomic_store_explicit(&in->line->guard, in->line->waiting ? FUTEX_WAITERS : 0,
	                      memory_order_release);
	cvy_guard_pending(NULL);
	cvy_mutex_unlock(&in->object->mutex);
}

void cvy_line_end(struct cvy_inside *in)
{
	/* First: they come in once we are out, and find what became of it. */
	cvy_line_tell_all(in, CVY_TOLD);
	cvy_object_retire(&in->kind->ops, in->object);
	in->line->waiting = 0;
	cvy_stay(in);
}

int cvy_line_destroy(const struct cvy_line_kind *kind, uint64_t id)
{
	struct cvy_inside in;
	int rc = cvy_enter(&in, kind, id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	cvy_line_end(&in);
	cvy_leave(&in);
	return 0;
}
