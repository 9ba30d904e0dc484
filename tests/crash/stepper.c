/* SPDX-License-Identifier: MIT */
/* A call of one process is killed, with survivors of the case's beside it. */
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "stepping.h"
#include "sweep.h"
#include "watch.h"

static pid_t start_helper(int slot, int (*call)(uint32_t *), bool stepped)
{
	pid_t pid = child();

	if (pid == 0) {
		uint32_t got = 0;

		if (stepped)
			stepping_me();
		board->rc[slot] = call(&got);
		board->got[slot] = got;
		board->done[slot] = 1;
		_exit(0);
	}
	return pid;
}

struct run {
	const struct crash_case *c;
	pid_t victim, contender, waker;
	struct stepping stepping;
	struct robust_list_head *robust; /* the victim's, at its address there */
	struct robust_list *at_rest;     /* the first entry when it holds its life only */
	pid_t sleeper[SLEEPERS];
	struct stepping held[SLEEPERS];
	int started;
	enum way way;
	bool began; /* the victim its call */
	bool slept; /* and goes on from there */
	int leg;    /* how often it has */
	long steps;
	bool complete; /* the call ended before instruction k */
};

static bool start_sleepers(struct run *r)
{
	while (r->started < r->c->sleepers) {
		int i = r->started++;

		r->sleeper[i] = start_helper(i, r->c->sleeper, r->c->held);
		if (r->c->held) {
			/* It has looked, and is about to sleep. */
			stepping_child(&r->held[i], r->sleeper[i]);
			if (!stepping_to_sleep(&r->held[i]))
				return false;
		} else if (!falls_asleep(r->sleeper[i], &board->done[i])) {
			return false;
		}
	}
	return true;
}

/* The first entry in the victim's list of robust mutexes. */
static struct robust_list *first_held(const struct run *r)
{
	struct robust_list_head head;
	struct iovec here = {&head, sizeof head}, there = {r->robust, sizeof head};

	if (process_vm_readv(r->victim, &here, 1, &there, 1, 0) != sizeof head)
		return r->at_rest;
	return head.list.next;
}

static void start_victim(struct run *r)
{
	size_t len;

	r->victim = child();
	if (r->victim == 0) {
		cvy_self(); /* joins the family before the call that is swept */
		if (r->c->prepare)
			r->c->prepare();
		stepping_me();
		board->phase = 1;
		r->c->call();
		board->phase = 2;
		_exit(0);
	}
	stepping_child(&r->stepping, r->victim);
	if (syscall(SYS_get_robust_list, r->victim, &r->robust, &len) < 0)
		r->robust = NULL;
	r->at_rest = first_held(r);
}

/* Whether the victim, stopped now, holds a robust mutex beside its life. */
static bool holds_lock(const struct run *r)
{
	return first_held(r) != r->at_rest;
}

static void (*contended_call)(void);
static int contend(uint32_t *got)
{
	(void)got;
	contended_call();
	return 0;
}

/* Whether the victim's sleep ends: it may be for somebody who has been woken beside it. */
static bool sleep_ends(const struct run *r)
{
	struct patience patience = {0};

	for (; asleep(r->victim); usleep(20))
		if (in_vain(&patience, true, ASLEEP))
			return false;
	return true;
}

/* Has the victim's sleep end: those who sleep beside it, then the one who wakes it. */
static const char *wake_victim(struct run *r)
{
	if ((r->waker || !r->c->sleeps) && sleep_ends(r))
		return NULL;
	if (!r->c->sleeps || r->waker)
		return "victim sleeps where nobody wakes it";
	if (!start_sleepers(r))
		return "setup: a sleeper did not sleep";
	r->waker = start_helper(WAKER, r->c->waker, false);
	return goes_on(&board->done[WAKER], r->waker) ? NULL : "the waker is stuck";
}

/* It begins its call, or goes on after a sleep of it: all at once as far as that helps. */
static void set_out(struct run *r, long k)
{
	if (r->slept)
		r->leg++;
	if (r->slept && r->way == WAY_NOTED)
		trail_note_leg();
	r->began = true;
	r->slept = false;
	if (r->way == WAY_BY_MARKS && !r->c->contended)
		stepping_run_to(&r->stepping, waymark_before(k, r->steps, r->leg));
}

static void start_contender(struct run *r)
{
	contended_call = r->c->call;
	r->contender = start_helper(CONTENDER, contend, false);
	falls_asleep(r->contender, &board->done[CONTENDER]);
}

/* Steps the victim k instructions into its call. NULL, or why that could not be done. */
static const char *step_to(struct run *r, long k)
{
	const char *why;

	for (;;) {
		enum stepped stepped;

		if (board->phase == 1 && r->steps >= k)
			return NULL;
		if (board->phase == 1 && !r->began)
			set_out(r, k);
		if (board->phase == 1 && r->way == WAY_NOTED)
			trail_note(r->stepping.tid, r->steps);
		stepped = board->phase == 2 ? STEP_ENDED : step(&r->stepping);
		if (stepped == STEP_ENDED) {
			r->complete = true;
			return NULL;
		}
		if (stepped == STEP_SLEEPS) {
			if (!asleep(r->victim))
				continue;
			if (r->steps + 1 == k) { /* killed while it sleeps */
				r->steps++;
				return NULL;
			}
			if (r->c->sleeps && r->stepping.ahead.hits) { /* another way */
				r->complete = true;
				return NULL;
			}
			why = wake_victim(r);
			if (why)
				return why;
			r->slept = r->c->sleeps;
			continue;
		}
		if (r->began)
			r->steps += r->stepping.taken;
		if (r->slept)
			set_out(r, k);
		if (r->c->contended && !r->contender && board->phase == 1 && holds_lock(r))
			start_contender(r);
	}
}

/* The sleepers that should have gone on have; else why. */
static const char *all_awake(struct run *r)
{
	struct patience patience = {0};

	for (;; usleep(20)) {
		int done = 0, must = r->c->awake ? r->c->awake() : 0;
		bool sleeping = true;

		for (int i = 0; i < r->started; i++) {
			done += board->done[i];
			sleeping &= board->done[i] || asleep(r->sleeper[i]);
		}
		if (done >= must || done == r->started)
			return NULL;
		if (in_vain(&patience, sleeping, ASLEEP))
			return sleeping ? "lost wake-up: it could go on, and sleeps"
			                : "a sleeper does not go on";
	}
}

/* After the kill: the contender, the sleepers, a fresh survivor. NULL, or what is wrong. */
static const char *look_at_survivors(struct run *r)
{
	const char *why = NULL;

	for (int i = 0; i < r->started; i++)
		stepping_let_go(&r->held[i]);
	if (r->contender && !goes_on(&board->done[CONTENDER], r->contender))
		return "the contender is stuck";
	why = all_awake(r);
	/* Those who rightly sleep on would take what the survivor puts. */
	for (int i = 0; i < r->started; i++)
		end_process(r->sleeper[i]);
	r->started = 0;
	end_process(r->contender);
	end_process(r->waker);
	r->contender = r->waker = 0;
	/* Those whom the victim had started end by themselves. */
	if (!why && !all_gone(ASLEEP))
		why = "a process is left";
	return why ? why : check_in_survivor(r->c);
}

enum killed kill_at(const struct crash_case *c, long k, enum way way, struct result *result)
{
	struct run r = {.c = c, .way = way};
	const char *why = NULL;
	double since = now();

	memset(board, 0, sizeof *board);
	c->setup();
	if (!c->sleeps && !start_sleepers(&r))
		why = "setup: a sleeper did not sleep";
	if (!why) {
		start_victim(&r);
		why = step_to(&r, k);
		stepping_kill(&r.stepping);
		since = now();
	}
	if (!why)
		why = look_at_survivors(&r);
	if (why)
		finding(result, board->torn ? &result->torn : &result->wedged, k, why);
	if (!r.complete)
		took(result, k, now() - since);
	for (int i = 0; i < r.started; i++)
		end_process(r.sleeper[i]);
	end_process(r.contender);
	end_process(r.waker);
	c->teardown();
	if (!all_gone(ASLEEP))
		finding(result, &result->leaked, k, "a process is left");
	return killed(&r.stepping, r.complete, r.steps, result);
}
