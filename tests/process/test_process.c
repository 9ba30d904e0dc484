/* SPDX-License-Identifier: MIT */
/* What a user of processes relies on, under every start method. */
#include "support/harness.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covey.h>

static covey_method method_of(void **state)
{
	return *(covey_method *)*state;
}

static int run(covey_process_fn *fn, const void *arg, size_t len, covey_method method)
{
	covey_process *p;
	int code;

	assert_int_equal(
		covey_process_start(&p, fn, arg, len, &(covey_process_opts){.method = method}), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	code = covey_process_exit_code(p);
	covey_process_free(p);
	return code;
}

static int return_it(const void *arg, size_t len)
{
	return *(const int *)arg;
}

static int exit_with_it(const void *arg, size_t len)
{
	exit(*(const int *)arg);
}

static void exit_codes_are_those_of_the_function(void **state)
{
	static const int codes[] = {0, 7, 127, 200, 255, 256 + 3};

	for (unsigned i = 0; i < sizeof codes / sizeof *codes; i++) {
		assert_int_equal(run(return_it, &codes[i], sizeof(int), method_of(state)),
		                 codes[i] & 255);
		assert_int_equal(run(exit_with_it, &codes[i], sizeof(int), method_of(state)),
		                 codes[i] & 255);
	}
}

static int wait_to_be_killed(const void *arg, size_t len)
{
	for (;;)
		pause();
	return 0;
}

static void signals_and_joining(void **state)
{
	covey_process *p;
	struct pollfd poll_fd;

	assert_int_equal(covey_process_start(&p, wait_to_be_killed, NULL, 0,
	                                     &(covey_process_opts){.name = "sleeper",
	                                                           .method = method_of(state)}),
	                 0);
	poll_fd = (struct pollfd){.fd = covey_process_fd(p), .events = POLLIN};
	assert_string_equal(covey_process_name(p), "sleeper");
	assert_true(covey_process_pid(p) > 1);
	assert_int_equal(covey_process_alive(p), 1);
	assert_int_equal(covey_process_exit_code(p), -EAGAIN);
	assert_int_equal(covey_process_exit_signal(p), 0);
	assert_int_equal(covey_process_join(p, 0), -EAGAIN);
	assert_int_equal(covey_process_join(p, 10), -ETIMEDOUT);
	assert_non_null(strstr(covey_errmsg(), "process 'sleeper'"));
	assert_int_equal(poll(&poll_fd, 1, 0), 0);
	assert_int_equal(covey_process_terminate(p), 0);
	assert_int_equal(poll(&poll_fd, 1, -1), 1);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_join(p, 0), 0);
	assert_int_equal(covey_process_exit_code(p), 128 + SIGTERM);
	assert_int_equal(covey_process_exit_signal(p), SIGTERM);
	assert_int_equal(covey_process_alive(p), 0);
	assert_int_equal(covey_process_kill(p), 0); /* it has ended already */
	covey_process_free(p);
	covey_process_free(NULL);
}

static void *join_it(void *arg)
{
	return (void *)(intptr_t)covey_process_join(arg, COVEY_FOREVER);
}

static void two_threads_may_join_one_process(void **state)
{
	covey_process *p;
	pthread_t t[2];
	void *rc;

	assert_int_equal(covey_process_start(&p, wait_to_be_killed, NULL, 0,
	                                     &(covey_process_opts){.method = method_of(state)}),
	                 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, join_it, p), 0);
	covey_process_kill(p);
	for (int i = 0; i < 2; i++) {
		pthread_join(t[i], &rc);
		assert_int_equal((intptr_t)rc, 0);
	}
	assert_int_equal(covey_process_exit_signal(p), SIGKILL);
	covey_process_free(p);
}

static int sum_bytes(const void *arg, size_t len)
{
	const unsigned char *bytes = arg;
	unsigned sum = 0;

	if ((uintptr_t)arg % 8)
		return 255;
	for (size_t i = 0; i < len; i++)
		sum += bytes[i];
	return (int)(sum % 251);
}

static void arguments_of_any_size_arrive(void **state)
{
	static const size_t sizes[] = {0, 1, 136, 137, 4096, 1 << 20, 100 << 20};
	unsigned char *bytes = malloc(100 << 20);

	for (size_t i = 0; i < 100 << 20; i++)
		bytes[i] = (unsigned char)(i * 13 + 7);
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
		assert_int_equal(run(sum_bytes, bytes, sizes[i], method_of(state)),
		                 sum_bytes(bytes, sizes[i]));
	free(bytes);
}

static int triple(int n)
{
	return 3 * n;
}

struct carried {
	covey_queue q;
	covey_lock lock;
	covey_fn fn;
};

static int use_carried(const void *arg, size_t len)
{
	const struct carried *c = arg;
	int n = covey_fn_as(int (*)(int), c->fn)(14);

	COVEY_WITH (c->lock)
		covey_put(c->q, &n, COVEY_FOREVER);
	return 0;
}

static void handles_and_functions_mean_the_same_there(void **state)
{
	struct carried c;
	int n;

	assert_int_equal(covey_queue_create(&c.q, NULL), 0);
	assert_int_equal(covey_lock_create(&c.lock, NULL), 0);
	assert_int_equal(covey_fn_make(&c.fn, triple), 0);
	assert_int_equal(run(use_carried, &c, sizeof c, method_of(state)), 0);
	assert_int_equal(covey_get(c.q, &n, 0), 0);
	assert_int_equal(n, 42);
	assert_int_equal(covey_queue_destroy(c.q), 0);
	assert_int_equal(covey_lock_destroy(c.lock), 0);
}

/* Tells what it knows of itself. */
struct known {
	covey_process_info self, parent;
	int threads_method, has_variable;
};

static int tell(const void *arg, size_t len)
{
	struct known k = {0};

	if (covey_current_process(&k.self) < 0 || covey_parent_process(&k.parent) < 0)
		return 1;
	k.has_variable = getenv("COVEY_CHILD") != NULL;
	return covey_put(*(const covey_queue *)arg, &k, COVEY_FOREVER) < 0;
}

static void a_process_knows_itself_and_its_parent(void **state)
{
	covey_process_info infos[4];
	covey_process *p, *sleeper;
	struct known k;
	covey_queue q;

	assert_int_equal(covey_queue_create(&q, NULL), 0);
	assert_int_equal(covey_start(&p, tell, &q, .name = "knowing", .method = method_of(state)),
	                 0);
	assert_int_equal(covey_get(q, &k, COVEY_FOREVER), 0);
	assert_string_equal(k.self.name, "knowing");
	assert_int_equal(k.self.pid, covey_process_pid(p));
	assert_int_equal(k.self.method, method_of(state));
	assert_int_equal(k.parent.pid, getpid());
	assert_string_equal(k.parent.name, "main");
	assert_int_equal(k.has_variable, 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_active_children(infos, 4), 0);
	assert_int_equal(covey_start(&sleeper, wait_to_be_killed, "x", .name = "sleeper",
	                             .method = method_of(state)),
	                 0);
	assert_int_equal(covey_active_children(infos, 4), 1);
	assert_string_equal(infos[0].name, "sleeper");
	assert_int_equal(covey_parent_process(&infos[0]), -ENOENT);
	covey_process_kill(sleeper);
	assert_int_equal(covey_process_join(sleeper, COVEY_FOREVER), 0);
	covey_process_free(sleeper);
	assert_int_equal(covey_queue_destroy(q), 0);
}

/* A child that starts one of its own by each method. */
static int start_grandchildren(const void *arg, size_t len)
{
	for (int method = COVEY_FORK; method <= COVEY_FORKSERVER; method++) {
		covey_process *p;
		int five = 5;

		if (covey_start(&p, return_it, &five, .method = (covey_method)method) < 0)
			return method * 10;
		if (covey_process_join(p, COVEY_FOREVER) < 0 || covey_process_exit_code(p) != 5)
			return method * 10 + 1;
		covey_process_free(p);
	}
	return 0;
}

static void children_start_children_by_any_method(void **state)
{
	assert_int_equal(run(start_grandchildren, NULL, 0, method_of(state)), 0);
}

struct tree {
	covey_queue says;
	covey_method method;
	int depth;
	int daemon;
};

static int grow_tree(const void *arg, size_t len)
{
	struct tree t = *(const struct tree *)arg;
	covey_process *p;
	int pid = getpid();

	covey_put(t.says, &pid, COVEY_FOREVER);
	if (t.depth-- > 0 &&
	    covey_start(&p, grow_tree, &t, .method = t.method, .daemon = t.daemon) < 0)
		return 1;
	for (;;)
		pause();
	return 0;
}

static void daemonic_descendants_end_with_a_killed_parent(void **state)
{
	struct tree t = {.method = method_of(state), .depth = 2, .daemon = 1};
	covey_process *p;
	int pid[3];

	assert_int_equal(covey_queue_create(&t.says, NULL), 0);
	assert_int_equal(covey_start(&p, grow_tree, &t, .method = t.method), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_get(t.says, &pid[i], COVEY_FOREVER), 0);
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	for (int i = 0; i < 3; i++)
		HARNESS_EVENTUALLY(!harness_exists(pid[i]));
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(t.says), 0);
}

static void *start_daemon(void *arg)
{
	covey_process **p = arg;

	return (void *)(intptr_t)covey_start(p, wait_to_be_killed, "x", .daemon = 1,
	                                     .method = COVEY_FORK);
}

static void a_daemon_outlives_the_thread_that_started_it(void **state)
{
	covey_process *p;
	pthread_t thread;
	void *rc;

	assert_int_equal(pthread_create(&thread, NULL, start_daemon, &p), 0);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, 0);
	assert_int_equal(covey_process_join(p, 100), -ETIMEDOUT);
	covey_process_terminate(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
}

static int print_without_newline(const void *arg, size_t len)
{
	printf("[child %s]", (const char *)arg);
	return 0;
}

static void what_is_printed_is_printed_once(void **state)
{
	char text[256] = "";
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], 1);
		setvbuf(stdout, NULL, _IOFBF, 4096);
		printf("[parent before]");
		run(print_without_newline, "one", 4, method_of(state));
		printf("[parent after]");
		fflush(stdout);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (ssize_t n, used = 0;
	     (n = read(ends[0], text + used, sizeof text - 1 - (size_t)used)) > 0;)
		used += n;
	close(ends[0]);
	assert_string_equal(text, "[parent before][child one][parent after]");
}

static void *do_nothing(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void a_threaded_parent_uses_the_forkserver(void **state)
{
	covey_process_info info;
	covey_process *p;
	pthread_t thread;
	covey_queue q;
	struct known k;

	assert_int_equal(covey_default_method(), COVEY_FORK);
	assert_int_equal(pthread_create(&thread, NULL, do_nothing, NULL), 0);
	assert_int_equal(covey_default_method(), COVEY_FORKSERVER);
	assert_int_equal(covey_queue_create(&q, NULL), 0);
	assert_int_equal(covey_start(&p, tell, &q, .name = "safe"), 0);
	assert_int_equal(covey_get(q, &k, COVEY_FOREVER), 0);
	assert_int_equal(k.self.method, COVEY_FORKSERVER);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	assert_int_equal(covey_configure(&(covey_config){.method = COVEY_SPAWN}), 0);
	assert_int_equal(covey_default_method(), COVEY_SPAWN);
	assert_int_equal(covey_configure(&(covey_config){.method = 77}), -EINVAL);
	assert_int_equal(covey_current_process(&info), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void a_killed_forkserver_is_started_again(void **state)
{
	covey_process *p;
	char name[64];
	int five = 5, found = 0;

	assert_int_equal(covey_start(&p, wait_to_be_killed, "x", .method = COVEY_FORKSERVER), 0);
	/* The server is the sleeper's parent in the kernel's eyes. */
	snprintf(name, sizeof name, "/proc/%d/stat", (int)covey_process_pid(p));
	FILE *file = fopen(name, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d (%*[^)]) %*c %d", &found), 1);
	fclose(file);
	assert_int_not_equal(found, getpid());
	harness_kill(found, SIGKILL);
	HARNESS_EVENTUALLY(!harness_exists(found));
	assert_int_equal(covey_process_alive(p), 1);
	assert_int_equal(run(return_it, &five, sizeof five, COVEY_FORKSERVER), 5);
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), 128 + SIGKILL);
	covey_process_free(p);
}

static void no_descriptors_is_an_error_that_leaves_nothing(void **state)
{
	struct rlimit limit, low;
	covey_process *p = NULL;
	covey_lock lock;
	int five = 5, rc;

	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	if (method_of(state) == COVEY_FORKSERVER) /* it is there already when they run out */
		assert_int_equal(run(return_it, &five, sizeof five, COVEY_FORKSERVER), 5);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	rc = covey_start(&p, return_it, &five, .method = method_of(state));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(rc == -EMFILE || rc == -EBADF);
	assert_null(p);
	assert_int_equal(run(return_it, &five, sizeof five, method_of(state)), 5);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void no_more_processes_is_an_error_in_words(void **state)
{
	struct rlimit none = {0, 0};
	int status, five = 5;
	pid_t pid;

	if (geteuid() != 0)
		harness_skip("RLIMIT_NPROC is tried as another user, for which this must be root");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		covey_process *p;

		if (setuid(65534) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
			_exit(1);
		_exit(covey_start(&p, return_it, &five, .method = method_of(state)) == -EAGAIN ? 0
		                                                                               : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void methods_have_names(void **state)
{
	assert_string_equal(covey_method_name(COVEY_FORK), "fork");
	assert_string_equal(covey_method_name(COVEY_SPAWN), "spawn");
	assert_string_equal(covey_method_name(COVEY_FORKSERVER), "forkserver");
	assert_string_equal(covey_method_name(COVEY_METHOD_DEFAULT), "default");
	assert_string_equal(covey_method_name((covey_method)99), "unknown");
}

static void bad_input_is_refused_in_words(void **state)
{
	covey_process *p = NULL;
	char on_the_stack[64] = {0}, name[COVEY_NAME_MAX + 2];
	int five = 5;

	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = 0;
	assert_int_equal(covey_start(&p, NULL, &five), -EINVAL);
	assert_int_equal(covey_start(&p, (covey_process_fn *)(void *)on_the_stack, &five), -EINVAL);
	assert_non_null(strstr(covey_errmsg(), "no loaded module"));
	assert_int_equal(covey_start(&p, return_it, &five, .method = 9), -EINVAL);
	assert_int_equal(covey_start(&p, return_it, &five, .name = name), -ENAMETOOLONG);
	assert_int_equal(covey_process_start(&p, return_it, NULL, 4, NULL), -EINVAL);
	assert_null(p);
	assert_int_equal(covey_process_join(NULL, 0), -EINVAL);
}

static int use_parents_handle(const void *arg, size_t len)
{
	covey_process *p = *(covey_process *const *)arg;

	if (covey_process_join(p, 0) != -ECHILD || covey_process_kill(p) != -ECHILD ||
	    covey_process_alive(p) != -ECHILD)
		return 1;
	covey_process_free(p);
	return 0;
}

static void a_handle_belongs_to_the_process_that_started_it(void **state)
{
	covey_process *p;

	assert_int_equal(covey_start(&p, wait_to_be_killed, "x", .method = COVEY_FORK), 0);
	assert_int_equal(run(use_parents_handle, &p, sizeof p, COVEY_FORK), 0);
	assert_int_equal(covey_process_alive(p), 1);
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
}

static int finish_later(const void *arg, size_t len)
{
	int n;

	covey_get(*(const covey_queue *)arg, &n, COVEY_FOREVER);
	return 0;
}

static void freed_handles_leave_no_zombies(void **state)
{
	covey_process_info infos[20];
	covey_process *p;
	covey_queue q;
	int n = 0;

	assert_int_equal(covey_queue_create(&q, NULL), 0);
	for (int i = 0; i < 20; i++) {
		/* Given away after the start, or never taken. */
		assert_int_equal(covey_start(i % 2 ? &p : NULL, finish_later, &q,
		                             .method = method_of(state)),
		                 0);
		if (i % 2)
			covey_process_free(p);
	}
	assert_int_equal(covey_active_children(infos, 20), 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(covey_put(q, &n, COVEY_FOREVER), 0);
	HARNESS_EVENTUALLY(covey_active_children(NULL, 0) == 0);
	assert_int_equal(run(return_it, &n, sizeof n, method_of(state)), 0); /* reaps the freed */
	assert_int_equal(covey_queue_destroy(q), 0);
}

static covey_method by_fork = COVEY_FORK, by_spawn = COVEY_SPAWN, by_server = COVEY_FORKSERVER;

#define UNDER_EVERY_METHOD(test)                                                                \
	HARNESS_TEST_WITH(test, "fork", &by_fork), HARNESS_TEST_WITH(test, "spawn", &by_spawn), \
		HARNESS_TEST_WITH(test, "forkserver", &by_server)

static const struct harness_test tests[] = {
	UNDER_EVERY_METHOD(exit_codes_are_those_of_the_function),
	UNDER_EVERY_METHOD(signals_and_joining),
	UNDER_EVERY_METHOD(two_threads_may_join_one_process),
	UNDER_EVERY_METHOD(arguments_of_any_size_arrive),
	UNDER_EVERY_METHOD(handles_and_functions_mean_the_same_there),
	UNDER_EVERY_METHOD(a_process_knows_itself_and_its_parent),
	UNDER_EVERY_METHOD(children_start_children_by_any_method),
	UNDER_EVERY_METHOD(daemonic_descendants_end_with_a_killed_parent),
	UNDER_EVERY_METHOD(what_is_printed_is_printed_once),
	UNDER_EVERY_METHOD(no_descriptors_is_an_error_that_leaves_nothing),
	UNDER_EVERY_METHOD(no_more_processes_is_an_error_in_words),
	UNDER_EVERY_METHOD(freed_handles_leave_no_zombies),
	HARNESS_TEST(a_daemon_outlives_the_thread_that_started_it),
	HARNESS_TEST(a_threaded_parent_uses_the_forkserver),
	HARNESS_TEST(a_killed_forkserver_is_started_again),
	HARNESS_TEST(methods_have_names),
	HARNESS_TEST(bad_input_is_refused_in_words),
	HARNESS_TEST(a_handle_belongs_to_the_process_that_started_it),
};

HARNESS_MAIN(tests)
