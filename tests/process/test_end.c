/* SPDX-License-Identifier: MIT */
/* Typed process functions; waiting for several; ending one in a single call; the family. */
#include "support/harness.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <covey.h>

struct pair {
	int first, second;
};

COVEY_PROCESS(nothing, void)
{
	return 9;
}

COVEY_PROCESS(give, int, code)
{
	return code;
}

COVEY_PROCESS(add, covey_queue, sums, struct pair, pair, double, half, char, one, covey_lock, lock,
              uint64_t, big)
{
	double sum = 0;

	COVEY_WITH (lock)
		sum = pair.first + pair.second + half + one + (double)big;
	return covey_put(sums, &sum, COVEY_FOREVER) < 0;
}

COVEY_PROCESS(pass_on, covey_queue, numbers)
{
	int n;

	return covey_get(numbers, &n, COVEY_FOREVER) < 0 ? 255 : n;
}

COVEY_PROCESS(sleep_on, void)
{
	for (;;)
		pause();
	return 0;
}

/* Says by the queue that SIGTERM is ignored from now on. */
COVEY_PROCESS(be_stubborn, covey_queue, says)
{
	int ready = 1;

	signal(SIGTERM, SIG_IGN);
	covey_put(says, &ready, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

COVEY_PROCESS(use_parents, covey_process *, p)
{
	covey_process *several[] = {p};

	return covey_process_end(p, 0) != -ECHILD || covey_process_finish(several, 1) != -ECHILD ||
	       several[0] != p || covey_process_join_all(several, 1, 0) != -ECHILD ||
	       covey_process_interrupt(p) != -ECHILD || covey_process_get_info(p, NULL) != -ECHILD;
}

static covey_method method_of(void **state)
{
	return *(covey_method *)*state;
}

static void arguments_keep_their_types(void **state)
{
	covey_queue sums;
	covey_lock lock;
	covey_process *p[2] = {NULL};
	double sum;

	assert_int_equal(covey_queue_create(&sums, NULL), 0);
	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	assert_int_equal(
		covey_start_args(&p[0], add,
	                         (sums, (struct pair){1, 2}, 0.5, 3, lock, UINT64_C(1) << 40),
	                         .name = "adder", .method = method_of(state)),
		0);
	assert_string_equal(covey_process_name(p[0]), "adder");
	assert_int_equal(covey_process_finish(p, 1), 0);
	assert_int_equal(covey_get(sums, &sum, 0), 0);
	assert_true(sum == 6.5 + (double)(UINT64_C(1) << 40));
	assert_int_equal(covey_start_args(&p[0], nothing, (), .method = method_of(state)), 0);
	assert_int_equal(covey_process_join(p[0], COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p[0]), 9);
	covey_process_free(p[0]);
	assert_int_equal(give(4), 4); /* still a function */
	assert_int_equal(covey_start_args(&p[1], give, (1), .method = 9), -EINVAL);
	assert_null(p[1]);
	assert_int_equal(covey_queue_destroy(sums), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void several_are_joined_and_finished(void **state)
{
	covey_process *p[4] = {NULL};
	covey_queue numbers;
	char name[16];
	int n;

	assert_int_equal(covey_queue_create(&numbers, NULL), 0);
	for (int i = 0; i < 4; i++) {
		if (i == 2)
			continue;
		snprintf(name, sizeof name, "waits-%d", i);
		assert_int_equal(covey_start_args(&p[i], pass_on, (numbers), .name = name,
		                                  .method = method_of(state)),
		                 0);
	}
	assert_int_equal(covey_process_join_all(p, 4, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "process 'waits-0'"));
	assert_int_equal(covey_process_join_all(p, 4, 10), -ETIMEDOUT);
	assert_non_null(strstr(covey_errmsg(), "process 'waits-0'"));
	for (n = 0; n < 3; n++)
		assert_int_equal(covey_put(numbers, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_join_all(p, 4, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_join_all(p, 4, 0), 0);
	assert_int_equal(covey_process_finish(p, 4), 2); /* with 1 and 2 */
	for (int i = 0; i < 4; i++)
		assert_null(p[i]);
	assert_int_equal(covey_process_finish(p, 4), 0);
	assert_int_equal(covey_queue_destroy(numbers), 0);
}

static void finish_counts_the_killed(void **state)
{
	covey_process *p[2];

	signal(SIGINT, SIG_DFL); /* a shell has what it runs in the background ignore it */
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_start_args(&p[i], sleep_on, (), .method = method_of(state)),
		                 0);
	assert_int_equal(covey_process_kill(p[0]), 0);
	assert_int_equal(covey_process_join(p[0], COVEY_FOREVER), 0);
	assert_int_equal(covey_process_join_all(p, 2, 10), -ETIMEDOUT); /* for the second */
	assert_int_equal(covey_process_interrupt(p[1]), 0);
	assert_int_equal(covey_process_join(p[1], COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_signal(p[1]), SIGINT);
	assert_int_equal(covey_process_interrupt(p[1]), 0); /* it has ended already */
	assert_int_equal(covey_process_finish(p, 2), 2);
}

static void one_call_ends_a_process(void **state)
{
	covey_process *p;
	covey_queue says;
	int ready;

	assert_int_equal(covey_queue_create(&says, NULL), 0);
	assert_int_equal(covey_start_args(&p, sleep_on, (), .method = method_of(state)), 0);
	assert_int_equal(covey_process_end(p, COVEY_FOREVER), 128 + SIGTERM);
	assert_int_equal(covey_start_args(&p, sleep_on, (), .method = method_of(state)), 0);
	assert_int_equal(covey_process_end(p, 0), 128 + SIGKILL);
	assert_int_equal(covey_start_args(&p, be_stubborn, (says), .method = method_of(state)), 0);
	assert_int_equal(covey_get(says, &ready, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_end(p, 20), 128 + SIGKILL);
	assert_int_equal(covey_start_args(&p, give, (7), .method = method_of(state)), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_end(p, 0), 7); /* it had ended by itself */
	assert_int_equal(covey_process_end(NULL, 0), 0);
	assert_int_equal(covey_queue_destroy(says), 0);
}

/* Starts one of its own, says both pids, and waits. */
COVEY_PROCESS(start_one, covey_queue, says, covey_method, method)
{
	covey_process *p;
	pid_t pid = getpid();

	if (covey_start_args(&p, sleep_on, (), .name = "inner", .daemon = 1, .method = method) < 0)
		return 1;
	covey_put(says, &pid, COVEY_FOREVER);
	pid = covey_process_pid(p);
	covey_put(says, &pid, COVEY_FOREVER);
	return sleep_on();
}

static const covey_process_info *find(const covey_process_info *infos, int n, pid_t pid)
{
	for (int i = 0; i < n; i++)
		if (infos[i].pid == pid)
			return &infos[i];
	return NULL;
}

static void the_family_is_listed(void **state)
{
	const covey_process_info *outer, *inner;
	covey_process_info infos[8];
	covey_process *p;
	covey_queue says;
	pid_t pid[2];

	assert_int_equal(covey_queue_create(&says, NULL), 0);
	assert_int_equal(covey_family_processes(infos, 8), 1);
	assert_int_equal(infos[0].pid, getpid());
	assert_string_equal(infos[0].name, "main");
	assert_int_equal(covey_start_args(&p, start_one, (says, method_of(state)), .name = "outer",
	                                  .method = method_of(state)),
	                 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_get(says, &pid[i], COVEY_FOREVER), 0);
	assert_int_equal(covey_family_processes(infos, 8), 3);
	outer = find(infos, 3, pid[0]);
	inner = find(infos, 3, pid[1]);
	assert_true(outer && inner && find(infos, 3, getpid()));
	assert_string_equal(outer->name, "outer");
	assert_string_equal(inner->name, "inner");
	assert_int_equal(inner->method, method_of(state));
	assert_int_equal(inner->daemon, 1);
	assert_int_equal(covey_family_processes(infos, 2), 3);
	assert_int_equal(covey_family_processes(NULL, 0), 3);
	assert_int_equal(covey_family_processes(NULL, 1), -EINVAL);
	assert_int_equal(covey_family_processes(infos, -1), -EINVAL);
	assert_int_equal(covey_process_end(p, 0), 128 + SIGKILL);
	HARNESS_EVENTUALLY(covey_family_processes(infos, 8) == 1);
	assert_int_equal(infos[0].pid, getpid());
	assert_int_equal(covey_queue_destroy(says), 0);
}

COVEY_PROCESS(take, covey_lock, lock)
{
	return covey_lock_acquire(lock, COVEY_FOREVER) < 0 || covey_lock_release(lock) < 0 ? 1 : 6;
}

static void what_it_waits_for_and_how_it_ended_is_known(void **state)
{
	covey_process_info info, infos[2];
	covey_process *p;
	covey_queue says;
	covey_lock lock;

	assert_int_equal(covey_lock_create(&lock, "ledger"), 0);
	assert_int_equal(covey_queue_create(&says, NULL), 0);
	assert_int_equal(covey_lock_acquire(lock, COVEY_FOREVER), 0);
	assert_int_equal(
		covey_start_args(&p, take, (lock), .name = "taker", .method = method_of(state)), 0);
	HARNESS_EVENTUALLY(covey_process_get_info(p, &info) == 0 &&
	                   strcmp(info.waiting_for, "lock 'ledger'") == 0);
	assert_string_equal(info.name, "taker");
	assert_int_equal(info.pid, covey_process_pid(p));
	assert_int_equal(info.method, method_of(state));
	assert_int_equal(info.exit_code, -EAGAIN);
	HARNESS_EVENTUALLY(covey_process_get_info(p, &info) == 0 && info.age_ms >= 20);
	assert_int_equal(covey_family_processes(infos, 2), 2);
	assert_string_equal(infos[infos[1].pid == info.pid].waiting_for, "lock 'ledger'");
	assert_int_equal(covey_lock_release(lock), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_get_info(p, &info), 0);
	assert_int_equal(info.exit_code, 6);
	assert_int_equal(info.exit_signal, 0);
	assert_string_equal(info.waiting_for, "");
	covey_process_free(p);

	/* One without a name; then the dead waits for nothing. */
	assert_int_equal(covey_start_args(&p, pass_on, (says), .method = method_of(state)), 0);
	HARNESS_EVENTUALLY(covey_process_get_info(p, &info) == 0 &&
	                   strcmp(info.waiting_for, "queue") == 0);
	assert_int_equal(covey_process_kill(p), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_get_info(p, &info), 0);
	assert_int_equal(info.exit_code, 128 + SIGKILL);
	assert_int_equal(info.exit_signal, SIGKILL);
	assert_string_equal(info.waiting_for, "");
	assert_int_equal(covey_process_get_info(p, NULL), -EINVAL);
	assert_int_equal(covey_process_get_info(NULL, &info), -EINVAL);
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(says), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

struct grown {
	covey_process_info info;
	uint64_t later;
};

/* A program built with a header that knows more, or less, than the library. */
static void infos_may_grow_and_have_been_smaller(void **state)
{
	struct grown two[2];
	struct {
		pid_t pid;
		char name[5];
		char beyond;
	} small[2];
	size_t len = offsetof(covey_process_info, name) + sizeof small->name;
	covey_process *p;
	int n = 3;

	assert_int_equal(covey_start_args(&p, give, (n), .name = "somebody"), 0);
	memset(two, 0xff, sizeof two);
	assert_int_equal(covey_process_get_info_v(p, &two[0].info, sizeof *two), 0);
	assert_int_equal(two[0].info.pid, covey_process_pid(p));
	assert_int_equal(two[0].later, 0);
	memset(two, 0xff, sizeof two);
	assert_in_range(covey_family_processes_v(&two[0].info, 2, sizeof *two), 1, 2);
	assert_int_equal(two[0].later, 0);
	assert_string_equal(two[0].info.name, "main");
	assert_int_equal(two[0].info.pid, getpid());
	assert_int_equal(covey_current_process_v(&two[1].info, sizeof *two), 0);
	assert_int_equal(two[1].info.pid, getpid());
	assert_int_equal(two[1].later, 0);
	memset(small, 0xff, sizeof small);
	assert_int_equal(covey_process_get_info_v(p, (covey_process_info *)(void *)small, len), 0);
	assert_int_equal(small[0].pid, covey_process_pid(p));
	assert_memory_equal(small[0].name, "someb", 5);
	assert_int_equal((unsigned char)small[0].beyond, 0xff);
	assert_int_equal(covey_process_finish(&p, 1), 1);
}

static void none_of_it_takes_the_parents_handle(void **state)
{
	covey_process *p, *child[1];

	assert_int_equal(covey_start_args(&p, sleep_on, (), .method = COVEY_FORK), 0);
	assert_int_equal(covey_start_args(&child[0], use_parents, (p), .method = COVEY_FORK), 0);
	assert_int_equal(covey_process_finish(child, 1), 0);
	assert_int_equal(covey_process_alive(p), 1);
	assert_int_equal(covey_process_end(p, 0), 128 + SIGKILL);
}

static void no_handles_are_refused_in_words(void **state)
{
	covey_process *p[1] = {NULL};

	assert_int_equal(covey_process_join_all(NULL, 0, 0), 0);
	assert_int_equal(covey_process_join_all(NULL, 1, 0), -EINVAL);
	assert_int_equal(covey_process_join_all(p, -1, 0), -EINVAL);
	assert_int_equal(covey_process_finish(NULL, 1), -EINVAL);
	assert_int_equal(covey_process_interrupt(NULL), -EINVAL);
	assert_non_null(strstr(covey_errmsg(), "no handle"));
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(arguments_keep_their_types),
	HARNESS_TEST_BY_METHODS(several_are_joined_and_finished),
	HARNESS_TEST_BY_METHODS(finish_counts_the_killed),
	HARNESS_TEST_BY_METHODS(one_call_ends_a_process),
	HARNESS_TEST_BY_METHODS(the_family_is_listed),
	HARNESS_TEST_BY_METHODS(what_it_waits_for_and_how_it_ended_is_known),
	HARNESS_TEST(infos_may_grow_and_have_been_smaller),
	HARNESS_TEST(none_of_it_takes_the_parents_handle),
	HARNESS_TEST(no_handles_are_refused_in_words),
};

HARNESS_MAIN(tests)
