/* SPDX-License-Identifier: MIT */
/*
 * Private face of the process layer: what pools need of it. Uses base and arena.
 */
#ifndef CVY_PROCESS_H
#define CVY_PROCESS_H

#include <covey/process.h>

#include "arena/arena.h"

/*
 * Has this process call fn when it ends by its own will, before its children are ended. There
 * is one such function, which finds nothing to do in a forked child.
 */
void cvy_at_process_end(void (*fn)(void));

/* Whether covey_init has run in this program. */
bool cvy_can_spawn(void);

/*
 * A nursery: a small single-threaded process that forks processes of the
 * family on request, reaps them, and records how they ended in their slots.
 * A forkserver is the nursery of a fresh image; a pool has one of its own.
 */
struct cvy_nursery;

/*
 * Starts one: for COVEY_FORK by forking the caller (which must have no threads
 * but covey's own idle ones, else -ENOTSUP in words), else by spawning a fresh
 * image (-ENOTSUP without covey_init). It ends when the caller ends or closes it.
 */
int cvy_nursery_open(struct cvy_nursery **nursery, covey_method method);

/*
 * Has it fork the process of a slot that is STARTING (fn, arg, name, daemon
 * filled in). Returns a pidfd for it (the caller's to close), or -errno in
 * words. -EPIPE: the nursery has died; cvy_nursery_restart() and try again.
 * fds (nfds of them, at most 8) are passed to the child, which finds them in
 * cvy_passed_fds. Thread-safe.
 */
int cvy_nursery_fork(struct cvy_nursery *nursery, uint32_t proc, const int *fds, int nfds);
int cvy_nursery_restart(struct cvy_nursery *nursery);

/*
 * Starts the process of a slot that is STARTING as a fresh image, to which fd is
 * passed as cvy_passed_fds[0]. Does not wait for it. Returns a pidfd; *pid out.
 */
int cvy_spawn_process(uint32_t proc, int fd, pid_t *pid);

/* Polls readable when the nursery has died or has news of an end; its pidfd. */
int cvy_nursery_pidfd(const struct cvy_nursery *nursery);

/* Ends it and waits for it; the processes that it forked live on. NULL is fine. */
void cvy_nursery_close(struct cvy_nursery *nursery);

/* In a process that a nursery forked: the descriptors that came with it. */
extern int cvy_passed_fds[8];
extern int cvy_passed_count;

/*
 * The wait status of a process of the family that has ended (its pidfd polls
 * readable), waiting briefly for the nursery's record where it is not ours to
 * reap. -1 where nobody could learn it (the reaper died too).
 */
int cvy_proc_reap(uint32_t proc, int pidfd);

/*
 * Where covey's own threads stand: so that the default method can tell them
 * from the program's. A thread that may hold locks of the C library at any
 * time must not be counted. Called by the thread as it starts and ends.
 */
void cvy_own_thread(int delta);

#endif
