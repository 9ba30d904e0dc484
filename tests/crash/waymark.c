/* SPDX-License-Identifier: MIT */
#include "waymark.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>

/* By how many instructions a mark must shorten the way. */
#define WORTH_IT 30
#define LEGS_MOST 16

static struct {
	uint64_t *at; /* of each instruction, its address */
	long *best;   /* for each, the one before it from which the way is shortest */
	long *hits;   /* for each, how often its address was reached, itself included */
	long noted, room;
	long leg[LEGS_MOST + 1]; /* where each begins; the first at 0 */
	int legs;
} trail;

static void *grown(void *block, size_t size)
{
	block = realloc(block, size);
	if (!block)
		abort();
	return block;
}

void trail_begin(void)
{
	trail.noted = 0;
	trail.leg[0] = 0;
	trail.legs = 1;
}

void trail_note_leg(void)
{
	if (trail.legs < LEGS_MOST)
		trail.leg[trail.legs++] = trail.noted;
}

void trail_note(pid_t tid, long steps)
{
	if (steps != trail.noted)
		return;
	if (trail.noted == trail.room) {
		trail.room = trail.room ? 2 * trail.room : 4096;
		trail.at = grown(trail.at, (size_t)trail.room * sizeof *trail.at);
	}
	trail.at[trail.noted++] = next_instruction(tid);
}

bool trail_repeats(long i)
{
	return i > 0 && i < trail.noted && trail.at[i] == trail.at[i - 1];
}

static int by_address_then_time(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;
	uint64_t p = trail.at[x], q = trail.at[y];

	return p != q ? (p > q) - (p < q) : (x > y) - (x < y);
}

/* Works out hits, of each address anew in each leg; `order` has them by address and time. */
static void count_hits(const long *order)
{
	for (long i = 0; i < trail.noted; i++) {
		long now = order[i], last = i ? order[i - 1] : -1;
		bool again = i && trail.at[now] == trail.at[last];

		for (int leg = 1; again && leg < trail.legs; leg++)
			again = now < trail.leg[leg] || last >= trail.leg[leg];
		/* An instruction that repeats itself stops at its breakpoint but once. */
		trail.hits[now] = (again ? trail.hits[last] : 0) + !trail_repeats(now);
	}
}

void trail_end(void)
{
	size_t size = (size_t)(trail.noted + 1) * sizeof(long);
	long *order = grown(NULL, size);
	int leg = 0;

	trail.hits = grown(trail.hits, size);
	trail.best = grown(trail.best, size);
	trail.leg[trail.legs] = trail.noted;
	for (long i = 0; i < trail.noted; i++)
		order[i] = i;
	qsort(order, (size_t)trail.noted, sizeof *order, by_address_then_time);
	count_hits(order);
	free(order);
	for (long i = 0; i < trail.noted; i++) {
		long last = i ? trail.best[i - 1] : 0;
		bool better = trail.hits[i] - i < trail.hits[last] - last;

		while (i >= trail.leg[leg + 1])
			leg++;
		if (i == trail.leg[leg])
			last = i;
		trail.best[i] = trail.at[i] && better && !trail_repeats(i) ? i : last;
	}
}

struct waymark waymark_before(long k, long steps, int leg)
{
	long last, best;

	if (leg >= trail.legs)
		return (struct waymark){0};
	last = (k < trail.leg[leg + 1] ? k : trail.leg[leg + 1]) - 1;
	if (last < trail.leg[leg])
		return (struct waymark){0};
	best = trail.best[last];
	if (best - steps - trail.hits[best] < WORTH_IT)
		return (struct waymark){0};
	return (struct waymark){trail.at[best], trail.hits[best], best - steps};
}

#ifdef __x86_64__

#define DEBUG_REGISTER(n) ((void *)(offsetof(struct user, u_debugreg) + (n) * sizeof(long)))

bool breakpoint_set(pid_t tid, uint64_t at)
{
	return ptrace(PTRACE_POKEUSER, tid, DEBUG_REGISTER(0), (void *)at) == 0 &&
	       ptrace(PTRACE_POKEUSER, tid, DEBUG_REGISTER(7), (void *)1) == 0;
}

void breakpoint_clear(pid_t tid)
{
	ptrace(PTRACE_POKEUSER, tid, DEBUG_REGISTER(7), NULL);
}

uint64_t next_instruction(pid_t tid)
{
	return (uint64_t)ptrace(PTRACE_PEEKUSER, tid, offsetof(struct user, regs.rip), NULL);
}

#else

bool breakpoint_set(pid_t tid, uint64_t at)
{
	(void)tid;
	(void)at;
	return false;
}

void breakpoint_clear(pid_t tid)
{
	(void)tid;
}

uint64_t next_instruction(pid_t tid)
{
	(void)tid;
	return 0;
}

#endif
