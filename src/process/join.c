/* SPDX-License-Identifier: MIT */
/* Handles of processes: joining, asking, signalling, and the list of what was started. */
#include "process/internal.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* How long a daemonic process may take to end after SIGTERM, at the end of its parent. */
#define GRACE (2000 * CVY_MS)

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct covey_process *list;

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

/* Learns how it ended, once it has; with p->lock held. */
static void settle(struct covey_process *p)
{
	int status;

	if (atomic_load(&p->status) != -1)
		return;
	status = cvy_proc_reap_within(p->slot, p->pidfd,
	                              cvy_forkserver_lives(p->server) ? RECORD_WAIT : 0);
	if (status == -1) {
		status = SIGKILL; /* nobody lives who could know better */
		cvy_log(COVEY_LOG_WARN,
		        "process '%s' (pid %d) ended, how is unknown, as who could tell died "
		        "too: reported as killed",
		        p->name, (int)p->pid);
	}
	cvy_proc_end(p->slot, p->generation, status);
	cvy_region_free(
		&cvy_proc(p->slot)->arg); /* much memory, maybe: not only once it is freed */
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

		rc = cvy_poll(&poll_fd, 1, timeout_ms == 0 ? 0 : cvy_poll_ms(deadline));
		if (rc == 1) {
			pthread_mutex_lock(&p->lock);
			settle(p);
			pthread_mutex_unlock(&p->lock);
		} else if (rc < 0 && errno != EINTR) {
			return cvy_fail(errno, "process '%s' (pid %d): waiting for it: %s", p->name,
			                (int)p->pid, covey_strerror(errno));
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
	/* It may have ended; -EBADF: so early that it never had a pidfd. */
	if (rc == 0 || rc == -ESRCH || (rc == -EBADF && ended(p)))
		return 0;
	return cvy_fail(-rc, "process '%s' (pid %d): signal %d: %s", p->name, (int)p->pid, signal,
	                covey_strerror(rc));
}

int covey_process_interrupt(covey_process *p)
{
	return covey_process_signal(p, SIGINT);
}

int covey_process_terminate(covey_process *p)
{
	return covey_process_signal(p, SIGTERM);
}

int covey_process_kill(covey_process *p)
{
	return covey_process_signal(p, SIGKILL);
}

/* ---- the list: under list_lock */

void cvy_children_forked(void)
{
	for (struct covey_process *p = list; p; p = p->next)
		close(p->pidfd);              /* of no use here, and there may be many */
	list = NULL;                          /* the handles are the parent's */
	pthread_mutex_init(&list_lock, NULL); /* a thread of the parent may have held it */
}

void cvy_children_add(struct covey_process *p)
{
	pthread_mutex_lock(&list_lock);
	p->next = list;
	list = p;
	pthread_mutex_unlock(&list_lock);
}

/* Takes it off the list and ends it. */
static void forget(struct covey_process *p)
{
	struct covey_process **at = &list;

	while (*at && *at != p)
		at = &(*at)->next;
	if (*at)
		*at = p->next;
	cvy_proc_free(p->slot);
	close(p->pidfd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

void cvy_children_sweep(void)
{
	struct covey_process *next;

	pthread_mutex_lock(&list_lock);
	for (struct covey_process *p = list; p; p = next) {
		next = p->next;
		if (p->freed && !p->held && ended(p))
			forget(p);
	}
	pthread_mutex_unlock(&list_lock);
}

void covey_process_free(covey_process *p)
{
	if (!p || p->incarnation != cvy_incarnation())
		return; /* the parent's: its memory here goes with this process */
	pthread_mutex_lock(&list_lock);
	p->freed = true;
	if (!p->held && ended(p))
		forget(p);
	pthread_mutex_unlock(&list_lock);
}

/* A child that has not ended, held so that its handle stays; NULL for none. */
static struct covey_process *hold_running(bool daemon)
{
	struct covey_process *p;

	pthread_mutex_lock(&list_lock);
	for (p = list; p && (p->daemon != daemon || ended(p)); p = p->next)
		;
	if (p)
		p->held++;
	pthread_mutex_unlock(&list_lock);
	return p;
}

static void let_go(struct covey_process *p)
{
	pthread_mutex_lock(&list_lock);
	if (--p->held == 0 && p->freed && ended(p))
		forget(p);
	pthread_mutex_unlock(&list_lock);
}

void cvy_children_end(void)
{
	struct covey_process *p;
	int64_t deadline;

	pthread_mutex_lock(&list_lock);
	for (p = list; p; p = p->next)
		if (p->daemon && !ended(p))
			covey_process_terminate(p);
	pthread_mutex_unlock(&list_lock);
	deadline = cvy_now() + GRACE;
	while ((p = hold_running(false))) {
		covey_process_join(p, COVEY_FOREVER);
		let_go(p);
	}
	while ((p = hold_running(true))) {
		if (covey_process_join(p, cvy_poll_ms(deadline)) < 0) {
			if (covey_process_kill(p) < 0) {
				let_go(p);
				break; /* it sees that we have ended */
			}
			covey_process_join(p, COVEY_FOREVER);
		}
		let_go(p);
	}
}

int covey_active_children_v(covey_process_info *infos, int cap, size_t size)
{
	int n = 0, rc = cvy_check_infos(infos, cap);
	covey_process_info info;

	if (rc < 0)
		return rc;
	if (!cvy_family_exists())
		return 0;
	pthread_mutex_lock(&list_lock);
	for (struct covey_process *p = list; p; p = p->next) {
		if (ended(p))
			continue;
		if (n < cap) {
			cvy_describe(cvy_proc(p->slot), &info);
			info.pid = p->pid;
			cvy_answer_nth(infos, n, &info, size);
		}
		n++;
	}
	pthread_mutex_unlock(&list_lock);
	return n;
}
