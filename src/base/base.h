/* SPDX-License-Identifier: MIT */
/*
 * The ground layer: errors in words, time, futexes, robust mutexes, process
 * identity. It knows nothing of the arena. Internal names begin with cvy_.
 */
#ifndef CVY_BASE_H
#define CVY_BASE_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <covey/base.h>

#if defined(__SANITIZE_THREAD__)
#define CVY_THREAD_SANITIZER 1
#endif
#if defined(__SANITIZE_ADDRESS__)
#define CVY_ADDRESS_SANITIZER 1
#endif
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CVY_THREAD_SANITIZER 1
#endif
#if __has_feature(address_sanitizer)
#define CVY_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef CVY_THREAD_SANITIZER
#define CVY_THREAD_SANITIZER 0
#endif
#ifndef CVY_ADDRESS_SANITIZER
#define CVY_ADDRESS_SANITIZER 0
#endif

/* ---- errors (error.c) */

/* Sets this thread's words and code, returns -error. */
int cvy_fail(int error, const char *format, ...) COVEY_PRINTF(2, 3);

/* Puts words in front of this thread's words ("map: item 3: ..."), returns its code. */
int cvy_fail_in(const char *format, ...) COVEY_PRINTF(1, 2);

void cvy_log(int level, const char *format, ...) COVEY_PRINTF(2, 3);

/* -ETIMEDOUT, or -EAGAIN where timeout_ms is 0, with words. */
int cvy_timed_out(int timeout_ms, const char *format, ...) COVEY_PRINTF(2, 3);

/* ---- options (error.c) */

/*
 * Copies an options struct of a caller (size bytes as its header knew it, or
 * NULL) into one of known bytes: absent fields become zero; unknown fields that
 * are not zero are -E2BIG.
 */
int cvy_options(void *to, size_t known, const void *from, size_t size, const char *what);
/*
 * The other way: hands a struct of known bytes to a caller whose header knew it with
 * size bytes; fields that only the caller knows become zero.
 */
void cvy_answer(void *to, size_t size, const void *from, size_t known);

/* Copies a name (NULL is "") into a fixed field; -ENAMETOOLONG in words. */
int cvy_name(char to[COVEY_NAME_MAX + 1], const char *name, const char *what);

/* ---- time (time.c): nanoseconds on the monotonic clock */

#define CVY_NEVER INT64_MAX
#define CVY_MS INT64_C(1000000)

int64_t cvy_now(void);
/* Some ms behind at most, and read in a fifth of the time. */
int64_t cvy_now_coarse(void);
static inline int64_t cvy_sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}
/* So many nanoseconds from now; CVY_NEVER for that. */
static inline int64_t cvy_in(int64_t ns)
{
	return ns == CVY_NEVER ? CVY_NEVER : cvy_now() + ns;
}
/* When a timeout in ms runs out: COVEY_FOREVER and any negative are CVY_NEVER. */
int64_t cvy_deadline(int timeout_ms);
/*
 * How long a call may wait: the deadline is read off the clock only once it
 * has to wait at all, so that a call that need not wait makes no clock call.
 */
struct cvy_wait {
	int timeout_ms;
	int64_t deadline; /* CVY_UNSET before */
	int64_t slice;    /* of the last sleep that nobody may have ended, 0 before */
};
#define CVY_UNSET INT64_MIN
#define CVY_WAIT(timeout_ms) ((struct cvy_wait){(timeout_ms), CVY_UNSET, 0})
static inline int64_t cvy_until(struct cvy_wait *wait)
{
	if (wait->deadline == CVY_UNSET)
		wait->deadline = cvy_deadline(wait->timeout_ms);
	return wait->deadline;
}
struct timespec cvy_timespec(int64_t ns);
/* Remaining ms for poll(2): -1 for CVY_NEVER, rounded up, 0 when past. */
int cvy_poll_ms(int64_t deadline);

/* ---- futexes (futex.c): shared between processes */

/*
 * Sleeps while *word == expected, until woken or deadline. 0: woken, changed,
 * or interrupted: look again. -ETIMEDOUT.
 */
int cvy_futex_wait(_Atomic uint32_t *word, uint32_t expected, int64_t deadline);
/* Wakes up to n; returns how many. Safe in a signal handler. */
int cvy_futex_wake(_Atomic uint32_t *word, int n);

/* The most words that a thread can sleep at. */
#define CVY_WORDS_MOST 128
struct futex_waitv;
/* Says that word is expected to hold value. */
void cvy_futex_expect(struct futex_waitv *entry, _Atomic uint32_t *word, uint32_t value);
/*
 * Sleeps at n words at once while each holds what is expected. The place of the
 * word that was woken; -EAGAIN: one holds something else; -EINTR, -ETIMEDOUT;
 * -ENOSYS before Linux 5.16, and where a sandbox refuses it.
 */
int cvy_futex_wait_any(struct futex_waitv *entries, unsigned n, int64_t deadline);

/* The longest that anyone sleeps without looking again: insurance, never the remedy. */
#define CVY_SLICE (1000 * CVY_MS)

/* Rounds of cvy_pause() worth spinning before sleeping, some 30 us: 0 on one core. */
int cvy_spins(void);
/* Has them found out anew: this process may use other cores now. */
void cvy_spins_forget(void);

static inline void cvy_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* Fetches a cache line that is to be written. */
static inline void cvy_prefetch_write(const void *line)
{
#if defined(__x86_64__)
	/* The builtin would fetch it for reading, where the compiler is not told of a newer
	 * processor; the oldest take this for no operation. */
	__asm__ volatile("prefetchw %0" ::"m"(*(const char *)line));
#else
	__builtin_prefetch(line, 1);
#endif
}

/*
 * Spinning before a sleep: `for (struct cvy_spin spin = CVY_SPIN(); cvy_spin(&spin);) look`.
 * After some microseconds it gives the core up now and then, to whoever may
 * be runnable and perhaps is the one waited for; and where another did run
 * meanwhile, there are more to run than cores, and it ends: a sleep is better.
 */
struct cvy_spin {
	int left;
	int until_yield;
};
#define CVY_SPIN() ((struct cvy_spin){cvy_spins(), cvy_spins() / CVY_SPIN_YIELDS})
#define CVY_SPIN_YIELDS 8
void cvy_spin_yield(struct cvy_spin *spin);
static inline bool cvy_spin(struct cvy_spin *spin)
{
	if (spin->left <= 0)
		return false;
	spin->left--;
	if (--spin->until_yield <= 0)
		cvy_spin_yield(spin);
	else
		cvy_pause();
	return true;
}

/* ---- descriptors (poll.c) */

/*
 * poll(2) for POLLIN and POLLOUT, however low RLIMIT_NOFILE has been set meanwhile. A
 * hang-up or an error may be told as readiness only, which the next read or write tells from it.
 */
int cvy_poll(struct pollfd *fds, nfds_t n, int ms);

/* ---- robust mutexes in shared memory (mutex.c) */

/* Process-shared, robust, error-checking. Initialised once, never destroyed: see crash notes. */
int cvy_mutex_init(pthread_mutex_t *mutex);

/*
 * 0: held. 1: held, and the last holder died: mend, then cvy_mutex_mended().
 * -ETIMEDOUT, -EDEADLK (this thread holds it), -ENOTRECOVERABLE and others of the C library,
 * all without words. A deadline of 0 tries once.
 */
int cvy_mutex_wait(pthread_mutex_t *mutex, int64_t deadline); /* where it is taken */
static inline int cvy_mutex_lock(pthread_mutex_t *mutex, int64_t deadline)
{
	int error = pthread_mutex_trylock(mutex);

	if (__builtin_expect(error == 0, 1))
		return 0;
	if (error == EBUSY)
		return deadline == 0 ? -ETIMEDOUT : cvy_mutex_wait(mutex, deadline);
	return error == EOWNERDEAD ? 1 : -error;
}
void cvy_mutex_mended(pthread_mutex_t *mutex);
static inline int cvy_mutex_unlock(pthread_mutex_t *mutex) /* 0 or -EPERM */
{
	return -pthread_mutex_unlock(mutex);
}

/* ---- who we are (identity.c) */

/*
 * A number that differs in every process of a fork tree, cheap to read: what
 * process-local objects remember their maker by. Never 0.
 */
uint32_t cvy_incarnation(void);
/* Runs once in a forked child, after the number has changed; for static use. */
void cvy_at_fork_child(void (*fn)(void));

/* This thread's id, cached; right again after a fork. */
extern __thread uint32_t cvy_tid_cache __attribute__((tls_model("initial-exec")));
uint32_t cvy_tid_fetch(void);
static inline uint32_t cvy_tid(void)
{
	return __builtin_expect(cvy_tid_cache != 0, 1) ? cvy_tid_cache : cvy_tid_fetch();
}

/* Reads a small file (of /proc, /sys) into buf, ended with a zero; its length, or -1. */
ssize_t cvy_read_text(const char *path, char *buf, size_t cap);
/* Start time of a process in clock ticks since boot, 0 where it cannot be read. */
uint64_t cvy_start_time(pid_t pid);
/* Now, in the same. */
uint64_t cvy_ticks(void);
/* pidfd_open, waitid by pidfd, pidfd_send_signal; -errno. */
int cvy_pidfd_open(pid_t pid);
int cvy_pidfd_signal(int pidfd, int signal);
/*
 * How the process of a pidfd, which has that pid, ended, though it is no child: a wait status.
 * Known until it is reaped, and since Linux 6.15 after; -1 where it is not.
 */
int cvy_pidfd_status(int pidfd, pid_t pid);
/* 1 when the process of a pidfd has ended (zombies too), 0 while it lives. */
int cvy_pidfd_ended(int pidfd);
/*
 * What at(context) answers, 0 to 127, where it needs a descriptor and none is left: it is called in
 * a process that shares this one's memory, while this thread waits. -1 where that cannot be made.
 * It must not allocate or lock.
 */
int cvy_look_with_spare(int (*at)(const void *context), const void *context);
/*
 * Threads of this process that have not begun to end, counted up to `enough`; where /proc cannot
 * tell, 2 once it has had any but the first.
 */
int cvy_thread_count(int enough);
/*
 * pthread_create with all signals blocked in the new thread where `quiet`, and a stack that
 * is enough for covey and a little of the user's, however small RLIMIT_STACK is. An errno.
 */
int cvy_thread_start(pthread_t *thread, bool quiet, void *(*run)(void *), void *context);

#endif
