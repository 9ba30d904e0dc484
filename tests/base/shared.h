/* SPDX-License-Identifier: MIT */
/* What tests of the ground layer share: memory between processes, and children that fork makes. */
#ifndef SHARED_H
#define SHARED_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"

/* Zeroed memory that children share; it goes with the test. */
static inline void *share(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* Runs a function in a forked child, whose exit code is what it returns. */
static inline pid_t start(int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn(arg));
	assert_true(pid > 1);
	return pid;
}

/* The exit code of a child, 128 + its signal where it was killed. */
static inline int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static inline void end_by_kill(pid_t pid)
{
	harness_kill(pid, SIGKILL);
	assert_int_equal(end_of(pid), 128 + SIGKILL);
}

#endif
