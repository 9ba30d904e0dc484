/* SPDX-License-Identifier: MIT */
/* Allocations that fail, descriptors and address space that run out. */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define TAKEN_MOST 1024

static volatile uint32_t failing; /* one allocation in so many; 0: none */
static int taken[TAKEN_MOST], takens;

/* ---- failing allocations: in place of the C library's */

#ifndef STORM_SANITIZED /* a sanitizer has an allocator of its own */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool fails(void)
{
	static __thread struct dice dice;

	if (!failing || !one_in(&dice, failing))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}
#endif

/* ---- descriptors */

/* Uses them up but for `left`. */
static void take_descriptors(int left)
{
	int fd;

	while (takens < TAKEN_MOST && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		taken[takens++] = fd;
	while (left-- > 0 && takens > 0)
		close(taken[--takens]);
}

/* ---- address space */

static uint64_t address_space(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file) {
		if (fscanf(file, "%lu", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit_address_space(uint64_t left)
{
	struct rlimit limit;
	uint64_t used = address_space();

	if (used && getrlimit(RLIMIT_AS, &limit) == 0) {
		limit.rlim_cur = used + left;
		setrlimit(RLIMIT_AS, &limit);
	}
}

/* ---- when */

void hardship(struct dice *dice)
{
	switch (roll(dice, 8)) {
	case 0:
		failing = 2 + roll(dice, 20);
		break;
	case 1:
		take_descriptors((int)roll(dice, 4));
		break;
	case 2:
		limit_address_space(roll(dice, 1 << 20));
		break;
	default:
		break;
	}
}

void shortage(struct dice *dice)
{
	switch (roll(dice, 3)) {
	case 0:
		take_descriptors((int)roll(dice, 12));
		break;
	case 1:
		failing = 2 + roll(dice, 30);
		break;
	default:
		limit_address_space(roll(dice, 1 << 22));
	}
}

void relief(void)
{
	struct rlimit limit;

	failing = 0;
	while (takens > 0)
		close(taken[--takens]);
	if (getrlimit(RLIMIT_AS, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_AS, &limit);
	}
}
