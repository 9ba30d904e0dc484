/* SPDX-License-Identifier: MIT */
#include "stepping.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covey/family.h>

#include "watch.h"

/* Waits for a thread to stop or end, the ticks aside; the wait status. */
static int await(pid_t tid)
{
	int status = 0;

	while (waitpid(tid, &status, __WALL) < 0 && errno == EINTR)
		;
	return status;
}

void stepping_me(void)
{
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
}

void stepping_child(struct stepping *s, pid_t pid)
{
	await(pid);
	*s = (struct stepping){.tid = pid, .pid = pid};
}

void stepping_run_to(struct stepping *s, struct waymark mark)
{
	if (mark.hits && breakpoint_set(s->tid, mark.at))
		s->ahead = mark;
}

/* How many instructions it has come by a stop on its way to a mark. */
static long come_closer(struct stepping *s)
{
	if (next_instruction(s->tid) != s->ahead.at || --s->ahead.hits)
		return 0;
	breakpoint_clear(s->tid);
	return s->ahead.steps;
}

enum stepped step(struct stepping *s)
{
	bool runs = s->ahead.hits;
	int status;
	pid_t pid;

	s->taken = 0;
	if (!s->sleeps &&
	    ptrace(runs ? PTRACE_CONT : PTRACE_SINGLESTEP, s->tid, NULL, (void *)(long)s->signal) <
	            0 &&
	    errno != ESRCH)
		return STEP_ENDED;
	s->signal = 0;
	for (;;) {
		pid = waitpid(s->tid, &status, __WALL);
		if (pid > 0)
			break;
		if (errno != EINTR) { /* reaped by somebody: it has ended */
			s->tid = 0;
			return STEP_ENDED;
		}
		if (thread_asleep(s->tid)) {
			s->sleeps = true;
			return STEP_SLEEPS;
		}
	}
	s->sleeps = false;
	if (WIFEXITED(status) || WIFSIGNALED(status)) {
		s->tid = 0;
		return STEP_ENDED;
	}
	if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
		s->signal = WSTOPSIG(status);
	s->taken = !runs ? 1 : WSTOPSIG(status) == SIGTRAP ? come_closer(s) : 0;
	return STEPPED;
}

void stepping_kill(struct stepping *s)
{
	int status;

	if (!s->tid)
		return;
	kill(s->pid, SIGKILL);
	/* Its parent is told once we have seen it end. */
	do
		status = await(s->tid);
	while (WIFSTOPPED(status));
	s->tid = 0;
}

/* ---- threads that are not ours */

/* The process of a thread. */
static pid_t process_of(pid_t tid)
{
	char path[64], text[2048], *at;
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof text - 1);
		close(fd);
	}
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, "\nTgid:");
	return at ? (pid_t)atoi(at + 6) : 0;
}

bool stepping_seize(struct stepping *s, pid_t tid)
{
	*s = (struct stepping){0};
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		return false;
	s->tid = tid;
	s->pid = process_of(tid);
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) < 0 || s->pid < 2)
		return false;
	if (WIFSTOPPED(await(tid)))
		return true;
	s->tid = 0;
	return false;
}

/* Waits for a stop, but not for ever; 0 where none came or the thread ended. */
static int await_stop(pid_t tid)
{
	struct patience patience = {0};
	int status = 0;

	for (; waitpid(tid, &status, __WALL | WNOHANG) == 0; usleep(20))
		if (in_vain(&patience, false, ASLEEP))
			return 0;
	return WIFSTOPPED(status) ? status : 0;
}

/* Lets it run until an event of ptrace's; whether it came. */
static bool run_until(pid_t tid, int event)
{
	int status, signal = 0;

	for (;;) {
		if (ptrace(PTRACE_CONT, tid, NULL, (void *)(long)signal) < 0)
			return false;
		status = await_stop(tid);
		if (!status)
			return false;
		if (status >> 8 == (SIGTRAP | event << 8))
			return true;
		signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
	}
}

bool stepping_to_sleep(struct stepping *s)
{
	struct __ptrace_syscall_info info;
	int status, signal = 0;

	if (ptrace(PTRACE_SETOPTIONS, s->tid, NULL, (void *)(long)PTRACE_O_TRACESYSGOOD) < 0)
		return false;
	for (;;) {
		if (ptrace(PTRACE_SYSCALL, s->tid, NULL, (void *)(long)signal) < 0)
			return false;
		status = await_stop(s->tid);
		if (!status)
			return false;
		signal = 0;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
			continue;
		}
		if (ptrace(PTRACE_GET_SYSCALL_INFO, s->tid, (void *)sizeof info, &info) <= 0)
			return false;
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY &&
		    is_futex_wait((long)info.entry.nr, info.entry.args[1]))
			return true;
	}
}

void stepping_let_go(struct stepping *s)
{
	if (s->tid)
		ptrace(PTRACE_DETACH, s->tid, NULL, NULL);
	s->tid = 0;
}

#ifdef __x86_64__
const bool stepping_images = true;

/* Where this program is loaded in a process. */
static uint64_t base_of(pid_t pid)
{
	char path[64], text[64];
	unsigned long base = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return sscanf(text, "%lx-", &base) == 1 ? base : 0;
}

/* Lets a fresh image of this program, stopped at its exec, run to covey_init. */
static bool run_to_init(pid_t pid)
{
	uint64_t at = base_of(pid) + ((uint64_t)(uintptr_t)covey_init - base_of(getpid()));
	struct user_regs_struct regs;
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)at, NULL);
	if (errno || ptrace(PTRACE_POKETEXT, pid, (void *)(uintptr_t)at,
	                    (void *)((word & ~0xffL) | 0xcc)) < 0)
		return false;
	if (!run_until(pid, 0) || ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0 ||
	    regs.rip != at + 1)
		return false;
	regs.rip = at;
	return ptrace(PTRACE_POKETEXT, pid, (void *)(uintptr_t)at, (void *)word) == 0 &&
	       ptrace(PTRACE_SETREGS, pid, NULL, &regs) == 0;
}
#else
const bool stepping_images = false;

static bool run_to_init(pid_t pid)
{
	(void)pid;
	return false;
}
#endif

bool stepping_newborn(struct stepping *s, volatile int *go, bool image)
{
	const long births = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK;
	int event = image ? PTRACE_EVENT_VFORK : PTRACE_EVENT_FORK;
	pid_t parent = s->tid;
	unsigned long born = 0;
	bool there;

	if (ptrace(PTRACE_SETOPTIONS, parent, NULL, (void *)(births | PTRACE_O_TRACEEXEC)) < 0)
		return false;
	*go = 1;
	there = run_until(parent, event) && ptrace(PTRACE_GETEVENTMSG, parent, NULL, &born) == 0 &&
	        born > 1;
	if (there) {
		s->tid = s->pid = (pid_t)born;
		there = await_stop(s->tid) != 0;
	}
	ptrace(PTRACE_DETACH, parent, NULL, NULL);
	if (!there)
		return false;
	if (image && (!run_until(s->tid, PTRACE_EVENT_EXEC) || !run_to_init(s->tid)))
		return false;
	return ptrace(PTRACE_SETOPTIONS, s->tid, NULL, NULL) == 0;
}
