/* SPDX-License-Identifier: MIT */
#ifndef COVEY_TASK_H
#define COVEY_TASK_H
#include <covey/pool.h>
#endif
