/* SPDX-License-Identifier: MIT */
/*
 * Threads and processes compared, by running both.
 *
 * Crashes   A thread that crashes takes the whole program along; a worker
 *           process only the task it ran.
 * Memory    Threads share all of it; a process has its own, and what it changes
 *           nobody else sees.
 *
 * What starting, exchanging and idling cost is in tour15_costs.c.
 */
#include <sys/resource.h>

#include "tour15.h"

#define TASKS 5

static int *volatile nowhere;

COVEY_TASK(int, square_or_crash, int, i)
{
	if (i == 2) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		*nowhere = i;
	}
	return i * i;
}

/* Tasks that came to the right result, of five of which one crashes. */
static int squares(covey_pool_kind kind, covey_failure *failure)
{
	covey_future *futures[TASKS];
	covey_pool *pool;
	int good = 0, square;

	TRY(covey_pool_open(&pool, &(covey_pool_opts){.kind = kind, .workers = 2}));
	for (int i = 0; i < TASKS; i++)
		futures[i] = covey_submit(pool, square_or_crash, i);
	for (int i = 0; i < TASKS; i++) {
		if (covey_result(futures[i], &square, COVEY_FOREVER) == 0)
			good += square == i * i;
		else
			covey_future_failure(futures[i], failure);
		covey_future_free(futures[i]);
	}
	TRY(covey_pool_close(pool));
	TRY(covey_pool_join(pool, COVEY_FOREVER));
	return good;
}

static int program_with_threads(const void *arg, size_t len)
{
	covey_failure failure = {0};

	squares(COVEY_THREADS, &failure);
	return 0; /* were it to come here */
}

static int crashes(void)
{
	covey_failure failure = {0};
	covey_process *p;
	int good;

	tour_note("Five tasks, of which the third writes to address 0. By processes:");
	TRY(good = squares(COVEY_PROCESSES, &failure));
	tour_say("%s", failure.words);
	tour_check(good == TASKS - 1 && failure.kind == COVEY_WORKER_DIED,
	           "the other %d tasks were done; this program runs on", good);

	tour_note("\nBy threads, in a program of its own, since this one is to go on:");
	TRY(covey_process_start(&p, program_with_threads, NULL, 0, NULL));
	TRY(covey_process_join(p, COVEY_FOREVER));
	tour_say("program with threads: exit code %d, signal %d", covey_process_exit_code(p),
	         covey_process_exit_signal(p));
	tour_check(covey_process_exit_code(p) != 0,
	           "that program has ended, and all results with it");
	covey_process_free(p);
	return 0;
}

static int visits;

COVEY_TASK(int, visit, int, i)
{
	return visits += i;
}

static int visit_thrice(covey_pool_kind kind, int *last)
{
	covey_pool *pool;

	TRY(covey_pool_open(&pool, &(covey_pool_opts){.kind = kind, .workers = 1}));
	for (int i = 0; i < 3; i++) {
		covey_future *f = covey_submit(pool, visit, 1);

		TRY(covey_result(f, last, COVEY_FOREVER));
		covey_future_free(f);
	}
	TRY(covey_pool_close(pool));
	return covey_pool_join(pool, COVEY_FOREVER);
}

static int memory(void)
{
	int last = 0;

	tour_note("\nThree tasks count up a global, by one worker.");
	visits = 0;
	TRY(visit_thrice(COVEY_PROCESSES, &last));
	tour_check(last == 3 && visits == 0, "a process: %d in the worker, still %d here", last,
	           visits);
	TRY(visit_thrice(COVEY_THREADS, &last));
	tour_check(last == 3 && visits == 3, "a thread: %d in the worker, and %d here", last,
	           visits);
	return 0;
}

static int run(void)
{
	TRY(crashes());
	TRY(memory());
	TRY(tour15_costs());
	tour_note(
		"\nThreads, then: where tasks share much data, are many and tiny, and the code\n"
		"is trusted. Processes: where a crash, a leak or a library that is not safe for\n"
		"threads must stay one task's matter. Same pool, same futures: one word decides.");
	return 0;
}

const struct tour_chapter tour15_threads_processes = {
	"threads-processes",
	"Threads and processes compared by running them",
	run,
};
