/* SPDX-License-Identifier: MIT */
/*
 * The test runner. Each test runs in a forked child of its own, with a timeout;
 * afterwards the runner looks whether anything is left: a process, a
 * descriptor, a shared object, a file in /dev/shm or /tmp.
 *
 *     static void a_lock_excludes(void **state) { ... assert_int_equal(x, 1); }
 *     static const struct harness_test tests[] = {
 *         HARNESS_TEST(a_lock_excludes),
 *         HARNESS_TEST_WITH(ends, "killed", &by_kill),       // *state is &by_kill
 *         HARNESS_TEST_BY_METHODS(starts),                   // *state is a covey_method's place
 *     };
 *     HARNESS_MAIN(tests)
 *
 * Options: --list, -v, and names (or parts of names) of tests. HARNESS_TIMEOUT
 * multiplies the 30 s that a test may take, for slow tools. The last line is
 * "N passed, N failed", and ", N skipped" where some were.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

#include <covey.h>

struct harness_test {
	const char *name;
	const char *label; /* of the parameter, NULL for none: shown as name/label */
	void (*run)(void **state);
	const void *parameter;
};

/* clang-format off */
#define HARNESS_TEST_WITH(fn, label, parameter) {#fn, label, fn, parameter}
/* clang-format on */
#define HARNESS_TEST(fn) HARNESS_TEST_WITH(fn, NULL, NULL)

/* fork, spawn, forkserver */
extern const covey_method harness_methods[3];
#define HARNESS_TEST_BY_METHODS(fn)                                  \
	HARNESS_TEST_WITH(fn, "fork", &harness_methods[0]),          \
		HARNESS_TEST_WITH(fn, "spawn", &harness_methods[1]), \
		HARNESS_TEST_WITH(fn, "forkserver", &harness_methods[2])

#define HARNESS_MAIN(tests)                                                              \
	int main(int argc, char **argv)                                                  \
	{                                                                                \
		covey_init(argc, argv);                                                  \
		return harness_main(argc, argv, tests, sizeof(tests) / sizeof *(tests)); \
	}

int harness_main(int argc, char **argv, const struct harness_test *tests, size_t count);

/* Ends the test as skipped, with a reason that is printed. */
void harness_skip(const char *why) __attribute__((noreturn));
/* Says that the test leaves shared objects on purpose (of processes that it killed). */
void harness_objects_stay(void);

/* Waits until an expression holds; fails the test where it does not within half the test's time. */
#define HARNESS_EVENTUALLY(expr)                                         \
	do {                                                             \
		struct harness_patience patience_ = {0};                 \
		while (!(expr))                                          \
			if (!harness_wait(&patience_))                   \
				fail_msg("%s did not come true", #expr); \
	} while (0)
struct harness_patience {
	int64_t until;
};
bool harness_wait(struct harness_patience *patience);

/* Whether the first thread of a process is asleep in the kernel, waiting for a futex. */
bool harness_asleep(pid_t pid);
/* Whether the first thread of a process has been stopped by a signal. */
bool harness_stopped(pid_t pid);
/* kill(2) that refuses pids below 2. */
void harness_kill(pid_t pid, int signal);
/* Whether a process exists and is no zombie. */
bool harness_exists(pid_t pid);

#endif
