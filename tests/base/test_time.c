/* SPDX-License-Identifier: MIT */
/* Deadlines and futexes. */
#include <limits.h>
#include <sched.h>
#include <time.h>

#include "base/base.h"
#include "base/shared.h"

#define SECOND INT64_C(1000000000)

static void a_timeout_becomes_a_deadline(void **state)
{
	int64_t before = cvy_now(), deadline = cvy_deadline(1000), after = cvy_now();

	assert_true(before > 0 && after >= before);
	assert_true(deadline >= before + SECOND && deadline <= after + SECOND);
	assert_true(cvy_deadline(INT_MAX) >= after + INT_MAX * CVY_MS);
	assert_true(cvy_deadline(COVEY_FOREVER) == CVY_NEVER);
	assert_true(cvy_deadline(INT_MIN) == CVY_NEVER);
	assert_true(cvy_deadline(0) == 0);
}

static void the_clock_is_read_once_for_a_call_that_waits(void **state)
{
	struct cvy_wait wait = CVY_WAIT(1000);
	int64_t deadline;

	assert_true(wait.deadline == CVY_UNSET);
	deadline = cvy_until(&wait);
	while (cvy_now() == deadline - SECOND)
		;
	assert_true(cvy_until(&wait) == deadline);
}

static void deadlines_become_what_the_kernel_takes(void **state)
{
	struct timespec ts = cvy_timespec(3 * SECOND + 7);

	assert_int_equal(ts.tv_sec, 3);
	assert_int_equal(ts.tv_nsec, 7);
	ts = cvy_timespec(CVY_NEVER - 1);
	assert_true(ts.tv_sec > 0 && ts.tv_nsec >= 0 && ts.tv_nsec < SECOND);

	assert_int_equal(cvy_poll_ms(CVY_NEVER), -1);
	assert_int_equal(cvy_poll_ms(0), 0);
	assert_int_equal(cvy_poll_ms(cvy_now()), 0);
	assert_int_equal(cvy_poll_ms(CVY_NEVER - 1), INT_MAX);
	assert_in_range(cvy_poll_ms(cvy_now() + 3600 * SECOND), 1, 3600 * 1000);
}

/* Else a wait would spin through the last millisecond. */
static void the_rest_of_a_millisecond_is_one(void **state)
{
	for (int i = 0; i < 100; i++) {
		int64_t deadline = cvy_now() + CVY_MS / 10;

		while (cvy_poll_ms(deadline) > 0)
			;
		assert_true(cvy_now() >= deadline);
	}
}

static void a_wait_for_what_has_changed_is_none(void **state)
{
	_Atomic uint32_t word = 1;

	assert_int_equal(cvy_futex_wait(&word, 0, CVY_NEVER), 0);
	assert_int_equal(cvy_futex_wait(&word, 1, 0), -ETIMEDOUT);
	assert_int_equal(cvy_futex_wait(&word, 1, cvy_now() + CVY_MS), -ETIMEDOUT);
	assert_int_equal(cvy_futex_wake(&word, INT_MAX), 0);
}

static void a_wake_that_fails_leaves_errno_alone(void **state)
{
	_Atomic uint32_t words[2] = {0};

	errno = EIO;
	assert_int_equal(cvy_futex_wake((void *)((char *)words + 1), 1), 0);
	assert_int_equal(errno, EIO);
}

static int wait_for_1(void *arg)
{
	_Atomic uint32_t *word = arg;

	while (atomic_load(word) == 0)
		if (cvy_futex_wait(word, 0, CVY_NEVER) != 0)
			return 1;
	return 0;
}

static void a_wake_reaches_other_processes(void **state)
{
	_Atomic uint32_t *word = share(sizeof *word);
	pid_t pid[3];

	for (int i = 0; i < 3; i++)
		pid[i] = start(wait_for_1, word);
	for (int i = 0; i < 3; i++)
		HARNESS_EVENTUALLY(harness_asleep(pid[i]));
	assert_int_equal(cvy_futex_wake(word, 1), 1); /* who is woken looks, and sleeps again */
	for (int i = 0; i < 3; i++)
		HARNESS_EVENTUALLY(harness_asleep(pid[i]));
	atomic_store(word, 1);
	assert_int_equal(cvy_futex_wake(word, INT_MAX), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(end_of(pid[i]), 0);
}

static _Atomic uint32_t caught;

static void catch (int signal)
{
	atomic_store(&caught, 1);
}

static int wait_for_signal(void *arg)
{
	struct sigaction action = {.sa_handler = catch};

	sigaction(SIGUSR1, &action, NULL);
	atomic_store((_Atomic uint32_t *)arg, 1);
	/* Nobody wakes it: only the signal brings it to look again. */
	while (!atomic_load(&caught))
		if (cvy_futex_wait(&caught, 0, CVY_NEVER) != 0)
			return 1;
	return 0;
}

static void a_signal_is_no_error(void **state)
{
	_Atomic uint32_t *ready = share(sizeof *ready);
	pid_t pid = start(wait_for_signal, ready);

	HARNESS_EVENTUALLY(atomic_load(ready) && harness_asleep(pid));
	harness_kill(pid, SIGUSR1);
	assert_int_equal(end_of(pid), 0);
}

static void there_is_no_spinning_on_one_core(void **state)
{
	cpu_set_t cpus, one;
	int cpu = sched_getcpu();

	assert_int_equal(sched_getaffinity(0, sizeof cpus, &cpus), 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	assert_int_equal(cvy_spins(), 0);
	for (struct cvy_spin spin = CVY_SPIN(); cvy_spin(&spin);)
		fail_msg("a wait spins");
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_timeout_becomes_a_deadline),
	HARNESS_TEST(the_clock_is_read_once_for_a_call_that_waits),
	HARNESS_TEST(deadlines_become_what_the_kernel_takes),
	HARNESS_TEST(the_rest_of_a_millisecond_is_one),
	HARNESS_TEST(a_wait_for_what_has_changed_is_none),
	HARNESS_TEST(a_wake_that_fails_leaves_errno_alone),
	HARNESS_TEST(a_wake_reaches_other_processes),
	HARNESS_TEST(a_signal_is_no_error),
	HARNESS_TEST(there_is_no_spinning_on_one_core),
};

HARNESS_MAIN(tests)
