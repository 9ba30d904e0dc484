/* SPDX-License-Identifier: MIT */
/*
 * Listeners. Those who come show who they are at the same time, so that one who
 * says nothing keeps nobody else waiting.
 */
#include "net/net.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/arena.h"

/* Who may be in the handshake at the same time. */
#define COMING_MOST 32

/* One in the handshake. */
struct coming {
	struct cvy_open open;
	struct coming *next;
	struct cvy_handshake handshake;
	int64_t until;
};

/* lock guards coming and count: those in the handshake, the eldest first. */
struct covey_listener {
	struct cvy_open open; /* the socket; an epoll of it and of the sockets of those coming */
	struct cvy_address address;
	char text[CVY_ADDRESS_MAX];
	uint64_t device, inode; /* of the file */
	covey_listener_opts opts;
	struct cvy_key key;
	pthread_mutex_t lock;
	struct coming *coming;
	unsigned count;
};

/* ---- opening and closing */

static int check_options(const covey_listener *l)
{
	if (l->opts.handshake_ms < 0)
		return cvy_fail(EINVAL, "listener: handshake_ms is %d", l->opts.handshake_ms);
	if (l->opts.invite && l->address.tcp)
		return cvy_fail(EINVAL, "listener: a family can be joined over unix only");
	return 0;
}

static int start_listening(covey_listener *l)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct stat st;
	int fd = cvy_address_listen(&l->address), ep;

	if (fd < 0)
		return fd;
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) < 0) {
		int rc = cvy_fail(errno, "listener: %s", covey_strerror(errno));

		if (ep >= 0)
			close(ep);
		close(fd);
		if (l->address.path[0])
			unlink(l->address.path);
		return rc;
	}
	cvy_address_write(l->text, &l->address);
	if (l->address.path[0] && lstat(l->address.path, &st) == 0) {
		l->device = st.st_dev;
		l->inode = st.st_ino;
	}
	l->open.fds[0] = fd;
	l->open.fds[1] = ep;
	return 0;
}

int covey_listener_open_v(covey_listener **listener, const char *address,
                          const covey_listener_opts *given, size_t size)
{
	covey_listener *l = calloc(1, sizeof *l);
	int rc;

	if (!l)
		return cvy_fail(ENOMEM, "listener: no memory");
	rc = cvy_options(&l->opts, sizeof l->opts, given, size, "listener");
	if (rc == 0)
		rc = cvy_key_copy(&l->key, l->opts.key, l->opts.key_len,
		                  address && strncmp(address, "tcp:", 4) == 0, "listener");
	if (rc == 0)
		rc = cvy_address_read(&l->address, address, true, "listener");
	if (rc == 0)
		rc = check_options(l);
	if (rc == 0 && l->opts.invite)
		rc = cvy_family();
	if (rc == 0)
		rc = start_listening(l);
	if (rc < 0) {
		cvy_key_free(&l->key);
		free(l);
		return rc;
	}
	if (!l->opts.handshake_ms)
		l->opts.handshake_ms = CVY_HANDSHAKE_MS;
	pthread_mutex_init(&l->lock, NULL);
	cvy_open_add(&l->open);
	*listener = l;
	return 0;
}

/* Ends a handshake: its socket is closed, unless it was handed on. */
static void forget(covey_listener *l, struct coming *c)
{
	struct coming **at = &l->coming;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	l->count--;
	cvy_open_close(&c->open);
	free(c);
}

void covey_listener_close(covey_listener *l)
{
	if (!l)
		return;
	if (l->open.incarnation == cvy_incarnation() && l->address.path[0])
		cvy_address_remove(&l->address, l->device, l->inode);
	while (l->coming)
		forget(l, l->coming);
	cvy_open_close(&l->open);
	cvy_key_free(&l->key);
	free(l);
}

const char *covey_listener_address(const covey_listener *l)
{
	return l ? l->text : "";
}

int covey_listener_fd(const covey_listener *l)
{
	int rc = cvy_open_mine(l ? &l->open : NULL, "listener");

	return rc < 0 ? rc : l->open.fds[1];
}

/* ---- accepting; all of it under the lock */

/* Lets one in who waits at the door. 1; 0: nobody; or an error: it is refused. */
static int let_in(covey_listener *l)
{
	int fd = accept4(l->open.fds[0], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), rc = 0;
	struct epoll_event event = {.events = EPOLLIN};
	struct coming *c, **last = &l->coming;

	if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
		return errno != EAGAIN;
	if (fd < 0)
		return cvy_fail(errno, "listener: accept: %s", covey_strerror(errno));
	if (!l->address.tcp)
		rc = cvy_same_user(fd, "listener: accept");
	c = rc == 0 ? calloc(1, sizeof *c) : NULL;
	if (rc == 0 && (!c || epoll_ctl(l->open.fds[1], EPOLL_CTL_ADD, fd, &event) < 0))
		rc = cvy_fail(c ? errno : ENOMEM, "listener: accept: no memory for one more");
	if (rc < 0) {
		close(fd);
		free(c);
		return rc;
	}
	if (l->count == COMING_MOST)
		forget(l, l->coming);
	c->open.fds[0] = fd;
	c->open.fds[1] = -1;
	c->until = cvy_deadline(l->opts.handshake_ms);
	cvy_open_add(&c->open);
	while (*last)
		last = &(*last)->next;
	*last = c;
	l->count++;
	/* Where it has left already, it will be met again. */
	cvy_exchange_begin(&c->handshake, fd, CVY_LISTENER, CVY_CONNECT, l->key);
	return 1;
}

/* Says what became of it; it has shown who it is. */
static int give_verdict(covey_listener *l, const struct coming *c)
{
	unsigned char verdict = CVY_WELCOME;
	int family = -1, rc = 0, sent;

	if (cvy_handshake_purpose(&c->handshake) == CVY_JOIN) {
		verdict = CVY_FAMILY;
		family = l->opts.invite ? cvy_family_fd() : -1;
		if (!l->opts.invite) {
			verdict = CVY_UNINVITED;
			rc = cvy_fail(EPERM, "listener: accept: one who came asks for the family, "
			                     "and is not invited");
		} else if (family < 0) {
			verdict = CVY_TROUBLE;
			rc = family;
		}
	}
	sent = cvy_send_few(c->open.fds[0], &verdict, 1, family);
	if (rc == 0 && sent < 0)
		rc = cvy_fail(EPROTO, "listener: accept: one who came left");
	return rc;
}

/* One more step with one of those coming: 1 when it is a connection now. */
static int go_on(covey_listener *l, struct coming *c, covey_connection **connection)
{
	int rc = cvy_exchange_go_on(&c->handshake, c->open.fds[0]);
	int fd = c->open.fds[0];

	if (rc == 0 && cvy_now() >= c->until)
		rc = cvy_fail(EPROTO,
		              "listener: accept: one who came did not show who it is in "
		              "%d ms",
		              l->opts.handshake_ms);
	if (rc == 1)
		rc = give_verdict(l, c) < 0 ? covey_errcode() : 1;
	if (rc == 1) {
		epoll_ctl(l->open.fds[1], EPOLL_CTL_DEL, fd, NULL);
		c->open.fds[0] = -1;
		rc = cvy_connection_new(connection, fd, l->address.tcp, l->opts.max_message);
		rc = rc < 0 ? rc : 1;
	}
	if (rc != 0)
		forget(l, c);
	return rc;
}

static int accept_one(covey_listener *l, covey_connection **connection, struct cvy_wait *wait)
{
	for (;;) {
		int64_t until = CVY_NEVER;
		struct epoll_event event;
		int rc = 0;

		for (struct coming *c = l->coming, *next; c && rc == 0; c = next) {
			next = c->next;
			until = c->until < until ? c->until : until;
			rc = go_on(l, c, connection);
		}
		if (rc != 0)
			return rc < 0 ? rc : 0;
		rc = let_in(l);
		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		if (wait->timeout_ms == 0 || cvy_now() >= cvy_until(wait))
			return cvy_timed_out(wait->timeout_ms, "listener: accept: nobody came");
		until = cvy_until(wait) < until ? cvy_until(wait) : until;
		if (epoll_wait(l->open.fds[1], &event, 1, cvy_poll_ms(until)) < 0 && errno != EINTR)
			return cvy_fail(errno, "listener: accept: %s", covey_strerror(errno));
	}
}

int covey_listener_accept(covey_listener *l, covey_connection **connection, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	int rc = cvy_open_mine(l ? &l->open : NULL, "listener: accept");

	if (rc < 0)
		return rc;
	if (cvy_lock_within(&l->lock, &wait) < 0)
		return cvy_timed_out(timeout_ms, "listener: accept: another thread is accepting");
	rc = accept_one(l, connection, &wait);
	pthread_mutex_unlock(&l->lock);
	return rc;
}
