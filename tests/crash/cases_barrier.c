/* SPDX-License-Identifier: MIT */
/* Barriers: rounds, and what breaks them. */
#include "cases.h"

#include <stdlib.h>

/* The words of the processes that ever took part stay with the slot. */
#define GROWTH 8192

static covey_barrier b;

static void new_barrier(uint32_t parties)
{
	if (covey_barrier_create(&b, &(covey_barrier_opts){.name = "swept", .parties = parties}) <
	    0)
		abort();
}

static void one_party(void)
{
	new_barrier(1);
}

static void three_parties(void)
{
	new_barrier(3);
}

static void four_parties(void)
{
	new_barrier(4);
}

static void arrive(void)
{
	covey_barrier_wait(b, COVEY_FOREVER);
}

static int act(void *context)
{
	board->area[0] = 1;
	return context ? -1 : 0;
}

static void arrive_and_act(void)
{
	covey_barrier_wait_then(b, act, NULL, COVEY_FOREVER);
}

static void arrive_too_early(void)
{
	covey_barrier_wait(b, 1);
}

static void abort_it(void)
{
	covey_barrier_abort(b);
}

static void reset_it(void)
{
	covey_barrier_reset(b);
}

static void destroy_it(void)
{
	covey_barrier_destroy(b);
}

/* A round that was broken, or ended, is over too. */
static int take_part(uint32_t *got)
{
	int rc = covey_barrier_wait(b, COVEY_FOREVER);

	*got = (uint32_t)rc;
	return rc == -EPIPE || rc == -EBADF ? 0 : rc;
}

static int done(void)
{
	int n = 0;

	for (int i = 0; i < SLEEPERS; i++)
		n += board->done[i];
	return n;
}

/* Released or broken: the victim had arrived or has not, and nobody else comes. */
static int all_if_it_came(void)
{
	if (covey_barrier_broken(b) == 1 || done())
		return SLEEPERS;
	return 0;
}

static int all_when_destroyed(void)
{
	return covey_barrier_broken(b) == -EBADF ? SLEEPERS : done();
}

/* Those who slept were of one round, and all must be told the same of it. */
static const char *helpers_fared_well(const struct board *its)
{
	int first = -1;

	for (int i = 0; i < HELPERS; i++)
		if (its->done[i] && its->rc[i] < 0)
			return "a helper's call failed";
	for (int i = 0; i < SLEEPERS; i++) {
		int verdict = (int)its->got[i];

		if (!its->done[i])
			continue;
		if (first >= 0 && (verdict < 0 || (int)its->got[first] < 0) &&
		    verdict != (int)its->got[first])
			return "of one round some were released, others sent home";
		first = i;
	}
	return NULL;
}

static const char *works(const struct board *its)
{
	const char *why = helpers_fared_well(its);

	if (why)
		return why;
	if (covey_barrier_abort(b) < 0 || covey_barrier_wait(b, COVEY_FOREVER) != -EPIPE)
		return "abort failed afterwards";
	if (covey_barrier_reset(b) < 0 || covey_barrier_broken(b) != 0)
		return "reset failed afterwards";
	/* The last of those that were sent home may still be on their way. */
	if (covey_barrier_waiting(b) != 0)
		return "a party that is gone is counted";
	if (covey_barrier_parties(b) == 1)
		return covey_barrier_wait(b, COVEY_FOREVER) == 0 ? NULL : "wait failed afterwards";
	return covey_barrier_wait(b, 0) == -EAGAIN ? NULL : "there is a party too many";
}

static const char *can_be_made_anew(const struct board *its)
{
	int rc = covey_barrier_destroy(b);
	const char *why;

	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	if (covey_barrier_create(&b, &(covey_barrier_opts){.parties = 2}) < 0)
		return "create failed afterwards";
	why = works(its);
	covey_barrier_destroy(b);
	return why;
}

static void end_barrier(void)
{
	covey_barrier_destroy(b);
}

#define CASE(name_, setup_, call_, ...)                                                       \
	{                                                                                     \
		.name = (name_), .setup = (setup_), .call = (call_), .teardown = end_barrier, \
		.may_stay = GROWTH, __VA_ARGS__                                               \
	}
#define WAITING(n) .sleepers = (n), .sleeper = take_part
#define ALL_OR_NONE .awake = all_if_it_came, .check = works

static const struct crash_case cases[] = {
	CASE("arrive at a barrier, alone", one_party, arrive, .check = works),
	CASE("arrive at a barrier last, two asleep", three_parties, arrive, WAITING(2),
             ALL_OR_NONE),
	CASE("arrive at a barrier last, two about to sleep", three_parties, arrive, WAITING(2),
             .held = true, ALL_OR_NONE),
	CASE("arrive at a barrier last and act, two asleep", three_parties, arrive_and_act,
             WAITING(2), ALL_OR_NONE),
	CASE("arrive at a barrier, the time runs out, two asleep", four_parties, arrive_too_early,
             WAITING(2), ALL_OR_NONE),
	CASE("abort a barrier, three asleep", four_parties, abort_it, WAITING(3), ALL_OR_NONE),
	CASE("reset a barrier, three asleep", four_parties, reset_it, WAITING(3), ALL_OR_NONE),
	CASE("destroy a barrier, two asleep", four_parties, destroy_it, WAITING(2),
             .awake = all_when_destroyed, .check = can_be_made_anew),
};

CRASH_NOUN(barrier, cases);
