/* SPDX-License-Identifier: MIT */
/* The side of a nursery's client, and the messages between the two. */
#include "process/internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct cvy_nursery {
	uint32_t incarnation;
	covey_method method;
	pid_t pid;
	int pidfd;
	int sock;
	pthread_mutex_t lock;     /* one request at a time */
	struct cvy_nursery *next; /* of this process's nurseries, under list_lock */
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cvy_nursery *list;

int cvy_send_fds(int sock, const void *data, size_t len, const int *fds, int nfds)
{
	union {
		char bytes[CMSG_SPACE(NURSERY_FDS * sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)data, len};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (nfds) {
		struct cmsghdr *head;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(head), fds, (size_t)nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : (int)n;
}

int cvy_receive_fds(int sock, void *data, size_t len, int *fds, int *nfds)
{
	union {
		char bytes[CMSG_SPACE(NURSERY_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {data, len};
	struct msghdr message = {.msg_iov = &iov,
	                         .msg_iovlen = 1,
	                         .msg_control = control.bytes,
	                         .msg_controllen = sizeof control.bytes};
	ssize_t n;

	*nfds = 0;
	do
		n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -EPIPE;
	if (n < 0)
		return -errno;
	for (struct cmsghdr *head = CMSG_FIRSTHDR(&message); head;
	     head = CMSG_NXTHDR(&message, head))
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS) {
			*nfds = (int)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(fds, CMSG_DATA(head), (size_t)*nfds * sizeof(int));
		}
	return (int)n;
}

/* A forked child must not keep its parent's nurseries from seeing their end. */
static void in_forked_child(void)
{
	for (struct cvy_nursery *n = list; n; n = n->next) {
		close(n->sock);
		close(n->pidfd);
	}
	list = NULL;
}

static void hook(void)
{
	cvy_at_fork_child(in_forked_child);
}

/* Forks the caller as a nursery on the socket. */
static int fork_nursery(int theirs, pid_t *pid)
{
	uint32_t self = cvy_self();

	if (cvy_program_threads() > 1)
		return cvy_fail(ENOTSUP,
		                "pool: this process has %d threads, where fork is not "
		                "safe: call covey_init(argc, argv) first in main and use "
		                "forkserver",
		                cvy_program_threads());
	fflush(NULL);
	*pid = fork();
	if (*pid < 0)
		return cvy_fail(errno, "nursery: fork: %s", covey_strerror(errno));
	if (*pid == 0)
		cvy_nursery_serve(theirs, self);
	return 0;
}

static int open_nursery(struct cvy_nursery *n)
{
	int ends[2], rc;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return cvy_fail(errno, "nursery: a socket: %s", covey_strerror(errno));
	n->sock = ends[0];
	rc = n->method == COVEY_FORK
	             ? fork_nursery(ends[1], &n->pid)
	             : cvy_spawn_image(ROLE_NURSERY, cvy_self(), ends[1], -1, "nursery", &n->pid);
	close(ends[1]);
	if (rc == 0) {
		n->pidfd = cvy_pidfd_open(n->pid);
		if (n->pidfd >= 0)
			return 0;
		rc = cvy_fail(-n->pidfd, "nursery: its pidfd: %s", covey_strerror(n->pidfd));
	}
	close(n->sock); /* which ends it, where it was started */
	n->sock = n->pidfd = -1;
	return rc;
}

int cvy_nursery_open(struct cvy_nursery **out, covey_method method)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct cvy_nursery *n;
	int rc = cvy_family();

	if (rc < 0)
		return rc;
	pthread_once(&once, hook);
	n = calloc(1, sizeof *n);
	if (!n)
		return cvy_fail(ENOMEM, "nursery: no memory");
	n->incarnation = cvy_incarnation();
	n->method = method;
	n->sock = n->pidfd = -1;
	pthread_mutex_init(&n->lock, NULL);
	rc = open_nursery(n);
	if (rc < 0) {
		pthread_mutex_destroy(&n->lock);
		free(n);
		return rc;
	}
	pthread_mutex_lock(&list_lock);
	n->next = list;
	list = n;
	pthread_mutex_unlock(&list_lock);
	*out = n;
	return 0;
}

/* Reaps a nursery that has ended or is about to. */
static void bury(struct cvy_nursery *n)
{
	if (n->sock >= 0)
		close(n->sock);
	if (n->pidfd >= 0) {
		while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
			;
		close(n->pidfd);
	}
	n->sock = n->pidfd = -1;
}

int cvy_nursery_restart(struct cvy_nursery *n)
{
	int rc;

	pthread_mutex_lock(&n->lock);
	cvy_log(COVEY_LOG_WARN, "the nursery (pid %d) has died; starting another", (int)n->pid);
	if (n->pidfd >= 0)
		cvy_pidfd_signal(n->pidfd, SIGKILL);
	bury(n);
	rc = open_nursery(n);
	pthread_mutex_unlock(&n->lock);
	return rc;
}

static int ask(struct cvy_nursery *n, uint32_t slot, bool report, const int *fds, int nfds)
{
	struct nursery_request request = {.slot = slot, .report = report};
	struct nursery_reply reply;
	int got[NURSERY_FDS], count = 0, rc;

	if (!n || n->incarnation != cvy_incarnation())
		return cvy_fail(ECHILD, "nursery: it belongs to the parent of this process");
	if (nfds > NURSERY_FDS)
		return cvy_fail(EINVAL, "nursery: %d descriptors are too many", nfds);
	pthread_mutex_lock(&n->lock);
	rc = n->sock < 0 ? -EPIPE : cvy_send_fds(n->sock, &request, sizeof request, fds, nfds);
	if (rc >= 0)
		rc = cvy_receive_fds(n->sock, &reply, sizeof reply, got, &count);
	pthread_mutex_unlock(&n->lock);
	if (rc == -ECONNRESET || rc == -EPIPE || rc == -ECONNREFUSED)
		return cvy_fail(EPIPE, "nursery: it has died");
	if (rc < 0)
		return cvy_fail(-rc, "nursery: %s", covey_strerror(rc));
	if (rc != sizeof reply || reply.error)
		return cvy_fail(reply.error ? reply.error : EBADMSG,
		                "process '%s': fork in the nursery: %s",
		                cvy_proc(slot) ? cvy_proc(slot)->name : "",
		                covey_strerror(reply.error ? reply.error : EBADMSG));
	if (count != 1)
		return cvy_fail(EMFILE, "process: its pidfd did not arrive: too many descriptors "
		                        "are open");
	return got[0];
}

int cvy_nursery_fork(struct cvy_nursery *nursery, uint32_t proc, const int *fds, int nfds)
{
	return ask(nursery, proc, false, fds, nfds);
}

int cvy_nursery_start(struct cvy_nursery *nursery, uint32_t slot, int report_fd)
{
	return ask(nursery, slot, true, &report_fd, 1);
}

int cvy_nursery_pidfd(const struct cvy_nursery *nursery)
{
	return nursery->pidfd;
}

void cvy_nursery_close(struct cvy_nursery *n)
{
	struct nursery_request end = {0};
	struct cvy_nursery **at;

	if (!n || n->incarnation != cvy_incarnation())
		return;
	pthread_mutex_lock(&list_lock);
	for (at = &list; *at && *at != n; at = &(*at)->next)
		;
	if (*at)
		*at = n->next;
	pthread_mutex_unlock(&list_lock);
	if (n->sock >= 0)
		cvy_send_fds(n->sock, &end, sizeof end, NULL, 0);
	bury(n);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
