/* SPDX-License-Identifier: MIT */
/*
 * What semaphore, condition, barrier and rwlock have in common: a monitor, and
 * in it a line of those who wait.
 *
 * The monitor is the mutex of the object's slot. Whoever is inside changes the
 * control block, and tells those in line whom it concerns:
 *
 *     cvy_enter(&in, kind, id, timeout_ms)
 *     while (!the time has come)
 *             cvy_line_sleep(&in, place, &watch, deadline)   // outside meanwhile
 *     change; cvy_line_tell(...)
 *     cvy_leave(&in)
 *
 * Deaths. Whoever is inside has the line's guard word taken, in the manner of a
 * robust mutex that is pending: if it dies there, before or after its change,
 * having told all, some or none, the kernel marks the guard and wakes one of
 * those who sleep, since all sleep at the guard too. That one wakes the next, so
 * that its own death there loses nothing, and enters; the first to enter mends
 * (the kind's `mend`) and tells all in line to look again. A sleeper's pending
 * entry is the guard as well: should it die between being woken and waking the
 * next, the kernel wakes the next.
 *
 * Each sleeps at a word of its own, the guard, and the life words of those on
 * whom it depends: the first in line watches those that hold what it waits for,
 * every other the one before it. Whoever leaves the line tells the one behind.
 * So a death wakes one, and a line of any length costs each of its members two
 * words.
 *
 * Before Linux 5.16, and where a life word cannot be watched, sleeps are slices
 * of at most CVY_LINE_SLICE. Before 6.2 the kernel does not heed the pending
 * entry of a sleeper, and the slices of 1 s must serve for that second death.
 */
#ifndef CVY_LINE_H
#define CVY_LINE_H

#include <linux/futex.h>

#include "arena/arena.h"
#include "base/notify.h"

#define CVY_LINE_SLICE (50 * CVY_MS)

/* Sleep in slices always, as on an old kernel; for tests. */
extern bool cvy_line_slices;
/* Whether sleeps are slices, here and in the other processes of the family. */
bool cvy_line_in_slices(void);

/*
 * A place in line, made and unmade under the monitor.
 *
 * word   a futex: 0 while its owner sleeps or may; bits are set by who tells it.
 * want   the kind's own.
 * proc   the owner's slot, 0: free. Written last when a place is taken.
 * id     of the object that it waits for: a place outlives its object until its
 *        owner has seen that.
 */
struct cvy_place {
	_Atomic uint32_t word;
	uint32_t want;
	_Atomic uint32_t proc;
	uint32_t generation;
	uint64_t id;
	uint64_t ticket; /* the lowest of an object is the first */
};
_Static_assert(sizeof(struct cvy_place) == 32, "places are halves of cache lines");

/* Bits of a word. Others, the kind's own, stay until the place is given up. */
#define CVY_TOLD 1u /* look again */

/*
 * A line, at the start of a control block. All under the monitor.
 *
 * guard        taken by who is inside; FUTEX_WAITERS while anyone is in line.
 * waiting      places of the present object; made anew by a mender.
 * top          places ever used.
 * next_ticket  never goes back.
 * places       a region, kept with the slot.
 */
struct cvy_line {
	_Atomic uint32_t guard;
	uint32_t waiting;
	uint32_t top;
	uint32_t pad;
	uint64_t next_ticket;
	uint64_t places;
};
#define CVY_PLACES 65536u

/* The places, NULL where the line is damaged. */
static inline struct cvy_place *cvy_places(const struct cvy_line *line)
{
	uint64_t at = __atomic_load_n(&line->places, __ATOMIC_RELAXED);

	return cvy_block_at(at) >= CVY_PLACES * sizeof(struct cvy_place)
	               ? (struct cvy_place *)(void *)(cvy_base + at)
	               : NULL;
}

/* So many of them were ever used. */
static inline uint32_t cvy_line_top(const struct cvy_line *line)
{
	uint32_t top = __atomic_load_n(&line->top, __ATOMIC_RELAXED);

	return top < CVY_PLACES ? top : CVY_PLACES;
}

/* The control block of an object that has a line, NULL where it is damaged. */
static inline void *cvy_line_block(const struct cvy_object *object, uint64_t bytes)
{
	uint64_t at = __atomic_load_n(&object->region, __ATOMIC_RELAXED);

	return cvy_block_at(at) >= bytes ? cvy_base + at : NULL;
}

/* Whether somebody has the place, for the object of this id. */
static inline bool cvy_in_line(const struct cvy_place *place, uint64_t id)
{
	return atomic_load_explicit(&place->proc, memory_order_relaxed) && place->id == id;
}

struct cvy_inside;

/* A kind of object that has a line. */
struct cvy_line_kind {
	struct cvy_kind_ops ops;
	uint64_t bytes; /* of the control block, which begins with the line */
	/* Makes what is derived anew, where who was inside died. May be NULL. */
	void (*mend)(struct cvy_inside *in);
	/* A place in line whose owner has died is given up. May be NULL. */
	void (*dropped)(struct cvy_inside *in, struct cvy_place *place);
};

/* One who is inside. */
struct cvy_inside {
	const struct cvy_line_kind *kind;
	struct cvy_object *object;
	struct cvy_line *line;
	uint64_t id;
};

/* Names the guard as what the kernel wakes at if this thread dies, or nothing. */
static inline void cvy_guard_pending(struct cvy_line *line)
{
	struct robust_list_head *head = cvy_robust();

	CVY_ORDERED();
	head->list_op_pending =
		line ? (struct robust_list *)((char *)&line->guard - head->futex_offset) : NULL;
	CVY_ORDERED();
}

/* In ops.init: the control block, with the line in it. NULL in words. */
void *cvy_line_init(struct cvy_object *object, const struct cvy_line_kind *kind);
static inline void *cvy_block(const struct cvy_inside *in)
{
	return in->line;
}

/*
 * Enters the monitor of a live object: 0; -EBADF; -ETIMEDOUT or -EAGAIN where
 * the time runs out because somebody inside has been stopped; all in words.
 */
int cvy_enter(struct cvy_inside *in, const struct cvy_line_kind *kind, uint64_t id, int timeout_ms);
/* Enters again, whatever has become of the object. */
int cvy_enter_again(struct cvy_inside *in);
void cvy_leave(struct cvy_inside *in);
/* After a call that took another lock: makes the guard pending again. */
void cvy_stay(struct cvy_inside *in);
/*
 * The same by one who has a place, whose object may have ended meanwhile: 0, or
 * in words -EBADF, outside and the place given up.
 */
int cvy_enter_place(struct cvy_inside *in, struct cvy_place *place);
/* Retires the object, and tells all who wait. Still inside afterwards. */
void cvy_line_end(struct cvy_inside *in);
/* A kind's destroy, where nothing else is to be done. 0, -EBADF. */
int cvy_line_destroy(const struct cvy_line_kind *kind, uint64_t id);

/* Takes the last place in line. NULL in words: -ENOMEM. */
struct cvy_place *cvy_line_join(struct cvy_inside *in, uint32_t want);
/* Gives it up, and tells the one behind. */
void cvy_line_quit(struct cvy_inside *in, struct cvy_place *place);
/* Gives up the places of the dead. */
void cvy_line_reap(struct cvy_inside *in);

/* Steps through all in line, in no order: for (i = 0; (place = cvy_line_each(in, &i));). */
struct cvy_place *cvy_line_each(const struct cvy_inside *in, uint32_t *i);
/* The first in line, the next after a place, the one before it; NULL: none. */
struct cvy_place *cvy_line_first(const struct cvy_inside *in);
struct cvy_place *cvy_line_after(const struct cvy_inside *in, const struct cvy_place *place);
struct cvy_place *cvy_line_before(const struct cvy_inside *in, const struct cvy_place *place);

/* Sets bits in the word of a place and wakes its owner. */
void cvy_line_tell(struct cvy_place *place, uint32_t bits);
void cvy_line_tell_first(const struct cvy_inside *in);
void cvy_line_tell_all(const struct cvy_inside *in, uint32_t bits);
/* The same by a mender: who was to be woken may have been told and not woken. */
void cvy_line_rouse_all(const struct cvy_inside *in);

/* The processes that a sleeper depends on, and how soon it looks again where it must. */
#define CVY_WATCH_MOST 96u
struct cvy_watch {
	unsigned n;
	bool blind; /* there are some whose death wakes nobody */
	int64_t slice;
	struct futex_waitv words[2 + CVY_WATCH_MOST]; /* the first two are the line's own */
};
static inline void cvy_watch_begin(struct cvy_watch *watch)
{
	watch->n = 0;
	watch->slice = 0;
	watch->blind = false;
}
void cvy_watch_add(struct cvy_watch *watch, uint32_t proc, uint32_t generation);
/* From now on watches who has a place, and nobody else; NULL: nobody. */
static inline void cvy_watch_only(struct cvy_watch *watch, struct cvy_place *place)
{
	watch->n = 0;
	watch->blind = false;
	if (place)
		cvy_watch_add(watch, atomic_load(&place->proc), place->generation);
}
/*
 * Watches the futex of a robust mutex: one who sleeps there is woken when its
 * holder gives it back, or dies. False: nobody holds it, or its holder has died.
 */
bool cvy_watch_holder(struct cvy_watch *watch, _Atomic uint32_t *word);

/*
 * Leaves, sleeps until told, until one that is watched dies or the deadline
 * passes, and enters again. 0: look again. -ETIMEDOUT: likewise, for the last
 * time. -EBADF in words: the object was destroyed; the place is given up, and
 * the monitor left.
 */
int cvy_line_sleep(struct cvy_inside *in, struct cvy_place *place, struct cvy_watch *watch,
                   int64_t deadline);

#endif
