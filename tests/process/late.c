/* SPDX-License-Identifier: MIT */
/* A module that is loaded by the parent only, and late. */
#include <stddef.h>

int late_work(const void *arg, size_t len);

static int helper(int n)
{
	return n + 1;
}

int late_work(const void *arg, size_t len)
{
	return len == sizeof(int) ? helper(*(const int *)arg) : 99;
}
