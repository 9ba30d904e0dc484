/* SPDX-License-Identifier: MIT */
/* Conditions: notifications, and who waits for them. */
#include "cases.h"

#include <stdlib.h>

static covey_lock lock;
static covey_condition c;

/* In the board's area, guarded by the lock: what may be taken away. */
static volatile int *given(void)
{
	return (volatile int *)(void *)board->area;
}

static void new_condition(void)
{
	if (covey_lock_create(&lock, "swept") < 0 || covey_condition_create(&c, lock, "swept") < 0)
		abort();
}

/* Who learns of a death with the lock held lets all look. */
static int mended(int rc)
{
	if (rc == COVEY_OWNER_DIED)
		covey_condition_notify_all(c);
	return rc;
}

static int give(int n, bool all)
{
	int rc = mended(covey_lock_acquire(lock, COVEY_FOREVER));

	if (rc < 0)
		return rc;
	*given() += n;
	rc = all ? covey_condition_notify_all(c) : covey_condition_notify(c, (uint32_t)n);
	covey_lock_release(lock);
	return rc < 0 ? rc : 0;
}

static void give_two(void)
{
	give(2, false);
}

static void give_all(void)
{
	give(3, true);
}

/* Without the lock: what is told of a death inside is not the lock's. */
static void notify_without_the_lock(void)
{
	covey_condition_notify_all(c);
}

static int wait_once(uint32_t *got)
{
	int rc = covey_lock_acquire(lock, COVEY_FOREVER);

	*got = 0;
	if (rc >= 0)
		rc = covey_condition_wait(c, COVEY_FOREVER);
	covey_lock_release(lock);
	return rc;
}

static int give_one(uint32_t *got)
{
	*got = 0;
	return give(1, false);
}

static int take_one(uint32_t *got)
{
	int rc = mended(covey_lock_acquire(lock, COVEY_FOREVER));

	*got = 0;
	while (rc >= 0 && *given() == 0)
		rc = mended(covey_condition_wait(c, COVEY_FOREVER));
	if (rc >= 0)
		--*given();
	covey_lock_release(lock);
	return rc == -EBADF ? 0 : rc < 0 ? rc : 0;
}

static void take(void)
{
	uint32_t got;

	take_one(&got);
}

static void wait_in_vain(void)
{
	covey_lock_acquire(lock, COVEY_FOREVER);
	covey_condition_wait(c, 1);
	covey_lock_release(lock);
}

static void destroy_it(void)
{
	covey_condition_destroy(c);
}

/* As many as can take one. */
static int as_many_as_are_given(void)
{
	int n;

	mended(covey_lock_acquire(lock, COVEY_FOREVER));
	n = *given();
	for (int i = 0; i < SLEEPERS; i++)
		n += board->done[i];
	covey_lock_release(lock);
	return n;
}

/* Where one was notified all were; the first to be told has the first place. */
static int all_or_none(void)
{
	for (int i = 0; i < SLEEPERS; i++)
		if (board->done[i])
			return SLEEPERS;
	return 0;
}

static int all_when_destroyed(void)
{
	return covey_condition_notify(c, 0) == -EBADF ? SLEEPERS : 0;
}

static const char *works(const struct board *b)
{
	uint32_t got;

	for (int i = 0; i < HELPERS; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	if (give(SLEEPERS + 1, true) < 0)
		return "notify failed afterwards";
	if (take_one(&got) < 0)
		return "wait failed afterwards";
	return NULL;
}

static const char *can_be_made_anew(const struct board *b)
{
	const char *why;
	int rc = covey_condition_destroy(c);

	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	if (covey_condition_create(&c, lock, NULL) < 0)
		return "create failed afterwards";
	why = works(b);
	covey_condition_destroy(c);
	return why;
}

static void end_condition(void)
{
	covey_condition_destroy(c);
	covey_lock_destroy(lock);
}

static const struct crash_case cases[] = {
	{.name = "notify two by a condition, three asleep",
         .setup = new_condition,
         .call = give_two,
         .sleepers = 3,
         .sleeper = take_one,
         .awake = as_many_as_are_given,
         .check = works,
         .teardown = end_condition},
	{.name = "notify all by a condition, three asleep",
         .setup = new_condition,
         .call = give_all,
         .sleepers = 3,
         .sleeper = take_one,
         .awake = as_many_as_are_given,
         .check = works,
         .teardown = end_condition},
	{.name = "notify all by a condition without its lock, three asleep",
         .setup = new_condition,
         .call = notify_without_the_lock,
         .sleepers = 3,
         .sleeper = wait_once,
         .awake = all_or_none,
         .check = works,
         .teardown = end_condition},
	{.name = "wait for a condition that slept, two others asleep",
         .setup = new_condition,
         .call = take,
         .sleeps = true,
         .sleepers = 2,
         .sleeper = take_one,
         .waker = give_one,
         .awake = as_many_as_are_given,
         .check = works,
         .teardown = end_condition},
	{.name = "wait for a condition in vain, two asleep",
         .setup = new_condition,
         .call = wait_in_vain,
         .sleepers = 2,
         .sleeper = take_one,
         .awake = as_many_as_are_given,
         .check = works,
         .teardown = end_condition},
	{.name = "destroy a condition, two asleep",
         .setup = new_condition,
         .call = destroy_it,
         .sleepers = 2,
         .sleeper = take_one,
         .awake = all_when_destroyed,
         .check = can_be_made_anew,
         .teardown = end_condition},
};

CRASH_NOUN(condition, cases);
