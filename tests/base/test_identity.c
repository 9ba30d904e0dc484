/* SPDX-License-Identifier: MIT */
/* Which process this is, and what is known of others by pid and pidfd. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "base/base.h"
#include "base/shared.h"

static uint32_t this_thread(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

/* arg: the numbers of the processes above; 0 after the last. */
static int is_another(void *arg)
{
	const uint32_t *above = arg;
	uint32_t deeper[8] = {cvy_incarnation()};
	int depth = 0;

	for (; above[depth]; depth++) {
		if (deeper[0] == above[depth])
			return 1;
		deeper[depth + 1] = above[depth];
	}
	if (!deeper[0] || deeper[0] != cvy_incarnation() || cvy_tid() != this_thread())
		return 2;
	return depth < 4 ? end_of(start(is_another, deeper)) : 0;
}

static void *note_numbers(void *arg)
{
	uint32_t *numbers = arg;

	numbers[0] = cvy_incarnation();
	numbers[1] = cvy_tid() == this_thread();
	return NULL;
}

static void a_number_tells_a_process_from_those_above(void **state)
{
	uint32_t numbers[2] = {cvy_incarnation()};
	pthread_t thread;

	assert_true(numbers[0] != 0);
	assert_int_equal(cvy_tid(), this_thread());
	assert_int_equal(end_of(start(is_another, numbers)), 0);
	assert_int_equal(pthread_create(&thread, NULL, note_numbers, numbers), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(numbers[0], cvy_incarnation());
	assert_true(numbers[1]);
}

static uint32_t hooked[4];
static int hooks_run;

static void first_hook(void)
{
	hooked[0] = cvy_incarnation();
	hooks_run = hooks_run * 10 + 1;
}

static void second_hook(void)
{
	hooks_run = hooks_run * 10 + 2;
}

static int check_hooks(void *arg)
{
	return hooks_run != 12 || hooked[0] != cvy_incarnation() || cvy_tid() != this_thread();
}

static void hooks_run_in_a_forked_child(void **state)
{
	cvy_at_fork_child(first_hook);
	cvy_at_fork_child(second_hook);
	assert_int_equal(hooks_run, 0);
	assert_int_equal(end_of(start(check_hooks, NULL)), 0);
	assert_int_equal(hooks_run, 0); /* in the child only */
}

static __attribute__((noreturn)) int wait_for_end(void *arg)
{
	for (;;)
		pause();
}

static void a_start_time_does_not_change(void **state)
{
	pid_t pid = start(wait_for_end, NULL);
	uint64_t ours = cvy_start_time(getpid()), childs = cvy_start_time(pid);

	assert_true(ours > 0);
	assert_true(childs >= ours);
	/* A name is not to be taken for what stands behind it. */
	assert_int_equal(prctl(PR_SET_NAME, ") R 1 2 3 ("), 0);
	assert_true(cvy_start_time(getpid()) == ours);
	assert_true(ours <= cvy_ticks() && childs <= cvy_ticks());
	harness_kill(pid, SIGKILL);
	HARNESS_EVENTUALLY(!harness_exists(pid));
	assert_true(cvy_start_time(pid) == childs); /* of a zombie */
	assert_int_equal(end_of(pid), 128 + SIGKILL);
	assert_true(cvy_start_time(pid) == 0);
}

static void a_pidfd_tells_and_signals(void **state)
{
	pid_t pid = start(wait_for_end, NULL);
	int fd = cvy_pidfd_open(pid);

	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(cvy_pidfd_ended(fd), 0);
	assert_int_equal(cvy_pidfd_signal(fd, 0), 0);
	assert_int_equal(cvy_pidfd_signal(fd, 12345), -EINVAL);
	assert_int_equal(cvy_pidfd_signal(fd, SIGKILL), 0);
	HARNESS_EVENTUALLY(cvy_pidfd_ended(fd) == 1); /* while it is a zombie */
	assert_int_equal(cvy_pidfd_signal(fd, SIGKILL), 0);
	assert_int_equal(end_of(pid), 128 + SIGKILL);
	assert_int_equal(cvy_pidfd_ended(fd), 1);
	assert_int_equal(cvy_pidfd_signal(fd, SIGKILL), -ESRCH);
	assert_int_equal(cvy_pidfd_open(pid), -ESRCH);
	assert_int_equal(cvy_pidfd_open(-1), -EINVAL);
	close(fd);
}

/* Since Linux 6.15; before, -1. */
static void a_pidfd_tells_how_a_process_ended_that_is_reaped(void **state)
{
	static const int signals[] = {0, SIGTERM, SIGKILL};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		int go[2], fd, status, told;
		char byte;
		pid_t pid;

		assert_int_equal(pipe(go), 0);
		pid = fork();
		if (pid == 0) {
			if (read(go[0], &byte, 1) == 1 && signals[i])
				raise(signals[i]);
			_exit(5);
		}
		fd = cvy_pidfd_open(pid);
		assert_int_equal(write(go[1], "x", 1), 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		told = cvy_pidfd_status(fd, pid);
		close(fd);
		close(go[0]);
		close(go[1]);
		if (told == -1)
			harness_skip("this kernel does not tell how a reaped process ended");
		assert_int_equal(told, status);
		assert_int_equal(told, signals[i] ? signals[i] : 5 << 8);
	}
}

static void *wait_for_barrier(void *arg)
{
	pthread_barrier_wait(arg);
	return NULL;
}

static void threads_are_counted(void **state)
{
	pthread_barrier_t barrier;
	pthread_t threads[3];
	int count[3];

	assert_int_equal(pthread_barrier_init(&barrier, NULL, 4), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, wait_for_barrier, &barrier), 0);
		count[i] = cvy_thread_count(100);
	}
	/* The first may have come with one of a sanitizer's. */
	assert_true(count[0] >= 2);
	assert_int_equal(count[1], count[0] + 1);
	assert_int_equal(count[2], count[0] + 2);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&barrier);
}

struct traced {
	pthread_barrier_t barrier;
	_Atomic pid_t tid;
};

static void *wait_to_be_traced(void *arg)
{
	struct traced *traced = arg;

	traced->tid = (pid_t)syscall(SYS_gettid);
	pthread_barrier_wait(&traced->barrier);
	return NULL;
}

/* A thread that is joined stays in /proc until its end is finished: with a tracer, for long. */
static void a_thread_that_was_joined_is_not_counted(void **state)
{
	struct traced traced = {.tid = 0};
	pthread_t thread;
	int ready[2], with;
	pid_t tracer;
	char seized = 0;

	prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
	assert_int_equal(pthread_barrier_init(&traced.barrier, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, wait_to_be_traced, &traced), 0);
	HARNESS_EVENTUALLY(traced.tid != 0);
	with = cvy_thread_count(100);
	assert_int_equal(pipe(ready), 0);
	tracer = fork();
	if (tracer == 0) {
		seized = ptrace(PTRACE_SEIZE, traced.tid, NULL, NULL) == 0;
		if (write(ready[1], &seized, 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], &seized, 1), 1);
	pthread_barrier_wait(&traced.barrier);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(cvy_thread_count(100), with - 1);
	harness_kill(tracer, SIGKILL);
	assert_int_equal(waitpid(tracer, NULL, 0), tracer);
	close(ready[0]);
	close(ready[1]);
	pthread_barrier_destroy(&traced.barrier);
	if (!seized)
		harness_skip("no thread may be traced here");
}

static void no_more_threads_are_counted_than_matter(void **state)
{
	pthread_barrier_t barrier;
	pthread_t threads[3];

	assert_int_equal(pthread_barrier_init(&barrier, NULL, 4), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_for_barrier, &barrier), 0);
	assert_int_equal(cvy_thread_count(2), 2);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&barrier);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_number_tells_a_process_from_those_above),
	HARNESS_TEST(hooks_run_in_a_forked_child),
	HARNESS_TEST(a_start_time_does_not_change),
	HARNESS_TEST(a_pidfd_tells_and_signals),
	HARNESS_TEST(a_pidfd_tells_how_a_process_ended_that_is_reaped),
	HARNESS_TEST(threads_are_counted),
	HARNESS_TEST(a_thread_that_was_joined_is_not_counted),
	HARNESS_TEST(no_more_threads_are_counted_than_matter),
};

HARNESS_MAIN(tests)
