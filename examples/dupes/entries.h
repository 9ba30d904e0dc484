/* SPDX-License-Identifier: MIT */
/* What was seen of files, and which of them are the same. */
#ifndef DUPES_ENTRIES_H
#define DUPES_ENTRIES_H

#include <stddef.h>
#include <stdint.h>

#include <covey.h>

struct entry {
	char *path;
	uint64_t size;
	uint64_t hash;
};

struct entries {
	struct entry *list;
	size_t n, room;
};

/* Adds one, with a copy of the path. 0, or 1 where memory is short. */
int entries_add(struct entries *entries, const char *path, uint64_t size, uint64_t hash);

/*
 * Prints groups of files with the same bytes, an empty line between, each group
 * and the groups in the order of their names. The hash says which may be the
 * same; whether they are is looked up in the files.
 */
void entries_print(struct entries *entries);

void entries_free(struct entries *entries);

#endif
