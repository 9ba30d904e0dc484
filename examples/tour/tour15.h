/* SPDX-License-Identifier: MIT */
#ifndef TOUR15_H
#define TOUR15_H

#include "tour.h"

/* The second half of the chapter: what threads and processes cost. */
int tour15_costs(void);

#endif
