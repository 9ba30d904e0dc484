/* SPDX-License-Identifier: MIT */
/*
 * The stepping killer: runs a call in a child, one instruction at a time, kills
 * it after exactly k of them, for every k from none to all, and has the
 * survivors prove each time that nothing is wedged, torn or leaked.
 *
 * A case says how to set up, which call the victim makes, who sleeps beside it,
 * and what must hold afterwards. The insurance slices of sleeping receivers and
 * senders are switched off, so that a lost wake-up stays lost and is seen: a
 * wedge is a survivor that is asleep in the kernel although it should have gone
 * on, found by state; the clock only bounds how long we look.
 */
#ifndef CRASH_STEPPER_H
#define CRASH_STEPPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <covey.h>

#define HELPERS 4

/* Shared between the sweeper and its children of one case; zeroed before each kill. */
struct board {
	volatile int phase;             /* of the victim: 1 inside the call, 2 beyond it */
	volatile int done[HELPERS];     /* by each helper when its call returned */
	volatile int rc[HELPERS];       /* what it returned */
	volatile uint32_t got[HELPERS]; /* the message it got */
	volatile int checked;           /* by the checker when all was well */
	volatile int torn;              /* by anyone who meets a torn message */
	char why[200];                  /* by the checker otherwise */
};

/* What a case works on; made anew before each kill. */
struct world {
	covey_queue q;
	covey_lock lock;
	covey_rlock rlock;
	uint64_t count; /* messages or rounds at the start, as the case uses it */
};

struct crash_case {
	const char *name;
	void (*setup)(struct world *);
	void (*call)(struct world *); /* the victim's */
	int sleepers;                 /* helpers that sleep before the victim begins */
	int (*sleeper)(struct world *, uint32_t *got);
	bool contended; /* another makes the call while the victim holds a lock */
	bool sleeps;    /* the victim itself sleeps; the waker then goes */
	int (*waker)(struct world *, uint32_t *got);
	/* Runs in a survivor: 0, or why not. Helpers that should have gone on already have. */
	const char *(*check)(struct world *, const struct board *);
	/* How many of the sleepers must have gone on by themselves, given the world now. */
	int (*awake)(struct world *);
	void (*teardown)(struct world *);
	uint64_t may_stay; /* bytes that an object made by the dead may hold */
};

struct result {
	char name[64];
	long steps;
	long kills;
	long wedged;
	long torn;
	long leaked;
	double slowest_ms;
	char why[200]; /* of the first finding */
	long at;       /* its instruction */
};

extern struct board *board;

/* Sweeps one case, at every `stride`th instruction. */
void sweep(const struct crash_case *c, long stride, struct result *result);

/* Messages that can tell whether they are whole. */
void make_message(unsigned char *to, size_t len, uint32_t id);
bool whole_message(const unsigned char *from, size_t len, uint32_t *id);

#endif
