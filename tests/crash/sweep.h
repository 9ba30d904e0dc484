/* SPDX-License-Identifier: MIT */
/* What the files of the sweeper share. */
#ifndef CRASH_SWEEP_H
#define CRASH_SWEEP_H

#include "stepper.h"

/* One kill after k instructions; true when the call was over before, which is no kill. */
bool kill_at(const struct crash_case *c, long k, struct result *result);
bool kill_in_scene(const struct crash_case *c, long k, struct result *result);

/* Forks; the child ends with the sweeper. */
pid_t child(void);
/* Has a process of its own check the case; NULL, or what is wrong. */
const char *check_in_survivor(const struct crash_case *c);
/* Notes one more of a kind, and the words of the first. */
void finding(struct result *result, long *kind, long k, const char *why);
/* Notes how long it took after a kill until the survivors had gone on. */
void took(struct result *result, long k, double seconds);

#endif
