/* SPDX-License-Identifier: MIT */
/* What a user of barriers relies on, under every start method. */
#include "support/asleep.h"

static covey_barrier new_barrier(uint32_t parties)
{
	covey_barrier b;

	assert_int_equal(covey_barrier_create(
				 &b, &(covey_barrier_opts){.name = "rounds", .parties = parties}),
	                 0);
	return b;
}

/* A party of some rounds, which tells in which order it arrived. */
struct party {
	covey_barrier b;
	covey_queue says;
	int rounds;
	int then; /* 0: ends; 1: waits to be killed; else ends with this code */
};

static int take_part(const void *arg, size_t len)
{
	const struct party *p = arg;
	int rc = 0;

	for (int i = 0; i < p->rounds && rc >= 0; i++) {
		rc = covey_barrier_wait(p->b, COVEY_FOREVER);
		covey_put(p->says, &rc, COVEY_FOREVER);
	}
	if (p->then == 1)
		sleep_for_good();
	return rc < 0 ? -rc : p->then;
}

static covey_process *start_party(const struct party *party, covey_method method)
{
	covey_process *p;

	assert_int_equal(covey_start(&p, take_part, party, .method = method), 0);
	return p;
}

static struct party new_party(uint32_t parties, int rounds, int then)
{
	struct party p = {new_barrier(parties), {0}, rounds, then};

	assert_int_equal(covey_queue_create(&p.says, NULL), 0);
	return p;
}

static void end_party(struct party *p)
{
	assert_int_equal(covey_barrier_destroy(p->b), 0);
	assert_int_equal(covey_queue_destroy(p->says), 0);
}

static int said(struct party *p)
{
	int rc;

	assert_int_equal(covey_get(p->says, &rc, COVEY_FOREVER), 0);
	return rc;
}

static void nobody_is_a_round_ahead(void **state)
{
	struct party party = new_party(4, 20, 0);
	covey_process *p[4];
	int orders;

	for (int i = 0; i < 4; i++)
		p[i] = start_party(&party, *(covey_method *)*state);
	for (int i = 0; i < 4; i++)
		assert_int_equal(end_of(p[i]), 0);
	assert_int_equal(covey_queue_size(party.says), 80);
	orders = 0;
	for (int i = 0; i < 80; i++)
		orders += 1 << (8 * said(&party));
	assert_int_equal(orders, 20 * 0x01010101);
	assert_int_equal(covey_barrier_waiting(party.b), 0);
	assert_int_equal(covey_barrier_parties(party.b), 4);
	/* Others may take their places now. */
	assert_int_equal(covey_barrier_broken(party.b), 0);
	party.rounds = 1;
	for (int i = 0; i < 4; i++)
		p[i] = start_party(&party, *(covey_method *)*state);
	for (int i = 0; i < 4; i++)
		assert_int_equal(end_of(p[i]), 0);
	end_party(&party);
}

static void wait_for_waiting(covey_barrier b, int64_t n)
{
	HARNESS_EVENTUALLY(covey_barrier_waiting(b) == n);
}

static void a_party_that_dies_waiting_breaks_it(void **state)
{
	struct party party = new_party(5, 1, 0);
	covey_process *p[4];
	char pid[48];

	/* The last in line, that nobody stands behind; then one in the middle, and the first. */
	for (int victim = 3; victim >= 0; victim -= victim == 3 ? 2 : 1) {
		for (int i = 0; i < 4; i++) {
			p[i] = start_party(&party, *(covey_method *)*state);
			wait_for_waiting(party.b, i + 1);
			HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[i])));
		}
		snprintf(pid, sizeof pid, "pid %d", (int)covey_process_pid(p[victim]));
		covey_process_kill(p[victim]);
		for (int i = 0; i < 4; i++)
			if (i != victim)
				assert_int_equal(end_of(p[i]), EPIPE);
		assert_int_equal(covey_barrier_broken(party.b), 1);
		assert_int_equal(covey_barrier_wait(party.b, COVEY_FOREVER), -EPIPE);
		assert_non_null(strstr(covey_errmsg(), "barrier 'rounds': broken"));
		assert_non_null(strstr(covey_errmsg(), pid));
		end_of(p[victim]);
		assert_int_equal(covey_barrier_reset(party.b), 0);
		assert_int_equal(covey_barrier_broken(party.b), 0);
		for (int i = 0; i < 3; i++)
			assert_int_equal(said(&party), -EPIPE);
	}
	end_party(&party);
}

static void the_dead_do_not_wait(void **state)
{
	struct party party = new_party(3, 1, 0);
	covey_process *p = start_party(&party, *(covey_method *)*state);

	wait_for_waiting(party.b, 1);
	covey_process_kill(p);
	assert_int_equal(end_of(p), 128 + SIGKILL);
	assert_int_equal(covey_barrier_waiting(party.b), 0);
	end_party(&party);
}

/* One of the first round does not come to the second. */
static void dies_before_it_arrives(covey_method method, bool waits)
{
	struct party party = new_party(3, 1, 1), two;
	covey_process *killed_one = start_party(&party, method), *p[2];

	two = party;
	two.rounds = 2;
	two.then = 0;
	for (int i = 0; i < 2; i++)
		p[i] = start_party(&two, method);
	for (int i = 0; i < 3; i++)
		assert_in_range(said(&party), 0, 2);
	if (waits) {
		wait_for_waiting(party.b, 2);
		for (int i = 0; i < 2; i++)
			HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[i])));
	}
	assert_int_equal(killed(killed_one), 128 + SIGKILL);
	for (int i = 0; i < 2; i++)
		assert_int_equal(end_of(p[i]), EPIPE);
	end_party(&party);
}

static void one_who_dies_before_it_arrives_breaks_it(void **state)
{
	dies_before_it_arrives(*(covey_method *)*state, true);
	dies_before_it_arrives(*(covey_method *)*state, false);
}

static void an_old_kernel_serves_too(void **state)
{
	cvy_line_slices = true;
	dies_before_it_arrives(COVEY_FORK, true);
}

static void one_who_ends_with_an_error_breaks_it(void **state)
{
	struct party party = new_party(1, 1, 3);

	assert_int_equal(end_of(start_party(&party, *(covey_method *)*state)), 3);
	assert_int_equal(covey_barrier_broken(party.b), 1);
	assert_int_equal(covey_barrier_wait(party.b, COVEY_FOREVER), -EPIPE);
	end_party(&party);
}

static void a_time_that_runs_out_breaks_it(void **state)
{
	struct party party = new_party(3, 1, 0);
	covey_process *p = start_party(&party, *(covey_method *)*state);

	wait_for_waiting(party.b, 1);
	assert_int_equal(covey_barrier_wait(party.b, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "1 of 3 parties"));
	assert_int_equal(covey_barrier_broken(party.b), 0);
	assert_int_equal(covey_barrier_wait(party.b, 20), -ETIMEDOUT);
	assert_non_null(strstr(covey_errmsg(), "2 of 3 parties"));
	assert_int_equal(end_of(p), EPIPE);
	assert_int_equal(covey_barrier_wait(party.b, 20), -EPIPE);
	assert_non_null(strstr(covey_errmsg(), "time ran out"));
	end_party(&party);
}

static void abort_and_reset_send_all_home(void **state)
{
	struct party party = new_party(3, 1, 0);
	covey_process *p[2];

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2; i++)
			p[i] = start_party(&party, *(covey_method *)*state);
		wait_for_waiting(party.b, 2);
		if (round == 0) {
			assert_int_equal(covey_barrier_abort(party.b), 0);
			assert_int_equal(covey_barrier_broken(party.b), 1);
		}
		assert_int_equal(covey_barrier_reset(party.b), 0);
		assert_int_equal(covey_barrier_broken(party.b), 0);
		for (int i = 0; i < 2; i++)
			assert_int_equal(end_of(p[i]), EPIPE);
	}
	end_party(&party);
}

static void waiters_of_a_destroyed_barrier_are_told(void **state)
{
	struct party party = new_party(3, 1, 0);
	covey_process *p[2];

	for (int i = 0; i < 2; i++)
		p[i] = start_party(&party, *(covey_method *)*state);
	wait_for_waiting(party.b, 2);
	assert_int_equal(covey_barrier_destroy(party.b), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(end_of(p[i]), EBADF);
	assert_int_equal(covey_queue_destroy(party.says), 0);
}

static int look_round(void *context)
{
	struct party *party = context;

	/* All have arrived, and nobody has left. */
	return covey_queue_size(party->says) == 0 ? 0 : -EPROTO;
}

static int give_an_error(void *context)
{
	return -ENOSPC;
}

static void the_action_runs_before_anyone_goes_on(void **state)
{
	struct party party = new_party(3, 2, 0);
	covey_process *p[2];

	for (int i = 0; i < 2; i++)
		p[i] = start_party(&party, *(covey_method *)*state);
	wait_for_waiting(party.b, 2);
	assert_int_equal(covey_barrier_wait_then(party.b, look_round, &party, COVEY_FOREVER), 2);
	assert_in_range(said(&party), 0, 1);
	assert_in_range(said(&party), 0, 1);
	wait_for_waiting(party.b, 2);
	assert_int_equal(covey_barrier_wait_then(party.b, give_an_error, NULL, COVEY_FOREVER),
	                 -ENOSPC);
	for (int i = 0; i < 2; i++)
		assert_int_equal(end_of(p[i]), EPIPE);
	assert_int_equal(covey_barrier_wait(party.b, 0), -EPIPE);
	assert_non_null(strstr(covey_errmsg(), "action failed"));
	end_party(&party);
}

static int die(void *context)
{
	raise(SIGKILL);
	return 0;
}

static int die_in_the_action(const void *arg, size_t len)
{
	const struct party *party = arg;

	return covey_barrier_wait_then(party->b, die, NULL, COVEY_FOREVER);
}

static void death_inside_the_action_breaks_it(void **state)
{
	struct party party = new_party(2, 1, 0);
	covey_process *p = start_party(&party, *(covey_method *)*state), *dies;

	wait_for_waiting(party.b, 1);
	assert_int_equal(covey_start(&dies, die_in_the_action, &party), 0);
	assert_int_equal(end_of(p), EPIPE);
	assert_int_equal(end_of(dies), 128 + SIGKILL);
	end_party(&party);
}

static void *wait_in_a_thread(void *arg)
{
	covey_barrier *b = arg;

	for (int i = 0; i < 50; i++)
		if (covey_barrier_wait(*b, COVEY_FOREVER) < 0)
			return arg;
	return NULL;
}

static void threads_are_parties_too(void **state)
{
	covey_barrier b = new_barrier(4);
	pthread_t thread[4];
	void *rc;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, wait_in_a_thread, &b), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], &rc);
		assert_null(rc);
	}
	assert_int_equal(covey_barrier_destroy(b), 0);
}

static void options_and_handles_are_checked(void **state)
{
	covey_barrier b = {7}, zero = {0};

	assert_int_equal(covey_barrier_create(&b, NULL), -EINVAL);
	assert_int_equal(covey_barrier_create(&b, &(covey_barrier_opts){.name = "none"}), -EINVAL);
	assert_int_equal(covey_barrier_create(NULL, &(covey_barrier_opts){.parties = 1}), -EINVAL);
	assert_int_equal(b.id, 7);
	b = new_barrier(1);
	assert_int_equal(covey_barrier_wait(b, 0), 0);
	assert_int_equal(covey_barrier_destroy(b), 0);
	assert_int_equal(covey_barrier_wait(b, 0), -EBADF);
	assert_int_equal(covey_barrier_abort(b), -EBADF);
	assert_int_equal(covey_barrier_reset(b), -EBADF);
	assert_int_equal(covey_barrier_parties(b), -EBADF);
	assert_int_equal(covey_barrier_waiting(b), -EBADF);
	assert_int_equal(covey_barrier_broken(b), -EBADF);
	assert_int_equal(covey_barrier_destroy(b), -EBADF);
	assert_int_equal(covey_barrier_wait(zero, COVEY_FOREVER), -EBADF);
	/* The next in its slot is as new. */
	b = new_barrier(2);
	assert_int_equal(covey_barrier_broken(b), 0);
	assert_int_equal(covey_barrier_wait(b, 0), -EAGAIN);
	assert_int_equal(covey_barrier_destroy(b), 0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(nobody_is_a_round_ahead),
	HARNESS_TEST_BY_METHODS(a_party_that_dies_waiting_breaks_it),
	HARNESS_TEST_BY_METHODS(the_dead_do_not_wait),
	HARNESS_TEST_BY_METHODS(one_who_dies_before_it_arrives_breaks_it),
	HARNESS_TEST_BY_METHODS(one_who_ends_with_an_error_breaks_it),
	HARNESS_TEST_BY_METHODS(a_time_that_runs_out_breaks_it),
	HARNESS_TEST_BY_METHODS(abort_and_reset_send_all_home),
	HARNESS_TEST_BY_METHODS(waiters_of_a_destroyed_barrier_are_told),
	HARNESS_TEST_BY_METHODS(the_action_runs_before_anyone_goes_on),
	HARNESS_TEST_BY_METHODS(death_inside_the_action_breaks_it),
	HARNESS_TEST(an_old_kernel_serves_too),
	HARNESS_TEST(threads_are_parties_too),
	HARNESS_TEST(options_and_handles_are_checked),
};

HARNESS_MAIN(tests)
