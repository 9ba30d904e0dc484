/* SPDX-License-Identifier: MIT */
/*
 * Looking at processes from outside: who sleeps, who is left. A wedge is told
 * by state, all asleep and nobody to wake them; time only bounds how long we
 * look, and how long all must be seen asleep before we believe it. It counts
 * only while the family can run: on a machine with much else to do it may wait
 * for a core for as long as it likes, and is slow then, but not wedged.
 */
#ifndef CRASH_WATCH_H
#define CRASH_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* How long those that are not seen asleep may run before we call them stuck, in seconds. */
#define PATIENCE 10.0
/* How long all must be seen asleep: less than any slice of covey's heals a sleep after. */
#define ASLEEP 0.2

/* Seconds on the monotonic clock. */
double now(void);

/* Has waits end every 2 ms to look round, and orphans come to this process. */
void watch_begin(void);

/* Whether a system call, by its number and second argument, is one that sleeps at a futex. */
bool is_futex_wait(long number, unsigned long op);
/* Whether a process sleeps for a futex (and is not on its way to wake one). */
bool asleep(pid_t pid);
/* Whether a thread sleeps for anything. */
bool thread_asleep(pid_t tid);

/* Of one wait; begun as {0}. */
struct patience {
	double since, last; /* when it began, when we looked */
	double spent;       /* while the family could run */
	double quiet;       /* of that, since those who matter were last seen awake */
	uint64_t ran;       /* by the family until then, ns */
};

/*
 * Looks at the family once more: whether that which we wait for, with those who matter to it
 * asleep or not, has been in vain for too long.
 */
bool in_vain(struct patience *p, bool asleep, double still);

/* Waits until *flag is set; false once its process sleeps and goes on sleeping. */
bool goes_on(volatile int *flag, pid_t pid);
/* The same where many processes are at it: false once all of them sleep for `still` seconds. */
bool all_go_on(volatile int *flag, double still);
/* Whether a process falls asleep before *done is set. */
bool falls_asleep(pid_t pid, volatile int *done);

/* Kills a child and reaps it. 0 is none. */
void end_process(pid_t pid);
/*
 * Reaps all that are left of the family, this process apart; false where some sleep
 * for `still` seconds and go on, which are killed then.
 */
bool all_gone(double still);

#endif
