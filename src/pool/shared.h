/* SPDX-License-Identifier: MIT */
/*
 * The shared half of a pool, in the arena: tasks, the rings of those pending, the
 * stack of those done, a slot a worker. If the pool's process dies, its workers end
 * and the pool with them; so only what workers write has to survive a death, and
 * each such change is one word:
 *
 *     claim     CAS of the task's state, pending -> running by worker w
 *     done      exchange of the task's state, running -> done
 *     told      push on the stack of the done, one CAS
 *
 * A worker notes in its slot what it is about to claim before it does, so when
 * it dies the supervisor knows which task may have been its.
 */
#ifndef CVY_POOL_SHARED_H
#define CVY_POOL_SHARED_H

#include <covey/pool.h>

#include "arena/arena.h"

#define WORKERS_MAX 1024
#define ARG_INLINE 48u
#define RESULT_INLINE 128u
/* Priorities, each with a ring of its own: that of 0 is LANE_DEFAULT. */
#define LANES ((uint32_t)(COVEY_PRIORITY_MAX - COVEY_PRIORITY_MIN) + 1)
#define LANE_DEFAULT ((uint32_t)-COVEY_PRIORITY_MIN)

/*
 * A task's state: status, flags and worker in the low half, which is a futex
 * word; the generation above.
 */
enum status {
	TASK_FREE = 0,
	TASK_WAITING, /* for what no worker brings about: a promise; what follows another task */
	TASK_PENDING,
	TASK_RUNNING,
	TASK_DONE, /* this and what follows are ends */
	TASK_FAILED,
	TASK_DIED,
	TASK_CANCELLED,
};
#define STATUS(state) ((enum status)((state)&0xff))
#define STATE_WAITED UINT64_C(0x100)  /* someone sleeps on the low half */
#define STATE_CALLED UINT64_C(0x200)  /* callbacks are to be run at its end */
#define STATE_OVERDUE UINT64_C(0x400) /* its worker is to be killed, and must not end it */
#define STATE_FLAGS(state) ((state)&UINT64_C(0xff00))
#define STATE_WORKER(state) ((uint32_t)((state) >> 16 & 0xffff)) /* index + 1 */
#define STATE_GENERATION(state) ((uint32_t)((state) >> 32))
#define STATE_OF(status, worker, generation) \
	((uint64_t)(status) | (uint64_t)(worker) << 16 | (uint64_t)(generation) << 32)

/*
 * A task, 256 bytes.
 * state        FREE, WAITING, PENDING, CANCELLED, DIED by the pool's process; RUNNING and
 *              what follows it by the worker it names; the flags by anyone. Of a
 *              promise, all by the process that made it.
 * next         by the worker that has finished it, until the stack is taken.
 * fn, arg*, room, reserved: by the pool's process while it is FREE.
 * code, result_len, result, result_bytes, and what lies at reserved: by its
 *              worker while it is RUNNING.
 * result is a region that the worker made; the pool's process frees it.
 */
struct task {
	_Atomic uint64_t state;
	uint32_t next; /* index + 1 */
	int32_t code;
	covey_fn fn;
	uint64_t arg_len;
	uint64_t arg; /* offset, 0: inline */
	uint64_t result_len;
	uint64_t result;
	uint64_t room;     /* bytes at reserved */
	uint64_t reserved; /* offset */
	unsigned char arg_bytes[ARG_INLINE];
	unsigned char result_bytes[RESULT_INLINE]; /* or the words of a failure */
};
_Static_assert(sizeof(struct task) == 256, "a task is four cache lines");

/* How a worker process crashed, told by itself in its last moments: see crash.c. */
#define FRAMES_MAX 6u
#define MODULE_MAX 24u
struct frame {
	uint64_t offset; /* from the module's load address; else the address */
	char module[MODULE_MAX];
};

/* How far a worker has come. */
enum stage {
	STAGE_STARTING = 0,
	STAGE_INITIALIZER,
	STAGE_WORKING,
	STAGE_REFUSED, /* its initializer has failed: it ends */
	STAGE_LEAVING, /* it takes no more tasks: it ends, of its own will */
};

/*
 * What a worker process asks of the pool's process for the tasks that it runs, which may
 * submit tasks themselves.
 * state   a futex word: NONE to ASKED by the worker, once all else is written; to
 *         ANSWERED by the pool's process (of FREE, which nobody waits for, to NONE);
 *         to NONE by the worker.
 * own_arg by the worker, a region; after its death by the pool's process.
 * the rest by whoever is to change the state next.
 */
struct ask {
	_Atomic uint32_t state;
	uint32_t what;
	uint32_t index, generation; /* of the task */
	int32_t rc;
	int32_t retries, priority, limit;
	covey_fn fn;
	uint64_t own_arg;
	uint64_t len, result_size, cleared;
	char name[COVEY_NAME_MAX + 1];
	covey_failure failure; /* and the words of rc */
};
enum { ASK_NONE = 0, ASK_ASKED, ASK_ANSWERED };
enum { ASK_SUBMIT = 1, ASK_CANCEL, ASK_FAILURE, ASK_FREE };

/*
 * A worker's slot. By the worker, but for what is said of others; whoever starts
 * a worker clears it between one worker's end and the next one's start.
 * wake     futex word: 0 set by the worker before it marks itself idle, 1 by who wakes it.
 * current  the task it is about to claim or runs, index + 1.
 * nested   1 while it may be running tasks within that task, for which it waits.
 * ran      tasks finished.
 * pid      0 until it has reached covey, before its initializer.
 * leave    by the pool's process: 1 once it shall leave when it has no task in hand.
 * stage    an enum stage. REFUSED after code and words, which its initializer failed with.
 * signal   that it crashed by, with `frames` of the stack in frame; written last.
 */
struct worker {
	_Alignas(128) _Atomic uint32_t wake;
	_Atomic uint32_t current;
	_Atomic uint32_t nested;
	_Atomic uint64_t ran;
	_Atomic int32_t pid;
	_Atomic uint32_t leave;
	_Atomic uint32_t stage;
	_Atomic int32_t signal;
	int32_t code;
	uint32_t frames;
	struct frame frame[FRAMES_MAX];
	char words[RESULT_INLINE];
	struct ask ask;
};

/*
 * The pending tasks of one priority. ring, tail: by the pool's process, which goes by what
 * it has of them itself (struct feed). head: by any worker, past what is no longer pending.
 */
struct lane {
	_Alignas(128) _Atomic uint64_t head;
	_Alignas(128) _Atomic uint64_t tail;
	_Atomic uint64_t ring;  /* its offset | log2 of its entries */
	uint64_t own_rings[13]; /* words that own regions: by the pool's process */
};

/*
 * The shared half. tasks, limit, max_tasks, initializer, finalizer, arg*: constant.
 * workers (slots in use; they become more only), lanes (those ever used, a bit each),
 * staff (as many as there shall be), closing: by the pool's process. idle: a bit is set by
 * its worker, cleared by whoever wakes it. done: pushed by workers, taken whole by the
 * pool's process. root_waits: by anyone.
 * spinner      one who is looking for tasks (SPINNER_OF). By itself; to 0 by anyone once it
 *              is late or dead. spinner_seen, spinner_since: what it was at a look, and when
 *              that was new. By anyone.
 * extra        one who is on its way, index + 1 (idle.c). By who wakes it, before; to 0 by itself,
 *              and after its death.
 * extra_since, extra_others: when it was last seen to move, and how many it may wake once it
 *              joins those awake. By the same.
 */
struct shared {
	uint64_t tasks;
	uint32_t limit; /* tasks that the table has room for */
	_Atomic uint32_t workers;
	_Atomic uint32_t lanes;
	_Atomic uint32_t closing;
	uint64_t max_tasks; /* of a worker, 0: no limit */
	covey_fn initializer, finalizer;
	uint64_t arg_len;      /* of their argument */
	uint32_t heavy_fences; /* of who goes to sleep, so that who submits needs none; constant */
	uint32_t owner;        /* the pool's process, by slot and generation; constant */
	uint32_t owner_generation;
	uint32_t made;  /* tasks that are there: by the pool's process */
	uint32_t cores; /* that it may run on; constant */
	_Atomic uint32_t staff;
	struct lane lane[LANES];
	_Alignas(128) _Atomic uint64_t idle[WORKERS_MAX / 64];
	_Alignas(128) _Atomic uint32_t done;
	_Alignas(128) _Atomic uint32_t root_waits;
	_Alignas(128) _Atomic uint32_t spinner;
	_Alignas(128) _Atomic uint32_t extra;
	_Atomic int64_t extra_since, spinner_since;
	_Atomic uint32_t extra_others, spinner_seen;
	/* Words that own regions: by the pool's process. */
	_Alignas(128) uint64_t own_tasks;
	uint64_t own_arg;          /* of initializer and finalizer */
	uint64_t own_chunk;        /* of arguments: each begins with the offset of the one before */
	uint64_t own_chunk_before; /* while one is made or freed */
	struct worker worker[];    /* WORKERS_MAX, of which those in use are backed */
};
/* Of worker w, for its nth time; never 0. */
#define SPINNER_OF(w, n) ((uint32_t)(n) << 11 | ((w) + 1))
#define SPINNER_WORKER(spinner) ((spinner)&0x7ff) /* index + 1 */
#define SHARED_BYTES(workers) (sizeof(struct shared) + (workers) * sizeof(struct worker))
#define RING_OFFSET(ring) ((ring) & ~UINT64_C(0xff))
#define RING_MASK(ring) ((UINT64_C(1) << ((ring)&0xff)) - 1)

static inline _Atomic uint32_t *cvy_state_word(struct task *task)
{
	/* The low half: covey runs on little-endian machines. */
	return (_Atomic uint32_t *)(void *)&task->state;
}

static inline bool cvy_is_done(uint64_t state)
{
	return STATUS(state) >= TASK_DONE;
}

static inline _Atomic uint64_t *cvy_ring(uint64_t ring, uint64_t n)
{
	return (_Atomic uint64_t *)(void *)(cvy_base + RING_OFFSET(ring)) + (n & RING_MASK(ring));
}

/* Whether a ring lies where one can. */
static inline bool cvy_ring_fits(uint64_t ring)
{
	uint64_t log2 = ring & 0xff;

	return log2 >= 10 && log2 <= 40 && cvy_block_at(RING_OFFSET(ring)) >= UINT64_C(8) << log2;
}

/* Workers' slots in use, as far as one may look. */
static inline uint32_t cvy_worker_count(struct shared *shared)
{
	uint32_t workers = atomic_load_explicit(&shared->workers, memory_order_relaxed);

	return __builtin_expect(workers <= WORKERS_MAX, 1) ? workers : WORKERS_MAX;
}

/* Where the tasks lie, and for how many there is room; NULL where that is damaged. */
static inline struct task *cvy_tasks(struct shared *shared, uint32_t *limit)
{
	uint64_t at = __atomic_load_n(&shared->tasks, __ATOMIC_RELAXED);
	uint64_t room = cvy_block_at(at) / sizeof(struct task);

	*limit = __atomic_load_n(&shared->limit, __ATOMIC_RELAXED);
	if (*limit > room)
		*limit = (uint32_t)room;
	return room ? (struct task *)(void *)(cvy_base + at) : NULL;
}

static inline bool cvy_lane_filled(struct lane *lane)
{
	return atomic_load(&lane->head) < atomic_load(&lane->tail);
}

/* Those ever used, a bit each. */
static inline uint32_t cvy_lanes(struct shared *shared)
{
	return atomic_load_explicit(&shared->lanes, memory_order_acquire) &
	       ((UINT32_C(1) << LANES) - 1);
}

/* Whether the rings have entries; of tasks that were cancelled, too. */
static inline bool cvy_anything(struct shared *shared)
{
	uint32_t lanes = cvy_lanes(shared);

	if (__builtin_expect(lanes == UINT32_C(1) << LANE_DEFAULT, 1))
		return cvy_lane_filled(&shared->lane[LANE_DEFAULT]);
	for (; lanes; lanes &= lanes - 1)
		if (cvy_lane_filled(&shared->lane[__builtin_ctz(lanes)]))
			return true;
	return false;
}

static inline enum stage cvy_stage(struct worker *worker)
{
	return (enum stage)atomic_load_explicit(&worker->stage, memory_order_acquire);
}

#endif
