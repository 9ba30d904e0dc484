/* SPDX-License-Identifier: MIT */
/* imap: results one by one, in order and as they come, of arrays and of endless sources. */
#include "pool_tests.h"

enum { N = 200 };

static void in_order(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	uint64_t in[N], n;

	for (uint64_t i = 0; i < N; i++)
		in[i] = i;
	for (size_t chunk = 0; chunk < 2 * N; chunk = chunk * 3 + 1)
		for (size_t buffer = 0; buffer < 4; buffer++) {
			covey_imap *it = covey_imap_open_with(
				pool, &((covey_imap_opts){.chunk = chunk, .buffer = buffer}),
				square, in, N);
			uint64_t i = 0;

			assert_non_null(it);
			assert_int_equal(covey_imap_index(it), -EINVAL);
			for (; covey_imap_next(it, &n, COVEY_FOREVER) == 1; i++) {
				assert_int_equal(n, i * i);
				assert_int_equal(covey_imap_index(it), i);
			}
			assert_int_equal(i, N);
			assert_int_equal(covey_imap_next(it, &n, 0), 0);
			covey_imap_close(it);
		}
	assert_null(covey_as_completed(pool, 0));
	assert_int_equal(covey_errcode(), -ENOENT);
	end_pool(pool);
}

static void as_they_come(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct gate gate = new_gate();
	covey_args(wait_for) slow[] = {{gate.says, gate.gate}};
	uint64_t in[N], n;
	bool seen[N] = {false};

	for (uint64_t i = 0; i < N; i++)
		in[i] = i;
	for (size_t chunk = 1; chunk < N; chunk *= 7) {
		covey_imap *it = covey_imap_open_with(
			pool, &((covey_imap_opts){.chunk = chunk, .unordered = 1}), square, in, N);
		int count = 0;

		memset(seen, 0, sizeof seen);
		for (; covey_imap_next(it, &n, COVEY_FOREVER) == 1; count++) {
			int64_t at = covey_imap_index(it);

			assert_int_equal(n, at * at);
			assert_false(seen[at]);
			seen[at] = true;
		}
		assert_int_equal(count, N);
		covey_imap_close(it);
	}
	/* A slow first item holds up those that come in order, not the others. */
	covey_imap *it = covey_imap_open(pool, wait_for, NULL, 0);

	assert_int_equal(covey_imap_next(it, NULL, 0), 0);
	covey_imap_close(it);
	it = covey_imap_open(pool, wait_for, slow, 1);
	at_gate(&gate);
	assert_int_equal(covey_imap_next(it, NULL, 0), -EAGAIN);
	assert_int_equal(covey_imap_next(it, NULL, 10), -ETIMEDOUT);
	open_gate(&gate, 1);
	assert_int_equal(covey_imap_next(it, NULL, COVEY_FOREVER), 1);
	assert_int_equal(covey_imap_next(it, NULL, COVEY_FOREVER), 0);
	covey_imap_close(it);
	covey_imap_close(NULL);
	end_pool(pool);
	end_gate(&gate);
}

/* Waits at the gate for item 0 only. */
COVEY_TASK(int, first_waits, covey_queue, gate, int, n)
{
	int any;

	if (n == 0)
		covey_get(gate, &any, COVEY_FOREVER);
	return n;
}

static void a_slow_item_holds_up_none_unordered(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct gate gate = new_gate();
	covey_args(first_waits) in[20];
	covey_imap *it;
	int n;

	for (int i = 0; i < 20; i++)
		in[i] = (covey_args(first_waits)){gate.gate, i};
	it = covey_imap_open_with(pool, &((covey_imap_opts){.unordered = 1, .buffer = 4}),
	                          first_waits, in, 20);
	for (int i = 1; i < 20; i++) {
		assert_int_equal(covey_imap_next(it, &n, COVEY_FOREVER), 1);
		assert_int_not_equal(n, 0);
	}
	assert_int_equal(covey_imap_next(it, &n, 0), -EAGAIN);
	open_gate(&gate, 0);
	assert_int_equal(covey_imap_next(it, &n, COVEY_FOREVER), 1);
	assert_int_equal(n, 0);
	assert_int_equal(covey_imap_next(it, &n, COVEY_FOREVER), 0);
	covey_imap_close(it);
	end_pool(pool);
	end_gate(&gate);
}

/* ---- sources */

struct numbers {
	uint64_t next, end;
	int error;
};

static int number(void *context, void *item)
{
	struct numbers *numbers = context;

	if (numbers->next == numbers->end)
		return numbers->error;
	*(uint64_t *)item = numbers->next++;
	return 1;
}

static void an_endless_source(void **state)
{
	covey_pool *pool = open_pool(state, 2);

	for (int unordered = 0; unordered < 2; unordered++) {
		struct numbers numbers = {0, UINT64_MAX, 0};
		covey_imap_opts opts = {.source = number,
		                        .context = &numbers,
		                        .buffer = 5,
		                        .chunk = 2,
		                        .unordered = unordered};
		covey_imap *it = covey_imap_open_with(pool, &opts, square, NULL, 0);
		uint64_t n;

		for (uint64_t i = 0; i < 3000; i++) {
			assert_int_equal(covey_imap_next(it, &n, COVEY_FOREVER), 1);
			assert_int_equal(n, covey_imap_index(it) * covey_imap_index(it));
			if (!unordered)
				assert_int_equal(n, i * i);
			/* Ten items ahead at most, and the chunk that is handed out. */
			assert_true(numbers.next <= i + 12);
		}
		covey_imap_close(it);
	}
	end_pool(pool);
}

static void sources_end_and_fail(void **state)
{
	covey_pool *pool = open_pool(state, 2);

	for (int error = 0; error >= -EIO; error -= EIO) {
		struct numbers numbers = {0, 11, error};
		covey_imap_opts opts = {.source = number, .context = &numbers, .chunk = 3};
		covey_imap *it = covey_imap_open_with(pool, &opts, square, NULL, 0);
		uint64_t n;

		for (uint64_t i = 0; i < 11; i++) {
			assert_int_equal(covey_imap_next(it, &n, COVEY_FOREVER), 1);
			assert_int_equal(n, i * i);
		}
		assert_int_equal(covey_imap_next(it, &n, COVEY_FOREVER), error);
		assert_int_equal(covey_imap_next(it, &n, COVEY_FOREVER), 0);
		covey_imap_close(it);
	}
	end_pool(pool);
}

/* ---- failures */

COVEY_TASK(int, thirds_fail, int, n)
{
	if (n % 3 == 2)
		return covey_task_fail(n + 1, "no thirds: %d", n);
	return n;
}

static void failures_are_each_items_own(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	int in[30], n;

	for (int i = 0; i < 30; i++)
		in[i] = i;
	for (size_t chunk = 1; chunk < 20; chunk += 6) {
		covey_imap *it = covey_imap_open_with(pool, &((covey_imap_opts){.chunk = chunk}),
		                                      thirds_fail, in, 30);

		for (int i = 0; i < 30; i++) {
			int rc = covey_imap_next(it, &n, COVEY_FOREVER);
			char words[64];

			assert_int_equal(covey_imap_index(it), i);
			assert_int_equal(rc, i % 3 == 2 ? -EREMOTEIO : 1);
			if (rc == 1) {
				assert_int_equal(n, i);
				continue;
			}
			snprintf(words, sizeof words, "imap: item %d: ", i);
			assert_non_null(strstr(covey_errmsg(), words));
			snprintf(words, sizeof words, "no thirds: %d", i);
			if (chunk == 1)
				assert_non_null(strstr(covey_errmsg(), words));
		}
		assert_int_equal(covey_imap_next(it, &n, COVEY_FOREVER), 0);
		covey_imap_close(it);
	}
	end_pool(pool);
}

COVEY_TASK(int, die_at_sevens, int, n)
{
	if (n % 7 == 0)
		raise(SIGKILL);
	return n;
}

static void a_death_costs_the_one_item(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	int in[40], n;

	for (int i = 0; i < 40; i++)
		in[i] = i;
	for (int unordered = 0; unordered < 2; unordered++)
		for (size_t chunk = 1; chunk < 40; chunk += 9) {
			covey_imap_opts opts = {
				.chunk = chunk, .unordered = unordered, .buffer = 3};
			covey_imap *it = covey_imap_open_with(pool, &opts, die_at_sevens, in, 40);
			int count = 0, rc;

			while ((rc = covey_imap_next(it, &n, COVEY_FOREVER)) != 0) {
				int64_t at = covey_imap_index(it);

				assert_int_equal(rc, at % 7 ? 1 : -EOWNERDEAD);
				if (rc == 1)
					assert_int_equal(n, at);
				count++;
			}
			assert_int_equal(count, 40);
			covey_imap_close(it);
		}
	end_pool(pool);
}

static void closing_early_cancels_the_rest(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_args(wait_for) in[10];
	covey_imap *it;

	for (int i = 0; i < 10; i++)
		in[i] = (covey_args(wait_for)){gate.says, gate.gate};
	it = covey_imap_open(pool, wait_for, in, 10);
	at_gate(&gate);
	covey_imap_close(it);
	assert_int_equal(covey_pool_pending(pool), 1);
	open_gate(&gate, 0);
	end_pool(pool);
	assert_int_equal(covey_queue_size(gate.says), 0);
	end_gate(&gate);
}

static void refusals_are_in_words(void **state)
{
	struct numbers numbers = {0, UINT64_MAX, 0};
	covey_imap_opts endless = {.source = number, .context = &numbers};
	covey_pool *pool = open_pool(state, 1);
	uint64_t n = 3;
	covey_imap *it;
	int errors = 0, rc;

	assert_null(covey_imap_open(pool, square, NULL, 3));
	assert_int_equal(covey_errcode(), -EINVAL);
	assert_null(covey_imap_open_with(pool, &((covey_imap_opts){.priority = 9}), square, &n, 1));
	assert_int_equal(covey_errcode(), -EINVAL);
	assert_null(covey_pool_imap(pool, echo, &n, SIZE_MAX / 2, 8, 8, NULL));
	assert_int_equal(covey_errcode(), -EINVAL);
	assert_int_equal(covey_imap_next(NULL, &n, 0), -EINVAL);
	assert_int_equal(covey_pool_close(pool), 0);
	it = covey_imap_open_with(pool, &endless, square, NULL, 0);
	assert_non_null(it);
	while ((rc = covey_imap_next(it, &n, COVEY_FOREVER)) != 0) {
		assert_int_equal(rc, -ESHUTDOWN);
		errors++;
	}
	assert_int_equal(errors, 1);
	covey_imap_close(it);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
}

static const struct harness_test tests[] = {
	BY_ALL(in_order),
	BY_ALL(as_they_come),
	BY_ALL(a_slow_item_holds_up_none_unordered),
	BY_ALL(an_endless_source),
	BY_ALL(sources_end_and_fail),
	BY_ALL(failures_are_each_items_own),
	BY_PROCESSES(a_death_costs_the_one_item),
	BY_ALL(closing_early_cancels_the_rest),
	BY_ALL(refusals_are_in_words),
};

HARNESS_MAIN(tests)
