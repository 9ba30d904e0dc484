/* SPDX-License-Identifier: MIT */
/* Messages of more than 4 GiB, sockets that take little at a time, deaths in the midst of it. */
#include "peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "arena/arena.h"
#include "net/net.h"

/* ---- more than 4 GiB */

#define TILE ((size_t)64 << 20)
#define TILES ((size_t)65)
#define HUGE_BYTES (((size_t)4 << 30) + 3)

/* Address space of that many bytes, in which the same memory lies again and again. */
static unsigned char *tiled(void)
{
	int fd = memfd_create("tile", MFD_CLOEXEC);
	unsigned char *at = mmap(NULL, TILES * TILE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(fd >= 0 && at != MAP_FAILED);
	assert_int_equal(ftruncate(fd, (off_t)TILE), 0);
	for (size_t i = 0; i < TILES; i++)
		assert_true(mmap(at + i * TILE, TILE, PROT_READ | PROT_WRITE,
		                 MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
	close(fd);
	return at;
}

static void *send_huge(void *address)
{
	unsigned char *from = tiled();
	covey_connection *c;
	intptr_t rc;

	memcpy(from, "end", 3); /* which is what lies behind 4 GiB, too */
	from[TILE - 1] = 'x';
	rc = covey_connect(&c, address, NULL, COVEY_FOREVER);
	if (rc == 0)
		rc = covey_connection_send(c, from, HUGE_BYTES, COVEY_FOREVER);
	if (rc == 0)
		rc = covey_connection_send(c, "next", 4, COVEY_FOREVER);
	if (rc == 0)
		covey_connection_close(c);
	munmap(from, TILES * TILE);
	return (void *)rc;
}

static void a_message_may_be_over_4_gib(void **state)
{
	covey_listener *l;
	char address[200], next[4];
	unsigned char *to;
	covey_connection *c;
	pthread_t thread;
	void *rc;

	if (getenv("HARNESS_SHADOW_MEMORY")) {
		harness_skip("a sanitizer takes minutes to follow 4 GiB");
		return;
	}
	l = listening("unix:", NULL);
	to = tiled();
	snprintf(address, sizeof address, "%s", covey_listener_address(l));
	assert_int_equal(pthread_create(&thread, NULL, send_huge, address), 0);
	c = accepted(l);
	assert_int_equal(covey_connection_receive(c, to, 3, COVEY_FOREVER), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "4294967299"));
	assert_int_equal(covey_connection_receive(c, to, HUGE_BYTES, COVEY_FOREVER), HUGE_BYTES);
	assert_memory_equal(to + HUGE_BYTES - 3, "end", 3);
	assert_int_equal(to[TILE - 1], 'x');
	assert_int_equal(covey_connection_receive(c, next, 4, COVEY_FOREVER), 4);
	assert_memory_equal(next, "next", 4);
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_int_equal((intptr_t)rc, 0);
	covey_connection_close(c);
	covey_listener_close(l);
	munmap(to, TILES * TILE);
}

/* ---- a little at a time */

#define KEY "sixteen bytes...."

static _Atomic int alarms;

static void count_alarm(int signal)
{
	(void)signal;
	alarms++;
}

static void small_buffers_and_signals_cut_no_message(void **state)
{
	const char *address = *(const char *const *)*state;
	covey_listener_opts opts = {.key = KEY, .key_len = sizeof KEY - 1};
	covey_listener *l = listening(address, &opts);
	pid_t pid = run_peer("echo", covey_listener_address(l), KEY);
	covey_connection *c = accepted(l);
	struct sigaction action = {.sa_handler = count_alarm}; /* without SA_RESTART */
	struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
	enum { N = 300000 };
	unsigned char *sent = malloc(N), *came = malloc(N);
	int least = 1;

	setsockopt(covey_connection_fd(c), SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
	if (address[0] == 'u') /* over tcp a window so small waits for timers */
		setsockopt(covey_connection_fd(c), SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int round = 0; round < 10 || alarms < 5; round++) {
		for (int i = 0; i < N; i++)
			sent[i] = (unsigned char)(i * 7 + round + (i >> 8));
		assert_int_equal(covey_connection_send(c, sent, N, COVEY_FOREVER), 0);
		assert_int_equal(covey_connection_receive(c, came, N, COVEY_FOREVER), N);
		assert_memory_equal(sent, came, N);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	covey_connection_close(c);
	assert_int_equal(peer_ended(pid), 0);
	covey_listener_close(l);
	free(sent);
	free(came);
}

/* ---- deaths */

static void one_killed_within_a_message_is_told(void **state)
{
	covey_listener *l = listening("unix:", NULL);
	char *buf = malloc(64 << 20);
	covey_connection *c;
	pid_t pid = fork();

	if (pid == 0) {
		covey_connection *mine;

		if (covey_connect(&mine, covey_listener_address(l), NULL, COVEY_FOREVER) == 0)
			covey_connection_send(mine, buf, 64 << 20, COVEY_FOREVER);
		_exit(9);
	}
	c = accepted(l);
	/* The beginning is there, and the rest waits for room. */
	assert_int_equal(covey_connection_poll(c, COVEY_FOREVER), 1);
	harness_kill(pid, SIGKILL);
	assert_int_equal(peer_ended(pid), 128 + SIGKILL);
	assert_int_equal(covey_connection_receive(c, buf, 64 << 20, COVEY_FOREVER), -EPIPE);
	assert_non_null(strstr(covey_errmsg(), "within a message"));
	assert_non_null(strstr(covey_errmsg(), "of 67108864 bytes"));
	assert_int_equal(covey_connection_receive(c, buf, 64 << 20, COVEY_FOREVER), -EPIPE);
	assert_int_equal(covey_connection_send(c, buf, 1, COVEY_FOREVER), -EPIPE);
	covey_connection_close(c);
	covey_listener_close(l);
	free(buf);
}

/* Says half of who it is, and is killed. */
static void begin_and_die(int fd, enum cvy_role role)
{
	struct cvy_handshake h;

	cvy_handshake_begin(&h, role, CVY_CONNECT, (struct cvy_key){NULL, 0});
	cvy_send_few(fd, h.mine, CVY_HELLO / 2, -1);
	raise(SIGKILL);
}

static void one_killed_within_a_handshake_is_told(void **state)
{
	covey_listener *l = listening("unix:", NULL);
	covey_connection *c = NULL;
	struct cvy_address address;
	char text[CVY_ADDRESS_MAX];
	int fd, listens;
	pid_t pid;

	assert_int_equal(cvy_address_read(&address, covey_listener_address(l), false, "test"), 0);
	pid = fork();
	if (pid == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (const struct sockaddr *)&address.at, address.len) == 0)
			begin_and_die(fd, CVY_CLIENT);
		_exit(9);
	}
	assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EPROTO);
	assert_int_equal(peer_ended(pid), 128 + SIGKILL);
	pid = run_peer("echo", covey_listener_address(l), NULL); /* the next is welcome */
	covey_connection_close(accepted(l));
	assert_int_equal(peer_ended(pid), 0);
	covey_listener_close(l);

	assert_int_equal(cvy_address_read(&address, "unix:", true, "test"), 0);
	listens = cvy_address_listen(&address);
	assert_true(listens >= 0);
	fcntl(listens, F_SETFL, 0);
	cvy_address_write(text, &address);
	pid = fork();
	if (pid == 0)
		begin_and_die(accept(listens, NULL, NULL), CVY_LISTENER);
	close(listens);
	assert_int_equal(covey_connect(&c, text, NULL, COVEY_FOREVER), -EPIPE);
	assert_int_equal(peer_ended(pid), 128 + SIGKILL);
	assert_null(c);
}

/* ---- a family that has no room */

static void a_full_family_says_so_to_who_joins(void **state)
{
	covey_listener *l = listening("unix:", &(covey_listener_opts){.invite = 1});
	uint32_t slots[CVY_PROCS];
	covey_connection *c;
	char buf[1];
	pid_t pid;
	int n = 0;

	while (cvy_proc_new("room", &slots[n]) == 0)
		n++;
	assert_int_equal(covey_errcode(), -EAGAIN);
	assert_in_range(n, CVY_PROCS - 10, CVY_PROCS);
	pid = run_peer("join", covey_listener_address(l), NULL);
	c = accepted(l);
	assert_int_equal(covey_connection_receive(c, buf, 1, COVEY_FOREVER), -EPIPE);
	assert_int_equal(peer_ended(pid), EAGAIN);
	covey_connection_close(c);
	while (n > 0)
		cvy_proc_free(slots[--n]);
	pid = run_peer("join", covey_listener_address(l), NULL);
	c = accepted(l);
	assert_int_equal(covey_connection_send(c, "", 1, COVEY_FOREVER), 0);
	assert_int_equal(peer_ended(pid), 255); /* let in, it got what it cannot use */
	covey_connection_close(c);
	covey_listener_close(l);
}

static const char *const on_unix = "unix:", *const on_tcp = "tcp:127.0.0.1:0";

static const struct harness_test tests[] = {
	HARNESS_TEST(a_message_may_be_over_4_gib),
	HARNESS_TEST_WITH(small_buffers_and_signals_cut_no_message, "unix", &on_unix),
	HARNESS_TEST_WITH(small_buffers_and_signals_cut_no_message, "tcp", &on_tcp),
	HARNESS_TEST(one_killed_within_a_message_is_told),
	HARNESS_TEST(one_killed_within_a_handshake_is_told),
	HARNESS_TEST(a_full_family_says_so_to_who_joins),
};
HARNESS_MAIN(tests)
