/* SPDX-License-Identifier: MIT */
/*
 * What every measured program has in common: covey's and each peer's. A program says by `struct
 * peer` how its subject makes a channel, a lock, a process or a pool; the loops that are timed lie
 * in support/ and are the same for all.
 *
 *     PROGRAM COMMAND [KEY=VALUE...]     prints figures in units a second, or in seconds
 *     PROGRAM version                    prints name and version
 *
 * stream, trip, asleep     messages: rate; seconds there and back; the same, both sides asleep
 * alone, race              locks: seconds a take; rate and fairness of two processes
 * start                    seconds from start to joined
 * many, one, one-asleep    tasks: rate; seconds there and back
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct plan {
	const char *by; /* which of the peer's ways; NULL: its first */
	double window;  /* seconds to measure for */
	double warm;    /* seconds before that */
	size_t size;    /* bytes of a message */
	size_t depth;   /* messages that may be queued */
	size_t bulk;    /* bytes that the process holds before it begins */
	long tasks;     /* submitted before the first result is asked for */
	int senders;
	int receivers;
	int workers;
	long live; /* objects alive beside */
};

/*
 * Messages between processes. open runs in the parent, before the fork; way is 0 for there, 1 for
 * back. attach runs in each process that uses the channel, after the fork. put and get move
 * `batch` messages (0 counts as 1), wait as long as need be, and end the process on failure.
 */
struct channel {
	const char *name;
	int batch;
	void *(*open)(const struct plan *plan, int way);
	void (*attach)(void *channel, int sends, int index);
	void (*put)(void *channel, const void *data, size_t size);
	void (*get)(void *channel, void *data, size_t size);
};

struct lock {
	const char *name;
	void *(*make)(void);
	void (*take)(void *lock);
	void (*give)(void *lock);
};

/* Starts a process that does nothing and waits for its end. */
struct start {
	const char *name;
	void (*once)(void);
};

/* Tasks that give their argument back. */
struct pool {
	const char *name;
	void (*open)(const struct plan *plan);
	void (*many)(long n); /* submits all, then takes all results */
	void (*one)(void);    /* submits one and waits for its result */
};

/* What fits none of the above: prints its figures itself. */
struct command {
	const char *name;
	void (*run)(const struct plan *plan);
};

#define WAYS_MOST 6

struct peer {
	void (*version)(void); /* prints it */
	struct channel channels[WAYS_MOST];
	struct lock locks[WAYS_MOST];
	struct start starts[WAYS_MOST];
	struct pool pools[WAYS_MOST];
	struct command commands[WAYS_MOST + 6];
};

extern const struct peer peer;

/* main hands over to this. */
int bench_main(int argc, char **argv);

double bench_now(void);           /* seconds */
void bench_pause(double seconds); /* busy: the core stays awake */
void bench_fail(const char *what) __attribute__((noreturn));
/* Memory that a process and its forks share, zeroed. */
void *bench_shared(size_t size);
/* A name that no other run has, for peers that need one. */
const char *bench_name(int way, int index);
/* Sorts and returns the middle one. */
double bench_median(double *values, long n);
/* Prints figures, in one line. */
void bench_say(int n, ...);

void bench_stream(const struct plan *plan, const struct channel *by);
void bench_trip(const struct plan *plan, const struct channel *by);
void bench_asleep(const struct plan *plan, const struct channel *by);
void bench_alone(const struct plan *plan, const struct lock *by);
void bench_race(const struct plan *plan, const struct lock *by);
void bench_start(const struct plan *plan, const struct start *by);
void bench_many(const struct plan *plan, const struct pool *by);
void bench_one(const struct plan *plan, const struct pool *by);
void bench_one_asleep(const struct plan *plan, const struct pool *by);

/*
 * Processes that do the same over and over, each counting in a word of its own, until the caller
 * has seen enough: bench_watch lets them warm up, writes how often each did it within the window
 * to counts, returns the window's length, and kills them.
 */
struct crew {
	int n;
	int pids[16];
	volatile uint64_t *counters; /* COUNTER_STEP apart */
};
#define COUNTER_STEP 32

void bench_crew(struct crew *crew);
typedef void bench_job(void *context, int index, volatile uint64_t *counter);
void bench_enlist(struct crew *crew, bench_job *job, void *context, int index);
double bench_watch(struct crew *crew, const struct plan *plan, uint64_t *counts);

#ifdef __cplusplus
}
#endif
#endif
