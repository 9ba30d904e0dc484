/* SPDX-License-Identifier: MIT */
#include "stepper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena/arena.h"
#include "arena/layout.h"

struct board *board;

/* How long a survivor that is not seen asleep may take before we call it stuck. */
#define PATIENCE 5.0
/* How long one that is asleep is looked at before we believe that nobody will wake it. */
#define ASLEEP 0.2

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void make_message(unsigned char *to, size_t len, uint32_t id)
{
	for (size_t i = 4; i < len; i++)
		to[i] = (unsigned char)(id * 131 + i * 7 + (i >> 8));
	memcpy(to, &id, 4);
}

bool whole_message(const unsigned char *from, size_t len, uint32_t *id)
{
	memcpy(id, from, 4);
	for (size_t i = 4; i < len; i++)
		if (from[i] != (unsigned char)(*id * 131 + i * 7 + (i >> 8)))
			return false;
	return true;
}

static void end(pid_t pid)
{
	if (pid > 1)
		kill(pid, SIGKILL);
	if (pid > 1)
		waitpid(pid, NULL, __WALL);
}

static bool read_proc(pid_t pid, const char *file, char *text, size_t cap)
{
	char path[64];
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

/* Whether a process is blocked waiting for a futex (and not on its way to wake one). */
static bool asleep(pid_t pid)
{
	unsigned long address, op;
	char text[512], *p;
	long number;

	/* On its way out of the call it is still shown in it, but no longer sleeping. */
	if (!read_proc(pid, "stat", text, sizeof text) || !(p = strrchr(text, ')')) || p[2] != 'S')
		return false;
	if (!read_proc(pid, "syscall", text, sizeof text) ||
	    sscanf(text, "%ld %lx %lx", &number, &address, &op) != 3 || number != SYS_futex)
		return false;
	op &= FUTEX_CMD_MASK;
	return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET || op == FUTEX_LOCK_PI;
}

static pid_t child(void)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("fork");
		_exit(99);
	}
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static pid_t start_helper(int slot, int (*call)(struct world *, uint32_t *), struct world *w)
{
	pid_t pid = child();

	if (pid == 0) {
		uint32_t got = 0;

		board->rc[slot] = call(w, &got);
		board->got[slot] = got;
		board->done[slot] = 1;
		_exit(0);
	}
	return pid;
}

/* Waits until *flag is set; false once its process sleeps and goes on sleeping. */
static bool goes_on(volatile int *flag, pid_t pid)
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

static bool falls_asleep(pid_t pid, volatile int *done)
{
	double since = now();

	while (!asleep(pid)) {
		if (*done || now() - since > PATIENCE)
			return false;
		sched_yield();
	}
	return true;
}

struct run {
	const struct crash_case *c;
	struct world world;
	pid_t victim, contender, waker;
	pid_t sleeper[HELPERS];
	int started;
	long steps;
	bool complete; /* the call ended before instruction k */
};

static bool start_sleepers(struct run *r)
{
	for (; r->started < r->c->sleepers; r->started++) {
		r->sleeper[r->started] = start_helper(r->started, r->c->sleeper, &r->world);
		if (!falls_asleep(r->sleeper[r->started], &board->done[r->started])) {
			r->started++;
			return false;
		}
	}
	return true;
}

static void start_victim(struct run *r)
{
	int status;

	r->victim = child();
	if (r->victim == 0) {
		cvy_self(); /* joins the family before the call that is swept */
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		board->phase = 1;
		r->c->call(&r->world);
		board->phase = 2;
		_exit(0);
	}
	waitpid(r->victim, &status, 0);
}

/* Whether the victim, stopped now, holds a lock that a contender would wait for. */
static bool holds_lock(struct run *r)
{
	uint32_t *word[3] = {NULL, NULL, NULL};
	struct cvy_object *object = cvy_object(r->world.q.id, CVY_QUEUE);

	if (object && object->region) {
		/* The two locks of the control block, by their place in struct queue. */
		word[0] = cvy_at(object->region + 128, 4);
		word[1] = cvy_at(object->region + 256, 4);
	}
	object = cvy_object(r->world.lock.id, CVY_LOCK);
	if (object)
		word[2] = (uint32_t *)&object->mutex;
	for (int i = 0; i < 3; i++)
		if (word[i] && (*word[i] & 0x3fffffff) == (uint32_t)r->victim)
			return true;
	return false;
}

static int contend(struct world *w, uint32_t *got);
static void (*contended_call)(struct world *);
static int contend(struct world *w, uint32_t *got)
{
	(void)got;
	contended_call(w);
	return 0;
}

/* Steps the victim k instructions into its call. NULL, or why that could not be done. */
static const char *step_to(struct run *r, long k)
{
	bool woken = false;
	int status;

	for (;;) {
		long spins = 0;
		pid_t pid;

		if (board->phase == 1 && r->steps >= k)
			return NULL;
		if (board->phase == 2) {
			r->complete = true;
			return NULL;
		}
		if (ptrace(PTRACE_SINGLESTEP, r->victim, NULL, NULL) < 0)
			return "ptrace failed";
		while ((pid = waitpid(r->victim, &status, WNOHANG | __WALL)) == 0) {
			if (++spins < 1000 || !asleep(r->victim)) {
				if (spins > 20000000)
					return "victim stuck in setting up";
				continue;
			}
			if (!r->c->sleeps || woken)
				return "victim sleeps where nobody wakes it";
			woken = true;
			if (r->steps + 1 == k) { /* killed while it sleeps */
				r->steps++;
				return NULL;
			}
			if (!start_sleepers(r))
				return "setup: a sleeper did not sleep";
			r->waker = start_helper(HELPERS - 1, r->c->waker, &r->world);
			if (!goes_on(&board->done[HELPERS - 1], r->waker))
				return "the waker is stuck";
		}
		if (pid < 0 || WIFEXITED(status) || WIFSIGNALED(status)) {
			r->victim = 0;
			r->complete = true;
			return NULL;
		}
		if (board->phase == 1)
			r->steps++;
		if (r->c->contended && !r->contender && board->phase == 1 && holds_lock(r)) {
			contended_call = r->c->call;
			r->contender = start_helper(HELPERS - 2, contend, &r->world);
			falls_asleep(r->contender, &board->done[HELPERS - 2]);
		}
	}
}

/* The sleepers that should have gone on have; else why. */
static const char *all_awake(struct run *r)
{
	double since = now(), still = 0;

	for (;;) {
		int done = 0, must = r->c->awake ? r->c->awake(&r->world) : 0;
		bool sleeping = true;
		double t = now();

		for (int i = 0; i < r->started; i++) {
			done += board->done[i];
			sleeping &= board->done[i] || asleep(r->sleeper[i]);
		}
		if (done >= must || done == r->started)
			return NULL;
		if (!sleeping)
			still = 0;
		else if (!still)
			still = t;
		else if (t - still > ASLEEP)
			return "lost wake-up: it could go on, and sleeps";
		if (t - since > PATIENCE)
			return "a sleeper does not go on";
		usleep(20);
	}
}

static const char *check_in_survivor(struct run *r)
{
	pid_t pid = child();

	if (pid == 0) {
		const char *why = r->c->check(&r->world, board);

		if (why)
			snprintf(board->why, sizeof board->why, "%s (%s)", why, covey_errmsg());
		board->checked = why ? -1 : 1;
		_exit(0);
	}
	if (!goes_on(&board->checked, pid)) {
		end(pid);
		return "a survivor is stuck";
	}
	waitpid(pid, NULL, 0);
	return board->checked < 0 ? board->why : NULL;
}

static uint64_t held(void)
{
	return atomic_load(&cvy_header()->used) - atomic_load(&cvy_header()->warm_bytes);
}

static void finding(struct result *result, long *kind, long k, const char *why)
{
	(*kind)++;
	if (!result->why[0]) {
		snprintf(result->why, sizeof result->why, "%s", why);
		result->at = k;
	}
}

/* One kill after k instructions; true when the call was over before. */
static bool kill_at(const struct crash_case *c, long k, struct result *result)
{
	struct run r = {.c = c};
	const char *why;
	double since;

	memset(board, 0, sizeof *board);
	c->setup(&r.world);
	if (!c->sleeps && !start_sleepers(&r)) {
		finding(result, &result->wedged, k, "setup: a sleeper did not sleep");
	} else {
		start_victim(&r);
		why = step_to(&r, k);
		end(r.victim);
		since = now();
		if (!why && r.contender && !goes_on(&board->done[HELPERS - 2], r.contender))
			why = "the contender is stuck";
		if (!why)
			why = all_awake(&r);
		/* Those who rightly sleep on would take what the survivor puts. */
		for (int i = 0; i < r.started; i++)
			end(r.sleeper[i]);
		r.started = 0;
		if (!why)
			why = check_in_survivor(&r);
		if (why)
			finding(result, board->torn ? &result->torn : &result->wedged, k, why);
		if ((now() - since) * 1e3 > result->slowest_ms)
			result->slowest_ms = (now() - since) * 1e3;
	}
	for (int i = 0; i < r.started; i++)
		end(r.sleeper[i]);
	end(r.contender);
	end(r.waker);
	c->teardown(&r.world);
	result->kills++;
	if (r.steps > result->steps)
		result->steps = r.steps;
	return r.complete;
}

void sweep(const struct crash_case *c, long stride, struct result *result)
{
	covey_usage usage;
	uint64_t before;

	if (covey_usage_get(&usage) < 0)
		return;
	snprintf(result->name, sizeof result->name, "%s", c->name);
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	             0);
	if (board == MAP_FAILED)
		return;
	/* Once unharmed, so that what is kept for good (control blocks) is there. */
	kill_at(c, INT32_MAX, result);
	result->kills = 0;
	for (long k = 0;; k += stride) {
		bool complete;

		before = held();
		complete = kill_at(c, k, result);
		if (held() > before + c->may_stay)
			finding(result, &result->leaked, k, "memory is held by nobody");
		if (complete || result->wedged + result->torn > 20)
			break;
	}
	munmap(board, sizeof *board);
}
