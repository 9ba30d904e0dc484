/* SPDX-License-Identifier: MIT */
/* Errors in words, the log, options that grow, names. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/shared.h"

static void there_are_no_words_before_a_failure(void **state)
{
	assert_string_equal(covey_errmsg(), "");
	assert_int_equal(covey_errcode(), 0);
}

static void a_failure_has_words_and_a_code(void **state)
{
	errno = EINTR;
	assert_int_equal(cvy_fail(ENOSPC, "queue '%s': %d messages", "jobs", 3), -ENOSPC);
	assert_int_equal(errno, EINTR);
	assert_string_equal(covey_errmsg(), "queue 'jobs': 3 messages");
	assert_int_equal(covey_errcode(), -ENOSPC);
}

static void a_success_does_not_clear_the_words(void **state)
{
	covey_lock lock;

	cvy_fail(EIO, "kept");
	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
	assert_string_equal(covey_errmsg(), "kept");
	assert_int_equal(covey_errcode(), -EIO);
}

static void *fail_in_thread(void *arg)
{
	bool fresh = !covey_errmsg()[0] && covey_errcode() == 0;

	cvy_fail(EPERM, "the thread's");
	return (void *)(intptr_t)(fresh && strcmp(covey_errmsg(), "the thread's") == 0);
}

static void words_are_the_threads_own(void **state)
{
	pthread_t thread;
	void *fine;

	cvy_fail(EIO, "the test's");
	assert_int_equal(pthread_create(&thread, NULL, fail_in_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, &fine), 0);
	assert_true((intptr_t)fine);
	assert_string_equal(covey_errmsg(), "the test's");
}

static void words_may_be_made_of_the_last_ones(void **state)
{
	cvy_fail(EIO, "disk");
	cvy_fail(EREMOTEIO, "task 7: %s", covey_errmsg());
	assert_string_equal(covey_errmsg(), "task 7: disk");
	assert_int_equal(cvy_fail_in("pool '%s': ", "p"), -EREMOTEIO);
	assert_string_equal(covey_errmsg(), "pool 'p': task 7: disk");
	assert_int_equal(covey_errcode(), -EREMOTEIO);
}

static void long_words_are_cut(void **state)
{
	char longer[2000];

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	cvy_fail(EIO, "%s", longer);
	assert_in_range(strlen(covey_errmsg()), 256, sizeof longer - 1);
	cvy_fail_in("before: ");
	assert_int_equal(strncmp(covey_errmsg(), "before: xxx", 11), 0);
	cvy_fail_in("%s", longer);
	assert_in_range(strlen(covey_errmsg()), 256, sizeof longer - 1);
}

static void a_wait_that_ran_out_is_told_from_a_try(void **state)
{
	assert_int_equal(cvy_timed_out(0, "lock '%s': held", "l"), -EAGAIN);
	assert_string_equal(covey_errmsg(), "lock 'l': held");
	assert_int_equal(cvy_timed_out(50, "lock '%s': held", "l"), -ETIMEDOUT);
	assert_string_equal(covey_errmsg(), "lock 'l': held after 50 ms");
}

static void error_numbers_have_words_with_either_sign(void **state)
{
	assert_string_equal(covey_strerror(0), "no error");
	assert_string_equal(covey_strerror(ENOENT), "No such file or directory");
	assert_string_equal(covey_strerror(-ENOENT), "No such file or directory");
	assert_string_equal(covey_strerror(-EPIPE), covey_strerror(EPIPE));
	assert_string_not_equal(covey_strerror(EPIPE), strerror(EPIPE));
	assert_string_equal(covey_strerror(-99999), "error 99999");
	assert_true(covey_strerror(INT_MIN)[0]);
	assert_true(covey_strerror(INT_MAX)[0]);
}

static void the_version_is_that_of_the_headers(void **state)
{
	char version[32];

	snprintf(version, sizeof version, "%d.%d.%d", COVEY_VERSION_MAJOR, COVEY_VERSION_MINOR,
	         COVEY_VERSION_PATCH);
	assert_string_equal(covey_version(), version);
}

struct heard {
	int count, level;
	char text[2048];
};

static void hear(void *context, int level, const char *text)
{
	struct heard *heard = context;

	heard->count++;
	heard->level = level;
	snprintf(heard->text, sizeof heard->text, "%s", text);
}

static void the_log_goes_to_who_asked_for_it(void **state)
{
	struct heard heard = {0};
	char longer[3000];

	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = 0;
	cvy_log(COVEY_LOG_WARN, "nobody hears %s", "this");
	covey_set_log(hear, &heard);
	cvy_log(COVEY_LOG_WARN, "lock '%s' was mended", "l");
	assert_int_equal(heard.count, 1);
	assert_int_equal(heard.level, COVEY_LOG_WARN);
	assert_string_equal(heard.text, "lock 'l' was mended");
	cvy_log(COVEY_LOG_INFO, "%s", longer);
	assert_int_equal(heard.count, 2);
	assert_in_range(strlen(heard.text), 256, sizeof longer - 1);
	covey_set_log(NULL, NULL);
	cvy_log(COVEY_LOG_ERROR, "nor this");
	assert_int_equal(heard.count, 2);
}

static void nothing_is_printed(void **state)
{
	int ends[2], out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
	covey_lock lock = {12345};
	char byte;

	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	fflush(NULL);
	dup2(ends[1], STDOUT_FILENO);
	dup2(ends[1], STDERR_FILENO);
	cvy_log(COVEY_LOG_ERROR, "something is wrong");
	covey_lock_acquire(lock, COVEY_FOREVER);
	covey_init(0, NULL);
	fflush(NULL);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	assert_int_equal(read(ends[0], &byte, 1), -1);
	assert_int_equal(errno, EAGAIN);
	assert_string_not_equal(covey_errmsg(), "");
	close(ends[0]);
	close(ends[1]);
	close(out);
	close(err);
}

/* Options as a header of today, of yesterday and of tomorrow has them. */
struct today {
	const char *name;
	int workers, retries;
};
struct tomorrow {
	struct today today;
	const char *more;
};

static void options_may_be_of_an_older_or_newer_header(void **state)
{
	struct today to;
	struct tomorrow newer = {.today = {.name = "n", .workers = 3, .retries = 4}};

	memset(&to, 0xff, sizeof to);
	assert_int_equal(cvy_options(&to, sizeof to, NULL, sizeof to, "pool"), 0);
	assert_true(!to.name && !to.workers && !to.retries);

	assert_int_equal(cvy_options(&to, sizeof to, &newer, sizeof to, "pool"), 0);
	assert_string_equal(to.name, "n");
	assert_int_equal(to.workers, 3);
	assert_int_equal(to.retries, 4);

	memset(&to, 0xff, sizeof to);
	assert_int_equal(
		cvy_options(&to, sizeof to, &newer, offsetof(struct today, retries), "pool"), 0);
	assert_int_equal(to.workers, 3);
	assert_int_equal(to.retries, 0); /* which yesterday's header did not have */

	/* What this library does not know may be there, as long as it is not used. */
	assert_int_equal(cvy_options(&to, sizeof to, &newer, sizeof newer, "pool"), 0);
	assert_int_equal(to.retries, 4);
	newer.more = "x";
	assert_int_equal(cvy_options(&to, sizeof to, &newer, sizeof newer, "pool"), -E2BIG);
	assert_non_null(strstr(covey_errmsg(), "pool: "));
	assert_non_null(strstr(covey_errmsg(), covey_version()));
}

static void names_are_checked_and_copied_whole(void **state)
{
	char longest[COVEY_NAME_MAX + 2], to[COVEY_NAME_MAX + 1];

	memset(longest, 'n', COVEY_NAME_MAX + 1);
	longest[COVEY_NAME_MAX + 1] = 0;
	memset(to, 0x55, sizeof to);
	assert_int_equal(cvy_name(to, longest, "lock"), -ENAMETOOLONG);
	assert_non_null(strstr(covey_errmsg(), "lock: the name 'nnn"));
	assert_int_equal(to[0], 0x55);

	longest[COVEY_NAME_MAX] = 0;
	assert_int_equal(cvy_name(to, longest, "lock"), 0);
	assert_string_equal(to, longest);

	assert_int_equal(cvy_name(to, "n", "lock"), 0);
	assert_string_equal(to, "n");
	for (int i = 1; i <= COVEY_NAME_MAX; i++)
		assert_int_equal(to[i], 0); /* no rest of the last name, which others could read */

	assert_int_equal(cvy_name(to, NULL, "lock"), 0);
	assert_string_equal(to, "");
}

static const struct harness_test tests[] = {
	HARNESS_TEST(there_are_no_words_before_a_failure),
	HARNESS_TEST(a_failure_has_words_and_a_code),
	HARNESS_TEST(a_success_does_not_clear_the_words),
	HARNESS_TEST(words_are_the_threads_own),
	HARNESS_TEST(words_may_be_made_of_the_last_ones),
	HARNESS_TEST(long_words_are_cut),
	HARNESS_TEST(a_wait_that_ran_out_is_told_from_a_try),
	HARNESS_TEST(error_numbers_have_words_with_either_sign),
	HARNESS_TEST(the_version_is_that_of_the_headers),
	HARNESS_TEST(the_log_goes_to_who_asked_for_it),
	HARNESS_TEST(nothing_is_printed),
	HARNESS_TEST(options_may_be_of_an_older_or_newer_header),
	HARNESS_TEST(names_are_checked_and_copied_whole),
};

HARNESS_MAIN(tests)
