/* SPDX-License-Identifier: MIT */
/* A round seen from outside. */
#ifndef STORM_WATCH_H
#define STORM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

/* Plays a round in a process of its own; whether all was well, with the books in *told. */
bool watch_round(uint64_t seed, struct books *told, bool leave);

#endif
