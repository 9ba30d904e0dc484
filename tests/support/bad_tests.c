/* SPDX-License-Identifier: MIT */
/* Tests that must fail, each in a way that the runner has to see; test_harness.c runs them. */
#include "support/harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define BAD_FILE "/tmp/covey-left-by-a-bad-test"

static void passes(void **state)
{
	covey_lock lock;

	assert_int_equal(covey_lock_create(&lock, "passing"), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void fails(void **state)
{
	printf("said before it failed\n");
	assert_int_equal(6 * 9, 42);
}

static void waits_in_vain(void **state)
{
	HARNESS_EVENTUALLY(getppid() == 0);
}

static void crashes(void **state)
{
	raise(SIGSEGV);
}

static void is_killed(void **state)
{
	harness_kill(getpid(), SIGKILL);
}

static void exits(void **state)
{
	_exit(3);
}

static void never_ends(void **state)
{
	for (;;)
		pause();
}

static void kills_everyone(void **state)
{
	harness_kill(-1, 0);
}

static __attribute__((noreturn)) void *hang(void *arg)
{
	for (;;)
		pause();
}

static int hang_twice(const void *arg, size_t len)
{
	pthread_t thread;

	pthread_create(&thread, NULL, hang, NULL);
	hang(NULL);
}

static void waits_for_a_child_that_hangs(void **state)
{
	covey_process *p;

	assert_int_equal(covey_process_start(&p, hang_twice, NULL, 0,
	                                     &(covey_process_opts){.name = "hanging"}),
	                 0);
	covey_process_join(p, COVEY_FOREVER);
}

static void leaves_a_process(void **state)
{
	pid_t pid = fork();

	if (pid == 0)
		hang(NULL);
	assert_true(pid > 1);
}

/* By a parent that has ended itself. */
static void leaves_an_orphan(void **state)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (fork() == 0)
			hang(NULL);
		_exit(0);
	}
	assert_true(pid > 1);
}

static void leaves_a_descriptor(void **state)
{
	assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}

static int return_0(const void *arg, size_t len)
{
	return 0;
}

static void start_one(covey_method method)
{
	covey_process *p;

	assert_int_equal(
		covey_process_start(&p, return_0, NULL, 0, &(covey_process_opts){.method = method}),
		0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
}

/* One socket may be the forkserver's; here there is none. */
static void leaves_one_socket(void **state)
{
	assert_true(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

/* Here there is one, which is not this. */
static void leaves_a_socket_beside_the_forkserver(void **state)
{
	start_one(COVEY_FORKSERVER);
	assert_true(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static void closes_a_descriptor(void **state)
{
	close(STDIN_FILENO);
}

static void leaves_an_object(void **state)
{
	covey_lock lock;

	assert_int_equal(covey_lock_create(&lock, "left"), 0);
}

static void leaves_objects_on_purpose(void **state)
{
	leaves_an_object(state);
	harness_objects_stay();
}

static void leaves_a_file(void **state)
{
	int fd = open(BAD_FILE, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void is_skipped(void **state)
{
	harness_skip("it needs what this machine lacks");
}

static void has_a_forkserver(void **state)
{
	start_one(COVEY_FORKSERVER);
}

static void runs_by(void **state)
{
	start_one(*(const covey_method *)*state);
}

static int outlive(const void *arg, size_t len)
{
	hang(NULL);
}

/* Its parent's death ends it, a moment later. */
static int start_a_daemon(const void *arg, size_t len)
{
	covey_process *p;

	if (covey_process_start(&p, outlive, NULL, 0, &(covey_process_opts){.daemon = 1}) < 0)
		return 1;
	harness_kill(getpid(), SIGKILL);
	return 0;
}

static void leaves_a_daemon(void **state)
{
	covey_process *p;

	assert_int_equal(covey_process_start(&p, start_a_daemon, NULL, 0, NULL), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_signal(p), SIGKILL);
	covey_process_free(p);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(passes),
	HARNESS_TEST(fails),
	HARNESS_TEST(waits_in_vain),
	HARNESS_TEST(crashes),
	HARNESS_TEST(is_killed),
	HARNESS_TEST(exits),
	HARNESS_TEST(never_ends),
	HARNESS_TEST(kills_everyone),
	HARNESS_TEST(waits_for_a_child_that_hangs),
	HARNESS_TEST(leaves_a_process),
	HARNESS_TEST(leaves_an_orphan),
	HARNESS_TEST(leaves_a_descriptor),
	HARNESS_TEST(leaves_one_socket),
	HARNESS_TEST(leaves_a_socket_beside_the_forkserver),
	HARNESS_TEST(closes_a_descriptor),
	HARNESS_TEST(leaves_an_object),
	HARNESS_TEST(leaves_objects_on_purpose),
	HARNESS_TEST(leaves_a_file),
	HARNESS_TEST(is_skipped),
	HARNESS_TEST(has_a_forkserver),
	HARNESS_TEST_BY_METHODS(runs_by),
	HARNESS_TEST(leaves_a_daemon),
};

HARNESS_MAIN(tests)
