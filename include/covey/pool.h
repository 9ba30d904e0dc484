/* SPDX-License-Identifier: MIT */
/*
 * Pools: tasks run by workers, which are processes or threads.
 *
 *     COVEY_TASK(uint64_t, sum_numbers, uint64_t, n)
 *     {
 *         uint64_t sum = 0;
 *         for (uint64_t i = 0; i < n; i++)
 *             sum += i;
 *         return sum;
 *     }
 *
 *     covey_pool *pool;
 *     covey_pool_open(&pool, &(covey_pool_opts){ .workers = 3 });
 *     for (int i = 0; i < 10; i++)
 *         covey_submit(pool, sum_numbers, nums[i]);
 *     for (covey_future *f; (f = covey_as_completed(pool, COVEY_FOREVER)); covey_future_free(f))
 *         if (covey_result(f, &sum, 0) == 0) ...
 *     covey_pool_close(pool);
 *     covey_pool_join(pool, COVEY_FOREVER);
 *
 * Argument and result are bytes, copied through shared memory; while both
 * sides are busy no system call is made. Worker processes are forked by a
 * small helper process, the nursery, never by a process with threads.
 *
 * Death: a worker that dies fails the one task it ran (covey_failure names the
 * signal, the pid, the task and, where it crashed, the stack; or the task runs
 * again, where retries were asked for), is replaced, and all other tasks go on.
 * A nursery that dies is replaced. When no worker can be had any more, what is
 * pending fails (-EOWNERDEAD) and submit is refused (-ESHUTDOWN), with the reason
 * in words; so it is when the initializer fails in one worker, or three workers
 * in a row die in it, and nobody else is at work. A stopped
 * worker is alive: its task waits for it, the others do not. When the pool's
 * process dies, its workers end at once.
 *
 * What tasks print is flushed whenever their worker has nothing to do.
 *
 * A pool belongs to the process that opened it, and any thread of it may use
 * it; in a forked child its calls are -ECHILD.
 */
#ifndef COVEY_POOL_H
#define COVEY_POOL_H

#include <covey/base.h>
#include <covey/family.h>
#include <covey/fn.h>
#include <covey/process.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_pool covey_pool;
typedef struct covey_future covey_future;
typedef struct covey_task covey_task;

typedef enum covey_pool_kind {
	COVEY_PROCESSES = 0, /* workers are processes: a crash costs one task */
	COVEY_THREADS,       /* workers are threads of the calling process */
} covey_pool_kind;

typedef struct covey_pool_opts {
	const char *name; /* for errors and tools; workers are "NAME-0", ... */
	covey_pool_kind kind;
	int workers;         /* 0: covey_cpu_count(); at most 1024 */
	covey_method method; /* of worker processes; 0: covey_default_method() */
	int retries;         /* how often a task whose worker died runs again */
	/*
	 * Run in each worker before its first task, and when it leaves of its own will (closed,
	 * renewed, or one too many after a resize; not when it is killed), with a copy of
	 * worker_arg_len bytes of worker_arg. An initializer that returns anything but 0 (or
	 * calls covey_task_fail, whose words are then told), has failed: see below.
	 */
	covey_process_fn *initializer;
	covey_process_fn *finalizer;
	const void *worker_arg;
	size_t worker_arg_len;
	int max_tasks_per_worker; /* after so many a worker is renewed; 0: never */
} covey_pool_opts;

/*
 * Opens a pool; opts may be NULL. Returns once the workers are being started;
 * tasks may be submitted at once. *pool is the caller's, to be closed and
 * joined. -EINVAL: unknown kind or method, workers out of range.
 * -ENOTSUP: a method other than fork, or a process with threads, without
 * covey_init. -ENAMETOOLONG, -ENOMEM, -EAGAIN, -EMFILE. Since 0.1.
 */
COVEY_API int covey_pool_open_v(covey_pool **pool, const covey_pool_opts *opts, size_t size);
static inline COVEY_UNUSED int covey_pool_open(covey_pool **pool, const covey_pool_opts *opts)
{
	return covey_pool_open_v(pool, opts, sizeof *opts);
}

/*
 * A pool that all parts of a program may share, of worker processes, as many as there
 * are cores: opened at first use, and closed and joined when the program ends by exit or
 * return from main. A forked child, or a worker, gets one of its own. NULL as
 * covey_pool_open fails. Since 0.1.
 */
COVEY_API covey_pool *covey_default_pool(void);

/*
 * In a worker: the pool that it works for. What a task submits there, and waits for, it runs
 * itself where no other worker has begun to, so that tasks within tasks do not lock each other
 * up, however few the workers. (Where the wait has a timeout, it does so only if no worker
 * is idle, and may then take longer.) In a worker process it is a view of the pool: it takes
 * tasks and maps; closing, resizing and the like are -EPERM, covey_future_on_done -ENOTSUP.
 * What a worker has submitted and not freed is cancelled when the worker dies.
 * NULL, -ENOENT: not in a worker. Since 0.1.
 */
COVEY_API covey_pool *covey_current_pool(void);

/*
 * Lets no more tasks in but those that its own tasks submit; those submitted go on. Again is
 * harmless. Since 0.1.
 */
COVEY_API int covey_pool_close(covey_pool *pool);

/*
 * Waits up to timeout_ms until every task is done and every worker has ended,
 * then frees the pool: it must not be used after 0. Futures not yet freed stay
 * valid, with their results. -EINVAL: not closed. -ETIMEDOUT, -EAGAIN: still
 * at work; to be called again. -EDEADLK: called by a task or callback of the
 * pool itself. One thread joins; others may terminate meanwhile. Since 0.1.
 */
COVEY_API int covey_pool_join(covey_pool *pool, int timeout_ms);

/*
 * Closes the pool, kills worker processes at once, and cancels what has not
 * run; a task that was running is failed. Threads cannot be killed: they
 * finish the task they run. Join is still to be called. Since 0.1.
 */
COVEY_API int covey_pool_terminate(covey_pool *pool);

/*
 * The same, but that worker processes are sent SIGTERM, which they may handle, and not
 * SIGKILL. One that goes on finishes the task it runs, and ends. Since 0.1.
 */
COVEY_API int covey_pool_terminate_workers(covey_pool *pool);

/* Cancels all tasks that have not started. Does not close the pool. Since 0.1. */
COVEY_API int covey_pool_cancel(covey_pool *pool);

/*
 * Has the pool have so many workers, 1 to 1024, from now on. Those that are too
 * many leave, the idle first, each once it has finished the task it runs; does
 * not wait for them, nor for new ones to have started. -EINVAL. -ESHUTDOWN: the
 * pool is closed or has failed. -ENOMEM, -EAGAIN: as many as before stay. Since 0.1.
 */
COVEY_API int covey_pool_resize(covey_pool *pool, int workers);

/* Workers alive now or being started; of tasks, those not yet done. Since 0.1. */
COVEY_API int covey_pool_workers(covey_pool *pool);
COVEY_API int64_t covey_pool_pending(covey_pool *pool);

/*
 * A task in its bytes form. `arg` is aligned to 16 bytes and the worker's own
 * copy or the pool's memory: read it only. Returns 0, or anything else to fail
 * (see covey_task_fail).
 */
typedef int covey_task_fn(covey_task *task, const void *arg, size_t len);

typedef struct covey_submit_opts {
	const char *name;   /* of the task, for errors and tools; NULL: none */
	size_t result_size; /* bytes the result will likely have; saves an allocation */
	int retries;        /* instead of the pool's; -1: never */
	int priority;       /* those of a higher one start first; equals in their order */
	/*
	 * ms that it may run, 0: as long as it likes. After that its worker process is killed and
	 * replaced, the task fails (-ETIME, COVEY_OVERDUE), and does not run again. It is
	 * never ended early, and up to 20 ms and an eighth of the time late.
	 */
	int time_limit;
} covey_submit_opts;
#define COVEY_PRIORITY_MIN (-4)
#define COVEY_PRIORITY_MAX 3

/*
 * Submits fn on a copy of len bytes of arg; opts may be NULL. Does not wait
 * for workers, however many tasks are pending. The future is the caller's, to
 * be freed. NULL on failure, covey_errcode() is: -ESHUTDOWN: the pool is
 * closed, or has no workers and can have none. -EINVAL, -ENOEXEC: fn cannot
 * travel. -EINVAL: an unknown priority, a time limit below 0. -ENOTSUP: a time
 * limit, and workers are threads, which cannot be ended. -ENOMEM: the quota is used up. -ECHILD.
 * Since 0.1.
 */
COVEY_API covey_future *covey_pool_submit_v(covey_pool *pool, covey_task_fn *fn, const void *arg,
                                            size_t len, const covey_submit_opts *opts, size_t size);
static inline COVEY_UNUSED covey_future *covey_pool_submit(covey_pool *pool, covey_task_fn *fn,
                                                           const void *arg, size_t len,
                                                           const covey_submit_opts *opts)
{
	return covey_pool_submit_v(pool, fn, arg, len, opts, sizeof *opts);
}

/*
 * The task's result: a copy of len bytes. Again replaces it. Returns 0, or
 * -ENOMEM where the quota is used up. Only for the running task. Since 0.1.
 */
COVEY_API int covey_task_return(covey_task *task, const void *data, size_t len);

/*
 * Room for a result of len bytes to be written in place, aligned to 16 bytes;
 * NULL as for covey_task_return. Since 0.1.
 */
COVEY_API void *covey_task_result(covey_task *task, size_t len);

/*
 * Says that the running task fails, with a code of the task's own (not 0) and
 * words of up to 120 bytes; returns the code, so that
 * `return covey_task_fail(3, "no such file: %s", path)` reads well. In a typed
 * task the returned value is then ignored. Outside a task it does nothing but
 * return the code. Since 0.1.
 */
COVEY_API int covey_task_fail(int code, const char *format, ...) COVEY_PRINTF(2, 3);

/*
 * Submits a task that is to run once `before` is done, and takes its result as argument. Where
 * `before` fails or is cancelled, the new future does so too, with the same words, and fn does
 * not run. `before` may be of another pool, or a promise, and may be freed at once. The
 * future is the caller's. NULL: as for submit. Typed: covey_then(pool, before, task), of a task of
 * one argument. Since 0.1.
 */
COVEY_API covey_future *covey_pool_then_v(covey_pool *pool, covey_future *before, covey_task_fn *fn,
                                          const covey_submit_opts *opts, size_t size);
static inline COVEY_UNUSED covey_future *covey_pool_then(covey_pool *pool, covey_future *before,
                                                         covey_task_fn *fn,
                                                         const covey_submit_opts *opts)
{
	return covey_pool_then_v(pool, before, fn, opts, sizeof *opts);
}
#define covey_then(pool, before, task) \
	covey_pool_then((pool), (before), task##_covey_run, &(covey_submit_opts){.name = #task})

/*
 * The next future of the pool that is done and was not yet handed out here, in
 * the order in which they were done; futures freed before are left out. NULL
 * when none is left (covey_errcode() is -ENOENT), or none came in timeout_ms
 * (-ETIMEDOUT, -EAGAIN). Since 0.1.
 */
COVEY_API covey_future *covey_as_completed(covey_pool *pool, int timeout_ms);

/*
 * Submits a task and waits for its result, which it copies to buf: the length, or an
 * error of submit or of covey_future_result. Since 0.1.
 */
COVEY_API int64_t covey_pool_apply_v(covey_pool *pool, covey_task_fn *fn, const void *arg,
                                     size_t len, void *buf, size_t cap,
                                     const covey_submit_opts *opts, size_t size);
static inline COVEY_UNUSED int64_t covey_pool_apply(covey_pool *pool, covey_task_fn *fn,
                                                    const void *arg, size_t len, void *buf,
                                                    size_t cap, const covey_submit_opts *opts)
{
	return covey_pool_apply_v(pool, fn, arg, len, buf, cap, opts, sizeof *opts);
}

/*
 * Typed tasks. COVEY_TASK(result, name, type, arg, ...) { body } defines a
 * function, `name`, with up to six arguments of plain types, or (void), and
 *
 *     covey_future *f = covey_submit(pool, name, value, ...);
 *     covey_result(f, &result, timeout_ms);
 *     covey_apply(pool, name, &result, value, ...)       // both in one call
 *     covey_map(pool, name, values, ..., n, results)     // see covey/map.h
 *
 * check the values' types. COVEY_TASK_VOID(name, ...) has no result, and what takes
 * results above takes none of it. The function can also be called directly. With options,
 * covey_submit_with(pool, &opts, name, value, ...). C only. Since 0.1.
 */
#define covey_submit(pool, ...) covey_submit_with(pool, NULL, __VA_ARGS__)
#define covey_submit_with(pool, opts, ...) \
	COVEY_PASTE_(COVEY_SUBMIT_, COVEY_VALUES_(__VA_ARGS__))(pool, opts, __VA_ARGS__)
#define covey_apply(pool, ...) \
	COVEY_PASTE_(COVEY_APPLY_, COVEY_VALUES_(__VA_ARGS__))(pool, __VA_ARGS__)

/* What COVEY_WITH_POOL expands to uses these; call the ones above. */
struct covey_pool_with {
	covey_pool *pool;
};
COVEY_API void covey_pool_with_end(struct covey_pool_with *with);

static inline COVEY_UNUSED struct covey_pool_with covey_pool_with_open(const covey_pool_opts *opts)
{
	struct covey_pool_with with = {NULL};

	covey_pool_open(&with.pool, opts);
	return with;
}

/*
 * Runs the following block with a pool of its own, `covey_pool *pool`; options
 * follow as .field = value. However the block is left (at its end, by break, continue,
 * return or goto; not by longjmp or exit), the pool is closed and joined, so that all
 * tasks are done then. Where it cannot be opened the block is skipped, and
 * covey_errmsg() says why. C only. Since 0.1.
 *
 *     COVEY_WITH_POOL(pool, .workers = 3)
 *         f = covey_submit(pool, sum_numbers, 10);
 */
#define COVEY_WITH_POOL(pool, ...) COVEY_WITH_POOL_(pool, __COUNTER__, __VA_ARGS__)
#define COVEY_WITH_POOL_(pool, n, ...) COVEY_WITH_POOL__(pool, n, __VA_ARGS__)
#define COVEY_WITH_POOL__(name, n, ...)                                                            \
	for (struct covey_pool_with covey_with_##n __attribute__((cleanup(covey_pool_with_end))) = \
	             covey_pool_with_open(&(covey_pool_opts){__VA_ARGS__}),                        \
	                                           *covey_once_##n = &covey_with_##n;              \
	     covey_once_##n && covey_with_##n.pool; covey_once_##n = NULL)                         \
		for (covey_pool *name = covey_with_##n.pool; name; name = NULL)

#include <covey/future.h>
#include <covey/map.h>
#include <covey/task.h>

#ifdef __cplusplus
}
#endif
#endif
