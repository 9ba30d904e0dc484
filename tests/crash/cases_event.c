/* SPDX-License-Identifier: MIT */
/* Events: set, cleared, waited for. */
#include "cases.h"

#include <stdlib.h>

static covey_event e;

static void new_event(void)
{
	if (covey_event_create(&e, "swept") < 0)
		abort();
}

static void set_it(void)
{
	covey_event_set(e);
}

static void pulse_it(void)
{
	covey_event_set(e);
	covey_event_clear(e);
}

static void wait_for_it(void)
{
	covey_event_wait(e, COVEY_FOREVER);
}

static void destroy_it(void)
{
	covey_event_destroy(e);
}

static int sleep_for_it(uint32_t *got)
{
	int rc = covey_event_wait(e, COVEY_FOREVER);

	*got = 0;
	return rc == -EBADF ? 0 : rc;
}

static int set_helper(uint32_t *got)
{
	*got = 0;
	return covey_event_set(e);
}

/* Set, or no more: nobody must sleep on. */
static int all_when_set(void)
{
	return covey_event_is_set(e) != 0 ? SLEEPERS : 0;
}

static const char *works(const struct board *b)
{
	for (int i = 0; i < HELPERS; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	if (covey_event_set(e) < 0 || covey_event_wait(e, COVEY_FOREVER) < 0)
		return "set failed afterwards";
	if (covey_event_clear(e) < 0 || covey_event_wait(e, 0) != -EAGAIN)
		return "clear failed afterwards";
	return NULL;
}

static const char *can_be_made_anew(const struct board *b)
{
	int rc = covey_event_destroy(e);
	const char *wrong;

	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	if (covey_event_create(&e, NULL) < 0)
		return "create failed afterwards";
	wrong = works(b);
	covey_event_destroy(e); /* only this survivor knows it */
	return wrong;
}

static void end_event(void)
{
	covey_event_destroy(e);
}

static const struct crash_case cases[] = {
	{.name = "set an event, alone",
         .setup = new_event,
         .call = set_it,
         .check = works,
         .teardown = end_event},
	{.name = "set an event, waiter asleep",
         .setup = new_event,
         .call = set_it,
         .sleepers = 1,
         .sleeper = sleep_for_it,
         .awake = all_when_set,
         .check = works,
         .teardown = end_event},
	{.name = "set an event, waiter about to sleep",
         .setup = new_event,
         .call = set_it,
         .sleepers = 1,
         .sleeper = sleep_for_it,
         .held = true,
         .awake = all_when_set,
         .check = works,
         .teardown = end_event},
	{.name = "set an event, four asleep",
         .setup = new_event,
         .call = set_it,
         .sleepers = 4,
         .sleeper = sleep_for_it,
         .awake = all_when_set,
         .check = works,
         .teardown = end_event},
	{.name = "set and clear an event, three asleep",
         .setup = new_event,
         .call = pulse_it,
         .sleepers = 3,
         .sleeper = sleep_for_it,
         .awake = all_when_set,
         .check = works,
         .teardown = end_event},
	{.name = "wait that slept, two others asleep",
         .setup = new_event,
         .call = wait_for_it,
         .sleeps = true,
         .sleepers = 2,
         .sleeper = sleep_for_it,
         .waker = set_helper,
         .awake = all_when_set,
         .check = works,
         .teardown = end_event},
	{.name = "destroy an event, two asleep",
         .setup = new_event,
         .call = destroy_it,
         .sleepers = 2,
         .sleeper = sleep_for_it,
         .awake = all_when_set,
         .check = can_be_made_anew,
         .teardown = end_event},
};

CRASH_NOUN(event, cases);
