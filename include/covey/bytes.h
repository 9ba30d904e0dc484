/* SPDX-License-Identifier: MIT */
/*
 * Strings and objects as bytes: what a pointer stands for in the short calls of
 * dicts and lists. A char pointer is a string, and stands for its characters
 * without the zero; any other pointer stands for the one object it points to.
 */
#ifndef COVEY_BYTES_H
#define COVEY_BYTES_H

#include <covey/base.h>

/* As a length: that of the string, up to its zero. Since 0.1. */
#define COVEY_TEXT SIZE_MAX

/* A pointer and its length, as two arguments of a call. C only. Since 0.1. */
#ifndef __cplusplus
/* clang-format off: it does not know _Generic */
#define COVEY_BYTES_OF(p) \
	(p), _Generic((p), char * : COVEY_TEXT, const char * : COVEY_TEXT, default : sizeof *(p))
/* clang-format on */
#endif

#endif
