/* SPDX-License-Identifier: MIT */
/* What a user of blocks relies on. */
#include "support/harness.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

static uint64_t held(void)
{
	covey_usage usage;

	assert_int_equal(covey_usage_get(&usage), 0);
	return usage.used;
}

static bool all_zero(const unsigned char *bytes, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

struct counting {
	covey_block block;
	int rounds;
};

static int count_up(const void *arg, size_t len)
{
	const struct counting *c = arg;
	_Atomic uint64_t *counter = covey_block_data(c->block);

	if (!counter || covey_block_size(c->block) != sizeof *counter)
		return 1;
	for (int i = 0; i < c->rounds; i++)
		atomic_fetch_add(counter, 1);
	return 0;
}

static void processes_see_each_others_bytes(void **state)
{
	struct counting c = {.rounds = 1000};
	_Atomic uint64_t *counter;
	covey_process *p[3];

	assert_int_equal(covey_block_create(&c.block, sizeof *counter, NULL), 0);
	counter = covey_block_data(c.block);
	assert_non_null(counter);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			covey_start(&p[i], count_up, &c, .method = *(covey_method *)*state), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), 0);
		covey_process_free(p[i]);
	}
	assert_int_equal(*counter, 3000);
	assert_int_equal(covey_block_destroy(c.block), 0);
}

static void a_block_grows_and_shrinks_where_it_is(void **state)
{
	covey_block_opts opts = {.name = "frames", .max_size = 64 * MIB};
	uint64_t before, small;
	unsigned char *data;
	covey_block b;

	assert_int_equal(covey_block_create(&b, 100, &opts), 0);
	data = covey_block_data(b);
	small = held();
	assert_true(all_zero(data, 100));
	memset(data, 7, 100);
	assert_int_equal(covey_block_resize(b, 32 * MIB), 0);
	assert_ptr_equal(covey_block_data(b), data);
	assert_int_equal(covey_block_size(b), 32 * MIB);
	assert_int_equal(covey_block_max_size(b), 64 * MIB);
	assert_int_equal(data[99], 7);
	assert_true(all_zero(data + 100, 32 * MIB - 100));
	memset(data, 9, 32 * MIB);
	assert_true(held() >= small + 31 * MIB);
	assert_int_equal(covey_block_resize(b, 5000), 0);
	assert_int_equal(held(), small + 4096);
	assert_int_equal(data[4999], 9);
	/* What comes again is zero again, also in the page that was kept. */
	assert_int_equal(covey_block_resize(b, 7000), 0);
	assert_int_equal(covey_block_resize(b, 20000), 0);
	assert_int_equal(data[4999], 9);
	assert_true(all_zero(data + 5000, 15000));
	before = held();
	assert_int_equal(covey_block_resize(b, 64 * MIB + 1), -ENOSPC);
	assert_non_null(strstr(covey_errmsg(), "block 'frames'"));
	assert_non_null(strstr(covey_errmsg(), "max_size"));
	assert_int_equal(covey_block_size(b), 20000);
	assert_int_equal(held(), before);
	assert_int_equal(covey_block_destroy(b), 0);
}

static void new_blocks_are_zero_also_in_memory_used_before(void **state)
{
	for (int i = 0; i < 20; i++) {
		covey_block b;
		covey_queue q;

		assert_int_equal(covey_block_create(&b, 60000, NULL), 0);
		assert_true(all_zero(covey_block_data(b), 60000));
		memset(covey_block_data(b), 0xff, 60000);
		assert_int_equal(covey_block_destroy(b), 0);
		assert_int_equal(covey_queue_create(&q, NULL), 0);
		assert_int_equal(covey_queue_destroy(q), 0);
	}
}

static void no_bytes_are_a_block_too(void **state)
{
	covey_block b;

	assert_int_equal(covey_block_create(&b, 0, &(covey_block_opts){.max_size = 10}), 0);
	assert_non_null(covey_block_data(b));
	assert_int_equal(covey_block_size(b), 0);
	assert_int_equal(covey_block_resize(b, 10), 0);
	assert_int_equal(covey_block_destroy(b), 0);
	assert_int_equal(covey_block_create(&b, 0, NULL), 0);
	assert_int_equal(covey_block_resize(b, 1), -ENOSPC);
	assert_int_equal(covey_block_destroy(b), 0);
}

static void a_block_may_be_over_4_gib(void **state)
{
	const uint64_t size = (UINT64_C(4) << 30) + 12345;
	unsigned char *data;
	covey_usage usage;
	covey_block b;

	assert_int_equal(covey_usage_get(&usage), 0);
	if (usage.quota < usage.used + size + MIB)
		harness_skip("the family's quota is under 4 GiB");
	if (covey_block_create(&b, 1, &(covey_block_opts){.max_size = size}) == -ENOMEM)
		harness_skip("the arena has no 4 GiB in one piece");
	assert_int_equal(covey_block_resize(b, size), 0);
	data = covey_block_data(b);
	data[size - 1] = 5;
	assert_int_equal(data[12344], 0);
	assert_int_equal(covey_block_size(b), size);
	assert_int_equal(covey_block_resize(b, size - 64 * MIB), 0);
	assert_int_equal(covey_block_resize(b, size), 0);
	assert_int_equal(data[size - 1], 0);
	assert_int_equal(covey_block_destroy(b), 0);
	assert_true(held() < usage.used + 64 * MIB);
}

static void what_there_is_no_memory_for_is_refused(void **state)
{
	covey_block b = {7}, small;
	covey_usage usage;

	assert_int_equal(covey_block_create(&small, 50, NULL), 0);
	assert_int_equal(covey_usage_get(&usage), 0);
	assert_int_equal(covey_block_create(&b, UINT64_MAX, NULL), -ENOMEM);
	assert_int_equal(covey_block_create(&b, usage.quota + 1, NULL), -ENOMEM);
	assert_int_equal(covey_block_create(&b, 2, &(covey_block_opts){.max_size = 1}), -EINVAL);
	assert_int_equal(covey_block_create(NULL, 2, NULL), -EINVAL);
	assert_int_equal(b.id, 7);
	assert_int_equal(held(), usage.used);
	memset(covey_block_data(small), 1, 50);
	assert_int_equal(covey_block_destroy(small), 0);
}

static void growing_past_the_quota_changes_nothing(void **state)
{
	covey_usage usage;
	covey_block b;
	unsigned char *data;
	uint64_t before;

	assert_int_equal(covey_configure(&(covey_config){.quota = 32 * MIB}), 0);
	assert_int_equal(covey_block_create(&b, MIB, &(covey_block_opts){.max_size = 64 * MIB}), 0);
	data = covey_block_data(b);
	memset(data, 3, MIB);
	before = held();
	assert_int_equal(covey_block_resize(b, 40 * MIB), -ENOMEM);
	assert_non_null(strstr(covey_errmsg(), "quota"));
	assert_int_equal(covey_block_size(b), MIB);
	assert_int_equal(data[MIB - 1], 3);
	assert_int_equal(held(), before);
	assert_int_equal(covey_block_resize(b, 8 * MIB), 0);
	assert_int_equal(covey_block_destroy(b), 0);
	assert_int_equal(covey_usage_get(&usage), 0);
}

static void stale_handles_are_errors_in_words(void **state)
{
	covey_block b, zero = {0};
	covey_lock lock;
	unsigned char *data;

	assert_null(covey_block_data(zero));
	assert_int_equal(covey_errcode(), -EBADF);
	assert_int_equal(covey_block_create(&b, 10, NULL), 0);
	data = covey_block_data(b);
	data[0] = 1;
	assert_int_equal(covey_block_destroy(b), 0);
	assert_null(covey_block_data(b));
	assert_non_null(strstr(covey_errmsg(), "block: it was destroyed"));
	assert_int_equal(covey_block_size(b), -EBADF);
	assert_int_equal(covey_block_max_size(b), -EBADF);
	assert_int_equal(covey_block_resize(b, 1), -EBADF);
	assert_int_equal(covey_block_destroy(b), -EBADF);
	(void)*(volatile unsigned char *)data; /* not to be used, but crashes nobody */
	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	assert_null(covey_block_data((covey_block){lock.id}));
	assert_non_null(strstr(covey_errmsg(), "that of a lock"));
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static int resize_for_ever(const void *arg, size_t len)
{
	const covey_block *b = arg;

	for (uint64_t i = 0;; i++)
		covey_block_resize(*b, 1 + i * 7919 % MIB);
	return 0;
}

static void a_block_survives_deaths_in_resize(void **state)
{
	covey_block b;

	assert_int_equal(covey_block_create(&b, 1, &(covey_block_opts){.max_size = MIB}), 0);
	*(unsigned char *)covey_block_data(b) = 42;
	for (int i = 0; i < 20; i++) {
		covey_process *p;
		int64_t size = covey_block_size(b);

		assert_int_equal(
			covey_start(&p, resize_for_ever, &b, .method = *(covey_method *)*state), 0);
		HARNESS_EVENTUALLY(covey_block_size(b) != size);
		covey_process_kill(p);
		assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
		covey_process_free(p);
		assert_int_equal(covey_block_resize(b, 9000), 0);
		assert_int_equal(covey_block_resize(b, 1), 0);
		assert_int_equal(covey_block_resize(b, 9000), 0);
		assert_int_equal(*(unsigned char *)covey_block_data(b), 42);
		assert_true(all_zero((unsigned char *)covey_block_data(b) + 1, 8999));
	}
	assert_int_equal(covey_block_destroy(b), 0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(processes_see_each_others_bytes),
	HARNESS_TEST_BY_METHODS(a_block_survives_deaths_in_resize),
	HARNESS_TEST(a_block_grows_and_shrinks_where_it_is),
	HARNESS_TEST(new_blocks_are_zero_also_in_memory_used_before),
	HARNESS_TEST(no_bytes_are_a_block_too),
	HARNESS_TEST(a_block_may_be_over_4_gib),
	HARNESS_TEST(what_there_is_no_memory_for_is_refused),
	HARNESS_TEST(growing_past_the_quota_changes_nothing),
	HARNESS_TEST(stale_handles_are_errors_in_words),
};

HARNESS_MAIN(tests)
