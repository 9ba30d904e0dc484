/* SPDX-License-Identifier: MIT */
/* What a user of a counted queue relies on: join waits for all, and never for the dead. */
#include "support/harness.h"
#include "support/asleep.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static covey_queue new_queue(void)
{
	covey_queue q;

	assert_int_equal(covey_queue_create(&q, &(covey_queue_opts){.name = "work", .counted = 1}),
	                 0);
	return q;
}

static void end_queue(covey_queue q)
{
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void put(covey_queue q, int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(covey_put(q, &i, 0), 0);
}

static void join_waits_for_what_is_queued_and_what_is_not_done(void **state)
{
	covey_queue q = new_queue();
	int n;

	assert_int_equal(covey_queue_join(q, 0), 0);
	put(q, 2);
	assert_int_equal(covey_queue_join(q, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "queue 'work': 2 messages are not done"));
	assert_int_equal(covey_queue_task_done(q), -EINVAL);
	assert_int_equal(covey_get(q, &n, 0), 0);
	assert_int_equal(covey_get(q, &n, 0), 0);
	assert_int_equal(covey_queue_join(q, 10), -ETIMEDOUT);
	assert_int_equal(covey_queue_task_done(q), 0);
	assert_int_equal(covey_queue_join(q, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "1 messages"));
	assert_int_equal(covey_queue_task_done(q), 0);
	assert_int_equal(covey_queue_join(q, 0), 0);
	assert_int_equal(covey_queue_task_done(q), -EINVAL);
	assert_int_equal(covey_queue_join(q, COVEY_FOREVER), 0);
	end_queue(q);
	assert_int_equal(covey_queue_join(q, COVEY_FOREVER), -EBADF);
	assert_int_equal(covey_queue_task_done(q), -EBADF);
}

static void every_way_to_get_counts(void **state)
{
	covey_queue q = new_queue();
	int n[3];
	struct iovec v[3] = {{&n[0], 4}, {&n[1], 4}, {&n[2], 4}};
	covey_message m;

	put(q, 6);
	assert_int_equal(covey_queue_get_many(q, v, 3, 0), 3);
	assert_int_equal(covey_queue_peek(q, &m, 0), 0);
	assert_int_equal(covey_queue_keep(&m), 0);
	assert_int_equal(covey_queue_peek(q, &m, 0), 0);
	assert_int_equal(covey_queue_release(&m), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(covey_queue_task_done(q), 0);
	assert_int_equal(covey_queue_task_done(q), -EINVAL);
	/* What is refused is not got. */
	assert_int_equal(covey_queue_get(q, n, 1, 0), -EMSGSIZE);
	assert_int_equal(covey_queue_task_done(q), -EINVAL);
	assert_int_equal(covey_queue_get(q, n, 4, 0), 4);
	assert_int_equal(covey_queue_get(q, n, 4, 0), 4);
	assert_int_equal(covey_queue_task_done(q), 0);
	assert_int_equal(covey_queue_task_done(q), 0);
	assert_int_equal(covey_queue_join(q, 0), 0);
	end_queue(q);
}

static void a_queue_that_is_not_counted_says_so(void **state)
{
	covey_queue q;

	assert_int_equal(covey_queue_create(&q, NULL), 0);
	assert_int_equal(covey_queue_join(q, 0), -EINVAL);
	assert_int_equal(covey_queue_task_done(q), -EINVAL);
	assert_non_null(strstr(covey_errmsg(), ".counted"));
	end_queue(q);
}

/* ---- between processes */

/* Does what it gets until it gets a negative number, with which it dies. */
static int worker(const void *arg, size_t len)
{
	covey_queue q = *(const covey_queue *)arg;
	int n, rc;

	while ((rc = covey_get(q, &n, COVEY_FOREVER)) == 0) {
		if (n < 0)
			raise(SIGKILL);
		if (covey_queue_task_done(q) < 0)
			return 1;
	}
	return rc == -EPIPE ? 0 : 2;
}

static int joiner(const void *arg, size_t len)
{
	int64_t rc = covey_queue_join(*(const covey_queue *)arg, COVEY_FOREVER);

	return (int)(rc < 0 ? -rc : rc);
}

static void workers_do_all_and_all_who_join_go_on(void **state)
{
	covey_method method = *(covey_method *)*state;
	covey_queue q = new_queue();
	covey_process *join[2], *work[3];

	put(q, 3000);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_start(&join[i], joiner, &q, .method = method), 0);
		HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(join[i])));
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_start(&work[i], worker, &q, .method = method), 0);
	assert_int_equal(covey_queue_join(q, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_size(q), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_process_join(join[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(join[i]), 0);
		covey_process_free(join[i]);
	}
	assert_int_equal(covey_queue_close(q), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_process_join(work[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(work[i]), 0);
		covey_process_free(work[i]);
	}
	end_queue(q);
}

static void what_a_killed_worker_had_got_is_counted_off_as_lost(void **state)
{
	covey_method method = *(covey_method *)*state;
	covey_queue q = new_queue();
	covey_process *work;
	int deadly = -1;

	for (int round = 1; round <= 3; round++) {
		put(q, 5);
		assert_int_equal(covey_put(q, &deadly, 0), 0);
		assert_int_equal(covey_start(&work, worker, &q, .method = method), 0);
		/* Also while it is not reaped. */
		assert_int_equal(covey_queue_join(q, COVEY_FOREVER), round);
		assert_int_equal(covey_process_join(work, COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(work), 128 + SIGKILL);
		assert_int_equal(covey_queue_join(q, 0), round);
		covey_process_free(work);
	}
	end_queue(q);
}

struct taking {
	covey_queue q, says;
};

static int take_one_and_sleep(const void *arg, size_t len)
{
	const struct taking *taking = arg;
	int n;

	if (covey_get(taking->q, &n, COVEY_FOREVER) < 0 ||
	    covey_put(taking->says, &n, COVEY_FOREVER) < 0)
		return 1;
	sleep_for_good();
	return 0;
}

static void a_join_that_sleeps_is_told_of_a_death(void **state)
{
	struct taking taking = {.q = new_queue()};
	covey_process *work[2];
	struct once_asleep killer;
	int n;

	assert_int_equal(covey_queue_create(&taking.says, NULL), 0);
	put(taking.q, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_start(&work[i], take_one_and_sleep, &taking,
		                             .method = *(covey_method *)*state),
		                 0);
		assert_int_equal(covey_get(taking.says, &n, COVEY_FOREVER), 0);
	}
	assert_int_equal(killed(work[0]), 128 + SIGKILL);
	once_asleep(&killer, kill_it, work[1]);
	assert_int_equal(covey_queue_join(taking.q, COVEY_FOREVER), 2);
	once_asleep_done(&killer);
	assert_int_equal(end_of(work[1]), 128 + SIGKILL);
	end_queue(taking.q);
	assert_int_equal(covey_queue_destroy(taking.says), 0);
}

/* Gets one message and ends, as a process that forgets to mark it. */
static int forget(const void *arg, size_t len)
{
	int n;

	return -covey_get(*(const covey_queue *)arg, &n, COVEY_FOREVER);
}

static void more_workers_than_are_counted_at_once_may_come_and_go(void **state)
{
	enum { N = 600 };
	covey_queue q = new_queue();

	put(q, N);
	for (int i = 0; i < N; i++) {
		covey_process *work;

		assert_int_equal(covey_start(&work, forget, &q, .method = COVEY_FORK), 0);
		assert_int_equal(covey_process_join(work, COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(work), 0);
		covey_process_free(work);
	}
	assert_int_equal(covey_queue_join(q, COVEY_FOREVER), N);
	end_queue(q);
}

static void who_joins_a_queue_that_is_destroyed_is_told(void **state)
{
	covey_queue q = new_queue();
	covey_process *join;

	put(q, 1);
	assert_int_equal(covey_start(&join, joiner, &q, .method = *(covey_method *)*state), 0);
	HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(join)));
	end_queue(q);
	assert_int_equal(covey_process_join(join, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(join), EBADF);
	covey_process_free(join);
}

static void one_made_in_its_place_begins_anew(void **state)
{
	int n;

	for (int i = 0; i < 10; i++) {
		covey_queue q = new_queue();

		assert_int_equal(covey_queue_join(q, 0), 0);
		put(q, 1);
		assert_int_equal(covey_get(q, &n, 0), 0);
		assert_int_equal(covey_queue_join(q, 0), -EAGAIN);
		end_queue(q);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(join_waits_for_what_is_queued_and_what_is_not_done),
	HARNESS_TEST(every_way_to_get_counts),
	HARNESS_TEST(a_queue_that_is_not_counted_says_so),
	HARNESS_TEST_BY_METHODS(workers_do_all_and_all_who_join_go_on),
	HARNESS_TEST_BY_METHODS(a_join_that_sleeps_is_told_of_a_death),
	HARNESS_TEST_BY_METHODS(what_a_killed_worker_had_got_is_counted_off_as_lost),
	HARNESS_TEST(more_workers_than_are_counted_at_once_may_come_and_go),
	HARNESS_TEST_BY_METHODS(who_joins_a_queue_that_is_destroyed_is_told),
	HARNESS_TEST(one_made_in_its_place_begins_anew),
};
HARNESS_MAIN(tests)
