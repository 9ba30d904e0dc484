/* SPDX-License-Identifier: MIT */
/* Between the tour's main and its printing; no matter of the chapters. */
#ifndef TOUR_OUTPUT_H
#define TOUR_OUTPUT_H

#include "tour.h"

/* The environment variable that carries --pace to every process. */
#define TOUR_PACE "COVEY_TOUR_PACE"

struct output {
	int colour;
	int checks;
	int failed;
};

extern struct output output;

void tour_title(int number, const char *title);

#endif
