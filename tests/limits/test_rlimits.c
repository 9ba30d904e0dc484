/* SPDX-License-Identifier: MIT */
/* Limits of the process: memory, files, stacks, processes. */
#include "script.h"

#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define SMALL_STACK "with-a-small-stack"

static void limit_to(int resource, uint64_t value)
{
	struct rlimit limit;

	getrlimit(resource, &limit);
	limit.rlim_cur = value;
	assert_int_equal(setrlimit(resource, &limit), 0);
}

static void need_address_space(void)
{
	if (getenv("HARNESS_SHADOW_MEMORY"))
		harness_skip("a sanitizer's shadow memory does not fit the limit");
}

/* ---- limits under which all works */

struct limited {
	int resource;
	uint64_t value;
	covey_method method;
};

static void run_limited(const void *context)
{
	const struct limited *limited = context;

	limit_to(limited->resource, limited->value);
	if (script_run(limited->method, SCRIPT_ALL) > 0)
		_exit(6);
	if (limited->resource == RLIMIT_AS && cvy_size > limited->value / 2)
		_exit(4);
	script_end(0);
}

static void all_works_under(void **state, int resource, uint64_t value)
{
	struct limited limited = {resource, value, *(const covey_method *)*state};

	run_round(run_limited, &limited, "limit", (long)value);
}

static void no_locked_memory_is_needed(void **state)
{
	all_works_under(state, RLIMIT_MEMLOCK, 0);
}

/* The size of the stacks of threads, too, is what it is as a program begins. */
static void begin_anew_with_a_small_stack(const void *context)
{
	const covey_method *method = context;
	char number[8];

	limit_to(RLIMIT_STACK, 64 << 10);
	snprintf(number, sizeof number, "%d", (int)*method);
	execl("/proc/self/exe", "limited", SMALL_STACK, number, (char *)NULL);
	_exit(5);
}

static void a_small_stack_is_enough(void **state)
{
	run_round(begin_anew_with_a_small_stack, *state, "method", *(const covey_method *)*state);
}

static void little_address_space_is_shared_with_the_program(void **state)
{
	need_address_space();
	all_works_under(state, RLIMIT_AS, 2 * GIB + 48 * MIB);
}

static void small_files_make_a_small_arena(void **state)
{
	all_works_under(state, RLIMIT_FSIZE, GIB);
}

/* ---- limits that are met */

static void files_may_not_be_large_enough(void **state)
{
	covey_lock lock;

	limit_to(RLIMIT_FSIZE, 512 * MIB);
	assert_int_equal(covey_lock_create(&lock, NULL), -ENOMEM);
	assert_non_null(strstr(covey_errmsg(), "RLIMIT_FSIZE"));
	limit_to(RLIMIT_FSIZE, RLIM_INFINITY);
	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

/* Of a limit that comes once the arena is there: it grows beyond no size that it has. */
static void a_late_limit_on_files_does_no_harm(void **state)
{
	covey_block block;

	int rc;

	assert_int_equal(covey_block_create(&block, MIB, &(covey_block_opts){.max_size = 8 * MIB}),
	                 0);
	limit_to(RLIMIT_FSIZE, 0);
	rc = covey_block_resize(block, 8 * MIB);
	limit_to(RLIMIT_FSIZE, RLIM_INFINITY); /* what a test says goes to a file */
	assert_int_equal(rc, 0);
	memset(covey_block_data(block), 1, 8 * MIB);
	assert_int_equal(covey_block_destroy(block), 0);
}

static void the_quota_follows_the_limit_on_data(void **state)
{
	covey_usage usage;
	covey_block block;

	need_address_space();
	limit_to(RLIMIT_DATA, 256 * MIB);
	assert_int_equal(covey_usage_get(&usage), 0);
	assert_int_equal(usage.quota, 128 * MIB);
	assert_int_equal(covey_block_create(&block, 129 * MIB, NULL), -ENOMEM);
	assert_non_null(strstr(covey_errmsg(), "quota"));
}

struct data_limit {
	uint64_t bytes;
	covey_method method;
	int *failed;
};

static void run_with_little_data(const void *context)
{
	const struct data_limit *limit = context;

	limit_to(RLIMIT_DATA, limit->bytes);
	*limit->failed = script_run(limit->method, SCRIPT_ALL & ~SCRIPT_SLEEPS);
	limit_to(RLIMIT_DATA, RLIM_INFINITY);
	script_end(0);
}

/* From nothing to enough: the C library's memory, stacks of threads, images. */
static void data_runs_out_anywhere(void **state)
{
	int *failed = mmap(NULL, sizeof *failed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	                   -1, 0);

	need_address_space();
	assert_true(failed != MAP_FAILED);
	for (uint64_t bytes = 0; bytes <= 64 * MIB; bytes = bytes * 3 / 2 + 65536) {
		struct data_limit limit = {bytes, *(const covey_method *)*state, failed};

		run_round(run_with_little_data, &limit, "bytes of data", (long)bytes);
	}
	assert_int_equal(*failed, 0);
	munmap(failed, sizeof *failed);
}

/* ---- processes and threads, as a user who may have no more */

#define NOBODY 65534

static void need_root(void)
{
	if (geteuid() != 0)
		harness_skip("RLIMIT_NPROC is tried as another user, for which this must be root");
}

/* Becomes a user who may have so many processes and threads more. */
static void become_poor(rlim_t more)
{
	struct rlimit limit = {more, more};

	if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0 ||
	    setrlimit(RLIMIT_NPROC, &limit) < 0)
		_exit(7);
}

static void run_poor(const void *context)
{
	const struct limited *limited = context;

	become_poor(limited->value);
	script_run(limited->method, SCRIPT_ALL & ~SCRIPT_SLEEPS);
	script_end(0);
}

static void processes_run_out_anywhere(void **state)
{
	need_root();
	for (uint64_t more = 0; more < 8; more++) {
		struct limited limited = {0, more, *(const covey_method *)*state};

		run_round(run_poor, &limited, "processes", (long)more);
	}
}

COVEY_TASK(int, worker_pid, int, unused)
{
	(void)unused;
	return getpid();
}

/* A pool whose workers are used up, and cannot be renewed: it says so, once nobody works. */
static void lose_all_workers(const void *context)
{
	const covey_method *method = context;
	covey_pool *pool;
	int pid;

	become_poor(100);
	if (covey_pool_open(&pool, &(covey_pool_opts){.name = "poor",
	                                              .method = *method,
	                                              .max_tasks_per_worker = 2,
	                                              .workers = 1}) < 0)
		_exit(2);
	limit_to(RLIMIT_NPROC, 0);
	/* The nursery has the limit that it was started with. */
	if (*method == COVEY_SPAWN) {
		if (covey_apply(pool, worker_pid, &pid, 0) < 0 ||
		    covey_apply(pool, worker_pid, &pid, 0) < 0)
			_exit(3);
		if (covey_apply(pool, worker_pid, &pid, 0) != -EOWNERDEAD ||
		    !strstr(covey_errmsg(), "no worker can be started") ||
		    !strstr(covey_errmsg(), "not possible at once")) {
			fprintf(stderr, "%s\n", covey_errmsg());
			_exit(4);
		}
	}
	MUST(covey_pool_close(pool));
	MUST(covey_pool_join(pool, COVEY_FOREVER));
	script_end(0);
}

static void a_pool_that_gets_no_worker_says_why(void **state)
{
	need_root();
	run_round(lose_all_workers, *state, "method", *(const covey_method *)*state);
}

/* It goes on with the workers that it has. */
static void keep_one_worker(const void *context)
{
	const covey_method *method = context;
	covey_pool *pool;
	int pid, again;

	become_poor(100);
	if (covey_pool_open(
		    &pool, &(covey_pool_opts){.name = "poor", .method = *method, .workers = 2}) < 0)
		_exit(2);
	limit_to(RLIMIT_NPROC, 0);
	if (covey_apply(pool, worker_pid, &pid, 0) < 0)
		_exit(3);
	harness_kill(pid, SIGKILL);
	for (int i = 0; i < 100; i++)
		if (covey_apply(pool, worker_pid, &again, 0) < 0 && covey_errcode() != -EOWNERDEAD)
			_exit(4);
	MUST(covey_pool_close(pool));
	MUST(covey_pool_join(pool, COVEY_FOREVER));
	script_end(0);
}

static void a_pool_goes_on_with_the_workers_that_it_has(void **state)
{
	need_root();
	run_round(keep_one_worker, *state, "method", *(const covey_method *)*state);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(no_locked_memory_is_needed),
	HARNESS_TEST_BY_METHODS(a_small_stack_is_enough),
	HARNESS_TEST_BY_METHODS(little_address_space_is_shared_with_the_program),
	HARNESS_TEST_BY_METHODS(small_files_make_a_small_arena),
	HARNESS_TEST(files_may_not_be_large_enough),
	HARNESS_TEST(a_late_limit_on_files_does_no_harm),
	HARNESS_TEST(the_quota_follows_the_limit_on_data),
	HARNESS_TEST_BY_METHODS(data_runs_out_anywhere),
	HARNESS_TEST_BY_METHODS(processes_run_out_anywhere),
	HARNESS_TEST_BY_METHODS(a_pool_that_gets_no_worker_says_why),
	HARNESS_TEST_BY_METHODS(a_pool_goes_on_with_the_workers_that_it_has),
};

int main(int argc, char **argv)
{
	covey_init(argc, argv);
	if (argc == 3 && strcmp(argv[1], SMALL_STACK) == 0) {
		script_begin();
		if (script_run((covey_method)atoi(argv[2]), SCRIPT_ALL))
			return 6;
		script_end(0);
	}
	return harness_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
