/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "workers.h"

/* A worker is started again no sooner than this after the one before it, in ms. */
#define AGAIN_AFTER 1000
/* How long workers may take over what they are at when the server ends, in ms. */
#define GRACE 10000

COVEY_PROCESS(worker, int, place, struct shared, shared)
{
	return serve(covey_process_passed_fd(0), place, shared);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int start(struct workers *workers, int place)
{
	char name[COVEY_NAME_MAX + 1];
	int rc;

	snprintf(name, sizeof name, "worker-%d", place);
	workers->started[place] = now_ms();
	covey_array_set(workers->shared.at, place, &(struct at){""});
	rc = covey_start_args(&workers->process[place], worker, (place, workers->shared),
	                      .name = name, .method = workers->method, .daemon = 1,
	                      .fds = &workers->listener, .fds_count = 1);
	if (rc < 0)
		fprintf(stderr, "server: worker %d: %s\n", place, covey_errmsg());
	return rc;
}

int workers_start(struct workers *workers)
{
	for (int i = 0; i < workers->count; i++)
		if (start(workers, i) < 0)
			return -1;
	return 0;
}

/* Says how a worker ended, and at what. */
static void bury(struct workers *workers, int place)
{
	covey_process *p = workers->process[place];
	int pid = covey_process_pid(p), signal = covey_process_exit_signal(p);
	struct at at = {""};
	char how[64];

	if (signal)
		snprintf(how, sizeof how, "was killed by %s", strsignal(signal));
	else
		snprintf(how, sizeof how, "ended with code %d", covey_process_exit_code(p));
	covey_array_get(workers->shared.at, place, &at);
	at.request[sizeof at.request - 1] = '\0';
	fprintf(stderr, "server: worker %d (process %d) %s at %s\n", place, pid, how,
	        at.request[0] ? at.request : "nothing");
	covey_process_free(p);
	workers->process[place] = NULL;
}

/* Starts those whose time has come. Returns when to look again, in ms from now. */
static int replace(struct workers *workers)
{
	int64_t now = now_ms();
	int wait = COVEY_FOREVER;

	for (int i = 0; i < workers->count; i++) {
		int64_t left = workers->started[i] + AGAIN_AFTER - now;

		if (workers->process[i])
			continue;
		if (left <= 0 && start(workers, i) == 0) {
			workers->replaced++;
			fprintf(stderr, "server: worker %d is process %d now\n", i,
			        (int)covey_process_pid(workers->process[i]));
			continue;
		}
		if (left <= 0)
			left = AGAIN_AFTER; /* it could not be had */
		if (wait == COVEY_FOREVER || left < wait)
			wait = (int)left;
	}
	return wait;
}

void workers_watch(struct workers *workers, int signals)
{
	covey_waitable things[WORKERS_MOST + 1];

	for (;;) {
		int wait = replace(workers);

		things[workers->count] = COVEY_READABLE(signals);
		for (int i = 0; i < workers->count; i++) {
			things[i] = COVEY_ENDED(workers->process[i]);
			if (!workers->process[i])
				things[i].kind = COVEY_WAIT_NOTHING;
		}
		if (covey_select(things, workers->count + 1, wait) <= 0)
			continue; /* it is time for another start */
		if (things[workers->count].ready)
			return;
		for (int i = 0; i < workers->count; i++)
			if (things[i].ready)
				bury(workers, i);
	}
}

int workers_end(struct workers *workers)
{
	int64_t until = now_ms() + GRACE;
	int killed = 0;

	for (int i = 0; i < workers->count; i++)
		if (workers->process[i])
			covey_process_terminate(workers->process[i]);
	for (int i = 0; i < workers->count; i++) {
		int64_t left = until - now_ms();

		if (covey_process_end(workers->process[i], left > 0 ? (int)left : 0) ==
		    128 + SIGKILL)
			killed++;
		workers->process[i] = NULL;
	}
	return killed;
}
