/* SPDX-License-Identifier: MIT */
/*
 * The benchmark: covey beside its peers, in one run, in turn (A B A B ...),
 * medians with their spread. Only covey's public headers are used.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#include <covey.h>

#define ROUNDS_MOST 15

/* One way to do a case: returns the figure, in the case's unit, of one run. */
typedef double bench_run(size_t size);

struct bench_case {
	const char *group;
	const char *name;
	const char *unit;
	int more_is_better;
	size_t size;
	bench_run *covey;
	const char *peer_name;
	bench_run *peer;
};

double bench_now(void); /* seconds */
/* Runs f(context) in a forked process beside the caller; wait with bench_end. */
int bench_beside(void (*f)(void *), void *context);
void bench_end(int pid);
void bench_fail(const char *what) __attribute__((noreturn));
extern int bench_quick;

extern const struct bench_case lock_cases[], queue_cases[], process_cases[], pool_cases[];
extern const int lock_count, queue_count, process_count, pool_count;

/* peer_boost.cc: Boost.Interprocess message_queue, one process to one. NULL queue on failure. */
void *boost_queue(size_t size, size_t depth);
void boost_put(void *queue, const void *data, size_t size);
void boost_get(void *queue, void *data, size_t size);
void boost_end(void *queue);

#endif
