/* SPDX-License-Identifier: MIT */
/* What tests call. */
#include "support/harness.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "support/runner.h"

#define TEST_MS 30000

FILE *report;
bool objects_stay;

const covey_method harness_methods[3] = {COVEY_FORK, COVEY_SPAWN, COVEY_FORKSERVER};

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t test_ms(void)
{
	const char *given = getenv("HARNESS_TIMEOUT");
	double factor = given ? strtod(given, NULL) : 1;

	return (int64_t)(TEST_MS * (factor > 0 && factor < 1e6 ? factor : 1));
}

bool harness_wait(struct harness_patience *patience)
{
	if (!patience->until)
		patience->until = now_ms() + test_ms() / 2;
	usleep(200);
	return now_ms() < patience->until;
}

void harness_kill(pid_t pid, int signal)
{
	if (pid < 2) {
		fprintf(stderr, "harness: refusing kill(%d)\n", (int)pid);
		abort();
	}
	kill(pid, signal);
}

void harness_skip(const char *why)
{
	fprintf(report, "%s\n", why);
	fflush(report);
	_exit(EXIT_SKIPPED);
}

void harness_objects_stay(void)
{
	objects_stay = true;
}

bool harness_exists(pid_t pid)
{
	char state = state_of(pid);

	return state && state != 'Z' && state != 'X';
}

bool harness_stopped(pid_t pid)
{
	return state_of(pid) == 'T';
}

#define FUTEX_WAITV 449 /* which headers may lack */

bool harness_asleep(pid_t pid)
{
	unsigned long address, op;
	char path[64], text[256];
	long number;

	snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
	if (state_of(pid) != 'S' || !read_text(path, text, sizeof text) ||
	    sscanf(text, "%ld %lx %lx", &number, &address, &op) != 3)
		return false;
	if (number == FUTEX_WAITV)
		return true;
	if (number != SYS_futex)
		return false;
	op &= FUTEX_CMD_MASK;
	return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET || op == FUTEX_LOCK_PI;
}
