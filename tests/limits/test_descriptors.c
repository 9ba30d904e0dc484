/* SPDX-License-Identifier: MIT */
/* Too few descriptors: the limit goes up from 3, until each call of the script works. */
#include "script.h"

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

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(processes_and_pools),
	HARNESS_TEST(queues_select_and_net),
	HARNESS_TEST(pools_of_threads),
};

HARNESS_MAIN(tests)
