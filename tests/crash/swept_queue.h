/* SPDX-License-Identifier: MIT */
/* What the cases of queues work on: a queue of some contents, and whether it is sound afterwards.
 */
#ifndef CRASH_SWEPT_QUEUE_H
#define CRASH_SWEPT_QUEUE_H

#include "stepper.h"

#define FILLED 6
#define SMALL 64
#define LARGE 1500

extern covey_queue q;
extern uint64_t count; /* messages in it at the start */

/* The victim's message and buffer, made ready before it is stepped. */
extern unsigned char victims[LARGE];
#define HELPERS_ID 70

void put_id(size_t len, uint32_t id);

void empty_queue(void);
void half_full_queue(void);
void full_queue(void);
/* All slots of the first segment used: the next put chains one. */
void brimming_queue(void);
/* All of the first segment taken, more in the next: the next get leaves the first. */
void crossing_queue(void);
void large_queue(void);
void end_queue(void);

/* What is left is whole and in order, and the queue works on. */
const char *drain_and_use(const struct board *b);
/* The same, after a check of how many messages there may be. */
const char *count_drain_and_use(const struct board *b, uint64_t least, uint64_t most);

#endif
