/* SPDX-License-Identifier: MIT */
/*
 * Faults to be caught: tests/crash builds the queue once more with each of them,
 * and sees that the kill sweep finds it. Nothing else sets CVY_BROKEN.
 */
#ifndef CVY_BROKEN_H
#define CVY_BROKEN_H

#define CVY_WAKE_UNGUARDED 1  /* the kernel does not know whom to wake should a publisher die */
#define CVY_PUBLISH_FIRST 2   /* a message is there before it is copied */
#define CVY_COUNTER_OUTSIDE 3 /* bytes are counted after the lock is given back */

#define CVY_INDEX_UNSEEN 4 /* who sleeps does not heed that what it looked at has changed */

#ifndef CVY_BROKEN
#define CVY_BROKEN 0
#endif

#endif
