/* SPDX-License-Identifier: MIT */
/* A scene: the victim is a process or thread that the actor has started, and is caught in its
 * sleep. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "stepping.h"
#include "sweep.h"
#include "watch.h"

/* All must be seen asleep for longer than a supervisor waits for what a dead nursery did not
 * record. */
#define ASLEEP_IN_SCENE 0.7

/* ---- the actor */

void scene_ready(void)
{
	board->ready = 1;
	while (!board->stepped)
		usleep(50);
}

void scene_settled(void)
{
	board->settled = 1;
	while (!board->dead)
		usleep(50);
}

static int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static __attribute__((noreturn)) void play(const struct crash_case *c)
{
	int before = (cvy_self(), descriptors());
	const char *why = c->scene();

	if (!why && descriptors() > before)
		why = "a descriptor is left";
	if (why)
		snprintf(board->why, sizeof board->why, "%s (%s)", why, covey_errmsg());
	board->checked = why ? -1 : 1;
	_exit(0);
}

/* ---- the sweeper */

struct shot {
	const struct crash_case *c;
	pid_t actor;
	struct stepping stepping;
	long steps;
	bool complete; /* it was over before */
};

/* Catches the victim. NULL, or why that could not be done. */
static const char *catch (struct shot *shot)
{
	struct patience patience = {0};

	if (!all_go_on(&board->ready, ASLEEP_IN_SCENE))
		return board->checked < 0 ? board->why : "setup: the actor does not get ready";
	for (; !thread_asleep(board->victim); usleep(20))
		if (in_vain(&patience, false, ASLEEP))
			return "setup: the victim does not fall asleep";
	if (!stepping_seize(&shot->stepping, board->victim))
		return "setup: the victim cannot be traced";
	if (shot->c->victim == VICTIM_THREAD) {
		board->stepped = 1;
		return NULL;
	}
	if (!stepping_newborn(&shot->stepping, &board->stepped, shot->c->victim == VICTIM_IMAGE))
		return "setup: nobody was born";
	return NULL;
}

/* NULL, or why it could not be stepped so far. */
static const char *step_to(struct shot *shot, long k, enum way way)
{
	struct patience patience = {0};

	if (way == WAY_BY_MARKS)
		stepping_run_to(&shot->stepping, waymark_before(k, 0, 0));
	while (shot->steps < k) {
		if (way == WAY_NOTED)
			trail_note(shot->stepping.tid, shot->steps);
		switch (step(&shot->stepping)) {
		case STEPPED:
			shot->steps += shot->stepping.taken;
			patience = (struct patience){0};
			break;
		case STEP_ENDED:
			shot->complete = true;
			return NULL;
		case STEP_SLEEPS:
			if (board->settled) {
				shot->complete = true;
				return NULL;
			}
			if (shot->steps + 1 == k) {
				shot->steps++;
				return NULL;
			}
			if (board->checked)
				return board->checked < 0 ? board->why : "the scene is over";
			if (in_vain(&patience, false, ASLEEP))
				return "the victim sleeps for ever";
			break;
		}
	}
	return NULL;
}

static const char *after_kill(struct shot *shot)
{
	if (shot->c->actor_dies)
		return NULL;
	if (!all_go_on(&board->checked, ASLEEP_IN_SCENE))
		return "the survivors are stuck";
	return board->checked < 0 ? board->why : NULL;
}

enum killed kill_in_scene(const struct crash_case *c, long k, enum way way, struct result *result)
{
	struct shot shot = {.c = c};
	const char *why;
	double since;

	memset(board, 0, sizeof *board);
	if (c->setup)
		c->setup();
	shot.actor = child();
	if (shot.actor == 0)
		play(c);
	why = catch (&shot);
	if (!why)
		why = step_to(&shot, k, way);
	stepping_kill(&shot.stepping);
	board->stepped = board->dead = 1;
	since = now();
	if (!why)
		why = after_kill(&shot);
	if (why) {
		finding(result, board->torn ? &result->torn : &result->wedged, k, why);
		end_process(shot.actor);
	}
	if (!all_gone(ASLEEP_IN_SCENE))
		finding(result, &result->leaked, k, "a process is left");
	if (!why && c->check) {
		board->checked = 0;
		why = check_in_survivor(c);
		if (why)
			finding(result, board->torn ? &result->torn : &result->wedged, k, why);
		all_gone(ASLEEP_IN_SCENE);
	}
	if (!shot.complete)
		took(result, k, now() - since);
	if (c->teardown)
		c->teardown();
	return killed(&shot.stepping, shot.complete, shot.steps, result);
}
