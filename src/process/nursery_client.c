/* SPDX-License-Identifier: MIT */
/* The side of a nursery's client. */
#include "process/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* How long a nursery that is told to end may take, in ms, before it is killed. */
#define END_WAIT 2000

/*
 * lock: one request at a time; guards pid, pidfd, sock, serial and broken,
 * which a restart changes. next: of this process's nurseries, under list_lock.
 */
struct cvy_nursery {
	uint32_t incarnation;
	covey_method method;
	pid_t pid;
	int pidfd;
	int sock;
	uint64_t serial;
	bool broken; /* it has closed its end: it is dying */
	pthread_mutex_t lock;
	struct cvy_nursery *next;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cvy_nursery *list;
static _Atomic uint64_t serials;

/* A forked child must not keep its parent's nurseries from seeing their end. */
void cvy_nurseries_forked(void)
{
	for (struct cvy_nursery *n = list; n; n = n->next) {
		close(n->sock);
		close(n->pidfd);
	}
	list = NULL;
	pthread_mutex_init(&list_lock, NULL);
}

/* Forks the caller as a nursery on the second end of a socket. */
static int fork_nursery(const int ends[2], pid_t *pid)
{
	uint32_t self = cvy_self();

	if (cvy_program_threads(2) > 1)
		return cvy_fail(ENOTSUP,
		                "nursery: this process has %d threads, where fork is not "
		                "safe: call covey_init(argc, argv) first in main and use "
		                "forkserver",
		                cvy_program_threads(INT_MAX));
	fflush(NULL);
	*pid = fork();
	if (*pid < 0)
		return cvy_fail(errno, "nursery: fork: %s", covey_strerror(errno));
	if (*pid == 0) {
		close(ends[0]);
		cvy_nursery_serve(ends[1], self);
	}
	return 0;
}

/* Reaps a nursery that has ended, or has been killed or told to end. */
static void bury(struct cvy_nursery *n)
{
	struct pollfd poll_fd = {.fd = n->pidfd, .events = POLLIN};
	int sock = n->sock, pidfd = n->pidfd;
	siginfo_t info;

	n->sock = n->pidfd = -1; /* first: a forked child closes what it finds here */
	if (sock >= 0)
		close(sock);
	if (pidfd < 0)
		return;
	while (cvy_poll(&poll_fd, 1, END_WAIT) < 0 && errno == EINTR)
		;
	if (!cvy_pidfd_ended(pidfd))
		cvy_pidfd_signal(pidfd, SIGKILL);
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	close(pidfd);
}

/* Starts one of a fresh image at the second end. 1: it preloads first. -errno in words. */
static int spawn_nursery(const int ends[2], pid_t *pid)
{
	int preloads = cvy_preload_send(ends[0]), rc;

	if (preloads < 0)
		return preloads;
	rc = cvy_spawn_image(preloads ? ROLE_PRELOADING : ROLE_NURSERY, cvy_self(), ends[1], -1,
	                     "nursery", pid);
	return rc < 0 ? rc : preloads;
}

/* Fills in pid, pidfd and sock of a nursery that has none. */
static int open_nursery(struct cvy_nursery *n)
{
	int ends[2], place, rc, preloads;
	pid_t pid;

	if (!cvy_self())
		return covey_errcode();
	place = cvy_pidfd_place();
	if (place < 0)
		return cvy_fail(-place, "nursery: its pidfd: %s", covey_strerror(place));
	close(place); /* the socket that the nursery gets is closed before the pidfd is opened */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return cvy_fail(errno, "nursery: a socket: %s", covey_strerror(errno));
	rc = preloads =
		n->method == COVEY_FORK ? fork_nursery(ends, &pid) : spawn_nursery(ends, &pid);
	close(ends[1]);
	if (rc < 0) {
		close(ends[0]);
		return rc;
	}
	rc = cvy_child_pidfd(pid);
	if (rc < 0) {
		close(ends[0]);
		cvy_child_discard(pid);
		return cvy_fail(-rc, "nursery: its pidfd: %s", covey_strerror(rc));
	}
	n->pid = pid;
	n->pidfd = rc;
	n->sock = ends[0];
	n->serial = atomic_fetch_add(&serials, 1) + 1;
	n->broken = false;
	rc = preloads ? cvy_preload_await(n->sock, n->pidfd) : 0;
	if (rc < 0)
		bury(n);
	return rc;
}

int cvy_nursery_open(struct cvy_nursery **out, covey_method method)
{
	struct cvy_nursery *n;
	int rc = cvy_family();

	if (rc < 0)
		return rc;
	cvy_process_hook();
	n = calloc(1, sizeof *n);
	if (!n)
		return cvy_fail(ENOMEM, "nursery: no memory");
	n->incarnation = cvy_incarnation();
	/* The sanitizer's allocator is not safe where one thread forks while another allocates. */
	if (CVY_ADDRESS_SANITIZER && cvy_thread_count(2) > 1 && cvy_can_spawn())
		method = COVEY_FORKSERVER;
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

bool cvy_nursery_dead(const struct cvy_nursery *n)
{
	return n->pidfd < 0 || n->broken || cvy_pidfd_ended(n->pidfd);
}

pid_t cvy_nursery_pid(const struct cvy_nursery *n)
{
	return n->pid;
}

uint64_t cvy_nursery_serial(const struct cvy_nursery *n)
{
	return n->serial;
}

/* Sends a request and takes the answer, with n->lock held. A pidfd or -errno. */
static int exchange(struct cvy_nursery *n, struct nursery_request *request, const int *fds)
{
	int got[NURSERY_FDS], count = 0, place, rc;
	struct report reply;

	/* The place of the pidfd, made sure of before anything is forked. */
	place = eventfd(0, EFD_CLOEXEC);
	if (place < 0)
		return cvy_fail(errno, "nursery: %s", covey_strerror(errno));
	rc = n->sock < 0 ? -EPIPE
	                 : cvy_send_fds(n->sock, request, sizeof *request, fds, (int)request->nfds);
	/* Where it is dead, it may have said why before. */
	if (n->sock >= 0 && (rc >= 0 || rc == -EPIPE)) {
		cvy_await_message(n->sock, n->pidfd);
		close(place);
		place = -1;
		rc = cvy_receive_fds(n->sock, &reply, sizeof reply, got, &count);
	}
	if (place >= 0)
		close(place);
	if (rc == -EPIPE || rc == -EAGAIN || rc == -ECONNRESET) {
		n->broken = true;
		return cvy_fail(EPIPE, "nursery: it has died");
	}
	if (rc < 0)
		return cvy_fail(-rc, "nursery: %s", covey_strerror(rc));
	if (rc != sizeof reply)
		return cvy_fail(EBADMSG, "nursery: an answer of %d bytes", rc);
	if (reply.error)
		return cvy_fail(reply.error, "%.*s", (int)sizeof reply.words, reply.words);
	if (count != 1) { /* another thread took the place */
		request->order = NURSERY_KILL;
		request->nfds = 0;
		cvy_send_fds(n->sock, request, sizeof *request, NULL, 0);
		return cvy_fail(EMFILE, "nursery: too many descriptors are open");
	}
	atomic_store(&cvy_proc(request->slot)->pid, reply.pid);
	return got[0];
}

static int ask(struct cvy_nursery *n, uint32_t slot, bool reports, const int *fds, int nfds)
{
	struct cvy_proc *proc = cvy_proc(slot);
	struct nursery_request request = {.order = NURSERY_FORK,
	                                  .slot = slot,
	                                  .method = cvy_program_method(),
	                                  .nfds = (uint32_t)nfds,
	                                  .reports = reports};
	int rc;

	if (!n || n->incarnation != cvy_incarnation())
		return cvy_fail(ECHILD, "nursery: it belongs to the parent of this process");
	if (!proc || nfds < 0 || nfds > NURSERY_FDS)
		return cvy_fail(EINVAL, "nursery: no process %u, or %d descriptors are too many",
		                slot, nfds);
	request.generation = proc->generation;
	pthread_mutex_lock(&n->lock);
	rc = exchange(n, &request, fds);
	pthread_mutex_unlock(&n->lock);
	return rc < 0 ? cvy_fail_in("process '%s': ", proc->name) : rc;
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
	struct nursery_request end = {.order = NURSERY_END};
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
		send(n->sock, &end, sizeof end, MSG_NOSIGNAL | MSG_DONTWAIT);
	bury(n);
	pthread_mutex_destroy(&n->lock);
	free(n);
}
