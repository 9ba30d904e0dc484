/* SPDX-License-Identifier: MIT */
/* A case, killed at one instruction after another; and what both ways of killing need. */
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/layout.h"
#include "watch.h"

struct board *board;

void make_message(unsigned char *to, size_t len, uint32_t id)
{
	for (size_t i = 4; i < len; i++)
		to[i] = (unsigned char)(id * 131 + i * 7 + (i >> 8));
	memcpy(to, &id, 4);
}

bool whole_message(const unsigned char *from, size_t len, uint32_t *id)
{
	memcpy(id, from, 4);
	for (size_t i = 4; i < len; i++)
		if (from[i] != (unsigned char)(*id * 131 + i * 7 + (i >> 8)))
			return false;
	return true;
}

pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		_exit(99);
	}
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

const char *check_in_survivor(const struct crash_case *c)
{
	pid_t pid = child();

	if (pid == 0) {
		const char *why = c->check(board);

		if (why)
			snprintf(board->why, sizeof board->why, "%s (%s)", why, covey_errmsg());
		board->checked = why ? -1 : 1;
		_exit(0);
	}
	if (!goes_on(&board->checked, pid)) {
		end_process(pid);
		return "a survivor is stuck";
	}
	waitpid(pid, NULL, 0);
	return board->checked < 0 ? board->why : NULL;
}

static uint64_t held(void)
{
	cvy_procs_sweep(); /* as the arena does where memory runs out */
	/* Slots of objects are kept for good. */
	return atomic_load(&cvy_header()->used) - atomic_load(&cvy_header()->warm_bytes) -
	       cvy_header()->object_backed;
}

void finding(struct result *result, long *kind, long k, const char *why)
{
	(*kind)++;
	if (!result->why[0]) {
		snprintf(result->why, sizeof result->why, "%s", why);
		result->at = k;
	}
}

void took(struct result *result, long k, double seconds)
{
	if (seconds * 1e3 <= result->slowest_ms)
		return;
	result->slowest_ms = seconds * 1e3;
	result->slowest_at = k;
}

/* Findings after which a case is given up. */
#define ENOUGH 20
/* Of the times that one instruction repeats itself, filling or copying memory, each so many-th. */
#define REPEATS 61

enum killed killed(const struct stepping *s, bool ended, long steps, struct result *result)
{
	if (!ended) {
		result->kills++;
		return KILLED;
	}
	if (s->ahead.hits)
		return OFF_THE_WAY;
	result->steps = steps;
	return OVER_BEFORE;
}

static enum killed one_kill(const struct crash_case *c, long k, enum way way, struct result *result)
{
	return c->scene ? kill_in_scene(c, k, way, result) : kill_at(c, k, way, result);
}

/* A stride that keeps to the budget, given how long a kill takes. */
static long widen(long stride, long budget_ms, double ms, long steps)
{
	long kills = (long)((double)budget_ms / ms) + 1;

	if (steps / kills >= stride)
		return (steps / kills + 1) | 1;
	return stride;
}

/* One kill; true when there is no sense in more: the call was over before, or much was found. */
static bool one_point(const struct crash_case *c, long k, struct result *result)
{
	uint64_t before = held();
	enum killed killed = one_kill(c, k, WAY_BY_MARKS, result);

	if (killed == OFF_THE_WAY) {
		before = held();
		killed = one_kill(c, k, WAY_STEPPED, result);
	}
	if (held() > before + c->may_stay)
		finding(result, &result->leaked, k, "memory is held by nobody");
	if (killed == OVER_BEFORE)
		return true;
	result->given_up = result->wedged + result->torn + result->leaked >= ENOUGH;
	return result->given_up;
}

void sweep(const struct crash_case *c, struct points points, struct result *result)
{
	long stride = points.stride * (c->every ? c->every : 1);
	covey_usage usage;
	double since;

	if (covey_usage_get(&usage) < 0)
		return;
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	             0);
	if (board == MAP_FAILED)
		return;
	watch_begin();
	/* Unharmed: until what is kept for good (control blocks) is there; then to see the way. */
	one_kill(c, INT32_MAX, WAY_STEPPED, result);
	trail_begin();
	one_kill(c, INT32_MAX, WAY_NOTED, result);
	trail_end();
	if (points.at >= 0) {
		one_point(c, points.at, result);
	} else {
		if (points.budget_ms) {
			since = now();
			one_point(c, result->steps / 2, result);
			stride = widen(stride, points.budget_ms, (now() - since) * 1e3,
			               result->steps);
		}
		result->stride = stride;
		for (long k = 0; (k % REPEATS && trail_repeats(k)) || !one_point(c, k, result);
		     k += stride)
			;
	}
	result->swept = true;
	munmap(board, sizeof *board);
}
