/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several things. Private to this layer, which uses all others but
 * the schema's.
 */
#ifndef CVY_WAIT_H
#define CVY_WAIT_H

#include <covey/select.h>

#include "channel/ready.h"

/* ---- things.c: what is waited for by words in memory */

/* Whether a kind is waited for at a word; the others have a descriptor. */
bool cvy_has_word(covey_waitable_kind kind);
/* 1: ready. 0: not. Or an error in words. */
int cvy_thing_ready(const covey_waitable *thing);
/* Says that one waits, then looks; where to sleep in *sleep for 0. */
int cvy_thing_arm(const covey_waitable *thing, struct cvy_sleep *sleep);
/* By one who was woken and found it ready. */
void cvy_thing_pass_on(const covey_waitable *thing);

/*
 * Sleeps until one of n words is no longer as it was, or until then; may return
 * early. Leaves the first word as the thread's pending entry (notify.h), for the
 * caller to take away once it has passed on what it found.
 */
void cvy_sleep_on(const struct cvy_sleep *sleeps, int n, int64_t deadline);
/* Until when to sleep at these, at the latest. */
int64_t cvy_sleep_end(const struct cvy_sleep *sleeps, int n, struct cvy_wait *wait);

/* As if futex_waitv were missing: for tests. */
extern bool cvy_waitv_missing;

/* ---- watch.c: the thread that turns words into descriptors */

/*
 * Has fd, an eventfd of the caller's, written to when the thing is ready. A
 * number to end it by, or an error in words.
 */
int64_t cvy_watch(const covey_waitable *thing, int fd);
/* Ends it: fd is not written to after. */
void cvy_unwatch(int64_t watch);

#endif
