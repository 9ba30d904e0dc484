/* SPDX-License-Identifier: MIT */
/* The command: rounds of the storm, each with a seed of its own, which a failure prints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "storm.h"
#include "support/runner.h"
#include "watch.h"

#define FAILURES_MOST 3

static const char usage[] =
	"usage: covey-storm [--seed N] [--rounds N] [--leave] [SECONDS]\n"
	"  --seed N    the first round's; those after it have the next ones. Alone: one round\n"
	"  --rounds N  so many rounds, however long they take\n"
	"  --leave     a round that hangs is left as it is, for a debugger\n";

static struct {
	uint64_t seed;
	uint32_t rounds; /* 0: until the time is over */
	int64_t ms;
	bool leave;
} wanted = {.ms = 10000};

static bool read_arguments(int argc, char **argv)
{
	wanted.seed = (uint64_t)time(NULL) * 1000;
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "--seed") == 0 && more) {
			wanted.seed = strtoull(argv[++i], NULL, 0);
			if (!wanted.rounds)
				wanted.rounds = 1;
		} else if (strcmp(argv[i], "--rounds") == 0 && more) {
			wanted.rounds = (uint32_t)atoi(argv[++i]);
		} else if (strcmp(argv[i], "--leave") == 0) {
			wanted.leave = true;
		} else if (atof(argv[i]) > 0) {
			wanted.ms = (int64_t)(atof(argv[i]) * 1000);
			wanted.rounds = 0;
		} else {
			return false;
		}
	}
	return true;
}

static void add(struct books *sum, const struct books *round)
{
	sum->sum.sent += round->sum.sent;
	sum->sum.received += round->sum.received;
	sum->sum.dead += round->sum.dead;
	sum->sum.tasks += round->sum.tasks;
	sum->sum.killed += round->sum.killed;
	sum->sum.stopped += round->sum.stopped;
}

static void show_progress(uint32_t rounds, const struct books *sum, int64_t left)
{
	if (!isatty(STDOUT_FILENO))
		return;
	printf("\r\033[K%u rounds, %u messages, %u tasks, %u killed", rounds, sum->sum.received,
	       sum->sum.tasks, sum->sum.killed);
	if (!wanted.rounds)
		printf(", %lld s left", (long long)(left > 0 ? left / 1000 : 0));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct books round, sum;
	uint32_t rounds = 0, failed = 0;
	int64_t end;

	covey_init(argc, argv);
	if (!read_arguments(argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	end = now_ms() + wanted.ms;
	while (failed < FAILURES_MOST &&
	       (wanted.rounds ? rounds < wanted.rounds : now_ms() < end)) {
		uint64_t seed = wanted.seed + rounds++;

		if (!watch_round(seed, &round, wanted.leave)) {
			failed++;
			printf("%sFAIL round %u: %s\n     again: ./dev storm --seed %llu\n",
			       isatty(STDOUT_FILENO) ? "\r\033[K" : "", rounds, round.words,
			       (unsigned long long)seed);
			fflush(stdout);
		}
		add(&sum, &round);
		show_progress(rounds, &sum, end - now_ms());
	}
	printf("%srounds: %u, sent: %u, received: %u, with the dead: %u, tasks: %u, killed: %u, "
	       "stopped: %u, failed: %u\n",
	       isatty(STDOUT_FILENO) ? "\r\033[K" : "", rounds, sum.sum.sent, sum.sum.received,
	       sum.sum.dead, sum.sum.tasks, sum.sum.killed, sum.sum.stopped, failed);
	return failed != 0;
}
