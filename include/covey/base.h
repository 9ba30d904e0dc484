/* SPDX-License-Identifier: MIT */
/*
 * Conventions, errors in words, and the log.
 *
 *     if (covey_queue_put(q, msg, len, 100) < 0)
 *         fprintf(stderr, "%s\n", covey_errmsg());
 *     // queue 'jobs': message of 9000 bytes is over max_message 4096
 *
 * Results     0 or more is success, a negative number is -errno. A call that
 *             returns a pointer answers NULL, and covey_errcode() says which.
 *             Outputs are untouched on failure unless a call says otherwise.
 * Timeouts    milliseconds. COVEY_FOREVER waits, 0 only tries. A wait that
 *             ran out is -ETIMEDOUT, a try that would have waited -EAGAIN.
 *             Waits are on the monotonic clock, and signals do not end them.
 * Handles     what is shared between processes is a small value (covey_lock,
 *             covey_queue): copy it, send it, put it in a struct. A handle of
 *             a destroyed or unknown object is -EBADF. What belongs to one
 *             process (covey_process, covey_pool, covey_future) is a pointer;
 *             used in a forked child it is -ECHILD, and freeing it there is
 *             harmless.
 * Options     a struct passed by pointer, NULL for the defaults; zero in a
 *             field is its default. The size travels with the call, so that
 *             fields can be added without breaking programs already built.
 * Answers     structs that a call fills in travel with their size, too: fields
 *             that the library in use does not have yet are zero.
 * Threads     every call may be made from any thread unless it says otherwise.
 * Signals     no call is for signal handlers unless it says so.
 */
#ifndef COVEY_BASE_H
#define COVEY_BASE_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define COVEY_STATIC_ASSERT static_assert
#else
#define COVEY_STATIC_ASSERT _Static_assert
#endif

#define COVEY_VERSION_MAJOR 0
#define COVEY_VERSION_MINOR 1
#define COVEY_VERSION_PATCH 0

#if !defined(__linux__)
#error "covey is for Linux: it is built on futexes, pidfds and memfds"
#elif !defined(__GLIBC__)
#error "covey needs the GNU C library: its mutexes survive the death of their holder (musl lacks calls)"
#elif !defined(__LP64__)
#error "covey is for 64-bit programs: the family's memory is an address range of a terabyte"
#elif __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "covey is for little-endian machines: its handles and messages are in memory order"
#endif

#if defined(__GNUC__)
#define COVEY_API __attribute__((visibility("default")))
#define COVEY_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define COVEY_UNUSED __attribute__((unused))
#define COVEY_MUST_USE __attribute__((warn_unused_result))
#else
#error "covey needs gcc or clang"
#endif

/* A timeout that never runs out. */
#define COVEY_FOREVER (-1)

/* Longest name of anything, in bytes, without the final zero. */
#define COVEY_NAME_MAX 31

/*
 * This thread's last failure, in words: what was attempted, on which object,
 * and why it failed. Never NULL; "" before the first failure. A success does
 * not clear it. The text is the calling thread's and stays until its next
 * failing call. Does not block. Since 0.1.
 */
COVEY_API const char *covey_errmsg(void);

/* The negative errno that belongs to covey_errmsg(), or 0. Since 0.1. */
COVEY_API int covey_errcode(void);

/*
 * An error number of covey in a few words, whichever sign it has. The text is
 * constant for known numbers, else the calling thread's until its next call
 * of this. Since 0.1.
 */
COVEY_API const char *covey_strerror(int error);

/* "0.1.0": of the library in use, which may be newer than the header. */
COVEY_API const char *covey_version(void);

enum covey_log_level {
	COVEY_LOG_ERROR = 1, /* something was lost or could not be repaired */
	COVEY_LOG_WARN = 2,  /* a death was repaired, a fall-back is in use */
	COVEY_LOG_INFO = 3,  /* processes started and ended */
};

/*
 * Who hears what covey has to say. covey itself prints nothing. `text` has no
 * newline and is valid during the call only. It may be called from any thread
 * and from threads of covey; it must not call covey.
 */
typedef void covey_log_fn(void *context, int level, const char *text);

/*
 * Sets the log callback of this process, NULL for none (the start). Children
 * started by fork inherit it, others start with none. Since 0.1.
 */
COVEY_API void covey_set_log(covey_log_fn *log, void *context);

#ifdef __cplusplus
}
#endif
#endif
