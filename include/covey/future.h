/* SPDX-License-Identifier: MIT */
/*
 * Futures: what a task will have come to.
 *
 *     covey_future *f = covey_submit(pool, sum_numbers, 1000);
 *     if (covey_result(f, &sum, COVEY_FOREVER) < 0)
 *         fprintf(stderr, "%s\n", covey_errmsg());
 *     covey_future_free(f);
 *
 * A future is done exactly once: with a result, a failure, or cancelled. It
 * belongs to the process that submitted the task, and any thread may use it.
 */
#ifndef COVEY_FUTURE_H
#define COVEY_FUTURE_H

#include <sys/types.h>

#include <covey/base.h>
#include <covey/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The result, copied to buf; returns its length. Waits up to timeout_ms. May be
 * called again.
 * -ETIMEDOUT, -EAGAIN: not done. -EMSGSIZE: longer than cap; the words say how
 * long. -EREMOTEIO: the task failed; the words are the task's. -EOWNERDEAD: its
 * worker died; the words name task, pid and signal. -ETIME: it ran longer than its
 * time limit. -ECANCELED. Since 0.1.
 */
COVEY_API int64_t covey_future_result(covey_future *f, void *buf, size_t cap, int timeout_ms);

/*
 * The result where it lies, valid as long as the future; *data is aligned to
 * 16 bytes. Returns its length or an error as above. Since 0.1.
 */
COVEY_API int64_t covey_future_view(covey_future *f, const void **data, int timeout_ms);

/* The result of a typed task. 0, -EMSGSIZE for another size, or as above. */
#define covey_result(f, object, timeout_ms) \
	covey_future_result_exactly((f), (object), sizeof *(object), (timeout_ms))
COVEY_API int covey_future_result_exactly(covey_future *f, void *object, size_t size,
                                          int timeout_ms);

typedef enum covey_failure_kind {
	COVEY_NOT_FAILED = 0,
	COVEY_TASK_FAILED, /* the task said so */
	COVEY_WORKER_DIED, /* its worker was killed, crashed or called exit */
	COVEY_CANCELLED,   /* it never ran */
	COVEY_OVERDUE,     /* it ran longer than its time limit, and its worker was killed */
} covey_failure_kind;

typedef struct covey_failure {
	covey_failure_kind kind;
	int code;        /* of the task, or the exit code of its worker, -1: unknown */
	int signal;      /* that killed the worker, 0 for none */
	pid_t pid;       /* of the worker that ran it last, 0 for none */
	char words[256]; /* "task 'resize': worker 'pool-0' (pid 4711) was killed by ..." */
} covey_failure;

/*
 * Why it failed. 0, also where it did not (kind says so); -EAGAIN: not done.
 * Does not block. Since 0.1.
 */
COVEY_API int covey_future_failure_v(covey_future *f, covey_failure *failure, size_t size);
static inline COVEY_UNUSED int covey_future_failure(covey_future *f, covey_failure *failure)
{
	return covey_future_failure_v(f, failure, sizeof *failure);
}

/* 1 or 0, or -ECHILD. Done covers result, failure and cancelled. Since 0.1. */
COVEY_API int covey_future_done(covey_future *f);
COVEY_API int covey_future_running(covey_future *f);
COVEY_API int covey_future_cancelled(covey_future *f);

/*
 * Cancels a task that has not started. 0: it will never run (again is 0).
 * -EBUSY: it is running or done. Since 0.1.
 */
COVEY_API int covey_future_cancel(covey_future *f);

/*
 * Calls back once when the future is done, at once in this thread where it is
 * already, else in a thread of the pool's choosing, also where the future has
 * been freed meanwhile. Callbacks of a future run in the order they were added,
 * one at a time. A callback may use the future and submit tasks, must not
 * wait for long, join the pool or free the future. -ENOMEM. Since 0.1.
 */
typedef void covey_future_callback(covey_future *f, void *context);
COVEY_API int covey_future_on_done(covey_future *f, covey_future_callback *callback, void *context);

/* A pointer of the caller's that the future carries; NULL at first. Since 0.1. */
COVEY_API void covey_future_set_data(covey_future *f, void *data);
COVEY_API void *covey_future_data(const covey_future *f);

typedef enum covey_wait_mode {
	COVEY_ALL_DONE = 0,
	COVEY_FIRST_DONE,
	COVEY_FIRST_FAILED, /* or all done */
} covey_wait_mode;

/*
 * Waits up to timeout_ms for n futures, of one pool or several; NULLs among
 * them are passed over. Returns how many are done, once what mode asks for
 * holds. -ETIMEDOUT, -EAGAIN. Since 0.1.
 */
COVEY_API int covey_wait(covey_future *const *futures, int n, covey_wait_mode mode, int timeout_ms);

/*
 * The next future of an array that is done, of any pools, or a promise. It is taken out: the
 * array is put into another order, and *n is less by those taken out and by NULLs. NULL when
 * none is left (-ENOENT), or none came in timeout_ms (-ETIMEDOUT, -EAGAIN). Since 0.1.
 *
 *     while ((f = covey_as_completed_of(futures, &n, COVEY_FOREVER)))
 *         ...
 */
COVEY_API covey_future *covey_as_completed_of(covey_future **futures, int *n, int timeout_ms);

/*
 * Promises: futures that the program itself brings about, for executors of its own. All that
 * takes futures takes them. name may be NULL. The future is pending until it is set running,
 * then it cannot be cancelled any more; it is done by a result or a failure, once. Callbacks
 * run in the thread that sets it. Freed before it is done, it is cancelled.
 * Create: NULL, -ENOMEM, -ENOSPC. The others: 0. -ECANCELED: it was cancelled, and the work
 * need not be done. -EALREADY: it is done. -EINVAL: it is a pool's. -ENOMEM. -ECHILD.
 * Since 0.1.
 *
 *     covey_future *f = covey_future_create("download");
 *     ... in the thread that does the work:
 *     if (covey_future_set_running(f) == 0)
 *         covey_future_set_result(f, &bytes, sizeof bytes);
 */
COVEY_API covey_future *covey_future_create(const char *name);
COVEY_API int covey_future_set_running(covey_future *f);
COVEY_API int covey_future_set_result(covey_future *f, const void *data, size_t len);
COVEY_API int covey_future_set_failure(covey_future *f, int code, const char *format, ...)
	COVEY_PRINTF(3, 4);

/*
 * Frees the future; NULL is fine. A task not yet done still runs, its result
 * is dropped. Since 0.1.
 */
COVEY_API void covey_future_free(covey_future *f);

#ifdef __cplusplus
}
#endif
#endif
