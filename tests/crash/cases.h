/* SPDX-License-Identifier: MIT */
#ifndef CRASH_CASES_H
#define CRASH_CASES_H

#include "stepper.h"

extern const struct crash_case crash_cases[];
extern const int crash_case_count;

#endif
