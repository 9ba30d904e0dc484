/* SPDX-License-Identifier: MIT */
#ifndef CVY_PACE_H
#define CVY_PACE_H

#include "base/base.h"

/*
 * How a side that has caught up with the other paces itself. One that looks for
 * the next message again and again takes the cache line from under the other,
 * which then moves at the speed of lines between cores. So where messages come
 * one by one and shortly after another, it lets some time pass before it looks,
 * and finds many. Where that brings no more than one (each waits for the
 * other's answer), it stops, and tries again only much later.
 */
struct pace {
	int32_t gap;   /* in PACE_STEPs that are let pass; 0: none */
	int32_t close; /* how often in a row next to nothing was there, and came shortly after */
};
#define PACE_MOST 4
#define PACE_AFTER 16
#define PACE_NOT_AFTER (-1024)
#define PACE_ENOUGH 8

/* Before looking. */
static inline void cvy_pace(const struct pace *pace)
{
	int32_t gap = pace->gap;

	if (gap <= 0 || gap > PACE_MOST)
		return;
	for (int i = gap * cvy_spins() / 64; i > 0; i--)
		cvy_pause();
}

/* After it: so many were there, shortly after or at once. */
static inline void cvy_pace_learn(struct pace *pace, uint64_t found, bool shortly)
{
	if (found >= PACE_ENOUGH)
		return;
	if (pace->gap) {
		if (found > 1 && pace->gap < PACE_MOST) {
			pace->gap++;
		} else if (found <= 1) {
			pace->gap = 0;
			pace->close = PACE_NOT_AFTER;
		}
	} else if (!shortly) {
		pace->close = 0;
	} else if (++pace->close >= PACE_AFTER) {
		pace->gap = 1;
		pace->close = 0;
	}
}

#endif
