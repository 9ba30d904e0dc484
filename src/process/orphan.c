/* SPDX-License-Identifier: MIT */
/*
 * Daemonic processes end when their parent on record ends: a thread with a small
 * stack waits on the parent's pidfd. PR_SET_PDEATHSIG would speak of the thread
 * that started us, and of whoever forked us, which may be a nursery.
 */
#include "process/internal.h"

#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif

#define STACK_BYTES (32 * 1024)
#define EXIT_ORPHANED 143 /* as SIGTERM would */

/* Where the watcher stands; a futex word. */
enum { STARTING, SHARING, APART };
static _Atomic uint32_t watcher;

/*
 * Gives this thread a table of descriptors of its own, with this one only: the
 * program may close all of its own, and reuse the number.
 */
static bool stand_apart(int fd)
{
	if (syscall(SYS_close_range, (unsigned)fd + 1, ~0U, CLOSE_RANGE_UNSHARE) < 0)
		return false;
	if (fd > 0)
		syscall(SYS_close_range, 0U, (unsigned)fd - 1, 0);
	return true;
}

static void *watch(void *context)
{
	struct pollfd parent = {.fd = (int)(intptr_t)context, .events = POLLIN};

	atomic_store(&watcher, stand_apart(parent.fd) ? APART : SHARING);
	cvy_futex_wake(&watcher, INT_MAX);
	for (;;) {
		if (cvy_poll(&parent, 1, -1) != 1)
			continue;
		if (parent.revents & POLLNVAL) {
			cvy_own_thread(-1);
			return NULL; /* it shared the program's table, and was closed there */
		}
		_exit(EXIT_ORPHANED);
	}
}

/* Starts the watcher with all signals blocked, so that none is delivered to it. An errno. */
static int start_watcher(int pidfd)
{
	size_t stack = STACK_BYTES, least = (size_t)sysconf(_SC_THREAD_STACK_MIN);
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, stack < least ? least : stack);
	error = pthread_create(&thread, &attr, watch, (void *)(intptr_t)pidfd);
	if (error == EINVAL) { /* too small for the program's thread-local variables */
		pthread_attr_destroy(&attr);
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		error = pthread_create(&thread, &attr, watch, (void *)(intptr_t)pidfd);
	}
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

int cvy_watch_parent(void)
{
	struct cvy_proc *self = cvy_proc(cvy_self());
	struct cvy_proc *parent = self ? cvy_proc(self->parent) : NULL;
	int fd, rc;

	if (!parent)
		return 0;
	fd = cvy_pidfd_open(atomic_load(&parent->pid));
	if (fd == -ESRCH)
		_exit(EXIT_ORPHANED);
	if (fd < 0)
		return cvy_fail(-fd, "process '%s': its parent cannot be watched: %s", self->name,
		                covey_strerror(fd));
	/* Asked only now: the pid is the parent's as long as the parent was alive after. */
	if (!cvy_proc_alive(self->parent, self->parent_generation))
		_exit(EXIT_ORPHANED);
	atomic_store(&watcher, STARTING);
	rc = start_watcher(fd);
	if (rc) {
		close(fd);
		return cvy_fail(rc, "process '%s': the thread that watches its parent: %s",
		                self->name, covey_strerror(rc));
	}
	cvy_own_thread(1);
	while (atomic_load(&watcher) == STARTING)
		cvy_futex_wait(&watcher, STARTING, CVY_NEVER);
	if (atomic_load(&watcher) == APART)
		close(fd);
	return 0;
}
