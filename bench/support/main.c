/* SPDX-License-Identifier: MIT */
/* The command line of a measured program. */
#include "bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void bench_pause(double seconds)
{
	for (double until = bench_now() + seconds; bench_now() < until;)
		;
}

void bench_fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	_exit(1);
}

void *bench_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		bench_fail("no memory");
	return memory;
}

const char *bench_name(int way, int index)
{
	static char name[64];
	static int root;

	if (!root)
		root = (int)getpid();
	snprintf(name, sizeof name, "covey-bench-%d-%d-%d", root, way, index);
	return name;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, long n)
{
	if (n < 1)
		bench_fail("nothing was measured");
	qsort(values, (size_t)n, sizeof *values, by_value);
	return values[n / 2];
}

void bench_say(int n, ...)
{
	va_list figures;

	va_start(figures, n);
	for (int i = 0; i < n; i++)
		printf("%s%.6g", i ? " " : "", va_arg(figures, double));
	va_end(figures);
	printf("\n");
	fflush(stdout);
}

static void read_option(struct plan *plan, const char *text)
{
	const char *value = strchr(text, '=');
	double number = value ? atof(value + 1) : 0;
	const struct {
		const char *key;
		double *real;
		size_t *size;
		long *many;
		int *count;
	} options[] = {
		{.key = "window", .real = &plan->window},
		{.key = "warm", .real = &plan->warm},
		{.key = "size", .size = &plan->size},
		{.key = "depth", .size = &plan->depth},
		{.key = "bulk", .size = &plan->bulk},
		{.key = "tasks", .many = &plan->tasks},
		{.key = "live", .many = &plan->live},
		{.key = "senders", .count = &plan->senders},
		{.key = "receivers", .count = &plan->receivers},
		{.key = "workers", .count = &plan->workers},
	};

	if (value && strncmp(text, "by=", 3) == 0) {
		plan->by = value + 1;
		return;
	}
	for (size_t i = 0; value && i < sizeof options / sizeof *options; i++) {
		size_t length = (size_t)(value - text);

		if (strncmp(text, options[i].key, length) != 0 || options[i].key[length])
			continue;
		if (options[i].real)
			*options[i].real = number;
		if (options[i].size)
			*options[i].size = (size_t)number;
		if (options[i].many)
			*options[i].many = (long)number;
		if (options[i].count)
			*options[i].count = (int)number;
		return;
	}
	bench_fail("an unknown option");
}

/* Which of the ways is asked for: all begin with their name. */
static const void *find(const void *ways, size_t stride, int most, const char *name)
{
	for (int i = 0; i < most; i++) {
		const char *const *way =
			(const char *const *)(const void *)((const char *)ways + i * stride);

		if (*way && (!name || strcmp(*way, name) == 0))
			return way;
	}
	return NULL;
}

#define RUN_BY(command, ways, function)                                               \
	if (strcmp(argv[1], command) == 0 &&                                          \
	    (way = find(peer.ways, sizeof *peer.ways, WAYS_MOST, plan.by)) != NULL) { \
		function(&plan, way);                                                 \
		return 0;                                                             \
	}

int bench_main(int argc, char **argv)
{
	struct plan plan = {.window = 0.2,
	                    .warm = 0.05,
	                    .size = 8,
	                    .depth = 1024,
	                    .tasks = 10000,
	                    .senders = 1,
	                    .receivers = 1,
	                    .workers = 2};
	const struct command *command;
	const void *way;

	if (argc < 2)
		bench_fail("usage: PROGRAM COMMAND [KEY=VALUE...]");
	bench_name(0, 0);
	for (int i = 2; i < argc; i++)
		read_option(&plan, argv[i]);
	if (strcmp(argv[1], "version") == 0) {
		peer.version();
		return 0;
	}
	if (plan.bulk)
		memset(malloc(plan.bulk), 1, plan.bulk);
	RUN_BY("stream", channels, bench_stream)
	RUN_BY("trip", channels, bench_trip)
	RUN_BY("asleep", channels, bench_asleep)
	RUN_BY("alone", locks, bench_alone)
	RUN_BY("race", locks, bench_race)
	RUN_BY("start", starts, bench_start)
	RUN_BY("many", pools, bench_many)
	RUN_BY("one", pools, bench_one)
	RUN_BY("one-asleep", pools, bench_one_asleep)
	command = find(peer.commands, sizeof *peer.commands,
	               sizeof peer.commands / sizeof *peer.commands, argv[1]);
	if (!command)
		bench_fail("no such command here");
	command->run(&plan);
	return 0;
}
