/* SPDX-License-Identifier: MIT */
/* What a user of arrays relies on. */
#include "support/harness.h"

#include <string.h>
#include <unistd.h>

static void elements_are_typed_and_bounded(void **state)
{
	covey_array a;
	double x = 1, *all;
	float y = 2;

	assert_int_equal(covey_array_create(&a, double, 10, "samples"), 0);
	assert_int_equal(covey_array_length(a), 10);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(covey_array_get(a, i, &x), 0);
		assert_true(x == 0);
		x = i;
		assert_int_equal(covey_array_set(a, i, &x), 0);
	}
	all = covey_array_data(a, double);
	for (int i = 0; i < 10; i++)
		assert_true(all[i] == i);
	assert_int_equal(covey_array_get(a, -1, &x), 0);
	assert_true(x == 9);
	assert_int_equal(covey_array_get(a, -10, &x), 0);
	assert_true(x == 0);
	assert_int_equal(covey_array_get(a, 10, &x), -ERANGE);
	assert_non_null(strstr(covey_errmsg(), "array 'samples': no element 10, it has 10"));
	assert_int_equal(covey_array_get(a, -11, &x), -ERANGE);
	assert_int_equal(covey_array_set(a, INT64_MAX, &x), -ERANGE);
	assert_int_equal(covey_array_set(a, INT64_MIN, &x), -ERANGE);
	assert_int_equal(covey_array_get(a, 0, &y), -EMSGSIZE);
	assert_int_equal(covey_array_set(a, 0, &y), -EMSGSIZE);
	assert_null(covey_array_data(a, float));
	assert_int_equal(covey_errcode(), -EMSGSIZE);
	assert_int_equal(covey_array_destroy(a), 0);
}

static void elements_of_any_size_are_whole(void **state)
{
	for (size_t size = 1; size < 40; size++) {
		unsigned char in[40], out[40];
		covey_array a;

		assert_int_equal(covey_array_create_bytes(&a, size, 3, NULL), 0);
		for (int i = 0; i < 3; i++) {
			memset(in, i + 1, size);
			assert_int_equal(covey_array_set_bytes(a, i, in, size), 0);
		}
		for (int i = 0; i < 3; i++) {
			memset(in, i + 1, size);
			assert_int_equal(covey_array_get_bytes(a, i, out, size), 0);
			assert_memory_equal(in, out, size);
		}
		assert_int_equal(covey_array_destroy(a), 0);
	}
}

static void odd_lengths_are_well_met(void **state)
{
	covey_array a = {7};
	int n;

	assert_int_equal(covey_array_create(&a, int, UINT64_MAX / 2, NULL), -EOVERFLOW);
	assert_int_equal(covey_array_create(&a, char, INT64_MAX, NULL), -ENOMEM);
	assert_int_equal(covey_array_create_bytes(&a, 0, 1, NULL), -EINVAL);
	assert_int_equal(covey_array_create(NULL, int, 1, NULL), -EINVAL);
	assert_int_equal(a.id, 7);
	assert_int_equal(covey_array_create(&a, int, 0, NULL), 0);
	assert_int_equal(covey_array_length(a), 0);
	assert_int_equal(covey_array_get(a, 0, &n), -ERANGE);
	assert_int_equal(covey_array_get(a, -1, &n), -ERANGE);
	assert_non_null(covey_array_data(a, int));
	assert_int_equal(covey_array_destroy(a), 0);
	assert_int_equal(covey_array_create(&a, int, 20000000, NULL), 0);
	n = 6;
	assert_int_equal(covey_array_set(a, -1, &n), 0);
	n = 0;
	assert_int_equal(covey_array_get(a, 19999999, &n), 0);
	assert_int_equal(n, 6);
	assert_int_equal(covey_array_destroy(a), 0);
}

struct counting {
	covey_array array;
	int rounds;
};

static int count_up(const void *arg, size_t len)
{
	const struct counting *c = arg;
	int *all = covey_array_data(c->array, int);

	for (int i = 0; i < c->rounds; i++) {
		COVEY_WITH (covey_array_lock(c->array)) {
			int n;

			if (covey_array_get(c->array, 5, &n) < 0)
				return 1;
			n++;
			if (covey_array_set(c->array, 5, &n) < 0)
				return 2;
			all[6]++;
		}
	}
	return 0;
}

static void processes_work_on_it_together(void **state)
{
	struct counting c = {.rounds = 300};
	covey_process *p[3];
	int n = 0;

	assert_int_equal(covey_array_create(&c.array, int, 7, "counts"), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			covey_start(&p[i], count_up, &c, .method = *(covey_method *)*state), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), 0);
		covey_process_free(p[i]);
	}
	for (int i = 5; i < 7; i++) {
		assert_int_equal(covey_array_get(c.array, i, &n), 0);
		assert_int_equal(n, 3 * c.rounds);
	}
	assert_int_equal(covey_array_destroy(c.array), 0);
}

struct holding {
	covey_array array;
	covey_queue says;
};

static int hold_and_wait(const void *arg, size_t len)
{
	const struct holding *h = arg;
	int *all = covey_array_data(h->array, int);
	int rc = covey_rlock_acquire(covey_array_lock(h->array), COVEY_FOREVER);

	all[0] = 1; /* and all[1] should have followed */
	covey_put(h->says, &rc, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static void the_death_of_a_holder_is_told_once(void **state)
{
	struct holding h;
	covey_process *p;
	int n;

	assert_int_equal(covey_array_create(&h.array, int, 2, "pair"), 0);
	assert_int_equal(covey_queue_create(&h.says, NULL), 0);
	assert_int_equal(covey_start(&p, hold_and_wait, &h, .method = *(covey_method *)*state), 0);
	assert_int_equal(covey_get(h.says, &n, COVEY_FOREVER), 0);
	assert_int_equal(n, 0);
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_array_get(h.array, 0, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(covey_rlock_acquire(covey_array_lock(h.array), 0), COVEY_OWNER_DIED);
	assert_int_equal(covey_rlock_release(covey_array_lock(h.array)), 0);
	assert_int_equal(covey_rlock_acquire(covey_array_lock(h.array), 0), 0);
	assert_int_equal(covey_rlock_release(covey_array_lock(h.array)), 0);
	assert_int_equal(covey_array_destroy(h.array), 0);
	assert_int_equal(covey_queue_destroy(h.says), 0);
}

static void stale_handles_are_errors_in_words(void **state)
{
	covey_array a;
	int n = 3;

	assert_int_equal(covey_array_create(&a, int, 3, NULL), 0);
	assert_int_equal(covey_array_destroy(a), 0);
	assert_int_equal(covey_array_get(a, 0, &n), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "array: it was destroyed"));
	assert_int_equal(covey_array_set(a, 0, &n), -EBADF);
	assert_int_equal(covey_array_length(a), -EBADF);
	assert_int_equal(covey_array_destroy(a), -EBADF);
	assert_null(covey_array_data(a, int));
	assert_int_equal(covey_errcode(), -EBADF);
	assert_int_equal(covey_rlock_acquire(covey_array_lock(a), 0), -EBADF);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(elements_are_typed_and_bounded),
	HARNESS_TEST(elements_of_any_size_are_whole),
	HARNESS_TEST(odd_lengths_are_well_met),
	HARNESS_TEST_BY_METHODS(processes_work_on_it_together),
	HARNESS_TEST_BY_METHODS(the_death_of_a_holder_is_told_once),
	HARNESS_TEST(stale_handles_are_errors_in_words),
};

HARNESS_MAIN(tests)
