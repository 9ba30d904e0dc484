/* SPDX-License-Identifier: MIT */
/*
 * What the chapters of the tour share: how they print, how they check what
 * they claim, and the random naps that stand for work.
 */
#ifndef TOUR_H
#define TOUR_H

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <covey.h>

/* One lesson. run() returns 0, or -1 where a call failed that should not. */
struct tour_chapter {
	const char *name;
	const char *title;
	int (*run)(void);
};

extern const struct tour_chapter tour01_methods, tour02_start_join, tour03_one_by_one,
	tour04_own_run, tour05_pool, tour06_lock, tour07_with, tour08_rlock, tour09_queue,
	tour10_struct, tour11_struct_with_lock, tour12_function, tour13_as_completed, tour14_timing,
	tour15_threads_processes;

/* From the command line. Set in the root process only: children have arguments. */
extern int tour_workers;

/* Prose of the lesson, its lines as given. */
void tour_note(const char *format, ...) COVEY_PRINTF(1, 2);

/* A line of what happens, from any process: in one piece, at once. */
void tour_say(const char *format, ...) COVEY_PRINTF(1, 2);

/* Says whether what the chapter claims holds; where not, the tour fails. */
void tour_check(int holds, const char *format, ...) COVEY_PRINTF(2, 3);

/* Says which call failed and why, fails the tour, and returns -1. */
int tour_broken(const char *file, int line, const char *call);

/* Leaves the function with -1 where a call fails; in a child that is exit code 255. */
#define TRY(call)                                                      \
	do {                                                           \
		if ((call) < 0)                                        \
			return tour_broken(__FILE__, __LINE__, #call); \
	} while (0)

/* Sleeps for up to 5 seconds times --pace, and returns how long. In any process. */
double tour_nap(void);

/* Seconds on a clock that only goes forward. */
double tour_now(void);

/* The one in the middle; sorts the values. */
double tour_median(double *values, int n);

/*
 * For processes that take turns. Each says and records, while it has its turn,
 * that it goes in and out; the record tells afterwards whether two were ever
 * inside together.
 */
int tour_goes_in(covey_queue record, int number);
int tour_goes_out(covey_queue record, int number);
void tour_check_turns(covey_queue record, int turns);

#endif
