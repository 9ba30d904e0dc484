/* SPDX-License-Identifier: MIT */
/* The runner sees what it is there to see. HARNESS_BAD_TESTS is the program of bad tests. */
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD_FILE "/tmp/covey-left-by-a-bad-test"

/* Runs bad tests, for their usual time times a factor: what is printed, and the exit code. */
static int run_for(const char *factor, char *output, size_t cap, const char *arguments)
{
	const char *program = getenv("HARNESS_BAD_TESTS");
	char command[1024];
	size_t n;
	FILE *in;
	int status;

	if (!program)
		harness_skip("HARNESS_BAD_TESTS does not say where the bad tests are");
	snprintf(command, sizeof command, "HARNESS_TIMEOUT=%s exec %s %s 2>&1", factor, program,
	         arguments);
	in = popen(command, "r");
	assert_non_null(in);
	n = fread(output, 1, cap - 1, in);
	output[n] = 0;
	status = pclose(in);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int run(char *output, size_t cap, const char *arguments)
{
	const char *factor = getenv("HARNESS_TIMEOUT");

	return run_for(factor ? factor : "1", output, cap, arguments);
}

static void expect(const char *output, const char *words)
{
	if (!strstr(output, words))
		fail_msg("'%s' is not in:\n%s", words, output);
}

struct bad {
	const char *test;
	const char *words[4];
};

/* In less time than a test has that is to come to its end. */
#define BRIEFLY "0.04"

static void check_report(const struct bad *bad, const char *output)
{
	char line[128];

	snprintf(line, sizeof line, "FAIL %s\n", bad->test);
	expect(output, line);
	for (int i = 0; i < 4 && bad->words[i]; i++)
		expect(output, bad->words[i]);
	expect(output, "\n0 passed, 1 failed\n");
}

static void a_bad_test_is_reported(void **state)
{
	const struct bad *bad = *state;
	char output[16384];

	assert_int_equal(run(output, sizeof output, bad->test), 1);
	check_report(bad, output);
}

static void a_test_without_end_is_reported(void **state)
{
	const struct bad *bad = *state;
	char output[16384];

	assert_int_equal(run_for(BRIEFLY, output, sizeof output, bad->test), 1);
	check_report(bad, output);
}

static void a_good_test_passes(void **state)
{
	char output[4096];

	assert_int_equal(run(output, sizeof output, *state), 0);
	assert_string_equal(output, "1 passed, 0 failed\n");
}

static void a_parameter_is_shown(void **state)
{
	char output[4096];

	assert_int_equal(run(output, sizeof output, "-v runs_by"), 0);
	assert_string_equal(output, "ok   runs_by/fork\nok   runs_by/spawn\n"
	                            "ok   runs_by/forkserver\n3 passed, 0 failed\n");
	assert_int_equal(run(output, sizeof output, "--list runs_by"), 0);
	assert_string_equal(output, "runs_by/fork\nruns_by/spawn\nruns_by/forkserver\n");
}

static void a_skipped_test_says_why(void **state)
{
	char output[4096];

	assert_int_equal(run(output, sizeof output, "is_skipped"), 0);
	assert_string_equal(output, "skip is_skipped\n     it needs what this machine lacks\n"
	                            "0 passed, 0 failed, 1 skipped\n");
}

static void a_failure_does_not_end_the_others(void **state)
{
	char output[8192];

	assert_int_equal(run(output, sizeof output, "crashes passes is_skipped exits"), 1);
	expect(output, "\n1 passed, 2 failed, 1 skipped\n");
}

static void a_name_of_no_test_is_a_failure(void **state)
{
	char output[4096];

	assert_int_equal(run(output, sizeof output, "is_skipt"), 1);
	assert_string_equal(output, "0 passed, 0 failed\n");
	assert_int_equal(run(output, sizeof output, "--loud"), 2);
	expect(output, "usage: ");
}

static void a_file_that_is_left_is_reported(void **state)
{
	static const struct bad bad = {"leaves_a_file", {"left: file " BAD_FILE}};
	void *parameter = (void *)&bad;

	unlink(BAD_FILE);
	a_bad_test_is_reported(&parameter);
	assert_int_equal(unlink(BAD_FILE), 0);
}

#define BAD(name, ...) (&(const struct bad){name, {__VA_ARGS__}})
#define REPORTED(name, ...) HARNESS_TEST_WITH(a_bad_test_is_reported, name, BAD(name, __VA_ARGS__))
#define LATE(name, ...) \
	HARNESS_TEST_WITH(a_test_without_end_is_reported, name, BAD(name, __VA_ARGS__))
#define PASSES(name) HARNESS_TEST_WITH(a_good_test_passes, name, name)

static const struct harness_test tests[] = {
	REPORTED("fails", "| said before it failed", "0x36 != 0x2a", "bad_tests.c:"),
	LATE("waits_in_vain", "getppid() == 0 did not come true"),
	REPORTED("crashes", "Segmentation fault"),
	REPORTED("is_killed", "killed by signal 9"),
	REPORTED("exits", "exit code 3"),
	LATE("never_ends", "no end after 1.2 s", "state S syscall "),
	REPORTED("kills_everyone", "refusing kill(-1)"),
	LATE("waits_for_a_child_that_hangs", "no end after 1.2 s", " hanging\n", "    thread "),
	REPORTED("leaves_a_process", "left: 1 process\n"),
	REPORTED("leaves_an_orphan", "left: 1 process\n"),
	REPORTED("leaves_a_descriptor", "left: descriptor ", " /dev/null"),
	REPORTED("leaves_one_socket", "left: descriptor ", " socket:"),
	REPORTED("leaves_a_socket_beside_the_forkserver", "left: descriptor ", " socket:"),
	REPORTED("closes_a_descriptor", "closed: descriptor 0 "),
	REPORTED("leaves_an_object", "left: 1 shared object\n"),
	HARNESS_TEST(a_file_that_is_left_is_reported),
	PASSES("passes"),
	PASSES("has_a_forkserver"),
	PASSES("leaves_a_daemon"),
	PASSES("leaves_objects_on_purpose"),
	HARNESS_TEST(a_parameter_is_shown),
	HARNESS_TEST(a_skipped_test_says_why),
	HARNESS_TEST(a_failure_does_not_end_the_others),
	HARNESS_TEST(a_name_of_no_test_is_a_failure),
};

HARNESS_MAIN(tests)
