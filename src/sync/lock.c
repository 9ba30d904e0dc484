/* SPDX-License-Identifier: MIT */
/*
 * lock and rlock: the robust mutex of an object slot.
 *
 * The mutex is of the error-checking type, so the C library itself answers
 * whether the calling thread holds it (EDEADLK), which is all that an rlock
 * needs to count depth. A slot's mutex outlives the lock: whoever gets it
 * compares the tag again, and a destroyed lock is given back at once.
 */
#include <covey/lock.h>

#include "sync/guard.h"

#include <unistd.h>

/* The destroyer of the slot's last lock may have died with the mutex held. */
static int init(struct cvy_object *object, const void *context)
{
	int rc = cvy_mutex_lock(&object->mutex, 0);

	(void)context;
	if (rc == 1)
		cvy_mutex_mended(&object->mutex);
	atomic_store(&object->owner, 0);
	atomic_store(&object->owner_tid, 0);
	atomic_store(&object->depth, 0);
	if (rc >= 0)
		cvy_mutex_unlock(&object->mutex);
	return 0;
}

static const struct cvy_kind_ops lock_ops = {.kind = CVY_LOCK, .init = init};
static const struct cvy_kind_ops rlock_ops = {.kind = CVY_RLOCK, .init = init};

static pid_t holder(struct cvy_object *object)
{
	uint32_t owner = atomic_load_explicit(&object->owner, memory_order_relaxed);
	struct cvy_proc *proc = cvy_proc(owner);

	if (!proc || !cvy_proc_alive(owner, proc->generation))
		return 0;
	return atomic_load(&proc->pid);
}

/* Notes the new holder; where the slot's lock is no longer the one meant, gives it back. */
static inline int taken(struct cvy_object *object, uint64_t id, enum cvy_kind kind, int died)
{
	if (__builtin_expect(died, 0))
		cvy_mutex_mended(&object->mutex);
	if (__builtin_expect(!cvy_object_is(object, id, kind), 0)) {
		cvy_mutex_unlock(&object->mutex);
		return cvy_stale(id, kind);
	}
	atomic_store_explicit(&object->owner, cvy_self(), memory_order_relaxed);
	atomic_store_explicit(&object->owner_tid, cvy_tid(), memory_order_relaxed);
	if (kind != CVY_LOCK)
		atomic_store_explicit(&object->depth, 1, memory_order_relaxed);
	return died;
}

/* What is left where it was not free, kept apart: the usual way needs no frame. */
static __attribute__((noinline)) int wait_for(struct cvy_object *object, uint64_t id,
                                              enum cvy_kind kind, int timeout_ms, int tried)
{
	char name[CVY_TITLE];
	int rc;

	if (tried == -EDEADLK)
		return cvy_fail(EDEADLK, "%s: this thread holds it already",
		                cvy_title(name, object, kind));
	if (timeout_ms == 0)
		return cvy_timed_out(0, "%s: held by another (pid %d)",
		                     cvy_title(name, object, kind), (int)holder(object));
	cvy_sleeps_on(id);
	rc = cvy_mutex_lock(&object->mutex, cvy_deadline(timeout_ms));
	cvy_sleeps_on(0);
	if (rc >= 0)
		return taken(object, id, kind, rc);
	if (!cvy_object_is(object, id, kind))
		return cvy_stale(id, kind);
	if (rc == -ETIMEDOUT)
		return cvy_timed_out(timeout_ms, "%s: still held by pid %d",
		                     cvy_title(name, object, kind), (int)holder(object));
	return cvy_fail(-rc, "%s: %s", cvy_title(name, object, kind), covey_strerror(rc));
}

static __attribute__((noinline)) int not_ours(struct cvy_object *object, enum cvy_kind kind)
{
	char name[CVY_TITLE];
	pid_t pid = holder(object);

	cvy_title(name, object, kind);
	if (pid == getpid())
		return cvy_fail(EPERM,
		                "%s: released by a thread that does not hold it; another "
		                "thread of this process does",
		                name);
	if (pid)
		return cvy_fail(EPERM,
		                "%s: released by a process that does not hold it; pid %d does",
		                name, (int)pid);
	return cvy_fail(EPERM, "%s: released, but nobody holds it", name);
}

/* owner_tid names the calling thread only while it holds the mutex: only a holder writes it. */
static inline int give_back(struct cvy_object *object, enum cvy_kind kind)
{
	if (__builtin_expect(
		    atomic_load_explicit(&object->owner_tid, memory_order_relaxed) != cvy_tid(), 0))
		return not_ours(object, kind);
	atomic_store_explicit(&object->owner_tid, 0, memory_order_relaxed);
	atomic_store_explicit(&object->owner, 0, memory_order_relaxed);
	if (__builtin_expect(cvy_mutex_unlock(&object->mutex) < 0, 0))
		return not_ours(object, kind);
	return 0;
}

static int destroy(uint64_t id, const struct cvy_kind_ops *ops)
{
	struct cvy_object *object = cvy_object(id, ops->kind);
	char name[CVY_TITLE];
	int rc;

	if (!object)
		return cvy_stale(id, ops->kind);
	rc = cvy_mutex_lock(&object->mutex, 0);
	if (rc == -ETIMEDOUT)
		return cvy_fail(EBUSY, "%s: not destroyed, since pid %d holds it",
		                cvy_title(name, object, ops->kind), (int)holder(object));
	if (rc == 1)
		cvy_mutex_mended(&object->mutex);
	else if (rc < 0 && rc != -EDEADLK)
		return cvy_fail(-rc, "%s: %s", cvy_title(name, object, ops->kind),
		                covey_strerror(rc));
	if (cvy_object_is(object, id, ops->kind)) {
		atomic_store(&object->owner_tid, 0);
		atomic_store(&object->owner, 0);
		cvy_object_retire(ops, object);
		rc = 0;
	} else {
		rc = cvy_stale(id, ops->kind);
	}
	cvy_mutex_unlock(&object->mutex);
	return rc;
}

int covey_lock_create(covey_lock *lock, const char *name)
{
	return cvy_object_create(&lock_ops, name, NULL, &lock->id);
}

int covey_lock_destroy(covey_lock lock)
{
	return destroy(lock.id, &lock_ops);
}

int covey_lock_acquire(covey_lock lock, int timeout_ms)
{
	struct cvy_object *object = cvy_object(lock.id, CVY_LOCK);
	int rc;

	if (__builtin_expect(!object, 0))
		return cvy_stale(lock.id, CVY_LOCK);
	rc = cvy_mutex_lock(&object->mutex, 0);
	if (__builtin_expect(rc >= 0, 1))
		return taken(object, lock.id, CVY_LOCK, rc);
	return wait_for(object, lock.id, CVY_LOCK, timeout_ms, rc);
}

int covey_lock_release(covey_lock lock)
{
	struct cvy_object *object = cvy_object(lock.id, CVY_LOCK);

	if (__builtin_expect(!object, 0))
		return cvy_stale(lock.id, CVY_LOCK);
	return give_back(object, CVY_LOCK);
}

int covey_lock_holder(covey_lock lock)
{
	struct cvy_object *object = cvy_object(lock.id, CVY_LOCK);

	return object ? (int)holder(object) : cvy_stale(lock.id, CVY_LOCK);
}

int covey_rlock_create(covey_rlock *lock, const char *name)
{
	return cvy_object_create(&rlock_ops, name, NULL, &lock->id);
}

int covey_rlock_destroy(covey_rlock lock)
{
	return destroy(lock.id, &rlock_ops);
}

static inline int take(struct cvy_object *object, uint64_t id, enum cvy_kind kind, int timeout_ms)
{
	char name[CVY_TITLE];
	uint64_t depth;
	int rc = cvy_mutex_lock(&object->mutex, 0);

	if (__builtin_expect(rc >= 0, 1))
		return taken(object, id, kind, rc);
	if (rc != -EDEADLK)
		return wait_for(object, id, kind, timeout_ms, rc);
	depth = atomic_load_explicit(&object->depth, memory_order_relaxed);
	if (depth >= UINT32_MAX)
		return cvy_fail(EOVERFLOW, "%s: taken %llu times by one thread",
		                cvy_title(name, object, kind), (unsigned long long)depth);
	atomic_store_explicit(&object->depth, depth + 1, memory_order_relaxed);
	return 0;
}

static inline int give_one_back(struct cvy_object *object, enum cvy_kind kind)
{
	uint64_t depth = atomic_load_explicit(&object->depth, memory_order_relaxed);

	if (depth <= 1)
		return give_back(object, kind);
	if (atomic_load_explicit(&object->owner_tid, memory_order_relaxed) != cvy_tid())
		return not_ours(object, kind);
	atomic_store_explicit(&object->depth, depth - 1, memory_order_relaxed);
	return 0;
}

static enum cvy_kind kind_of(const struct cvy_object *object)
{
	return (enum cvy_kind)(atomic_load(&object->tag) & 0xff);
}

static struct cvy_guard *guard_of(struct cvy_object *object)
{
	return (struct cvy_guard *)object->space;
}

/* The object of shared data whose id serves as an rlock's, or NULL. */
static struct cvy_object *guarded(uint64_t id)
{
	static const enum cvy_kind kinds[] = {CVY_VALUE, CVY_ARRAY, CVY_DICT, CVY_LIST};
	struct cvy_object *object = NULL;

	for (size_t i = 0; !object && i < sizeof kinds / sizeof *kinds; i++)
		object = cvy_object(id, kinds[i]);
	return object;
}

static __attribute__((noinline)) int acquire_guard(uint64_t id, int timeout_ms)
{
	struct cvy_object *object = guarded(id);
	int rc;

	if (!object)
		return cvy_stale(id, CVY_RLOCK);
	rc = take(object, id, kind_of(object), timeout_ms);
	if (rc < 0 || !(rc || atomic_load(&guard_of(object)->died)))
		return rc;
	atomic_store(&guard_of(object)->died, 0);
	return COVEY_OWNER_DIED;
}

int covey_rlock_acquire(covey_rlock lock, int timeout_ms)
{
	struct cvy_object *object = cvy_object(lock.id, CVY_RLOCK);

	if (__builtin_expect(!object, 0))
		return acquire_guard(lock.id, timeout_ms);
	return take(object, lock.id, CVY_RLOCK, timeout_ms);
}

int covey_rlock_release(covey_rlock lock)
{
	struct cvy_object *object = cvy_object(lock.id, CVY_RLOCK);

	if (__builtin_expect(object != NULL, 1))
		return give_one_back(object, CVY_RLOCK);
	object = guarded(lock.id);
	return object ? give_one_back(object, kind_of(object)) : cvy_stale(lock.id, CVY_RLOCK);
}

int covey_rlock_holder(covey_rlock lock)
{
	struct cvy_object *object = cvy_object(lock.id, CVY_RLOCK);

	if (!object)
		object = guarded(lock.id);
	return object ? (int)holder(object) : cvy_stale(lock.id, CVY_RLOCK);
}

struct cvy_object *cvy_lock_object(uint64_t id, bool rlock)
{
	struct cvy_object *object = cvy_object(id, rlock ? CVY_RLOCK : CVY_LOCK);

	return object || !rlock ? object : guarded(id);
}

bool cvy_lock_mine(struct cvy_object *object)
{
	return atomic_load_explicit(&object->owner_tid, memory_order_relaxed) == cvy_tid();
}

uint64_t cvy_lock_let_go(uint64_t id, bool rlock)
{
	struct cvy_object *object = cvy_lock_object(id, rlock);
	uint64_t depth = 1;

	if (object && rlock)
		depth = atomic_exchange(&object->depth, 1);
	if (object)
		give_back(object, kind_of(object));
	return depth;
}

int cvy_lock_take_again(uint64_t id, bool rlock, uint64_t depth)
{
	int rc = rlock ? covey_rlock_acquire((covey_rlock){id}, COVEY_FOREVER)
	               : covey_lock_acquire((covey_lock){id}, COVEY_FOREVER);

	if (rc >= 0 && rlock)
		atomic_store(&cvy_lock_object(id, rlock)->depth, depth);
	return rc;
}

void cvy_guard_init(struct cvy_object *object)
{
	init(object, NULL);
	atomic_store(&guard_of(object)->died, 0);
}

int cvy_guard_enter(struct cvy_object *object, uint64_t id, enum cvy_kind kind)
{
	int rc = take(object, id, kind, COVEY_FOREVER);

	if (__builtin_expect(rc <= 0, 1))
		return rc;
	atomic_store(&guard_of(object)->died, 1);
	return 0;
}

void cvy_guard_leave(struct cvy_object *object)
{
	give_one_back(object, kind_of(object));
}

int cvy_guard_destroy(uint64_t id, const struct cvy_kind_ops *ops)
{
	struct cvy_object *object = cvy_object(id, ops->kind);
	int rc;

	if (!object)
		return cvy_stale(id, ops->kind);
	rc = cvy_guard_enter(object, id, ops->kind);
	if (rc < 0)
		return rc;
	atomic_store(&object->owner_tid, 0);
	atomic_store(&object->owner, 0);
	cvy_object_retire(ops, object);
	cvy_mutex_unlock(&object->mutex);
	return 0;
}
