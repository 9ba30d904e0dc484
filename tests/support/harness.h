/* SPDX-License-Identifier: MIT */
/*
 * The test runner. Each test runs in a forked child of its own, with a timeout;
 * afterwards the runner looks whether anything is left: a process, a
 * descriptor, a shared object, a file in /dev/shm or /tmp.
 *
 *     static void a_lock_excludes(void **state) { ... assert_int_equal(x, 1); }
 *     static const struct harness_test tests[] = {
 *         HARNESS_TEST(a_lock_excludes),
 *         HARNESS_TEST_WITH(starts, "spawn", &by_spawn),     // *state is &by_spawn
 *     };
 *     HARNESS_MAIN(tests)
 *
 * Options: --list, -v, names (or parts of names) of tests. HARNESS_TIMEOUT
 * multiplies the time a test may take, for slow tools.
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
	const char *label; /* of the parameter, NULL for none */
	void (*run)(void **state);
	const void *parameter;
};

#define HARNESS_TEST(fn)            \
	{                           \
#fn, NULL, fn, NULL \
	}
#define HARNESS_TEST_WITH(fn, label, p) \
	{                               \
#fn, label, fn, p       \
	}
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

/* Waits until an expression holds; fails the test where it does not within the test's time. */
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

/* Whether all threads of a process are blocked in the kernel waiting for a futex. */
bool harness_asleep(pid_t pid);
/* kill(2) that refuses pids below 2. */
void harness_kill(pid_t pid, int signal);
/* Whether a process exists and is no zombie. */
bool harness_exists(pid_t pid);

#endif
