/* SPDX-License-Identifier: MIT */
/*
 * The arena: the family's shared memory, its regions, its object table and its
 * process table. Uses base only.
 *
 * One memfd, mapped whole in every process, not at the same address: what lies
 * in it refers to itself by offset from its start. Offset 0 is "none". All
 * that changes here changes so that a kill between any two instructions can be
 * mended by the next to hold the lock: see region.c and object.c.
 */
#ifndef CVY_ARENA_H
#define CVY_ARENA_H

#include <covey/family.h>
#include <covey/fn.h>

#include "base/base.h"

/* ---- the mapping (arena.c) */

/*
 * The family of this process: created at first use, or attached. Cheap when it
 * is there. 0, -ENOMEM, -EMFILE, -ENFILE, in words. Every entry point that can
 * be a process's first goes through it.
 */
int cvy_family(void);
bool cvy_family_exists(void);
/* Maps an inherited arena after checking its stamp; fd becomes the arena's. */
int cvy_family_attach(int fd);
/*
 * The same for a process that was not started by the family, and gets a slot of
 * its own there; fd is taken over, and closed on failure. -EEXIST: it has a family.
 */
int cvy_family_join(int fd);
/* The arena's descriptor, close-on-exec. */
int cvy_family_fd(void);
/* A quota to be used when the family is made. -EBUSY once it is. */
int cvy_family_quota(uint64_t bytes);

extern unsigned char *cvy_base;  /* where the arena is mapped here */
extern uint64_t cvy_size;        /* how much of it */
extern unsigned cvy_range_shift; /* a range of addresses is 1 << this: see layout.h */

/* The address of [offset, offset + len), NULL when that is not in the arena. */
static inline void *cvy_at(uint64_t offset, uint64_t len)
{
	return offset && offset < cvy_size && len <= cvy_size - offset ? cvy_base + offset : NULL;
}
static inline uint64_t cvy_offset(const void *p)
{
	return (uint64_t)((const unsigned char *)p - cvy_base);
}

/* ---- regions (region.c): page-aligned pieces of the arena */

/*
 * Allocates bytes (rounded up to pages), backed by memory, contents undefined,
 * and stores its offset in *dest, which must lie in the arena and be 0: a
 * region is owned by the word that refers to it from the moment it exists. If
 * the caller dies, either both happened or neither.
 * -ENOMEM: quota or system memory, in words.
 */
int cvy_region_alloc(uint64_t *dest, uint64_t bytes);
/*
 * The size of the block of addresses that a region at offset has to itself, 0 where no region can
 * begin there. Known from the offset alone, so that damage to the arena cannot change it.
 */
static inline uint64_t cvy_block_at(uint64_t offset)
{
	uint64_t range = offset >> cvy_range_shift, bytes;

	if (__builtin_expect(range == 0 || offset >= cvy_size, 0))
		return 0;
	bytes = UINT64_C(4096) << (range - 1);
	return (offset & (bytes - 1)) || bytes >> cvy_range_shift > 1 ? 0 : bytes;
}
/*
 * The address of [offset, offset + len) where that lies in one block of the regions; else NULL.
 * What others wrote leads to the fixed tables, or from one block into the next, in no case.
 */
static inline void *cvy_in_block(uint64_t offset, uint64_t len)
{
	uint64_t range = offset >> cvy_range_shift, bytes;

	if (__builtin_expect(range == 0 || offset >= cvy_size, 0))
		return NULL;
	bytes = UINT64_C(4096) << (range - 1);
	return len <= bytes - (offset & (bytes - 1)) ? cvy_base + offset : NULL;
}
/* The same for all that a region may hold: it begins where its block does. */
static inline void *cvy_region_at(uint64_t offset, uint64_t len)
{
	uint64_t block = cvy_block_at(offset);

	return block && len <= block ? cvy_base + offset : NULL;
}
/*
 * The same, reserving `bytes` of address space of which the first `backed` are
 * backed; cvy_region_back() backs more.
 */
int cvy_region_reserve(uint64_t *dest, uint64_t bytes, uint64_t backed);
int cvy_region_back(uint64_t offset, uint64_t backed);
/* Frees the region that *dest refers to and stores 0 there. *dest 0 is fine. */
void cvy_region_free(uint64_t *dest);
/* Usable bytes that are backed. */
uint64_t cvy_region_bytes(uint64_t offset);
/* A freed region up to this size may stay backed, for the next of its size. */
#define CVY_WARM_BLOCK (UINT64_C(16) << 20)
/* Gives back all but the first `backed` bytes, which are rounded up to a page. */
void cvy_region_trim(uint64_t offset, uint64_t backed);
/* Bytes counted against the quota now, and the quota. */
void cvy_region_usage(uint64_t *used, uint64_t *quota);
/* What this process may use of memory, from machine, cgroup and limits. (limits.c) */
uint64_t cvy_memory_limit(void);

/* ---- objects (object.c): what handles refer to */

enum cvy_kind {
	CVY_NONE = 0,
	CVY_LOCK,
	CVY_RLOCK,
	CVY_SEMAPHORE,
	CVY_CONDITION,
	CVY_EVENT,
	CVY_BARRIER,
	CVY_RWLOCK,
	CVY_QUEUE,
	CVY_PIPE,
	CVY_BLOCK,
	CVY_VALUE,
	CVY_ARRAY,
	CVY_DICT,
	CVY_LIST,
	CVY_POOL,
	CVY_KINDS
};

/*
 * A slot of the object table, 256 bytes, in two cache line pairs.
 *
 * Slots are type-stable: once used for a kind, always of that kind, and their
 * mutex is initialised once and never again, so a thread that comes late finds
 * a sane object whose generation tells that it is not the one it meant.
 *
 * tag        kind in the low 8 bits, state in the next 8, generation in the
 *            high 32; what an id is compared with. Written under the table
 *            lock; a destroyer also holds the object's own mutex(es).
 * name       written under the table lock before the tag says live.
 * next_free  under the table lock.
 * region     the object's control block where it has one, 0 until the kind's
 *            first use of the slot, then never changed.
 * made       1 once the control block is wholly there (cvy_object_block); under the
 *            table lock.
 * mutex      the object's own; for locks the lock itself.
 * owner, owner_tid, depth: by the holder of mutex; read by anyone.
 * space      the kind's own.
 */
struct cvy_object {
	_Atomic uint64_t tag;
	uint32_t next_free;
	uint32_t index;
	uint64_t region;
	char name[COVEY_NAME_MAX + 1];
	uint32_t made;
	unsigned char pad[128 - 60];
	_Alignas(128) pthread_mutex_t mutex;
	_Atomic uint32_t owner; /* process slot of the holder, for messages and tools */
	_Atomic uint32_t owner_tid;
	_Atomic uint64_t depth;
	unsigned char space[128 - sizeof(pthread_mutex_t) - 16];
};
_Static_assert(sizeof(struct cvy_object) == 256, "an object slot is two cache line pairs");

/*
 * What a kind does with its slots. Both run under the table lock, on a slot that
 * is not live.
 *
 * init   makes the slot ready; fails with words. What it allocates must be owned
 *        by words in the slot or its region from the start.
 * clear  frees what an object of the kind held beyond its slot and control
 *        block. Must do nothing the second time: it is run again where the
 *        first run was cut short by a kill.
 */
struct cvy_kind_ops {
	enum cvy_kind kind;
	int (*init)(struct cvy_object *object, const void *context);
	void (*clear)(struct cvy_object *object);
};

/* Makes an object and sets it live. *id is the handle. -ENOSPC, -ENAMETOOLONG, init's. */
int cvy_object_create(const struct cvy_kind_ops *ops, const char *name, const void *context,
                      uint64_t *id);
/*
 * In ops.init: the control block of the slot, which all its objects have one after the other;
 * of zeroes at first. NULL in words.
 */
void *cvy_object_block(struct cvy_object *object, uint64_t bytes);
/*
 * Ends a live object: its tag first, so that whoever gets its mutex from now on
 * finds it stale; then clear; then the slot is free. The caller holds the
 * object's own mutex(es), and unlocks them after.
 */
void cvy_object_retire(const struct cvy_kind_ops *ops, struct cvy_object *object);
/* Live objects. */
uint64_t cvy_object_live(void);
/* Slots that were ever used: the first so many. */
uint32_t cvy_object_top(void);

/* "lock", "queue". */
const char *cvy_kind_name(enum cvy_kind kind);
/* "lock 'ledger'" or "lock", written to `to`, which it returns. */
#define CVY_TITLE (COVEY_NAME_MAX + 24)
const char *cvy_title(char to[CVY_TITLE], const struct cvy_object *object, enum cvy_kind kind);

/* The same of a live object of any kind, by its id; false where there is none. */
bool cvy_title_of(char to[CVY_TITLE], uint64_t id);

extern struct cvy_object *cvy_objects; /* the table here */
extern uint32_t cvy_object_capacity;   /* its slots; 0 before the family */
#define CVY_LIVE 1u

/* id: the slot's index + 1 in the low half, its generation in the high half. */
static inline uint64_t cvy_tag_of(uint64_t id, enum cvy_kind kind)
{
	return (id & ~UINT64_C(0xffffffff)) | CVY_LIVE << 8 | (uint64_t)kind;
}

/* The object's slot, or NULL where the id is not that of a live one: no words, see cvy_stale(). */
static inline struct cvy_object *cvy_object(uint64_t id, enum cvy_kind kind)
{
	uint32_t index = (uint32_t)id - 1;
	struct cvy_object *object;

	if (__builtin_expect(index >= cvy_object_capacity, 0))
		return NULL;
	object = &cvy_objects[index];
	if (__builtin_expect(atomic_load_explicit(&object->tag, memory_order_acquire) !=
	                             cvy_tag_of(id, kind),
	                     0))
		return NULL;
	return object;
}
/* Whether it still is, after its mutex was taken. */
static inline bool cvy_object_is(struct cvy_object *object, uint64_t id, enum cvy_kind kind)
{
	return atomic_load_explicit(&object->tag, memory_order_acquire) == cvy_tag_of(id, kind);
}
/* The id of the object that a slot has now, or had last. */
static inline uint64_t cvy_object_id(const struct cvy_object *object)
{
	uint64_t tag = atomic_load_explicit(&object->tag, memory_order_acquire);

	return (tag & ~UINT64_C(0xffffffff)) | (uint64_t)(object - cvy_objects + 1);
}
/* -EBADF in words: never created, of another kind, or destroyed. */
int cvy_stale(uint64_t id, enum cvy_kind kind);

/* ---- processes (proc.c): the process table */

#define CVY_PROCS 16384u

enum cvy_proc_state {
	CVY_PROC_FREE = 0,
	CVY_PROC_STARTING, /* its starter fills it in */
	CVY_PROC_RUNNING,  /* it has reached covey */
	CVY_PROC_ENDED,    /* its exit is recorded */
};

/*
 * A process of the family. Slot 0 is not used; the root is slot 1.
 *
 * state       FREE to STARTING by the starter under the table lock; to RUNNING
 *             by the process; to ENDED by whoever reaps it, under the table lock,
 *             once exit_status is written; to FREE likewise by its parent (or a
 *             sweep, when both are dead). A futex word: waiters for RUNNING
 *             and ENDED sleep on it.
 * awaited     1 once somebody may sleep on state: by who is about to.
 * generation  one up at each FREE to STARTING.
 * pid, since  by the process itself before RUNNING (the starter may write the
 *             same pid first). since: cvy_ticks() then; a process of that pid that
 *             started later is another.
 * parent, name, method, daemon, fn, arg, arg_len: by the starter while STARTING.
 * exit_code   by the process itself as it ends by its own will (-1 before);
 * exit_status by whoever reaps it: a wait status.
 * tree        whom it descends from: slot in the low half, generation in the high
 *             one. First its parent; where that one's slot is freed, its next
 *             ancestor. Under the table lock; read by anyone.
 * has_started others, whose tree may name this slot. Under the table lock.
 * doom        a signal that it gets once it is RUNNING, 0 for none: by who sends it
 *             while it is STARTING. Whoever takes it out has to deliver it.
 * unmanaged   it was forked outside covey: nobody but a sweep frees the slot.
 * before_well by the starter: the slot's process before this one ended well.
 * error, words: by the process, when it ends before its function runs.
 * waiting_for the id of the object it sleeps on, by its threads; for tools.
 * inline_arg  the argument up to its size, else arg is a region.
 */
struct cvy_proc {
	_Atomic uint32_t state;
	uint32_t generation;
	_Atomic int32_t pid;
	uint32_t parent;
	uint32_t parent_generation;
	_Atomic int32_t exit_code;
	_Atomic int32_t exit_status;
	int32_t error;
	uint64_t since;
	_Atomic uint64_t waiting_for;
	covey_fn fn;
	uint64_t arg;
	uint64_t arg_len;
	uint8_t method;
	uint8_t daemon;
	uint8_t unmanaged;
	uint8_t has_started;
	_Atomic uint8_t doom;
	uint8_t before_well;
	_Atomic uint8_t awaited;
	uint8_t pad;
	_Atomic uint64_t tree;
	char name[COVEY_NAME_MAX + 1];
	char words[256];
	unsigned char inline_arg[128];
};
_Static_assert(sizeof(struct cvy_proc) == 512, "a process slot is 512 bytes");

/* Takes a slot with state STARTING and the caller as parent. *index out. -EAGAIN: none free. */
int cvy_proc_new(const char *name, uint32_t *index);
void cvy_proc_free(uint32_t index);
/* Records how its process ended and wakes who waits for it, unless the slot is another's by now. */
void cvy_proc_end(uint32_t index, uint32_t generation, int status);
struct cvy_proc *cvy_proc(uint32_t index); /* NULL when out of range */
/* Sleeps while its state is as seen, until woken or deadline. */
void cvy_proc_await(struct cvy_proc *proc, uint32_t seen, int64_t deadline);
extern _Atomic uint32_t cvy_self_slot;
uint32_t cvy_self_register(void);
/* The calling process's slot; a process forked outside covey gets one here. 0: no family. */
static inline uint32_t cvy_self(void)
{
	uint32_t slot = atomic_load_explicit(&cvy_self_slot, memory_order_relaxed);

	return __builtin_expect(slot != 0, 1) ? slot : cvy_self_register();
}
/* Notes for tools what the calling process sleeps on, an object's id; 0: it is awake. */
static inline void cvy_sleeps_on(uint64_t id)
{
	struct cvy_proc *self = cvy_proc(cvy_self());

	if (self)
		atomic_store_explicit(&self->waiting_for, id, memory_order_relaxed);
}
/* What a process that covey did not start is called, cut where it is too long. Before it gets its
 * slot. */
void cvy_self_call(const char *name);
void cvy_self_set(uint32_t index); /* in a child covey started; sets pid, start, RUNNING */
/* Whether the process in the slot is alive, by pid and time; zombies are not. */
bool cvy_proc_alive(uint32_t index, uint32_t generation);
/* Live ones. */
uint64_t cvy_proc_count(void);
/*
 * Gives back what processes hold that have died and that nobody will free: their
 * arguments. Done by itself where slots or memory run out. Whether there were any.
 */
bool cvy_procs_sweep(void);

/* ---- their deaths (life.c): a word per process that the kernel marks when it dies */

/*
 * Whether the process that had this slot has ended. While it lives that is a
 * look at memory, so it may be asked of many; the system is asked only in doubt.
 */
bool cvy_gone(uint32_t index, uint32_t generation);
/*
 * Makes ready to sleep until a process dies: its life word, and in *value what
 * the word holds while the process lives; the kernel then wakes one sleeper at
 * the word, who wakes the others. NULL where it cannot be waited for so: look
 * again after a while.
 */
_Atomic uint32_t *cvy_life_watch(uint32_t index, uint32_t generation, uint32_t *value);
/*
 * Of one that is gone: whether it ended by its own will with exit code 0, as
 * far as is known; and its process id, 0 where that is no longer known.
 */
bool cvy_ended_well(uint32_t index, uint32_t generation);
pid_t cvy_pid_of(uint32_t index, uint32_t generation);
/* The calling process's, taken again where the thread that took it has ended. */
void cvy_life_renew(void);

/* ---- who descends from whom (tree.c) */

/*
 * Sends a signal to all processes that descend from the one in a slot and are not
 * noted in seen (CVY_PROCS generations), and notes them there: those on their way
 * get it when they arrive. None is begun meanwhile. How many; -errno in words
 * where one could not be signalled, once all others are.
 */
int cvy_proc_signal_tree(uint32_t index, uint32_t generation, int signal, uint32_t *seen);
/* The pidfd of a living one that is noted in seen, -ESRCH for none. */
int cvy_proc_tree_pidfd(const uint32_t *seen);

#endif
