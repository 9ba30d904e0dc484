/* SPDX-License-Identifier: MIT */
/* The cases by noun: README.md tells how to add some. */
#ifndef CRASH_CASES_H
#define CRASH_CASES_H

#include "stepper.h"

/* The files cases_NAME.c, in the order in which they are swept. */
#define CRASH_NOUNS(X) \
	X(queue)       \
	X(pipe)        \
	X(counted)     \
	X(watch)       \
	X(lock)        \
	X(semaphore)   \
	X(rwlock)      \
	X(event)       \
	X(barrier)     \
	X(condition)   \
	X(object)      \
	X(block)       \
	X(value)       \
	X(process)     \
	X(join)        \
	X(pool)        \
	X(worker)      \
	X(dict)        \
	X(list)

struct crash_noun {
	const struct crash_case *cases;
	int count;
};

/* At the end of cases_NAME.c. */
#define CRASH_NOUN(name, cases_of_it)                               \
	const struct crash_noun crash_noun_##name = {(cases_of_it), \
	                                             sizeof(cases_of_it) / sizeof *(cases_of_it)}

#define CRASH_DECLARE(name) extern const struct crash_noun crash_noun_##name;
CRASH_NOUNS(CRASH_DECLARE)

/* What this program does where it is run as one that joins; its exit code. (cases_join.c) */
int join_as_told(const char *address);

/* The i-th case of all, NULL past the last. */
const struct crash_case *crash_case(int i);

#endif
