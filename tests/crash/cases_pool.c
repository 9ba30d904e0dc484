/* SPDX-License-Identifier: MIT */
/* Pools: their process killed in each call. */
#include "cases.h"

#include <unistd.h>

#include "swept_pool.h"

/* Until the process that wrote its pid there is dead: the board is shared by forks only. */
static int stay(covey_task *task, const void *arg, size_t len)
{
	(void)task;
	(void)arg;
	(void)len;
	pause();
	return 0;
}

static void two_idle_and_done(void)
{
	two_idle();
	future = submit(work, 3);
	while (!covey_future_done(future))
		usleep(20);
	await_idle();
}

static void one_busy_and_pending(void)
{
	open_pool(1, 0);
	await_idle();
	submit(stay, 1);
	future = submit(work, 2);
	while (!atomic_load(&pool->shared->worker[0].current))
		usleep(20);
}

static void one_task(void)
{
	submit(work, 5);
}

static void large_argument(void)
{
	static uint64_t argument[40000];

	covey_pool_submit(pool, work, argument, sizeof argument, NULL);
}

static void cancel_it(void)
{
	covey_future_cancel(future);
}

static void take_result(void)
{
	uint64_t n;
	covey_future *f = covey_as_completed(pool, COVEY_FOREVER);

	covey_future_result(f, &n, sizeof n, COVEY_FOREVER);
	covey_future_free(f);
}

static void cancel_all(void)
{
	covey_pool_cancel(pool);
}

static void one_more(void)
{
	covey_pool_resize(pool, 3);
}

static void one_fewer(void)
{
	covey_pool_resize(pool, 1);
}

static void follow(void)
{
	covey_pool_then(pool, future, work, NULL);
}

#define ITEMS 6

static const uint64_t items[ITEMS] = {1, 2, 3, 4, 5, 6};

static void map_it(void)
{
	uint64_t results[ITEMS];

	covey_pool_map(pool, work, items, ITEMS, sizeof *items, results, sizeof *results, NULL);
}

static void imap_it(void)
{
	covey_imap *it =
		covey_pool_imap(pool, work, items, ITEMS, sizeof *items, sizeof *items, NULL);
	uint64_t result;

	for (int i = 0; it && i < ITEMS / 2; i++)
		covey_imap_next(it, &result, COVEY_FOREVER);
	covey_imap_close(it);
}

static void one_promised(void)
{
	future = covey_future_create("swept");
}

/* With a result that has no room in the task itself. */
static void keep_a_promise(void)
{
	static const unsigned char bytes[500];
	covey_future *promise = covey_future_create("swept");

	covey_future_set_running(promise);
	covey_future_set_result(promise, bytes, sizeof bytes);
	covey_future_free(promise);
}

static void break_a_promise(void)
{
	covey_future *promise = covey_future_create("swept");

	covey_future_set_failure(promise, 9, "as it should");
	covey_future_free(promise);
}

static void open_it(void)
{
	open_pool(1, 0);
}

static void close_and_join(void)
{
	end_pool();
}

static void terminate_it(void)
{
	covey_pool_terminate(pool);
}

static void terminate_workers(void)
{
	covey_pool_terminate_workers(pool);
}

static void nothing(void)
{
}

static const struct crash_case cases[] = {
	{.name = "pool: open",
         .setup = nothing,
         .call = open_it,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: submit, workers idle",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .call = one_task,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: submit of 320,000 bytes",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .every = 300,
         .call = large_argument,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: the first submit",
         .setup = nothing,
         .prepare = two_idle,
         .call = one_task,
         .every = 200,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: cancel",
         .setup = nothing,
         .prepare = one_busy_and_pending,
         .call = cancel_it,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: as_completed and result",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .call = take_result,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: cancel all",
         .setup = nothing,
         .prepare = one_busy_and_pending,
         .call = cancel_all,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: then",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .call = follow,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: map",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .call = map_it,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: imap, half of it",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .call = imap_it,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: resize, one more",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .call = one_more,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: resize, one fewer",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .call = one_fewer,
         .check = pools_work,
         .teardown = nothing},
	{.name = "promise: the first",
         .setup = nothing,
         .call = keep_a_promise,
         .every = 400,
         .check = pools_work,
         .teardown = nothing},
	{.name = "promise: made, kept, freed",
         .setup = nothing,
         .prepare = one_promised,
         .call = keep_a_promise,
         .check = pools_work,
         .teardown = nothing},
	{.name = "promise: made, broken, freed",
         .setup = nothing,
         .prepare = one_promised,
         .call = break_a_promise,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: close and join",
         .setup = nothing,
         .prepare = two_idle_and_done,
         .call = close_and_join,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: terminate",
         .setup = nothing,
         .prepare = one_busy_and_pending,
         .call = terminate_it,
         .check = pools_work,
         .teardown = nothing},
	{.name = "pool: terminate its workers",
         .setup = nothing,
         .prepare = one_busy_and_pending,
         .call = terminate_workers,
         .check = pools_work,
         .teardown = nothing},
};

CRASH_NOUN(pool, cases);
