/* SPDX-License-Identifier: MIT */
/* Futures: cancelling, callbacks, waiting for one of many. */
#include "pool_tests.h"

static void what_has_not_started_can_be_cancelled(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *busy = covey_submit(pool, wait_for, gate.says, gate.gate);
	covey_future *waiting = covey_submit(pool, square, 3),
		     *last = covey_submit(pool, square, 4);
	covey_failure failure;
	struct {
		covey_failure failure;
		uint64_t later;
	} grown = {.later = 1};
	uint64_t n;
	int i;

	at_gate(&gate);
	assert_int_equal(covey_future_running(busy), 1);
	assert_int_equal(covey_future_done(waiting), 0);
	assert_int_equal(covey_result(waiting, &n, 0), -EAGAIN);
	assert_int_equal(covey_result(waiting, &n, 10), -ETIMEDOUT);
	assert_int_equal(covey_future_failure(waiting, &failure), -EAGAIN);
	assert_int_equal(covey_future_cancel(busy), -EBUSY);
	assert_int_equal(covey_future_cancel(waiting), 0);
	assert_int_equal(covey_future_cancel(waiting), 0);
	assert_int_equal(covey_future_cancelled(waiting), 1);
	assert_int_equal(covey_result(waiting, &n, 0), -ECANCELED);
	/* A program built with a header that knows more. */
	assert_int_equal(covey_future_failure_v(waiting, &grown.failure, sizeof grown), 0);
	assert_int_equal(grown.failure.kind, COVEY_CANCELLED);
	assert_int_equal(grown.later, 0);
	open_gate(&gate, 5);
	assert_int_equal(covey_result(busy, &i, COVEY_FOREVER), 0);
	assert_int_equal(i, 5);
	assert_int_equal(covey_result(last, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_future_cancel(last), -EBUSY);
	covey_future_free(busy);
	covey_future_free(waiting);
	covey_future_free(last);
	end_pool(pool);
	end_gate(&gate);
}

static _Atomic int calls;
static void count_call(covey_future *f, void *context)
{
	assert_int_equal(covey_future_done(f), 1);
	atomic_fetch_add(&calls, *(int *)context);
}

static void callbacks_are_called_once_each(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct gate gate = new_gate();
	covey_future *f = covey_submit(pool, wait_for, gate.says, gate.gate), *g;
	int one = 1, ten = 10, hundred = 100;
	uint64_t n;

	atomic_store(&calls, 0);
	at_gate(&gate);
	assert_int_equal(covey_future_on_done(f, count_call, &one), 0);
	assert_int_equal(covey_future_on_done(f, count_call, &ten), 0);
	assert_int_equal(atomic_load(&calls), 0);
	open_gate(&gate, 0);
	HARNESS_EVENTUALLY(atomic_load(&calls) == 11);
	g = covey_submit(pool, square, 1);
	assert_int_equal(covey_result(g, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_future_on_done(g, count_call, &hundred), 0);
	HARNESS_EVENTUALLY(atomic_load(&calls) == 111);
	/* Of one that is cancelled, too. */
	covey_future *busy[2] = {covey_submit(pool, wait_for, gate.says, gate.gate),
	                         covey_submit(pool, wait_for, gate.says, gate.gate)};
	covey_future *c = covey_submit(pool, square, 1);

	at_gate(&gate);
	at_gate(&gate);
	assert_int_equal(covey_future_on_done(c, count_call, &one), 0);
	assert_int_equal(covey_future_cancel(c), 0);
	assert_int_equal(atomic_load(&calls), 112);
	open_gate(&gate, 0);
	open_gate(&gate, 0);
	covey_future_free(f);
	covey_future_free(g);
	covey_future_free(c);
	covey_future_free(busy[0]);
	covey_future_free(busy[1]);
	end_pool(pool);
	end_gate(&gate);
}

static void as_completed_hands_out_each_once(void **state)
{
	covey_pool *pool = open_pool(state, 3);
	uint64_t sum = 0, n;
	covey_future *f;
	int count = 0;

	assert_null(covey_as_completed(pool, COVEY_FOREVER));
	assert_int_equal(covey_errcode(), -ENOENT);
	for (uint64_t i = 1; i <= 100; i++) {
		f = covey_submit(pool, square, i);
		covey_future_set_data(f, (void *)(uintptr_t)i);
	}
	while ((f = covey_as_completed(pool, COVEY_FOREVER))) {
		assert_int_equal(covey_result(f, &n, 0), 0);
		assert_int_equal(n,
		                 (uintptr_t)covey_future_data(f) * (uintptr_t)covey_future_data(f));
		sum += n;
		count++;
		covey_future_free(f);
	}
	assert_int_equal(covey_errcode(), -ENOENT);
	assert_int_equal(count, 100);
	assert_int_equal(sum, 338350);
	end_pool(pool);
}

static void waiting_for_several(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct gate gate = new_gate();
	covey_future *f[4] = {covey_submit(pool, wait_for, gate.says, gate.gate), NULL,
	                      covey_submit(pool, square, 3), covey_submit(pool, fail_with, 9)};

	assert_true(covey_wait(f, 4, COVEY_FIRST_DONE, COVEY_FOREVER) >= 1);
	assert_true(covey_wait(f, 4, COVEY_FIRST_FAILED, COVEY_FOREVER) >= 1);
	assert_int_equal(covey_wait(f, 4, COVEY_ALL_DONE, 10), -ETIMEDOUT);
	assert_int_equal(covey_wait(f, 4, COVEY_ALL_DONE, 0), -EAGAIN);
	open_gate(&gate, 1);
	assert_int_equal(covey_wait(f, 4, COVEY_ALL_DONE, COVEY_FOREVER), 3);
	assert_int_equal(covey_wait(f, 0, COVEY_ALL_DONE, 0), 0);
	for (int i = 0; i < 4; i++)
		covey_future_free(f[i]);
	end_pool(pool);
	end_gate(&gate);
}

static void futures_dropped_early_are_no_loss(void **state)
{
	covey_pool *pool = open_pool(state, 2);

	for (uint64_t i = 0; i < 20000; i++)
		covey_future_free(covey_submit(pool, square, i));
	end_pool(pool);
}

static const struct harness_test tests[] = {
	BY_ALL(what_has_not_started_can_be_cancelled), BY_ALL(callbacks_are_called_once_each),
	BY_ALL(as_completed_hands_out_each_once),      BY_ALL(waiting_for_several),
	BY_ALL(futures_dropped_early_are_no_loss),
};

HARNESS_MAIN(tests)
