/* SPDX-License-Identifier: MIT */
/* Readers-writer locks: what goes without the line; see rwlock.h. */
#include "sync/rwlock.h"

#include <unistd.h>

#include "sync/holds.h"

static int init(struct cvy_object *object, const void *context);
static void mend(struct cvy_inside *in);

const struct cvy_line_kind cvy_rwlock_kind = {
	.ops = {.kind = CVY_RWLOCK, .init = init},
	.bytes = sizeof(struct cvy_rwlock),
	.mend = mend,
};

/* The shares stay: what is in them is of the dead, or of those who only look. */
static int init(struct cvy_object *object, const void *context)
{
	struct cvy_rwlock *rw = cvy_line_init(object, &cvy_rwlock_kind);
	int rc;

	(void)context;
	if (!rw)
		return covey_errcode();
	rc = cvy_shares_init(&rw->readers, 128);
	if (rc == 0 && !rw->made)
		rc = cvy_mutex_init(&rw->writer);
	if (rc < 0)
		return rc;
	rw->made = 1;
	/* Who destroyed the slot's last one may have died with it. */
	rc = cvy_mutex_lock(&rw->writer, 0);
	if (rc == 1)
		cvy_mutex_mended(&rw->writer);
	if (rc >= 0)
		cvy_mutex_unlock(&rw->writer);
	rw->news = 0;
	atomic_store(&rw->gate, 0);
	return 0;
}

static void mend(struct cvy_inside *in)
{
	struct cvy_rwlock *rw = cvy_block(in);

	cvy_gate_set(rw, CVY_GATE_NEWS, rw->news != 0);
	cvy_gate_set(rw, CVY_GATE_LINE, in->line->waiting != 0);
}

void cvy_rwlock_leave(struct cvy_inside *in)
{
	struct cvy_rwlock *rw = cvy_block(in);
	bool line = atomic_load_explicit(&rw->gate, memory_order_relaxed) & CVY_GATE_LINE;

	if (line != (in->line->waiting != 0))
		cvy_gate_set(rw, CVY_GATE_LINE, !line);
	cvy_leave(in);
}

pid_t cvy_writer_pid(struct cvy_rwlock *rw)
{
	struct cvy_proc *proc = cvy_proc(atomic_load(&rw->writing));

	if (!proc || !(atomic_load(cvy_writer_word(rw)) & FUTEX_TID_MASK))
		return 0;
	return atomic_load(&proc->pid);
}

/* Tells the first in line of the object that the slot has now: its gate said that there is one. */
static __attribute__((noinline)) void tell_first(struct cvy_object *object, struct cvy_rwlock *rw)
{
	struct cvy_inside in = {&cvy_rwlock_kind, object, &rw->line, 0};

	if (cvy_enter_again(&in) < 0)
		return;
	in.id = cvy_object_id(object);
	cvy_line_tell_first(&in);
	cvy_leave(&in);
}

/* One share less. The first in line watches this process, should it die in between. */
static inline void stop_reading(struct cvy_object *object, struct cvy_rwlock *rw,
                                _Atomic uint64_t *share)
{
	if (cvy_share_less(share) == 0 &&
	    __builtin_expect(atomic_load(&rw->gate) & CVY_GATE_LINE, 0))
		tell_first(object, rw);
}

static inline bool come_in(struct cvy_object *object, uint64_t id)
{
	struct cvy_rwlock *rw = cvy_rwlock_of(object);
	_Atomic uint64_t *share;

	if (!rw || atomic_load_explicit(&rw->gate, memory_order_relaxed))
		return false;
	share = cvy_my_share(&rw->readers);
	if (__builtin_expect(!share, 0))
		return false;
	cvy_share_more(share);
	if (__builtin_expect(!atomic_load(&rw->gate) && cvy_object_is(object, id, CVY_RWLOCK), 1))
		return true;
	stop_reading(object, rw, share);
	return false;
}

bool cvy_come_in(struct cvy_object *object, uint64_t id)
{
	return come_in(object, id);
}

/* The news is told by now; or, where who was told has not lived to act on it, is news again. */
static void settle_news(uint64_t id, bool again)
{
	struct cvy_inside in;
	struct cvy_rwlock *rw;

	if (cvy_enter(&in, &cvy_rwlock_kind, id, COVEY_FOREVER) < 0)
		return;
	rw = cvy_block(&in);
	if (rw->news == (cvy_my_generation() | cvy_self())) {
		rw->news = again ? CVY_UNTOLD : 0;
		cvy_gate_set(rw, CVY_GATE_NEWS, again);
	}
	cvy_rwlock_leave(&in);
}

int covey_rwlock_create(covey_rwlock *handle, const char *name)
{
	if (!handle)
		return cvy_fail(EINVAL, "rwlock: no place for the handle was given");
	return cvy_object_create(&cvy_rwlock_kind.ops, name, NULL, &handle->id);
}

static __attribute__((noinline)) int read_again(struct cvy_object *object, struct cvy_hold *hold)
{
	char title[CVY_TITLE];

	if (hold->depth == UINT32_MAX)
		return cvy_fail(EOVERFLOW, "%s: acquired %u times by one thread",
		                cvy_title(title, object, CVY_RWLOCK), hold->depth);
	hold->depth++;
	return 0;
}

/* What is left where the gate is closed, kept apart: the usual way needs no frame. */
static __attribute__((noinline)) int wait_to_read(struct cvy_object *object, uint64_t id,
                                                  int timeout_ms)
{
	int rc = cvy_holds_room();

	if (rc == 0)
		rc = cvy_rwlock_take(object, id, CVY_READ, timeout_ms);
	if (rc < 0)
		return rc;
	cvy_hold_add(id, rc == CVY_TAKEN_AND_TOLD);
	return rc == CVY_TAKEN_AND_TOLD ? COVEY_OWNER_DIED : 0;
}

int covey_rwlock_acquire_read(covey_rwlock handle, int timeout_ms)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_RWLOCK);
	struct cvy_hold *hold;

	if (__builtin_expect(!object, 0))
		return cvy_stale(handle.id, CVY_RWLOCK);
	hold = cvy_hold_of(handle.id);
	if (hold)
		return read_again(object, hold);
	if (__builtin_expect(cvy_holds.n == cvy_holds.room || !come_in(object, handle.id), 0))
		return wait_to_read(object, handle.id, timeout_ms);
	cvy_hold_add(handle.id, false);
	return 0;
}

int covey_rwlock_acquire_write(covey_rwlock handle, int timeout_ms)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_RWLOCK);
	char title[CVY_TITLE];
	int rc;

	if (__builtin_expect(!object, 0))
		return cvy_stale(handle.id, CVY_RWLOCK);
	if (cvy_hold_of(handle.id))
		return cvy_fail(EDEADLK,
		                "%s: this thread reads, and would wait for itself: release first",
		                cvy_title(title, object, CVY_RWLOCK));
	rc = cvy_rwlock_take(object, handle.id, CVY_WRITE, timeout_ms);
	return rc == CVY_TAKEN_AND_TOLD ? COVEY_OWNER_DIED : rc < 0 ? rc : 0;
}

static __attribute__((noinline)) int not_ours(struct cvy_object *object, struct cvy_rwlock *rw)
{
	char title[CVY_TITLE], holders[CVY_HOLDERS];
	pid_t writer = cvy_writer_pid(rw);

	cvy_title(title, object, CVY_RWLOCK);
	if (writer == getpid())
		return cvy_fail(EPERM,
		                "%s: released by a thread that does not hold it; another thread of "
		                "this process writes",
		                title);
	if (writer)
		return cvy_fail(EPERM,
		                "%s: released by a thread that does not hold it; pid %d writes",
		                title, (int)writer);
	return cvy_fail(EPERM, "%s: released by a thread that does not hold it; for reading %s",
	                title, cvy_shares_words(holders, &rw->readers));
}

static void give_share(struct cvy_object *object)
{
	struct cvy_rwlock *rw = cvy_rwlock_of(object);
	_Atomic uint64_t *share = rw ? cvy_my_share(&rw->readers) : NULL;

	if (share)
		stop_reading(object, rw, share);
}

static __attribute__((noinline)) int stop_writing(struct cvy_object *object)
{
	struct cvy_rwlock *rw = cvy_rwlock_of(object);
	uint32_t gate;

	if (!rw)
		return cvy_fail(EBADMSG, "rwlock: its memory is damaged");
	if (!cvy_i_write(rw))
		return not_ours(object, rw);
	/* In this order: once it is given back, the bit is the next writer's. */
	gate = atomic_fetch_and(&rw->gate, ~CVY_GATE_WRITER);
	cvy_mutex_unlock(&rw->writer);
	/* Who sleeps at the mutex has been woken by that. */
	if ((gate & CVY_GATE_LINE) && cvy_line_in_slices())
		tell_first(object, rw);
	return 0;
}

int covey_rwlock_release(covey_rwlock handle)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_RWLOCK);
	struct cvy_hold *hold;

	if (__builtin_expect(!object, 0))
		return cvy_stale(handle.id, CVY_RWLOCK);
	hold = cvy_hold_of(handle.id);
	if (!hold)
		return stop_writing(object);
	if (--hold->depth > 0)
		return 0;
	if (__builtin_expect(hold->told, 0))
		settle_news(handle.id, false);
	cvy_hold_remove(hold);
	give_share(object);
	return 0;
}

void cvy_hold_ended(const struct cvy_hold *hold)
{
	struct cvy_object *object = cvy_object(hold->id, CVY_RWLOCK);

	if (!object)
		return;
	if (hold->told)
		settle_news(hold->id, true);
	give_share(object);
}

int covey_rwlock_writer(covey_rwlock handle)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_RWLOCK);
	struct cvy_rwlock *rw = object ? cvy_rwlock_of(object) : NULL;

	return rw ? (int)cvy_writer_pid(rw) : cvy_stale(handle.id, CVY_RWLOCK);
}

int64_t covey_rwlock_readers(covey_rwlock handle)
{
	struct cvy_inside in;
	int64_t n;
	int rc = cvy_enter(&in, &cvy_rwlock_kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	n = (int64_t)cvy_shares_sum(&((struct cvy_rwlock *)cvy_block(&in))->readers);
	cvy_rwlock_leave(&in);
	return n;
}

int64_t covey_rwlock_waiting(covey_rwlock handle)
{
	struct cvy_inside in;
	int64_t n;
	int rc = cvy_enter(&in, &cvy_rwlock_kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	cvy_line_reap(&in);
	n = in.line->waiting;
	cvy_rwlock_leave(&in);
	return n;
}

/* Keeps everybody out; -EBUSY where another reads or writes. */
static int close_for_good(struct cvy_inside *in, bool writing, bool reading)
{
	struct cvy_rwlock *rw = cvy_block(in);
	char title[CVY_TITLE], holders[CVY_HOLDERS];
	int rc = writing ? 0 : cvy_mutex_lock(&rw->writer, 0);

	cvy_stay(in);
	if (rc == 1)
		cvy_writer_died(rw);
	if (rc == -ETIMEDOUT)
		return cvy_fail(EBUSY, "%s: not destroyed, since pid %d writes",
		                cvy_title(title, in->object, CVY_RWLOCK), (int)cvy_writer_pid(rw));
	if (rc < 0)
		return cvy_fail(-rc, "rwlock: its mutex: %s", covey_strerror(rc));
	cvy_gate_set(rw, CVY_GATE_WRITER, true);
	if (cvy_shares_sum(&rw->readers) <= reading)
		return 0;
	cvy_gate_set(rw, CVY_GATE_WRITER, false);
	cvy_mutex_unlock(&rw->writer);
	cvy_stay(in);
	return cvy_fail(EBUSY, "%s: not destroyed, since it is read: %s",
	                cvy_title(title, in->object, CVY_RWLOCK),
	                cvy_shares_words(holders, &rw->readers));
}

int covey_rwlock_destroy(covey_rwlock handle)
{
	struct cvy_hold *hold = cvy_hold_of(handle.id);
	struct cvy_inside in;
	struct cvy_rwlock *rw;
	_Atomic uint64_t *share;
	int rc = cvy_enter(&in, &cvy_rwlock_kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	rw = cvy_block(&in);
	share = cvy_my_share(&rw->readers);
	rc = close_for_good(&in, cvy_i_write(rw), hold != NULL);
	if (rc < 0) {
		cvy_rwlock_leave(&in);
		return rc;
	}
	cvy_line_end(&in);
	if (hold) {
		cvy_hold_remove(hold);
		if (share)
			cvy_share_less(share);
	}
	cvy_mutex_unlock(&rw->writer);
	cvy_leave(&in);
	return 0;
}
