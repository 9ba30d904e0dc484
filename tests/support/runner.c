/* SPDX-License-Identifier: MIT */
/* Runs tests, each in a child of its own, and tells how they ended. */
#include "support/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"

enum outcome { PASSED, FAILED, SKIPPED };

static const char *const outcome_words[] = {"ok  ", "FAIL", "skip"};
static bool terminal; /* standard output is one: show what is running */

/* ---- in the test's child */

static void print_objects(FILE *out, int *left)
{
	covey_usage usage;

	if (!objects_stay && covey_usage_get(&usage) == 0 && usage.objects) {
		fprintf(out, "left: %llu shared object%s\n", (unsigned long long)usage.objects,
		        usage.objects == 1 ? "" : "s");
		(*left)++;
	}
}

static void run_in_child(const struct harness_test *test)
{
	const struct CMUnitTest unit[] = {
		{test->name, test->run, NULL, NULL, (void *)(uintptr_t)test->parameter}};
	char *before = list_descriptors(), *after;
	int left;

	if (cmocka_run_group_tests_name("", unit, NULL, NULL))
		_exit(1);
	after = list_descriptors();
	left = print_descriptors(report, before, after);
	print_objects(report, &left);
	free(before);
	free(after);
	fflush(report);
	if (left)
		_exit(EXIT_LEFT);
	exit(0); /* by way of covey's own end, as a program would */
}

/* ---- in the runner */

static FILE *open_scratch(void)
{
	FILE *file = tmpfile();

	if (!file) {
		perror("tmpfile");
		exit(2);
	}
	fcntl(fileno(file), F_SETFD, FD_CLOEXEC);
	return file;
}

/* Waits for a test's child. False: the time ran out, and it has been killed. */
static bool wait_for(pid_t pid, int *status, FILE *said)
{
	int64_t until = now_ms() + test_ms();
	useconds_t nap = 50;
	pid_t rc;

	while ((rc = waitpid(pid, status, WNOHANG)) != pid) {
		if (rc < 0 && errno != EINTR) {
			perror("waitpid");
			exit(2);
		}
		if (now_ms() > until) {
			fprintf(said, "no end after %.1f s:\n", (double)test_ms() / 1000);
			print_tree(said, pid, 1);
			kill_processes();
			return false;
		}
		usleep(nap);
		if (nap < 2000)
			nap *= 2;
	}
	return true;
}

static enum outcome judge(int status, FILE *said)
{
	if (WIFSIGNALED(status)) {
		fprintf(said, "killed by signal %d (%s)\n", WTERMSIG(status),
		        strsignal(WTERMSIG(status)));
		return FAILED;
	}
	switch (WEXITSTATUS(status)) {
	case 0:
		return PASSED;
	case EXIT_SKIPPED:
		return SKIPPED;
	case 1:
	case EXIT_LEFT:
		return FAILED;
	}
	fprintf(said, "exit code %d\n", WEXITSTATUS(status));
	return FAILED;
}

static void print_file(FILE *file, const char *margin)
{
	char line[1024];

	rewind(file);
	while (fgets(line, sizeof line, file))
		printf("%s%s%s", margin, line, strchr(line, '\n') ? "" : "\n");
}

static void show_progress(const char *words)
{
	if (terminal) {
		printf("\r\033[K%s", words);
		fflush(stdout);
	}
}

static enum outcome run(const struct harness_test *test, const char *name, bool verbose)
{
	FILE *output = open_scratch(), *said = open_scratch();
	char *before = list_files(), *after;
	enum outcome outcome;
	int status, left;
	pid_t pid;

	show_progress(name);
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0) {
		report = said;
		dup2(fileno(output), 1);
		dup2(fileno(output), 2);
		run_in_child(test);
	}
	outcome = wait_for(pid, &status, said) ? judge(status, said) : FAILED;
	left = end_processes(said);
	after = list_files();
	left += print_missing(said, "left: file", after, before);
	if (left)
		outcome = FAILED;
	show_progress("");
	if (outcome != PASSED || verbose) {
		printf("%s %s\n", outcome_words[outcome], name);
		print_file(said, "     ");
		if (outcome == FAILED)
			print_file(output, "     | ");
		fflush(stdout);
	}
	free(before);
	free(after);
	fclose(output);
	fclose(said);
	return outcome;
}

static void full_name(const struct harness_test *test, char *name, size_t cap)
{
	snprintf(name, cap, "%s%s%s", test->name, test->label ? "/" : "",
	         test->label ? test->label : "");
}

static bool wanted(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strstr(name, names[i]))
			return true;
	return n == 0;
}

int harness_main(int argc, char **argv, const struct harness_test *tests, size_t count)
{
	int sums[3] = {0}, at = 1;
	bool verbose = false, list = false;
	char name[256];

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--list") == 0) {
			list = true;
		} else if (strcmp(argv[at], "-v") == 0) {
			verbose = true;
		} else {
			fprintf(stderr, "usage: %s [--list] [-v] [NAME...]\n", argv[0]);
			return 2;
		}
	}
	terminal = isatty(STDOUT_FILENO);
	/* What a test's processes leave becomes ours, and is seen. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < count; i++) {
		full_name(&tests[i], name, sizeof name);
		if (!wanted(name, argv + at, argc - at))
			continue;
		if (list) {
			puts(name);
			continue;
		}
		sums[run(&tests[i], name, verbose)]++;
	}
	if (list)
		return 0;
	printf("%d passed, %d failed", sums[PASSED], sums[FAILED]);
	if (sums[SKIPPED])
		printf(", %d skipped", sums[SKIPPED]);
	printf("\n");
	/* A name that fits no test is a mistake. */
	return sums[FAILED] || !(sums[PASSED] + sums[SKIPPED]);
}
