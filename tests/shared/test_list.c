/* SPDX-License-Identifier: MIT */
/* What a user of lists relies on. */
#include "support/harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static covey_list new_list(const char *name)
{
	covey_list l;

	assert_int_equal(covey_list_create(&l, name), 0);
	return l;
}

/* That the list holds these numbers, in this order, by get and by snapshot. */
static void assert_holds(covey_list l, const int *want, int n)
{
	covey_list_items *items;
	const void *data;
	size_t len;
	int got;

	assert_int_equal(covey_list_size(l), n);
	assert_int_equal(covey_list_snapshot(l, &items), 0);
	for (int i = 0; i < n; i++) {
		assert_int_equal(covey_list_get(l, i, &got), 0);
		assert_int_equal(got, want[i]);
		assert_int_equal(covey_list_get(l, i - n, &got), 0);
		assert_int_equal(got, want[i]);
		assert_int_equal(covey_list_next(items, &data, &len), 1);
		assert_int_equal(len, sizeof got);
		assert_int_equal((uintptr_t)data % 16, 0);
		assert_int_equal(*(const int *)data, want[i]);
	}
	assert_int_equal(covey_list_next(items, &data, &len), 0);
	covey_list_items_free(items);
	assert_int_equal(covey_list_get(l, n, &got), -ERANGE);
	assert_int_equal(covey_list_get(l, -n - 1, &got), -ERANGE);
}

#define HOLDS(l, ...)                                 \
	assert_holds((l), (const int[]){__VA_ARGS__}, \
	             sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void elements_are_where_they_were_put(void **state)
{
	covey_list l = new_list("numbers");
	int n, numbers[3] = {4, 5, 6};
	struct iovec more[3];

	assert_holds(l, NULL, 0);
	for (n = 1; n < 4; n++)
		assert_int_equal(covey_list_append(l, &n), 0);
	for (int i = 0; i < 3; i++)
		more[i] = (struct iovec){&numbers[i], sizeof *numbers};
	assert_int_equal(covey_list_extend(l, more, 3), 0);
	assert_int_equal(covey_list_extend(l, NULL, 0), 0);
	assert_int_equal(covey_list_extend(l, more, -1), -EINVAL);
	HOLDS(l, 1, 2, 3, 4, 5, 6);
	n = 10;
	assert_int_equal(covey_list_insert(l, 0, &n), 0);
	assert_int_equal(covey_list_insert(l, 7, &n), 0);
	assert_int_equal(covey_list_insert(l, -2, &n), 0);
	HOLDS(l, 10, 1, 2, 3, 4, 5, 10, 6, 10);
	assert_int_equal(covey_list_insert(l, 10, &n), -ERANGE);
	assert_non_null(strstr(covey_errmsg(), "list 'numbers': no element 10, it has 9"));
	n = 20;
	assert_int_equal(covey_list_set(l, 1, &n), 0);
	assert_int_equal(covey_list_set(l, -1, &n), 0);
	assert_int_equal(covey_list_set(l, 9, &n), -ERANGE);
	HOLDS(l, 10, 20, 2, 3, 4, 5, 10, 6, 20);
	assert_int_equal(covey_list_delete(l, 0), 0);
	assert_int_equal(covey_list_delete(l, -1), 0);
	assert_int_equal(covey_list_delete(l, 3), 0);
	assert_int_equal(covey_list_delete(l, 6), -ERANGE);
	assert_int_equal(covey_list_delete(l, INT64_MIN), -ERANGE);
	HOLDS(l, 20, 2, 3, 5, 10, 6);
	assert_int_equal(covey_list_pop(l, -1, &n), 0);
	assert_int_equal(n, 6);
	assert_int_equal(covey_list_pop(l, 1, &n), 0);
	assert_int_equal(n, 2);
	HOLDS(l, 20, 3, 5, 10);
	assert_int_equal(covey_list_clear(l), 0);
	assert_holds(l, NULL, 0);
	assert_int_equal(covey_list_pop(l, -1, &n), -ERANGE);
	assert_int_equal(covey_list_destroy(l), 0);
}

static void elements_are_bytes_of_any_length(void **state)
{
	covey_list l = new_list("bytes");
	char buf[8] = "xxxxxxx", *text;
	int n = 3;

	assert_int_equal(covey_list_append(l, "12345"), 0);
	assert_int_equal(covey_list_append_bytes(l, NULL, 0), 0);
	assert_int_equal(covey_list_get(l, 0, &n), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "list 'bytes': the element has 5 bytes"));
	assert_int_equal(covey_list_pop(l, 0, &n), -EMSGSIZE);
	assert_int_equal(n, 3);
	assert_int_equal(covey_list_get_bytes(l, 0, buf, 4), -EMSGSIZE);
	assert_int_equal(covey_list_pop_bytes(l, 0, buf, 4), -EMSGSIZE);
	assert_string_equal(buf, "xxxxxxx");
	assert_int_equal(covey_list_get_bytes(l, 0, buf, 8), 5);
	assert_memory_equal(buf, "12345xx", 8);
	assert_int_equal(covey_list_get_alloc(l, 0, (void **)&text), 5);
	assert_string_equal(text, "12345");
	free(text);
	assert_int_equal(covey_list_get_bytes(l, 1, NULL, 0), 0);
	assert_int_equal(covey_list_pop_bytes(l, 0, buf, 8), 5);
	assert_int_equal(covey_list_size(l), 1);
	assert_int_equal(covey_list_append_bytes(l, "x", SIZE_MAX / 2), -ENOMEM);
	assert_int_equal(covey_list_create(NULL, NULL), -EINVAL);
	assert_int_equal(covey_list_destroy(l), 0);
}

#define MANY 20000

static void many_elements_come_and_go(void **state)
{
	covey_list l = new_list("many");
	unsigned char bytes[300], got[300];
	covey_usage before, after;

	assert_int_equal(covey_usage_get(&before), 0);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < MANY; i++) {
			memset(bytes, i, sizeof bytes);
			assert_int_equal(covey_list_append_bytes(l, bytes, (size_t)(i % 300)), 0);
		}
		for (int i = 0; i < MANY; i++) {
			memset(bytes, i, sizeof bytes);
			assert_int_equal(covey_list_get_bytes(l, i, got, sizeof got), i % 300);
			assert_memory_equal(bytes, got, (size_t)(i % 300));
		}
		for (int i = MANY; i-- > 0;)
			assert_int_equal(covey_list_pop_bytes(l, -1, got, sizeof got), i % 300);
	}
	/* One that is replaced and one that is moved need no more and more memory. */
	assert_int_equal(covey_list_append(l, "first"), 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(covey_list_append_bytes(l, bytes, sizeof bytes), 0);
		assert_int_equal(covey_list_set_bytes(l, 0, bytes, sizeof bytes), 0);
		assert_int_equal(covey_list_delete(l, 0), 0);
	}
	assert_int_equal(covey_usage_get(&after), 0);
	assert_true(after.used < before.used + (UINT64_C(66) << 20)); /* 64 MiB may be kept warm */
	assert_int_equal(covey_list_size(l), 1);
	assert_int_equal(covey_list_destroy(l), 0);
}

static void no_memory_is_an_error_and_no_loss(void **state)
{
	static unsigned char bytes[1 << 20], got[1 << 20];
	covey_list l;
	int i, rc = 0;

	assert_int_equal(covey_configure(&(covey_config){.quota = 24u << 20}), 0);
	l = new_list("bounded");
	for (i = 0; rc == 0; i++) {
		bytes[0] = (unsigned char)i;
		rc = covey_list_append_bytes(l, bytes, sizeof bytes);
	}
	assert_int_equal(rc, -ENOMEM);
	assert_true(i > 5);
	assert_int_equal(covey_list_size(l), i - 1);
	for (int j = 0; j < i - 1; j++) {
		assert_int_equal(covey_list_get(l, j, &got), 0);
		assert_int_equal(got[0], j);
	}
	assert_int_equal(covey_list_clear(l), 0);
	assert_int_equal(covey_list_append_bytes(l, bytes, sizeof bytes), 0);
	assert_int_equal(covey_list_destroy(l), 0);
}

struct adding {
	covey_list list;
	int rounds;
	int n;
};

static int add(const void *arg, size_t len)
{
	const struct adding *a = arg;

	for (int i = 0; i < a->rounds; i++) {
		int own[2] = {a->n, i};

		if (covey_list_append(a->list, &own) < 0)
			return 1;
		COVEY_WITH (covey_list_lock(a->list)) {
			if (covey_list_get(a->list, 0, &own) < 0)
				return 2;
			own[1]++;
			if (covey_list_set(a->list, 0, &own) < 0)
				return 3;
		}
	}
	return 0;
}

static void processes_change_it_at_once(void **state)
{
	struct adding a = {.list = new_list("added"), .rounds = 500};
	int own[2] = {-1, 0}, last[3] = {-1, -1, -1};
	covey_process *p[3];

	assert_int_equal(covey_list_append(a.list, &own), 0);
	for (a.n = 0; a.n < 3; a.n++)
		assert_int_equal(covey_start(&p[a.n], add, &a, .method = *(covey_method *)*state),
		                 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), 0);
		covey_process_free(p[i]);
	}
	assert_int_equal(covey_list_size(a.list), 3 * a.rounds + 1);
	assert_int_equal(covey_list_get(a.list, 0, &own), 0);
	assert_int_equal(own[1], 3 * a.rounds);
	for (int i = 1; i <= 3 * a.rounds; i++) {
		assert_int_equal(covey_list_get(a.list, i, &own), 0);
		assert_int_equal(own[1], ++last[own[0]]); /* each one's own are in order */
	}
	assert_int_equal(covey_list_destroy(a.list), 0);
}

/* Elements that tell whether they are whole: all bytes the same, and so is the length. */
static int change_for_ever(const void *arg, size_t len)
{
	const struct adding *a = arg;
	unsigned char bytes[256];

	for (unsigned i = 0;; i++) {
		size_t n = i * 7 % 256;
		int64_t size = covey_list_size(a->list);

		memset(bytes, (int)n, sizeof bytes);
		if (size < 20)
			covey_list_append_bytes(a->list, bytes, n);
		else if (size > 60)
			covey_list_delete(a->list, (int64_t)(i % 60));
		else if (i % 3 == 0)
			covey_list_insert_bytes(a->list, (int64_t)(i % 20), bytes, n);
		else if (i % 3 == 1)
			covey_list_set_bytes(a->list, (int64_t)(i % 20), bytes, n);
		else
			covey_list_delete(a->list, i % 2 ? -1 : 3);
	}
	return 0;
}

static void assert_whole(const unsigned char *bytes, int64_t len)
{
	for (int64_t i = 0; i < len; i++)
		assert_int_equal(bytes[i], len);
}

static void readers_see_whole_elements_whoever_dies(void **state)
{
	struct adding a = {.list = new_list("stormy")};
	unsigned char got[256];
	covey_list_items *items;
	const void *data;
	int64_t n;
	size_t len;

	for (int round = 0; round < 10; round++) {
		covey_process *p[2];
		int found = 0;

		for (int i = 0; i < 2; i++)
			assert_int_equal(covey_start(&p[i], change_for_ever, &a,
			                             .method = *(covey_method *)*state),
			                 0);
		for (unsigned i = 0; found < 2000; i++) {
			n = covey_list_get_bytes(a.list, (int64_t)(i % 25), got, sizeof got);
			if (n == -ERANGE)
				continue;
			assert_true(n >= 0);
			assert_whole(got, n);
			found++;
		}
		for (int i = 0; i < 2; i++) {
			covey_process_kill(p[i]);
			assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
			covey_process_free(p[i]);
		}
		assert_int_equal(covey_list_snapshot(a.list, &items), 0);
		for (n = 0; covey_list_next(items, &data, &len); n++)
			assert_whole(data, (int64_t)len);
		covey_list_items_free(items);
		assert_int_equal(covey_list_size(a.list), n);
	}
	assert_int_equal(covey_list_destroy(a.list), 0);
}

struct holding {
	covey_list list;
	covey_queue says;
};

static int hold_and_wait(const void *arg, size_t len)
{
	const struct holding *h = arg;
	int rc = covey_rlock_acquire(covey_list_lock(h->list), COVEY_FOREVER);

	covey_list_append(h->list, &rc);
	covey_put(h->says, &rc, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static void its_lock_keeps_writers_out_and_tells_of_a_death(void **state)
{
	struct holding h = {.list = new_list("held")};
	covey_rlock lock = covey_list_lock(h.list);
	covey_process *p;
	int rc;

	assert_int_equal(covey_queue_create(&h.says, NULL), 0);
	assert_int_equal(covey_start(&p, hold_and_wait, &h, .method = *(covey_method *)*state), 0);
	assert_int_equal(covey_get(h.says, &rc, COVEY_FOREVER), 0);
	assert_int_equal(covey_rlock_acquire(lock, 0), -EAGAIN);
	assert_int_equal(covey_list_get(h.list, 0, &rc), 0); /* get does not wait */
	assert_int_equal(rc, 0);
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_list_append(h.list, &rc), 0);
	assert_int_equal(covey_rlock_acquire(lock, COVEY_FOREVER), COVEY_OWNER_DIED);
	assert_int_equal(covey_rlock_release(lock), 0);
	assert_int_equal(covey_list_size(h.list), 2);
	assert_int_equal(covey_list_destroy(h.list), 0);
	assert_int_equal(covey_queue_destroy(h.says), 0);
}

static void stale_handles_are_errors_in_words(void **state)
{
	covey_list l = {0};
	covey_list_items *items;
	struct iovec one = {"x", 1};
	void *data;
	int n = 1;

	assert_int_equal(covey_list_get(l, 0, &n), -EBADF);
	l = new_list(NULL);
	assert_int_equal(covey_list_append(l, &n), 0);
	assert_int_equal(covey_list_destroy(l), 0);
	assert_int_equal(covey_list_append(l, &n), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "list: it was destroyed"));
	assert_int_equal(covey_list_extend(l, &one, 1), -EBADF);
	assert_int_equal(covey_list_insert(l, 0, &n), -EBADF);
	assert_int_equal(covey_list_set(l, 0, &n), -EBADF);
	assert_int_equal(covey_list_get(l, 0, &n), -EBADF);
	assert_int_equal(covey_list_get_alloc(l, 0, &data), -EBADF);
	assert_int_equal(covey_list_pop(l, 0, &n), -EBADF);
	assert_int_equal(covey_list_delete(l, 0), -EBADF);
	assert_int_equal(covey_list_size(l), -EBADF);
	assert_int_equal(covey_list_clear(l), -EBADF);
	assert_int_equal(covey_list_snapshot(l, &items), -EBADF);
	assert_int_equal(covey_list_destroy(l), -EBADF);
	covey_list_items_free(NULL);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(elements_are_where_they_were_put),
	HARNESS_TEST(elements_are_bytes_of_any_length),
	HARNESS_TEST(many_elements_come_and_go),
	HARNESS_TEST(no_memory_is_an_error_and_no_loss),
	HARNESS_TEST_BY_METHODS(processes_change_it_at_once),
	HARNESS_TEST_BY_METHODS(readers_see_whole_elements_whoever_dies),
	HARNESS_TEST_BY_METHODS(its_lock_keeps_writers_out_and_tells_of_a_death),
	HARNESS_TEST(stale_handles_are_errors_in_words),
};

HARNESS_MAIN(tests)
