/* SPDX-License-Identifier: MIT */
/*
 * Connections between unrelated processes of one user, by address.
 *
 *     covey_listener *l;                                 // one program
 *     covey_connection *c;
 *     covey_listener_open(&l, "unix:/run/user/1000/jobs", NULL);
 *     while (covey_listener_accept(l, &c, COVEY_FOREVER) == 0) {
 *         covey_connection_receive(c, &job, sizeof job, COVEY_FOREVER);
 *         ...
 *         covey_connection_close(c);
 *     }
 *
 *     covey_connect(&c, "unix:/run/user/1000/jobs", NULL, 1000);     // another
 *     covey_connection_send(c, &job, sizeof job, COVEY_FOREVER);
 *
 * Processes of one family need none of this: they have queues and pipes, which
 * are several times faster. A program can also ask to join a family that
 * invites (covey_join_family), and then uses what it is sent handles of.
 *
 * Addresses: "unix:/path" (the path absolute, at most 107 bytes), "unix:@name"
 * (without a file), "tcp:127.0.0.1:port" (this machine only: others are refused).
 * To listen also "unix:" (a fresh "unix:@name") and port 0 (a free one);
 * covey_listener_address says which it became.
 *
 * Who may connect: over unix the kernel tells each side the other's user, and
 * who is of another is refused. A key, needed over tcp, is any bytes that both
 * know, at least 16 random ones: each side proves by HMAC-SHA-256 over fresh
 * random numbers of both that it has the same, and sends nothing else before. The
 * messages themselves are neither encrypted nor signed.
 *
 * Death: what a process sent before it died can be received, and then comes
 * -EPIPE. A message that was cut short is never handed out. SIGPIPE is never
 * raised. The file of a listener that was killed stays, and is replaced by
 * the next that listens there.
 *
 * Forks: listeners and connections belong to the process that made them. Their
 * descriptors are closed in a forked child, where every call but closing
 * answers -ECHILD; closing there is harmless. Signals end no wait.
 */
#ifndef COVEY_LISTENER_H
#define COVEY_LISTENER_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_listener covey_listener;
typedef struct covey_connection covey_connection;

typedef struct covey_listener_opts {
	const void *key; /* that others must have; copied. NULL: none, over unix only */
	size_t key_len;
	uint64_t max_message; /* longest to be received. 0: 1 GiB over tcp, no bound over unix */
	int handshake_ms;     /* how long one who comes may take to show who it is. 0: 10000 */
	int invite; /* not 0: who comes may join this family (unix only): see covey_join_family */
} covey_listener_opts;

typedef struct covey_connect_opts {
	const void *key; /* as the listener's */
	size_t key_len;
	uint64_t max_message; /* as for a listener */
	int handshake_ms; /* how long the listener may take once it has begun to answer. 0: 10000 */
} covey_connect_opts;

/*
 * Listens at an address; opts may be NULL. The file of "unix:/path" has mode
 * 0600, and is removed by covey_listener_close. Blocks for a second at most,
 * where others are about to listen in the same folder.
 * -EINVAL: no such address, or an option that cannot be with it, in words.
 * -EPERM: an address of another machine. -EADDRINUSE: there is a listener, or
 * a file that is none. -ENAMETOOLONG: the path. -ENOKEY: tcp without a key.
 * -EACCES, -ENOENT, -EMFILE, -ENOMEM and others of the system. Since 0.1.
 */
COVEY_API int covey_listener_open_v(covey_listener **listener, const char *address,
                                    const covey_listener_opts *opts, size_t size);
static inline COVEY_UNUSED int covey_listener_open(covey_listener **listener, const char *address,
                                                   const covey_listener_opts *opts)
{
	return covey_listener_open_v(listener, address, opts, sizeof *opts);
}

/*
 * Waits up to timeout_ms for one who comes and shows who it is; *connection is
 * the caller's to close. Several may be showing at the same time (32: after
 * that the oldest gives way), so that a silent one keeps nobody waiting. A refusal is
 * an answer, too: accept again.
 * -EKEYREJECTED: the other has another key, or one of the two has none.
 * -EPROTO: it does not speak as covey does, left, or took too long.
 * -EACCES: it is another user's. -EPERM: it asks for the family, and is not invited.
 * -ETIMEDOUT, -EAGAIN: nobody came. -ECHILD, -EMFILE, -ENOMEM. Since 0.1.
 */
COVEY_API int covey_listener_accept(covey_listener *listener, covey_connection **connection,
                                    int timeout_ms);

/* Where it listens, to be given to covey_connect; the listener's. Since 0.1. */
COVEY_API const char *covey_listener_address(const covey_listener *listener);

/*
 * A descriptor that polls readable while an accept with timeout 0 has something to
 * do, which may be to answer -EAGAIN. The listener's: only to be polled. -ECHILD. Since 0.1.
 */
COVEY_API int covey_listener_fd(const covey_listener *listener);

/*
 * Stops listening and frees the listener, NULL too; connections stay. No other
 * thread may be in a call on it. Since 0.1.
 */
COVEY_API void covey_listener_close(covey_listener *listener);

/*
 * Connects to a listener, waiting up to timeout_ms until that accepts; opts may
 * be NULL. *connection is the caller's to close.
 * -ECONNREFUSED, -ENOENT: nobody listens there. -EKEYREJECTED, -EPROTO, -EACCES:
 * as for accept. -EPIPE: the listener closed before it accepted. -EINVAL, -EPERM,
 * -ENAMETOOLONG, -ENOKEY: as for covey_listener_open. -ETIMEDOUT, -EAGAIN. -EMFILE,
 * -ENOMEM. Since 0.1.
 */
COVEY_API int covey_connect_v(covey_connection **connection, const char *address,
                              const covey_connect_opts *opts, size_t size, int timeout_ms);
static inline COVEY_UNUSED int covey_connect(covey_connection **connection, const char *address,
                                             const covey_connect_opts *opts, int timeout_ms)
{
	return covey_connect_v(connection, address, opts, sizeof *opts, timeout_ms);
}

/*
 * Makes this program, which was started by another, a member of the listener's
 * family, where that invites (unix only); also connects, as covey_connect. From
 * then on this process and what it starts use handles of the family that they
 * are sent: queues, locks and all else. It has no parent there and nobody joins
 * it; it stays a member until it ends, and is listed by its program's name. Call it before anything
 * else of covey that makes a family: the first shared object, process or pool. -EEXIST: this
 * process has a family. -EPERM: the listener invites nobody. -EBADMSG, -EPROTONOSUPPORT: its memory
 * is not such as this version of covey uses. -EXDEV: it is in another PID namespace. -EIO: it
 * closed the memory's descriptor. -EAGAIN: also when the family has no room for a process more; it
 * is a member then. Others as covey_connect. Since 0.1.
 */
COVEY_API int covey_join_family_v(covey_connection **connection, const char *address,
                                  const covey_connect_opts *opts, size_t size, int timeout_ms);
static inline COVEY_UNUSED int covey_join_family(covey_connection **connection, const char *address,
                                                 const covey_connect_opts *opts, int timeout_ms)
{
	return covey_join_family_v(connection, address, opts, sizeof *opts, timeout_ms);
}

/*
 * Sends a copy of len bytes, any number, waiting up to timeout_ms while the
 * other does not receive. 0: all is on its way. Threads may send at the same
 * time: messages are not mixed.
 * -ETIMEDOUT, -EAGAIN: nothing was sent, or only a part. After a part, this side
 * can send no more: later sends are -EPIPE, the other is told when it has
 * received what came, and receiving goes on. What is over some 100 KiB is
 * likely to go in parts. -EPIPE: the other closed or died. -ECHILD. Since 0.1.
 */
COVEY_API int covey_connection_send(covey_connection *connection, const void *data, size_t len,
                                    int timeout_ms);

/*
 * Receives the next message into buf and returns its length, waiting up to
 * timeout_ms until all of it has come. On failure the contents of buf are undefined.
 * -EMSGSIZE: it is longer than cap; the words say how long, and it stays the
 * next. -ETIMEDOUT, -EAGAIN: the parts that came are kept: a later receive goes
 * on. -EPIPE: the other closed or died, and nothing whole is left. -EPROTO: it
 * is over max_message; so is every later receive. -ENOMEM, -ECHILD. Since 0.1.
 */
COVEY_API int64_t covey_connection_receive(covey_connection *connection, void *buf, size_t cap,
                                           int timeout_ms);

/*
 * The same into memory of its own: *data from malloc, the caller's to free,
 * with a zero byte behind the message. -ENOMEM leaves the message. Since 0.1.
 */
COVEY_API int64_t covey_connection_receive_alloc(covey_connection *connection, void **data,
                                                 int timeout_ms);

/*
 * Waits up to timeout_ms until a message has begun to come. 1: it has; receiving
 * it may still wait for its end. -EPIPE, -EPROTO, -ETIMEDOUT, -EAGAIN, -ECHILD as
 * for receive. Since 0.1.
 */
COVEY_API int covey_connection_poll(covey_connection *connection, int timeout_ms);

/*
 * A descriptor that polls readable when something comes or the other has closed, for
 * covey_select (COVEY_READABLE) and event loops: receive with timeout 0 then. The
 * connection's: only to be polled. -ECHILD. Since 0.1.
 */
COVEY_API int covey_connection_fd(const covey_connection *connection);

/*
 * Closes and frees, NULL too. What was sent reaches the other. No other thread
 * may be in a call on it. Since 0.1.
 */
COVEY_API void covey_connection_close(covey_connection *connection);

#ifdef __cplusplus
}
#endif
#endif
