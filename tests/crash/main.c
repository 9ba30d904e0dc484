/* SPDX-License-Identifier: MIT */
/*
 * covey-crash [--stride N] [--list] [CASE...]: the sweep. Each case runs in a
 * family of its own, as many at a time as there are cores; a line each, a last
 * line of sums, and the same as JSON where --json says.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "channel/notify.h"

struct job {
	int fd;
	pid_t pid;
	const struct crash_case *c;
};

#define JOBS_MAX 64

/*
 * One core a case: a process that waits does not spin then, which would be
 * thousands of instructions of no interest, and switching is quick.
 */
static void pin(int n)
{
	cpu_set_t all, one;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof all, &all) < 0)
		return;
	n %= CPU_COUNT(&all);
	do
		cpu++;
	while (!CPU_ISSET(cpu, &all) || n-- > 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static struct job start(const struct crash_case *c, long stride, int n)
{
	struct job job = {.c = c};
	int ends[2];

	if (pipe(ends) < 0) {
		perror("pipe");
		exit(2);
	}
	fflush(stdout);
	job.pid = fork();
	if (job.pid < 0) {
		perror("fork");
		exit(2);
	}
	if (job.pid == 0) {
		struct result result = {.at = -1};

		close(ends[0]);
		cvy_notify_slice = CVY_NEVER;
		pin(n);
		sweep(c, stride, &result);
		_exit(write(ends[1], &result, sizeof result) != sizeof result);
	}
	close(ends[1]);
	job.fd = ends[0];
	return job;
}

static void report(FILE *json, const struct result *r, int first)
{
	printf("%-42s steps %6ld  kills %6ld  wedged %ld  torn %ld  leaked %ld  slowest %.1f ms\n",
	       r->name, r->steps, r->kills, r->wedged, r->torn, r->leaked, r->slowest_ms);
	if (r->why[0])
		printf("    first at instruction %ld: %s\n", r->at, r->why);
	fflush(stdout);
	if (json)
		fprintf(json,
		        "%s\n  {\"case\": \"%s\", \"steps\": %ld, \"kills\": %ld, \"wedged\": %ld, "
		        "\"torn\": %ld, \"leaked\": %ld, \"slowest_ms\": %.1f}",
		        first ? "" : ",", r->name, r->steps, r->kills, r->wedged, r->torn,
		        r->leaked, r->slowest_ms);
}

static int wanted(const struct crash_case *c, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strstr(c->name, names[i]))
			return 1;
	return n == 0;
}

int main(int argc, char **argv)
{
	struct result sum = {0};
	struct job jobs[JOBS_MAX];
	unsigned running = 0;
	int next = 0, shown = 0, at = 1;
	long stride = 1;
	FILE *json = NULL;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--list") == 0) {
			for (int i = 0; i < crash_case_count; i++)
				puts(crash_cases[i].name);
			return 0;
		} else if (strcmp(argv[at], "--stride") == 0 && at + 1 < argc &&
		           atol(argv[at + 1]) > 0) {
			stride = atol(argv[++at]);
		} else if (strcmp(argv[at], "--json") == 0 && at + 1 < argc) {
			json = fopen(argv[++at], "w");
			if (!json) {
				fprintf(stderr, "covey-crash: %s: %s\n", argv[at], strerror(errno));
				return 2;
			}
		} else {
			fprintf(stderr, "usage: covey-crash [--list] [--stride N] [--json FILE] "
			                "[CASE...]\n");
			return 2;
		}
	}
	if (json)
		fprintf(json, "[");
	while (next < crash_case_count || running) {
		struct pollfd poll_fds[JOBS_MAX];
		struct result r;

		while (running < (unsigned)covey_cpu_count() && running < JOBS_MAX &&
		       next < crash_case_count) {
			if (wanted(&crash_cases[next], argv + at, argc - at))
				jobs[running++] = start(&crash_cases[next], stride, next);
			next++;
		}
		if (!running)
			break;
		for (unsigned i = 0; i < running; i++)
			poll_fds[i] = (struct pollfd){.fd = jobs[i].fd, .events = POLLIN};
		if (poll(poll_fds, running, -1) < 0)
			continue;
		for (unsigned i = running; i-- > 0;) {
			if (!poll_fds[i].revents)
				continue;
			if (read(jobs[i].fd, &r, sizeof r) != sizeof r) {
				r = (struct result){.wedged = 1, .at = -1};
				snprintf(r.name, sizeof r.name, "%s", jobs[i].c->name);
				snprintf(r.why, sizeof r.why, "the sweeper itself ended");
			}
			report(json, &r, !shown++);
			sum.kills += r.kills;
			sum.wedged += r.wedged;
			sum.torn += r.torn;
			sum.leaked += r.leaked;
			close(jobs[i].fd);
			waitpid(jobs[i].pid, NULL, 0);
			jobs[i] = jobs[--running];
		}
	}
	if (json) {
		fprintf(json, "\n]\n");
		fclose(json);
	}
	printf("kill points: %ld, wedged: %ld, torn: %ld, leaked: %ld\n", sum.kills, sum.wedged,
	       sum.torn, sum.leaked);
	return sum.wedged || sum.torn || sum.leaked;
}
