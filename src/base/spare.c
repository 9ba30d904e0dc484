/* SPDX-License-Identifier: MIT */
/*
 * A look at something that needs a descriptor, where none is left: by a short-lived
 * process that shares this one's memory and has a copy of its descriptors, one of
 * which it closes. The caller stands still meanwhile, as by vfork(2).
 */
#include "base/base.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES 16384

struct look {
	int (*at)(const void *context);
	const void *context;
};

static int look(void *context)
{
	const struct look *l = context;

	close(STDIN_FILENO); /* the lowest number is below every limit */
	return l->at(l->context);
}

int cvy_look_with_spare(int (*at)(const void *context), const void *context)
{
	struct look l = {at, context};
	_Alignas(16) char stack[STACK_BYTES];
	int before_errno = errno, status = 0;
	sigset_t all, before;
	pid_t pid;

	if (CVY_THREAD_SANITIZER)
		return -1; /* it knows no process that shares its memory */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler is to run in it */
	/* No signal at its end, so that the program's own waiting does not meet it. */
	pid = clone(look, stack + sizeof stack, CLONE_VM | CLONE_VFORK, &l);
	while (pid > 0 && waitpid(pid, &status, __WCLONE) < 0)
		if (errno != EINTR)
			pid = -1;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = before_errno;
	return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
