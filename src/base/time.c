/* SPDX-License-Identifier: MIT */
/* Deadlines: nanoseconds on the monotonic clock, which no clock step moves. */
#include "base/base.h"

#include <limits.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

int64_t cvy_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

int64_t cvy_now_coarse(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

int64_t cvy_deadline(int timeout_ms)
{
	if (timeout_ms < 0)
		return CVY_NEVER;
	if (timeout_ms == 0)
		return 0;
	return cvy_now() + timeout_ms * CVY_MS;
}

struct timespec cvy_timespec(int64_t ns)
{
	return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

int cvy_poll_ms(int64_t deadline)
{
	int64_t left;

	if (deadline == CVY_NEVER)
		return -1;
	left = deadline - cvy_now();
	if (left <= 0)
		return 0;
	left = (left + CVY_MS - 1) / CVY_MS;
	return left > INT_MAX ? INT_MAX : (int)left;
}
