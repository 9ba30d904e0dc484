/* SPDX-License-Identifier: MIT */
/*
 * A pool of three workers, five tasks.
 *
 * A task is defined once, with the types of its argument and result, and then
 * submitted by name. A pool is closed, so that no more tasks come, and joined,
 * which waits until all are done; the other way round is an error in words.
 */
#include "tour.h"

COVEY_TASK_VOID(sleep_for_seconds, int, i)
{
	tour_say("run task %d in process %d", i, (int)getpid());
	tour_say("task %d finished in %.4f seconds", i, tour_nap());
}

static int run(void)
{
	covey_future *futures[5];
	covey_pool *pool;
	int good = 0;

	tour_note("Main is process %d. While a worker naps, the others take the next tasks.",
	          (int)getpid());
	TRY(covey_pool_open(&pool, &(covey_pool_opts){.name = "pool", .workers = tour_workers}));
	for (int i = 0; i < 5; i++)
		futures[i] = covey_submit(pool, sleep_for_seconds, i);

	tour_check(covey_pool_join(pool, COVEY_FOREVER) == -EINVAL, "join before close: %s",
	           covey_errmsg());
	TRY(covey_pool_close(pool));
	tour_check(!covey_submit(pool, sleep_for_seconds, 5) && covey_errcode() == -ESHUTDOWN,
	           "submit after close: %s", covey_errmsg());
	TRY(covey_pool_join(pool, COVEY_FOREVER));

	for (int i = 0; i < 5; i++) {
		good += covey_future_result(futures[i], NULL, 0, 0) == 0;
		covey_future_free(futures[i]);
	}
	tour_check(good == 5, "after close and join all five tasks are done");
	return 0;
}

const struct tour_chapter tour05_pool = {
	"pool",
	"A pool: submit, close, join",
	run,
};
