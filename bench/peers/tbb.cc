// SPDX-License-Identifier: MIT
// oneTBB: a task_group in an arena of as many threads.
#include "bench.h"

#include <cstdio>
#include <oneapi/tbb.h>
#include <vector>

static tbb::task_arena arena;
static std::vector<long> results;

static void open_pool(const plan *plan)
{
	arena.initialize(plan->workers);
	results.resize(plan->tasks);
}

static void many(long n)
{
	arena.execute([n] {
		tbb::task_group group;

		for (long i = 0; i < n; i++)
			group.run([i] { results[i] = i; });
		group.wait();
	});
	for (long i = 0; i < n; i++)
		if (results[i] != i)
			bench_fail("TBB: a result");
}

static void one()
{
	many(1);
}

static void version()
{
	std::printf("%s\n", "TBB " TBB_VERSION_STRING);
}

static struct peer describe()
{
	struct peer p = {};

	p.version = version;
	p.pools[0] = {"task_group", open_pool, many, one};
	return p;
}

extern "C" const struct peer peer = describe();

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
