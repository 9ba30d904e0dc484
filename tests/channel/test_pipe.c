/* SPDX-License-Identifier: MIT */
/* What a user of a pipe relies on: within a process, between processes, and when some of them die.
 */
#include "support/harness.h"
#include "support/asleep.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ends {
	covey_pipe end[2];
};

static struct ends new_pipe(const covey_pipe_opts *opts)
{
	struct ends ends;

	assert_int_equal(covey_pipe_create(ends.end, opts), 0);
	return ends;
}

static void end_pipe(struct ends ends)
{
	assert_int_equal(covey_pipe_close(ends.end[0]), 0);
	assert_int_equal(covey_pipe_close(ends.end[1]), 0);
}

static void what_is_sent_at_one_end_is_received_at_the_other(void **state)
{
	struct ends p = new_pipe(NULL);
	char buf[32];
	void *copy;
	long n = 7, back = 0;

	for (int side = 0; side < 2; side++) {
		covey_pipe here = p.end[side], there = p.end[!side];

		assert_int_equal(covey_pipe_poll(there, 0), -EAGAIN);
		assert_int_equal(covey_pipe_send(here, "hello", 5, 0), 0);
		assert_int_equal(covey_pipe_send(here, NULL, 0, 0), 0);
		assert_int_equal(covey_send(here, &n, 0), 0);
		assert_int_equal(covey_pipe_send(here, "kept", 4, 0), 0);
		assert_int_equal(covey_pipe_poll(here, 0), -EAGAIN);
		assert_int_equal(covey_pipe_receive(here, buf, sizeof buf, 0), -EAGAIN);
		assert_int_equal(covey_pipe_poll(there, COVEY_FOREVER), 1);
		assert_int_equal(covey_pipe_receive(there, buf, sizeof buf, 0), 5);
		assert_memory_equal(buf, "hello", 5);
		assert_int_equal(covey_pipe_receive(there, buf, sizeof buf, 0), 0);
		assert_int_equal(covey_receive(there, &back, 0), 0);
		assert_int_equal(back, 7);
		assert_int_equal(covey_pipe_receive_alloc(there, &copy, 0), 4);
		assert_string_equal(copy, "kept");
		free(copy);
		assert_int_equal(covey_pipe_receive_alloc(there, &copy, 0), -EAGAIN);
		assert_int_equal(covey_pipe_poll(there, 10), -ETIMEDOUT);
	}
	end_pipe(p);
}

static void a_short_buffer_leaves_the_message(void **state)
{
	struct ends p = new_pipe(&(covey_pipe_opts){.name = "talk"});
	char buf[16];
	long n = 3;

	assert_int_equal(covey_pipe_send(p.end[0], "hello, world", 12, 0), 0);
	assert_int_equal(covey_pipe_receive(p.end[1], buf, 5, 0), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "pipe 'talk'"));
	assert_non_null(strstr(covey_errmsg(), "12 bytes"));
	assert_int_equal(covey_receive(p.end[1], &n, 0), -EMSGSIZE);
	assert_int_equal(n, 3);
	assert_int_equal(covey_pipe_receive(p.end[1], buf, sizeof buf, 0), 12);
	end_pipe(p);
}

static void a_one_way_pipe_goes_one_way(void **state)
{
	struct ends p = new_pipe(&(covey_pipe_opts){.one_way = 1});
	char buf[4];

	assert_int_equal(covey_pipe_send(p.end[0], "x", 1, 0), -EPERM);
	assert_int_equal(covey_pipe_receive(p.end[1], buf, 4, 0), -EPERM);
	assert_int_equal(covey_pipe_poll(p.end[1], 0), -EPERM);
	assert_int_equal(covey_pipe_send(p.end[1], "x", 1, 0), 0);
	assert_int_equal(covey_pipe_receive(p.end[0], buf, 4, 0), 1);
	end_pipe(p);
}

static void a_bound_makes_a_send_wait(void **state)
{
	struct ends p = new_pipe(&(covey_pipe_opts){.max_messages = 2, .max_bytes = 10});
	char buf[16] = {0};

	assert_int_equal(covey_pipe_send(p.end[0], buf, 11, 0), -EMSGSIZE);
	assert_int_equal(covey_pipe_send(p.end[0], buf, 8, 0), 0);
	assert_int_equal(covey_pipe_send(p.end[0], buf, 3, 10), -ETIMEDOUT);
	assert_int_equal(covey_pipe_send(p.end[0], buf, 2, 0), 0);
	assert_int_equal(covey_pipe_send(p.end[0], NULL, 0, 0), -EAGAIN);
	assert_int_equal(covey_pipe_send(p.end[1], buf, 8, 0), 0);
	assert_int_equal(covey_pipe_receive(p.end[1], buf, 16, 0), 8);
	assert_int_equal(covey_pipe_send(p.end[0], NULL, 0, 0), 0);
	end_pipe(p);
}

static void close_ends_the_stream_after_what_is_left(void **state)
{
	struct ends p = new_pipe(&(covey_pipe_opts){.name = "tail"});
	char buf[8];

	assert_int_equal(covey_pipe_send(p.end[0], "last", 4, 0), 0);
	assert_int_equal(covey_pipe_close(p.end[0]), 0);
	assert_int_equal(covey_pipe_send(p.end[1], "x", 1, COVEY_FOREVER), -EPIPE);
	assert_non_null(strstr(covey_errmsg(), "pipe 'tail'"));
	assert_int_equal(covey_pipe_poll(p.end[1], 0), 1);
	assert_int_equal(covey_pipe_receive(p.end[1], buf, 8, COVEY_FOREVER), 4);
	assert_int_equal(covey_pipe_receive(p.end[1], buf, 8, COVEY_FOREVER), -EPIPE);
	assert_int_equal(covey_pipe_poll(p.end[1], COVEY_FOREVER), -EPIPE);
	assert_int_equal(covey_pipe_close(p.end[0]), -EBADF);
	assert_int_equal(covey_pipe_send(p.end[0], "x", 1, 0), -EBADF);
	assert_int_equal(covey_pipe_receive(p.end[0], buf, 8, 0), -EBADF);
	assert_int_equal(covey_pipe_poll(p.end[0], 0), -EBADF);
	assert_int_equal(covey_pipe_close(p.end[1]), 0);
}

static void what_is_no_end_is_refused(void **state)
{
	covey_queue q;
	covey_pipe none = {0}, foreign = {UINT64_MAX}, ends[2] = {{7}, {8}};
	char buf[8];

	assert_int_equal(covey_queue_create(&q, NULL), 0);
	assert_int_equal(covey_pipe_send(none, "x", 1, 0), -EBADF);
	assert_int_equal(covey_pipe_receive(foreign, buf, 8, 0), -EBADF);
	assert_int_equal(covey_pipe_close((covey_pipe){q.id}), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "queue"));
	assert_int_equal(covey_pipe_create(NULL, NULL), -EINVAL);
	assert_int_equal(
		covey_pipe_create(ends, &(covey_pipe_opts){.name = "a name of more than 31 bytes, "
	                                                           "which is too long"}),
		-ENAMETOOLONG);
	assert_int_equal(ends[0].id, 7);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void messages_of_no_place_are_refused(void **state)
{
	struct ends p = new_pipe(NULL);

	assert_int_equal(covey_pipe_send(p.end[0], NULL, 1, 0), -EINVAL);
	assert_int_equal(covey_pipe_receive(p.end[0], NULL, 1, 0), -EINVAL);
	assert_int_equal(covey_pipe_receive_alloc(p.end[0], NULL, 0), -EINVAL);
	assert_int_equal(covey_pipe_receive_exactly(p.end[0], NULL, 1, 0), -EINVAL);
	end_pipe(p);
}

static void an_end_may_travel_through_a_pipe(void **state)
{
	struct ends p = new_pipe(NULL), q = new_pipe(NULL);
	covey_pipe end;
	char buf[4];

	assert_int_equal(covey_send(p.end[0], &q.end[1], 0), 0);
	assert_int_equal(covey_receive(p.end[1], &end, 0), 0);
	assert_int_equal(covey_pipe_send(q.end[0], "abc", 3, 0), 0);
	assert_int_equal(covey_pipe_receive(end, buf, 4, 0), 3);
	end_pipe(p);
	end_pipe(q);
}

/* ---- between processes */

/* Answers each number with the next one, until the stream ends. */
static int answer(const void *arg, size_t len)
{
	const covey_pipe *end = arg;
	int n, rc;

	while ((rc = covey_receive(*end, &n, COVEY_FOREVER)) == 0) {
		n++;
		if (covey_send(*end, &n, COVEY_FOREVER) < 0)
			return 1;
	}
	return rc == -EPIPE ? 0 : 2;
}

static void two_processes_talk_both_ways(void **state)
{
	struct ends p = new_pipe(NULL);
	covey_process *child;
	int n = 0;

	assert_int_equal(covey_start(&child, answer, &p.end[1], .method = *(covey_method *)*state),
	                 0);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(covey_send(p.end[0], &n, COVEY_FOREVER), 0);
		assert_int_equal(covey_receive(p.end[0], &n, COVEY_FOREVER), 0);
		assert_int_equal(n, i + 1);
	}
	assert_int_equal(covey_pipe_close(p.end[0]), 0);
	assert_int_equal(covey_process_join(child, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(child), 0);
	covey_process_free(child);
	assert_int_equal(covey_pipe_close(p.end[1]), 0);
}

static int send_three_and_die(const void *arg, size_t len)
{
	const covey_pipe *end = arg;

	for (int i = 0; i < 3; i++)
		if (covey_send(*end, &i, COVEY_FOREVER) < 0)
			return 1;
	raise(SIGKILL);
	return 0;
}

static void the_stream_ends_with_the_last_user_of_the_other_end(void **state)
{
	struct ends p = new_pipe(&(covey_pipe_opts){.name = "orphan"});
	covey_process *child;
	int n;

	assert_int_equal(covey_start(&child, send_three_and_die, &p.end[1],
	                             .method = *(covey_method *)*state),
	                 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_receive(p.end[0], &n, COVEY_FOREVER), 0);
		assert_int_equal(n, i);
	}
	/* Not reaped yet, perhaps: a receiver that waits finds it all the same. */
	assert_int_equal(covey_receive(p.end[0], &n, COVEY_FOREVER), -EPIPE);
	assert_non_null(strstr(covey_errmsg(), "pipe 'orphan'"));
	assert_int_equal(covey_pipe_poll(p.end[0], COVEY_FOREVER), -EPIPE);
	assert_int_equal(covey_process_join(child, COVEY_FOREVER), 0);
	assert_int_equal(covey_send(p.end[0], &n, COVEY_FOREVER), -EPIPE);
	covey_process_free(child);
	end_pipe(p);
}

static int receive_one_and_hang(const void *arg, size_t len)
{
	const covey_pipe *end = arg;
	int n;

	if (covey_receive(*end, &n, COVEY_FOREVER) < 0)
		return 1;
	for (;;)
		pause();
	return 0;
}

static void a_sender_that_waits_is_told_when_nobody_is_left_to_receive(void **state)
{
	struct ends p = new_pipe(&(covey_pipe_opts){.max_messages = 1});
	covey_process *child;
	struct once_asleep killer;
	int n = 5;

	assert_int_equal(covey_start(&child, receive_one_and_hang, &p.end[1],
	                             .method = *(covey_method *)*state),
	                 0);
	assert_int_equal(covey_send(p.end[0], &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_send(p.end[0], &n, COVEY_FOREVER), 0);
	once_asleep(&killer, kill_it, child);
	assert_int_equal(covey_send(p.end[0], &n, COVEY_FOREVER), -EPIPE);
	once_asleep_done(&killer);
	assert_int_equal(end_of(child), 128 + SIGKILL);
	end_pipe(p);
}

static int receive_one(const void *arg, size_t len)
{
	const covey_pipe *end = arg;
	int n;

	return -covey_receive(*end, &n, COVEY_FOREVER);
}

static void those_who_wait_are_woken_by_a_close(void **state)
{
	covey_method method = *(covey_method *)*state;

	/* By the close of the other end, and of their own. */
	for (int own = 0; own < 2; own++) {
		struct ends p = new_pipe(NULL);
		covey_process *child[2];

		for (int i = 0; i < 2; i++) {
			assert_int_equal(
				covey_start(&child[i], receive_one, &p.end[1], .method = method),
				0);
			HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(child[i])));
		}
		assert_int_equal(covey_pipe_close(p.end[own]), 0);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(covey_process_join(child[i], COVEY_FOREVER), 0);
			assert_int_equal(covey_process_exit_code(child[i]), own ? EBADF : EPIPE);
			covey_process_free(child[i]);
		}
		assert_int_equal(covey_pipe_close(p.end[!own]), 0);
	}
}

static void a_killed_receiver_leaves_the_pipe_working(void **state)
{
	struct ends p = new_pipe(NULL);
	covey_process *child[2];
	int n = 9;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_start(&child[i], receive_one, &p.end[1],
		                             .method = *(covey_method *)*state),
		                 0);
		HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(child[i])));
	}
	assert_int_equal(covey_process_kill(child[0]), 0);
	assert_int_equal(covey_send(p.end[0], &n, 0), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_process_join(child[i], COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(child[1]), 0);
	/* Both have ended now, so nobody is left there. */
	assert_int_equal(covey_send(p.end[0], &n, 0), -EPIPE);
	/* Until somebody comes again. */
	assert_int_equal(covey_pipe_poll(p.end[1], 0), -EAGAIN);
	assert_int_equal(covey_send(p.end[0], &n, 0), 0);
	for (int i = 0; i < 2; i++)
		covey_process_free(child[i]);
	end_pipe(p);
}

static int send_one(const void *arg, size_t len)
{
	const covey_pipe *end = arg;

	return -covey_pipe_send(*end, "x", 1, COVEY_FOREVER);
}

static void more_processes_than_are_followed_at_once_may_come_and_go(void **state)
{
	struct ends p = new_pipe(NULL);
	char buf[1];

	for (int i = 0; i < 300; i++) {
		covey_process *child;

		assert_int_equal(covey_start(&child, send_one, &p.end[1], .method = COVEY_FORK), 0);
		assert_int_equal(covey_process_join(child, COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(child), 0);
		covey_process_free(child);
		assert_int_equal(covey_pipe_receive(p.end[0], buf, 1, 0), 1);
	}
	assert_int_equal(covey_pipe_receive(p.end[0], buf, 1, COVEY_FOREVER), -EPIPE);
	end_pipe(p);
}

static void pipes_made_anew_in_used_places_are_new(void **state)
{
	char buf[8];

	for (int i = 0; i < 100; i++) {
		struct ends p = new_pipe(&(covey_pipe_opts){.one_way = i % 2});

		assert_int_equal(covey_pipe_receive(p.end[0], buf, 8, 0), -EAGAIN);
		assert_int_equal(covey_pipe_send(p.end[1], "abc", 3, 0), 0);
		assert_int_equal(covey_pipe_poll(p.end[0], 0), 1);
		end_pipe(p);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST(what_is_sent_at_one_end_is_received_at_the_other),
	HARNESS_TEST(a_short_buffer_leaves_the_message),
	HARNESS_TEST(a_one_way_pipe_goes_one_way),
	HARNESS_TEST(a_bound_makes_a_send_wait),
	HARNESS_TEST(close_ends_the_stream_after_what_is_left),
	HARNESS_TEST(what_is_no_end_is_refused),
	HARNESS_TEST(messages_of_no_place_are_refused),
	HARNESS_TEST(an_end_may_travel_through_a_pipe),
	HARNESS_TEST_BY_METHODS(two_processes_talk_both_ways),
	HARNESS_TEST_BY_METHODS(the_stream_ends_with_the_last_user_of_the_other_end),
	HARNESS_TEST_BY_METHODS(a_sender_that_waits_is_told_when_nobody_is_left_to_receive),
	HARNESS_TEST_BY_METHODS(those_who_wait_are_woken_by_a_close),
	HARNESS_TEST_BY_METHODS(a_killed_receiver_leaves_the_pipe_working),
	HARNESS_TEST(more_processes_than_are_followed_at_once_may_come_and_go),
	HARNESS_TEST(pipes_made_anew_in_used_places_are_new),
};
HARNESS_MAIN(tests)
