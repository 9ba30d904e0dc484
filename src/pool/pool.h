/* SPDX-License-Identifier: MIT */
/*
 * The inside of pools. Private to this layer.
 *
 * Workers, processes or threads, see the shared half only (shared.h). The pool's own
 * process keeps a private half beside it: futures, free lists, where arguments lie.
 *
 * Nobody forks, and nobody calls back, with a pool's lock held: a fork takes
 * the locks of all pools (fork.c).
 */
#ifndef CVY_POOL_H
#define CVY_POOL_H

#include <covey/future.h>
#include <covey/pool.h>

#include "base/fence.h"
#include "base/pace.h"
#include "pool/shared.h"
#include "process/process.h"

#define TASKS_MOST (UINT32_C(1) << 22)
#define TASKS_STEP 1024u
#define RING_FIRST 1024u

struct callback {
	covey_future_callback *fn;
	void *context;
	struct callback *next;
};

/* Futures that are handed out as they are done: of the pool, of an imap. */
struct group {
	covey_future *first, *last; /* done, and not handed out */
	int64_t left;               /* submitted, not freed, and not handed out */
};

/* A future: the private side of the task of the same index. Under the pool's lock. */
struct covey_future {
	covey_pool *pool;
	uint32_t index;
	uint32_t generation;
	bool used : 1;    /* the task is submitted and not yet recycled */
	bool drained : 1; /* its end is known here */
	bool freed : 1;   /* by its user */
	bool listed : 1;  /* in its group's list */
	bool calling : 1; /* a thread runs its callbacks */
	/* Read without the lock once the task has ended: no bits of a shared byte. */
	bool passed;        /* it failed as another did: `trace` are that one's words */
	bool starved;       /* its worker was killed for lack of memory */
	bool overdue;       /* its worker was killed since it ran for longer than `limit` */
	uint64_t arg, room; /* task->arg and task->reserved: what lies there may be damaged */
	uint8_t arg_class;  /* of the argument's block, for its free list; 0: none */
	uint8_t room_class;
	uint8_t lane;
	uint16_t retries;
	uint16_t worker;
	uint32_t limit;      /* ms that it may run, 0: no limit */
	int wait_status;     /* of the worker that died of it, -1 where nobody saw its end */
	pid_t pid;           /* of the worker that ran it last */
	struct group *group; /* NULL for none: a chunk of a map */
	void *data;
	char *trace;                /* the stack that its worker died with; from malloc */
	struct callback *callbacks; /* oldest first */
	covey_future *next_call;    /* list of those whose callbacks are due */
	covey_future *next;         /* free list, or its group's list */
	covey_future *prev;
	char name[COVEY_NAME_MAX + 1];
};

/* The pool's side of a worker, under the pool's lock: by the supervisor; of threads, by anyone. */
struct crew {
	enum {
		CREW_NONE = 0,
		CREW_WANTED, /* to be started */
		CREW_ALIVE,
	} state;
	bool left;     /* `thread` has ended, and is to be joined */
	uint32_t slot; /* in the process table */
	pid_t pid;
	int pidfd;
	int64_t since; /* its start */
	uint32_t at,
		at_generation; /* the task with a time limit that it was last seen at, index + 1 */
	int64_t at_since;
	pthread_t thread;
	covey_future **held; /* what its tasks have submitted; by the supervisor */
	uint32_t held_count, held_room;
};

/* The pool's side of a lane, under the pool's lock. */
struct feed {
	uint64_t ring, tail;
	uint64_t seen_head; /* head as it was some time ago */
};

/* Offsets of free blocks of one class. */
struct spare {
	uint64_t *at;
	size_t count, room;
};

#define BLOCK_CLASSES 12 /* 64 bytes to 128 KiB; larger ones are regions of their own */

/* The words are constant once `failed` is set; the lists and counts are under the lock. */
struct covey_pool {
	uint32_t incarnation;
	struct cvy_biased lock;
	char name[COVEY_NAME_MAX + 1];
	covey_pool_kind kind;
	covey_method method;
	int retries;
	uint64_t id; /* of its object */
	struct cvy_object *object;
	struct shared *shared;
	struct task *tasks;
	covey_future **chunks; /* of TASKS_STEP futures each */
	uint32_t limit;        /* tasks that the table has room for */
	uint32_t made;
	covey_future *free;
	struct group group;            /* for as_completed */
	covey_future *due, **due_last; /* whose callbacks are to be run */
	int64_t limited;               /* of those pending, with a time limit */
	uint32_t shortest;             /* of the time limits of this pool, ms; 0: none yet */
	int64_t pending;               /* submitted and not drained */
	int64_t futures;               /* not freed by their users */
	int64_t guests;                /* calls that join must not overtake */
	struct spare spare[BLOCK_CLASSES];
	struct feed feed[LANES];
	uint64_t chunk_left, chunk_at;
	struct cvy_nursery *nursery; /* by the supervisor */
	struct crew *crew;
	uint32_t workers;       /* as many as there shall be */
	uint32_t slots;         /* of the crew in use */
	_Atomic uint32_t alive; /* workers, and those wanted; a futex word */
	int strikes;            /* workers in a row that died without having run anything */
	int misses;             /* starts in a row that failed */
	int64_t oom_kills;      /* that are accounted for */
	bool closed, terminated, failed, joined;
	int stop_signal; /* once it is terminated: for whoever starts late */
	char why[256];   /* it failed, or will if nobody can be started */
	int notify_fd;   /* eventfd: kicks the supervisor */
	pthread_t supervisor;
	bool supervised;
	bool guest; /* a worker's view of the pool that it works for: guest.c */
	uint32_t guest_index;
	bool hall;        /* of promises: there are no workers; freed with its last future */
	covey_pool *next; /* of this process's pools, for fork */
};

struct covey_task {
	struct task *task; /* NULL: the result goes to `to` */
	unsigned char *to;
	size_t room;
	size_t len;
	int error; /* of covey_task_return */
};

/* ---- worker.c: claiming, running, telling */

/* What all workers do until they leave. pool: NULL in a process. */
void cvy_worker_loop(struct shared *shared, uint32_t index, covey_pool *pool, int notify_fd);
/* Makes a slot that of a worker to be started. */
void cvy_worker_clear(struct worker *worker);
/* The function of a worker process, and its argument. */
struct worker_arg {
	uint64_t shared; /* offset */
	uint32_t index;
};
int cvy_worker_process(const void *arg, size_t len);
/* Claims a pending task of a generation for worker w. */
bool cvy_take(struct task *task, uint32_t generation, uint32_t w);
/* Ends a task that worker w runs; whether callbacks are to be run. */
bool cvy_finish(struct shared *shared, uint32_t w, struct task *task, enum status status);
/* Wakes those who wait for an end in the pool. */
void cvy_tell(struct shared *shared);

/* ---- idle.c: workers that have nothing to do, and how they are woken */

/* Waits until there may be something to do. process: worker w is one, of the pool's. */
struct idler {
	struct pace pace;
	uint32_t times; /* that it was idle */
};
void cvy_idle(struct shared *shared, uint32_t w, bool process, struct idler *idler);
/* Whether a worker is looking for tasks, or waits to be woken for one. */
bool cvy_anybody_idle(struct shared *shared);
/*
 * After a task was put there: sees to it that an idle worker, if there is one, takes it. n: of
 * several calls in a row each has another one, in no order.
 */
void cvy_wake_worker(struct shared *shared, uint64_t n);
/* The same by a worker, for those behind the one it has claimed. */
void cvy_wake_another(struct shared *shared, uint64_t n);
/* The same, where the one who is to come, or is looking, may be stopped. */
void cvy_wake_sleeper(struct shared *shared);
/* Has all workers look again. */
void cvy_wake_all(struct shared *shared);

/* ---- run.c: a task while it runs */

/* Runs a claimed task; its code, 0 where it did not fail. The words are in result_bytes. */
int cvy_run_task(struct task *task);
/* Marks this thread as a worker of the pool. */
void cvy_run_for(covey_pool *pool, uint32_t index);
bool cvy_in_worker_of(const covey_pool *pool);
/* Whether this thread is at a task of the pool, whose own tasks are let in to the last. */
bool cvy_in_task_of(const covey_pool *pool);
/*
 * Has this thread, where it is a worker of the pool, run a task that is pending within the one
 * that waits for it; whether it did.
 */
bool cvy_run_nested(covey_future *f);
/*
 * Runs an initializer or finalizer; what it returned, or failed with by covey_task_fail,
 * whose words are then in cvy_item_words().
 */
int cvy_run_hook(covey_fn fn, const void *arg, size_t len);
/*
 * Runs fn with its result to a place of the caller's; its code. *result_len is
 * what it returned, also where that is over room.
 */
int cvy_run_item(covey_task_fn *fn, const void *arg, size_t len, unsigned char *to, size_t room,
                 size_t *result_len);
/* The words of the last failure of cvy_run_item. */
const char *cvy_item_words(void);

/* ---- crash.c: the stack of a worker that crashes */

/* Before workers are forked: what they need for it is theirs then. */
void cvy_crash_prepare(void);
/* In a worker process: has it tell where it crashed, before it dies of it. */
void cvy_crash_watch(struct worker *self);
/* " at a < b < c", from malloc; NULL where nothing was told. */
char *cvy_crash_trace(const struct worker *worker, int signal);

/* ---- table.c: tasks, futures, and blocks of memory for arguments and results */

int cvy_table_open(covey_pool *pool);
void cvy_table_close(covey_pool *pool);
/* Frees all memory that the shared half owns; again does nothing, also where that was cut short. */
void cvy_shared_clear(struct shared *shared);
/* TASKS_STEP futures more. With the lock. */
int cvy_table_grow(covey_pool *pool);
covey_future *cvy_future_at(const covey_pool *pool, uint32_t index);
struct task *cvy_task_of(const covey_future *f);
/* Where its result lies or was to lie, of len bytes; NULL where that is not in the arena. */
unsigned char *cvy_result_at(struct task *task, uint64_t len);
#define BLOCK_MOST (UINT64_C(64) << (BLOCK_CLASSES - 1))
/*
 * A block for `bytes`: its offset to *at, and to *own, which is private; its class to *class
 * (0: a region, owned by *at).
 */
int cvy_block_take(covey_pool *pool, uint64_t *at, uint64_t *own, uint64_t bytes, uint8_t *class);
void cvy_block_give(covey_pool *pool, uint64_t *at, uint64_t *own, uint8_t class);

/* ---- submit.c */

/* What is submitted: the argument in two pieces, the second of which may be empty. */
struct submission {
	covey_fn fn;
	const void *head, *body;
	size_t head_len, body_len;
	const char *name;
	size_t result_size;
	size_t cleared; /* bytes of the result's room to be cleared */
	int retries;
	int priority;
	int limit;           /* ms */
	bool inner;          /* by a task of the pool */
	struct group *group; /* NULL for none */
};
covey_future *cvy_submit(covey_pool *pool, const struct submission *what);
/* Checks a user's options, and takes them over. */
int cvy_submit_opts(struct submission *what, const covey_submit_opts *opts, const covey_pool *pool);
/* One that is WAITING, and is not yet known to anybody. With the lock. */
covey_future *cvy_submit_waiting(covey_pool *pool, const struct submission *what);
/* Has one that is WAITING run, with an argument. With the lock. 0, 1: it was cancelled, -errno. */
int cvy_submit_argument(covey_pool *pool, covey_future *f, const void *arg, uint64_t len);
/* How often a task runs again, where so often is asked for (0: as the pool has it). */
uint16_t cvy_retries(const covey_pool *pool, int given);
/* Has the ring of a priority. With the lock. */
int cvy_lane_open(covey_pool *pool, uint32_t lane);
/* Puts a task (again) into its ring. With the lock. */
int cvy_enqueue(covey_pool *pool, covey_future *f);

/* ---- done.c: all with the lock but for cvy_call_back */

/* Takes what is done off the stack; wakes nobody. */
void cvy_drain(covey_pool *pool);
/* The end of a task that no worker will tell, after cvy_drain; wakes those who wait for it. */
void cvy_end_task(covey_pool *pool, covey_future *f, enum status status);
/* Ends all that is pending, as cancelled or as failed. */
void cvy_end_pending(covey_pool *pool, enum status status);
/* Makes a pending task a cancelled or a failed one; whether it was pending. */
bool cvy_unclaim(covey_pool *pool, covey_future *f, enum status status);
void cvy_recycle(covey_pool *pool, covey_future *f);
/* Puts a future on a group's list, and takes it off. */
void cvy_enlist(struct group *group, covey_future *f);
void cvy_unlist(covey_future *f);
/* Drains, and runs the callbacks that are due, without the lock. */
void cvy_call_back(covey_pool *pool);
bool cvy_in_callback_of(const covey_pool *pool);

/* ---- wait.c: for those who wait for several things */

/* Has ends in the pool told at the word, which is 1 until then; before looking. */
_Atomic uint32_t *cvy_pool_arm(const covey_pool *pool);
/* Whether covey_as_completed would not wait. */
bool cvy_pool_has_completed(covey_pool *pool);

/* ---- future.c */

/* 0, -EINVAL, or -ECHILD in a forked child. */
int cvy_future_check(const covey_future *f);
/* "task 'resize'" or "task", written to `to`, which it returns. */
const char *cvy_future_title(const covey_future *f, char to[CVY_TITLE]);
/* The error that its end is, 0 for a result; and its words. */
int cvy_describe_end(covey_future *f, char *words, size_t cap);
/* Waits until it is done. 0, or -ETIMEDOUT without words. */
int cvy_await(covey_future *f, struct cvy_wait *wait);

/* ---- wait.c */

/* The next of a group that is done, taken off its list; NULL without words when time is up. */
covey_future *cvy_next_of(covey_pool *pool, struct group *group, struct cvy_wait *wait);

/* ---- limit.c: tasks that may run so long only; by the supervisor */

/* How long it may sleep, in ms, -1: for ever. */
int cvy_limit_tick(covey_pool *pool);
/* Kills the workers of those that have run for too long. */
void cvy_limit_look(covey_pool *pool);

/* ---- supervisor.c, ends.c: of processes */

int cvy_supervise(covey_pool *pool);
/* Settles what worker `index` has left, which has ended. */
void cvy_worker_ended(covey_pool *pool, uint32_t index);
/* Kicks the supervisor. */
void cvy_kick(covey_pool *pool);

/* ---- staff.c: whoever is wanted is started */

/*
 * Workers in a row that may die without having run anything, soon after their
 * start: of those that have reached their loop, and are killed by someone, so
 * many; of those that have not, and will not the next time, an eighth; of those
 * that die in the initializer, a third; one, where the initializer failed.
 */
#define STRIKES_MOST 96

int cvy_start_worker(covey_pool *pool, uint32_t index);
/* Slots for so many more workers, whom the pool wants from now on. With the lock. */
int cvy_recruit(covey_pool *pool);
/* Has those leave who are too many. With the lock. */
void cvy_thin_out(covey_pool *pool);
/* Slots for those who are missing, where they are to be replaced; whether that failed. */
bool cvy_call_up(covey_pool *pool);
bool cvy_anybody(covey_pool *pool);
/* Starts who is wanted; whether someone is still missing. */
bool cvy_staff(covey_pool *pool);
/* Has a nursery that lives; whether one is still missing. */
bool cvy_tend_nursery(covey_pool *pool, bool died);
/*
 * Nobody is there to run what is pending, and nobody can be started. why: NULL for what
 * pool->why says already.
 */
void cvy_give_up(covey_pool *pool, const char *why);
/* Notes why a worker could not begin, in pool->why. With the lock. */
void cvy_note_refusal(covey_pool *pool, uint32_t index, pid_t pid);

/* ---- threads.c: workers that are threads */

/* Starts those that are wanted. With the lock. */
int cvy_start_threads(covey_pool *pool);
/* Waits for the last instructions of those that have left, once nobody is there. */
void cvy_join_threads(covey_pool *pool);

/* ---- guest.c: the pool as its worker processes see it */

/* In a worker process: where it works. */
void cvy_guest_at(struct shared *shared, uint32_t index, int notify_fd);
/* The pool of this worker process; NULL where it is none, or there is no memory for it. */
covey_pool *cvy_guest_pool(void);
covey_future *cvy_guest_submit(covey_pool *pool, const struct submission *what);
int cvy_guest_cancel(covey_future *f);
int cvy_guest_failure(covey_future *f, covey_failure *failure);
void cvy_guest_free(covey_future *f);

/* ---- host.c: and the pool's process */

/* Answers what workers have asked. */
void cvy_serve(covey_pool *pool);
/* Frees what a worker that has ended has left. */
void cvy_release_held(covey_pool *pool, uint32_t index);

/* ---- memory.c */

/* Processes of this one's cgroup that were killed for lack of memory; -1: nobody tells. */
int64_t cvy_oom_kills(void);

/* ---- promise.c */

/* Held while halls of promises come and go; before all other locks. */
extern pthread_mutex_t cvy_hall_lock;
/* Lets go of a future of a hall's, whose lock and the halls' it lets go. */
void cvy_hall_unlock_or_free(covey_pool *pool);
/* Runs the callbacks due, and lets go of the pool, of which the caller is a guest. */
void cvy_hall_call_back(covey_pool *pool);

/* ---- default.c */

extern pthread_mutex_t cvy_default_lock;
/* It has been joined. */
void cvy_default_forget(const covey_pool *pool);

/* ---- fork.c: pools where their process forks */

void cvy_pools_add(covey_pool *pool);
void cvy_pools_remove(covey_pool *pool);

/* ---- pool.c, close.c */

int cvy_pool_check(const covey_pool *pool);
/* The same, for what only the process that opened it may do: else -EPERM. */
int cvy_pool_own(const covey_pool *pool);
/* The private half and the shared one, with a table and no workers. */
int cvy_pool_new(covey_pool **pool, const covey_pool_opts *opts);
/* Ends the pools whose process has died, once their workers have ended too (bury.c). */
void cvy_pools_bury(const struct cvy_kind_ops *ops);
/* Frees all of a pool but its workers, which have ended or were never there. */
void cvy_pool_dispose(covey_pool *pool);
/* Frees the pool once it is joined and no future of it is left. With the lock, which it lets go. */
void cvy_pool_unlock_or_free(covey_pool *pool);

#endif
