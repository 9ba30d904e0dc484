/* SPDX-License-Identifier: MIT */
/*
 * Fresh images: this program, started again, with one variable in its
 * environment by which covey_init knows what it is to be.
 */
#include "process/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#define VARIABLE "COVEY_CHILD"

extern char **environ;

static bool allowed;
static char *program_name;

void cvy_spawn_allowed(const char *argv0)
{
	if (!program_name && argv0)
		program_name = strdup(argv0);
	allowed = true;
}

bool cvy_can_spawn(void)
{
	return allowed;
}

/* The program's file: the running image itself, even where it was replaced or deleted. */
static const char *image(void)
{
	if (access("/proc/self/exe", X_OK) == 0)
		return "/proc/self/exe";
	return (const char *)getauxval(AT_EXECFN);
}

int cvy_spawn_image(enum role role, uint32_t slot, int fd, int passed, const char *name, pid_t *pid)
{
	char variable[96], title[COVEY_NAME_MAX + 16];
	char *argv[3] = {program_name ? program_name : title, title, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t set;
	char **env;
	size_t n = 0;
	int arena = cvy_family_fd(), rc;

	if (arena < 0)
		return arena;
	if (!allowed)
		return cvy_fail(ENOTSUP,
		                "process '%s': spawn and forkserver need covey_init(argc, "
		                "argv) as the first call in main",
		                name);
	snprintf(title, sizeof title, "[%s]", name);
	snprintf(variable, sizeof variable, VARIABLE "=1:%d:%d:%d:%d:%u", (int)role, arena, fd,
	         passed, slot);
	while (environ && environ[n])
		n++;
	env = malloc((n + 2) * sizeof *env);
	if (!env)
		return cvy_fail(ENOMEM, "process '%s': no memory for its environment", name);
	if (n)
		memcpy(env, environ, n * sizeof *env);
	env[n] = variable;
	env[n + 1] = NULL;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	/* To itself: which takes close-on-exec away in the child only. */
	posix_spawn_file_actions_adddup2(&actions, arena, arena);
	if (fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, fd, fd);
	if (passed >= 0)
		posix_spawn_file_actions_adddup2(&actions, passed, passed);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	fflush(NULL);
	rc = posix_spawn(pid, image(), &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	free(env);
	if (rc)
		return cvy_fail(rc, "process '%s': a fresh image of %s cannot be started: %s", name,
		                program_name ? program_name : "this program", covey_strerror(rc));
	return 0;
}

void cvy_spawned_image(void)
{
	const char *value = getenv(VARIABLE);
	int version, role, arena, fd, passed;
	unsigned slot;

	if (!value)
		return;
	if (sscanf(value, "%d:%d:%d:%d:%d:%u", &version, &role, &arena, &fd, &passed, &slot) != 6 ||
	    version != 1) {
		unsetenv(VARIABLE); /* not of covey's making */
		return;
	}
	unsetenv(VARIABLE); /* not for what this process starts */
	if ((fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) || cvy_family_attach(arena) < 0)
		_exit(127);
	if (passed >= 0 && fcntl(passed, F_SETFD, FD_CLOEXEC) == 0)
		cvy_passed_fds[cvy_passed_count++] = passed;
	if (role == ROLE_NURSERY)
		cvy_nursery_serve(fd, slot);
	cvy_child_run(slot, fd);
}

int cvy_spawn_process(uint32_t slot, int fd, pid_t *pid)
{
	struct cvy_proc *proc = cvy_proc(slot);
	int rc = cvy_spawn_image(ROLE_CHILD, slot, -1, fd, proc->name, pid), pidfd;

	if (rc < 0)
		return rc;
	pidfd = cvy_pidfd_open(*pid);
	if (pidfd >= 0)
		return pidfd;
	kill(*pid, SIGKILL); /* ours, and not reaped */
	waitpid(*pid, NULL, 0);
	return cvy_fail(-pidfd, "process '%s': its pidfd: %s", proc->name, covey_strerror(pidfd));
}
