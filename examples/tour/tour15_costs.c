/* SPDX-License-Identifier: MIT */
/*
 * What threads and processes cost: to start, to talk to, to keep.
 *
 * The two sides of an exchange run the same functions, once in another process,
 * once in another thread: a covey_queue takes no notice which it is.
 */
#include <pthread.h>

#include "tour15.h"

#define STARTS 100
#define ROUND_TRIPS 20000
#define MESSAGES 200000
#define WORKERS 16

/* One thing measured, for a thread and for a process. */
struct cost {
	double thread;
	double process;
};

struct link {
	covey_queue there;
	covey_queue back;
};

typedef int side_fn(const void *arg, size_t len);

/* The other side of an exchange: a process, or a thread. */
struct side {
	side_fn *run;
	const struct link *link;
	covey_process *process;
	pthread_t thread;
};

static void *side_thread(void *arg)
{
	const struct side *side = arg;

	side->run(side->link, sizeof *side->link);
	return NULL;
}

static int side_start(struct side *side, int as_process)
{
	if (as_process)
		return covey_start(&side->process, side->run, side->link);
	return -pthread_create(&side->thread, NULL, side_thread, side);
}

static int side_join(struct side *side)
{
	if (!side->process)
		return -pthread_join(side->thread, NULL);
	return -covey_process_finish(&side->process, 1);
}

static int nothing(const void *arg, size_t len)
{
	return 0;
}

/* Microseconds from start to joined. */
static int start_cost(const struct link *link, int as_process, double *us)
{
	double start = tour_now();

	for (int i = 0; i < STARTS; i++) {
		struct side side = {.run = nothing, .link = link};

		TRY(side_start(&side, as_process));
		TRY(side_join(&side));
	}
	*us = (tour_now() - start) * 1e6 / STARTS;
	return 0;
}

static int echo(const void *arg, size_t len)
{
	const struct link *link = arg;
	uint64_t n;

	do {
		TRY(covey_get(link->there, &n, COVEY_FOREVER));
		TRY(covey_put(link->back, &n, COVEY_FOREVER));
	} while (n);
	return 0;
}

/* Microseconds for a message of 8 bytes there and back. */
static int round_trip_cost(const struct link *link, int as_process, double *us)
{
	struct side side = {.run = echo, .link = link};
	double start = 0;

	TRY(side_start(&side, as_process));
	for (uint64_t n = ROUND_TRIPS + 1, m; n-- > 0;) {
		TRY(covey_put(link->there, &n, COVEY_FOREVER));
		TRY(covey_get(link->back, &m, COVEY_FOREVER));
		if (m != n)
			return -1;
		if (n == ROUND_TRIPS) /* the first only says that the other side is up */
			start = tour_now();
	}
	*us = (tour_now() - start) * 1e6 / ROUND_TRIPS;
	return side_join(&side);
}

static int pour(const void *arg, size_t len)
{
	const struct link *link = arg;

	for (uint64_t n = MESSAGES + 1; n-- > 0;)
		TRY(covey_put(link->back, &n, COVEY_FOREVER));
	return 0;
}

/* Millions of messages of 8 bytes in a second, from one side to the other. */
static int stream_rate(const struct link *link, int as_process, double *rate)
{
	struct side side = {.run = pour, .link = link};
	double start = 0;

	TRY(side_start(&side, as_process));
	for (uint64_t n = MESSAGES + 1, m; n-- > 0;) {
		TRY(covey_get(link->back, &m, COVEY_FOREVER));
		if (m != n)
			return -1;
		if (n == MESSAGES)
			start = tour_now();
	}
	*rate = MESSAGES / (tour_now() - start) / 1e6;
	return side_join(&side);
}

/* KiB of memory that this process shares with no other; -1 where not told. */
static long private_kib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	long sum = f ? 0 : -1, kib;
	char line[128];

	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "Private_Clean: %ld", &kib) == 1 ||
		    sscanf(line, "Private_Dirty: %ld", &kib) == 1)
			sum += kib;
	if (f)
		fclose(f);
	return sum;
}

COVEY_TASK(long, worker_kib, int, unused)
{
	return private_kib();
}

/* KiB that an idle worker of a pool costs. */
static int idle_cost(covey_pool_kind kind, double *kib)
{
	const int workers = kind == COVEY_THREADS ? WORKERS : 1;
	long before = private_kib(), after;
	covey_future *f;
	covey_pool *pool;

	TRY(covey_pool_open(&pool, &(covey_pool_opts){.kind = kind, .workers = workers}));
	f = covey_submit(pool, worker_kib, 0);
	TRY(covey_result(f, &after, COVEY_FOREVER));
	covey_future_free(f);
	TRY(covey_pool_close(pool));
	TRY(covey_pool_join(pool, COVEY_FOREVER));
	*kib = kind == COVEY_THREADS ? (double)(after - before) / workers : (double)after;
	return 0;
}

int tour15_costs(void)
{
	struct cost start = {0}, trip = {0}, rate = {0}, idle = {0};
	struct link link;

	TRY(covey_queue_create(&link.there, &(covey_queue_opts){.name = "there"}));
	TRY(covey_queue_create(&link.back,
	                       &(covey_queue_opts){.name = "back", .max_messages = 4096}));
	TRY(start_cost(&link, 0, &start.thread));
	TRY(start_cost(&link, 1, &start.process));
	TRY(round_trip_cost(&link, 0, &trip.thread));
	TRY(round_trip_cost(&link, 1, &trip.process));
	TRY(stream_rate(&link, 0, &rate.thread));
	TRY(stream_rate(&link, 1, &rate.process));
	covey_queue_destroy(link.there);
	covey_queue_destroy(link.back);
	TRY(idle_cost(COVEY_THREADS, &idle.thread));
	TRY(idle_cost(COVEY_PROCESSES, &idle.process));

	tour_note("\nWhat each costs. %d were started and joined one by one, processes by %s;\n"
	          "%d messages of 8 bytes went there and back, %d one way, through a queue.",
	          STARTS, covey_method_name(covey_default_method()), ROUND_TRIPS, MESSAGES);
	tour_say("%-36s %10s %10s", "", "a thread", "a process");
	tour_say("%-36s %10.0f %10.0f", "start to joined, us", start.thread, start.process);
	tour_say("%-36s %10.2f %10.2f", "round trip, us", trip.thread, trip.process);
	tour_say("%-36s %10.2f %10.2f", "messages, millions a second", rate.thread, rate.process);
	if (idle.process > 0)
		tour_say("%-36s %10.0f %10.0f", "memory of an idle worker, KiB", idle.thread,
		         idle.process);
	return 0;
}
