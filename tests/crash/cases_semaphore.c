/* SPDX-License-Identifier: MIT */
/* Semaphores: units held, and tokens. */
#include "cases.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "watch.h"

#define UNITS 2
/* How long one waits in vain: until it is seen asleep, at least. */
#define A_WHILE 40 /* ms */
/* The words of the processes that ever held units stay with the slot. */
#define GROWTH 8192

static covey_semaphore s;
static pid_t holder;

/* In the board's area: the holder, a process that holds all units, has them; it may end. */
struct words {
	volatile int held;
	volatile int end;
};
static struct words *words(void)
{
	return (struct words *)(void *)board->area;
}

static void new_units(void)
{
	if (covey_semaphore_create(&s, &(covey_semaphore_opts){.name = "swept", .value = UNITS}) <
	    0)
		abort();
	holder = 0;
}

/* All units are held, by a process that ends when it is told. */
static void held_units(void)
{
	new_units();
	holder = fork();
	if (holder == 0) {
		if (covey_semaphore_acquire_many(s, UNITS, 0) < 0)
			_exit(1);
		words()->held = 1;
		while (!words()->end)
			usleep(100);
		_exit(0);
	}
	while (!words()->held)
		usleep(100);
}

static void no_tokens(void)
{
	if (covey_semaphore_create(&s, &(covey_semaphore_opts){.name = "swept", .tokens = 1}) < 0)
		abort();
	holder = 0;
}

static void hold_and_release(void)
{
	covey_semaphore_acquire_many(s, UNITS, COVEY_FOREVER);
	covey_semaphore_release(s, 1);
	covey_semaphore_release(s, 1);
}

static void acquire_in_vain(void)
{
	covey_semaphore_acquire(s, A_WHILE);
}

static void add_a_token(void)
{
	covey_semaphore_release(s, 1);
}

static void destroy_it(void)
{
	covey_semaphore_destroy(s);
}

static int acquire_one(uint32_t *got)
{
	*got = 0;
	return covey_semaphore_acquire(s, COVEY_FOREVER);
}

static int hold_briefly(uint32_t *got)
{
	int rc = acquire_one(got);

	return rc < 0 ? rc : covey_semaphore_release(s, 1);
}

/* Destroyed under who waits: that is an end, too. */
static int hold_or_find_it_gone(uint32_t *got)
{
	int rc = hold_briefly(got);

	return rc == -EBADF ? 0 : rc;
}

static int leave_it_be(uint32_t *got)
{
	*got = 0;
	return 0;
}

static int end_the_holder(uint32_t *got)
{
	*got = 0;
	words()->end = 1;
	while (covey_semaphore_value(s) == 0 && kill(holder, 0) == 0)
		usleep(100);
	return 0;
}

static int done(void)
{
	int n = 0;

	for (int i = 0; i < SLEEPERS; i++)
		n += board->done[i];
	return n;
}

/* Tokens: as many must go on as there are. */
static int tokens_now(void)
{
	return done() + (int)covey_semaphore_value(s);
}

/* Units of the dead come back, of the holder too: all must go on. */
static int everybody(void)
{
	words()->end = 1;
	return SLEEPERS;
}

static int all_when_destroyed(void)
{
	return covey_semaphore_value(s) == -EBADF ? SLEEPERS : done();
}

static const char *helpers_fared_well(const struct board *b)
{
	for (int i = 0; i < HELPERS; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	return NULL;
}

static const char *all_units_come_back(const struct board *b)
{
	words()->end = 1;
	for (int i = 0; i < 3; i++) {
		if (covey_semaphore_acquire_many(s, UNITS, COVEY_FOREVER) < 0)
			return "acquire failed";
		if (covey_semaphore_acquire(s, 0) != -EAGAIN)
			return "there are more units than there were";
		if (covey_semaphore_release(s, UNITS) < 0)
			return "release failed";
		if (covey_semaphore_release(s, 1) != -EPERM)
			return "a unit is held by nobody";
	}
	return helpers_fared_well(b);
}

static const char *tokens_work(const struct board *b)
{
	int64_t n = covey_semaphore_value(s);

	if (n < 0 || n > 2)
		return "tokens came from nowhere";
	if (covey_semaphore_release(s, 2) < 0 || covey_semaphore_value(s) != n + 2)
		return "release failed afterwards";
	if (covey_semaphore_acquire_many(s, (uint32_t)n + 2, COVEY_FOREVER) < 0)
		return "acquire failed afterwards";
	return helpers_fared_well(b);
}

static const char *can_be_made_anew(const struct board *b)
{
	covey_semaphore again;
	int rc;

	words()->end = 1;
	while ((rc = covey_semaphore_destroy(s)) == -EBUSY)
		usleep(100);
	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	if (covey_semaphore_create(&again, NULL) < 0 || covey_semaphore_acquire(again, 0) < 0 ||
	    covey_semaphore_destroy(again) < 0)
		return "a new one does not work";
	return helpers_fared_well(b);
}

static void end_semaphore(void)
{
	words()->end = 1;
	end_process(holder);
	covey_semaphore_destroy(s);
}

static const struct crash_case cases[] = {
	{.name = "acquire and release units, alone",
         .setup = new_units,
         .call = hold_and_release,
         .check = all_units_come_back,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
	{.name = "acquire and release units, contended",
         .setup = new_units,
         .call = hold_and_release,
         .contended = true,
         .check = all_units_come_back,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
	{.name = "acquire units that slept, others behind",
         .setup = held_units,
         .call = hold_and_release,
         .sleeps = true,
         .sleepers = 3,
         .sleeper = hold_briefly,
         .waker = end_the_holder,
         .awake = everybody,
         .check = all_units_come_back,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
	{.name = "acquire units in vain, others behind",
         .setup = held_units,
         .call = acquire_in_vain,
         .sleeps = true,
         .sleepers = 3,
         .sleeper = hold_briefly,
         .waker = leave_it_be,
         .awake = everybody,
         .check = all_units_come_back,
         .teardown = end_semaphore,
         .may_stay = GROWTH,
         .every = 11},
	{.name = "release a token, alone",
         .setup = no_tokens,
         .call = add_a_token,
         .check = tokens_work,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
	{.name = "release a token, waiter asleep",
         .setup = no_tokens,
         .call = add_a_token,
         .sleepers = 1,
         .sleeper = acquire_one,
         .awake = tokens_now,
         .check = tokens_work,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
	{.name = "release a token, waiter about to sleep",
         .setup = no_tokens,
         .call = add_a_token,
         .sleepers = 1,
         .sleeper = acquire_one,
         .held = true,
         .awake = tokens_now,
         .check = tokens_work,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
	{.name = "release a token, three asleep",
         .setup = no_tokens,
         .call = add_a_token,
         .sleepers = 3,
         .sleeper = acquire_one,
         .awake = tokens_now,
         .check = tokens_work,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
	{.name = "release a token, contended, two asleep",
         .setup = no_tokens,
         .call = add_a_token,
         .contended = true,
         .sleepers = 2,
         .sleeper = acquire_one,
         .awake = tokens_now,
         .check = tokens_work,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
	{.name = "destroy a semaphore, two asleep",
         .setup = no_tokens,
         .call = destroy_it,
         .sleepers = 2,
         .sleeper = hold_or_find_it_gone,
         .awake = all_when_destroyed,
         .check = can_be_made_anew,
         .teardown = end_semaphore,
         .may_stay = GROWTH},
};

CRASH_NOUN(semaphore, cases);
