/* SPDX-License-Identifier: MIT */
/* Nurseries: what they hand on, and what is not lost when they die. */
#include "support/harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/process.h"

static int inherited; /* by the nursery of a fork, not by one of a fresh image */

static int tell_what_came_along(const void *arg, size_t len)
{
	char byte = (char)('0' + inherited + *(const int *)arg);

	if (cvy_passed_count != 2 || write(cvy_passed_fds[1], &byte, 1) != 1)
		return 1;
	return 0;
}

/* A slot as a pool fills it in. */
static uint32_t new_slot(covey_process_fn *fn, int argument)
{
	struct cvy_proc *proc;
	uint32_t slot;
	covey_fn value;

	assert_int_equal(covey_fn_make(&value, fn), 0);
	assert_int_equal(cvy_proc_new("nestling", &slot), 0);
	proc = cvy_proc(slot);
	proc->fn = value;
	proc->arg_len = sizeof argument;
	memcpy(proc->inline_arg, &argument, sizeof argument);
	return slot;
}

static void descriptors_and_state_come_along(void **state)
{
	covey_method method = *(covey_method *)*state;
	struct cvy_nursery *nursery;
	int ends[2], pidfd, fds[2];
	uint32_t slot;
	char byte;

	inherited = 4;
	assert_int_equal(cvy_nursery_open(&nursery, method), 0);
	inherited = 5;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fds[0] = ends[0];
	fds[1] = ends[1];
	slot = new_slot(tell_what_came_along, 1);
	pidfd = cvy_nursery_fork(nursery, slot, fds, 2);
	assert_true(pidfd >= 0);
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, method == COVEY_FORK ? '5' : '1');
	assert_int_equal(read(ends[0], &byte, 1), 0); /* the nursery has kept nothing */
	HARNESS_EVENTUALLY(cvy_pidfd_ended(pidfd));
	assert_int_equal(cvy_proc_reap(slot, pidfd), 0);
	close(pidfd);
	close(ends[0]);
	cvy_proc_free(slot);
	cvy_nursery_close(nursery);
}

static int wait_for_ever(const void *arg, size_t len)
{
	for (;;)
		pause();
	return 0;
}

static void closing_leaves_the_children_alive(void **state)
{
	struct cvy_nursery *nursery;
	uint32_t slot;
	int pidfd;

	assert_int_equal(cvy_nursery_open(&nursery, *(covey_method *)*state), 0);
	slot = new_slot(wait_for_ever, 0);
	pidfd = cvy_nursery_fork(nursery, slot, NULL, 0);
	assert_true(pidfd >= 0);
	cvy_nursery_close(nursery);
	assert_int_equal(cvy_pidfd_ended(pidfd), 0);
	assert_int_equal(cvy_pidfd_signal(pidfd, SIGKILL), 0);
	HARNESS_EVENTUALLY(cvy_pidfd_ended(pidfd));
	close(pidfd);
	cvy_proc_free(slot);
}

static void more_than_it_may_open_is_an_error_and_nothing_runs(void **state)
{
	struct cvy_nursery *nursery;
	uint32_t slot;

	assert_int_equal(cvy_nursery_open(&nursery, COVEY_FORK), 0);
	slot = new_slot(wait_for_ever, 0);
	assert_int_equal(cvy_nursery_fork(nursery, slot, NULL, 10), -EINVAL);
	cvy_proc_free(slot);
	cvy_nursery_close(nursery);
	assert_int_equal(cvy_nursery_fork(NULL, 0, NULL, 0), -ECHILD);
	cvy_nursery_close(NULL);
}

/* ---- deaths */

/* The kernel's parent of a process of the forkserver. */
static pid_t server_of(covey_process *p)
{
	char path[64];
	int pid = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)covey_process_pid(p));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d (%*[^)]) %*c %d", &pid), 1);
	fclose(file);
	assert_int_not_equal(pid, getpid());
	return (pid_t)pid;
}

static int exit_when_told(const void *arg, size_t len)
{
	int code;

	covey_get(*(const covey_queue *)arg, &code, COVEY_FOREVER);
	return code;
}

static void an_exit_code_is_known_though_the_forkserver_has_died(void **state)
{
	covey_process *p;
	covey_queue q;
	int code = 9;

	assert_int_equal(covey_queue_create(&q, NULL), 0);
	assert_int_equal(covey_start(&p, exit_when_told, &q, .method = COVEY_FORKSERVER), 0);
	harness_kill(server_of(p), SIGKILL);
	assert_int_equal(covey_put(q, &code, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), 9);
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(q), 0);
}

/* As told by the kernel: no process lives that has reaped it. */
static void the_signal_is_known_though_the_forkserver_has_died(void **state)
{
	static const int signals[] = {SIGTERM, SIGKILL, SIGUSR1};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		covey_process *p;

		assert_int_equal(covey_start(&p, wait_for_ever, "", .method = COVEY_FORKSERVER), 0);
		harness_kill(server_of(p), SIGKILL);
		assert_int_equal(covey_process_signal(p, signals[i]), 0);
		assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_signal(p), signals[i]);
		assert_int_equal(covey_process_exit_code(p), 128 + signals[i]);
		covey_process_free(p);
	}
}

static int count_me(const void *arg, size_t len)
{
	int pid = getpid();

	return covey_put(*(const covey_queue *)arg, &pid, COVEY_FOREVER) < 0;
}

static _Atomic pid_t victim;
static _Atomic bool stop;

static void *kill_victims(void *arg)
{
	while (!stop) {
		pid_t pid = atomic_exchange(&victim, 0);

		if (pid)
			harness_kill(pid, SIGKILL);
	}
	return arg;
}

/* Killed at any moment of a start, it is started again, and each function runs exactly once. */
static void a_forkserver_killed_during_a_start_runs_each_function_once(void **state)
{
	covey_process *sleeper, *p;
	pthread_t killer;
	covey_queue q;
	int pid, n = 0;

	assert_int_equal(covey_queue_create(&q, NULL), 0);
	assert_int_equal(pthread_create(&killer, NULL, kill_victims, NULL), 0);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(
			covey_start(&sleeper, wait_for_ever, "", .method = COVEY_FORKSERVER), 0);
		victim = server_of(sleeper); /* a zombie of ours until it is missed */
		if (covey_start(&p, count_me, &q, .method = COVEY_FORKSERVER) < 0)
			fail_msg("%s", covey_errmsg());
		assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p), 0);
		covey_process_free(p);
		HARNESS_EVENTUALLY(victim == 0);
		covey_process_kill(sleeper);
		assert_int_equal(covey_process_join(sleeper, COVEY_FOREVER), 0);
		covey_process_free(sleeper);
	}
	stop = true;
	pthread_join(killer, NULL);
	while (covey_get(q, &pid, 0) == 0)
		n++;
	assert_int_equal(n, 60);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static int return_it(const void *arg, size_t len)
{
	return *(const int *)arg;
}

static int slots_in_use(void)
{
	int n = 0;

	for (uint32_t i = 1; i < CVY_PROCS; i++)
		n += atomic_load(&cvy_proc(i)->state) != CVY_PROC_FREE;
	return n;
}

static void the_process_table_does_not_fill_up(void **state)
{
	int five = 5, before = 0;
	covey_process *p;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(
			covey_start(&p, return_it, &five, .method = *(covey_method *)*state), 0);
		assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
		covey_process_free(p);
		if (i == 0)
			before = slots_in_use();
	}
	HARNESS_EVENTUALLY(slots_in_use() <= before);
}

static void a_late_record_spares_the_slots_next_process(void **state)
{
	uint32_t slot = new_slot(wait_for_ever, 0), generation = cvy_proc(slot)->generation;

	cvy_proc_free(slot);
	cvy_proc_end(slot, generation, SIGKILL);
	assert_int_equal(cvy_proc(slot)->state, CVY_PROC_FREE);
	do /* until the slot's turn comes again */
		cvy_proc_free(slot);
	while (cvy_proc_new("next", &slot) == 0 && cvy_proc(slot)->generation != generation + 1);
	cvy_proc_end(slot, generation, SIGKILL);
	assert_int_equal(cvy_proc(slot)->state, CVY_PROC_STARTING);
	cvy_proc_free(slot);
}

static covey_method by_fork = COVEY_FORK, by_spawn = COVEY_SPAWN, by_server = COVEY_FORKSERVER;

static const struct harness_test tests[] = {
	HARNESS_TEST_WITH(descriptors_and_state_come_along, "fork", &by_fork),
	HARNESS_TEST_WITH(descriptors_and_state_come_along, "fresh", &by_server),
	HARNESS_TEST_WITH(closing_leaves_the_children_alive, "fork", &by_fork),
	HARNESS_TEST_WITH(closing_leaves_the_children_alive, "fresh", &by_server),
	HARNESS_TEST(more_than_it_may_open_is_an_error_and_nothing_runs),
	HARNESS_TEST(an_exit_code_is_known_though_the_forkserver_has_died),
	HARNESS_TEST(the_signal_is_known_though_the_forkserver_has_died),
	HARNESS_TEST(a_forkserver_killed_during_a_start_runs_each_function_once),
	HARNESS_TEST_WITH(the_process_table_does_not_fill_up, "fork", &by_fork),
	HARNESS_TEST_WITH(the_process_table_does_not_fill_up, "spawn", &by_spawn),
	HARNESS_TEST_WITH(the_process_table_does_not_fill_up, "forkserver", &by_server),
	HARNESS_TEST(a_late_record_spares_the_slots_next_process),
};

HARNESS_MAIN(tests)
