/* SPDX-License-Identifier: MIT */
/*
 * Queues of messages between any number of processes and threads.
 *
 *     covey_queue q;
 *     covey_queue_create(&q, &(covey_queue_opts){ .name = "jobs" });
 *     covey_put(q, &job, COVEY_FOREVER);            // here
 *     covey_get(q, &job, COVEY_FOREVER);            // in another process
 *
 * A message is bytes, any number from none to the family's quota. Each is got
 * once, whole, in the order in which the puts were done. When put returns 0
 * the message is in the queue: there is no thread in between. A put or get
 * that waits spins for some microseconds while another core could be making
 * progress, then sleeps.
 *
 * Death: a sender that dies inside put leaves its message wholly there or
 * wholly absent; a receiver that dies inside get has the message or has left
 * it there. The queue goes on, and nobody loses a wake-up.
 *
 * Senders share one lock and receivers another, so the two sides copy at the
 * same time and never wait for each other but when the queue is full or empty.
 * Reserve and peek hold their side's lock until the message is committed or
 * released, by the same thread: be brief between the two.
 */
#ifndef COVEY_QUEUE_H
#define COVEY_QUEUE_H

#include <sys/uio.h>

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_queue {
	uint64_t id;
} covey_queue;

typedef struct covey_queue_opts {
	const char *name;      /* for errors and tools; NULL for none */
	uint64_t max_messages; /* a put waits while so many are queued; 0: no bound */
	uint64_t max_bytes;    /* a put waits while more would be queued; 0: no bound */
	uint64_t max_message;  /* longest message allowed; 0: no bound */
	/* Not 0: get answers -EPIPE once nothing is left and every process that
	 * has ever put has ended. One that has yet to put does not count: where several
	 * begin at different times, rather close the queue once all of them have ended. */
	int end_with_senders;
	/* Not 0: what is got is to be marked done, see covey_queue_task_done. */
	int counted;
} covey_queue_opts;

/*
 * Makes an empty queue; opts may be NULL. It lives until destroyed or until
 * the family has ended. -ENAMETOOLONG, -ENOMEM, -ENOSPC as for a lock;
 * -EINVAL: max_message over max_bytes. Since 0.1.
 */
COVEY_API int covey_queue_create_v(covey_queue *q, const covey_queue_opts *opts, size_t size);
static inline COVEY_UNUSED int covey_queue_create(covey_queue *q, const covey_queue_opts *opts)
{
	return covey_queue_create_v(q, opts, sizeof *opts);
}

/*
 * Ends a queue and frees what it holds. Later calls on it, and those now
 * waiting, answer -EBADF. Waits for a copy that is under way.
 * -EBUSY: a thread has reserved or peeked a message. -EBADF. Since 0.1.
 */
COVEY_API int covey_queue_destroy(covey_queue q);

/*
 * Lets no more messages in: put answers -EPIPE, get what is left and then
 * -EPIPE. Wakes all who wait. Again is harmless. -EBADF. Since 0.1.
 */
COVEY_API int covey_queue_close(covey_queue q);

/*
 * Puts a copy of len bytes at the end, waiting up to timeout_ms while the
 * queue is at its bound. 0: it is in the queue.
 * -ETIMEDOUT, -EAGAIN: no room. -EMSGSIZE: longer than max_message, or than
 * max_bytes. -EPIPE: closed. -ENOMEM: the family's quota is used up; what is
 * queued is unharmed. -EBADF: not a live queue. -EDEADLK: this thread has a
 * reserved message in it. Since 0.1.
 */
COVEY_API int covey_queue_put(covey_queue q, const void *data, size_t len, int timeout_ms);

/*
 * Takes the first message into buf and returns its length, waiting up to
 * timeout_ms while there is none. -EMSGSIZE: it is longer than cap; the words
 * say how long, and it stays the first. -EPIPE: closed, or ended with its
 * senders, and nothing left. -ETIMEDOUT, -EAGAIN, -EBADF. -EDEADLK: this
 * thread is peeking. Since 0.1.
 */
COVEY_API int64_t covey_queue_get(covey_queue q, void *buf, size_t cap, int timeout_ms);

/*
 * The same into memory of its own: *data from malloc, the caller's to free,
 * with a zero byte behind the message. Returns the length. -ENOMEM leaves the
 * message. Since 0.1.
 */
COVEY_API int64_t covey_queue_get_alloc(covey_queue q, void **data, int timeout_ms);

/*
 * Puts up to n messages as one: those that fit now become visible together.
 * Waits, up to timeout_ms, until the first fits. Returns how many were put,
 * at least 1 (0 when n is 0), or an error of put for the first. Since 0.1.
 */
COVEY_API int covey_queue_put_many(covey_queue q, const struct iovec *messages, int n,
                                   int timeout_ms);

/*
 * Takes up to n messages that are there, waiting up to timeout_ms for the
 * first. messages[i] names a buffer and its size; iov_len becomes the length.
 * Stops before a message that is longer than its buffer. Returns how many, at
 * least 1 (0 when n is 0), or an error of get for the first. Since 0.1.
 */
COVEY_API int covey_queue_get_many(covey_queue q, struct iovec *messages, int n, int timeout_ms);

/*
 * Of a counted queue: marks one of the messages that this process has got as
 * done. Any thread of the process may; each message once, in any order. Does
 * not block. -EINVAL: this process has none left to mark, or the queue is not
 * counted. -EBADF. Since 0.1.
 */
COVEY_API int covey_queue_task_done(covey_queue q);

/*
 * Of a counted queue: waits up to timeout_ms until every message put has been
 * got and marked done. A message got by a process that ended before it marked
 * it is counted off as lost, so that nobody waits for the dead. Returns how
 * many were lost since the queue was made: 0 where all were done.
 * -ETIMEDOUT, -EAGAIN: some are not done; the words say how many. -EINVAL: the
 * queue is not counted. -EBADF. At most 255 living processes may get from a
 * counted queue; a get by one more is -ENOSPC. Since 0.1.
 */
COVEY_API int64_t covey_queue_join(covey_queue q, int timeout_ms);

/* A message in place, in the queue's own memory. */
typedef struct covey_message {
	void *data;  /* aligned to 64 bytes where len is over 32, else to 32 */
	size_t len;  /* bytes */
	uint64_t id; /* the queue's; private */
} covey_message;

/*
 * Makes room for len bytes at the end and hands it out to be written. Until
 * commit or abandon, by the same thread, other senders wait. If the process or
 * thread dies first, the message was never there. Errors of put. Since 0.1.
 */
COVEY_API int covey_queue_reserve(covey_queue q, size_t len, covey_message *message,
                                  int timeout_ms);

/*
 * Puts what was reserved; message->len may have been lowered. 0, or -EPIPE
 * where the queue was closed meanwhile (the message is dropped), -EINVAL where
 * nothing is reserved by this thread or len was raised. Since 0.1.
 */
COVEY_API int covey_queue_commit(covey_message *message);

/* Gives up what was reserved. Since 0.1. */
COVEY_API int covey_queue_abandon(covey_message *message);

/*
 * Hands out the first message to be read where it lies. Until release or keep,
 * by the same thread, other receivers wait. If the process or thread dies
 * first, the message is still the first. Errors of get. Since 0.1.
 */
COVEY_API int covey_queue_peek(covey_queue q, covey_message *message, int timeout_ms);

/* Takes the peeked message out; its memory may be reused. Since 0.1. */
COVEY_API int covey_queue_release(covey_message *message);

/* Ends the peek and leaves the message the first. Since 0.1. */
COVEY_API int covey_queue_keep(covey_message *message);

/* Messages in the queue now. -EBADF. Since 0.1. */
COVEY_API int64_t covey_queue_size(covey_queue q);

/* Bytes of the messages in the queue now. -EBADF. Since 0.1. */
COVEY_API int64_t covey_queue_bytes(covey_queue q);

/* One object in, one object out: the compiler knows the size. Get answers 0
 * only for a message of exactly that size, else -EMSGSIZE, and leaves it. */
#define covey_put(q, object, timeout_ms) \
	covey_queue_put((q), (object), sizeof *(object), (timeout_ms))
#define covey_get(q, object, timeout_ms) \
	covey_queue_get_exactly((q), (object), sizeof *(object), (timeout_ms))
COVEY_API int covey_queue_get_exactly(covey_queue q, void *object, size_t size, int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
