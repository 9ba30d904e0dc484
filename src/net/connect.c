/* SPDX-License-Identifier: MIT */
/* Connecting to a listener, and joining its family. */
#include "net/net.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "arena/arena.h"

/* ---- the socket */

/* How long the system may wait for room in the listener's line. */
static void bound_connect(int fd, int64_t deadline)
{
	int64_t left = deadline - cvy_now();
	struct timeval tv;

	if (deadline == CVY_NEVER)
		return;
	left = left > CVY_MS ? left : CVY_MS;
	tv = (struct timeval){.tv_sec = left / (1000 * CVY_MS), .tv_usec = left / 1000 % 1000000};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

/* A full line of a unix socket can be waited for in connect only; -EAGAIN: it stayed full. */
static int dial_unix(int fd, const struct cvy_address *address, int64_t deadline)
{
	while (connect(fd, (const struct sockaddr *)&address->at, address->len) < 0) {
		if (errno == EAGAIN || (errno == EINTR && cvy_now() >= deadline))
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
		bound_connect(fd, deadline);
	}
	return 0;
}

static int dial_tcp(int fd, const struct cvy_address *address, int64_t deadline)
{
	socklen_t len = sizeof(int);
	int error, rc;

	if (connect(fd, (const struct sockaddr *)&address->at, address->len) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return -errno;
	rc = cvy_wait_fd(fd, POLLOUT, deadline);
	if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0)
		rc = -error;
	return rc;
}

/* A connected socket that does not block, or an error in words. */
static int dial(const struct cvy_address *address, struct cvy_wait *wait)
{
	int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc = fd < 0 ? -errno : 0;
	char text[CVY_ADDRESS_MAX];

	if (rc == 0 && !address->tcp && wait->timeout_ms != 0)
		bound_connect(fd, cvy_until(wait));
	else if (rc == 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
	if (rc == 0)
		rc = address->tcp ? dial_tcp(fd, address, cvy_until(wait))
		                  : dial_unix(fd, address, cvy_until(wait));
	if (rc == 0) {
		fcntl(fd, F_SETFL, O_NONBLOCK);
		rc = address->tcp ? 0 : cvy_same_user(fd, "connect");
		if (rc == 0)
			return fd;
		close(fd);
		return rc;
	}
	if (fd >= 0)
		close(fd);
	cvy_address_write(text, address);
	if (rc == -ETIMEDOUT)
		return cvy_timed_out(wait->timeout_ms, "connect: %s: too many are waiting there",
		                     text);
	if (rc == -ECONNRESET)
		return cvy_fail(EPIPE, "connect: %s: the listener closed", text);
	return cvy_fail(-rc, "connect: %s: %s", text, covey_strerror(rc));
}

/* ---- the handshake */

/* One that asks. */
struct asking {
	struct cvy_address address;
	covey_connect_opts opts;
	struct cvy_key key;
	enum cvy_purpose purpose;
	struct cvy_wait wait;
	int fd;
};

static int too_slow(struct asking *a, bool answered, int64_t until)
{
	if (answered && until < cvy_until(&a->wait))
		return cvy_fail(EPROTO, "connect: the listener did not show who it is in %d ms",
		                a->opts.handshake_ms);
	return cvy_timed_out(a->wait.timeout_ms, "connect: the listener does not accept");
}

/* When both have shown who they are; *until: by when all must be done. */
static int shake_hands(struct asking *a, int64_t *until)
{
	struct cvy_handshake h;
	bool answered = false;
	int rc = cvy_exchange_begin(&h, a->fd, CVY_CLIENT, a->purpose, a->key);

	if (rc < 0 && rc != -EPIPE && rc != -ECONNRESET)
		return cvy_fail(-rc, "connect: %s", covey_strerror(rc));
	for (;;) {
		rc = cvy_exchange_go_on(&h, a->fd);
		if (!answered && h.got) {
			int64_t bound = cvy_deadline(a->opts.handshake_ms);

			answered = true;
			*until = bound < *until ? bound : *until;
		}
		if (rc != 0)
			return rc < 0 ? rc : 0;
		if (cvy_wait_fd(a->fd, POLLIN, *until) < 0)
			return too_slow(a, answered, *until);
	}
}

static int read_verdict(struct asking *a, int64_t until, int *family)
{
	unsigned char verdict = 0;
	ssize_t n;

	*family = -1;
	while ((n = cvy_receive_few(a->fd, &verdict, 1, family)) == -EAGAIN)
		if (cvy_wait_fd(a->fd, POLLIN, until) < 0)
			return too_slow(a, true, until);
	if (n == 1 && verdict == CVY_WELCOME && a->purpose == CVY_CONNECT && *family < 0)
		return 0;
	if (n == 1 && verdict == CVY_FAMILY && a->purpose == CVY_JOIN && *family >= 0)
		return 0;
	if (*family >= 0)
		close(*family);
	if (n < 1)
		return cvy_fail(EPIPE, "connect: the listener closed the connection");
	if (verdict == CVY_UNINVITED)
		return cvy_fail(EPERM, "join: the listener invites nobody to its family");
	if (verdict == CVY_TROUBLE)
		return cvy_fail(EIO, "join: the listener cannot hand out its family's memory");
	return cvy_fail(EPROTO, "connect: what the listener says makes no sense");
}

static int ask(struct asking *a, int *family)
{
	int64_t until;
	int rc;

	a->fd = dial(&a->address, &a->wait);
	if (a->fd < 0)
		return a->fd;
	until = cvy_until(&a->wait);
	rc = shake_hands(a, &until);
	if (rc == 0)
		rc = read_verdict(a, until, family);
	if (rc < 0)
		close(a->fd);
	return rc;
}

static int prepare(struct asking *a, const char *address, const covey_connect_opts *given,
                   size_t size, const char *what)
{
	int rc = cvy_options(&a->opts, sizeof a->opts, given, size, what);

	if (rc == 0)
		rc = cvy_address_read(&a->address, address, false, what);
	if (rc == 0 && a->opts.handshake_ms < 0)
		rc = cvy_fail(EINVAL, "%s: handshake_ms is %d", what, a->opts.handshake_ms);
	if (rc == 0)
		rc = cvy_key_copy(&a->key, a->opts.key, a->opts.key_len, a->address.tcp, what);
	if (!a->opts.handshake_ms)
		a->opts.handshake_ms = CVY_HANDSHAKE_MS;
	return rc;
}

int covey_connect_v(covey_connection **connection, const char *address,
                    const covey_connect_opts *given, size_t size, int timeout_ms)
{
	struct asking a = {.purpose = CVY_CONNECT, .wait = CVY_WAIT(timeout_ms)};
	int rc = prepare(&a, address, given, size, "connect"), family;

	if (rc < 0)
		return rc;
	rc = ask(&a, &family);
	cvy_key_free(&a.key);
	return rc < 0 ? rc
	              : cvy_connection_new(connection, a.fd, a.address.tcp, a.opts.max_message);
}

int covey_join_family_v(covey_connection **connection, const char *address,
                        const covey_connect_opts *given, size_t size, int timeout_ms)
{
	struct asking a = {.purpose = CVY_JOIN, .wait = CVY_WAIT(timeout_ms)};
	int rc, family;

	if (cvy_family_exists())
		return cvy_fail(EEXIST, "join: this process has a family already");
	rc = prepare(&a, address, given, size, "join");
	if (rc == 0 && a.address.tcp)
		rc = cvy_fail(EINVAL, "join: a family can be joined over unix only");
	if (rc == 0)
		rc = ask(&a, &family);
	cvy_key_free(&a.key);
	if (rc < 0)
		return rc;
	cvy_self_call(program_invocation_short_name);
	rc = cvy_family_join(family);
	if (rc < 0) {
		if (!cvy_family_exists())
			cvy_self_call("main");
		close(a.fd);
		return rc;
	}
	return cvy_connection_new(connection, a.fd, false, a.opts.max_message);
}
