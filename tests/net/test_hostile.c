/* SPDX-License-Identifier: MIT */
/* Strangers: what does not speak as covey does, says nothing, or says too much. */
#include "peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "net/net.h"

#define KEY "sixteen bytes or more"

static const struct cvy_key key = {(unsigned char *)KEY, sizeof KEY - 1};
static const covey_listener_opts keyed = {.key = KEY, .key_len = sizeof KEY - 1};
static const covey_connect_opts connect_keyed = {
	.key = KEY, .key_len = sizeof KEY - 1, .handshake_ms = 50};

/* ---- the handshake without sockets */

static void feed(struct cvy_handshake *to, const unsigned char *bytes, size_t n, int last)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(cvy_handshake_feed(to, bytes + i, 1), i + 1 < n ? 0 : last);
}

static void two_with_one_key_agree(void **state)
{
	struct cvy_handshake a, b;

	cvy_handshake_begin(&a, CVY_CLIENT, CVY_JOIN, key);
	cvy_handshake_begin(&b, CVY_LISTENER, CVY_CONNECT, key);
	feed(&a, b.mine, CVY_HELLO, 1);
	feed(&b, a.mine, CVY_HELLO, 1);
	assert_memory_not_equal(a.proof, b.proof, CVY_PROOF);
	feed(&a, b.proof, CVY_PROOF, 0);
	feed(&b, a.proof, CVY_PROOF, 0);
	assert_int_equal(cvy_handshake_wants(&a), 0);
	assert_int_equal(cvy_handshake_wants(&b), 0);
	assert_int_equal(cvy_handshake_purpose(&b), CVY_JOIN);
	assert_int_equal(cvy_handshake_feed(&a, b.proof, 1), -EPROTO);
}

static void a_proof_serves_once_and_one_side(void **state)
{
	struct cvy_handshake a, b, again;

	cvy_handshake_begin(&a, CVY_CLIENT, CVY_CONNECT, key);
	cvy_handshake_begin(&b, CVY_LISTENER, CVY_CONNECT, key);
	cvy_handshake_begin(&again, CVY_LISTENER, CVY_CONNECT, key);
	assert_memory_not_equal(b.mine, again.mine, CVY_HELLO);
	feed(&a, b.mine, CVY_HELLO, 1);
	feed(&b, a.mine, CVY_HELLO, 1);
	feed(&again, a.mine, CVY_HELLO, 1);
	/* What one said to one cannot be said to another, nor to itself. */
	assert_int_equal(cvy_handshake_feed(&again, a.proof, CVY_PROOF), -EKEYREJECTED);
	assert_int_equal(cvy_handshake_feed(&a, a.proof, CVY_PROOF), -EKEYREJECTED);
	b.theirs[20] ^= 1; /* as if another random number had come */
	assert_int_equal(cvy_handshake_feed(&b, a.proof, CVY_PROOF), -EKEYREJECTED);
}

static void every_bit_of_the_hello_and_the_proof_counts(void **state)
{
	for (size_t bit = 0; bit < 8 * (CVY_HELLO + CVY_PROOF); bit++) {
		struct cvy_handshake a, b;
		unsigned char *at;
		int rc;

		cvy_handshake_begin(&a, CVY_CLIENT, CVY_CONNECT, key);
		cvy_handshake_begin(&b, CVY_LISTENER, CVY_CONNECT, key);
		feed(&a, b.mine, CVY_HELLO, 1);
		at = bit / 8 < CVY_HELLO ? a.mine + bit / 8 : a.proof + (bit / 8 - CVY_HELLO);
		*at ^= (unsigned char)(1 << bit % 8);
		rc = cvy_handshake_feed(&b, a.mine, CVY_HELLO);
		if (rc >= 0)
			rc = cvy_handshake_feed(&b, a.proof, CVY_PROOF);
		assert_true(rc == -EPROTO || rc == -EKEYREJECTED);
	}
}

/* ---- strangers at a listener */

static int raw_socket(const char *text)
{
	struct cvy_address address;
	int fd;

	assert_int_equal(cvy_address_read(&address, text, false, "test"), 0);
	fd = socket(address.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address.at, address.len), 0);
	return fd;
}

static int answer_to(covey_listener *l, const void *bytes, size_t n, bool leave)
{
	int fd = raw_socket(covey_listener_address(l)), rc;
	covey_connection *c = NULL;

	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
	if (leave)
		close(fd);
	rc = covey_listener_accept(l, &c, COVEY_FOREVER);
	assert_null(c);
	if (!leave)
		close(fd);
	return rc;
}

static void a_foreign_speaker_is_refused_at_once(void **state)
{
	covey_listener *l = listening(*state, &keyed);
	struct cvy_handshake h;
	unsigned char noise[4096];

	assert_int_equal(answer_to(l, "GET / HTTP/1.1\r\n\r\n", 18, false), -EPROTO);
	assert_int_equal(answer_to(l, "\n", 1, false), -EPROTO);
	memset(noise, 255, sizeof noise);
	assert_int_equal(answer_to(l, noise, sizeof noise, false), -EPROTO);
	cvy_handshake_begin(&h, CVY_LISTENER, CVY_CONNECT, key);
	assert_int_equal(answer_to(l, h.mine, CVY_HELLO, false), -EPROTO);
	cvy_handshake_begin(&h, CVY_CLIENT, CVY_CONNECT, (struct cvy_key){NULL, 0});
	assert_int_equal(answer_to(l, h.mine, CVY_HELLO, false), -EKEYREJECTED);
	cvy_handshake_begin(&h, CVY_CLIENT, CVY_CONNECT, key);
	memcpy(noise, h.mine, CVY_HELLO);
	assert_int_equal(answer_to(l, noise, CVY_HELLO + CVY_PROOF, false), -EKEYREJECTED);
	for (size_t n = 0; n < CVY_HELLO + CVY_PROOF; n++)
		assert_int_equal(answer_to(l, noise, n, true), -EPROTO);
	covey_listener_close(l);
}

static void *connect_there(void *arg)
{
	covey_connection *c = NULL;
	covey_connect_opts opts = {.key = KEY, .key_len = sizeof KEY - 1};

	return covey_connect(&c, arg, &opts, COVEY_FOREVER) < 0 ? NULL : c;
}

/* The listener has said its hello, and then has given up who came, or has not. */
static void check_given_up(int fd, bool given_up)
{
	unsigned char hello[CVY_HELLO];

	assert_int_equal(recv(fd, hello, sizeof hello, MSG_WAITALL), sizeof hello);
	assert_int_equal(recv(fd, hello, 1, given_up ? 0 : MSG_DONTWAIT), given_up ? 0 : -1);
}

/* 32 may be in their handshake: for one more, the eldest of them is given up. */
static void the_silent_keep_nobody_waiting(void **state)
{
	covey_listener *l = listening(*state, &keyed);
	int silent[40];
	pthread_t thread;
	void *there;

	for (int i = 0; i < 40; i++)
		silent[i] = raw_socket(covey_listener_address(l));
	pthread_create(&thread, NULL, connect_there, (void *)(uintptr_t)covey_listener_address(l));
	covey_connection_close(accepted(l));
	pthread_join(thread, &there);
	assert_non_null(there);
	for (int i = 0; i < 40; i++)
		check_given_up(silent[i], i < 40 + 1 - 32);
	covey_connection_close(there);
	covey_listener_close(l);
	for (int i = 0; i < 40; i++)
		close(silent[i]);
}

static void the_silent_have_a_time(void **state)
{
	covey_listener_opts opts = keyed;
	covey_connection *c;
	covey_listener *l;
	int fd;

	opts.handshake_ms = 30;
	l = listening(*state, &opts);
	fd = raw_socket(covey_listener_address(l));
	assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EPROTO);
	assert_non_null(strstr(covey_errmsg(), "30 ms"));
	close(fd);
	covey_listener_close(l);
}

static void descriptors_that_nobody_asked_for_are_closed(void **state)
{
	covey_listener *l = listening("unix:", &keyed);
	int fd = raw_socket(covey_listener_address(l)), fds[2];
	covey_connection *c;
	char byte;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(cvy_send_few(fd, "covey/", 6, fds[1]), 0);
	assert_int_equal(cvy_send_few(fd, "0", 1, fds[1]), 0);
	close(fds[1]);
	assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EPROTO);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	close(fds[0]);
	close(fd);
	covey_listener_close(l);
}

/* ---- strangers that listen */

struct stranger {
	struct cvy_address address;
	int fd;
	void (*serve)(int fd);
};

static void *serve_one(void *arg)
{
	struct stranger *s = arg;
	int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

	s->serve(fd);
	close(fd);
	return NULL;
}

static int connect_to(void (*serve)(int fd), const char *at, int timeout_ms)
{
	struct stranger s = {.serve = serve};
	char address[CVY_ADDRESS_MAX];
	covey_connection *c = NULL;
	pthread_t thread;
	int rc;

	assert_int_equal(cvy_address_read(&s.address, at, true, "test"), 0);
	s.fd = cvy_address_listen(&s.address);
	assert_true(s.fd >= 0);
	fcntl(s.fd, F_SETFL, 0);
	cvy_address_write(address, &s.address);
	pthread_create(&thread, NULL, serve_one, &s);
	rc = covey_connect(&c, address, &connect_keyed, timeout_ms);
	pthread_join(thread, NULL);
	close(s.fd);
	assert_null(c);
	return rc;
}

static void until_left(int fd)
{
	char buf[64];

	while (recv(fd, buf, sizeof buf, 0) > 0)
		continue;
}

static void say_hello(int fd)
{
	send(fd, "220 mail ESMTP\r\n", 16, MSG_NOSIGNAL);
	until_left(fd);
}

static void say_half(int fd)
{
	send(fd, "covey", 5, MSG_NOSIGNAL);
	until_left(fd);
}

static void leave(int fd)
{
	char buf[CVY_HELLO];

	recv(fd, buf, sizeof buf, MSG_WAITALL);
}

static void mirror(int fd)
{
	char buf[64];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
		send(fd, buf, (size_t)n, MSG_NOSIGNAL);
}

/* Knows the key, and then says something else. */
static void agree(int fd, char verdict, int pass)
{
	struct cvy_handshake h;

	cvy_exchange_begin(&h, fd, CVY_LISTENER, CVY_CONNECT, key);
	while (cvy_exchange_go_on(&h, fd) == 0)
		cvy_wait_fd(fd, 1, CVY_NEVER);
	if (verdict)
		cvy_send_few(fd, &verdict, 1, pass);
	until_left(fd);
}

static void agree_and_be_silent(int fd)
{
	agree(fd, 0, -1);
}

static void agree_and_say_nonsense(int fd)
{
	agree(fd, 'x', -1);
}

static void agree_and_give_a_descriptor(int fd)
{
	agree(fd, 'f', fd);
}

static void strangers_that_listen_are_refused(void **state)
{
	const char *at = *state;

	assert_int_equal(connect_to(say_hello, at, COVEY_FOREVER), -EPROTO);
	assert_int_equal(connect_to(say_half, at, COVEY_FOREVER), -EPROTO);
	assert_int_equal(connect_to(mirror, at, COVEY_FOREVER), -EPROTO);
	assert_int_equal(connect_to(until_left, at, 10), -ETIMEDOUT);
	assert_int_equal(connect_to(leave, at, COVEY_FOREVER), -EPIPE);
	assert_int_equal(connect_to(agree_and_be_silent, at, COVEY_FOREVER), -EPROTO);
	assert_int_equal(connect_to(agree_and_say_nonsense, at, COVEY_FOREVER), -EPROTO);
	if (at[0] == 'u')
		assert_int_equal(connect_to(agree_and_give_a_descriptor, at, COVEY_FOREVER),
		                 -EPROTO);
}

#define BY_ADDRESS(test) \
	HARNESS_TEST_WITH(test, "unix", "unix:"), HARNESS_TEST_WITH(test, "tcp", "tcp:127.0.0.1:0")

static const struct harness_test tests[] = {
	HARNESS_TEST(two_with_one_key_agree),
	HARNESS_TEST(a_proof_serves_once_and_one_side),
	HARNESS_TEST(every_bit_of_the_hello_and_the_proof_counts),
	BY_ADDRESS(a_foreign_speaker_is_refused_at_once),
	BY_ADDRESS(the_silent_keep_nobody_waiting),
	BY_ADDRESS(the_silent_have_a_time),
	HARNESS_TEST(descriptors_that_nobody_asked_for_are_closed),
	BY_ADDRESS(strangers_that_listen_are_refused),
};
HARNESS_MAIN(tests)
