/* SPDX-License-Identifier: MIT */
/* Lists: elements appended, replaced, inserted, deleted; lists that grow, made and destroyed. */
#include "cases.h"

#include <stdlib.h>
#include <string.h>

#define BYTES 40u
#define MOST 40

static covey_list list;
static unsigned made;              /* each round has other elements */
static int before[MOST], n_before; /* what the list held, by number */
static int after[MOST], n_after;   /* what it holds once the call is done */

static void bytes_of(unsigned char *to, int number)
{
	memset(to, (int)(made * 53 + (unsigned)number), BYTES);
}

static void a_list(int n)
{
	unsigned char bytes[BYTES];

	made++;
	if (covey_list_create(&list, "swept") < 0)
		abort();
	for (int i = 0; i < n; i++) {
		bytes_of(bytes, i);
		if (covey_list_append_bytes(list, bytes, BYTES) < 0)
			abort();
		before[i] = after[i] = i;
	}
	n_before = n_after = n;
}

/* The number of what the call puts. */
#define NEW 50

static void to_append(void)
{
	a_list(5);
	after[n_after++] = NEW;
}

/* The first array has room for 32 elements. */
static void to_grow(void)
{
	a_list(32);
	after[n_after++] = NEW;
}

static void to_extend(void)
{
	a_list(5);
	after[n_after++] = NEW;
	after[n_after++] = NEW;
}

static void to_replace(void)
{
	a_list(5);
	after[2] = NEW;
}

static void to_insert(void)
{
	a_list(5);
	memmove(after + 3, after + 2, 3 * sizeof *after);
	after[2] = NEW;
	n_after++;
}

static void to_delete(void)
{
	a_list(5);
	memmove(after + 2, after + 3, 2 * sizeof *after);
	n_after--;
}

static void to_pop(void)
{
	a_list(5);
	n_after--;
}

static void to_pop_first(void)
{
	a_list(5);
	memmove(after, after + 1, 4 * sizeof *after);
	n_after--;
}

static void to_clear(void)
{
	a_list(5);
	n_after = 0;
}

static unsigned char *new_bytes(void)
{
	static unsigned char bytes[BYTES];

	bytes_of(bytes, NEW);
	return bytes;
}

static void append(void)
{
	covey_list_append_bytes(list, new_bytes(), BYTES);
}

static void extend(void)
{
	struct iovec two[2] = {{new_bytes(), BYTES}, {new_bytes(), BYTES}};

	covey_list_extend(list, two, 2);
}

static void replace(void)
{
	covey_list_set_bytes(list, 2, new_bytes(), BYTES);
}

static void insert(void)
{
	covey_list_insert_bytes(list, 2, new_bytes(), BYTES);
}

static void delete (void)
{
	covey_list_delete(list, 2);
}

static void pop(void)
{
	unsigned char bytes[BYTES];

	covey_list_pop_bytes(list, -1, bytes, BYTES);
}

static void pop_first(void)
{
	unsigned char bytes[BYTES];

	covey_list_pop_bytes(list, 0, bytes, BYTES);
}

static void clear(void)
{
	covey_list_clear(list);
}

static void make(void)
{
	covey_list_create(&list, NULL);
}

static void unmake(void)
{
	covey_list_destroy(list);
}

static bool holds(const int *numbers, int n)
{
	unsigned char got[BYTES], want[BYTES];

	if (covey_list_size(list) != n)
		return false;
	for (int i = 0; i < n; i++) {
		bytes_of(want, numbers[i]);
		if (covey_list_get_bytes(list, i, got, BYTES) != BYTES ||
		    memcmp(got, want, BYTES) != 0)
			return false;
	}
	return true;
}

static const char *works_on(void)
{
	covey_list_items *items;
	const void *data;
	int64_t n = 0, size;
	size_t len;

	for (int i = 0; i < 40; i++)
		append();
	for (int i = 0; i < 3; i++) {
		size = covey_list_size(list);
		insert();
		replace();
		delete ();
		if (covey_list_size(list) != size)
			return "elements are miscounted afterwards";
	}
	if (covey_list_snapshot(list, &items) < 0)
		return "snapshot failed afterwards";
	while (covey_list_next(items, &data, &len))
		n++;
	covey_list_items_free(items);
	if (n != covey_list_size(list))
		return "the snapshot is not whole";
	if (covey_rlock_acquire(covey_list_lock(list), COVEY_FOREVER) < 0 ||
	    covey_rlock_release(covey_list_lock(list)) < 0)
		return "the lock does not work afterwards";
	if (covey_list_clear(list) < 0 || covey_list_size(list) != 0)
		return "clear failed afterwards";
	return NULL;
}

static const char *done_or_not(const struct board *b)
{
	(void)b;
	if (!holds(before, n_before) && !holds(after, n_after))
		return "neither what it held nor what it should hold";
	return works_on();
}

/* One append, that of the contender, is done for certain; perhaps two. */
static const char *appended(const struct board *b)
{
	if (!b->done[CONTENDER])
		return done_or_not(b);
	if (!holds(after, n_after)) {
		after[n_after++] = NEW;
		if (!holds(after, n_after))
			return "neither one nor two were appended";
	}
	return works_on();
}

static void end_list(void)
{
	covey_list_destroy(list);
}

static const char *new_lists_work(const struct board *b)
{
	(void)b;
	for (int i = 0; i < 2; i++) {
		const char *why;

		to_append();
		why = holds(before, n_before) ? works_on() : "a new list does not hold";
		end_list();
		if (why)
			return why;
	}
	return NULL;
}

static const char *is_gone_or_goes(const struct board *b)
{
	int rc = covey_list_destroy(list);

	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	return new_lists_work(b);
}

static void nothing(void)
{
	made++;
}

static void leave(void)
{
}

#define CASE(name_, setup_, call_)                                                         \
	{                                                                                  \
		.name = (name_), .setup = (setup_), .call = (call_), .check = done_or_not, \
		.teardown = end_list                                                       \
	}

static const struct crash_case cases[] = {
	CASE("append to a list", to_append, append),
	{.name = "append to a list, contended",
         .setup = to_append,
         .call = append,
         .contended = true,
         .check = appended,
         .teardown = end_list},
	CASE("append that grows a list", to_grow, append),
	CASE("extend a list", to_extend, extend),
	CASE("replace an element of a list", to_replace, replace),
	CASE("insert into a list", to_insert, insert),
	CASE("delete from a list", to_delete, delete),
	CASE("pop from a list", to_pop, pop),
	CASE("pop the first of a list", to_pop_first, pop_first),
	CASE("clear a list", to_clear, clear),
	{.name = "create a list",
         .setup = nothing,
         .call = make,
         .check = new_lists_work,
         .teardown = leave,
         .may_stay = 16384},
	{.name = "destroy a list",
         .setup = to_grow,
         .call = unmake,
         .check = is_gone_or_goes,
         .teardown = leave},
};

CRASH_NOUN(list, cases);
