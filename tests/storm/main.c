/* SPDX-License-Identifier: MIT */
/*
 * covey-storm [--seed N] [SECONDS]: rounds of the storm, each with a
 * seed of its own, which a failure prints; --seed plays that one round again.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "storm.h"

#define ROUND_MS 800
#define PATIENCE 60 /* seconds for a round, most of which are for a busy machine */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Reaps what a round has left, for at most ten seconds; whether all ended by itself. */
static bool all_gone(void)
{
	double since = now();
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (now() - since > 10)
			return false;
		if (pid == 0)
			usleep(500);
	}
	return true;
}

/* One round in a process of its own; whether all was well. */
static bool play(uint64_t seed, struct outcome *outcome)
{
	double since = now();
	int status = 0;
	pid_t pid;

	memset(outcome, 0, sizeof *outcome);
	pid = fork();
	if (pid < 0) {
		perror("covey-storm: fork");
		exit(2);
	}
	if (pid == 0) {
		storm_round(seed, ROUND_MS, outcome);
		exit(0);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now() - since > PATIENCE) {
			snprintf(outcome->why, sizeof outcome->why, "it does not end");
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		usleep(1000);
	}
	if (!outcome->why[0] && status)
		snprintf(outcome->why, sizeof outcome->why, "the root ended with status %x",
		         status);
	if (!all_gone() && !outcome->why[0])
		snprintf(outcome->why, sizeof outcome->why, "processes are left");
	return !outcome->why[0];
}

int main(int argc, char **argv)
{
	struct outcome *outcome, sum = {0};
	double seconds = 10, end;
	uint64_t seed = 0;
	int rounds = 0, failed = 0;

	covey_init(argc, argv);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
			seed = strtoull(argv[++i], NULL, 0);
		} else if (atof(argv[i]) > 0) {
			seconds = atof(argv[i]);
		} else {
			fprintf(stderr, "usage: covey-storm [--seed N] [SECONDS]\n");
			return 2;
		}
	}
	outcome = mmap(NULL, sizeof *outcome, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
	               -1, 0);
	if (outcome == MAP_FAILED) {
		perror("covey-storm");
		return 2;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (end = now() + seconds; failed < 3 && (!rounds || (!seed && now() < end)); rounds++) {
		uint64_t this =
			seed ? seed : (uint64_t)time(NULL) << 20 | (uint64_t)(getpid() + rounds);

		if (!play(this, outcome)) {
			failed++;
			printf("FAIL round %d: %s\n     again: covey-storm --seed %llu\n",
			       rounds + 1, outcome->why, (unsigned long long)this);
		}
		sum.sent += outcome->sent;
		sum.received += outcome->received;
		sum.died += outcome->died;
		sum.tasks += outcome->tasks;
		sum.tasks_died += outcome->tasks_died;
		sum.killed += outcome->killed;
		sum.stopped += outcome->stopped;
		if (isatty(STDOUT_FILENO))
			printf("\r\033[K%d rounds, %u killed, %.0f s left\r", rounds + 1,
			       sum.killed, end > now() ? end - now() : 0);
		fflush(stdout);
	}
	printf("rounds: %d, killed: %u, stopped: %u; messages sent %u = received %u + with the "
	       "dead "
	       "%u; tasks %u, of which with the dead %u; failed: %d\n",
	       rounds, sum.killed, sum.stopped, sum.sent, sum.received, sum.died, sum.tasks,
	       sum.tasks_died, failed);
	return failed != 0;
}
