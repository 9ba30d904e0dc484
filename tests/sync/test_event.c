/* SPDX-License-Identifier: MIT */
/* What a user of events relies on, under every start method. */
#include <sys/wait.h>

#include "support/asleep.h"

static covey_event new_event(const char *name)
{
	covey_event e;

	assert_int_equal(covey_event_create(&e, name), 0);
	return e;
}

static int wait_for_it(const void *arg, size_t len)
{
	const covey_event *e = arg;

	return -covey_event_wait(*e, COVEY_FOREVER);
}

static void start_waiters(covey_process **p, int n, covey_event e, covey_method method)
{
	for (int i = 0; i < n; i++) {
		assert_int_equal(covey_start(&p[i], wait_for_it, &e, .method = method), 0);
		HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[i])));
	}
}

static void all_who_wait_go_on(void **state)
{
	covey_event e = new_event("go");
	covey_process *p[4];

	start_waiters(p, 4, e, *(covey_method *)*state);
	assert_int_equal(covey_event_is_set(e), 0);
	/* A waiter's death is nobody's business. */
	assert_int_equal(killed(p[1]), 128 + SIGKILL);
	assert_int_equal(covey_event_set(e), 0);
	for (int i = 0; i < 4; i++)
		if (i != 1)
			assert_int_equal(end_of(p[i]), 0);
	assert_int_equal(covey_event_is_set(e), 1);
	assert_int_equal(covey_event_set(e), 0);
	assert_int_equal(covey_event_wait(e, 0), 0);
	assert_int_equal(covey_event_clear(e), 0);
	assert_int_equal(covey_event_clear(e), 0);
	assert_int_equal(covey_event_is_set(e), 0);
	assert_int_equal(covey_event_destroy(e), 0);
}

static void who_waits_sees_a_set_that_is_cleared_at_once(void **state)
{
	covey_event e = new_event("pulse");
	covey_process *p[3];

	start_waiters(p, 3, e, *(covey_method *)*state);
	covey_event_set(e);
	covey_event_clear(e);
	for (int i = 0; i < 3; i++)
		assert_int_equal(end_of(p[i]), 0);
	assert_int_equal(covey_event_destroy(e), 0);
}

static void waiters_of_a_destroyed_event_are_told(void **state)
{
	covey_event e = new_event("doomed");
	covey_process *p[3];

	start_waiters(p, 3, e, *(covey_method *)*state);
	assert_int_equal(covey_event_destroy(e), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(end_of(p[i]), EBADF);
}

static void set_it(void *arg)
{
	covey_event_set(*(covey_event *)arg);
}

static void an_old_kernel_serves_too(void **state)
{
	covey_event e = new_event("slices");
	struct once_asleep o;

	cvy_line_slices = true;
	once_asleep(&o, set_it, &e);
	assert_int_equal(covey_event_wait(e, COVEY_FOREVER), 0);
	once_asleep_done(&o);
	assert_int_equal(covey_event_destroy(e), 0);
}

static void waiting_ends_in_words(void **state)
{
	covey_event e = new_event("never");

	assert_int_equal(covey_event_wait(e, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "event 'never': not set"));
	assert_int_equal(covey_event_wait(e, 20), -ETIMEDOUT);
	assert_int_equal(covey_event_destroy(e), 0);
}

static covey_event from_handler;

static void on_signal(int signal)
{
	(void)signal;
	covey_event_set(from_handler);
}

static void interrupt_me(void *arg)
{
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
}

static void set_in_a_signal_handler_wakes_its_own_thread(void **state)
{
	pthread_t self = pthread_self();
	struct sigaction action = {.sa_handler = on_signal};
	struct once_asleep o;

	from_handler = new_event("signal");
	sigaction(SIGUSR1, &action, NULL);
	once_asleep(&o, interrupt_me, &self);
	assert_int_equal(covey_event_wait(from_handler, COVEY_FOREVER), 0);
	once_asleep_done(&o);
	assert_int_equal(covey_event_destroy(from_handler), 0);
}

/* Signals at every moment of other calls, in whose windows set must leave things as they were. */
static void set_in_a_signal_handler_disturbs_nothing(void **state)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	covey_semaphore s;
	covey_queue q;
	pid_t pid;

	from_handler = new_event("signals");
	assert_int_equal(covey_semaphore_create(&s, NULL), 0);
	assert_int_equal(covey_queue_create(&q, NULL), 0);
	sigaction(SIGUSR1, &action, NULL);
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 2000; i++)
			harness_kill(getppid(), SIGUSR1);
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) != pid) {
		int n = 5;

		assert_int_equal(covey_semaphore_acquire(s, COVEY_FOREVER), 0);
		assert_int_equal(covey_semaphore_release(s, 1), 0);
		assert_int_equal(covey_put(q, &n, COVEY_FOREVER), 0);
		assert_int_equal(covey_get(q, &n, COVEY_FOREVER), 0);
		covey_event_clear(from_handler);
	}
	assert_int_equal(covey_event_destroy(from_handler), 0);
	assert_int_equal(covey_semaphore_destroy(s), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void stale_and_foreign_handles_are_errors_in_words(void **state)
{
	covey_event e = new_event("gone"), zero = {0}, wild = {UINT64_MAX}, again;
	char name[COVEY_NAME_MAX + 2];

	assert_int_equal(covey_event_set(e), 0);
	assert_int_equal(covey_event_destroy(e), 0);
	assert_int_equal(covey_event_set(e), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "destroyed"));
	assert_int_equal(covey_event_clear(e), -EBADF);
	assert_int_equal(covey_event_is_set(e), -EBADF);
	assert_int_equal(covey_event_wait(e, COVEY_FOREVER), -EBADF);
	assert_int_equal(covey_event_destroy(e), -EBADF);
	assert_int_equal(covey_event_wait(zero, 0), -EBADF);
	assert_int_equal(covey_event_wait(wild, 0), -EBADF);
	/* The next in its slot is not set. */
	again = new_event("new");
	assert_int_equal(covey_event_is_set(again), 0);
	assert_int_equal(covey_event_wait(e, 0), -EBADF);
	assert_int_equal(covey_event_destroy(again), 0);
	memset(name, 'n', sizeof name);
	name[COVEY_NAME_MAX + 1] = 0;
	again.id = 7;
	assert_int_equal(covey_event_create(&again, name), -ENAMETOOLONG);
	assert_int_equal(again.id, 7);
	assert_int_equal(covey_event_create(NULL, NULL), -EINVAL);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(all_who_wait_go_on),
	HARNESS_TEST_BY_METHODS(who_waits_sees_a_set_that_is_cleared_at_once),
	HARNESS_TEST_BY_METHODS(waiters_of_a_destroyed_event_are_told),
	HARNESS_TEST(an_old_kernel_serves_too),
	HARNESS_TEST(waiting_ends_in_words),
	HARNESS_TEST(set_in_a_signal_handler_wakes_its_own_thread),
	HARNESS_TEST(set_in_a_signal_handler_disturbs_nothing),
	HARNESS_TEST(stale_and_foreign_handles_are_errors_in_words),
};

HARNESS_MAIN(tests)
