/* SPDX-License-Identifier: MIT */
/* Running the other program. */
#ifndef PEER_H
#define PEER_H

#include "support/harness.h"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static inline pid_t run_peer(const char *mode, const char *address, const char *key)
{
	const char *argv[] = {TEST_FOLDER "/peer", mode, address, key, NULL};
	pid_t pid;

	assert_int_equal(posix_spawn(&pid, argv[0], NULL, NULL, (char **)(uintptr_t)argv, environ),
	                 0);
	return pid;
}

/* Its exit code, or 128 + the signal. */
static inline int peer_ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline covey_listener *listening(const char *address, const covey_listener_opts *opts)
{
	covey_listener *l = NULL;

	if (covey_listener_open(&l, address, opts) < 0)
		fail_msg("%s", covey_errmsg());
	return l;
}

static inline covey_connection *accepted(covey_listener *l)
{
	covey_connection *c = NULL;

	if (covey_listener_accept(l, &c, COVEY_FOREVER) < 0)
		fail_msg("%s", covey_errmsg());
	return c;
}

#endif
