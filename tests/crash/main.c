/* SPDX-License-Identifier: MIT */
/*
 * covey-crash [--stride N | --at K] [--budget MS] [--takes] [--list] [CASE...]: the sweep. Each
 * case runs in a family of its own, for about so many ms where a budget is given, as many at a
 * time as there are cores; a line each, a last line of sums, and the same as JSON where --json
 * says. With --at, only the kill after K instructions is tried.
 * With --takes, publishers take the notify word, as they must before Linux 6.2.
 */
#include <errno.h>
#include <execinfo.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases.h"
#include "stepping.h"
#include "base/notify.h"

#define CASES_MOST 1000
#define JOBS_MOST 64

struct job {
	pid_t pid;
	int number; /* of its case */
};

/* By the sweeper of each case; shared, so that it can be shown meanwhile. */
static struct result *results;

static struct {
	struct job jobs[JOBS_MOST];
	int running;
	int next, shown, chosen;
	struct points points;
	FILE *json;
	struct result sum;
	bool terminal;
} all = {.points = {.stride = 1, .at = -1}};

/*
 * One core a case: a process that waits does not spin then, which would be
 * thousands of instructions of no interest, and switching is quick.
 */
static void pin(int n)
{
	cpu_set_t cpus, one;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof cpus, &cpus) < 0)
		return;
	n %= CPU_COUNT(&cpus);
	do
		cpu++;
	while (!CPU_ISSET(cpu, &cpus) || n-- > 0);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static void start(int number)
{
	struct job *job = &all.jobs[all.running];
	bool taken[JOBS_MOST] = {0};
	int core = 0;

	for (int i = 0; i < all.running; i++)
		taken[results[all.jobs[i].number].core] = true;
	while (taken[core])
		core++;
	fflush(NULL); /* what the sweeper ends with exit() would write once more */
	results[number] = (struct result){.at = -1, .core = core};
	job->number = number;
	job->pid = fork();
	if (job->pid < 0) {
		perror("covey-crash: fork");
		exit(2);
	}
	if (job->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cvy_notify_slice = CVY_NEVER;
		pin(core);
		personality(ADDR_NO_RANDOMIZE); /* a fresh image lies where the last one did */
		sweep(crash_case(number), all.points, &results[number]);
		_exit(0);
	}
	all.running++;
}

static void as_json(const char *name, const struct result *r)
{
	fprintf(all.json,
	        "%s\n    {\"case\": \"%s\", \"steps\": %ld, \"stride\": %ld, \"kills\": %ld, "
	        "\"wedged\": %ld, \"torn\": %ld, \"leaked\": %ld, \"slowest_ms\": %.1f}",
	        all.shown ? "," : "", name, r->steps, r->stride, r->kills, r->wedged, r->torn,
	        r->leaked, r->slowest_ms);
}

static void report(int number)
{
	const char *name = crash_case(number)->name;
	struct result *r = &results[number];

	if (!r->swept && !r->why[0]) {
		r->wedged++;
		snprintf(r->why, sizeof r->why, "the sweeper itself ended");
	}
	if (all.terminal)
		printf("\r\033[K");
	printf("%-42s steps %6ld / %ld  kills %6ld  wedged %ld  torn %ld  leaked %ld  slowest %.1f "
	       "ms at %ld\n",
	       name, r->steps, r->stride, r->kills, r->wedged, r->torn, r->leaked, r->slowest_ms,
	       r->slowest_at);
	if (r->why[0])
		printf("    first at instruction %ld: %s\n", r->at, r->why);
	if (r->given_up)
		printf("    given up after so many findings\n");
	fflush(stdout);
	if (all.json)
		as_json(name, r);
	all.shown++;
	all.sum.kills += r->kills;
	all.sum.wedged += r->wedged;
	all.sum.torn += r->torn;
	all.sum.leaked += r->leaked;
}

static void show_progress(void)
{
	long kills = all.sum.kills;

	for (int i = 0; i < all.running; i++)
		kills += results[all.jobs[i].number].kills;
	printf("\r\033[K%d of %d cases, %ld kill points:", all.shown, all.chosen, kills);
	for (int i = 0; i < all.running && i < 2; i++)
		printf(" %s%s", i ? "| " : "", crash_case(all.jobs[i].number)->name);
	fflush(stdout);
}

/* Waits for the next case to end, showing how far all are. */
static void await_one(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, all.terminal ? WNOHANG : 0)) == 0) {
		show_progress();
		usleep(200 * 1000);
	}
	for (int i = 0; i < all.running; i++)
		if (all.jobs[i].pid == pid) {
			report(all.jobs[i].number);
			all.jobs[i] = all.jobs[--all.running];
			return;
		}
}

static bool named(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strstr(name, names[i]))
			return true;
	return n == 0;
}

static bool can_be_swept(const struct crash_case *c)
{
	return c->victim != VICTIM_IMAGE || stepping_images;
}

/* The options; the index of the first name. */
static int read_options(int argc, char **argv)
{
	int at = 1;

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--list") == 0) {
			for (int i = 0; crash_case(i); i++)
				puts(crash_case(i)->name);
			exit(0);
		} else if (strcmp(argv[at], "--stride") == 0 && at + 1 < argc &&
		           atol(argv[at + 1]) > 0) {
			all.points.stride = atol(argv[++at]);
		} else if (strcmp(argv[at], "--budget") == 0 && at + 1 < argc &&
		           atol(argv[at + 1]) > 0) {
			all.points.budget_ms = atol(argv[++at]);
		} else if (strcmp(argv[at], "--at") == 0 && at + 1 < argc) {
			all.points.at = atol(argv[++at]);
		} else if (strcmp(argv[at], "--takes") == 0) {
			cvy_notify_takes = true;
		} else if (strcmp(argv[at], "--json") == 0 && at + 1 < argc) {
			all.json = fopen(argv[++at], "w");
			if (!all.json) {
				fprintf(stderr, "covey-crash: %s: %s\n", argv[at], strerror(errno));
				exit(2);
			}
		} else {
			fprintf(stderr, "usage: covey-crash [--list] [--stride N | --at K] "
			                "[--budget MS] [--takes] [--json FILE] "
			                "[CASE...]\n");
			exit(2);
		}
	}
	return at;
}

int main(int argc, char **argv)
{
	void *frame;
	int at, jobs;

	covey_init(argc, argv);
	if (argc == 3 && strcmp(argv[1], "--join") == 0)
		return join_as_told(argv[2]);
	backtrace(&frame, 1); /* loads what workers else load one instruction at a time */
	at = read_options(argc, argv);
	jobs = covey_cpu_count() < JOBS_MOST ? covey_cpu_count() : JOBS_MOST;
	all.terminal = isatty(STDOUT_FILENO);
	results = mmap(NULL, CASES_MOST * sizeof *results, PROT_READ | PROT_WRITE,
	               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED) {
		perror("covey-crash");
		return 2;
	}
	for (int i = 0; crash_case(i) && i < CASES_MOST; i++)
		if (named(crash_case(i)->name, argv + at, argc - at)) {
			all.chosen += can_be_swept(crash_case(i));
			if (!can_be_swept(crash_case(i)))
				printf("%s: left out: on this processor a fresh image cannot be "
				       "stopped at covey_init\n",
				       crash_case(i)->name);
		}
	if (all.json)
		fprintf(all.json, "{\"cases\": [");
	for (int i = 0; crash_case(i) && i < CASES_MOST; i++) {
		if (!named(crash_case(i)->name, argv + at, argc - at) ||
		    !can_be_swept(crash_case(i)))
			continue;
		start(i);
		if (all.running == jobs)
			await_one();
	}
	while (all.running)
		await_one();
	if (all.json) {
		fprintf(all.json,
		        "\n  ],\n  \"kill_points\": %ld, \"wedged\": %ld, \"torn\": %ld, "
		        "\"leaked\": %ld\n}\n",
		        all.sum.kills, all.sum.wedged, all.sum.torn, all.sum.leaked);
		if (fclose(all.json) != 0) {
			fprintf(stderr, "covey-crash: the JSON file: %s\n", strerror(errno));
			return 2;
		}
	}
	printf("kill points: %ld, wedged: %ld, torn: %ld, leaked: %ld\n", all.sum.kills,
	       all.sum.wedged, all.sum.torn, all.sum.leaked);
	return all.sum.wedged || all.sum.torn || all.sum.leaked || !all.chosen;
}
