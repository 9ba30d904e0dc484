/* SPDX-License-Identifier: MIT */
/* Processes at work, and one that looks at how far they got. */
#include "bench.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEGIN_WITHIN 5.0 /* seconds */

void bench_crew(struct crew *crew)
{
	*crew = (struct crew){.counters = bench_shared(16 * COUNTER_STEP * sizeof(uint64_t))};
}

void bench_enlist(struct crew *crew, bench_job *job, void *context, int index)
{
	int pid = fork();

	if (pid < 0)
		bench_fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		job(context, index, &crew->counters[crew->n * COUNTER_STEP]);
		_exit(1);
	}
	crew->pids[crew->n++] = pid;
}

static void rest(double seconds)
{
	struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};

	nanosleep(&t, NULL);
}

/* Where all run at real-time priority, who looks on must get a core in time. */
static void step_up(void)
{
	struct sched_param param;
	int policy = sched_getscheduler(0);

	if (policy != SCHED_RR && policy != SCHED_FIFO)
		return;
	sched_getparam(0, &param);
	param.sched_priority++;
	sched_setscheduler(0, policy, &param);
}

/* In the kernel, reaping may wait for one that a higher priority would keep from its core. */
static void step_down(void)
{
	const struct sched_param param = {0};

	sched_setscheduler(0, SCHED_OTHER, &param);
}

/* Until one of them has begun: some peers take their time to find each other. */
static void wait_for_first(const struct crew *crew)
{
	for (double until = bench_now() + BEGIN_WITHIN; bench_now() < until; rest(0.001))
		for (int i = 0; i < crew->n; i++)
			if (crew->counters[i * COUNTER_STEP])
				return;
	bench_fail("nothing came");
}

double bench_watch(struct crew *crew, const struct plan *plan, uint64_t *counts)
{
	double since;

	step_up();
	wait_for_first(crew);
	rest(plan->warm);
	since = bench_now();
	for (int i = 0; i < crew->n; i++)
		counts[i] = crew->counters[i * COUNTER_STEP];
	rest(plan->window);
	for (int i = 0; i < crew->n; i++)
		counts[i] = crew->counters[i * COUNTER_STEP] - counts[i];
	since = bench_now() - since;
	for (int i = 0; i < crew->n; i++)
		if (waitpid(crew->pids[i], NULL, WNOHANG) != 0)
			bench_fail("a process ended before its time");
	for (int i = 0; i < crew->n; i++)
		kill(crew->pids[i], SIGKILL);
	step_down();
	for (int i = 0; i < crew->n; i++)
		waitpid(crew->pids[i], NULL, 0);
	return since;
}
