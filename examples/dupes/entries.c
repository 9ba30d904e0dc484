/* SPDX-License-Identifier: MIT */
#include "entries.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int entries_add(struct entries *entries, const char *path, uint64_t size, uint64_t hash)
{
	if (entries->n == entries->room) {
		size_t room = entries->room ? 2 * entries->room : 256;
		struct entry *list = realloc(entries->list, room * sizeof *list);

		if (!list)
			return 1;
		entries->list = list;
		entries->room = room;
	}
	entries->list[entries->n] = (struct entry){strdup(path), size, hash};
	if (!entries->list[entries->n].path)
		return 1;
	entries->n++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static bool same_bytes(const struct entry *a, const struct entry *b)
{
	static char one[64 << 10], other[64 << 10];
	FILE *x = fopen(a->path, "re"), *y = fopen(b->path, "re");
	bool same = x && y;
	size_t n = 1;

	while (same && n > 0) {
		n = fread(one, 1, sizeof one, x);
		same = fread(other, 1, sizeof other, y) == n && !memcmp(one, other, n);
	}
	if (x)
		fclose(x);
	if (y)
		fclose(y);
	return same;
}

/* Files of one size and hash, in the order of their names: an index of the first of each. */
static int by_contents(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a;
	const struct entry *y = *(const struct entry *const *)b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x < y ? -1 : x > y;
}

void entries_print(struct entries *entries)
{
	size_t n = entries->n;
	struct entry **order = calloc(n + 1, sizeof *order);
	/* For each file the next of its group, itself for none; and whether one came before. */
	size_t *next = calloc(n + 1, sizeof *next);
	bool *later = calloc(n + 1, sizeof *later), first = true;

	if (!order || !next || !later) {
		fprintf(stderr, "dupes: out of memory\n");
		n = 0;
	}
	qsort(entries->list, n, sizeof *entries->list, by_name);
	for (size_t i = 0; i < n; i++) {
		order[i] = &entries->list[i];
		next[i] = i;
	}
	qsort(order, n, sizeof *order, by_contents);
	for (size_t i = 0; i + 1 < n; i++) {
		struct entry *a = order[i], *b = order[i + 1];

		if (a->size == b->size && a->hash == b->hash && same_bytes(a, b)) {
			next[a - entries->list] = (size_t)(b - entries->list);
			later[b - entries->list] = true;
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (later[i] || next[i] == i)
			continue;
		printf("%s%s\n", first ? "" : "\n", entries->list[i].path);
		for (size_t at = i; next[at] != at; at = next[at])
			printf("%s\n", entries->list[next[at]].path);
		first = false;
	}
	free(order);
	free(next);
	free(later);
}

void entries_free(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++)
		free(entries->list[i].path);
	free(entries->list);
}
