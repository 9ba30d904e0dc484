/* SPDX-License-Identifier: MIT */
/* The parent's part: workers are started, watched, replaced and ended. */
#ifndef WORKERS_H
#define WORKERS_H

#include <covey.h>

#include "serve.h"

#define WORKERS_MOST 64

struct workers {
	int listener;
	int count;
	covey_method method; /* 0: covey's choice */
	struct shared shared;
	covey_process *process[WORKERS_MOST]; /* NULL: none there now */
	int64_t started[WORKERS_MOST];        /* in ms of the monotonic clock */
	int replaced;
};

/* Starts them all. Returns 0, or -1 where one cannot be had; it has said why. */
int workers_start(struct workers *workers);

/* Replaces workers that die, until a signal can be read from `signals`. */
void workers_watch(struct workers *workers, int signals);

/* Lets them finish what they are at. Returns how many had to be killed. */
int workers_end(struct workers *workers);

#endif
