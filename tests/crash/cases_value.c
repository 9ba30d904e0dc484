/* SPDX-License-Identifier: MIT */
/* Values and arrays: made, set, destroyed. */
#include "cases.h"

#include <stdlib.h>

#define WORDS 12

struct wide {
	uint64_t word[WORDS];
};

static covey_value value;
static covey_array array;
static uint64_t round_of; /* each round sets other numbers */

static struct wide wide_of(uint64_t n)
{
	struct wide w;

	for (int i = 0; i < WORDS; i++)
		w.word[i] = n;
	return w;
}

static void a_value(void)
{
	struct wide w = wide_of(round_of += 2);

	if (covey_value_create(&value, &w, "swept") < 0)
		abort();
}

static void a_number(void)
{
	int64_t n = (int64_t)(round_of += 2);

	if (covey_value_create(&value, &n, "swept") < 0)
		abort();
}

static void an_array(void)
{
	uint64_t n = round_of += 2;

	if (covey_array_create(&array, uint64_t, 3, "swept") < 0 ||
	    covey_array_set(array, 1, &n) < 0)
		abort();
}

static void nothing(void)
{
	round_of += 2;
}

static void set_wide(void)
{
	struct wide w = wide_of(round_of + 1);

	covey_value_set(value, &w);
}

static void add_one(void)
{
	covey_value_add(value, 1, NULL);
}

static void compare_and_set_wide(void)
{
	struct wide expected = wide_of(round_of), w = wide_of(round_of + 1);

	covey_value_compare_set(value, &expected, &w);
}

static void set_element(void)
{
	uint64_t n = round_of + 1;

	covey_array_set(array, 1, &n);
}

static void make_value(void)
{
	struct wide w = wide_of(round_of);

	covey_value_create(&value, &w, NULL);
}

static void make_array(void)
{
	covey_array_create(&array, uint64_t, 3, NULL);
}

static void unmake_value(void)
{
	covey_value_destroy(value);
}

static void unmake_array(void)
{
	covey_array_destroy(array);
}

static const char *old_or_new(const struct board *b)
{
	struct wide w;

	(void)b;
	for (int i = 0; i < 2; i++) {
		if (covey_value_get(value, &w) < 0)
			return "get failed";
		for (int j = 1; j < WORDS; j++)
			if (w.word[j] != w.word[0]) {
				board->torn = 1;
				return "a torn value";
			}
		if (w.word[0] != round_of + 1 && (i || w.word[0] != round_of))
			return "neither the old value nor the new one";
		set_wide();
		if (covey_rlock_acquire(covey_value_lock(value), COVEY_FOREVER) < 0 ||
		    covey_rlock_release(covey_value_lock(value)) < 0)
			return "the lock does not work afterwards";
	}
	return NULL;
}

static const char *added_or_not(const struct board *b)
{
	int64_t n, now;

	if (covey_value_get(value, &n) < 0)
		return "get failed";
	n -= (int64_t)round_of;
	if (n < b->done[CONTENDER] || n > 1 + b->done[CONTENDER])
		return "added twice, or lost";
	if (covey_value_add(value, 1, &now) < 0 || now != n + 1 + (int64_t)round_of)
		return "add failed afterwards";
	return NULL;
}

static const char *element_is_set_or_not(const struct board *b)
{
	uint64_t n;

	(void)b;
	if (covey_array_get(array, 1, &n) < 0)
		return "get failed";
	if (n != round_of && n != round_of + 1)
		return "neither the old element nor the new one";
	set_element();
	return covey_array_get(array, 1, &n) < 0 || n != round_of + 1 ? "set failed afterwards"
	                                                              : NULL;
}

static void end_value(void)
{
	covey_value_destroy(value);
}

static void end_array(void)
{
	covey_array_destroy(array);
}

static const char *new_ones_work(const struct board *b)
{
	const char *why;

	for (int i = 0; i < 2; i++) {
		a_value();
		why = old_or_new(b);
		end_value();
		an_array();
		why = why ? why : element_is_set_or_not(b);
		end_array();
		if (why)
			return why;
	}
	return NULL;
}

static const char *gone_if(int rc, const struct board *b)
{
	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	return new_ones_work(b);
}

static const char *value_is_gone_or_goes(const struct board *b)
{
	return gone_if(covey_value_destroy(value), b);
}

static const char *array_is_gone_or_goes(const struct board *b)
{
	return gone_if(covey_array_destroy(array), b);
}

static void leave(void)
{
}

static const struct crash_case cases[] = {
	{.name = "set a value",
         .setup = a_value,
         .call = set_wide,
         .check = old_or_new,
         .teardown = end_value},
	{.name = "set a value, contended",
         .setup = a_value,
         .call = set_wide,
         .contended = true,
         .check = old_or_new,
         .teardown = end_value},
	{.name = "compare and set a value",
         .setup = a_value,
         .call = compare_and_set_wide,
         .check = old_or_new,
         .teardown = end_value},
	{.name = "add to a value, contended",
         .setup = a_number,
         .call = add_one,
         .contended = true,
         .check = added_or_not,
         .teardown = end_value},
	{.name = "set an element of an array",
         .setup = an_array,
         .call = set_element,
         .check = element_is_set_or_not,
         .teardown = end_array},
	{.name = "create a value",
         .setup = nothing,
         .call = make_value,
         .check = new_ones_work,
         .teardown = leave,
         .may_stay = 4096},
	{.name = "create an array",
         .setup = nothing,
         .call = make_array,
         .check = new_ones_work,
         .teardown = leave,
         .may_stay = 4096},
	{.name = "destroy a value",
         .setup = a_value,
         .call = unmake_value,
         .check = value_is_gone_or_goes,
         .teardown = leave},
	{.name = "destroy an array",
         .setup = an_array,
         .call = unmake_array,
         .check = array_is_gone_or_goes,
         .teardown = leave},
};

CRASH_NOUN(value, cases);
