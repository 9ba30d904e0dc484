/* SPDX-License-Identifier: MIT */
/* The sums of chapters 13 and 14. */
#ifndef SUMS_H
#define SUMS_H

#include <stdint.h>

static uint64_t nums[] = {1,      10,      100,      1000,      10000,
                          100000, 1000000, 10000000, 100000000, 1000000000};

#define NUMS ((int)(sizeof nums / sizeof *nums))

/* from + ... + (to - 1), one after the other. */
static inline uint64_t sum_range(uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (uint64_t i = from; i < to; i++) {
		sum += i;
		/* Or the compiler would know the formula, or add several at once. */
		__asm__ volatile("" : "+r"(sum));
	}
	return sum;
}

/* What 0 + ... + (n - 1) must be. */
static inline uint64_t sum_formula(uint64_t n)
{
	return n % 2 ? n * ((n - 1) / 2) : n / 2 * (n - 1);
}

#endif
