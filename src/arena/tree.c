/* SPDX-License-Identifier: MIT */
/*
 * Who descends from whom in the process table, and a signal to all of them.
 *
 * Under the table lock no process can be begun. One that is STARTING has perhaps
 * been forked already, but nobody knows its pid: the signal is left in its slot
 * for it. It is RUNNING first and looks there then; who leaves it there looks
 * after that whether it is RUNNING now. So at least one of them sees the other,
 * and who takes the signal out delivers it.
 */
#include "arena/layout.h"

#include <signal.h>
#include <unistd.h>

/* The walk up ends at the root, at a slot that is another's by now, or here. */
#define DEPTH CVY_PROCS

static bool descends(uint32_t index, uint32_t from, uint32_t generation)
{
	for (uint32_t depth = 0; depth < DEPTH; depth++) {
		uint64_t word = atomic_load(&cvy_proc(index)->tree);
		uint32_t up = (uint32_t)word, up_generation = (uint32_t)(word >> 32);
		struct cvy_proc *ancestor = cvy_proc(up);

		if (!ancestor || ancestor->generation != up_generation)
			return false;
		if (up == from)
			return up_generation == generation;
		index = up;
	}
	return false;
}

/* The pidfd of a RUNNING process; -ESRCH where it has ended. */
static int open_running(uint32_t index, uint32_t generation)
{
	int fd = cvy_pidfd_open(atomic_load(&cvy_proc(index)->pid));

	if (fd < 0)
		return fd;
	/* Asked only now: alive after, it was that pid's when it was opened. */
	if (cvy_proc_alive(index, generation))
		return fd;
	close(fd);
	return -ESRCH;
}

static int signal_running(uint32_t index, uint32_t generation, int signal)
{
	struct cvy_proc *proc = cvy_proc(index);
	int fd = open_running(index, generation), rc = fd;

	if (fd >= 0) {
		rc = cvy_pidfd_signal(fd, signal);
		close(fd);
	}
	if (rc == 0 || rc == -ESRCH)
		return rc == 0;
	return cvy_fail(-rc, "process '%s' (pid %d): signal %d: %s", proc->name,
	                (int)atomic_load(&proc->pid), signal, covey_strerror(rc));
}

/* 1: it gets the signal; 0: it has ended, or has one left for it already; -errno in words. */
static int signal_one(uint32_t index, int signal)
{
	struct cvy_proc *proc = cvy_proc(index);
	uint32_t state = atomic_load(&proc->state);

	if (state == CVY_PROC_STARTING) {
		uint8_t before = atomic_load(&proc->doom);

		if (before != SIGKILL) /* which nothing takes back */
			atomic_store(&proc->doom, (uint8_t)signal);
		state = atomic_load(&proc->state);
		if (state == CVY_PROC_STARTING || !atomic_exchange(&proc->doom, 0))
			return before == 0;
	}
	return state == CVY_PROC_RUNNING ? signal_running(index, proc->generation, signal) : 0;
}

int cvy_proc_signal_tree(uint32_t index, uint32_t generation, int signal, uint32_t *seen)
{
	int n = 0, failed = 0, rc = cvy_lock_procs(cvy_header());

	if (rc < 0)
		return rc;
	for (uint32_t i = 1, last = cvy_proc_last(); i <= last; i++) {
		struct cvy_proc *proc = cvy_proc(i);
		uint32_t state = atomic_load(&proc->state);

		if (state == CVY_PROC_FREE || state == CVY_PROC_ENDED ||
		    seen[i] == proc->generation || !descends(i, index, generation))
			continue;
		seen[i] = proc->generation;
		rc = signal_one(i, signal);
		if (rc < 0)
			failed = rc;
		else
			n += rc;
	}
	cvy_mutex_unlock(&cvy_header()->proc_lock);
	return failed ? failed : n;
}

int cvy_proc_tree_pidfd(const uint32_t *seen)
{
	for (uint32_t i = 1, last = cvy_proc_last(); i <= last; i++) {
		int fd;

		if (!seen[i] || atomic_load(&cvy_proc(i)->state) != CVY_PROC_RUNNING)
			continue;
		fd = open_running(i, seen[i]);
		if (fd != -ESRCH)
			return fd;
	}
	return -ESRCH;
}
