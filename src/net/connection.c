/* SPDX-License-Identifier: MIT */
/*
 * Connections: messages behind a length of 64 bits, little end first, on a
 * stream socket that never blocks.
 */
#include "net/net.h"

#include <endian.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TCP_MOST (UINT64_C(1) << 30)

int cvy_connection_new(covey_connection **connection, int fd, bool tcp, uint64_t max_message)
{
	covey_connection *c = calloc(1, sizeof *c);
	int one = 1;

	if (!c) {
		close(fd);
		return cvy_fail(ENOMEM, "connection: no memory");
	}
	if (tcp)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->max_message = max_message ? max_message : tcp ? TCP_MOST : UINT64_MAX;
	pthread_mutex_init(&c->out_lock, NULL);
	pthread_mutex_init(&c->in_lock, NULL);
	c->open.fds[0] = fd;
	c->open.fds[1] = -1;
	cvy_open_add(&c->open);
	*connection = c;
	return 0;
}

void covey_connection_close(covey_connection *c)
{
	if (!c)
		return;
	cvy_open_close(&c->open);
	free(c->kept);
	free(c);
}

int covey_connection_fd(const covey_connection *c)
{
	int rc = cvy_open_mine(c ? &c->open : NULL, "connection");

	return rc < 0 ? rc : c->open.fds[0];
}

/* ---- sending */

/* The error of a call on the socket in words; a peer that is gone is -EPIPE. */
static int failed(int error, const char *doing)
{
	if (error == EPIPE || error == ECONNRESET)
		return cvy_fail(EPIPE, "connection: %s: the other side closed", doing);
	return cvy_fail(error, "connection: %s: %s", doing, covey_strerror(error));
}

static void advance(struct msghdr *message, size_t sent)
{
	while (message->msg_iovlen && sent >= message->msg_iov->iov_len) {
		sent -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen) {
		message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
		message->msg_iov->iov_len -= sent;
	}
}

/* Sends length and message; holds out_lock. */
static int send_all(covey_connection *c, const void *data, size_t len, struct cvy_wait *wait)
{
	uint64_t head = htole64(len);
	struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)data, len}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
	int fd = c->open.fds[0], rc = 0;
	uint64_t done = 0;

	while (rc == 0 && message.msg_iovlen) {
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (sent >= 0) {
			done += (uint64_t)sent;
			advance(&message, (size_t)sent);
		} else if (errno == EAGAIN) {
			rc = cvy_wait_fd(fd, POLLOUT, cvy_until(wait));
		} else if (errno != EINTR) {
			rc = -errno;
		}
	}
	if (rc == 0)
		return 0;
	if (done) {
		c->out_broken = true;
		shutdown(fd, SHUT_WR); /* the other need not wait for the rest */
	}
	if (rc == -ETIMEDOUT)
		return cvy_timed_out(wait->timeout_ms,
		                     "connection: send: the other side does not receive: %llu of "
		                     "%zu bytes went",
		                     (unsigned long long)(done > 8 ? done - 8 : 0), len);
	return failed(-rc, "send");
}

int covey_connection_send(covey_connection *c, const void *data, size_t len, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	int rc = cvy_open_mine(c ? &c->open : NULL, "connection: send");

	if (rc < 0)
		return rc;
	if (cvy_lock_within(&c->out_lock, &wait) < 0)
		return cvy_timed_out(timeout_ms, "connection: send: another thread is sending");
	if (c->out_broken)
		rc = cvy_fail(EPIPE, "connection: send: an earlier message went only in part");
	else
		rc = send_all(c, data, len, &wait);
	pthread_mutex_unlock(&c->out_lock);
	return rc;
}

/* ---- receiving; all of it under in_lock */

/*
 * Reads until *got is n, or the time is up; the words say what was being read.
 * What came is counted in *got in any case.
 */
static int read_up_to(covey_connection *c, void *to, uint64_t n, uint64_t *got,
                      struct cvy_wait *wait)
{
	int fd = c->open.fds[0];

	while (*got < n) {
		ssize_t rc = recv(fd, (char *)to + *got, n - *got, 0);

		if (rc > 0) {
			*got += (uint64_t)rc;
		} else if (rc == 0 || errno == ECONNRESET) {
			return -EPIPE;
		} else if (errno == EAGAIN) {
			int waited = cvy_wait_fd(fd, POLLIN, cvy_until(wait));

			if (waited < 0)
				return waited;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int no_message(int rc, struct cvy_wait *wait, uint64_t got, uint64_t len)
{
	unsigned long long of = len, came = got;

	if (rc == -ETIMEDOUT && !len)
		return cvy_timed_out(wait->timeout_ms, "connection: receive: nothing came");
	if (rc == -ETIMEDOUT)
		return cvy_timed_out(wait->timeout_ms,
		                     "connection: receive: %llu of %llu bytes came", came, of);
	if (rc == -EPIPE && len)
		return cvy_fail(EPIPE,
		                "connection: receive: the other side ended within a message: %llu "
		                "of %llu bytes came",
		                came, of);
	return failed(-rc, "receive");
}

/* The length of the next message in *len. */
static int next_length(covey_connection *c, uint64_t *len, struct cvy_wait *wait)
{
	uint64_t got = c->head_got;
	int rc;

	if (c->in_broken)
		return cvy_fail(EPROTO, "connection: receive: a message was over max_message");
	rc = read_up_to(c, c->head, sizeof c->head, &got, wait);
	c->head_got = (unsigned)got;
	if (rc < 0)
		return no_message(rc, wait, 0, 0);
	memcpy(len, c->head, sizeof *len);
	*len = le64toh(*len);
	if (*len <= c->max_message && *len < PTRDIFF_MAX)
		return 0;
	c->in_broken = true;
	return cvy_fail(EPROTO,
	                "connection: receive: a message of %llu bytes is over max_message, "
	                "%llu: no more can be received",
	                (unsigned long long)*len, (unsigned long long)c->max_message);
}

/* Keeps [kept_len, got) of a message whose time ran out. */
static void keep(covey_connection *c, const unsigned char *from, uint64_t got)
{
	unsigned char *more;

	if (got == c->kept_len)
		return;
	more = realloc(c->kept, got);
	if (!more) {
		c->in_broken = true;
		return;
	}
	memcpy(more + c->kept_len, from + c->kept_len, got - c->kept_len);
	c->kept = more;
	c->kept_len = got;
}

static int read_message(covey_connection *c, unsigned char *to, uint64_t len, struct cvy_wait *wait)
{
	uint64_t got = c->kept_len;
	int rc = read_up_to(c, to, len, &got, wait);

	if (rc < 0) {
		keep(c, to, got);
		return c->in_broken ? cvy_fail(ENOMEM, "connection: receive: no memory to keep the "
		                                       "part that came: no more can be received")
		                    : no_message(rc, wait, got, len);
	}
	if (c->kept)
		memcpy(to, c->kept, c->kept_len);
	free(c->kept);
	c->kept = NULL;
	c->kept_len = 0;
	c->head_got = 0;
	return 0;
}

static int begin(covey_connection *c, struct cvy_wait *wait)
{
	int rc = cvy_open_mine(c ? &c->open : NULL, "connection: receive");

	if (rc < 0)
		return rc;
	if (cvy_lock_within(&c->in_lock, wait) < 0)
		return cvy_timed_out(wait->timeout_ms,
		                     "connection: receive: another thread is receiving");
	return 0;
}

int64_t covey_connection_receive(covey_connection *c, void *buf, size_t cap, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	uint64_t len = 0;
	int rc = begin(c, &wait);

	if (rc < 0)
		return rc;
	rc = next_length(c, &len, &wait);
	if (rc == 0 && len > cap)
		rc = cvy_fail(EMSGSIZE,
		              "connection: receive: the message is %llu bytes, the buffer "
		              "has %zu",
		              (unsigned long long)len, cap);
	if (rc == 0)
		rc = read_message(c, buf, len, &wait);
	pthread_mutex_unlock(&c->in_lock);
	return rc < 0 ? rc : (int64_t)len;
}

int64_t covey_connection_receive_alloc(covey_connection *c, void **data, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	unsigned char *buf = NULL;
	uint64_t len = 0;
	int rc = begin(c, &wait);

	if (rc < 0)
		return rc;
	rc = next_length(c, &len, &wait);
	if (rc == 0) {
		buf = malloc(len + 1);
		rc = buf ? read_message(c, buf, len, &wait)
		         : cvy_fail(ENOMEM, "connection: receive: no memory for %llu bytes",
		                    (unsigned long long)len);
	}
	pthread_mutex_unlock(&c->in_lock);
	if (rc < 0) {
		free(buf);
		return rc;
	}
	buf[len] = 0;
	*data = buf;
	return (int64_t)len;
}

int covey_connection_poll(covey_connection *c, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	unsigned char head[8];
	uint64_t len = 0;
	int rc = begin(c, &wait);

	if (rc < 0)
		return rc;
	/* What is looked at stays, so that the descriptor stays readable. */
	if (c->in_broken || c->head_got ||
	    recv(c->open.fds[0], head, sizeof head, MSG_PEEK) != sizeof head)
		rc = next_length(c, &len, &wait);
	pthread_mutex_unlock(&c->in_lock);
	return rc < 0 ? rc : 1;
}
