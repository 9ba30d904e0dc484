/* SPDX-License-Identifier: MIT */
/* Starting in awkward company: threads, signals, closed descriptors, children that never arrive. */
#include "support/harness.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covey.h>

/* In a fresh image, before main: what the environment says goes wrong. */
__attribute__((constructor)) static void die_early(void)
{
	const char *how = getenv("TEST_DIE_EARLY");

	if (how && strcmp(how, "exit") == 0)
		_exit(3);
	if (how && strcmp(how, "kill") == 0)
		raise(SIGKILL);
}

static covey_method method_of(void **state)
{
	return *(covey_method *)*state;
}

static int run(covey_process_fn *fn, const void *arg, size_t len, covey_method method)
{
	covey_process *p;
	int code;

	if (covey_process_start(&p, fn, arg, len, &(covey_process_opts){.method = method}) < 0)
		fail_msg("%s", covey_errmsg());
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	code = covey_process_exit_code(p);
	covey_process_free(p);
	return code;
}

static int return_it(const void *arg, size_t len)
{
	return *(const int *)arg;
}

static int raise_it(const void *arg, size_t len)
{
	raise(*(const int *)arg);
	return 0;
}

static void a_child_that_dies_before_main_is_told_to_its_starter(void **state)
{
	covey_process *p = NULL;
	int five = 5;

	setenv("TEST_DIE_EARLY", "exit", 1);
	assert_int_equal(covey_start(&p, return_it, &five, .method = method_of(state)), -EPIPE);
	if (method_of(state) == COVEY_SPAWN)
		assert_non_null(strstr(covey_errmsg(), "exit code 3"));
	setenv("TEST_DIE_EARLY", "kill", 1);
	assert_int_equal(covey_start(&p, return_it, &five, .method = method_of(state)), -EPIPE);
	if (method_of(state) == COVEY_SPAWN)
		assert_non_null(strstr(covey_errmsg(), "signal 9"));
	assert_null(p);
	unsetenv("TEST_DIE_EARLY");
	assert_int_equal(run(return_it, &five, sizeof five, method_of(state)), 5);
}

struct vectors {
	long double _Alignas(16) first;
	char rest[64];
};

static int check_alignment(const void *arg, size_t len)
{
	return (uintptr_t)arg % 16 != 0;
}

static void arguments_are_aligned_for_any_type(void **state)
{
	struct vectors v = {0};

	assert_int_equal(run(check_alignment, &v, sizeof v, method_of(state)), 0);
}

/* ---- the program reaps children of its own accord */

static void a_program_that_ignores_sigchld_still_learns_exit_codes(void **state)
{
	int seven = 7;

	signal(SIGCHLD, SIG_IGN);
	for (int i = 0; i < 20; i++)
		assert_int_equal(run(return_it, &seven, sizeof seven, method_of(state)), 7);
	signal(SIGCHLD, SIG_DFL);
}

static void a_program_that_waits_for_any_child_does_no_harm(void **state)
{
	covey_process *p;
	int seven = 7, killed = SIGKILL;

	assert_int_equal(covey_start(&p, return_it, &seven, .method = method_of(state)), 0);
	if (method_of(state) != COVEY_FORKSERVER) /* whose children are not ours */
		assert_int_equal(waitpid(-1, NULL, 0), covey_process_pid(p));
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), 7);
	assert_int_equal(covey_process_kill(p), 0);
	covey_process_free(p);
	assert_int_equal(covey_start(&p, raise_it, &killed, .method = method_of(state)), 0);
	if (method_of(state) != COVEY_FORKSERVER)
		assert_int_equal(waitpid(-1, NULL, 0), covey_process_pid(p));
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), 128 + SIGKILL);
	covey_process_free(p);
}

/* ---- signals */

static int look_at_signals(const void *arg, size_t len)
{
	struct sigaction usr1;
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	sigaction(SIGUSR1, NULL, &usr1);
	return sigismember(&mask, SIGUSR2) * 2 + (usr1.sa_handler == SIG_IGN);
}

static void a_fork_keeps_signal_settings_and_others_start_afresh(void **state)
{
	sigset_t mask, before;

	signal(SIGUSR1, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR2);
	sigprocmask(SIG_BLOCK, &mask, &before);
	assert_int_equal(run(look_at_signals, NULL, 0, method_of(state)),
	                 method_of(state) == COVEY_FORK ? 3 : 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
	signal(SIGUSR1, SIG_DFL);
}

/* ---- descriptors */

static int count_descriptors(const void *arg, size_t len)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -3; /* . and .. and its own */

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void children_inherit_none_of_coveys_descriptors(void **state)
{
	covey_process *p[10];
	int one, many, five = 5;

	run(return_it, &five, sizeof five, COVEY_FORKSERVER); /* its socket and its pidfd */
	one = run(count_descriptors, NULL, 0, method_of(state));
	for (int i = 0; i < 10; i++)
		assert_int_equal(covey_start(&p[i], return_it, &five, .method = COVEY_FORK), 0);
	many = run(count_descriptors, NULL, 0, method_of(state));
	for (int i = 0; i < 10; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		covey_process_free(p[i]);
	}
	assert_int_equal(many, one);
}

static int close_all_and_wait(const void *arg, size_t len)
{
	int pid = getpid();

	for (int fd = 3; fd < 256; fd++)
		close(fd);
	for (int i = 0; i < 20; i++)
		if (dup(0) < 0)
			break;
	covey_put(*(const covey_queue *)arg, &pid, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static int start_a_daemon(const void *arg, size_t len)
{
	covey_process *p;

	if (covey_start(&p, close_all_and_wait, (const covey_queue *)arg, .daemon = 1) < 0)
		return 1;
	for (;;)
		pause();
	return 0;
}

static void a_daemon_may_close_all_descriptors(void **state)
{
	covey_process *p;
	covey_queue q;
	int pid;

	assert_int_equal(covey_queue_create(&q, NULL), 0);
	assert_int_equal(covey_start(&p, start_a_daemon, &q, .method = method_of(state)), 0);
	assert_int_equal(covey_get(q, &pid, COVEY_FOREVER), 0);
	assert_true(harness_exists(pid));
	covey_process_kill(p);
	HARNESS_EVENTUALLY(!harness_exists(pid));
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(q), 0);
}

/* ---- threads */

static void *read_a_stream(void *stream)
{
	return (void *)(intptr_t)fgetc(stream);
}

static void a_thread_that_reads_a_stream_holds_no_start_up(void **state)
{
	pthread_t thread;
	int ends[2], five = 5;
	FILE *stream;

	assert_int_equal(pipe(ends), 0);
	stream = fdopen(ends[0], "r");
	assert_int_equal(pthread_create(&thread, NULL, read_a_stream, stream), 0);
	HARNESS_EVENTUALLY(ftrylockfile(stream) != 0 || (funlockfile(stream), false));
	assert_int_equal(run(return_it, &five, sizeof five, method_of(state)), 5);
	close(ends[1]);
	pthread_join(thread, NULL);
	fclose(stream);
}

static void *start_many(void *state)
{
	for (int i = 0; i < 10; i++)
		if (run(return_it, &i, sizeof i, *(covey_method *)state) != i)
			return "a wrong exit code";
	return NULL;
}

static void threads_may_start_processes_at_the_same_time(void **state)
{
	pthread_t threads[4];
	void *wrong;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, start_many, *state), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

static _Atomic bool stop;

static void *look_all_the_time(void *state)
{
	while (!stop)
		covey_active_children(NULL, 0);
	return state;
}

static int run_a_child(const void *arg, size_t len)
{
	return run(return_it, arg, len, COVEY_FORK);
}

static void a_lock_that_a_thread_held_at_the_fork_does_not_block_the_child(void **state)
{
	pthread_t thread;
	int five = 5;

	assert_int_equal(run(return_it, &five, sizeof five, COVEY_FORK), 5);
	assert_int_equal(pthread_create(&thread, NULL, look_all_the_time, NULL), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(run(run_a_child, &five, sizeof five, COVEY_FORK), 5);
	stop = true;
	pthread_join(thread, NULL);
}

/* ---- what else travels */

static int tell_method(const void *arg, size_t len)
{
	return covey_default_method();
}

static void the_programs_method_holds_for_what_it_starts(void **state)
{
	int five = 5;

	run(return_it, &five, sizeof five, method_of(state)); /* the forkserver is there before */
	assert_int_equal(covey_configure(&(covey_config){.method = COVEY_SPAWN}), 0);
	assert_int_equal(run(tell_method, NULL, 0, method_of(state)), COVEY_SPAWN);
}

static int wait_for_ever(const void *arg, size_t len)
{
	for (;;)
		pause();
	return 0;
}

static void the_name_is_seen_by_ps(void **state)
{
	char path[64], name[64] = "", line[256] = "";
	covey_process *p;
	FILE *file;

	assert_int_equal(
		covey_start(&p, wait_for_ever, "", .name = "sieve-3", .method = method_of(state)),
		0);
	snprintf(path, sizeof path, "/proc/%d/comm", (int)covey_process_pid(p));
	for (int i = 0; i < 2; i++)
		HARNESS_EVENTUALLY((file = fopen(path, "r")) && fgets(name, sizeof name, file) &&
		                   fclose(file) == 0 && strcmp(name, "sieve-3\n") == 0);
	snprintf(path, sizeof path, "/proc/%d/cmdline", (int)covey_process_pid(p));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(line, 1, sizeof line - 1, file) > 0);
	fclose(file);
	if (method_of(state) == COVEY_SPAWN)
		assert_string_equal(line + strlen(line) + 1, "[sieve-3]");
	else if (method_of(state) == COVEY_FORKSERVER)
		assert_string_equal(line + strlen(line) + 1, "[nursery]");
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
}

static covey_method by_fork = COVEY_FORK, by_spawn = COVEY_SPAWN, by_server = COVEY_FORKSERVER;

#define UNDER_EVERY_METHOD(test)                                                                \
	HARNESS_TEST_WITH(test, "fork", &by_fork), HARNESS_TEST_WITH(test, "spawn", &by_spawn), \
		HARNESS_TEST_WITH(test, "forkserver", &by_server)

static const struct harness_test tests[] = {
	HARNESS_TEST_WITH(a_child_that_dies_before_main_is_told_to_its_starter, "spawn", &by_spawn),
	HARNESS_TEST_WITH(a_child_that_dies_before_main_is_told_to_its_starter, "forkserver",
                          &by_server),
	UNDER_EVERY_METHOD(arguments_are_aligned_for_any_type),
	UNDER_EVERY_METHOD(a_program_that_ignores_sigchld_still_learns_exit_codes),
	UNDER_EVERY_METHOD(a_program_that_waits_for_any_child_does_no_harm),
	UNDER_EVERY_METHOD(a_fork_keeps_signal_settings_and_others_start_afresh),
	UNDER_EVERY_METHOD(children_inherit_none_of_coveys_descriptors),
	UNDER_EVERY_METHOD(a_daemon_may_close_all_descriptors),
	HARNESS_TEST_WITH(a_thread_that_reads_a_stream_holds_no_start_up, "spawn", &by_spawn),
	HARNESS_TEST_WITH(a_thread_that_reads_a_stream_holds_no_start_up, "forkserver", &by_server),
	UNDER_EVERY_METHOD(threads_may_start_processes_at_the_same_time),
	HARNESS_TEST(a_lock_that_a_thread_held_at_the_fork_does_not_block_the_child),
	UNDER_EVERY_METHOD(the_programs_method_holds_for_what_it_starts),
	UNDER_EVERY_METHOD(the_name_is_seen_by_ps),
};

HARNESS_MAIN(tests)
