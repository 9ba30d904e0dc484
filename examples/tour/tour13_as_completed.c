/* SPDX-License-Identifier: MIT */
/*
 * Results as they come.
 *
 * submit gives a future at once; covey_as_completed hands out the futures of
 * the pool in the order in which they are done, the result in it. A future
 * carries a pointer of ours along: here to the number that was asked for.
 */
#include "sums.h"
#include "tour.h"

COVEY_TASK(uint64_t, sum_numbers, uint64_t, n)
{
	return sum_range(0, n);
}

static int run(void)
{
	uint64_t sum;
	covey_pool *pool;
	int exact = 0;

	tour_note("Ten sums, 0 + 1 + ... + (n - 1) for n from 1 to 1,000,000,000, by %d worker\n"
	          "processes.",
	          tour_workers);
	TRY(covey_pool_open(&pool, &(covey_pool_opts){.workers = tour_workers}));
	for (int i = 0; i < NUMS; i++) {
		covey_future *f = covey_submit(pool, sum_numbers, nums[i]);

		covey_future_set_data(f, &nums[i]);
	}
	for (covey_future *f; (f = covey_as_completed(pool, COVEY_FOREVER)); covey_future_free(f)) {
		const uint64_t *n = covey_future_data(f);

		TRY(covey_result(f, &sum, 0));
		tour_say("%10lu  %18lu", *n, sum);
		exact += sum == sum_formula(*n);
	}
	TRY(covey_pool_close(pool));
	TRY(covey_pool_join(pool, COVEY_FOREVER));
	tour_check(exact == NUMS, "ten sums, all exact");
	return 0;
}

const struct tour_chapter tour13_as_completed = {
	"as-completed",
	"Futures: results as they come",
	run,
};
