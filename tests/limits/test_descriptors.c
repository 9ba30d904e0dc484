/* SPDX-License-Identifier: MIT */
/* Too few descriptors: the limit goes up from 3, until each call of the script works. */
#include "script.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* Far more than the script needs. */
#define ENOUGH 64

struct round {
	covey_method method;
	int parts;
	rlim_t limit;
	bool family; /* it is there before they run out */
	int *failed; /* shared: how many calls have failed */
};

static void run_with_few(const void *context)
{
	const struct round *round = context;
	struct rlimit before, few;
	covey_lock lock;

	if (round->family && (covey_lock_create(&lock, NULL) < 0 || covey_lock_destroy(lock) < 0))
		_exit(8);
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = round->limit;
	setrlimit(RLIMIT_NOFILE, &few);
	*round->failed = script_run(round->method, round->parts);
	setrlimit(RLIMIT_NOFILE, &before);
	script_end(0);
}

static void try_all(covey_method method, int parts, bool family)
{
	int *failed = mmap(NULL, sizeof *failed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	                   -1, 0);

	assert_true(failed != MAP_FAILED);
	for (rlim_t limit = 3; limit <= ENOUGH; limit++) {
		struct round round = {method, parts, limit, family, failed};

		*failed = -1;
		run_round(run_with_few, &round, "descriptors", (long)limit);
		if (limit == 3 && !family)
			assert_true(*failed > 0);
		if (!*failed)
			break;
	}
	assert_int_equal(*failed, 0);
	munmap(failed, sizeof *failed);
}

static void processes_and_pools(void **state)
{
	covey_method method = *(const covey_method *)*state;

	try_all(method, SCRIPT_PROCESS, false);
	try_all(method, SCRIPT_PROCESS, true);
	try_all(method, SCRIPT_POOL, false);
	try_all(method, SCRIPT_POOL, true);
}

static void queues_select_and_net(void **state)
{
	try_all(COVEY_FORK, SCRIPT_QUEUE, false);
	try_all(COVEY_FORK, SCRIPT_QUEUE, true);
	try_all(COVEY_FORK, SCRIPT_NET, false);
	try_all(COVEY_FORK, SCRIPT_NET, true);
}

static void pools_of_threads(void **state)
{
	try_all(COVEY_FORK, SCRIPT_THREADS, false);
	try_all(COVEY_FORK, SCRIPT_THREADS, true);
}

/* ---- all of them forbidden, once those that are needed are open */

static void forbid(void)
{
	struct rlimit none;

	getrlimit(RLIMIT_NOFILE, &none);
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
}

static int echo(const void *arg, size_t len)
{
	const covey_queue *queues = arg;
	int number;

	while (covey_get(queues[0], &number, COVEY_FOREVER) == 0)
		covey_put(queues[1], &number, COVEY_FOREVER);
	return 7;
}

COVEY_TASK(int, twice, int, number)
{
	return 2 * number;
}

static void go_on_without(const void *context)
{
	const covey_method *method = context;
	covey_queue queues[2];
	covey_process *process;
	covey_pool *pool;
	covey_waitable things[2];
	struct rlimit before;
	int number = 21;

	getrlimit(RLIMIT_NOFILE, &before);
	MUST(covey_queue_create(&queues[0], NULL));
	MUST(covey_queue_create(&queues[1], NULL));
	MUST(covey_start(&process, echo, &queues, .method = *method));
	MUST(covey_pool_open(&pool, &(covey_pool_opts){.workers = 1, .method = *method}));
	forbid();
	MUST(covey_put(queues[0], &number, COVEY_FOREVER));
	things[0] = COVEY_GET(queues[1]);
	MUST(covey_select(things, 1, COVEY_FOREVER));
	MUST(covey_get(queues[1], &number, COVEY_FOREVER));
	MUST(covey_apply(pool, twice, &number, number));
	if (number != 42)
		_exit(2);
	MUST(covey_process_alive(process) == 1 ? 0 : -1);
	MUST(covey_queue_close(queues[0]));
	things[0] = COVEY_ENDED(process);
	MUST(covey_select(things, 1, COVEY_FOREVER));
	MUST(covey_process_join(process, COVEY_FOREVER));
	if (covey_process_exit_code(process) != 7)
		_exit(3);
	covey_process_free(process);
	MUST(covey_pool_close(pool));
	MUST(covey_pool_join(pool, COVEY_FOREVER));
	MUST(covey_queue_destroy(queues[0]));
	MUST(covey_queue_destroy(queues[1]));
	setrlimit(RLIMIT_NOFILE, &before);
	script_end(0);
}

static void what_is_open_goes_on_where_none_may_be_opened(void **state)
{
	run_round(go_on_without, *state, "descriptors", 0);
}

/* A daemonic process that may open none, and its parent, which is killed. */
static int stay(const void *arg, size_t len)
{
	for (;;)
		pause();
	return 0;
}

static int have_a_daemon(const void *arg, size_t len)
{
	covey_queue told = *(const covey_queue *)arg;
	covey_limit limit = {RLIMIT_NOFILE, 0, 0};
	covey_process *daemon;
	int pid;

	if (covey_start(&daemon, stay, &told, .daemon = 1, .limits = &limit, .limits_count = 1) < 0)
		return 1;
	pid = covey_process_pid(daemon);
	covey_put(told, &pid, COVEY_FOREVER);
	return stay(NULL, 0);
}

static void a_daemon_without_descriptors_ends_with_its_parent(void **state)
{
	covey_queue told;
	covey_process *parent;
	int pid;

	assert_int_equal(covey_queue_create(&told, NULL), 0);
	assert_int_equal(
		covey_start(&parent, have_a_daemon, &told, .method = *(const covey_method *)*state),
		0);
	assert_int_equal(covey_get(told, &pid, COVEY_FOREVER), 0);
	/* A wait that goes on anew, under the limit. */
	harness_kill(pid, SIGSTOP);
	HARNESS_EVENTUALLY(harness_stopped(pid));
	harness_kill(pid, SIGCONT);
	assert_int_equal(covey_process_end(parent, 0), 128 + SIGKILL);
	HARNESS_EVENTUALLY(!harness_exists(pid));
	assert_int_equal(covey_queue_destroy(told), 0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(processes_and_pools),
	HARNESS_TEST(queues_select_and_net),
	HARNESS_TEST(pools_of_threads),
	HARNESS_TEST_BY_METHODS(what_is_open_goes_on_where_none_may_be_opened),
	HARNESS_TEST_BY_METHODS(a_daemon_without_descriptors_ends_with_its_parent),
};

HARNESS_MAIN(tests)
