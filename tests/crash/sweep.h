/* SPDX-License-Identifier: MIT */
/* What the files of the sweeper share. */
#ifndef CRASH_SWEEP_H
#define CRASH_SWEEP_H

#include "stepper.h"
#include "stepping.h"

/* How the victim comes to its instruction. */
enum way {
	WAY_STEPPED,
	WAY_NOTED, /* and notes it */
	WAY_BY_MARKS,
};

enum killed {
	KILLED,
	OVER_BEFORE, /* which is no kill */
	OFF_THE_WAY, /* it did not come by the mark */
};

/* One kill after k instructions. */
enum killed kill_at(const struct crash_case *c, long k, enum way way, struct result *result);
enum killed kill_in_scene(const struct crash_case *c, long k, enum way way, struct result *result);
/* What came of it, noted: the victim's call ended before, or not, after so many instructions. */
enum killed killed(const struct stepping *s, bool ended, long steps, struct result *result);

/* Forks; the child ends with the sweeper. */
pid_t child(void);
/* Has a process of its own check the case; NULL, or what is wrong. */
const char *check_in_survivor(const struct crash_case *c);
/* Notes one more of a kind, and the words of the first. */
void finding(struct result *result, long *kind, long k, const char *why);
/* Notes how long it took after a kill until the survivors had gone on. */
void took(struct result *result, long k, double seconds);

#endif
