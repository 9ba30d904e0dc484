/* SPDX-License-Identifier: MIT */
/*
 * The inside of pools. Private to this layer.
 *
 * Workers, processes or threads, see the shared half, in the arena: tasks, the
 * ring of those pending, the stack of those done. The pool's own process keeps
 * a private half beside it: futures, free lists, where arguments lie. If that
 * process dies, its workers end and the pool with them; so only what workers
 * write has to survive a death, and each such change is one word:
 *
 *     claim     CAS of the task's state, pending -> running by worker w
 *     done      exchange of the task's state, running -> done
 *     told      push on the stack of the done, one CAS
 *
 * A worker notes in its slot what it is about to claim before it does, so when
 * it dies the supervisor knows which task may have been its.
 */
#ifndef CVY_POOL_H
#define CVY_POOL_H

#include <covey/future.h>
#include <covey/pool.h>

#include "arena/arena.h"
#include "process/process.h"

#define WORKERS_MAX 1024
#define ARG_INLINE 48u
#define RESULT_INLINE 128u
#define TASKS_MOST (UINT32_C(1) << 22)
#define TASKS_STEP 1024u
#define RING_FIRST 1024u

/* A task's state: status and flag in the low half, which is a futex word; generation above. */
enum status {
	TASK_FREE = 0,
	TASK_PENDING,
	TASK_RUNNING,
	TASK_DONE,
	TASK_FAILED,
	TASK_DIED,
	TASK_CANCELLED,
};
#define STATUS(state) ((enum status)((state)&0xff))
#define STATE_WAITED UINT64_C(0x100) /* someone sleeps on the low half */
#define STATE_WORKER(state) ((uint32_t)((state) >> 16 & 0xffff)) /* index + 1 */
#define STATE_GENERATION(state) ((uint32_t)((state) >> 32))
#define STATE_OF(status, worker, generation) \
	((uint64_t)(status) | (uint64_t)(worker) << 16 | (uint64_t)(generation) << 32)

/*
 * A task, 256 bytes.
 * state        FREE, PENDING, CANCELLED, DIED by the pool's process; RUNNING and
 *              what follows it by the worker it names; the flag by anyone.
 * next         by the worker that has finished it, until the stack is taken.
 * fn, name, arg*, room, reserved: by the pool's process while it is FREE.
 * code, result_len, result, result_bytes: by its worker while it is RUNNING.
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

/*
 * A worker's slot.
 * wake     futex word: 0 set by the worker before it marks itself idle, 1 by who wakes it.
 * current  the task it is about to claim or runs, index + 1; by the worker.
 * ran      tasks finished; by the worker.
 */
struct worker {
	_Alignas(128) _Atomic uint32_t wake;
	_Atomic uint32_t current;
	_Atomic uint64_t ran;
};

/*
 * The shared half. tasks, workers, kind: constant. ring, tail, closing: by the pool's
 * process. head: by any worker, past what is no longer pending. idle: a bit is set
 * by its worker, cleared by whoever wakes it. done: pushed by workers, taken
 * whole by the pool's process. root_waits, spinner: by anyone.
 */
struct shared {
	uint64_t tasks;
	uint32_t workers;
	uint32_t notify; /* workers write to the eventfd when a task is done; by the pool */
	_Alignas(128) _Atomic uint64_t head;
	_Alignas(128) _Atomic uint64_t tail;
	_Atomic uint64_t ring; /* its offset | log2 of its entries */
	_Atomic uint32_t closing;
	_Alignas(128) _Atomic uint64_t idle[WORKERS_MAX / 64];
	_Alignas(128) _Atomic uint32_t done;
	_Alignas(128) _Atomic uint32_t root_waits;
	_Alignas(128) _Atomic uint32_t spinner;
	/* Words that own regions: by the pool's process. */
	_Alignas(128) uint64_t own_tasks;
	uint64_t own_rings[16];
	uint64_t own_chunk; /* of arguments: each begins with the offset of the one before */
	struct worker worker[];
};
#define RING_OFFSET(ring) ((ring) & ~UINT64_C(0xff))
#define RING_MASK(ring) ((UINT64_C(1) << ((ring)&0xff)) - 1)

struct callback {
	covey_future_callback *fn;
	void *context;
	struct callback *next;
};

/* A future: the private side of the task of the same index. Under the pool's lock. */
struct covey_future {
	covey_pool *pool;
	uint32_t index;
	uint32_t generation;
	bool used;    /* the task is submitted and not yet recycled */
	bool drained; /* its end is known here */
	bool freed;   /* by its user */
	bool listed;  /* in the list for as_completed */
	bool hidden;  /* never in that list: a chunk of a map */
	int retries;
	uint32_t arg_class; /* of the argument's block, for its free list; 0: none */
	uint32_t room_class;
	int wait_status; /* of the worker that died of it */
	pid_t pid;       /* of the worker that ran it last */
	uint32_t worker;
	char name[COVEY_NAME_MAX + 1];
	void *data;
	struct callback *callbacks; /* oldest first */
	covey_future *next_call;    /* list of those whose callbacks are due */
	covey_future *next;         /* free list, or list of the completed */
};

/* The pool's side of a worker. Under the pool's lock. */
struct crew {
	uint32_t slot; /* in the process table; 0: none lives */
	uint32_t generation;
	pid_t pid;
	int pidfd;
	pthread_t thread;
	bool alive;
};

#define ARG_CLASSES 12 /* 64 bytes to 128 KiB; larger ones are regions of their own */

struct covey_pool {
	uint32_t incarnation;
	pthread_mutex_t lock;
	_Atomic uint32_t forking; /* the thread that may fork with the lock held, 0 for none */
	char name[COVEY_NAME_MAX + 1];
	covey_pool_kind kind;
	covey_method method;
	int retries;
	uint64_t id; /* of its object */
	struct cvy_object *object;
	struct shared *shared;
	struct task *tasks;
	covey_future **chunks; /* of TASKS_STEP futures each */
	uint32_t made;         /* tasks and futures */
	uint32_t limit;        /* tasks that the table can hold */
	covey_future *free;
	covey_future *first, **last;   /* completed, for as_completed */
	covey_future *due, **due_last; /* whose callbacks are to be run */
	int64_t pending;               /* submitted and not drained */
	int64_t unlisted;              /* submitted, not freed, and not handed out */
	int64_t futures;               /* not freed by their users */
	uint64_t block[ARG_CLASSES];   /* free blocks: each holds the next one's offset */
	uint64_t chunk_left, chunk_at;
	struct cvy_nursery *nursery;
	struct crew *crew;
	uint32_t workers;
	_Atomic uint32_t alive; /* workers; a futex word */
	int strikes;            /* workers in a row that died without having run anything */
	bool closed, terminated, failed, joined;
	int notify_fd; /* eventfd: kicks the supervisor */
	pthread_t supervisor;
	bool supervised;
	covey_pool *next; /* of this process's pools, for fork */
};

struct covey_task {
	struct task *task; /* NULL: the result goes to `to` */
	covey_pool *pool;  /* threads only */
	unsigned char *to;
	size_t room;
	size_t len;
	int error; /* of covey_task_return */
};

static inline _Atomic uint32_t *cvy_state_word(struct task *task)
{
	/* The low half: covey runs on little-endian machines. */
	return (_Atomic uint32_t *)(void *)&task->state;
}

static inline uint64_t *cvy_ring(uint64_t ring, uint64_t n)
{
	return (uint64_t *)(void *)(cvy_base + RING_OFFSET(ring)) + (n & RING_MASK(ring));
}

/* worker.c */

/* What all workers do until the pool closes. */
void cvy_worker_loop(struct shared *shared, uint32_t index, covey_pool *pool, int notify_fd);
/* The function of a worker process. */
int cvy_worker_process(const void *arg, size_t len);
struct worker_arg {
	uint64_t shared; /* offset */
	uint32_t index;
	char name[COVEY_NAME_MAX + 1];
};
/* Wakes one idle worker, if there is one and something is pending. */
void cvy_wake_worker(struct shared *shared);
/* Runs fn with its result to a place of the caller's; 0 or the task's code. */
int cvy_run_item(covey_task_fn *fn, const void *arg, size_t len, unsigned char *to, size_t room,
                 size_t *result_len);
/* The words of the last failure of cvy_run_item. */
const char *cvy_item_words(void);
bool cvy_in_worker_of(const covey_pool *pool);

/* table.c: the private half */
int cvy_table_open(covey_pool *pool);
void cvy_table_close(covey_pool *pool);
/* Takes what is done off the stack. With the lock; wakes nobody. */
void cvy_drain(covey_pool *pool);
covey_future *cvy_submit(covey_pool *pool, covey_task_fn *fn, const void *arg, size_t len,
                         const covey_submit_opts *opts, bool hidden);
/* The end of a task that no worker will tell. With the lock, after cvy_drain. */
void cvy_end_task(covey_pool *pool, covey_future *f, enum status status);
/* Puts a task (again) into the ring. With the lock. */
int cvy_enqueue(covey_pool *pool, covey_future *f);
/* Drains, and runs the callbacks that are due, with the lock let go meanwhile. Without the lock. */
void cvy_call_back(covey_pool *pool);
void cvy_recycle(covey_pool *pool, covey_future *f);
bool cvy_in_callback_of(const covey_pool *pool);
covey_future *cvy_future_at(const covey_pool *pool, uint32_t index);
struct task *cvy_task_of(const covey_future *f);

/* supervisor.c */
int cvy_supervise(covey_pool *pool);
int cvy_start_worker(covey_pool *pool, uint32_t index);
void cvy_kick(covey_pool *pool);
/* Ends all that is pending, as cancelled or as failed. With the lock. */
void cvy_end_pending(covey_pool *pool, enum status status);

/* pool.c */
int cvy_pool_check(const covey_pool *pool);
/* Frees the pool once it is joined and no future of it is left. With the lock, which it lets go. */
void cvy_pool_unlock_or_free(covey_pool *pool);

#endif
