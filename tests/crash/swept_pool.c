/* SPDX-License-Identifier: MIT */
#include "swept_pool.h"

#include <stdlib.h>
#include <unistd.h>

covey_pool *pool;
covey_future *future;

uint64_t result_of(uint64_t n)
{
	return n * n + 7;
}

int work(covey_task *task, const void *arg, size_t len)
{
	uint64_t n = *(const uint64_t *)arg, result = result_of(n);

	return len == sizeof n ? covey_task_return(task, &result, sizeof result) : 1;
}

int work_large(covey_task *task, const void *arg, size_t len)
{
	uint64_t n = *(const uint64_t *)arg, *result = covey_task_result(task, LARGE * sizeof n);

	if (!result || len != sizeof n)
		return 1;
	for (uint64_t i = 0; i < LARGE; i++)
		result[i] = result_of(n + i);
	return 0;
}

int fail(covey_task *task, const void *arg, size_t len)
{
	(void)task;
	(void)arg;
	(void)len;
	return covey_task_fail(9, "as it should");
}

void open_pool_with(covey_pool_opts opts)
{
	opts.name = "swept";
	if (covey_pool_open(&pool, &opts) < 0)
		abort();
}

void open_pool(int workers, int retries)
{
	open_pool_with((covey_pool_opts){.workers = workers, .retries = retries});
}

void await_idle(void)
{
	struct shared *shared = pool->shared;

	while ((uint32_t)__builtin_popcountll(atomic_load(&shared->idle[0])) != pool->workers)
		usleep(20);
}

covey_future *submit(covey_task_fn *fn, uint64_t n)
{
	return covey_pool_submit(pool, fn, &n, sizeof n, NULL);
}

const char *end_pool(void)
{
	if (covey_pool_close(pool) < 0 || covey_pool_join(pool, COVEY_FOREVER) < 0)
		return "the pool does not end";
	return NULL;
}

void two_idle(void)
{
	open_pool(2, 0);
	await_idle();
}

const char *pools_work(const struct board *b)
{
	uint64_t n = 0;

	(void)b;
	for (int round = 0; round < 2; round++) {
		two_idle();
		future = submit(work, 4);
		if (!future || covey_future_result(future, &n, sizeof n, COVEY_FOREVER) != sizeof n)
			return "a task fails afterwards";
		if (n != result_of(4))
			return "a task's result is wrong afterwards";
		covey_future_free(future);
		if (end_pool())
			return "a pool does not end afterwards";
	}
	return NULL;
}
