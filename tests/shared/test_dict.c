/* SPDX-License-Identifier: MIT */
/* What a user of dicts relies on. */
#include "support/harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static covey_dict new_dict(const char *name)
{
	covey_dict d;

	assert_int_equal(covey_dict_create(&d, name), 0);
	return d;
}

static uint64_t held(void)
{
	covey_usage usage;

	assert_int_equal(covey_usage_get(&usage), 0);
	return usage.used;
}

static void strings_and_structs_are_keys_and_values(void **state)
{
	struct point {
		int x, y;
	} p = {1, 2};
	covey_dict d = new_dict("mixed");
	const char *name = "name";
	double half = 0.5;
	char *text;

	assert_int_equal(covey_dict_set(d, "half", &half), 1);
	assert_int_equal(covey_dict_set(d, &p, "at 1, 2"), 1);
	assert_int_equal(covey_dict_set(d, name, &p), 1);
	assert_int_equal(covey_dict_size(d), 3);
	half = 0;
	assert_int_equal(covey_dict_get(d, "half", &half), 0);
	assert_true(half == 0.5);
	assert_int_equal(covey_dict_get_alloc(d, &p, (void **)&text), 7);
	assert_string_equal(text, "at 1, 2");
	free(text);
	p.x = 9;
	assert_int_equal(covey_dict_contains(d, &p), 0);
	assert_int_equal(covey_dict_get(d, "name", &p), 0);
	assert_int_equal(p.x, 1);
	assert_int_equal(covey_dict_contains(d, &p), 1);
	p.x = 5;
	assert_int_equal(covey_dict_set(d, "name", &p), 0);
	p.x = 0;
	assert_int_equal(covey_dict_pop(d, "name", &p), 0);
	assert_int_equal(p.x, 5);
	assert_int_equal(covey_dict_pop(d, "name", &p), -ENOENT);
	assert_int_equal(covey_dict_delete(d, "half"), 0);
	assert_int_equal(covey_dict_delete(d, "half"), -ENOENT);
	assert_non_null(strstr(covey_errmsg(), "dict 'mixed': there is no such key"));
	assert_int_equal(covey_dict_size(d), 1);
	assert_int_equal(covey_dict_destroy(d), 0);
}

static void a_default_is_set_once(void **state)
{
	covey_dict d = new_dict(NULL);
	int n = 5;
	char c = 1;

	assert_int_equal(covey_dict_set_default(d, "n", &n), 1);
	n = 6;
	assert_int_equal(covey_dict_set_default(d, "n", &n), 0);
	assert_int_equal(n, 5);
	assert_int_equal(covey_dict_set_default(d, "n", &c), -EMSGSIZE);
	assert_int_equal(covey_dict_destroy(d), 0);
}

static void a_value_is_replaced_where_it_is_as_expected(void **state)
{
	covey_dict d = new_dict("exact");
	int one = 1, two = 2, n = 1;
	char c = 1;

	assert_int_equal(covey_dict_compare_set(d, "n", &n, &two), -ENOENT);
	assert_int_equal(covey_dict_contains(d, "n"), 0);
	assert_int_equal(covey_dict_set(d, "n", &one), 1);
	assert_int_equal(covey_dict_compare_set(d, "n", &n, &two), 1);
	assert_int_equal(n, 1);
	assert_int_equal(covey_dict_get(d, "n", &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(covey_dict_compare_set(d, "n", &one, &n), 0);
	assert_int_equal(one, 2); /* which it is */
	assert_int_equal(covey_dict_get(d, "n", &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(covey_dict_compare_set(d, "n", &c, &c), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "dict 'exact': the value has 4 bytes"));
	assert_int_equal(covey_dict_size(d), 1);
	assert_int_equal(covey_dict_destroy(d), 0);
	assert_int_equal(covey_dict_compare_set(d, "n", &one, &n), -EBADF);
}

static int calls;

static int add_number(void *n, void *context)
{
	calls++;
	*(int *)n += *(const int *)context;
	return *(const int *)context < 0;
}

static int use_the_dict(void *n, void *context)
{
	covey_dict d = *(const covey_dict *)context;
	int other = 8, big[100] = {0};

	for (int i = 0; i < 200; i++) /* so that all of it moves */
		if (covey_dict_set(d, &i, &big) < 0)
			return 1;
	if (covey_dict_set(d, "other", &other) < 0 || covey_dict_set(d, "n", &other) < 0)
		return 2;
	*(int *)n = 9;
	return 0;
}

static int end_the_dict(void *n, void *context)
{
	return covey_dict_destroy(*(const covey_dict *)context);
}

static void a_function_changes_a_value_in_place(void **state)
{
	covey_dict d = new_dict("counts");
	int n = 10, five = 5, less = -1;
	double wide;

	assert_int_equal(covey_dict_update(d, "n", &n, add_number, &five), 1); /* from 10 */
	assert_int_equal(n, 15);
	n = 0;
	assert_int_equal(covey_dict_update(d, "n", &n, add_number, &five), 0);
	assert_int_equal(n, 20);
	assert_int_equal(covey_dict_update(d, "n", &n, add_number, &less), -ECANCELED);
	assert_non_null(strstr(covey_errmsg(), "dict 'counts': the function"));
	assert_non_null(strstr(covey_errmsg(), "returned 1"));
	assert_int_equal(covey_dict_update(d, "none", &n, add_number, &less), -ECANCELED);
	assert_int_equal(covey_dict_contains(d, "none"), 0);
	assert_int_equal(calls, 4);
	assert_int_equal(covey_dict_update(d, "n", &wide, add_number, &five), -EMSGSIZE);
	assert_int_equal(covey_dict_update(d, "n", &n, NULL, &five), -EINVAL);
	assert_int_equal(calls, 4);
	assert_int_equal(covey_dict_get(d, "n", &n), 0);
	assert_int_equal(n, 20);
	assert_int_equal(covey_dict_update(d, "n", &n, use_the_dict, &d), 0);
	assert_int_equal(covey_dict_get(d, "n", &n), 0);
	assert_int_equal(n, 9);
	assert_int_equal(covey_dict_get(d, "other", &n), 0);
	assert_int_equal(n, 8);
	assert_int_equal(covey_dict_size(d), 202);
	assert_int_equal(covey_dict_update(d, "n", &n, end_the_dict, &d), -EBADF);
	assert_int_equal(covey_dict_update(d, "n", &n, add_number, &five), -EBADF);
}

struct updating {
	covey_dict dict;
	covey_queue says;
	int waits;
};

static int add_or_wait(void *n, void *context)
{
	const struct updating *u = context;

	++*(int *)n;
	if (u->waits)
		covey_put(u->says, &u->waits, COVEY_FOREVER);
	while (u->waits)
		pause();
	return 0;
}

static int update(const void *arg, size_t len)
{
	struct updating u = *(const struct updating *)arg;
	int n = 0, before;

	for (int i = 0; i < 300; i++) {
		if (covey_dict_update(u.dict, "by function", &n, add_or_wait, &u) < 0)
			return 1;
		before = 0;
		covey_dict_set_default(u.dict, "by comparing", &before);
		do
			n = before + 1;
		while (covey_dict_compare_set(u.dict, "by comparing", &before, &n) == 0);
	}
	return 0;
}

static void no_update_is_lost_but_that_of_the_dead(void **state)
{
	struct updating u = {.dict = new_dict("updated")};
	covey_process *p[3];
	int n;

	assert_int_equal(covey_queue_create(&u.says, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_start(&p[i], update, &u, .method = *(covey_method *)*state),
		                 0);
	assert_int_equal(covey_process_finish(p, 3), 0);
	assert_int_equal(covey_dict_get(u.dict, "by function", &n), 0);
	assert_int_equal(n, 900);
	assert_int_equal(covey_dict_get(u.dict, "by comparing", &n), 0);
	assert_int_equal(n, 900);
	/* One that is killed in its function leaves the old value, and holds nobody up. */
	u.waits = 1;
	assert_int_equal(covey_start(&p[0], update, &u, .method = *(covey_method *)*state), 0);
	assert_int_equal(covey_get(u.says, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_rlock_acquire(covey_dict_lock(u.dict), 0), -EAGAIN);
	assert_int_equal(covey_dict_get(u.dict, "by function", &n), 0); /* readers do not wait */
	assert_int_equal(covey_process_end(p[0], 0), 128 + SIGKILL);
	u.waits = 0;
	assert_int_equal(covey_dict_update(u.dict, "by function", &n, add_or_wait, &u), 0);
	assert_int_equal(n, 901);
	assert_int_equal(covey_queue_destroy(u.says), 0);
	assert_int_equal(covey_dict_destroy(u.dict), 0);
}

static void sizes_are_checked(void **state)
{
	covey_dict d = new_dict("sized");
	char buf[8] = "xxxxxxx";
	int n = 3;

	assert_int_equal(covey_dict_set(d, "text", "12345"), 1);
	assert_int_equal(covey_dict_get(d, "text", &n), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "dict 'sized': the value has 5 bytes"));
	assert_int_equal(covey_dict_pop(d, "text", &n), -EMSGSIZE);
	assert_int_equal(n, 3);
	assert_int_equal(covey_dict_get_bytes(d, "text", 4, buf, 4), -EMSGSIZE);
	assert_int_equal(covey_dict_pop_bytes(d, "text", 4, buf, 4), -EMSGSIZE);
	assert_string_equal(buf, "xxxxxxx");
	assert_int_equal(covey_dict_get_bytes(d, "text", 4, buf, 8), 5);
	assert_memory_equal(buf, "12345xx", 8);
	assert_int_equal(covey_dict_pop_bytes(d, "text", COVEY_TEXT, buf, 8), 5);
	assert_int_equal(covey_dict_get_bytes(d, "text", 4, buf, 8), -ENOENT);
	/* Nothing is a key, and a value, too. */
	assert_int_equal(covey_dict_set_bytes(d, NULL, 0, NULL, 0), 1);
	assert_int_equal(covey_dict_contains_bytes(d, "", 0), 1);
	assert_int_equal(covey_dict_get_bytes(d, NULL, 0, NULL, 0), 0);
	assert_int_equal(covey_dict_contains_bytes(d, "\0", 1), 0);
	assert_int_equal(covey_dict_delete_bytes(d, "", 0), 0);
	assert_int_equal(covey_dict_create(NULL, NULL), -EINVAL);
	assert_int_equal(covey_dict_destroy(d), 0);
}

/* A key and a value of any length that follow from a number. */
static size_t key_bytes(unsigned char *to, unsigned n)
{
	size_t len = 4 + n % 37;

	memset(to, (int)(n * 7), len);
	memcpy(to, &n, 4);
	return len;
}

static size_t value_bytes(unsigned char *to, unsigned n)
{
	size_t len = n * 13 % 300;

	memset(to, (int)(n * 11), len);
	return len;
}

#define KEYS 20000u

static void many_keys_come_and_go(void **state)
{
	covey_dict d = new_dict("many");
	unsigned char key[64], value[300], got[300];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < KEYS; i++)
			assert_int_equal(covey_dict_set_bytes(d, key, key_bytes(key, i), value,
			                                      value_bytes(value, i + round)),
			                 round == 0 || i % 4 != 0);
		if (round == 0)
			assert_int_equal(covey_dict_size(d), KEYS);
		for (unsigned i = 0; i < KEYS; i++) {
			size_t len = value_bytes(value, i + round);

			assert_int_equal(
				covey_dict_get_bytes(d, key, key_bytes(key, i), got, sizeof got),
				len);
			assert_memory_equal(value, got, len);
		}
		for (unsigned i = 0; i < KEYS; i++)
			if (i % 4)
				assert_int_equal(covey_dict_delete_bytes(d, key, key_bytes(key, i)),
				                 0);
		assert_int_equal(covey_dict_size(d), KEYS / 4);
		for (unsigned i = 0; i < KEYS; i++)
			assert_int_equal(covey_dict_contains_bytes(d, key, key_bytes(key, i)),
			                 i % 4 == 0);
	}
	assert_int_equal(covey_dict_clear(d), 0);
	assert_int_equal(covey_dict_size(d), 0);
	assert_int_equal(covey_dict_contains_bytes(d, key, key_bytes(key, 4)), 0);
	assert_int_equal(covey_dict_destroy(d), 0);
}

static void replacing_needs_no_more_and_more_memory(void **state)
{
	covey_dict d = new_dict("one");
	static unsigned char value[1000];
	uint64_t before = held();

	for (int i = 0; i < 20000; i++)
		assert_int_equal(covey_dict_set_bytes(d, "key", 3, value, sizeof value), i == 0);
	assert_true(held() < before + 300000);
	for (int i = 0; i < 20000; i++) {
		assert_int_equal(covey_dict_delete(d, "key"), 0);
		assert_int_equal(covey_dict_set_bytes(d, &i, sizeof i, value, i % 500), 1);
		assert_int_equal(covey_dict_delete(d, &i), 0);
		assert_int_equal(covey_dict_set(d, "key", &i), 1);
	}
	assert_true(held() < before + 300000);
	assert_int_equal(covey_dict_size(d), 1);
	assert_int_equal(covey_dict_destroy(d), 0);
}

static void large_values_are_well_met(void **state)
{
	const size_t len = 30u << 20;
	covey_dict d = new_dict("large");
	unsigned char *value = malloc(len), *got;

	memset(value, 3, len);
	for (int i = 0; i < 3; i++) {
		value[i] = (unsigned char)i;
		assert_int_equal(covey_dict_set_bytes(d, &i, sizeof i, value, len), 1);
		assert_int_equal(covey_dict_set_bytes(d, &i, sizeof i, value, len), 0);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_dict_get_alloc(d, &i, (void **)&got), len);
		assert_int_equal(got[i], i);
		assert_int_equal(got[len - 1], 3);
		assert_int_equal(got[len], 0);
		free(got);
	}
	free(value);
	assert_int_equal(covey_dict_destroy(d), 0);
}

static void no_memory_is_an_error_and_no_loss(void **state)
{
	covey_dict d;
	static unsigned char value[1 << 20], got[1 << 20];
	int i, rc = 1;

	assert_int_equal(covey_configure(&(covey_config){.quota = 24u << 20}), 0);
	d = new_dict("bounded");
	for (i = 0; rc == 1; i++) {
		value[0] = (unsigned char)i;
		rc = covey_dict_set_bytes(d, &i, sizeof i, value, sizeof value);
	}
	assert_int_equal(rc, -ENOMEM);
	assert_true(i > 5);
	assert_int_equal(covey_dict_size(d), i - 1);
	for (int j = 0; j < i - 1; j++) {
		assert_int_equal(covey_dict_get(d, &j, &got), 0);
		assert_int_equal(got[0], j);
	}
	assert_int_equal(covey_dict_set_bytes(d, &i, sizeof i, value, SIZE_MAX / 2), -ENOMEM);
	for (int j = 0; j < i - 1; j++)
		assert_int_equal(covey_dict_delete(d, &j), 0);
	assert_int_equal(covey_dict_set_bytes(d, &i, sizeof i, value, sizeof value), 1);
	assert_int_equal(covey_dict_destroy(d), 0);
}

static void a_snapshot_stays_as_it_was(void **state)
{
	covey_dict d = new_dict(NULL);
	covey_dict_items *items;
	covey_dict_item item;
	char seen[100] = {0}, key[16];

	assert_int_equal(covey_dict_snapshot(d, &items), 0);
	assert_int_equal(covey_dict_next(items, &item), 0);
	covey_dict_items_free(items);
	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof key, "%d", i);
		assert_int_equal(covey_dict_set(d, key, &i), 1);
	}
	assert_int_equal(covey_dict_snapshot(d, &items), 0);
	assert_int_equal(covey_dict_clear(d), 0);
	for (int i = 0; i < 100; i++) {
		int n;

		assert_int_equal(covey_dict_next(items, &item), 1);
		assert_int_equal((uintptr_t)item.value % 16, 0);
		assert_int_equal(item.value_len, sizeof n);
		n = *(const int *)item.value;
		assert_int_equal(strlen(item.key), item.key_len);
		assert_int_equal(atoi(item.key), n);
		assert_int_equal(seen[n]++, 0);
	}
	assert_int_equal(covey_dict_next(items, &item), 0);
	assert_int_equal(covey_dict_next(items, &item), 0);
	covey_dict_items_free(items);
	covey_dict_items_free(NULL);
	assert_int_equal(covey_dict_destroy(d), 0);
}

struct counting {
	covey_dict dict;
	int rounds;
	int n;
};

static int count_up(const void *arg, size_t len)
{
	const struct counting *c = arg;
	int n;

	for (int i = 0; i < c->rounds; i++) {
		int own[2] = {c->n, i};

		n = 0;
		if (covey_dict_set_default(c->dict, "count", &n) < 0)
			return 1;
		COVEY_WITH (covey_dict_lock(c->dict)) {
			if (covey_dict_get(c->dict, "count", &n) < 0)
				return 2;
			n++;
			if (covey_dict_set(c->dict, "count", &n) != 0)
				return 3;
		}
		if (covey_dict_set(c->dict, &own, &i) != 1)
			return 4;
	}
	return 0;
}

static void processes_change_it_at_once(void **state)
{
	struct counting c = {.dict = new_dict("count"), .rounds = 500};
	covey_process *p[3];
	int n;

	for (c.n = 0; c.n < 3; c.n++)
		assert_int_equal(
			covey_start(&p[c.n], count_up, &c, .method = *(covey_method *)*state), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), 0);
		covey_process_free(p[i]);
	}
	assert_int_equal(covey_dict_get(c.dict, "count", &n), 0);
	assert_int_equal(n, 3 * c.rounds);
	assert_int_equal(covey_dict_size(c.dict), 3 * c.rounds + 1);
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < c.rounds; j++) {
			int own[2] = {i, j};

			assert_int_equal(covey_dict_get(c.dict, &own, &n), 0);
			assert_int_equal(n, j);
		}
	assert_int_equal(covey_dict_destroy(c.dict), 0);
}

/* Values that tell whether they are whole: all bytes the same, the length their key's. */
static int change_for_ever(const void *arg, size_t len)
{
	const struct counting *c = arg;
	unsigned char value[400];

	for (unsigned i = 0;; i++) {
		int key = (int)(i * 7 % 50);

		memset(value, (int)i, sizeof value);
		if (i % 11 == 0)
			covey_dict_delete(c->dict, &key);
		else if (i % 5003 == 1)
			covey_dict_clear(c->dict);
		else
			covey_dict_set_bytes(c->dict, &key, sizeof key, value, 100 + (size_t)key);
	}
	return 0;
}

static void assert_whole(const unsigned char *value, int64_t len, int key)
{
	assert_int_equal(len, 100 + key);
	for (int64_t i = 1; i < len; i++)
		assert_int_equal(value[i], value[0]);
}

static void readers_see_whole_values_whoever_dies(void **state)
{
	struct counting c = {.dict = new_dict("stormy")};
	unsigned char value[400];
	covey_dict_items *items;
	covey_dict_item item;
	int64_t n;

	for (int round = 0; round < 10; round++) {
		covey_process *p[2];
		int found = 0;

		for (int i = 0; i < 2; i++)
			assert_int_equal(covey_start(&p[i], change_for_ever, &c,
			                             .method = *(covey_method *)*state),
			                 0);
		for (unsigned i = 0; found < 2000; i++) {
			int key = (int)(i % 50);

			n = covey_dict_get_bytes(c.dict, &key, sizeof key, value, sizeof value);
			if (n == -ENOENT)
				continue;
			assert_whole(value, n, key);
			found++;
		}
		for (int i = 0; i < 2; i++) {
			covey_process_kill(p[i]);
			assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
			covey_process_free(p[i]);
		}
		assert_int_equal(covey_dict_snapshot(c.dict, &items), 0);
		for (n = 0; covey_dict_next(items, &item); n++)
			assert_whole(item.value, (int64_t)item.value_len, *(const int *)item.key);
		covey_dict_items_free(items);
		assert_int_equal(covey_dict_size(c.dict), n);
	}
	assert_int_equal(covey_dict_destroy(c.dict), 0);
}

struct holding {
	covey_dict dict;
	covey_queue says;
};

static int hold_and_wait(const void *arg, size_t len)
{
	const struct holding *h = arg;
	int rc = covey_rlock_acquire(covey_dict_lock(h->dict), COVEY_FOREVER);

	covey_dict_set(h->dict, "by", "the dead");
	covey_put(h->says, &rc, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static void its_lock_keeps_writers_out_and_tells_of_a_death(void **state)
{
	struct holding h = {.dict = new_dict("held")};
	covey_rlock lock = covey_dict_lock(h.dict);
	char buf[16];
	covey_process *p;
	int rc;

	assert_int_equal(covey_queue_create(&h.says, NULL), 0);
	assert_int_equal(covey_start(&p, hold_and_wait, &h, .method = *(covey_method *)*state), 0);
	assert_int_equal(covey_get(h.says, &rc, COVEY_FOREVER), 0);
	assert_int_equal(rc, 0);
	assert_int_equal(covey_rlock_acquire(lock, 0), -EAGAIN);
	assert_int_equal(covey_dict_get_bytes(h.dict, "by", 2, buf, sizeof buf), 8); /* no wait */
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_dict_set(h.dict, "by", "me"), 0);
	assert_int_equal(covey_rlock_acquire(lock, COVEY_FOREVER), COVEY_OWNER_DIED);
	assert_int_equal(covey_rlock_acquire(lock, COVEY_FOREVER), 0);
	assert_int_equal(covey_dict_size(h.dict), 1);
	assert_int_equal(covey_dict_destroy(h.dict), 0); /* by its holder */
	assert_int_equal(covey_queue_destroy(h.says), 0);
}

static void stale_handles_are_errors_in_words(void **state)
{
	covey_dict d = {0};
	covey_dict_items *items;
	void *value;
	int n = 1;

	assert_int_equal(covey_dict_get(d, "x", &n), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "never created"));
	d = new_dict(NULL);
	assert_int_equal(covey_dict_set(d, "x", &n), 1);
	assert_int_equal(covey_dict_destroy(d), 0);
	assert_int_equal(covey_dict_set(d, "x", &n), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "dict: it was destroyed"));
	assert_int_equal(covey_dict_get(d, "x", &n), -EBADF);
	assert_int_equal(covey_dict_get_alloc(d, "x", &value), -EBADF);
	assert_int_equal(covey_dict_contains(d, "x"), -EBADF);
	assert_int_equal(covey_dict_pop(d, "x", &n), -EBADF);
	assert_int_equal(covey_dict_delete(d, "x"), -EBADF);
	assert_int_equal(covey_dict_set_default(d, "x", &n), -EBADF);
	assert_int_equal(covey_dict_size(d), -EBADF);
	assert_int_equal(covey_dict_clear(d), -EBADF);
	assert_int_equal(covey_dict_snapshot(d, &items), -EBADF);
	assert_int_equal(covey_dict_destroy(d), -EBADF);
	d = new_dict("again");
	assert_int_equal(covey_dict_contains(d, "x"), 0);
	assert_int_equal(covey_dict_destroy(d), 0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(strings_and_structs_are_keys_and_values),
	HARNESS_TEST(a_default_is_set_once),
	HARNESS_TEST(a_value_is_replaced_where_it_is_as_expected),
	HARNESS_TEST(a_function_changes_a_value_in_place),
	HARNESS_TEST_BY_METHODS(no_update_is_lost_but_that_of_the_dead),
	HARNESS_TEST(sizes_are_checked),
	HARNESS_TEST(many_keys_come_and_go),
	HARNESS_TEST(replacing_needs_no_more_and_more_memory),
	HARNESS_TEST(large_values_are_well_met),
	HARNESS_TEST(no_memory_is_an_error_and_no_loss),
	HARNESS_TEST(a_snapshot_stays_as_it_was),
	HARNESS_TEST_BY_METHODS(processes_change_it_at_once),
	HARNESS_TEST_BY_METHODS(readers_see_whole_values_whoever_dies),
	HARNESS_TEST_BY_METHODS(its_lock_keeps_writers_out_and_tells_of_a_death),
	HARNESS_TEST(stale_handles_are_errors_in_words),
};

HARNESS_MAIN(tests)
