/* SPDX-License-Identifier: MIT */
/* What a user of values relies on. */
#include "support/harness.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define WORDS 100

/* An object that can tell whether it is whole. */
struct wide {
	uint64_t word[WORDS];
};

static struct wide wide_of(uint64_t n)
{
	struct wide w;

	for (int i = 0; i < WORDS; i++)
		w.word[i] = n + (uint64_t)i;
	return w;
}

static bool is_whole(const struct wide *w)
{
	for (int i = 0; i < WORDS; i++)
		if (w->word[i] != w->word[0] + (uint64_t)i)
			return false;
	return true;
}

static void a_value_holds_what_was_set(void **state)
{
	struct three {
		char bytes[3];
	} three = {"ab"};
	struct wide wide = wide_of(5);
	covey_value a, b, c;
	double x = 3.5;

	assert_int_equal(covey_value_create(&a, &x, "x"), 0);
	assert_int_equal(covey_value_create(&b, &three, NULL), 0);
	assert_int_equal(covey_value_create(&c, &wide, NULL), 0);
	x = 0;
	assert_int_equal(covey_value_get(a, &x), 0);
	assert_true(x == 3.5);
	x = 4.5;
	assert_int_equal(covey_value_set(a, &x), 0);
	x = 0;
	assert_int_equal(covey_value_get(a, &x), 0);
	assert_true(x == 4.5);
	memset(&three, 0, sizeof three);
	assert_int_equal(covey_value_get(b, &three), 0);
	assert_string_equal(three.bytes, "ab");
	for (uint64_t i = 0; i < 5; i++) {
		wide = wide_of(i * 1000);
		assert_int_equal(covey_value_set(c, &wide), 0);
		memset(&wide, 0, sizeof wide);
		assert_int_equal(covey_value_get(c, &wide), 0);
		assert_int_equal(wide.word[0], i * 1000);
		assert_true(is_whole(&wide));
	}
	assert_int_equal(covey_value_destroy(a), 0);
	assert_int_equal(covey_value_destroy(b), 0);
	assert_int_equal(covey_value_destroy(c), 0);
}

static void another_size_is_refused_in_words(void **state)
{
	covey_value v;
	double x = 3.5;
	float y = 1;

	assert_int_equal(covey_value_create(&v, &x, "pi"), 0);
	assert_int_equal(covey_value_get(v, &y), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "value 'pi': it holds 8 bytes"));
	assert_int_equal(covey_value_set(v, &y), -EMSGSIZE);
	assert_int_equal(covey_value_compare_set(v, &y, &y), -EMSGSIZE);
	assert_true(y == 1);
	assert_int_equal(covey_value_destroy(v), 0);
	assert_int_equal(covey_value_create(&v, &y, NULL), 0);
	assert_int_equal(covey_value_add(v, 1, NULL), -EMSGSIZE);
	assert_int_equal(covey_value_destroy(v), 0);
	assert_int_equal(covey_value_create_bytes(&v, &x, 0, NULL), -EINVAL);
	assert_int_equal(covey_value_create(NULL, &x, NULL), -EINVAL);
}

static void integers_are_added_and_compared(void **state)
{
	int64_t n = 40, other = 1;
	covey_value v;

	assert_int_equal(covey_value_create(&v, &n, NULL), 0);
	assert_int_equal(covey_value_add(v, 2, &n), 0);
	assert_int_equal(n, 42);
	assert_int_equal(covey_value_add(v, -50, NULL), 0);
	assert_int_equal(covey_value_get(v, &n), 0);
	assert_int_equal(n, -8);
	n = 5;
	assert_int_equal(covey_value_compare_set(v, &n, &other), 0);
	assert_int_equal(n, -8);
	assert_int_equal(covey_value_compare_set(v, &n, &other), 1);
	assert_int_equal(covey_value_get(v, &n), 0);
	assert_int_equal(n, 1);
	n = INT64_MAX;
	assert_int_equal(covey_value_set(v, &n), 0);
	assert_int_equal(covey_value_add(v, 1, &n), 0);
	assert_true(n == INT64_MIN);
	assert_int_equal(covey_value_destroy(v), 0);
}

struct counting {
	covey_value value;
	int rounds;
};

static int count_up(const void *arg, size_t len)
{
	const struct counting *c = arg;
	int64_t n;

	for (int i = 0; i < c->rounds; i++) {
		if (covey_value_add(c->value, 1, NULL) < 0)
			return 1;
		COVEY_WITH (covey_value_lock(c->value)) {
			if (covey_value_get(c->value, &n) < 0)
				return 2;
			n++;
			if (covey_value_set(c->value, &n) < 0)
				return 3;
		}
		while (covey_value_compare_set(c->value, &n, &(int64_t){n + 1}) == 0)
			;
	}
	return 0;
}

static void no_change_is_lost(void **state)
{
	struct counting c = {.rounds = 300};
	covey_process *p[3];
	int64_t n = 0;

	assert_int_equal(covey_value_create(&c.value, &n, "count"), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			covey_start(&p[i], count_up, &c, .method = *(covey_method *)*state), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), 0);
		covey_process_free(p[i]);
	}
	assert_int_equal(covey_value_get(c.value, &n), 0);
	assert_int_equal(n, 3 * 3 * c.rounds);
	assert_int_equal(covey_value_destroy(c.value), 0);
}

static int set_for_ever(const void *arg, size_t len)
{
	const covey_value *v = arg;

	for (uint64_t i = 1;; i++) {
		struct wide w = wide_of(i << 10);

		covey_value_set(*v, &w);
	}
	return 0;
}

static void nobody_sees_half_a_value(void **state)
{
	struct wide w = wide_of(0);
	covey_value v;

	assert_int_equal(covey_value_create(&v, &w, "wide"), 0);
	for (int i = 0; i < 10; i++) {
		covey_process *p[2];
		uint64_t first;

		assert_int_equal(covey_value_get(v, &w), 0);
		first = w.word[0];
		for (int j = 0; j < 2; j++)
			assert_int_equal(covey_start(&p[j], set_for_ever, &v,
			                             .method = *(covey_method *)*state),
			                 0);
		do {
			assert_int_equal(covey_value_get(v, &w), 0);
			assert_true(is_whole(&w));
		} while (w.word[0] == first);
		for (int j = 0; j < 200; j++) {
			assert_int_equal(covey_value_get(v, &w), 0);
			assert_true(is_whole(&w));
		}
		for (int j = 0; j < 2; j++) {
			covey_process_kill(p[j]);
			assert_int_equal(covey_process_join(p[j], COVEY_FOREVER), 0);
			covey_process_free(p[j]);
		}
		assert_int_equal(covey_value_get(v, &w), 0);
		assert_true(is_whole(&w));
		w = wide_of(3);
		assert_int_equal(covey_value_set(v, &w), 0);
	}
	assert_int_equal(covey_value_destroy(v), 0);
}

struct holding {
	covey_value value;
	covey_queue says;
};

static int hold_and_wait(const void *arg, size_t len)
{
	const struct holding *h = arg;
	int64_t n = 7;
	int rc = covey_rlock_acquire(covey_value_lock(h->value), COVEY_FOREVER);

	if (rc == 0)
		rc = covey_value_set(h->value, &n);
	covey_put(h->says, &rc, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static void its_lock_keeps_setters_out_and_tells_of_a_death(void **state)
{
	struct holding h;
	covey_rlock lock;
	covey_process *p;
	int64_t n = 1;
	int rc;

	assert_int_equal(covey_value_create(&h.value, &n, "guarded"), 0);
	assert_int_equal(covey_queue_create(&h.says, NULL), 0);
	lock = covey_value_lock(h.value);
	assert_int_equal(covey_start(&p, hold_and_wait, &h, .method = *(covey_method *)*state), 0);
	assert_int_equal(covey_get(h.says, &rc, COVEY_FOREVER), 0);
	assert_int_equal(rc, 0);
	assert_int_equal(covey_rlock_acquire(lock, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "value 'guarded': held by another"));
	assert_int_equal(covey_rlock_holder(lock), covey_process_pid(p));
	assert_int_equal(covey_rlock_release(lock), -EPERM);
	assert_int_equal(covey_rlock_destroy(lock), -EBADF);
	assert_int_equal(covey_value_get(h.value, &n), 0); /* get does not wait */
	assert_int_equal(n, 7);
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_value_add(h.value, 1, &n), 0); /* goes on; who asks is told */
	assert_int_equal(n, 8);
	assert_int_equal(covey_rlock_acquire(lock, COVEY_FOREVER), COVEY_OWNER_DIED);
	assert_int_equal(covey_rlock_acquire(lock, COVEY_FOREVER), 0);
	assert_int_equal(covey_rlock_release(lock), 0);
	assert_int_equal(covey_rlock_release(lock), 0);
	assert_int_equal(covey_rlock_release(lock), -EPERM);
	assert_int_equal(covey_rlock_holder(lock), 0);
	assert_int_equal(covey_value_destroy(h.value), 0);
	assert_int_equal(covey_queue_destroy(h.says), 0);
}

static void stale_handles_are_errors_in_words(void **state)
{
	covey_value v, zero = {0};
	int64_t n = 5;

	assert_int_equal(covey_value_get(zero, &n), -EBADF);
	assert_int_equal(covey_value_create(&v, &n, NULL), 0);
	assert_int_equal(covey_rlock_acquire(covey_value_lock(v), 0), 0);
	assert_int_equal(covey_value_destroy(v), 0); /* by the holder of its lock */
	assert_int_equal(covey_value_get(v, &n), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "value: it was destroyed"));
	assert_int_equal(covey_value_set(v, &n), -EBADF);
	assert_int_equal(covey_value_add(v, 1, &n), -EBADF);
	assert_int_equal(covey_value_compare_set(v, &n, &n), -EBADF);
	assert_int_equal(covey_value_destroy(v), -EBADF);
	assert_int_equal(covey_rlock_acquire(covey_value_lock(v), 0), -EBADF);
	COVEY_WITH (covey_value_lock(v))
		fail_msg("the lock of a destroyed value was had");
	assert_int_equal(n, 5);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_value_holds_what_was_set),
	HARNESS_TEST(another_size_is_refused_in_words),
	HARNESS_TEST(integers_are_added_and_compared),
	HARNESS_TEST_BY_METHODS(no_change_is_lost),
	HARNESS_TEST_BY_METHODS(nobody_sees_half_a_value),
	HARNESS_TEST_BY_METHODS(its_lock_keeps_setters_out_and_tells_of_a_death),
	HARNESS_TEST(stale_handles_are_errors_in_words),
};

HARNESS_MAIN(tests)
