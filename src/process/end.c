/* SPDX-License-Identifier: MIT */
/* Several processes at once; the end of one, or of all that descend from it, in a single call. */
#include "process/internal.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* How often those that have come since are looked for, where they may go on starting others. */
#define PASSES 100
/* How long one that was killed may take to end, before it is no longer waited for. */
#define KILL_WAIT (5000 * CVY_MS)

static int check(covey_process *const *processes, int n)
{
	if (n < 0 || (n && !processes))
		return cvy_fail(EINVAL, "process: no handles were given");
	return 0;
}

int covey_process_join_all(covey_process *const *processes, int n, int timeout_ms)
{
	int rc = check(processes, n), left = timeout_ms;
	int64_t deadline;

	if (rc < 0)
		return rc;
	deadline = cvy_deadline(timeout_ms);
	for (int i = 0; i < n; i++) {
		if (!processes[i])
			continue;
		if (timeout_ms > 0)
			left = cvy_poll_ms(deadline);
		rc = covey_process_join(processes[i], left);
		if (rc == -EAGAIN)
			return cvy_timed_out(timeout_ms,
			                     "process '%s' (pid %d), %d of %d: still running",
			                     covey_process_name(processes[i]),
			                     (int)covey_process_pid(processes[i]), i + 1, n);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int covey_process_finish(covey_process **processes, int n)
{
	int rc = covey_process_join_all(processes, n, COVEY_FOREVER), bad = 0;

	if (rc < 0)
		return rc;
	for (int i = 0; i < n; i++) {
		if (!processes[i])
			continue;
		bad += covey_process_exit_code(processes[i]) != 0;
		covey_process_free(processes[i]);
		processes[i] = NULL;
	}
	return bad;
}

int covey_process_end(covey_process *p, int grace_ms)
{
	int rc = 0;

	if (!p)
		return 0;
	if (grace_ms != 0) {
		rc = covey_process_terminate(p);
		if (rc == 0)
			rc = covey_process_join(p, grace_ms);
	}
	if (grace_ms == 0 || rc == -ETIMEDOUT) {
		rc = covey_process_kill(p);
		if (rc == 0)
			rc = covey_process_join(p, COVEY_FOREVER);
	}
	if (rc < 0)
		return rc;
	rc = covey_process_exit_code(p);
	covey_process_free(p);
	return rc;
}

/* Waits until all that were killed have ended: until then they may be starting others. */
static void await_killed(const uint32_t *seen)
{
	int64_t deadline = cvy_now() + KILL_WAIT;
	int fd;

	while (cvy_now() < deadline && (fd = cvy_proc_tree_pidfd(seen)) >= 0) {
		struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

		cvy_poll(&poll_fd, 1, cvy_poll_ms(deadline));
		close(fd);
	}
}

/* The descendants, again and again until none is new. How many, or -errno. */
static int signal_descendants(covey_process *p, int signal, uint32_t *seen)
{
	int all = 0, n, failed = 0;

	for (int pass = 0; signal == SIGKILL || pass < PASSES; pass++) {
		n = cvy_proc_signal_tree(p->slot, p->generation, signal, seen);
		if (n < 0)
			failed = n;
		else if (n == 0)
			break;
		else
			all += n;
		if (signal == SIGKILL)
			await_killed(seen);
		if (failed)
			return failed;
	}
	return all;
}

int covey_process_signal_tree(covey_process *p, int signal)
{
	const size_t bytes = CVY_PROCS * sizeof(uint32_t);
	int alive = covey_process_alive(p), rc, n;
	uint32_t *seen;

	if (alive < 0)
		return alive;
	if (signal < 1 || signal > SIGRTMAX)
		return cvy_fail(EINVAL, "process '%s': %d is no signal", p->name, signal);
	/* Of which only the first page is needed, as a rule. */
	seen = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (seen == MAP_FAILED)
		return cvy_fail(ENOMEM, "process '%s': no memory to signal its descendants",
		                p->name);
	rc = covey_process_signal(p, signal);
	n = signal_descendants(p, signal, seen);
	if (rc == 0 && signal == SIGKILL) {
		covey_process_join(p, (int)(KILL_WAIT / CVY_MS));
		if (n >= 0) /* what it has begun in its last moments */
			n += signal_descendants(p, signal, seen);
	}
	munmap(seen, bytes);
	return rc < 0 ? rc : n < 0 ? n : n + alive;
}
