/* SPDX-License-Identifier: MIT */
/* What a user relies on who connects programs: addresses, keys, messages, deaths, forks. */
#include "peer.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEY "sixteen bytes or more"

static const char unix_fresh[] = "unix:", tcp_fresh[] = "tcp:127.0.0.1:0";
#define BY_ADDRESS(test) \
	HARNESS_TEST_WITH(test, "unix", unix_fresh), HARNESS_TEST_WITH(test, "tcp", tcp_fresh)

static const covey_listener_opts keyed = {.key = KEY, .key_len = sizeof KEY - 1};
static const covey_connect_opts connect_keyed = {.key = KEY, .key_len = sizeof KEY - 1};

/* ---- a listener's and a connecting side, in one process */

struct sides {
	covey_listener *l;
	covey_connection *here, *there;
	const char *address;
};

static void *connect_there(void *arg)
{
	struct sides *s = arg;

	if (covey_connect(&s->there, s->address, &connect_keyed, COVEY_FOREVER) < 0)
		s->there = NULL;
	return NULL;
}

static struct sides both_sides(const char *address, const covey_listener_opts *opts)
{
	struct sides s = {.l = listening(address, opts)};
	pthread_t thread;

	s.address = covey_listener_address(s.l);
	assert_int_equal(pthread_create(&thread, NULL, connect_there, &s), 0);
	s.here = accepted(s.l);
	pthread_join(thread, NULL);
	assert_non_null(s.there);
	return s;
}

static void close_sides(struct sides *s)
{
	covey_connection_close(s->here);
	covey_connection_close(s->there);
	covey_listener_close(s->l);
}

static unsigned char *bytes(size_t len)
{
	unsigned char *b = malloc(len + 1);

	assert_non_null(b);
	for (size_t i = 0; i < len; i++)
		b[i] = (unsigned char)(i * 7 + i / 251);
	return b;
}

static void messages_of_any_size_come_back(void **state)
{
	static const size_t sizes[] = {0, 1, 7, 8, 9, 4096, 65537, 300000, 20000000};
	covey_listener *l = listening(*state, &keyed);
	pid_t pid = run_peer("echo", covey_listener_address(l), KEY);
	covey_connection *c = accepted(l);

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		unsigned char *sent = bytes(sizes[i]);
		void *back = NULL;

		assert_int_equal(covey_connection_send(c, sent, sizes[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_connection_receive_alloc(c, &back, COVEY_FOREVER), sizes[i]);
		assert_memory_equal(sent, back, sizes[i]);
		assert_int_equal(((char *)back)[sizes[i]], 0);
		free(sent);
		free(back);
	}
	covey_connection_close(c);
	assert_int_equal(peer_ended(pid), 0);
	covey_listener_close(l);
}

static int echo_once(const void *arg, size_t len)
{
	covey_connection *c;
	char text[32];
	int64_t n;

	if (covey_connect(&c, arg, NULL, COVEY_FOREVER) < 0)
		return 1;
	n = covey_connection_receive(c, text, sizeof text, COVEY_FOREVER);
	if (n < 0 || covey_connection_send(c, text, (size_t)n, COVEY_FOREVER) < 0)
		return 2;
	/* Until the other closes: that a fork holds none of its descriptors is seen here. */
	n = covey_connection_receive(c, text, sizeof text, COVEY_FOREVER);
	covey_connection_close(c);
	return n == -EPIPE ? 0 : 3;
}

static void children_connect(void **state)
{
	covey_listener *l = listening("unix:", NULL);
	const char *address = covey_listener_address(l);
	covey_process_opts opts = {.method = *(covey_method *)*state};
	covey_connection *c[2];
	covey_process *p[2];
	char text[8];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			covey_process_start(&p[i], echo_once, address, strlen(address) + 1, &opts),
			0);
		c[i] = accepted(l);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_connection_send(c[i], "hello", 5, COVEY_FOREVER), 0);
		assert_int_equal(covey_connection_receive(c[i], text, 8, COVEY_FOREVER), 5);
		assert_memory_equal(text, "hello", 5);
		covey_connection_close(c[i]);
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), 0);
		covey_process_free(p[i]);
	}
	covey_listener_close(l);
}

/* ---- addresses */

static void a_file_is_the_users_alone_and_goes_with_the_listener(void **state)
{
	char dir[] = "/tmp/cvy-net-XXXXXX", address[64];
	covey_listener *l, *second;
	covey_connection *c;
	struct stat st;

	assert_non_null(mkdtemp(dir));
	snprintf(address, sizeof address, "unix:%s/s", dir);
	umask(0);
	l = listening(address, NULL);
	assert_string_equal(covey_listener_address(l), address);
	assert_int_equal(stat(address + 5, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(covey_listener_open(&second, address, NULL), -EADDRINUSE);
	covey_listener_close(l);
	assert_int_equal(stat(address + 5, &st), -1);
	assert_int_equal(covey_connect(&c, address, NULL, 100), -ENOENT);
	/* What a killed listener left is replaced, what is no socket is not. */
	assert_int_equal(peer_ended(run_peer("listen-die", address, NULL)), 128 + SIGKILL);
	assert_int_equal(stat(address + 5, &st), 0);
	assert_int_equal(covey_connect(&c, address, NULL, 100), -ECONNREFUSED);
	l = listening(address, NULL);
	/* Somebody else's file of the same name stays. */
	assert_int_equal(unlink(address + 5), 0);
	close(open(address + 5, O_CREAT | O_WRONLY, 0600));
	covey_listener_close(l);
	assert_int_equal(covey_listener_open(&l, address, NULL), -EADDRINUSE);
	assert_int_equal(unlink(address + 5), 0);
	assert_int_equal(rmdir(dir), 0);
}

static void bad_addresses_are_refused_in_words(void **state)
{
	static const struct {
		const char *address;
		int error;
	} bad[] = {
		{"", EINVAL},
		{"http://x", EINVAL},
		{"unix:relative", EINVAL},
		{"unix:@", EINVAL},
		{"tcp:", EINVAL},
		{"tcp:127.0.0.1", EINVAL},
		{"tcp:127.0.0.1:", EINVAL},
		{"tcp:127.0.0.1:99999", EINVAL},
		{"tcp:127.0.0.1:12x", EINVAL},
		{"tcp:localhost:80", EINVAL},
		{"tcp:0.0.0.0:80", EPERM},
		{"tcp:10.0.0.1:80", EPERM},
		{"unix:/0123456789012345678901234567890123456789012345678901234567890123456789"
	         "0123456789012345678901234567890123456789",
	         ENAMETOOLONG},
		{"unix:/no/such/folder/s", ENOENT},
	};
	covey_listener *l = NULL;
	covey_connection *c = NULL;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(covey_listener_open(&l, bad[i].address, &keyed), -bad[i].error);
		assert_int_equal(covey_connect(&c, bad[i].address, &connect_keyed, 100),
		                 -bad[i].error);
		assert_true(strlen(covey_errmsg()) > 10);
	}
	assert_int_equal(covey_listener_open(&l, NULL, NULL), -EINVAL);
	assert_int_equal(covey_connect(&c, "unix:", NULL, 0), -EINVAL);
	assert_int_equal(covey_connect(&c, "tcp:127.0.0.1:0", &connect_keyed, 0), -EINVAL);
	assert_int_equal(covey_listener_open(&l, tcp_fresh, NULL), -ENOKEY);
	assert_int_equal(covey_connect(&c, "tcp:127.0.0.1:1", NULL, 0), -ENOKEY);
	assert_int_equal(covey_connect(&c, "tcp:127.0.0.1:1", &connect_keyed, 1000), -ECONNREFUSED);
	assert_int_equal(covey_listener_open(&l, "unix:", &(covey_listener_opts){.key = ""}),
	                 -EINVAL);
	assert_int_equal(covey_listener_open(&l, "unix:", &(covey_listener_opts){.key_len = 1}),
	                 -EINVAL);
	assert_int_equal(
		covey_listener_open(&l, "unix:", &(covey_listener_opts){.handshake_ms = -1}),
		-EINVAL);
	assert_null(l);
	assert_null(c);
	assert_int_equal(covey_listener_accept(NULL, &c, 0), -EINVAL);
	assert_int_equal(covey_connection_send(NULL, "", 0, 0), -EINVAL);
	assert_string_equal(covey_listener_address(NULL), "");
	covey_listener_close(NULL);
	covey_connection_close(NULL);
}

/* ---- keys */

static void another_key_is_refused_on_both_sides(void **state)
{
	static const char *const wrong[] = {"another key", NULL};
	covey_listener *l = listening(*state, &keyed);
	bool tcp = *state == tcp_fresh;
	covey_connection *c = NULL;
	pid_t pid;

	for (int i = 0; i < 2 - tcp; i++) {
		pid = run_peer("echo", covey_listener_address(l), wrong[i]);
		assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EKEYREJECTED);
		assert_int_equal(peer_ended(pid), EKEYREJECTED);
	}
	/* The listener goes on. */
	pid = run_peer("echo", covey_listener_address(l), KEY);
	covey_connection_close(accepted(l));
	assert_int_equal(peer_ended(pid), 0);
	covey_listener_close(l);
	if (tcp)
		return;
	l = listening(*state, NULL);
	pid = run_peer("echo", covey_listener_address(l), KEY);
	assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EKEYREJECTED);
	assert_int_equal(peer_ended(pid), EKEYREJECTED);
	assert_null(c);
	covey_listener_close(l);
}

/* ---- messages */

static void a_short_buffer_leaves_the_message(void **state)
{
	struct sides s = both_sides(*state, &keyed);
	char buf[8] = "";

	assert_int_equal(covey_connection_send(s.there, "1234567", 8, 0), 0);
	assert_int_equal(covey_connection_send(s.there, "", 0, 0), 0);
	assert_int_equal(covey_connection_receive(s.here, buf, 7, COVEY_FOREVER), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "8 bytes"));
	assert_int_equal(covey_connection_poll(s.here, COVEY_FOREVER), 1);
	assert_int_equal(covey_connection_receive(s.here, buf, 8, COVEY_FOREVER), 8);
	assert_string_equal(buf, "1234567");
	assert_int_equal(covey_connection_poll(s.here, COVEY_FOREVER), 1);
	assert_int_equal(covey_connection_receive(s.here, NULL, 0, COVEY_FOREVER), 0);
	assert_int_equal(covey_connection_receive(s.here, buf, 8, 0), -EAGAIN);
	assert_int_equal(covey_connection_receive(s.here, buf, 8, 10), -ETIMEDOUT);
	assert_int_equal(covey_connection_poll(s.here, 0), -EAGAIN);
	assert_int_equal(covey_connection_poll(s.here, 10), -ETIMEDOUT);
	close_sides(&s);
}

static void a_descriptor_tells_of_messages(void **state)
{
	struct sides s = both_sides(*state, &keyed);
	covey_waitable w = COVEY_READABLE(covey_connection_fd(s.here));
	char c;

	assert_int_equal(covey_select(&w, 1, 0), -EAGAIN);
	assert_int_equal(covey_connection_send(s.there, "x", 1, 0), 0);
	assert_int_equal(covey_select(&w, 1, COVEY_FOREVER), 1);
	assert_int_equal(covey_connection_poll(s.here, 0), 1);
	assert_int_equal(covey_select(&w, 1, 0), 1);
	assert_int_equal(covey_connection_receive(s.here, &c, 1, 0), 1);
	assert_int_equal(covey_select(&w, 1, 0), -EAGAIN);
	covey_connection_close(s.there);
	s.there = NULL;
	assert_int_equal(covey_select(&w, 1, COVEY_FOREVER), 1);
	assert_int_equal(covey_connection_poll(s.here, COVEY_FOREVER), -EPIPE);
	close_sides(&s);
}

static void send_part(covey_connection *c, const void *data, size_t len)
{
	assert_int_equal(write(covey_connection_fd(c), data, len), (ssize_t)len);
}

static void a_message_that_comes_in_parts_is_waited_for_again(void **state)
{
	struct sides s = both_sides(*state, &keyed);
	unsigned char message[8 + 10] = {10,  0,   0,   0,   0,   0,   0,   0,   'a',
	                                 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 0};
	char buf[10];
	void *data = NULL;

	for (int alloc = 0; alloc < 2; alloc++) {
		for (size_t i = 0; i < sizeof message; i++) {
			assert_int_equal(covey_connection_receive(s.here, buf, sizeof buf, 0),
			                 -EAGAIN);
			assert_int_equal(covey_connection_receive_alloc(s.here, &data, 1),
			                 -ETIMEDOUT);
			send_part(s.there, message + i, 1);
		}
		memset(buf, 0, sizeof buf);
		if (alloc) {
			assert_int_equal(
				covey_connection_receive_alloc(s.here, &data, COVEY_FOREVER), 10);
			assert_string_equal(data, "abcdefghi");
			free(data);
		} else {
			assert_int_equal(
				covey_connection_receive(s.here, buf, sizeof buf, COVEY_FOREVER),
				10);
			assert_string_equal(buf, "abcdefghi");
		}
	}
	close_sides(&s);
}

static void a_message_over_the_bound_ends_receiving(void **state)
{
	covey_listener_opts opts = keyed;
	struct sides s;
	char buf[16];

	opts.max_message = 9;
	s = both_sides(*state, &opts);
	assert_int_equal(covey_connection_send(s.there, "123456789", 9, 0), 0);
	assert_int_equal(covey_connection_send(s.there, "123456789", 10, 0), 0);
	assert_int_equal(covey_connection_receive(s.here, buf, 16, COVEY_FOREVER), 9);
	assert_int_equal(covey_connection_receive(s.here, buf, 16, COVEY_FOREVER), -EPROTO);
	assert_int_equal(covey_connection_poll(s.here, 0), -EPROTO);
	assert_int_equal(covey_connection_receive(s.here, buf, 16, COVEY_FOREVER), -EPROTO);
	/* The other way goes on. */
	assert_int_equal(covey_connection_send(s.here, "x", 1, 0), 0);
	assert_int_equal(covey_connection_receive(s.there, buf, 16, COVEY_FOREVER), 1);
	close_sides(&s);
}

static void a_length_that_cannot_be_is_refused(void **state)
{
	struct sides s = both_sides(*state, &keyed);
	unsigned char head[8];
	void *data = NULL;

	memset(head, 255, sizeof head);
	send_part(s.there, head, sizeof head);
	assert_int_equal(covey_connection_receive_alloc(s.here, &data, COVEY_FOREVER), -EPROTO);
	assert_null(data);
	close_sides(&s);
}

static void a_send_that_ran_out_of_time_ends_sending(void **state)
{
	struct sides s = both_sides(*state, &keyed);
	size_t len = 64 << 20;
	char *much = calloc(1, len), c;
	void *data;

	assert_int_equal(covey_connection_send(s.there, much, len, 10), -ETIMEDOUT);
	assert_int_equal(covey_connection_send(s.there, much, 1, COVEY_FOREVER), -EPIPE);
	assert_int_equal(covey_connection_receive_alloc(s.here, &data, COVEY_FOREVER), -EPIPE);
	assert_non_null(strstr(covey_errmsg(), "within a message"));
	assert_int_equal(covey_connection_send(s.here, "x", 1, COVEY_FOREVER), 0);
	assert_int_equal(covey_connection_receive(s.there, &c, 1, COVEY_FOREVER), 1);
	free(much);
	close_sides(&s);
}

/* ---- threads and signals */

#define SENDERS 4
#define EACH 200

static void *send_many(void *arg)
{
	static char message[5000];

	for (int i = 0; i < EACH; i++)
		if (covey_connection_send(arg, message, (size_t)i * 25, COVEY_FOREVER) < 0)
			return arg;
	return NULL;
}

static void nothing(int signal)
{
}

static void threads_may_send_at_once_and_signals_disturb_nobody(void **state)
{
	struct sides s = both_sides(*state, &keyed);
	struct sigaction action = {.sa_handler = nothing};
	pthread_t senders[SENDERS];
	int counts[EACH] = {0};
	char buf[5000];
	void *rc;

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < SENDERS; i++)
		pthread_create(&senders[i], NULL, send_many, s.there);
	for (int i = 0; i < SENDERS * EACH; i++) {
		int64_t len = covey_connection_receive(s.here, buf, sizeof buf, COVEY_FOREVER);

		assert_true(len >= 0 && len % 25 == 0 && len / 25 < EACH);
		counts[len / 25]++;
		if (i < SENDERS * EACH / 2)
			pthread_kill(senders[i % SENDERS], SIGUSR1);
	}
	for (int i = 0; i < SENDERS; i++) {
		pthread_join(senders[i], &rc);
		assert_null(rc);
	}
	for (int i = 0; i < EACH; i++)
		assert_int_equal(counts[i], SENDERS);
	close_sides(&s);
}

/* ---- ends */

static void what_a_killed_process_sent_is_there(void **state)
{
	covey_listener *l = listening(*state, &keyed);
	pid_t pid = run_peer("die", covey_listener_address(l), KEY);
	covey_connection *c = accepted(l);
	char buf[200];

	assert_int_equal(peer_ended(pid), 128 + SIGKILL);
	assert_int_equal(covey_connection_receive(c, buf, sizeof buf, COVEY_FOREVER), 5);
	assert_memory_equal(buf, "whole", 5);
	assert_int_equal(covey_connection_receive(c, buf, sizeof buf, COVEY_FOREVER), -EPIPE);
	assert_non_null(strstr(covey_errmsg(), "50 of 100"));
	assert_int_equal(covey_connection_receive(c, buf, sizeof buf, COVEY_FOREVER), -EPIPE);
	HARNESS_EVENTUALLY(covey_connection_send(c, buf, 1, COVEY_FOREVER) == -EPIPE);
	covey_connection_close(c);
	covey_listener_close(l);
}

static void a_forked_child_has_none_of_it(void **state)
{
	struct sides s = both_sides(*state, &keyed);
	int fds[2] = {covey_connection_fd(s.here), covey_listener_fd(s.l)}, go[2];
	covey_connection *c;
	char buf[4];
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		bool right = covey_connection_send(s.here, "x", 1, 0) == -ECHILD &&
		             covey_connection_receive(s.here, buf, 4, 0) == -ECHILD &&
		             covey_connection_poll(s.here, 0) == -ECHILD &&
		             covey_connection_fd(s.here) == -ECHILD &&
		             covey_listener_accept(s.l, &c, 0) == -ECHILD &&
		             covey_listener_fd(s.l) == -ECHILD && fcntl(fds[0], F_GETFD) < 0 &&
		             fcntl(fds[1], F_GETFD) < 0;

		close_sides(&s);
		close(go[1]);
		right = right && read(go[0], buf, 1) == 0;
		_exit(right ? 0 : 1);
	}
	/* The child lives, and keeps nothing open. */
	covey_connection_close(s.there);
	s.there = NULL;
	assert_int_equal(covey_connection_receive(s.here, buf, 4, COVEY_FOREVER), -EPIPE);
	close(go[0]);
	close(go[1]);
	assert_int_equal(peer_ended(pid), 0);
	close_sides(&s);
}

static void waiting_for_nobody_ends(void **state)
{
	covey_listener *l = listening(*state, &keyed);
	struct pollfd p = {.fd = covey_listener_fd(l), .events = POLLIN};
	covey_connection *c = NULL;
	pid_t pid;

	assert_int_equal(covey_listener_accept(l, &c, 0), -EAGAIN);
	assert_int_equal(covey_listener_accept(l, &c, 10), -ETIMEDOUT);
	assert_int_equal(covey_connect(&c, covey_listener_address(l), &connect_keyed, 10),
	                 -ETIMEDOUT);
	assert_int_equal(covey_connect(&c, covey_listener_address(l), &connect_keyed, 0), -EAGAIN);
	/* Those two have left. */
	assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EPROTO);
	assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EPROTO);
	/* In an event loop. */
	assert_int_equal(poll(&p, 1, 0), 0);
	pid = run_peer("echo", covey_listener_address(l), KEY);
	while (!c) {
		int rc;

		assert_int_equal(poll(&p, 1, -1), 1);
		rc = covey_listener_accept(l, &c, 0);
		assert_true(rc == 0 || rc == -EAGAIN);
	}
	covey_connection_close(c);
	assert_int_equal(peer_ended(pid), 0);
	/* A listener that closes tells those who wait. */
	pid = run_peer("echo", covey_listener_address(l), KEY);
	assert_int_equal(poll(&p, 1, -1), 1);
	covey_listener_close(l);
	assert_int_equal(peer_ended(pid), EPIPE);
}

static const struct harness_test tests[] = {
	BY_ADDRESS(messages_of_any_size_come_back),
	HARNESS_TEST_BY_METHODS(children_connect),
	HARNESS_TEST(a_file_is_the_users_alone_and_goes_with_the_listener),
	HARNESS_TEST(bad_addresses_are_refused_in_words),
	BY_ADDRESS(another_key_is_refused_on_both_sides),
	BY_ADDRESS(a_short_buffer_leaves_the_message),
	BY_ADDRESS(a_descriptor_tells_of_messages),
	BY_ADDRESS(a_message_that_comes_in_parts_is_waited_for_again),
	BY_ADDRESS(a_message_over_the_bound_ends_receiving),
	BY_ADDRESS(a_length_that_cannot_be_is_refused),
	BY_ADDRESS(a_send_that_ran_out_of_time_ends_sending),
	BY_ADDRESS(threads_may_send_at_once_and_signals_disturb_nobody),
	BY_ADDRESS(what_a_killed_process_sent_is_there),
	BY_ADDRESS(a_forked_child_has_none_of_it),
	BY_ADDRESS(waiting_for_nobody_ends),
};
HARNESS_MAIN(tests)
