/* SPDX-License-Identifier: MIT */
/*
 * Children of this process, by pidfd. The program may reap children too, by
 * wait() or by ignoring SIGCHLD: then how they ended is known from what they
 * recorded themselves.
 */
#include "process/internal.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int cvy_child_pidfd(pid_t pid)
{
	int fd = cvy_pidfd_open(pid), ended;
	siginfo_t info;

	if (fd < 0 && fd != -ESRCH)
		return fd;
	if (fd >= 0) {
		if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ||
		    errno != ECHILD)
			return fd;
		close(fd); /* of another process, which got its pid */
	}
	ended = eventfd(1, EFD_CLOEXEC);
	return ended < 0 ? -errno : ended;
}

int cvy_pidfd_place(void)
{
	int fd = cvy_pidfd_open(getpid()), rc;
	siginfo_t info;

	if (fd < 0 || waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) == 0 || errno == ECHILD)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

void cvy_child_discard(pid_t pid)
{
	siginfo_t info;

	/* Still ours and not reaped, so the pid is its own. */
	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return;
	kill(pid, SIGKILL);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) < 0 && errno == EINTR)
		;
}

int cvy_proc_reap(uint32_t slot, int pidfd)
{
	return cvy_proc_reap_within(slot, pidfd, RECORD_WAIT);
}

int cvy_proc_reap_within(uint32_t slot, int pidfd, int64_t patience)
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
	deadline = cvy_now() + patience;
	for (;;) {
		uint32_t state = atomic_load(&proc->state);

		if (state == CVY_PROC_ENDED)
			return atomic_load(&proc->exit_status);
		code = atomic_load(&proc->exit_code);
		if (code >= 0)
			return (code & 0xff) << 8;
		if (cvy_now() >= deadline)
			return cvy_pidfd_status(pidfd, atomic_load(&proc->pid));
		cvy_proc_await(proc, state, cvy_now() + 20 * CVY_MS);
	}
}
