/* SPDX-License-Identifier: MIT */
/* What becomes of children when their program ends, by its own will or not. */
#include "support/harness.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covey.h>

#include "process/internal.h"

struct run {
	pid_t pid;
	FILE *out;
};

static struct run run(const char *mode, covey_method method)
{
	struct run r;
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	r.pid = fork();
	assert_true(r.pid >= 0);
	if (r.pid == 0) {
		dup2(ends[1], 1);
		execl(TEST_FOLDER "/program", "program", mode, covey_method_name(method),
		      (char *)NULL);
		_exit(126);
	}
	close(ends[1]);
	r.out = fdopen(ends[0], "r");
	return r;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void the_end_of_main_ends_daemons_and_waits_for_others(void **state)
{
	struct run r = run("returns", *(covey_method *)*state);
	bool over = false, outlasted = false;
	char line[64];
	int status;

	/* The daemon may not have come so far that it says anything. */
	while (!outlasted && fgets(line, sizeof line, r.out)) {
		over = over || strncmp(line, "main is over", 12) == 0;
		outlasted = strncmp(line, "outlasted", 9) == 0;
		assert_true(over || !outlasted);
	}
	assert_true(outlasted);
	assert_non_null(fgets(line, sizeof line, r.out));
	assert_string_equal(line, "no newline");
	assert_null(fgets(line, sizeof line, r.out)); /* all that could write have ended */
	status = end_of(r.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 5);
	fclose(r.out);
}

static void a_daemon_that_ignores_sigterm_ends_too(void **state)
{
	struct run r = run("stubborn", *(covey_method *)*state);
	char line[64];

	while (fgets(line, sizeof line, r.out))
		;
	assert_int_equal(end_of(r.pid), 0);
	fclose(r.out);
}

static void a_kill_ends_daemonic_descendants_and_no_others(void **state)
{
	struct run r = run("killed", *(covey_method *)*state);
	int main_pid = 0, other = 0, daemons[2], n = 0;
	char line[64], word[32];

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* orphans come here */
	for (int i = 0; i < 4; i++) {
		int pid;

		assert_non_null(fgets(line, sizeof line, r.out));
		assert_int_equal(sscanf(line, "%31s %d", word, &pid), 2);
		if (strcmp(word, "main") == 0)
			main_pid = pid;
		else if (strcmp(word, "other") == 0)
			other = pid;
		else
			daemons[n++] = pid;
	}
	assert_int_equal(main_pid, r.pid);
	assert_int_equal(n, 2);
	harness_kill(r.pid, SIGKILL);
	assert_int_equal(end_of(r.pid), SIGKILL);
	for (int i = 0; i < 2; i++)
		HARNESS_EVENTUALLY(!harness_exists(daemons[i]));
	assert_true(harness_exists(other));
	harness_kill(other, SIGKILL);
	assert_null(fgets(line, sizeof line, r.out)); /* the nursery has ended as well */
	fclose(r.out);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static int call_exit(const void *arg, size_t len)
{
	exit(*(const int *)arg);
}

/* For those who cannot reap it: a barrier's parties tell by it whether one of them has died. */
static void a_call_of_exit_is_recorded(void **state)
{
	covey_process_opts opts = {.method = *(covey_method *)*state};
	covey_process *p;
	int code = 7;

	assert_int_equal(covey_process_start(&p, call_exit, &code, sizeof code, &opts), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), 7);
	assert_int_equal(cvy_proc(p->slot)->exit_code, 7);
	covey_process_free(p);
}

static covey_method by_fork = COVEY_FORK, by_spawn = COVEY_SPAWN, by_server = COVEY_FORKSERVER;

#define UNDER_EVERY_METHOD(test)                                                                \
	HARNESS_TEST_WITH(test, "fork", &by_fork), HARNESS_TEST_WITH(test, "spawn", &by_spawn), \
		HARNESS_TEST_WITH(test, "forkserver", &by_server)

static const struct harness_test tests[] = {
	UNDER_EVERY_METHOD(the_end_of_main_ends_daemons_and_waits_for_others),
	UNDER_EVERY_METHOD(a_call_of_exit_is_recorded),
	UNDER_EVERY_METHOD(a_kill_ends_daemonic_descendants_and_no_others),
	HARNESS_TEST_WITH(a_daemon_that_ignores_sigterm_ends_too, "spawn", &by_spawn),
};

HARNESS_MAIN(tests)
