/* SPDX-License-Identifier: MIT */
/*
 * The nursery: a loop of one thread that forks on request, reaps its children,
 * and writes down how they ended. It holds nothing that is needed after its
 * death: whom it forked lives on, and another one is started.
 *
 * A child waits, before it does anything, for one byte, which it is sent once
 * its client has been answered. So a client that gets no answer knows that
 * nothing has run, and may ask another nursery.
 */
#include "process/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals that a terminal sends to all: for the program and the children, not for a nursery. */
static const int shrugged[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD};
#define SHRUGGED (sizeof shrugged / sizeof *shrugged)

struct entry {
	pid_t pid;
	uint32_t slot;
	uint32_t generation;
};

struct nursery {
	int sock;
	int client; /* pidfd */
	int chld;   /* signalfd */
	struct sigaction before[SHRUGGED];
	sigset_t mask_before;
	struct entry *entries;
	size_t count, room;
};

static void set_up(struct nursery *n)
{
	struct sigaction action = {.sa_handler = SIG_IGN};
	sigset_t chld;

	for (size_t i = 0; i < SHRUGGED; i++) {
		action.sa_handler = shrugged[i] == SIGCHLD ? SIG_DFL : SIG_IGN;
		sigaction(shrugged[i], &action, &n->before[i]);
	}
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &n->mask_before);
	n->chld = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	prctl(PR_SET_NAME, "covey-nursery");
}

static __attribute__((noreturn)) void become_child(struct nursery *n, int go,
                                                   const struct nursery_request *request,
                                                   const int *fds)
{
	int first = request->reports ? 1 : 0;
	ssize_t told;
	char byte;

	close(n->sock);
	close(n->client);
	close(n->chld);
	do
		told = read(go, &byte, 1);
	while (told < 0 && errno == EINTR);
	if (told != 1)
		_exit(127);
	close(go);
	for (size_t i = 0; i < SHRUGGED; i++)
		sigaction(shrugged[i], &n->before[i], NULL);
	sigprocmask(SIG_SETMASK, &n->mask_before, NULL);
	cvy_program_method_set((covey_method)request->method);
	cvy_passed_count = (int)request->nfds - first;
	for (int i = 0; i < cvy_passed_count; i++)
		cvy_passed_fds[i] = fds[first + i];
	cvy_child_run(request->slot, request->generation, first ? fds[0] : -1, NULL);
}

static int make_room(struct nursery *n)
{
	struct entry *more;

	if (n->count < n->room)
		return 0;
	more = realloc(n->entries, (n->room + 64) * sizeof *more);
	if (!more)
		return -ENOMEM;
	n->entries = more;
	n->room += 64;
	return 0;
}

/* Forks it and tells the client. 0, or -errno: then nothing of it runs, and nobody was told. */
static int make_child(struct nursery *n, const struct nursery_request *request, const int *fds)
{
	struct report reply = {0};
	int go[2], pidfd, rc = make_room(n);
	pid_t pid;

	if (rc < 0)
		return rc;
	if (pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(go[1]);
		become_child(n, go[0], request, fds);
	}
	rc = pid < 0 ? -errno : 0;
	close(go[0]);
	if (rc == 0) {
		pidfd = cvy_pidfd_open(pid); /* ours and not reaped: it is there */
		reply.pid = pid;
		rc = pidfd < 0 ? pidfd : cvy_send_fds(n->sock, &reply, sizeof reply, &pidfd, 1);
		if (pidfd >= 0)
			close(pidfd);
	}
	if (rc >= 0) {
		n->entries[n->count++] = (struct entry){pid, request->slot, request->generation};
		if (write(go[1], "", 1) < 0)
			rc = 0; /* killed already: reaped like any other */
	}
	close(go[1]);
	return rc < 0 ? rc : 0;
}

static void record(struct nursery *n, pid_t pid, int status)
{
	for (size_t i = 0; i < n->count; i++) {
		struct entry entry = n->entries[i];

		if (entry.pid != pid)
			continue;
		n->entries[i] = n->entries[--n->count];
		cvy_proc_end(entry.slot, entry.generation, status);
		return;
	}
}

static void reap(struct nursery *n)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(n->chld, &info, sizeof info) > 0)
		;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		record(n, pid, status);
}

/* Ends a child that its client could not take: ours and not reaped, so the pid is its own. */
static void end_child(struct nursery *n, const struct nursery_request *request)
{
	for (size_t i = 0; i < n->count; i++)
		if (n->entries[i].slot == request->slot &&
		    n->entries[i].generation == request->generation)
			kill(n->entries[i].pid, SIGKILL);
}

static void answer(struct nursery *n)
{
	struct nursery_request request;
	int fds[NURSERY_FDS], nfds = 0;
	int rc = cvy_receive_fds(n->sock, &request, sizeof request, fds, &nfds);

	if (rc == -EAGAIN)
		return;
	if (rc != sizeof request || request.order == NURSERY_END)
		_exit(0);
	if (request.order == NURSERY_KILL) {
		end_child(n, &request);
		return;
	}
	/* Fewer descriptors arrive where this process may open no more. */
	rc = (uint32_t)nfds == request.nfds ? make_child(n, &request, fds) : -EMFILE;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (rc < 0)
		cvy_report_failure(n->sock,
		                   cvy_fail(-rc, "fork in the nursery: %s", covey_strerror(rc)));
}

void cvy_nursery_serve(int sock, uint32_t client_slot)
{
	struct nursery n = {.sock = sock};
	struct cvy_proc *client = cvy_proc(client_slot);

	set_up(&n);
	n.client = client ? cvy_pidfd_open(atomic_load(&client->pid)) : -1;
	if (n.client < 0 || n.chld < 0) {
		cvy_report_failure(sock, cvy_fail(EMFILE, "nursery: it cannot watch its client"));
		_exit(1);
	}
	if (!cvy_proc_alive(client_slot, client->generation))
		_exit(1);
	for (;;) {
		struct pollfd poll_fds[3] = {{.fd = n.sock, .events = POLLIN},
		                             {.fd = n.chld, .events = POLLIN},
		                             {.fd = n.client, .events = POLLIN}};

		if (cvy_poll(poll_fds, 3, -1) < 0)
			continue;
		if (poll_fds[2].revents)
			_exit(0);
		if (poll_fds[1].revents)
			reap(&n);
		if (poll_fds[0].revents)
			answer(&n);
	}
}
