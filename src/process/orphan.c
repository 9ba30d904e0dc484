/* SPDX-License-Identifier: MIT */
/*
 * Daemonic processes end when their parent on record ends: a thread with a small
 * stack waits on the parent's pidfd. PR_SET_PDEATHSIG would speak of the thread
 * that started us, and of whoever forked us, which may be a nursery.
 */
#include "process/internal.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define STACK_BYTES (32 * 1024)
#define EXIT_ORPHANED 143 /* as SIGTERM would */

static void *watch(void *context)
{
	struct pollfd parent = {.fd = (int)(intptr_t)context, .events = POLLIN};

	for (;;)
		if (poll(&parent, 1, -1) == 1)
			_exit(EXIT_ORPHANED);
}

int cvy_watch_parent(void)
{
	struct cvy_proc *self = cvy_proc(cvy_self());
	struct cvy_proc *parent = self ? cvy_proc(self->parent) : NULL;
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	size_t stack = STACK_BYTES;
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
	if (stack < (size_t)sysconf(_SC_THREAD_STACK_MIN))
		stack = (size_t)sysconf(_SC_THREAD_STACK_MIN);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attr, watch, (void *)(intptr_t)fd);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		close(fd);
		return cvy_fail(rc, "process '%s': the thread that watches its parent: %s",
		                self->name, covey_strerror(rc));
	}
	cvy_own_thread(1);
	return 0;
}
