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
 * signal, the pid and the task; or the task runs again, where retries were
 * asked for), is replaced, and all other tasks go on. A nursery that dies is
 * replaced. When the pool's process dies, its workers end at once.
 *
 * A pool belongs to the process that opened it, and any thread of it may use
 * it; in a forked child its calls are -ECHILD.
 */
#ifndef COVEY_POOL_H
#define COVEY_POOL_H

#include <covey/base.h>
#include <covey/family.h>
#include <covey/fn.h>

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

/* Lets no more tasks in; those submitted go on. Again is harmless. Since 0.1. */
COVEY_API int covey_pool_close(covey_pool *pool);

/*
 * Waits up to timeout_ms until every task is done and every worker has ended,
 * then frees the pool: it must not be used after 0. Futures not yet freed stay
 * valid, with their results. -EINVAL: not closed. -ETIMEDOUT, -EAGAIN: still
 * at work, the pool is unchanged. -EDEADLK: called by a task or callback of
 * the pool itself. Since 0.1.
 */
COVEY_API int covey_pool_join(covey_pool *pool, int timeout_ms);

/*
 * Closes the pool, kills worker processes at once, and cancels what has not
 * run; a task that was running is failed. Threads cannot be killed: they
 * finish the task they run. Join is still to be called. Since 0.1.
 */
COVEY_API int covey_pool_terminate(covey_pool *pool);

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
} covey_submit_opts;

/*
 * Submits fn on a copy of len bytes of arg; opts may be NULL. Does not wait
 * for workers, however many tasks are pending. The future is the caller's, to
 * be freed. NULL on failure, covey_errcode() is: -ESHUTDOWN: the pool is
 * closed. -EINVAL: fn cannot travel. -ENOMEM: the quota is used up.
 * -ECHILD. Since 0.1.
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

typedef struct covey_map_opts {
	size_t chunk; /* items per task; 0: so that each worker gets about four */
	int retries;  /* as covey_submit_opts.retries */
} covey_map_opts;

/*
 * Runs fn on each of n items of item_size bytes and writes the results, of
 * result_size bytes each, to results in the items' order. Waits for all.
 * results may be NULL where result_size is 0. opts may be NULL. When items
 * fail, the others still run, and the first failure, in the items' order, is
 * returned and told as by covey_future_result, with the item's number.
 * -EMSGSIZE: an item's result had another size. Errors of submit. Since 0.1.
 */
COVEY_API int covey_pool_map_v(covey_pool *pool, covey_task_fn *fn, const void *items, size_t n,
                               size_t item_size, void *results, size_t result_size,
                               const covey_map_opts *opts, size_t size);
static inline COVEY_UNUSED int covey_pool_map(covey_pool *pool, covey_task_fn *fn,
                                              const void *items, size_t n, size_t item_size,
                                              void *results, size_t result_size,
                                              const covey_map_opts *opts)
{
	return covey_pool_map_v(pool, fn, items, n, item_size, results, result_size, opts,
	                        sizeof *opts);
}

/*
 * The next future of the pool that is done and was not yet handed out here, in
 * the order in which they were done; futures freed before are left out. NULL
 * when none is left (covey_errcode() is -ENOENT), or none came in timeout_ms
 * (-ETIMEDOUT, -EAGAIN). Since 0.1.
 */
COVEY_API covey_future *covey_as_completed(covey_pool *pool, int timeout_ms);

/*
 * Typed tasks. COVEY_TASK(result, name, type, arg, ...) { body } defines a
 * function, `name`, with up to six arguments of plain types, and
 *
 *     covey_future *f = covey_submit(pool, name, value, ...);
 *     covey_result(f, &result, timeout_ms);
 *     covey_map(pool, name, items, n, results)      // one argument, in order
 *
 * check the values' types. COVEY_TASK_VOID(name, ...) has no result. The
 * function can also be called directly. C only. Since 0.1.
 */
#define covey_submit(pool, task, ...) task##_covey_submit((pool), __VA_ARGS__)
#define covey_map(pool, task, items, n, results) task##_covey_map((pool), (items), (n), (results))

#include <covey/task.h>

#ifdef __cplusplus
}
#endif
#endif
