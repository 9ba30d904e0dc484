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

/* The survivors beside the victim: sleepers first, then one that contends, one that wakes. */
#define SLEEPERS 6
#define CONTENDER SLEEPERS
#define WAKER (SLEEPERS + 1)
#define HELPERS (SLEEPERS + 2)

/* Shared between the sweeper and its children of one case; zeroed before each kill. */
struct board {
	volatile int phase;             /* of the victim: 1 inside the call, 2 beyond it */
	volatile int done[HELPERS];     /* by each helper when its call returned */
	volatile int rc[HELPERS];       /* what it returned */
	volatile uint32_t got[HELPERS]; /* the message it got */
	volatile int checked;           /* by the checker when all was well */
	volatile int torn;              /* by anyone who meets a torn message */
	/* In scenes, see below. */
	volatile int victim;                   /* by the actor: a thread */
	volatile int ready, settled;           /* by the actor */
	volatile int stepped, dead;            /* of the victim, by the sweeper */
	char why[200];                         /* by the checker otherwise */
	_Alignas(64) unsigned char area[4096]; /* the case's own */
};

/*
 * What a case works on are static variables of its file: setup fills them in
 * in the sweeper, and every process of the case is forked after that. What the
 * processes tell each other lies in the board's area.
 */

struct crash_case {
	const char *name;
	void (*setup)(void);
	void (*prepare)(void); /* in the victim, before it is stepped */
	void (*call)(void);    /* the victim's */
	int sleepers;          /* helpers that sleep before the victim begins */
	int (*sleeper)(uint32_t *got);
	bool held;      /* they are stopped just before they sleep, until the victim is dead */
	bool contended; /* another makes the call once the victim holds a lock */
	bool sleeps;    /* the victim itself sleeps; the waker then goes */
	int (*waker)(uint32_t *got);
	/* Runs in a survivor: 0, or why not. Helpers that should have gone on already have. */
	const char *(*check)(const struct board *);
	/* How many of the sleepers must have gone on by themselves, given the world now. */
	int (*awake)(void);
	void (*teardown)(void);
	uint64_t may_stay; /* bytes that an object made by the dead may hold */
	long every;        /* strides that many times as long, for long calls; 0: 1 */

	/* In place of call and what follows it, where the victim is another process: see below. */
	const char *(*scene)(void);
	enum victim {
		VICTIM_THREAD,  /* board->victim itself */
		VICTIM_NEWBORN, /* the next process that it forks, from its first instruction */
		VICTIM_IMAGE,   /* the same, where that is a fresh image: from covey_init */
	} victim;
	bool actor_dies; /* the victim is a thread of the actor: check says what must hold */
};

/*
 * A scene is played by an actor, a process of its own: it starts what it needs,
 * says in board->victim which thread is to be stepped, and calls scene_ready(),
 * which returns once that thread is. Then it does what the victim has to answer,
 * and, with that done, calls scene_settled(), which returns once the victim is
 * dead. It returns NULL, or what went wrong; the results of all calls must be
 * right, but for those that tell of the victim's death. The scene is over for
 * the victim when all is settled and it sleeps, or when it has ended.
 */
void scene_ready(void);
void scene_settled(void);

struct result {
	long steps; /* of the call when nobody kills it */
	long stride;
	long kills; /* at an instruction of it, or before its first */
	long wedged;
	long torn;
	long leaked;
	double slowest_ms; /* from a kill until the survivors had gone on */
	long slowest_at;   /* its instruction */
	char why[200];     /* of the first finding */
	long at;           /* its instruction */
	bool given_up;     /* after many findings */
	int core;          /* that it is swept on */
	bool swept;        /* to its end; else the sweeper itself ended */
};

extern struct board *board;

/* Where a case is killed. */
struct points {
	long stride;    /* after every so many instructions */
	long budget_ms; /* or at fewer, where that would take much longer; 0: it may */
	long at;        /* after so many only; -1: see above */
};

/* Sweeps one case. The result may be read meanwhile. */
void sweep(const struct crash_case *c, struct points points, struct result *result);

/* Messages that can tell whether they are whole. */
void make_message(unsigned char *to, size_t len, uint32_t id);
bool whole_message(const unsigned char *from, size_t len, uint32_t *id);

#endif
