/* SPDX-License-Identifier: MIT */
/*
 * What of the program was reached, between processes. Its functions are not counted
 * themselves: the compiler declares the counters in its own way where they are.
 */
#include "fuzz_arena.h"

#define UNCOUNTED __attribute__((no_sanitize("coverage")))

/* The counters; made by the compiler, found by the linker. */
extern uint8_t counters[] __asm__("__start___sancov_cntrs");
extern uint8_t counters_end[] __asm__("__stop___sancov_cntrs");

static UNCOUNTED size_t size_of_counters(void)
{
	size_t size = (size_t)(counters_end - counters);

	return size < PLACES_MOST ? size : PLACES_MOST;
}

UNCOUNTED void fuzz_tell_reached(void)
{
	for (size_t i = 0; i < size_of_counters(); i++)
		if (counters[i])
			fuzz_board->reached[i] = 1;
}

UNCOUNTED void fuzz_take_reached(void)
{
	for (size_t i = 0; i < size_of_counters(); i++)
		if (fuzz_board->reached[i])
			counters[i] = 1;
}
