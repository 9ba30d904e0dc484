/* SPDX-License-Identifier: MIT */
/*
 * Pipes: two ends, and what is sent at one is received at the other.
 *
 *     covey_pipe ends[2];
 *     covey_pipe_create(ends, NULL);                     // two-way
 *     covey_start(&p, serve, &ends[1], .name = "server");
 *     covey_send(ends[0], &question, COVEY_FOREVER);     // and in the server:
 *     covey_receive(ends[0], &answer, COVEY_FOREVER);    // receive, then send at ends[1]
 *
 * An end is a value, as every handle: give it to a process as its argument, in
 * a struct or in a message. Messages are bytes, any number from none to the
 * family's quota, and are received whole, once, in the order sent. Any number
 * of threads and processes may use an end; each message goes to one of them.
 *
 * Close: an end is one thing however many processes hold its handle. Closing it
 * closes it for all: do not close an end because you have given it away.
 *
 * End of stream: once the other end was closed, or every process that ever used
 * the other end has ended, however it ended, receive hands out what is left and
 * then answers -EPIPE, and send answers -EPIPE. To use an end is to make any
 * call of this header on it but create; so a process that dies before its first
 * call is not missed here (join it, or use its descriptor). At most 255 living
 * processes may use an end.
 *
 * Death: a sender that dies inside send leaves its message wholly there or
 * wholly absent; a receiver that dies inside receive has the message or has
 * left it there. The pipe goes on. A process forked while another thread is
 * inside a call uses its ends as any other process does.
 */
#ifndef COVEY_PIPE_H
#define COVEY_PIPE_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An end of a pipe. */
typedef struct covey_pipe {
	uint64_t id;
} covey_pipe;

typedef struct covey_pipe_opts {
	const char *name;      /* for errors and tools; NULL for none */
	int one_way;           /* not 0: ends[0] only receives, ends[1] only sends */
	uint64_t max_messages; /* a send waits while so many wait at the other end; 0: no bound */
	uint64_t max_bytes;    /* a send waits while more bytes would; 0: no bound */
} covey_pipe_opts;

/*
 * Makes a pipe; opts may be NULL. It lives until both ends are closed or until
 * the family has ended. -ENAMETOOLONG, -ENOMEM, -ENOSPC as for a lock. Since 0.1.
 */
COVEY_API int covey_pipe_create_v(covey_pipe ends[2], const covey_pipe_opts *opts, size_t size);
static inline COVEY_UNUSED int covey_pipe_create(covey_pipe ends[2], const covey_pipe_opts *opts)
{
	return covey_pipe_create_v(ends, opts, sizeof *opts);
}

/*
 * Closes an end, for all processes. Those now waiting at it are answered
 * -EBADF, as is every later call on it; at the other end the stream has ended,
 * and those who wait there are woken. What this end had not received is
 * dropped. Waits for a copy that is under way. -EBADF. Since 0.1.
 */
COVEY_API int covey_pipe_close(covey_pipe end);

/*
 * Sends a copy of len bytes, waiting up to timeout_ms while the pipe is at its
 * bound. 0: it is in the pipe. A send that waits sleeps; signals do not end it.
 * -ETIMEDOUT, -EAGAIN: no room. -EPIPE: nobody can receive it, see above.
 * -EMSGSIZE: longer than max_bytes. -ENOMEM: the family's quota is used up.
 * -EPERM: this end only receives. -EBADF: not an open end. -ENOSPC: too many
 * processes use this end. Since 0.1.
 */
COVEY_API int covey_pipe_send(covey_pipe end, const void *data, size_t len, int timeout_ms);

/*
 * Takes the first message into buf and returns its length, waiting up to
 * timeout_ms while there is none. -EMSGSIZE: it is longer than cap; the words
 * say how long, and it stays the first. -EPIPE: end of stream, and nothing
 * left. -EPERM: this end only sends. -ETIMEDOUT, -EAGAIN, -EBADF, -ENOSPC.
 * Since 0.1.
 */
COVEY_API int64_t covey_pipe_receive(covey_pipe end, void *buf, size_t cap, int timeout_ms);

/*
 * The same into memory of its own: *data from malloc, the caller's to free,
 * with a zero byte behind the message. -ENOMEM leaves the message. Since 0.1.
 */
COVEY_API int64_t covey_pipe_receive_alloc(covey_pipe end, void **data, int timeout_ms);

/*
 * Whether a receive would hand out a message now, waiting for that up to
 * timeout_ms. 1: it would, unless another receiver is quicker. -EPIPE: end of
 * stream, and nothing left. -ETIMEDOUT, -EAGAIN: nothing is there. -EPERM,
 * -EBADF, -ENOSPC. Since 0.1.
 */
COVEY_API int covey_pipe_poll(covey_pipe end, int timeout_ms);

/* One object in, one object out: the compiler knows the size. Receive answers 0
 * only for a message of exactly that size, else -EMSGSIZE, and leaves it. */
#define covey_send(end, object, timeout_ms) \
	covey_pipe_send((end), (object), sizeof *(object), (timeout_ms))
#define covey_receive(end, object, timeout_ms) \
	covey_pipe_receive_exactly((end), (object), sizeof *(object), (timeout_ms))
COVEY_API int covey_pipe_receive_exactly(covey_pipe end, void *object, size_t size, int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
