/* SPDX-License-Identifier: MIT */
/* Descriptors that a child is given, and its standard input, output and error. */
#include "support/harness.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <covey.h>

static covey_method method_of(void **state)
{
	return *(covey_method *)*state;
}

/* Each of them is an eventfd, which holds its number + 1. */
COVEY_PROCESS(find_numbers, int, count)
{
	for (int i = 0; i < count; i++) {
		int fd = covey_process_passed_fd(i);
		uint64_t number;

		if (fd <= STDERR_FILENO || fcntl(fd, F_GETFD) != FD_CLOEXEC)
			return 1;
		if (read(fd, &number, sizeof number) != sizeof number || number != (uint64_t)i + 1)
			return 2;
	}
	if (covey_process_passed_fd(count) != -EBADF || covey_process_passed_fd(-1) != -EBADF)
		return 3;
	return strstr(covey_errmsg(), "none at -1") == NULL;
}

/* Starts one without any, and one with others, and has its own afterwards. */
COVEY_PROCESS(pass_others, covey_method, method)
{
	int own = covey_process_passed_fd(0), other = eventfd(1, EFD_CLOEXEC);
	covey_process *p[2];

	if (covey_start_args(&p[0], find_numbers, (0), .method = method) < 0 ||
	    covey_start_args(&p[1], find_numbers, (1), .fds = &other, .fds_count = 1,
	                     .method = method) < 0)
		return 1;
	close(other);
	return covey_process_finish(p, 2) || covey_process_passed_fd(0) != own;
}

/* Copies a line of its input to its output, and says what it is on its error. */
COVEY_PROCESS(echo, int, number)
{
	char line[64] = "nothing";

	if (!fgets(line, sizeof line, stdin))
		printf("end\n");
	else
		printf("%s", line);
	fflush(stdout);
	fprintf(stderr, "echo %d\n", number);
	return 0;
}

COVEY_PROCESS(touch, void)
{
	return mkdir("it-ran", 0700) < 0;
}

/* All of the arena is reached by its descriptor. */
COVEY_PROCESS(use_arena, int, number)
{
	covey_block block;
	void *bytes;

	if (covey_block_create(&block, 1 << 20, NULL) < 0 || !(bytes = covey_block_data(block)))
		return 1;
	memset(bytes, 1, 1 << 20);
	return covey_block_destroy(block) < 0 ? 2 : find_numbers(number);
}

/* ---- files of a test, in its own folder */

static char folder[64], before[512];

static void enter_folder(void)
{
	snprintf(folder, sizeof folder, "/tmp/covey-fds-XXXXXX");
	assert_non_null(getcwd(before, sizeof before));
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
}

static void leave_folder(void)
{
	assert_int_equal(chdir(before), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* Reads a file and removes it. */
static const char *content(const char *path)
{
	static char text[4][256];
	static int turn;
	char *to = text[turn++ % 4];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	to[fread(to, 1, sizeof text[0] - 1, file)] = 0;
	fclose(file);
	assert_int_equal(unlink(path), 0);
	return to;
}

static void echo_with(void **state, covey_process_opts opts)
{
	covey_process *p[1];

	opts.method = method_of(state);
	assert_int_equal(echo_covey_start(&p[0], echo_covey_pack(7), &opts), 0);
	assert_int_equal(covey_process_finish(p, 1), 0);
}
#define ECHO(...) echo_with(state, (covey_process_opts){__VA_ARGS__})

static void open_numbers(int *fds, int count)
{
	for (int i = 0; i < count; i++) {
		fds[i] = eventfd((unsigned)i + 1, EFD_CLOEXEC);
		assert_true(fds[i] >= 0);
	}
}

static void close_all(const int *fds, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(close(fds[i]), 0);
}

/* ---- tests */

static void descriptors_are_found_in_their_order(void **state)
{
	static const int counts[] = {0, 1, 9, 10, COVEY_FDS_MAX};
	int fds[COVEY_FDS_MAX];
	covey_process *p[1];

	for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
		open_numbers(fds, counts[i]);
		assert_int_equal(covey_start_args(&p[0], find_numbers, (counts[i]), .fds = fds,
		                                  .fds_count = counts[i], .out = COVEY_NULL_DEVICE,
		                                  .method = method_of(state)),
		                 0);
		close_all(fds, counts[i]);
		assert_int_equal(covey_process_finish(p, 1), 0);
	}
	assert_int_equal(covey_process_passed_fd(0), -EBADF);
}

static void descriptors_are_for_one_process_only(void **state)
{
	covey_process *p[1];
	int fd;

	open_numbers(&fd, 1);
	assert_int_equal(covey_start_args(&p[0], pass_others, (method_of(state)), .fds = &fd,
	                                  .fds_count = 1, .method = method_of(state)),
	                 0);
	close_all(&fd, 1);
	assert_int_equal(covey_process_finish(p, 1), 0);
}

static void files_are_read_emptied_and_appended_to(void **state)
{
	enter_folder();
	write_file("in", "first line\nsecond line\n");
	write_file("out", "what was there before, and is longer\n");
	write_file("err", "before\n");
	ECHO(.in = COVEY_FILE("in"), .out = COVEY_FILE("out"), .err = COVEY_APPEND("err"));
	assert_string_equal(content("out"), "first line\n");
	assert_string_equal(content("err"), "before\necho 7\n");
	/* None of them there: they are made. In the child's folder, paths mean the caller's. */
	ECHO(.cwd = "/", .in = COVEY_FILE("in"), .out = COVEY_APPEND("out"),
	     .err = COVEY_FILE("err"));
	assert_string_equal(content("out"), "first line\n");
	assert_string_equal(content("err"), "echo 7\n");
	assert_int_equal(unlink("in"), 0);
	leave_folder();
}

static void the_null_device_reads_as_empty(void **state)
{
	enter_folder();
	ECHO(.in = COVEY_NULL_DEVICE, .out = COVEY_FILE("out"), .err = COVEY_NULL_DEVICE);
	assert_string_equal(content("out"), "end\n");
	leave_folder();
}

static void error_goes_where_output_goes(void **state)
{
	int saved = dup(STDOUT_FILENO), file;

	enter_folder();
	ECHO(.in = COVEY_NULL_DEVICE, .out = COVEY_FILE("out"), .err = COVEY_TO_OUT);
	assert_string_equal(content("out"), "end\necho 7\n");
	/* Also where output is the caller's; one that came before the helper. */
	fflush(stdout);
	file = open("both", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	dup2(file, STDOUT_FILENO);
	close(file);
	ECHO(.in = COVEY_NULL_DEVICE, .out = COVEY_FD(STDOUT_FILENO), .err = COVEY_TO_OUT);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	assert_string_equal(content("both"), "end\necho 7\n");
	leave_folder();
}

static void descriptors_serve_as_input_and_output(void **state)
{
	char text[64] = "";
	int in[2], out[2];

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	assert_int_equal(write(in[1], "by pipe\n", 8), 8);
	ECHO(.in = COVEY_FD(in[0]), .out = COVEY_FD(out[1]), .err = COVEY_FD(out[1]));
	assert_int_equal(read(out[0], text, sizeof text), 15);
	assert_string_equal(text, "by pipe\necho 7\n");
	close_all(in, 2);
	close_all(out, 2);
}

/* What stands at 1 and 2 in the caller changes places in the child. */
static void output_and_error_can_change_places(void **state)
{
	int saved[2] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)}, file;

	enter_folder();
	fflush(stdout);
	for (int i = 0; i < 2; i++) {
		file = open(i ? "two" : "one", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		dup2(file, STDOUT_FILENO + i);
		close(file);
	}
	ECHO(.in = COVEY_NULL_DEVICE, .out = COVEY_FD(STDERR_FILENO),
	     .err = COVEY_FD(STDOUT_FILENO));
	for (int i = 0; i < 2; i++) {
		dup2(saved[i], STDOUT_FILENO + i);
		close(saved[i]);
	}
	assert_string_equal(content("one"), "echo 7\n");
	assert_string_equal(content("two"), "end\n");
	leave_folder();
}

/* What the caller has read ahead, or not printed yet, is not the child's. */
static void buffers_do_not_follow(void **state)
{
	int saved = dup(STDIN_FILENO), ends[2];
	char line[16];

	enter_folder();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(write(ends[1], "one\ntwo\n", 8), 8);
	dup2(ends[0], STDIN_FILENO);
	assert_non_null(fgets(line, sizeof line, stdin));
	ECHO(.in = COVEY_NULL_DEVICE, .out = COVEY_FILE("out"), .err = COVEY_NULL_DEVICE);
	assert_string_equal(content("out"), "end\n");
	assert_non_null(fgets(line, sizeof line, stdin));
	assert_string_equal(line, "two\n");
	dup2(saved, STDIN_FILENO);
	close(saved);
	close_all(ends, 2);
	leave_folder();
}

/* Then covey's own descriptors are the first to come there. */
static void a_caller_may_have_closed_its_own(void **state)
{
	int saved[3], numbers[3];
	covey_process *p[1];
	int rc;

	for (int i = 0; i < 3; i++)
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
	open_numbers(numbers, 3);
	fflush(stdout);
	for (int i = 0; i < 3; i++)
		close(i);
	rc = covey_start_args(&p[0], use_arena, (3), .in = COVEY_NULL_DEVICE,
	                      .out = COVEY_NULL_DEVICE, .err = COVEY_TO_OUT, .fds = numbers,
	                      .fds_count = 3, .method = method_of(state));
	if (rc == 0)
		rc = covey_process_finish(p, 1);
	for (int i = 0; i < 3; i++)
		dup2(saved[i], i);
	close_all(saved, 3);
	close_all(numbers, 3);
	assert_int_equal(rc, 0);
}

static void start_wrong(void **state, int error, const char *words, covey_process_opts opts)
{
	covey_process *p = NULL;

	opts.name = "wrong";
	opts.method = method_of(state);
	assert_int_equal(touch_covey_start(&p, touch_covey_pack(), &opts), error);
	assert_null(p);
	assert_int_equal(covey_errcode(), error);
	assert_non_null(strstr(covey_errmsg(), "process 'wrong': "));
	assert_non_null(strstr(covey_errmsg(), words));
	assert_int_equal(covey_active_children(NULL, 0), 0);
}
#define WRONG(error, words, ...) start_wrong(state, error, words, (covey_process_opts){__VA_ARGS__})

/* None of these runs its function, which would leave a folder. */
static void what_cannot_be_had_is_the_starters_error(void **state)
{
	int fds[] = {STDOUT_FILENO, 999};

	enter_folder();
	WRONG(-EBADF, "fds: descriptor 999, the one at 1", .fds = fds, .fds_count = 2);
	WRONG(-EINVAL, "fds: -1 of them", .fds = fds, .fds_count = -1);
	WRONG(-EINVAL, "fds: 65 of them", .fds = fds, .fds_count = COVEY_FDS_MAX + 1);
	WRONG(-EINVAL, "or no array", .fds_count = 1);
	WRONG(-EBADF, "in: descriptor -1", .in = COVEY_FD(-1));
	WRONG(-EBADF, "err: descriptor 999", .err = COVEY_FD(999));
	WRONG(-ENOENT, "in: 'none'", .in = COVEY_FILE("none"));
	WRONG(-ENOENT, "out: 'none/log'", .out = COVEY_FILE("none/log"));
	WRONG(-EISDIR, "err: '.'", .out = COVEY_NULL_DEVICE, .err = COVEY_APPEND("."));
	WRONG(-EINVAL, "out: a file, but no path", .out = COVEY_FILE(NULL));
	WRONG(-EINVAL, "in: kind", .in = COVEY_APPEND("x"));
	WRONG(-EINVAL, "in: kind", .in = COVEY_TO_OUT);
	WRONG(-EINVAL, "out: kind", .out = COVEY_TO_OUT);
	WRONG(-EINVAL, "err: kind 77", .err = (covey_stdio){.kind = (enum covey_stdio_kind)77});
	leave_folder();
}

/* Most of them are never taken from its socket, and its words arrive all the same. */
static void a_child_that_may_not_open_as_many_says_so(void **state)
{
	int fds[COVEY_FDS_MAX];
	struct rlimit limit, low;

	for (int i = 0; i < COVEY_FDS_MAX; i++)
		fds[i] = STDERR_FILENO;
	enter_folder();
	getrlimit(RLIMIT_NOFILE, &limit);
	low = (struct rlimit){40, limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &low);
	WRONG(-EMFILE, "fds: ", .fds = fds, .fds_count = COVEY_FDS_MAX);
	setrlimit(RLIMIT_NOFILE, &limit);
	leave_folder();
}

/* An option that fails after the descriptors were taken. */
static void what_else_fails_is_still_said(void **state)
{
	const covey_limit crossed[] = {{RLIMIT_NOFILE, 65, 64}};
	int fds[] = {STDOUT_FILENO};

	enter_folder();
	WRONG(-EINVAL, "limits: ", .fds = fds, .fds_count = 1, .out = COVEY_FILE("out"),
	      .limits = crossed, .limits_count = 1);
	assert_string_equal(content("out"), "");
	leave_folder();
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(descriptors_are_found_in_their_order),
	HARNESS_TEST_BY_METHODS(descriptors_are_for_one_process_only),
	HARNESS_TEST_BY_METHODS(files_are_read_emptied_and_appended_to),
	HARNESS_TEST_BY_METHODS(the_null_device_reads_as_empty),
	HARNESS_TEST_BY_METHODS(error_goes_where_output_goes),
	HARNESS_TEST_BY_METHODS(descriptors_serve_as_input_and_output),
	HARNESS_TEST_BY_METHODS(output_and_error_can_change_places),
	HARNESS_TEST_BY_METHODS(buffers_do_not_follow),
	HARNESS_TEST_BY_METHODS(a_caller_may_have_closed_its_own),
	HARNESS_TEST_BY_METHODS(what_cannot_be_had_is_the_starters_error),
	HARNESS_TEST_BY_METHODS(a_child_that_may_not_open_as_many_says_so),
	HARNESS_TEST_BY_METHODS(what_else_fails_is_still_said),
};

HARNESS_MAIN(tests)
