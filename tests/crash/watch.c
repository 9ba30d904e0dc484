/* SPDX-License-Identifier: MIT */
#include "watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void tick(int signal)
{
	(void)signal;
}

void watch_begin(void)
{
	struct sigaction action = {.sa_handler = tick}; /* waitpid is not to go on after it */
	struct itimerval each = {{0, 2000}, {0, 2000}};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &each, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static bool read_proc(pid_t pid, const char *file, char *text, size_t cap)
{
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, cap - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* The letter of a process's or thread's state, 0 where it is gone. */
static char state_of(pid_t pid)
{
	char text[512], *p;

	if (!read_proc(pid, "stat", text, sizeof text) || !(p = strrchr(text, ')')))
		return 0;
	return p[2];
}

bool thread_asleep(pid_t tid)
{
	return state_of(tid) == 'S';
}

#ifndef SYS_futex_waitv /* headers may lack it */
#define SYS_futex_waitv 449
#endif

bool is_futex_wait(long number, unsigned long op)
{
	if (number == SYS_futex_waitv)
		return true;
	if (number != SYS_futex)
		return false;
	op &= FUTEX_CMD_MASK;
	return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET || op == FUTEX_LOCK_PI;
}

bool asleep(pid_t pid)
{
	unsigned long address, op;
	char text[512];
	long number;

	/* On its way out of the call it is still shown in it, but no longer sleeping. */
	if (state_of(pid) != 'S')
		return false;
	if (!read_proc(pid, "syscall", text, sizeof text) ||
	    sscanf(text, "%ld %lx %lx", &number, &address, &op) != 3)
		return false;
	return is_futex_wait(number, op);
}

bool goes_on(volatile int *flag, pid_t pid)
{
	double since = now(), slept = 0;

	while (!*flag) {
		double t = now();

		if (asleep(pid)) {
			if (!slept)
				slept = t;
			if (t - slept > ASLEEP)
				return *flag;
		} else {
			slept = 0;
			if (t - since > PATIENCE)
				return *flag;
		}
		usleep(20);
	}
	return true;
}

bool falls_asleep(pid_t pid, volatile int *done)
{
	double since = now();

	while (!asleep(pid)) {
		if (*done || now() - since > PATIENCE)
			return false;
		sched_yield();
	}
	return true;
}

void end_process(pid_t pid)
{
	if (pid <= 1)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

/* ---- all of them */

/* What is seen of a process's descendants: how many live, and whether one is awake. */
struct sight {
	int alive;
	bool awake;
	int signal; /* sent to each, 0 for none */
};

/*
 * A process and its descendants. Children are listed by the thread that made
 * them, those that came here as orphans by the first.
 */
static void look(pid_t pid, bool self, struct sight *sight)
{
	char path[64], children[4096], *at, *next;
	struct dirent *entry;
	bool alive = false;
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		pid_t tid = (pid_t)atoi(entry->d_name);
		char state = tid > 0 ? state_of(tid) : 0;

		if (state && !self) {
			alive |= state != 'Z' && state != 'X';
			sight->awake |= !strchr("SZXTt", state);
		}
		snprintf(path, sizeof path, "task/%d/children", (int)tid);
		if (!state || !read_proc(pid, path, children, sizeof children))
			continue;
		for (at = children; *at; at = next) {
			pid_t child = (pid_t)strtol(at, &next, 10);

			if (next == at)
				break;
			look(child, false, sight);
		}
	}
	if (dir)
		closedir(dir);
	sight->alive += alive;
	if (alive && sight->signal)
		kill(pid, sight->signal);
}

static struct sight look_round(int signal)
{
	struct sight sight = {.signal = signal};

	look(getpid(), true, &sight);
	return sight;
}

bool all_go_on(volatile int *flag, double still)
{
	double since = now(), slept = 0;

	while (!*flag) {
		double t = now();

		if (t - since < 0.005) { /* most are done by then */
			usleep(20);
			continue;
		}
		if (look_round(0).awake)
			slept = 0;
		else if (!slept)
			slept = t;
		if ((slept && t - slept > still) || t - since > PATIENCE)
			return *flag;
		usleep(200);
	}
	return true;
}

/* Reaps who has ended; whether there are more. */
static bool more_children(void)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG | __WALL)) > 0)
		;
	return pid == 0;
}

bool all_gone(double still)
{
	double since = now(), slept = 0;
	bool gone = true;

	while (more_children()) {
		double t = now();

		if (t - since < 0.005) {
			usleep(20);
			continue;
		}
		if (look_round(0).awake)
			slept = 0;
		else if (!slept)
			slept = t;
		if ((slept && t - slept > still) || t - since > PATIENCE) {
			gone = false;
			look_round(SIGKILL);
		}
		usleep(200);
	}
	return gone;
}
