/* SPDX-License-Identifier: MIT */
#include "cases.h"

#define AN_ADDRESS(name) &crash_noun_##name,

static const struct crash_noun *const nouns[] = {CRASH_NOUNS(AN_ADDRESS)};

const struct crash_case *crash_case(int i)
{
	for (size_t n = 0; n < sizeof nouns / sizeof *nouns; n++) {
		if (i < nouns[n]->count)
			return &nouns[n]->cases[i];
		i -= nouns[n]->count;
	}
	return NULL;
}
