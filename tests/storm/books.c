/* SPDX-License-Identifier: MIT */
/* What all write down, and what it comes to. */
#include "storm.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/runner.h"

struct books *books;

uint32_t roll(struct dice *dice, uint32_t sides)
{
	/* splitmix64 */
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) >> 33) % sides;
}

bool books_open(pid_t owner, int held)
{
	char path[64];
	void *map;
	int fd;

	if (books)
		return true;
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)owner, held);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	map = mmap(NULL, sizeof *books, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return false;
	books = map;
	return true;
}

void doing(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(books->doing, sizeof books->doing, format, args);
	va_end(args);
}

void wrong(const char *format, ...)
{
	char words[sizeof books->words];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof words, format, args);
	va_end(args);
	if (__atomic_fetch_add(&books->wrong, 1, __ATOMIC_SEQ_CST) == 0)
		memcpy(books->words, words, sizeof words);
}

bool is_dead(pid_t pid)
{
	char state = state_of(pid);

	return !state || state == 'Z' || state == 'X';
}

static bool is_of(const struct actor *a, int role, int about)
{
	return a->role == role && (about < 0 || a->about == about);
}

uint32_t dead_of(int role, int about)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < books->actors; i++)
		n += is_of(&books->actor[i], role, about) && books->actor[i].pid &&
		     !books->actor[i].ended && is_dead(books->actor[i].pid);
	return n;
}

bool one_lives(int role, int about)
{
	for (uint32_t i = 0; i < books->actors; i++) {
		const struct actor *a = &books->actor[i];

		if (is_of(a, role, about) && a->pid && !a->ended && !is_dead(a->pid))
			return true;
	}
	return false;
}

void span_add(struct span *span, int role, int column, int sign)
{
	for (uint32_t i = 0; i < books->actors; i++) {
		const struct actor *a = &books->actor[i];
		int64_t done = a->done[column], begun = a->begun[column];

		if (a->role != role)
			continue;
		span->least += sign > 0 ? done : -begun;
		span->most += sign > 0 ? begun : -done;
	}
}
