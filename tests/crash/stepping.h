/* SPDX-License-Identifier: MIT */
/* One instruction at a time: of a child that asked to be traced, or of any thread of the family. */
#ifndef CRASH_STEPPING_H
#define CRASH_STEPPING_H

#include <stdbool.h>
#include <sys/types.h>

#include "waymark.h"

enum stepped {
	STEPPED = 0,
	STEP_SLEEPS, /* the instruction is a system call that sleeps; another step() waits on */
	STEP_ENDED,  /* the thread has ended */
};

struct stepping {
	pid_t tid; /* 0 once it has ended */
	pid_t pid; /* the process that is killed */
	bool sleeps;
	int signal;           /* to be delivered with the next step */
	struct waymark ahead; /* it runs to there; no hits: it is stepped */
	long taken;           /* how many instructions the last step was: 0 on the way to a mark */
};

/* In a child: to be stepped from here on by its parent, which calls stepping_child. */
void stepping_me(void);
void stepping_child(struct stepping *s, pid_t pid);
/* Stops a thread that runs or sleeps. */
bool stepping_seize(struct stepping *s, pid_t tid);
/*
 * Lets a stopped thread go, sets *go, and stops the next process that it forks
 * before its first instruction or, where it is a fresh image, in covey_init.
 * That is `s` then; the thread is let go for good.
 */
bool stepping_newborn(struct stepping *s, volatile int *go, bool image);
/* Whether the last can be done on this processor. */
extern const bool stepping_images;

/* One instruction; or as far as the next stop, where a mark is ahead. */
enum stepped step(struct stepping *s);
/* Has it run to a mark, if it can, from where it stands at its first instruction. */
void stepping_run_to(struct stepping *s, struct waymark mark);

/* Lets a stopped thread run until it is about to sleep at a futex, and stops it there. */
bool stepping_to_sleep(struct stepping *s);
/* Lets it go for good. */
void stepping_let_go(struct stepping *s);

/* Kills the process of the thread, if it has not ended, and sees it end. */
void stepping_kill(struct stepping *s);

#endif
