/* SPDX-License-Identifier: MIT */
/*
 * The way to an instruction far into a call: not all of it is stepped. An
 * unharmed run notes where each instruction lies; later runs go at full speed
 * until such a place has been reached for the n-th time, by a breakpoint of
 * the processor's, and are stepped from there. Where a run takes another way
 * and does not come by, it is made again and stepped from the beginning.
 */
#ifndef CRASH_WAYMARK_H
#define CRASH_WAYMARK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A place on the way. */
struct waymark {
	uint64_t at; /* its address */
	long hits;   /* how often it is reached, this time included; 0: no mark */
	long steps;  /* after so many more instructions */
};

/* Notes where a stopped thread is, after so many instructions of its call. */
void trail_note(pid_t tid, long steps);
/* A leg ends here and another begins: it has slept, and others went on meanwhile. */
void trail_note_leg(void);
/* Forgets the way, and what follows from it. */
void trail_begin(void);
/* Works out the marks, once all is noted. */
void trail_end(void);
/* Whether the one after k is that before k once more, as of those that fill memory. */
bool trail_repeats(long k);
/* The mark of a leg from which instruction k is reached soonest; it lies before k. */
struct waymark waymark_before(long k, long steps, int leg);

/* Has a stopped thread stop where it comes to an address; false where that cannot be had. */
bool breakpoint_set(pid_t tid, uint64_t at);
void breakpoint_clear(pid_t tid);
/* The address of a stopped thread's next instruction, 0 where it cannot be had. */
uint64_t next_instruction(pid_t tid);

#endif
