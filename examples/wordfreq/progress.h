/* SPDX-License-Identifier: MIT */
/* A line on stderr that tells how far it is, where stderr is a terminal. */
#ifndef WORDFREQ_PROGRESS_H
#define WORDFREQ_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct progress {
	int shown; /* stderr is a terminal */
	double start;
	double drawn; /* when it was drawn last */
	size_t files, all_files;
	uint64_t bytes, all_bytes;
};

/* Seconds on a clock that only goes forward. */
double seconds_now(void);

void progress_start(struct progress *p, size_t all_files, uint64_t all_bytes);

/* Draws it anew, at most ten times a second. */
void progress_draw(struct progress *p);

/* Takes it away, before other output and at the end. */
void progress_clear(struct progress *p);

#endif
