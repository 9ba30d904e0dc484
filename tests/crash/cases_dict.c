/* SPDX-License-Identifier: MIT */
/* Dicts: a key set anew, replaced, deleted; tables that grow, are compacted, made and destroyed. */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#define VALUE 40u

static covey_dict dict;
static int keys;      /* 0 to keys - 1 are there at the start, but for those deleted */
static int key;       /* the one of the call */
static unsigned made; /* each round has other values */

static void value_of(unsigned char *to, int of)
{
	memset(to, (int)(made * 31 + (unsigned)of), VALUE);
}

static void set(int of, unsigned more)
{
	unsigned char value[VALUE];

	value_of(value, of + (int)more);
	if (covey_dict_set_bytes(dict, &of, sizeof of, value, VALUE) < 0)
		abort();
}

static void a_dict(int n, int the_key)
{
	made += 3;
	keys = n;
	key = the_key;
	if (covey_dict_create(&dict, "swept") < 0)
		abort();
	for (int i = 0; i < n; i++)
		set(i, 0);
}

static void new_key(void)
{
	a_dict(5, 5);
}

static void old_key(void)
{
	a_dict(5, 2);
}

/* The first table has 32 places, of which 24 are used. */
static void full_index(void)
{
	a_dict(24, 24);
}

/* Until the next record has no room in the memory that is backed, most of which is dead. */
static void full_records(void)
{
	a_dict(5, 2);
	for (unsigned i = 0; i < 670; i++)
		set((int)(i % 2), 0);
}

/* Until the next delete outweighs the rest. */
static void dead_records(void)
{
	a_dict(5, 2);
	for (unsigned i = 0; i < 520; i++)
		set(0, 0);
}

static void set_key(void)
{
	unsigned char value[VALUE];

	value_of(value, key + 1);
	covey_dict_set_bytes(dict, &key, sizeof key, value, VALUE);
}

static void delete_key(void)
{
	covey_dict_delete(dict, &key);
}

static void pop_key(void)
{
	unsigned char value[VALUE];

	covey_dict_pop_exactly(dict, &key, sizeof key, value, VALUE);
}

static void set_default(void)
{
	unsigned char value[VALUE];

	value_of(value, key + 1);
	covey_dict_set_default_exactly(dict, &key, sizeof key, value, VALUE);
}

static int change(void *value, void *context)
{
	(void)context;
	value_of(value, key + 1);
	return 0;
}

static void update_key(void)
{
	unsigned char value[VALUE] = {0};

	covey_dict_update_exactly(dict, &key, sizeof key, value, VALUE, change, NULL);
}

static void compare_and_set_key(void)
{
	unsigned char value[VALUE], before[VALUE];

	value_of(before, key);
	value_of(value, key + 1);
	covey_dict_compare_set_exactly(dict, &key, sizeof key, before, value, VALUE);
}

static void clear_all(void)
{
	covey_dict_clear(dict);
}

static void make(void)
{
	covey_dict_create(&dict, NULL);
}

static void unmake(void)
{
	covey_dict_destroy(dict);
}

/* Whether a key has its old value, its new one (1), none (-1), or another (-2). */
static int state_of(int of)
{
	unsigned char got[VALUE], want[VALUE];
	int64_t n = covey_dict_get_bytes(dict, &of, sizeof of, got, sizeof got);

	if (n == -ENOENT)
		return -1;
	for (int i = 0; i < 2; i++) {
		value_of(want, of + i);
		if (n == VALUE && memcmp(want, got, VALUE) == 0)
			return i;
	}
	board->torn = 1;
	return -2;
}

static const char *others_are_there(int64_t with_key)
{
	for (int i = 0; i < keys; i++)
		if (i != key && state_of(i) != 0)
			return "another key was harmed";
	if (covey_dict_size(dict) != keys - (key < keys) + with_key)
		return "keys are miscounted";
	return NULL;
}

static const char *works_on(void)
{
	covey_dict_items *items;
	covey_dict_item item;
	int64_t n = 0;

	if (state_of(key) >= 0 && covey_dict_delete(dict, &key) < 0)
		return "delete failed afterwards";
	if (state_of(key) != -1)
		return "a deleted key is there";
	set_key();
	if (state_of(key) != 1)
		return "set failed afterwards";
	for (int i = 1000; i < 1040; i++)
		set(i, 0);
	for (int i = 1000; i < 1040; i++)
		if (state_of(i) != 0 || covey_dict_delete(dict, &i) < 0)
			return "other keys fail afterwards";
	if (covey_dict_snapshot(dict, &items) < 0)
		return "snapshot failed afterwards";
	while (covey_dict_next(items, &item))
		n++;
	covey_dict_items_free(items);
	if (covey_rlock_acquire(covey_dict_lock(dict), COVEY_FOREVER) < 0 ||
	    covey_rlock_release(covey_dict_lock(dict)) < 0)
		return "the lock does not work afterwards";
	return n == covey_dict_size(dict) ? NULL : "keys are miscounted afterwards";
}

static const char *set_or_not(const struct board *b)
{
	int now = state_of(key);
	const char *why;

	if (now != 1 && (b->done[CONTENDER] || now != (key < keys ? 0 : -1)))
		return "neither set nor left";
	why = others_are_there(now >= 0);
	return why ? why : works_on();
}

static const char *deleted_or_not(const struct board *b)
{
	int now = state_of(key);
	const char *why;

	if (now != -1 && (b->done[CONTENDER] || now != 0))
		return "neither deleted nor left";
	why = others_are_there(now >= 0);
	return why ? why : works_on();
}

static const char *cleared_or_not(const struct board *b)
{
	int64_t n = covey_dict_size(dict);

	(void)b;
	if (n != 0 && n != keys)
		return "half cleared";
	for (int i = 0; i < keys; i++)
		if (state_of(i) != (n ? 0 : -1))
			return "half cleared, or miscounted";
	return works_on();
}

static void end_dict(void)
{
	covey_dict_destroy(dict);
}

static const char *new_dicts_work(const struct board *b)
{
	(void)b;
	for (int i = 0; i < 2; i++) {
		const char *why;

		new_key();
		why = works_on();
		end_dict();
		if (why)
			return why;
	}
	return NULL;
}

static const char *is_gone_or_goes(const struct board *b)
{
	int rc = covey_dict_destroy(dict);

	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	return new_dicts_work(b);
}

static void nothing(void)
{
	made += 3;
}

static void leave(void)
{
}

static const struct crash_case cases[] = {
	{.name = "set a new key",
         .setup = new_key,
         .call = set_key,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "set a new key, contended",
         .setup = new_key,
         .call = set_key,
         .contended = true,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "replace a key",
         .setup = old_key,
         .call = set_key,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "set a key that grows the dict",
         .setup = full_index,
         .call = set_key,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "set a key that compacts the dict",
         .setup = full_records,
         .call = set_key,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "update a new key",
         .setup = new_key,
         .call = update_key,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "update a key, contended",
         .setup = old_key,
         .call = update_key,
         .contended = true,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "compare and set a key",
         .setup = old_key,
         .call = compare_and_set_key,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "set a key by default",
         .setup = new_key,
         .call = set_default,
         .check = set_or_not,
         .teardown = end_dict},
	{.name = "pop a key",
         .setup = old_key,
         .call = pop_key,
         .check = deleted_or_not,
         .teardown = end_dict},
	{.name = "delete a key",
         .setup = old_key,
         .call = delete_key,
         .check = deleted_or_not,
         .teardown = end_dict},
	{.name = "delete a key, contended",
         .setup = old_key,
         .call = delete_key,
         .contended = true,
         .check = deleted_or_not,
         .teardown = end_dict},
	{.name = "delete a key that compacts the dict",
         .setup = dead_records,
         .call = delete_key,
         .check = deleted_or_not,
         .teardown = end_dict},
	{.name = "clear a dict",
         .setup = old_key,
         .call = clear_all,
         .check = cleared_or_not,
         .teardown = end_dict},
	{.name = "create a dict",
         .setup = nothing,
         .call = make,
         .check = new_dicts_work,
         .teardown = leave,
         .may_stay = 16384},
	{.name = "destroy a dict",
         .setup = full_index,
         .call = unmake,
         .check = is_gone_or_goes,
         .teardown = leave},
};

CRASH_NOUN(dict, cases);
