/* SPDX-License-Identifier: MIT */
/* What a user relies on who waits for several things, or has an event loop wait for them. */
#include "support/harness.h"
#include "support/asleep.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wait/wait.h"

static covey_queue new_queue(const covey_queue_opts *opts)
{
	covey_queue q;

	assert_int_equal(covey_queue_create(&q, opts), 0);
	return q;
}

static bool readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* With futex_waitv, and as if the kernel had none. */
static const bool with = false, without = true;
#define WITH_AND_WITHOUT_WAITV(test) \
	HARNESS_TEST_WITH(test, "waitv", &with), HARNESS_TEST_WITH(test, "no-waitv", &without)

static void what_is_ready_is_said_at_once(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){.max_messages = 1});
	covey_pipe ends[2];
	covey_waitable w[5];
	int fds[2], n = 1;

	assert_int_equal(covey_pipe_create(ends, &(covey_pipe_opts){.max_messages = 1}), 0);
	assert_int_equal(pipe(fds), 0);
	w[0] = COVEY_GET(q);
	w[1] = COVEY_RECEIVE(ends[0]);
	w[2] = COVEY_READABLE(fds[0]);
	w[3] = (covey_waitable){0};
	assert_int_equal(covey_select(w, 4, 0), -EAGAIN);
	assert_int_equal(covey_select(w, 4, 10), -ETIMEDOUT);
	assert_int_equal(covey_select(w, 2, 10), -ETIMEDOUT);
	assert_int_equal(covey_put(q, &n, 0), 0);
	assert_int_equal(covey_select(w, 4, COVEY_FOREVER), 1);
	assert_true(w[0].ready && !w[1].ready && !w[2].ready && !w[3].ready);
	assert_int_equal(covey_send(ends[1], &n, 0), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(covey_select(w, 4, COVEY_FOREVER), 3);
	assert_true(w[0].ready && w[1].ready && w[2].ready);
	/* Room: there is none in either. */
	w[0] = COVEY_PUT(q);
	w[1] = COVEY_SEND(ends[1]);
	assert_int_equal(covey_select(w, 2, 0), -EAGAIN);
	w[2] = COVEY_WRITABLE(fds[1]);
	assert_int_equal(covey_select(w, 3, 0), 1);
	assert_int_equal(covey_get(q, &n, 0), 0);
	assert_int_equal(covey_select(w, 2, 0), 1);
	assert_true(w[0].ready && !w[1].ready);
	assert_int_equal(covey_receive(ends[0], &n, 0), 0);
	assert_int_equal(covey_select(w, 2, 0), 2);
	/* Ends are news. */
	assert_int_equal(covey_queue_close(q), 0);
	assert_int_equal(covey_pipe_close(ends[0]), 0);
	w[0] = COVEY_GET(q);
	w[1] = COVEY_RECEIVE(ends[1]);
	w[2] = COVEY_SEND(ends[1]);
	assert_int_equal(covey_select(w, 3, COVEY_FOREVER), 3);
	assert_int_equal(covey_pipe_close(ends[1]), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
	close(fds[0]);
	close(fds[1]);
}

static void what_cannot_be_waited_for_is_refused(void **state)
{
	covey_queue q = new_queue(NULL);
	covey_pipe ends[2];
	covey_waitable w[2] = {COVEY_GET(q), COVEY_GET(((covey_queue){0}))};

	assert_int_equal(covey_pipe_create(ends, &(covey_pipe_opts){.one_way = 1}), 0);
	assert_int_equal(covey_select(NULL, 1, 0), -EINVAL);
	assert_int_equal(covey_select(w, 0, 0), -EINVAL);
	assert_int_equal(covey_select(w, 2, COVEY_FOREVER), -EBADF);
	w[1] = COVEY_SEND(ends[0]);
	assert_int_equal(covey_select(w, 2, COVEY_FOREVER), -EPERM);
	w[1] = COVEY_READABLE(999);
	assert_int_equal(covey_select(w, 2, COVEY_FOREVER), -EBADF);
	w[1].kind = (covey_waitable_kind)99;
	assert_int_equal(covey_select(w, 2, COVEY_FOREVER), -EINVAL);
	w[1] = COVEY_DONE(NULL);
	assert_int_equal(covey_select(w, 2, COVEY_FOREVER), -EINVAL);
	w[1] = COVEY_ENDED(NULL);
	assert_true(covey_select(w, 2, COVEY_FOREVER) < 0);
	w[0] = (covey_waitable){0};
	assert_int_equal(covey_select(w, 1, COVEY_FOREVER), -EINVAL);
	assert_int_equal(covey_queue_fd((covey_queue){5}), -EBADF);
	assert_int_equal(covey_pipe_fd(ends[1]), -EPERM);
	assert_int_equal(covey_fd_close(0), -EBADF);
	assert_int_equal(covey_fd_close(-1), -EBADF);
	assert_int_equal(covey_pipe_close(ends[0]), 0);
	assert_int_equal(covey_pipe_close(ends[1]), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
}

/* ---- waiting: a process that selects, and what it is woken for */

struct scene {
	covey_queue q[3];
	int with_descriptor;
	int no_waitv;
};

/* Exits with 1 + which of the queues is ready. */
static int select_three(const void *arg, size_t len)
{
	const struct scene *s = arg;
	covey_waitable w[4] = {COVEY_GET(s->q[0]), COVEY_GET(s->q[1]), COVEY_GET(s->q[2])};
	int fds[2], rc;

	cvy_waitv_missing = s->no_waitv;
	if (pipe(fds) < 0)
		return 100;
	w[3] = COVEY_READABLE(fds[0]);
	rc = covey_select(w, s->with_descriptor ? 4 : 3, COVEY_FOREVER);
	if (rc != 1)
		return rc < 0 ? 50 - rc : 101;
	return w[0].ready + 2 * w[1].ready + 3 * w[2].ready;
}

/* Whether all threads of a process sleep: in poll or at futexes. */
static bool at_rest(pid_t pid)
{
	char path[64], text[16];
	FILE *f;
	bool rest;

	snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	/* futex, futex_waitv, poll */
	rest = fgets(text, sizeof text, f) &&
	       (!strncmp(text, "202 ", 4) || !strncmp(text, "449 ", 4) || !strncmp(text, "7 ", 2));
	fclose(f);
	return rest;
}

static void one_who_sleeps_is_woken_by_any_of_them(void **state)
{
	struct scene s = {.no_waitv = *(const bool *)*state};
	int n = 0;

	for (int i = 0; i < 3; i++)
		s.q[i] = new_queue(NULL);
	for (s.with_descriptor = 0; s.with_descriptor < 2; s.with_descriptor++)
		for (int i = 0; i < 3; i++) {
			covey_process *p;

			assert_int_equal(covey_start(&p, select_three, &s, .method = COVEY_FORK),
			                 0);
			HARNESS_EVENTUALLY(at_rest(covey_process_pid(p)));
			assert_int_equal(covey_put(s.q[i], &n, 0), 0);
			assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
			assert_int_equal(covey_process_exit_code(p), 1 + i);
			covey_process_free(p);
			assert_int_equal(covey_get(s.q[i], &n, 0), 0);
		}
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_queue_destroy(s.q[i]), 0);
}

static void it_works_in_processes_of_every_method(void **state)
{
	covey_method method = *(covey_method *)*state;
	struct scene s = {.with_descriptor = 1};
	covey_process_info info;
	covey_process *p[2];
	int n = 0;

	for (int i = 0; i < 3; i++)
		s.q[i] = new_queue(&(covey_queue_opts){.name = i ? NULL : "first"});
	/* Both are told of one message, for both may look: it is not taken. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_start(&p[i], select_three, &s, .method = method), 0);
		HARNESS_EVENTUALLY(at_rest(covey_process_pid(p[i])));
		assert_int_equal(covey_process_get_info(p[i], &info), 0);
		assert_string_equal(info.waiting_for, "queue 'first'");
	}
	assert_int_equal(covey_put(s.q[1], &n, 0), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), 2);
		covey_process_free(p[i]);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_queue_destroy(s.q[i]), 0);
}

static void who_waits_no_more_is_not_said_to(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){.name = "empty"});
	covey_waitable things[] = {COVEY_GET(q)};
	covey_process_info info;

	assert_int_equal(covey_select(things, 1, 1), -ETIMEDOUT);
	assert_int_equal(covey_current_process(&info), 0);
	assert_string_equal(info.waiting_for, "");
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void a_queue_destroyed_meanwhile_is_told(void **state)
{
	struct scene s = {.no_waitv = *(const bool *)*state};

	for (s.with_descriptor = 0; s.with_descriptor < 2; s.with_descriptor++) {
		covey_process *p;

		for (int i = 0; i < 3; i++)
			s.q[i] = new_queue(NULL);
		assert_int_equal(covey_start(&p, select_three, &s, .method = COVEY_FORK), 0);
		HARNESS_EVENTUALLY(at_rest(covey_process_pid(p)));
		assert_int_equal(covey_queue_destroy(s.q[2]), 0);
		assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p), 50 + EBADF);
		covey_process_free(p);
		for (int i = 0; i < 2; i++)
			assert_int_equal(covey_queue_destroy(s.q[i]), 0);
	}
}

static int get_one(const void *arg, size_t len)
{
	int n;

	return -covey_get(*(const covey_queue *)arg, &n, COVEY_FOREVER);
}

static void a_getter_and_those_who_watch_are_all_woken(void **state)
{
	struct scene s = {.no_waitv = *(const bool *)*state};
	covey_process *p[4];
	int n = 0;

	for (int i = 0; i < 3; i++)
		s.q[i] = new_queue(NULL);
	for (int i = 0; i < 3; i++) {
		s.with_descriptor = i == 1;
		assert_int_equal(covey_start(&p[i], select_three, &s, .method = COVEY_FORK), 0);
		HARNESS_EVENTUALLY(at_rest(covey_process_pid(p[i])));
	}
	assert_int_equal(covey_start(&p[3], get_one, &s.q[0], .method = COVEY_FORK), 0);
	HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[3])));
	/* The getter takes one; the other stays, for those who only look. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_put(s.q[0], &n, 0), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), i < 3 ? 1 : 0);
		covey_process_free(p[i]);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_queue_destroy(s.q[i]), 0);
}

static int send_one_and_sleep(const void *arg, size_t len)
{
	int n = 1;

	if (covey_send(*(const covey_pipe *)arg, &n, COVEY_FOREVER) < 0)
		return 1;
	sleep_for_good();
	return 0;
}

/* With one thing, which is slept at by itself, and with two. */
static void a_select_that_sleeps_is_told_of_a_death(void **state)
{
	for (int things = 1; things <= 2; things++) {
		covey_pipe end[2];
		covey_queue q = new_queue(NULL);
		covey_process *p;
		struct once_asleep killer;
		covey_waitable w[2];
		int n;

		assert_int_equal(covey_pipe_create(end, NULL), 0);
		assert_int_equal(covey_start(&p, send_one_and_sleep, &end[0],
		                             .method = *(covey_method *)*state),
		                 0);
		assert_int_equal(covey_receive(end[1], &n, COVEY_FOREVER), 0);
		w[0] = COVEY_RECEIVE(end[1]);
		w[1] = COVEY_GET(q);
		once_asleep(&killer, kill_it, p);
		assert_int_equal(covey_select(w, things, COVEY_FOREVER), 1);
		assert_true(w[0].ready);
		once_asleep_done(&killer);
		assert_int_equal(covey_receive(end[1], &n, 0), -EPIPE);
		assert_int_equal(end_of(p), 128 + SIGKILL);
		assert_int_equal(covey_pipe_close(end[0]), 0);
		assert_int_equal(covey_pipe_close(end[1]), 0);
		assert_int_equal(covey_queue_destroy(q), 0);
	}
}

static int put_and_die(const void *arg, size_t len)
{
	int n = 1;

	covey_put(*(const covey_queue *)arg, &n, COVEY_FOREVER);
	raise(SIGKILL);
	return 0;
}

static void that_all_senders_have_ended_is_news(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){.end_with_senders = 1});
	covey_waitable w[2] = {COVEY_GET(q)};
	covey_process *p;
	int n, fd = covey_queue_fd(q);

	assert_int_equal(covey_start(&p, put_and_die, &q, .method = *(covey_method *)*state), 0);
	w[1] = COVEY_ENDED(p);
	assert_true(covey_select(w, 2, COVEY_FOREVER) >= 1);
	assert_int_equal(covey_select(w + 1, 1, COVEY_FOREVER), 1);
	assert_int_equal(covey_get(q, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_select(w, 1, COVEY_FOREVER), 1);
	assert_true(readable(fd, -1));
	assert_int_equal(covey_get(q, &n, 0), -EPIPE);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_fd_close(fd), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
}

/* ---- descriptors */

static void a_descriptor_is_readable_while_there_is_something(void **state)
{
	covey_queue q;
	int n = 3, fd, second;

	cvy_waitv_missing = *(const bool *)*state;
	q = new_queue(NULL);
	fd = covey_queue_fd(q);
	second = covey_queue_fd(q);
	assert_true(fd >= 0 && second >= 0);
	for (int round = 0; round < 20; round++) {
		assert_false(readable(fd, 0));
		for (int i = 0; i < 3; i++)
			assert_int_equal(covey_put(q, &n, 0), 0);
		assert_true(readable(fd, -1));
		assert_true(readable(second, -1));
		for (int i = 0; i < 3; i++) {
			assert_true(readable(fd, 0));
			assert_int_equal(covey_get(q, &n, 0), 0);
		}
		assert_int_equal(covey_get(q, &n, 0), -EAGAIN);
	}
	assert_int_equal(covey_fd_close(second), 0);
	assert_int_equal(covey_fd_close(second), -EBADF);
	assert_int_equal(covey_put(q, &n, 0), 0);
	assert_true(readable(fd, -1));
	assert_int_equal(covey_queue_destroy(q), 0);
	assert_true(readable(fd, 0));
	assert_int_equal(covey_fd_close(fd), 0);
}

static int send_stream(const void *arg, size_t len)
{
	for (int i = 0; i < 2000; i++)
		if (covey_send(*(const covey_pipe *)arg, &i, COVEY_FOREVER) < 0)
			return 1;
	return 0;
}

static void an_epoll_loop_takes_one_message_a_turn(void **state)
{
	covey_pipe ends[2];
	covey_process *p;
	struct epoll_event event = {.events = EPOLLIN};
	int loop = epoll_create1(EPOLL_CLOEXEC), fd, n, next = 0;

	assert_int_equal(covey_pipe_create(ends, &(covey_pipe_opts){.max_messages = 50}), 0);
	fd = covey_pipe_fd(ends[0]);
	assert_int_equal(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event), 0);
	assert_int_equal(covey_start(&p, send_stream, &ends[1], .method = *(covey_method *)*state),
	                 0);
	for (int rc = 0; rc != -EPIPE;) {
		assert_int_equal(epoll_wait(loop, &event, 1, -1), 1);
		rc = covey_receive(ends[0], &n, 0);
		if (rc == 0)
			assert_int_equal(n, next++);
		else
			assert_true(rc == -EAGAIN || rc == -EPIPE);
	}
	assert_int_equal(next, 2000);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), 0);
	covey_process_free(p);
	close(loop);
	assert_int_equal(covey_fd_close(fd), 0);
	assert_int_equal(covey_pipe_close(ends[0]), 0);
	assert_int_equal(covey_pipe_close(ends[1]), 0);
}

static void the_thread_changes_no_start_method_and_a_fork_begins_anew(void **state)
{
	covey_queue q = new_queue(NULL);
	int fd = covey_queue_fd(q), n = 1, status;
	pid_t pid;

	HARNESS_EVENTUALLY(covey_default_method() == COVEY_FORK);
	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int own = covey_queue_fd(q);

		if (own < 0 || covey_fd_close(999) != -EBADF || readable(own, 0))
			_exit(1);
		if (covey_put(q, &n, 0) < 0 || !readable(own, -1))
			_exit(2);
		_exit(covey_fd_close(own) < 0 ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(readable(fd, -1));
	assert_int_equal(covey_fd_close(fd), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void more_things_than_can_be_slept_on_at_once(void **state)
{
	enum { N = 150 };
	static covey_queue q[N];
	static covey_waitable w[N];
	int fd[N], n = 1;

	for (int i = 0; i < N; i++) {
		q[i] = new_queue(NULL);
		w[i] = COVEY_GET(q[i]);
		fd[i] = covey_queue_fd(q[i]);
	}
	assert_int_equal(covey_select(w, N, 5), -ETIMEDOUT);
	assert_int_equal(covey_put(q[N - 1], &n, 0), 0);
	assert_int_equal(covey_select(w, N, COVEY_FOREVER), 1);
	assert_true(readable(fd[N - 1], -1));
	for (int i = 0; i < N; i++) {
		assert_int_equal(covey_fd_close(fd[i]), 0);
		assert_int_equal(covey_queue_destroy(q[i]), 0);
	}
}

/* ---- pools */

COVEY_TASK(int, get_and_say, covey_queue, q)
{
	int n = 0;

	covey_get(q, &n, COVEY_FOREVER);
	return n;
}

static void futures_and_pools_are_waited_for_beside_queues(void **state)
{
	covey_pool_kind kind = *(const covey_pool_kind *)*state;
	covey_queue gate = new_queue(NULL), q = new_queue(NULL);
	covey_waitable w[4];
	covey_future *f, *g;
	covey_pool *pool;
	int fds[2], fd, n = 7;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.kind = kind, .workers = 1}), 0);
	f = covey_submit(pool, get_and_say, gate);
	assert_non_null(f);
	fd = covey_future_fd(f);
	assert_true(fd >= 0);
	w[0] = COVEY_GET(q);
	w[1] = COVEY_DONE(f);
	w[2] = COVEY_COMPLETED(pool);
	w[3] = COVEY_READABLE(fds[0]);
	assert_int_equal(covey_select(w, 3, 10), -ETIMEDOUT);
	assert_int_equal(covey_select(w, 4, 10), -ETIMEDOUT);
	assert_false(readable(fd, 0));
	assert_int_equal(covey_put(gate, &n, 0), 0);
	assert_true(covey_select(w, 2, COVEY_FOREVER) == 1 && w[1].ready);
	assert_int_equal(covey_select(w + 2, 1, COVEY_FOREVER), 1); /* told a moment later */
	assert_true(covey_select(w, 4, COVEY_FOREVER) == 2 && w[2].ready);
	assert_true(readable(fd, -1));
	assert_int_equal(covey_fd_close(fd), 0);
	assert_ptr_equal(covey_as_completed(pool, 0), f);
	/* With a descriptor among them, and one that is freed before it is done. */
	g = covey_submit(pool, get_and_say, gate);
	assert_non_null(g);
	fd = covey_future_fd(g);
	covey_future_free(g);
	assert_false(readable(fd, 0));
	assert_int_equal(covey_put(gate, &n, 0), 0);
	assert_true(readable(fd, -1));
	assert_int_equal(covey_fd_close(fd), 0);
	covey_future_free(f);
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(covey_queue_destroy(gate), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static const covey_pool_kind processes = COVEY_PROCESSES, threads = COVEY_THREADS;

static const struct harness_test tests[] = {
	HARNESS_TEST(what_is_ready_is_said_at_once),
	HARNESS_TEST(what_cannot_be_waited_for_is_refused),
	WITH_AND_WITHOUT_WAITV(one_who_sleeps_is_woken_by_any_of_them),
	HARNESS_TEST(who_waits_no_more_is_not_said_to),
	HARNESS_TEST_BY_METHODS(it_works_in_processes_of_every_method),
	WITH_AND_WITHOUT_WAITV(a_queue_destroyed_meanwhile_is_told),
	WITH_AND_WITHOUT_WAITV(a_getter_and_those_who_watch_are_all_woken),
	HARNESS_TEST_BY_METHODS(that_all_senders_have_ended_is_news),
	HARNESS_TEST_BY_METHODS(a_select_that_sleeps_is_told_of_a_death),
	WITH_AND_WITHOUT_WAITV(a_descriptor_is_readable_while_there_is_something),
	HARNESS_TEST_BY_METHODS(an_epoll_loop_takes_one_message_a_turn),
	HARNESS_TEST(the_thread_changes_no_start_method_and_a_fork_begins_anew),
	HARNESS_TEST(more_things_than_can_be_slept_on_at_once),
	HARNESS_TEST_WITH(futures_and_pools_are_waited_for_beside_queues, "processes", &processes),
	HARNESS_TEST_WITH(futures_and_pools_are_waited_for_beside_queues, "threads", &threads),
};
HARNESS_MAIN(tests)
