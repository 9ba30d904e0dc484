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

void end_process(pid_t pid)
{
	if (pid <= 1)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

/* ---- all of them */

/* What is seen of a process's descendants. */
struct sight {
	int alive;    /* how many */
	bool awake;   /* one of them at least */
	uint64_t ran; /* by those who live, ns */
	int signal;   /* sent to each, 0 for none */
};

/* For how long a thread has had a core, ns. */
static uint64_t ran(pid_t tid)
{
	char text[128];

	return read_proc(tid, "schedstat", text, sizeof text) ? strtoull(text, NULL, 10) : 0;
}

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
			sight->ran += ran(tid);
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

/* ---- waiting for them */

/* Most are done by then, which saves us a look. */
#define SOON 0.003
/* Of looks that are further apart, and between which somebody ran, no more than that counts. */
#define APART 0.02

/* asleep: those who matter are; NULL for all. */
static bool look_again(struct patience *p, const bool *asleep, double still)
{
	struct sight sight;
	double t = now(), passed = p->last ? t - p->last : 0;
	bool could_run;

	if (!p->since)
		p->since = t;
	if (t - p->since < SOON)
		return false;
	sight = look_round(0);
	/* Who is awake and has not run waits for a core. */
	could_run = !sight.awake || sight.ran > p->ran;
	if (passed > APART && sight.ran != p->ran)
		passed = APART;
	p->last = t;
	p->ran = sight.ran;
	if (could_run)
		p->spent += passed;
	if (asleep ? !*asleep : sight.awake)
		p->quiet = 0;
	else if (could_run && !sight.awake)
		p->quiet += passed;
	return p->quiet > still || p->spent > PATIENCE;
}

bool in_vain(struct patience *p, bool asleep, double still)
{
	return look_again(p, &asleep, still);
}

bool goes_on(volatile int *flag, pid_t pid)
{
	struct patience patience = {0};

	for (; !*flag; usleep(20))
		if (in_vain(&patience, asleep(pid), ASLEEP))
			return *flag;
	return true;
}

bool falls_asleep(pid_t pid, volatile int *done)
{
	struct patience patience = {0};

	for (; !asleep(pid); sched_yield())
		if (*done || in_vain(&patience, false, ASLEEP))
			return false;
	return true;
}

bool all_go_on(volatile int *flag, double still)
{
	struct patience patience = {0};

	for (; !*flag; usleep(20))
		if (look_again(&patience, NULL, still))
			return *flag;
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
	struct patience patience = {0};
	bool gone = true;

	for (; more_children(); usleep(20)) {
		if (!look_again(&patience, NULL, still))
			continue;
		gone = false;
		look_round(SIGKILL);
	}
	return gone;
}
