/* SPDX-License-Identifier: MIT */
/*
 * The storm: families of many processes, some of which are killed or stopped at
 * any time, while memory and descriptors are scarce. What was sent must have
 * been received once, or have died with a receiver; each task must have ended
 * once. What a round consists of, and which faults come in which order, follows
 * from its seed alone; where they strike is the machine's.
 */
#ifndef STORM_H
#define STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <covey.h>

#define SENDERS_MOST 24
#define RECEIVERS_MOST 24
#define MESSAGES_MOST 4000
#define SIZE_MOST 600

/*
 * The books of a round, in a file that all map. began, put: by the sender itself,
 * before and after each put. received: by whoever received it, added up.
 */
struct books {
	volatile uint32_t stop;  /* senders put no more */
	volatile uint32_t torn;  /* messages that were not whole */
	volatile uint32_t order; /* messages that came before one sent earlier */
	volatile uint32_t odd;   /* calls that failed for no good reason */
	char words[200];
	volatile int32_t holder; /* pid of the worker that runs `hold`, by itself */
	volatile int32_t let_go; /* by the root */
	struct {
		volatile uint32_t began, put;
		volatile uint8_t received[MESSAGES_MOST];
	} sender[SENDERS_MOST];
};

/* A generator of numbers, the same for the same seed. */
struct dice {
	uint64_t state;
};
uint32_t roll(struct dice *dice, uint32_t sides);

/* What a sender or receiver is told. */
struct orders {
	char books[64]; /* path of the file */
	covey_queue queue;
	uint32_t number;
	uint32_t messages;
	uint64_t seed;
};
int storm_sender(const void *arg, size_t len);
int storm_receiver(const void *arg, size_t len);

struct books *books_open(const char *path);
/* NULL, or what does not balance, given how many receivers were killed. */
const char *books_balance(const struct books *books, uint32_t killed_receivers, uint32_t *sent,
                          uint32_t *received, uint32_t *died);

/* What came of a round. */
struct outcome {
	uint32_t sent, received, died; /* messages */
	uint32_t tasks, tasks_died;
	uint32_t killed, stopped; /* processes */
	char why[256];            /* empty: all was well */
};
/* Plays a round as the root of a family, in a process of its own. */
void storm_round(uint64_t seed, int ms, struct outcome *outcome);

#endif
