/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several things with one call, and descriptors for event loops.
 *
 *     covey_waitable w[] = {COVEY_GET(jobs), COVEY_RECEIVE(end), COVEY_ENDED(process),
 *                           COVEY_DONE(future), COVEY_READABLE(fd)};
 *     if (covey_select(w, 5, 1000) > 0 && w[0].ready)
 *         covey_get(jobs, &job, 0);
 *
 * Ready means that the call in question would not wait now; where several
 * processes or threads wait for one thing, another may be quicker. So try with
 * timeout 0, and be content with -EAGAIN.
 *
 *     int fd = covey_queue_fd(jobs);             // poll, epoll, libuv, GLib
 *     ...                                        // readable: get until -EAGAIN
 *     covey_fd_close(fd);
 *
 * A descriptor polls readable while there may be something to be had, and no
 * longer once a call of this process has found nothing there; so a loop that is
 * level-triggered, one callback a message, works, as does one that is
 * edge-triggered and gets until -EAGAIN.
 *
 * Death: no death of another process, at any instruction, leaves one who waits
 * here asleep: what a sender published is seen, and that all senders have ended
 * is seen at once (before Linux 5.16 within a tenth of a second). Should the
 * sender and the one first woken by its death die in the same few instructions,
 * within a second.
 *
 * Threads, forks: the descriptors, and a select over descriptors and shared
 * objects together, are served by one thread of covey's in the process, started
 * at first use, with all signals blocked. It is not counted among the program's
 * threads where covey chooses a start method. A forked child has none of its
 * parent's descriptors: they are closed in it; it asks for its own.
 */
#ifndef COVEY_SELECT_H
#define COVEY_SELECT_H

#include <covey/base.h>
#include <covey/future.h>
#include <covey/pipe.h>
#include <covey/pool.h>
#include <covey/process.h>
#include <covey/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum covey_waitable_kind {
	COVEY_WAIT_NOTHING = 0, /* passed over */
	COVEY_WAIT_GET,         /* a queue: a get */
	COVEY_WAIT_PUT,         /* a queue: a put; where max_bytes bounds it, of some length */
	COVEY_WAIT_RECEIVE,     /* a pipe: a receive */
	COVEY_WAIT_SEND,        /* a pipe: a send */
	COVEY_WAIT_ENDED,       /* a process has ended */
	COVEY_WAIT_DONE,        /* a future is done */
	COVEY_WAIT_COMPLETED,   /* covey_as_completed of a pool has one, or none is left */
	COVEY_WAIT_READABLE,    /* a descriptor, as poll(2) means it */
	COVEY_WAIT_WRITABLE,
} covey_waitable_kind;

typedef struct covey_waitable {
	covey_waitable_kind kind;
	union {
		covey_queue queue;
		covey_pipe pipe;
		covey_process *process;
		covey_future *future;
		covey_pool *pool;
		int fd;
	} of;
	int ready; /* set by covey_select: 1 or 0 */
} covey_waitable;

/* C only. */
#define COVEY_GET(q) ((covey_waitable){COVEY_WAIT_GET, {.queue = (q)}, 0})
#define COVEY_PUT(q) ((covey_waitable){COVEY_WAIT_PUT, {.queue = (q)}, 0})
#define COVEY_RECEIVE(end) ((covey_waitable){COVEY_WAIT_RECEIVE, {.pipe = (end)}, 0})
#define COVEY_SEND(end) ((covey_waitable){COVEY_WAIT_SEND, {.pipe = (end)}, 0})
#define COVEY_ENDED(p) ((covey_waitable){COVEY_WAIT_ENDED, {.process = (p)}, 0})
#define COVEY_DONE(f) ((covey_waitable){COVEY_WAIT_DONE, {.future = (f)}, 0})
#define COVEY_COMPLETED(p) ((covey_waitable){COVEY_WAIT_COMPLETED, {.pool = (p)}, 0})
#define COVEY_READABLE(fd_) ((covey_waitable){COVEY_WAIT_READABLE, {.fd = (fd_)}, 0})
#define COVEY_WRITABLE(fd_) ((covey_waitable){COVEY_WAIT_WRITABLE, {.fd = (fd_)}, 0})

/*
 * Waits up to timeout_ms until one of n things is ready, marks those that are,
 * and returns how many. What has ended for good is ready: a closed queue, a
 * pipe at its end, a descriptor with an error or hang-up. The things must live
 * as long as the call, but for queues and pipes, whose end is news. Up to 127
 * shared things are slept on; with more, and before Linux 5.16, it looks again
 * each millisecond.
 * -ETIMEDOUT, -EAGAIN: none is ready. -EBADF: a handle or descriptor is none
 * now; the words say which. -EPERM: of a one-way pipe's end, the way it does
 * not go. -EINVAL: no things, a NULL among them, an unknown kind. -ECHILD: a
 * thing of the parent's in a forked child. -ENOMEM, -EMFILE. Since 0.1.
 */
COVEY_API int covey_select(covey_waitable *things, int n, int timeout_ms);

/*
 * A descriptor that polls readable while a get from the queue, or a receive at
 * the end, may have something, see above. It is this process's, and covey's to
 * close; each call makes another one. -EBADF, -EPERM, -EMFILE, -ENFILE,
 * -ENOMEM, -EAGAIN: no thread. Since 0.1.
 */
COVEY_API int covey_queue_fd(covey_queue q);
COVEY_API int covey_pipe_fd(covey_pipe end);

/*
 * A descriptor that polls readable from when the future is done, also where it
 * is freed meanwhile; covey's to close. For a process there is
 * covey_process_fd. -EINVAL, -ECHILD, -EMFILE, -ENFILE, -ENOMEM, -EAGAIN.
 * Since 0.1.
 */
COVEY_API int covey_future_fd(covey_future *f);

/*
 * Ends the watching and closes the descriptor; also after its object was
 * destroyed. -EBADF: it is not one of those made here by this process. Since 0.1.
 */
COVEY_API int covey_fd_close(int fd);

#ifdef __cplusplus
}
#endif
#endif
