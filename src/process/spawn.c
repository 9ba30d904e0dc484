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
#include <unistd.h>

#define VARIABLE "COVEY_CHILD"
#define VERSION 1
#define SELF "/proc/self/exe"

extern char **environ;

static bool allowed, privileged;
static char *program_name;
static char *program_path; /* where /proc cannot tell */

void cvy_spawn_allowed(const char *argv0)
{
	const char *path = (const char *)getauxval(AT_EXECFN);

	/* A set-uid program must not run what its environment says. */
	privileged = getauxval(AT_SECURE) != 0;
	if (!program_name && argv0)
		program_name = strdup(argv0);
	if (!program_path && path && access(SELF, X_OK) < 0)
		program_path = realpath(path, NULL); /* now: it may be relative */
	allowed = !privileged;
}

bool cvy_can_spawn(void)
{
	return allowed;
}

int cvy_cannot_spawn(const char *what)
{
	if (privileged)
		return cvy_fail(ENOTSUP,
		                "%s: this program runs with the rights of another user, "
		                "where spawn and forkserver are not safe",
		                what);
	return cvy_fail(ENOTSUP,
	                "%s: spawn and forkserver need covey_init(argc, argv) as the first "
	                "call in main",
	                what);
}

/* So that what was printed before comes first; but not waiting for a thread that reads or prints.
 */
static void flush_standard(void)
{
	FILE *const files[] = {stdout, stderr};

	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		if (ftrylockfile(files[i]) == 0) {
			fflush_unlocked(files[i]);
			funlockfile(files[i]);
		}
}

/* The environment, with the variable; the caller's to free. */
static char **child_environment(char *variable)
{
	size_t n = 0, used = 0;
	char **env;

	while (environ && environ[n])
		n++;
	env = malloc((n + 2) * sizeof *env);
	if (!env)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], VARIABLE "=", sizeof VARIABLE) != 0)
			env[used++] = environ[i];
	env[used++] = variable;
	env[used] = NULL;
	return env;
}

/* Default dispositions and no signal blocked; but what nohup and shells ignore stays ignored. */
static void set_signals(posix_spawnattr_t *attr)
{
	static const int kept[] = {SIGHUP, SIGINT, SIGQUIT};
	sigset_t none, defaults;

	sigemptyset(&none);
	sigfillset(&defaults);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		struct sigaction action;

		if (sigaction(kept[i], NULL, &action) == 0 && action.sa_handler == SIG_IGN)
			sigdelset(&defaults, kept[i]);
	}
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &defaults);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

/*
 * What the image has open beside 0, 1 and 2: arena, fd and passed, as FIRST and
 * the two after. All else is closed in it, since C programs rarely mark what
 * they open, and a helper that holds a pipe open keeps its reader waiting.
 */
#define FIRST 3
#define HANDED 3

/* Has the image find fds[i] as FIRST + i, or nothing there where it is -1. An errno. */
static int hand_over(posix_spawn_file_actions_t *actions, int fds[HANDED])
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < HANDED; i++) {
		if (fds[i] < 0)
			rc = posix_spawn_file_actions_addclose(actions, FIRST + i);
		else /* to itself: takes close-on-exec away */
			rc = posix_spawn_file_actions_adddup2(actions, fds[i], FIRST + i);
	}
#if __GLIBC_PREREQ(2, 34)
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(actions, FIRST + HANDED);
#endif
	return rc;
}

/* Moves those that stand in each other's place out of it. An errno. */
static int make_way(int fds[HANDED], bool copied[HANDED])
{
	for (int i = 0; i < HANDED; i++) {
		if (fds[i] < FIRST || fds[i] >= FIRST + HANDED || fds[i] == FIRST + i)
			continue;
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST + HANDED);
		if (fds[i] < 0)
			return errno;
		copied[i] = true;
	}
	return 0;
}

/* posix_spawn of this program's image. An errno. */
static int spawn(char *const argv[], char *const env[], int fds[HANDED], pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	bool copied[HANDED] = {0};
	posix_spawnattr_t attr;
	int rc = make_way(fds, copied);

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	set_signals(&attr);
	if (rc == 0)
		rc = hand_over(&actions, fds);
	if (rc == 0)
		rc = posix_spawn(pid, program_path ? program_path : SELF, &actions, &attr, argv,
		                 env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	for (int i = 0; i < HANDED; i++)
		if (copied[i])
			close(fds[i]);
	return rc;
}

int cvy_spawn_image(enum role role, uint32_t slot, int fd, int passed, const char *name, pid_t *pid)
{
	char variable[128], title[COVEY_NAME_MAX + 16];
	char *argv[3] = {program_name ? program_name : title, title, NULL}, **env;
	int fds[HANDED] = {cvy_family_fd(), fd, passed}, rc;

	if (fds[0] < 0)
		return fds[0];
	if (!allowed) {
		snprintf(variable, sizeof variable, "process '%s'", name);
		return cvy_cannot_spawn(variable);
	}
	snprintf(title, sizeof title, "[%s]", name);
	snprintf(variable, sizeof variable, VARIABLE "=%d:%d:%d:%d:%d:%d:%u:%u", VERSION, (int)role,
	         FIRST, fd < 0 ? -1 : FIRST + 1, passed < 0 ? -1 : FIRST + 2,
	         (int)cvy_program_method(), slot, cvy_proc(slot)->generation);
	env = child_environment(variable);
	if (!env)
		return cvy_fail(ENOMEM, "process '%s': no memory for its environment", name);
	flush_standard();
	rc = spawn(argv, env, fds, pid);
	free(env);
	if (rc)
		return cvy_fail(rc, "process '%s': a fresh image of %s cannot be started: %s", name,
		                program_name ? program_name : "this program", covey_strerror(rc));
	return 0;
}

void cvy_spawned_image(void)
{
	const char *value = secure_getenv(VARIABLE);
	int version = 0, role = 0, arena = -1, fd = -1, passed = -1, method = 0, fields;
	unsigned slot = 0, generation = 0;

	if (!value)
		return;
	fields = sscanf(value, "%d:%d:%d:%d:%d:%d:%u:%u", &version, &role, &arena, &fd, &passed,
	                &method, &slot, &generation);
	if (fields < 2)
		return;     /* not of covey's making */
	unsetenv(VARIABLE); /* not for what this process starts */
	/* From here on it is a child, and must not run the program's own main. */
	if (fields != 8 || version != VERSION)
		_exit(127);
	if (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		_exit(127);
	if (cvy_family_attach(arena) < 0) {
		cvy_report_failure(fd, covey_errcode());
		_exit(127);
	}
	cvy_program_method_set((covey_method)method);
	if (passed >= 0 && fcntl(passed, F_SETFD, FD_CLOEXEC) == 0)
		cvy_passed_fds[cvy_passed_count++] = passed;
	if (role == ROLE_PRELOADING)
		cvy_preload_run(fd);
	if (role != ROLE_CHILD)
		cvy_nursery_serve(fd, slot);
	cvy_child_run(slot, generation, fd, NULL);
}

int cvy_spawn_process(uint32_t slot, int fd, pid_t *pid)
{
	struct cvy_proc *proc = cvy_proc(slot);
	int pidfd = cvy_pidfd_place(), rc;

	if (pidfd >= 0) {
		rc = cvy_spawn_image(ROLE_CHILD, slot, -1, fd, proc->name, pid);
		close(pidfd);
		if (rc < 0)
			return rc;
		pidfd = cvy_child_pidfd(*pid);
		if (pidfd >= 0)
			return pidfd;
		cvy_child_discard(*pid);
	}
	return cvy_fail(-pidfd, "process '%s': its pidfd: %s", proc->name, covey_strerror(pidfd));
}
