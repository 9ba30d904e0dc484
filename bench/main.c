/* SPDX-License-Identifier: MIT */
/*
 * covey-bench [--quick] [--rounds N] [--json FILE] [GROUP...]: a line a case, covey beside its
 * peer, run in turn; the median of the rounds, with the least and the most. A ratio over 1 means
 * that covey is better.
 */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int bench_quick;

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void bench_fail(const char *what)
{
	fprintf(stderr, "covey-bench: %s: %s\n", what, covey_errmsg());
	exit(1);
}

int bench_beside(void (*f)(void *), void *context)
{
	int pid = fork();

	if (pid < 0)
		bench_fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		f(context);
		_exit(0);
	}
	return pid;
}

void bench_end(int pid)
{
	waitpid(pid, NULL, 0);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void show(const struct bench_case *c, double *covey, double *peer, int rounds, FILE *json,
                 int first)
{
	double mine, other = 0, ratio = 0;
	char spread[64], beside[96] = "";

	qsort(covey, (size_t)rounds, sizeof *covey, by_value);
	mine = covey[rounds / 2];
	snprintf(spread, sizeof spread, "%.3g..%.3g", covey[0], covey[rounds - 1]);
	if (c->peer) {
		qsort(peer, (size_t)rounds, sizeof *peer, by_value);
		other = peer[rounds / 2];
		ratio = c->more_is_better ? mine / other : other / mine;
		snprintf(beside, sizeof beside, "%8.3g (%.3g..%.3g)  x%.2f  %s", other, peer[0],
		         peer[rounds - 1], ratio, c->peer_name);
	} else if (c->peer_name) {
		snprintf(beside, sizeof beside, "       -  %s", c->peer_name);
	}
	printf("%-8s %-28s %-4s %8.3g %-16s %s\n", c->group, c->name, c->unit, mine, spread,
	       beside);
	fflush(stdout);
	if (json)
		fprintf(json,
		        "%s\n  {\"group\": \"%s\", \"case\": \"%s\", \"unit\": \"%s\", "
		        "\"covey\": %g, \"peer\": \"%s\", \"peer_figure\": %g, \"ratio\": %g}",
		        first ? "" : ",", c->group, c->name, c->unit, mine,
		        c->peer_name ? c->peer_name : "", other, ratio);
}

int main(int argc, char **argv)
{
	const struct {
		const struct bench_case *cases;
		int count;
	} groups[] = {{lock_cases, lock_count},
	              {queue_cases, queue_count},
	              {process_cases, process_count},
	              {pool_cases, pool_count}};
	int rounds = 5, at = 1, shown = 0;
	FILE *json = NULL;

	covey_init(argc, argv);
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--quick") == 0) {
			bench_quick = 1;
			rounds = 3;
		} else if (strcmp(argv[at], "--rounds") == 0 && at + 1 < argc) {
			rounds = atoi(argv[++at]);
		} else if (strcmp(argv[at], "--json") == 0 && at + 1 < argc) {
			json = fopen(argv[++at], "w");
		} else {
			rounds = 0;
		}
		if (rounds < 1 || rounds > ROUNDS_MOST) {
			fprintf(stderr,
			        "usage: covey-bench [--quick] [--rounds 1..%d] [--json FILE] "
			        "[lock|queue|process|pool...]\n",
			        ROUNDS_MOST);
			return 2;
		}
	}
	if (json)
		fprintf(json, "[");
	printf("%-8s %-28s %-4s %8s %-16s %8s (spread), ratio over 1: covey is better\n", "group",
	       "case", "unit", "covey", "spread", "peer");
	for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
		for (int i = 0; i < groups[g].count; i++) {
			const struct bench_case *c = &groups[g].cases[i];
			double covey[ROUNDS_MOST], peer[ROUNDS_MOST];
			int wanted = at == argc;

			for (int n = at; n < argc; n++)
				wanted |= strcmp(argv[n], c->group) == 0;
			if (!wanted)
				continue;
			for (int round = 0; round < rounds; round++) {
				covey[round] = c->covey(c->size);
				if (c->peer)
					peer[round] = c->peer(c->size);
			}
			show(c, covey, peer, rounds, json, !shown++);
		}
	if (json) {
		fprintf(json, "\n]\n");
		fclose(json);
	}
	return 0;
}
