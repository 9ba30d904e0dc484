/* SPDX-License-Identifier: MIT */
/* Sockets as this layer uses them, keys, and what a forked child must close. */
#include "net/net.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cvy_wait_fd(int fd, short events, int64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int ms = deadline == 0 ? 0 : cvy_poll_ms(deadline);
		int rc = cvy_poll(&p, 1, ms);

		if (rc > 0)
			return 0;
		if (rc == 0 && (deadline == 0 || cvy_now() >= deadline))
			return -ETIMEDOUT;
		if (rc < 0 && errno != EINTR)
			return -errno;
	}
}

int cvy_lock_within(pthread_mutex_t *lock, struct cvy_wait *wait)
{
	struct timespec until;
	int64_t deadline;

	if (pthread_mutex_trylock(lock) == 0)
		return 0;
	deadline = cvy_until(wait);
	if (deadline == 0)
		return -ETIMEDOUT;
	if (deadline == CVY_NEVER)
		return -pthread_mutex_lock(lock);
	until = cvy_timespec(deadline);
	return -pthread_mutex_clocklock(lock, CLOCK_MONOTONIC, &until);
}

int cvy_same_user(int fd, const char *what)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return cvy_fail(errno, "%s: who the other is cannot be told: %s", what,
		                covey_strerror(errno));
	if (peer.uid != geteuid())
		return cvy_fail(EACCES, "%s: the other side, process %d, is of user %u, not %u",
		                what, (int)peer.pid, (unsigned)peer.uid, (unsigned)geteuid());
	return 0;
}

int cvy_send_few(int fd, const void *bytes, size_t n, int pass)
{
	struct iovec part = {(void *)(uintptr_t)bytes, n};
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.room = {0}};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t sent;

	if (pass >= 0) {
		message.msg_control = control.room;
		message.msg_controllen = sizeof control.room;
		control.align = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		                                 .cmsg_type = SCM_RIGHTS,
		                                 .cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(&control.align), &pass, sizeof pass);
	}
	do
		sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return (size_t)sent == n ? 0 : -EPROTO;
}

ssize_t cvy_receive_few(int fd, void *bytes, size_t n, int *passed)
{
	struct iovec part = {bytes, n};
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr message = {.msg_iov = &part,
	                         .msg_iovlen = 1,
	                         .msg_control = control.room,
	                         .msg_controllen = sizeof control.room};
	struct cmsghdr *c;
	ssize_t got;

	*passed = -1;
	do
		got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(passed, CMSG_DATA(c), sizeof *passed);
	return got;
}

int cvy_key_copy(struct cvy_key *to, const void *key, size_t len, bool tcp, const char *what)
{
	*to = (struct cvy_key){NULL, 0};
	if (sodium_init() < 0)
		return cvy_fail(ENOSYS, "%s: libsodium cannot be used", what);
	if (!key && !len)
		return tcp ? cvy_fail(ENOKEY,
		                      "%s: an address of tcp needs a key, since every user "
		                      "of this machine can connect there",
		                      what)
		           : 0;
	if (!key || !len)
		return cvy_fail(EINVAL, "%s: an empty key", what);
	to->bytes = malloc(len);
	if (!to->bytes)
		return cvy_fail(ENOMEM, "%s: no memory for the key", what);
	memcpy(to->bytes, key, len);
	to->len = len;
	return 0;
}

void cvy_key_free(struct cvy_key *key)
{
	unsigned char *bytes = (unsigned char *)(uintptr_t)key->bytes;

	if (bytes)
		sodium_memzero(bytes, key->len);
	free(bytes);
	*key = (struct cvy_key){NULL, 0};
}

/* ---- what is open */

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cvy_open *_Atomic list;

static void in_forked_child(void)
{
	struct cvy_open *open = atomic_load(&list);

	for (; open; open = atomic_load(&open->next))
		for (int i = 0; i < 2; i++)
			if (open->fds[i] >= 0)
				close(open->fds[i]);
	atomic_store(&list, NULL);
	pthread_mutex_init(&list_lock, NULL);
}

static void install(void)
{
	cvy_at_fork_child(in_forked_child);
}

void cvy_open_add(struct cvy_open *open)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
	open->incarnation = cvy_incarnation();
	pthread_mutex_lock(&list_lock);
	atomic_store(&open->next, atomic_load(&list));
	atomic_store(&list, open);
	pthread_mutex_unlock(&list_lock);
}

void cvy_open_close(struct cvy_open *open)
{
	struct cvy_open *_Atomic *at = &list;

	if (open->incarnation != cvy_incarnation())
		return;
	pthread_mutex_lock(&list_lock);
	while (atomic_load(at) != open)
		at = &atomic_load(at)->next;
	atomic_store(at, atomic_load(&open->next));
	pthread_mutex_unlock(&list_lock);
	for (int i = 0; i < 2; i++)
		if (open->fds[i] >= 0)
			close(open->fds[i]);
}

int cvy_open_mine(const struct cvy_open *open, const char *what)
{
	if (!open)
		return cvy_fail(EINVAL, "%s: none was given", what);
	if (open->incarnation != cvy_incarnation())
		return cvy_fail(ECHILD, "%s: it belongs to the process that forked this one", what);
	return 0;
}
