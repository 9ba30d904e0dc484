/* SPDX-License-Identifier: MIT */
/* A signal to a process and to all that descend from it. */
#include "support/harness.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covey.h>

#include "arena/arena.h"

static covey_method method_of(void **state)
{
	return *(covey_method *)*state;
}

/* Says its pid, and waits. */
COVEY_PROCESS(wait_on, covey_queue, says)
{
	pid_t pid = getpid();

	covey_put(says, &pid, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static int descend(covey_queue says, covey_method method, int depth);
static int start_next(covey_queue says, covey_method method, int depth);

/* The same, having started one that does so, so many times; each in a group of its own. */
COVEY_PROCESS(descend, covey_queue, says, covey_method, method, int, depth)
{
	if (depth > 1 && start_next(says, method, depth - 1) < 0)
		return 1;
	return wait_on(says);
}

static int start_next(covey_queue says, covey_method method, int depth)
{
	return covey_start_args(NULL, descend, (says, method, depth), .method = method,
	                        .new_group = 1);
}

static volatile sig_atomic_t terms;

static void count(int signal)
{
	terms++;
}

/* Says that it is ready, and how many SIGTERMs it got until it is told to go on. */
COVEY_PROCESS(count_terms, covey_queue, says, covey_queue, go_on)
{
	int n = 0;

	signal(SIGTERM, count);
	if (covey_put(says, &n, COVEY_FOREVER) < 0 || covey_get(go_on, &n, COVEY_FOREVER) < 0)
		return 1;
	n = terms;
	return covey_put(says, &n, COVEY_FOREVER) < 0;
}

COVEY_PROCESS(start_two, covey_queue, says, covey_queue, go_on, covey_method, method)
{
	covey_process *p[2];

	signal(SIGTERM, count);
	for (int i = 0; i < 2; i++)
		if (covey_start_args(&p[i], count_terms, (says, go_on), .method = method) < 0)
			return 1;
	return covey_process_finish(p, 2) || count_terms(says, go_on);
}

/* One between that is killed and forgotten, while the one below it lives on. */
COVEY_PROCESS(lose_one_between, covey_queue, says, covey_method, method)
{
	covey_process *p;
	uint32_t slot;
	pid_t pid;

	if (covey_start_args(&p, descend, (says, method, 2), .method = method) < 0)
		return 1;
	for (int i = 0; i < 2; i++)
		if (covey_get(says, &pid, COVEY_FOREVER) < 0 ||
		    (pid != covey_process_pid(p) && covey_put(says, &pid, COVEY_FOREVER) < 0))
			return 1;
	if (covey_process_end(p, 0) != 128 + SIGKILL)
		return 1;
	for (unsigned i = 0; i < CVY_PROCS; i++) { /* so that others have had its slot */
		if (cvy_proc_new("another", &slot) < 0)
			return 1;
		cvy_proc_free(slot);
	}
	return wait_on(says);
}

/* Starts others like itself, as quickly as it can. */
static int swarm(covey_queue says, covey_method method, int depth);
static int start_swarm(covey_queue says, covey_method method, int depth);

COVEY_PROCESS(swarm, covey_queue, says, covey_method, method, int, depth)
{
	int n = 1;

	covey_put(says, &n, COVEY_FOREVER);
	for (int i = 0; depth && i < 3; i++)
		start_swarm(says, method, depth - 1);
	for (;;)
		pause();
	return 0;
}

static int start_swarm(covey_queue says, covey_method method, int depth)
{
	return covey_start_args(NULL, swarm, (says, method, depth), .method = method);
}

COVEY_PROCESS(have_a_pool, covey_queue, says, covey_method, method)
{
	covey_pool *pool;

	if (covey_pool_open(&pool, &(covey_pool_opts){.workers = 2, .method = method}) < 0)
		return 1;
	return wait_on(says);
}

/* Has a slot taken whose process is still to come, and says which. */
COVEY_PROCESS(expect_one, covey_queue, says)
{
	uint32_t slot;

	if (cvy_proc_new("late", &slot) < 0)
		return 1;
	covey_put(says, &slot, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

COVEY_PROCESS(use_parents, covey_process *, p)
{
	return covey_process_signal_tree(p, SIGTERM) != -ECHILD;
}

static covey_queue make_queue(void)
{
	covey_queue queue;

	assert_int_equal(covey_queue_create(&queue, NULL), 0);
	return queue;
}

static int get(covey_queue queue)
{
	int n;

	assert_int_equal(covey_get(queue, &n, COVEY_FOREVER), 0);
	return n;
}

static void kill_ends_all_that_descend(void **state)
{
	covey_queue says = make_queue();
	covey_process *p, *other;
	pid_t pids[3];

	assert_int_equal(covey_start_args(&other, wait_on, (says), .method = method_of(state)), 0);
	get(says);
	assert_int_equal(covey_start_args(&p, descend, (says, method_of(state), 3),
	                                  .method = method_of(state)),
	                 0);
	for (int i = 0; i < 3; i++)
		pids[i] = get(says);
	assert_int_equal(covey_process_signal_tree(p, SIGKILL), 3);
	for (int i = 0; i < 3; i++)
		assert_false(harness_exists(pids[i]));
	assert_int_equal(covey_process_exit_signal(p), SIGKILL);
	assert_int_equal(covey_process_alive(other), 1);
	assert_int_equal(covey_process_signal_tree(p, SIGKILL), 0);
	assert_int_equal(covey_process_end(other, 0), 128 + SIGKILL);
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(says), 0);
}

static void others_are_delivered_once_to_each(void **state)
{
	covey_queue says = make_queue(), go_on = make_queue();
	covey_process *p[1];
	int n = 0;

	assert_int_equal(covey_start_args(&p[0], start_two, (says, go_on, method_of(state)),
	                                  .method = method_of(state)),
	                 0);
	for (int i = 0; i < 2; i++)
		get(says);
	assert_int_equal(covey_process_signal_tree(p[0], SIGTERM), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_put(go_on, &n, COVEY_FOREVER), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(get(says), 1);
	assert_int_equal(get(says), 0); /* the first one of them is ready, too */
	assert_int_equal(get(says), 1);
	assert_int_equal(covey_process_finish(p, 1), 0);
	assert_int_equal(covey_queue_destroy(says), 0);
	assert_int_equal(covey_queue_destroy(go_on), 0);
}

static void one_between_that_is_forgotten_hides_nobody(void **state)
{
	covey_queue says = make_queue();
	pid_t pids[2];
	covey_process *p;

	assert_int_equal(covey_start_args(&p, lose_one_between, (says, method_of(state)),
	                                  .method = method_of(state)),
	                 0);
	HARNESS_EVENTUALLY(covey_family_processes(NULL, 0) == 3);
	/* Its own pid comes last, once the one between is forgotten. */
	do {
		pids[0] = get(says);
		pids[1] = get(says);
		if (pids[1] == covey_process_pid(p))
			break;
		covey_put(says, &pids[0], COVEY_FOREVER);
		covey_put(says, &pids[1], COVEY_FOREVER);
	} while (1);
	assert_int_equal(covey_process_signal_tree(p, SIGKILL), 2);
	assert_false(harness_exists(pids[0]));
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(says), 0);
}

static void the_first_one_may_have_ended(void **state)
{
	covey_queue says = make_queue();
	covey_process *p;
	pid_t pids[2];

	assert_int_equal(covey_start_args(&p, descend, (says, method_of(state), 2),
	                                  .method = method_of(state)),
	                 0);
	for (int i = 0; i < 2; i++)
		pids[i] = get(says);
	assert_int_equal(covey_process_kill(p), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_signal_tree(p, SIGKILL), 1);
	for (int i = 0; i < 2; i++)
		assert_false(harness_exists(pids[i]));
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(says), 0);
}

/* However far it has got: what is on its way when the others die does not arrive. */
static void a_swarm_is_ended_while_it_grows(void **state)
{
	for (int round = 0; round < 6; round++) {
		covey_queue says = make_queue();
		covey_process *p;

		assert_int_equal(covey_start_args(&p, swarm, (says, method_of(state), 3),
		                                  .method = method_of(state)),
		                 0);
		for (int i = 0; i < 1 + 2 * round; i++)
			get(says);
		assert_true(covey_process_signal_tree(p, SIGKILL) >= 1 + 2 * round);
		/* One that comes late is seen for a moment. */
		HARNESS_EVENTUALLY(covey_family_processes(NULL, 0) == 1);
		covey_process_free(p);
		assert_int_equal(covey_queue_destroy(says), 0);
	}
}

static void workers_of_pools_are_among_them(void **state)
{
	covey_queue says = make_queue();
	covey_process *p;

	harness_objects_stay();
	assert_int_equal(covey_start_args(&p, have_a_pool, (says, method_of(state)),
	                                  .method = method_of(state)),
	                 0);
	get(says);
	HARNESS_EVENTUALLY(covey_family_processes(NULL, 0) == 4);
	/* They end by themselves, too, when it does. */
	assert_true(covey_process_signal_tree(p, SIGKILL) >= 1);
	HARNESS_EVENTUALLY(covey_family_processes(NULL, 0) == 1);
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(says), 0);
}

static void one_on_its_way_gets_it_when_it_arrives(void **state)
{
	covey_queue says = make_queue();
	covey_process *p;
	uint32_t slot;
	int status;
	pid_t pid;

	assert_int_equal(covey_start_args(&p, expect_one, (says), .method = method_of(state)), 0);
	assert_int_equal(covey_get(says, &slot, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_signal_tree(p, SIGKILL), 2);
	assert_int_equal(covey_process_signal_tree(p, SIGTERM), 0); /* takes nothing back */
	pid = fork();
	if (pid == 0) {
		cvy_self_set(slot);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(says), 0);
}

static void what_is_wrong_is_said(void **state)
{
	covey_queue says = make_queue();
	covey_process *p, *child[1];

	assert_int_equal(covey_start_args(&p, wait_on, (says), .name = "waits"), 0);
	assert_int_equal(covey_process_signal_tree(NULL, SIGTERM), -EINVAL);
	assert_int_equal(covey_process_signal_tree(p, 0), -EINVAL);
	assert_int_equal(covey_process_signal_tree(p, SIGRTMAX + 1), -EINVAL);
	assert_non_null(strstr(covey_errmsg(), "process 'waits'"));
	assert_int_equal(covey_start_args(&child[0], use_parents, (p), .method = COVEY_FORK), 0);
	assert_int_equal(covey_process_finish(child, 1), 0);
	assert_int_equal(covey_process_alive(p), 1);
	assert_int_equal(covey_process_end(p, 0), 128 + SIGKILL);
	assert_int_equal(covey_queue_destroy(says), 0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(kill_ends_all_that_descend),
	HARNESS_TEST_BY_METHODS(others_are_delivered_once_to_each),
	HARNESS_TEST_BY_METHODS(one_between_that_is_forgotten_hides_nobody),
	HARNESS_TEST_BY_METHODS(the_first_one_may_have_ended),
	HARNESS_TEST_BY_METHODS(a_swarm_is_ended_while_it_grows),
	HARNESS_TEST_BY_METHODS(workers_of_pools_are_among_them),
	HARNESS_TEST_BY_METHODS(one_on_its_way_gets_it_when_it_arrives),
	HARNESS_TEST(what_is_wrong_is_said),
};

HARNESS_MAIN(tests)
