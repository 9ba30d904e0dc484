/* SPDX-License-Identifier: MIT */
/*
 * The nursery: a loop of one thread that forks on request, reaps its children,
 * and writes down how they ended. It holds nothing that is needed after its
 * death: whom it forked lives on, and another one is started.
 */
#include "process/internal.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Signals that a terminal sends to all: for the program and the children, not for a nursery. */
static const int shrugged[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD, SIGPIPE};
#define SHRUGGED (sizeof shrugged / sizeof *shrugged)

struct entry {
	pid_t pid;
	uint32_t slot;
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

static __attribute__((noreturn)) void become_child(struct nursery *n, uint32_t slot,
                                                   const struct nursery_request *request,
                                                   const int *fds, int nfds)
{
	int first = request->report ? 1 : 0;

	for (size_t i = 0; i < SHRUGGED; i++)
		sigaction(shrugged[i], &n->before[i], NULL);
	sigprocmask(SIG_SETMASK, &n->mask_before, NULL);
	close(n->sock);
	close(n->client);
	close(n->chld);
	cvy_passed_count = nfds - first;
	for (int i = first; i < nfds; i++)
		cvy_passed_fds[i - first] = fds[i];
	cvy_child_run(slot, first ? fds[0] : -1);
}

static int make_child(struct nursery *n, const struct nursery_request *request, const int *fds,
                      int nfds, struct nursery_reply *reply)
{
	struct cvy_proc *proc = cvy_proc(request->slot);
	struct entry *more;
	int pidfd;
	pid_t pid;

	if (!proc || atomic_load(&proc->state) != CVY_PROC_STARTING)
		return -EINVAL;
	if (n->count == n->room) {
		more = realloc(n->entries, (n->room + 64) * sizeof *more);
		if (!more)
			return -ENOMEM;
		n->entries = more;
		n->room += 64;
	}
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become_child(n, request->slot, request, fds, nfds);
	atomic_store(&proc->pid, pid);
	n->entries[n->count++] = (struct entry){pid, request->slot};
	pidfd = cvy_pidfd_open(pid); /* ours and not reaped: it is there */
	reply->pid = pid;
	return pidfd;
}

static void record(struct nursery *n, pid_t pid, int status)
{
	for (size_t i = 0; i < n->count; i++) {
		struct cvy_proc *proc;

		if (n->entries[i].pid != pid)
			continue;
		proc = cvy_proc(n->entries[i].slot);
		n->entries[i] = n->entries[--n->count];
		if (!proc || atomic_load(&proc->pid) != pid)
			return;
		atomic_store(&proc->exit_status, status);
		atomic_store(&proc->state, CVY_PROC_ENDED);
		cvy_futex_wake(&proc->state, INT_MAX);
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

static void answer(struct nursery *n)
{
	struct nursery_request request;
	struct nursery_reply reply = {0};
	int fds[NURSERY_FDS], nfds = 0, pidfd;
	int rc = cvy_receive_fds(n->sock, &request, sizeof request, fds, &nfds);

	if (rc < 0 || !request.slot)
		_exit(0);
	pidfd = rc == sizeof request ? make_child(n, &request, fds, nfds, &reply) : -EINVAL;
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (pidfd < 0)
		reply.error = -pidfd;
	cvy_send_fds(n->sock, &reply, sizeof reply, &pidfd, pidfd < 0 ? 0 : 1);
	if (pidfd >= 0)
		close(pidfd);
}

void cvy_nursery_serve(int sock, uint32_t client_slot)
{
	struct nursery n = {.sock = sock};
	struct cvy_proc *client = cvy_proc(client_slot);

	set_up(&n);
	n.client = client ? cvy_pidfd_open(atomic_load(&client->pid)) : -1;
	if (n.client < 0 || n.chld < 0 || !cvy_proc_alive(client_slot, client->generation))
		_exit(1);
	for (;;) {
		struct pollfd poll_fds[3] = {{.fd = n.sock, .events = POLLIN},
		                             {.fd = n.chld, .events = POLLIN},
		                             {.fd = n.client, .events = POLLIN}};

		if (poll(poll_fds, 3, -1) < 0)
			continue;
		if (poll_fds[2].revents)
			_exit(0);
		if (poll_fds[1].revents)
			reap(&n);
		if (poll_fds[0].revents)
			answer(&n);
	}
}
