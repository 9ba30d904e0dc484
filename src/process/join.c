/* SPDX-License-Identifier: MIT */
/* Handles of processes: joining, asking, signalling, and the list of what was started. */
#include "process/internal.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* How long to wait for a nursery's record of an end that has already happened. */
#define RECORD_WAIT (500 * CVY_MS)

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct covey_process *list;
static uint32_t list_incarnation;

static int foreign(const struct covey_process *p)
{
	if (!p)
		return cvy_fail(EINVAL, "process: no handle was given");
	if (p->incarnation != cvy_incarnation())
		return cvy_fail(ECHILD,
		                "process '%s': this handle belongs to the parent of this "
		                "process, which started it",
		                p->name);
	return 0;
}

/* As waitpid would have told it. */
static int status_of_code(int code)
{
	return code >= 128 ? code << 8 : (code & 0xff) << 8;
}

int cvy_proc_reap(uint32_t slot, int pidfd)
{
	struct cvy_proc *proc = cvy_proc(slot);
	siginfo_t info = {0};
	int64_t deadline;
	int rc, code;

	do
		rc = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
	while (rc < 0 && errno == EINTR);
	if (rc == 0 && info.si_pid) {
		if (info.si_code == CLD_EXITED)
			return (info.si_status & 0xff) << 8;
		return info.si_status | (info.si_code == CLD_DUMPED ? 0x80 : 0);
	}
	if (!proc)
		return -1;
	/* Somebody else reaps it: the nursery that forked it, or the program itself. */
	deadline = cvy_now() + RECORD_WAIT;
	for (;;) {
		uint32_t state = atomic_load(&proc->state);

		if (state == CVY_PROC_ENDED)
			return atomic_load(&proc->exit_status);
		code = atomic_load(&proc->exit_code);
		if (code >= 0)
			return status_of_code(code);
		if (cvy_now() >= deadline)
			return -1;
		cvy_futex_wait(&proc->state, state, cvy_now() + 20 * CVY_MS);
	}
}

/* Learns how it ended, once it has; with p->lock held. */
static void settle(struct covey_process *p)
{
	struct cvy_proc *proc = cvy_proc(p->slot);
	int status;

	if (atomic_load(&p->status) != -1)
		return;
	status = cvy_proc_reap(p->slot, p->pidfd);
	if (status == -1) {
		status = SIGKILL; /* nobody lives who could know better */
		cvy_log(COVEY_LOG_WARN,
		        "process '%s' (pid %d) ended, but who could tell how died "
		        "too: reported as killed",
		        p->name, (int)p->pid);
	}
	atomic_store(&proc->exit_status, status);
	atomic_store(&proc->state, CVY_PROC_ENDED);
	cvy_region_free(&proc->arg);
	atomic_store(&p->status, status);
}

int covey_process_join(covey_process *p, int timeout_ms)
{
	int64_t deadline;
	int rc = foreign(p);

	if (rc < 0)
		return rc;
	deadline = cvy_deadline(timeout_ms);
	while (atomic_load(&p->status) == -1) {
		struct pollfd poll_fd = {.fd = p->pidfd, .events = POLLIN};

		rc = poll(&poll_fd, 1, timeout_ms == 0 ? 0 : cvy_poll_ms(deadline));
		if (rc == 1) {
			pthread_mutex_lock(&p->lock);
			settle(p);
			pthread_mutex_unlock(&p->lock);
		} else if (rc == 0 && (timeout_ms == 0 || cvy_now() >= deadline)) {
			return cvy_timed_out(timeout_ms, "process '%s' (pid %d): still running",
			                     p->name, (int)p->pid);
		}
	}
	return 0;
}

/* Whether it has ended; learns how, if so. */
static bool ended(covey_process *p)
{
	if (atomic_load(&p->status) == -1 && cvy_pidfd_ended(p->pidfd))
		covey_process_join(p, COVEY_FOREVER);
	return atomic_load(&p->status) != -1;
}

int covey_process_exit_code(covey_process *p)
{
	int rc = foreign(p), status;

	if (rc < 0)
		return rc;
	if (!ended(p))
		return cvy_fail(EAGAIN, "process '%s' (pid %d): still running", p->name,
		                (int)p->pid);
	status = atomic_load(&p->status);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int covey_process_exit_signal(covey_process *p)
{
	int rc = foreign(p), status;

	if (rc < 0)
		return rc;
	if (!ended(p))
		return 0;
	status = atomic_load(&p->status);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int covey_process_alive(covey_process *p)
{
	int rc = foreign(p);

	return rc < 0 ? rc : !ended(p);
}

pid_t covey_process_pid(const covey_process *p)
{
	int rc = foreign(p);

	return rc < 0 ? rc : p->pid;
}

const char *covey_process_name(const covey_process *p)
{
	return p ? p->name : "";
}

int covey_process_fd(const covey_process *p)
{
	int rc = foreign(p);

	return rc < 0 ? rc : p->pidfd;
}

int covey_process_signal(covey_process *p, int signal)
{
	int rc = foreign(p);

	if (rc < 0)
		return rc;
	rc = cvy_pidfd_signal(p->pidfd, signal);
	if (rc == 0 || rc == -ESRCH)
		return 0;
	return cvy_fail(-rc, "process '%s' (pid %d): signal %d: %s", p->name, (int)p->pid, signal,
	                covey_strerror(rc));
}

int covey_process_terminate(covey_process *p)
{
	return covey_process_signal(p, SIGTERM);
}

int covey_process_kill(covey_process *p)
{
	return covey_process_signal(p, SIGKILL);
}

/* ---- the list: under list_lock; a forked child starts with none */

static void lock_list(void)
{
	pthread_mutex_lock(&list_lock);
	if (list_incarnation != cvy_incarnation()) {
		list = NULL; /* the handles are the parent's */
		list_incarnation = cvy_incarnation();
	}
}

static void forget(struct covey_process *p)
{
	cvy_proc_free(p->slot);
	close(p->pidfd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void cvy_children_add(struct covey_process *p)
{
	lock_list();
	p->next = list;
	list = p;
	pthread_mutex_unlock(&list_lock);
}

void cvy_children_sweep(void)
{
	struct covey_process **at, *p;

	lock_list();
	for (at = &list; (p = *at) != NULL;) {
		if (p->freed && ended(p)) {
			*at = p->next;
			forget(p);
		} else {
			at = &p->next;
		}
	}
	pthread_mutex_unlock(&list_lock);
}

void covey_process_free(covey_process *p)
{
	struct covey_process **at;

	if (!p)
		return;
	if (p->incarnation != cvy_incarnation())
		return; /* the parent's: its memory here goes with this process */
	if (!ended(p)) {
		p->freed = true;
		return;
	}
	lock_list();
	for (at = &list; *at && *at != p; at = &(*at)->next)
		;
	if (*at)
		*at = p->next;
	pthread_mutex_unlock(&list_lock);
	forget(p);
}

void cvy_children_end(void)
{
	lock_list();
	for (struct covey_process *p = list; p; p = p->next)
		if (p->daemon && !ended(p))
			cvy_pidfd_signal(p->pidfd, SIGTERM);
	for (struct covey_process *p = list; p; p = p->next)
		covey_process_join(p, COVEY_FOREVER);
	pthread_mutex_unlock(&list_lock);
}

/* ---- infos */

static void describe(struct cvy_proc *proc, covey_process_info *info)
{
	*info = (covey_process_info){.pid = atomic_load(&proc->pid),
	                             .method = (covey_method)proc->method,
	                             .daemon = proc->daemon};
	memcpy(info->name, proc->name, sizeof info->name);
	info->name[COVEY_NAME_MAX] = 0;
}

int covey_current_process(covey_process_info *info)
{
	int rc = cvy_family();

	if (rc < 0)
		return rc;
	if (!info || !cvy_self())
		return cvy_fail(EINVAL, "process: no place for the answer was given");
	describe(cvy_proc(cvy_self()), info);
	return 0;
}

int covey_parent_process(covey_process_info *info)
{
	struct cvy_proc *self, *parent;
	int rc = cvy_family();

	if (rc < 0)
		return rc;
	self = cvy_proc(cvy_self());
	parent = self ? cvy_proc(self->parent) : NULL;
	if (!info)
		return cvy_fail(EINVAL, "process: no place for the answer was given");
	if (!parent || parent->generation != self->parent_generation)
		return cvy_fail(ENOENT,
		                "process '%s': it is the root of its family, or its parent "
		                "has ended",
		                self ? self->name : "");
	describe(parent, info);
	return 0;
}

int covey_active_children(covey_process_info *infos, int cap)
{
	int n = 0;

	if (cap < 0 || (cap && !infos))
		return cvy_fail(EINVAL, "process: no place for the answers was given");
	if (!cvy_family_exists())
		return 0;
	lock_list();
	for (struct covey_process *p = list; p; p = p->next) {
		if (ended(p))
			continue;
		if (n < cap) {
			describe(cvy_proc(p->slot), &infos[n]);
			infos[n].pid = p->pid;
		}
		n++;
	}
	pthread_mutex_unlock(&list_lock);
	return n;
}
