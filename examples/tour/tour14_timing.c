/* SPDX-License-Identifier: MIT */
/*
 * One after the other, by threads, by processes: the ten sums timed.
 *
 * Threads and processes are the same pool with another kind. In Python threads
 * are the slowest of the three, as only one at a time may run Python code. In C
 * they run in parallel like processes do. What then limits both is the work
 * itself: nine tenths of it is one sum, and a task runs on one core. So it is
 * done once more with that sum cut into pieces.
 */
#include "sums.h"
#include "tour.h"

#define PIECES 16

struct timed {
	uint64_t sum;
	double seconds;
};

COVEY_TASK(struct timed, timed_sum, uint64_t, from, uint64_t, to)
{
	double start = tour_now();
	uint64_t sum = sum_range(from, to);

	return (struct timed){sum, tour_now() - start};
}

/* What a way of doing it came to. */
struct way {
	const char *name;
	double seconds;
	double longest; /* of its tasks */
	int exact;
};

static int one_after_the_other(struct way *way)
{
	double start = tour_now();

	for (int i = 0; i < NUMS; i++) {
		struct timed t = timed_sum(0, nums[i]);

		way->exact += t.sum == sum_formula(nums[i]);
		way->longest = t.seconds;
	}
	way->seconds = tour_now() - start;
	return 0;
}

/* Submits the sum of 0 to n - 1 in pieces. */
static void submit_pieces(covey_pool *pool, uint64_t n, int pieces, covey_future **futures)
{
	for (int k = 0; k < pieces; k++)
		futures[k] = covey_submit(
			pool, timed_sum, n / (uint64_t)pieces * (uint64_t)k,
			k + 1 == pieces ? n : n / (uint64_t)pieces * (uint64_t)(k + 1));
}

static int by_pool(struct way *way, covey_pool_kind kind, int pieces)
{
	covey_future *futures[NUMS][PIECES];
	double start = tour_now();
	covey_pool *pool;

	TRY(covey_pool_open(&pool, &(covey_pool_opts){.kind = kind, .workers = tour_workers}));
	for (int i = 0; i < NUMS; i++)
		submit_pieces(pool, nums[i], i + 1 < NUMS ? 1 : pieces, futures[i]);
	for (int i = 0; i < NUMS; i++) {
		uint64_t sum = 0;

		for (int k = 0; k < (i + 1 < NUMS ? 1 : pieces); k++) {
			struct timed t;

			TRY(covey_result(futures[i][k], &t, COVEY_FOREVER));
			covey_future_free(futures[i][k]);
			sum += t.sum;
			if (t.seconds > way->longest)
				way->longest = t.seconds;
		}
		way->exact += sum == sum_formula(nums[i]);
	}
	TRY(covey_pool_close(pool));
	TRY(covey_pool_join(pool, COVEY_FOREVER));
	way->seconds = tour_now() - start;
	return 0;
}

static int run(void)
{
	struct way ways[] = {
		{.name = "one after the other"},
		{.name = "threads"},
		{.name = "processes"},
		{.name = "threads, last sum in 16"},
		{.name = "processes, last sum in 16"},
	};
	const int n = (int)(sizeof ways / sizeof *ways);
	int exact = 0;

	tour_note("The ten sums, on %d core%s, pools of %d workers; a pool's time is from its\n"
	          "opening until it is joined.",
	          covey_cpu_count(), covey_cpu_count() == 1 ? "" : "s", tour_workers);
	TRY(one_after_the_other(&ways[0]));
	TRY(by_pool(&ways[1], COVEY_THREADS, 1));
	TRY(by_pool(&ways[2], COVEY_PROCESSES, 1));
	TRY(by_pool(&ways[3], COVEY_THREADS, PIECES));
	TRY(by_pool(&ways[4], COVEY_PROCESSES, PIECES));

	tour_say("%-26s %9s %9s %13s %6s", "", "time", "speed-up", "longest task", "share");
	for (int i = 0; i < n; i++) {
		tour_say("%-26s %7.3f s %9.2f %11.3f s %5.0f%%", ways[i].name, ways[i].seconds,
		         ways[0].seconds / ways[i].seconds, ways[i].longest,
		         100 * ways[i].longest / ways[i].seconds);
		exact += ways[i].exact;
	}
	tour_note("\nThe longest task of the first three is the largest sum, n = 1,000,000,000: "
	          "%.0f%%\n"
	          "of all the work, %.3f s when it runs alone, and no number of workers makes it\n"
	          "shorter. So neither threads nor processes can gain more than about %.2f, until\n"
	          "that sum is cut into %d pieces.\n"
	          "\n"
	          "Python takes longer by threads than one after the other, since its threads\n"
	          "share one lock around the interpreter; its processes gain a little. In C no\n"
	          "such lock is there: threads and processes take the same time, and what\n"
	          "processes give beyond that is shown in the next chapter.",
	          100 * ways[0].longest / ways[0].seconds, ways[0].longest,
	          ways[0].seconds / ways[0].longest, PIECES);
	tour_check(exact == n * NUMS, "all %d sums are exact", n * NUMS);
	return 0;
}

const struct tour_chapter tour14_timing = {
	"timing",
	"One after the other, threads, processes: timed",
	run,
};
