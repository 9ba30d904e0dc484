/* SPDX-License-Identifier: MIT */
/*
 * A script of calls that need something of the system, to be run while it has
 * too little of it. Each call works or says in words why not, and afterwards
 * nothing is left.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "support/harness.h"

/* What a round sets up, runs and takes back, in a process of its own; see run_round. */
typedef void round_fn(const void *context);

/*
 * Forks a process that runs fn; fails the test where it did not end with exit code 0.
 * what, number: for the message. False where it has ended with ROUND_CANNOT.
 */
#define ROUND_CANNOT 77
bool run_round(round_fn *fn, const void *context, const char *what, long number);

/* What the script uses. */
enum script_parts {
	SCRIPT_RENEWED = 1, /* of the pool: its workers, after each task */
	SCRIPT_POOL = 2,    /* of processes */
	SCRIPT_THREADS = 4, /* a pool of them */
	SCRIPT_QUEUE = 8,   /* and its descriptor, and select */
	SCRIPT_NET = 16,
	SCRIPT_SLEEPS = 32, /* processes that sleep until they are woken */
	SCRIPT_PROCESS = 64,
	SCRIPT_ALL = 127,
};

/* Takes down what is open; done at the beginning of a round. */
void script_begin(void);
/*
 * In a round: runs it. How many calls have failed. One that said nothing, or
 * that may not fail, ends the process with exit code 1 at the end.
 */
int script_run(covey_method method, int parts);
/*
 * In a round, once there is enough of everything again: looks for what is left, but for so many
 * descriptors that others keep; ends the process.
 */
void script_end(int kept) __attribute__((noreturn));

/*
 * A call: whether it worked. One that did not has to have said why: its words
 * are not those that are there before.
 */
bool script_says(int64_t rc, const char *call, bool may_fail);
void script_mark(void);
#define TRY(call) (script_mark(), script_says((call), #call, true))
#define MUST(call) (script_mark(), script_says((call), #call, false))

#endif
