/* SPDX-License-Identifier: MIT */
#ifndef COVEY_SCHEMA_H
#define COVEY_SCHEMA_H
#include <covey/base.h>
#endif
