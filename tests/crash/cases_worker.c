/* SPDX-License-Identifier: MIT */
/*
 * What runs a pool's tasks: a worker from its birth to its end, a nursery, a
 * supervisor, each killed at every instruction of what a death or a task asks of
 * it.
 */
#include "cases.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "swept_pool.h"

#define TASKS_MOST_HERE 16

static int called; /* callbacks that were run */

static void count_call(covey_future *f, void *context)
{
	(void)f;
	(void)context;
	__atomic_add_fetch(&called, 1, __ATOMIC_SEQ_CST);
}

/* ---- the actor's tasks */

struct round {
	covey_task_fn *fn;
	int tasks;
	int may_die;   /* tasks that the victim may take with it */
	bool watching; /* not waiting, which wakes other workers */
	pid_t stopped; /* a worker that is stopped until another has claimed a task: */
	int first;     /* which one that is, the victim */
};

/* Lets the victim be the first to claim, and another go for the rest. */
static void let_claim_first(const struct round *round, covey_future *first)
{
	while (!board->dead && !atomic_load(&pool->shared->worker[round->first].current) &&
	       !covey_future_done(first))
		usleep(20);
	kill(round->stopped, SIGCONT);
}

/* NULL where a future that is done has what it should; *died where its worker died. */
static const char *look_at(covey_future *f, covey_task_fn *fn, uint64_t n, int *died)
{
	static uint64_t result[LARGE];
	covey_failure failure;
	int64_t len = covey_future_result(f, result, sizeof result, COVEY_FOREVER);

	if (len == -EOWNERDEAD) {
		++*died;
		return covey_future_failure(f, &failure) < 0 || failure.kind != COVEY_WORKER_DIED
		               ? "a death is not told as one"
		               : NULL;
	}
	if (fn == fail)
		return len == -EREMOTEIO ? NULL : "a failure is not told as one";
	if (len != (int64_t)sizeof n * (fn == work_large ? LARGE : 1))
		return "a task fails";
	for (uint64_t i = 0; i < (uint64_t)len / sizeof n; i++)
		if (result[i] != result_of(n + i)) {
			board->torn = 1;
			return "a wrong result";
		}
	return NULL;
}

static const char *play_round(const struct round *round)
{
	covey_future *futures[TASKS_MOST_HERE];
	const char *why = NULL;
	int died = 0, calls = called;

	for (int i = 0; i < round->tasks; i++) {
		futures[i] = submit(round->fn, (uint64_t)i * 100);
		if (!futures[i] || covey_future_on_done(futures[i], count_call, NULL) < 0)
			return "submit fails";
	}
	if (round->stopped)
		let_claim_first(round, futures[0]);
	for (int i = 0; round->watching && i < round->tasks; i++)
		while (!covey_future_done(futures[i]))
			usleep(50);
	for (int i = 0; !why && i < round->tasks; i++)
		why = look_at(futures[i], round->fn, (uint64_t)i * 100, &died);
	for (int i = 0; i < round->tasks; i++)
		covey_future_free(futures[i]);
	while (!why && called < calls + round->tasks) /* in a thread of the pool's */
		usleep(50);
	if (!why && called > calls + round->tasks)
		why = "a future was done twice";
	if (!why && died > round->may_die)
		why = "more tasks died than were run by the victim";
	return why;
}

/* A round that the victim is part of, one without it, and the end of the pool. */
static const char *play_rounds(const struct round *with)
{
	struct round without = {.fn = with->fn, .tasks = with->tasks};
	const char *why = play_round(with);

	if (why)
		return why;
	scene_settled();
	why = play_round(&without);
	return why ? why : end_pool();
}

/* ---- workers */

static const char *worker_scene(int workers, int retries, covey_task_fn *fn, int tasks)
{
	struct round round = {.fn = fn, .tasks = tasks, .may_die = retries ? 0 : 1};

	open_pool(workers, retries);
	await_idle();
	board->victim = pool->crew[0].pid;
	round.watching = workers > 1;
	if (tasks > 1) {
		round.stopped = pool->crew[1].pid;
		kill(round.stopped, SIGSTOP);
	}
	scene_ready();
	return play_rounds(&round);
}

static const char *worker_alone(void)
{
	return worker_scene(1, 0, work, 1);
}

static const char *worker_beside_idle(void)
{
	return worker_scene(3, 0, work, 1);
}

static const char *worker_contended(void)
{
	return worker_scene(2, 0, work, 8);
}

/* Woken though another is awake already, which is as many as there are cores; it wakes a third. */
static const char *worker_extra(void)
{
	struct round round = {.fn = work, .tasks = 8, .may_die = 1, .watching = true, .first = 1};

	open_pool(3, 0);
	await_idle();
	pool->shared->cores = 1;
	pool->shared->extra_others = 1;
	board->victim = pool->crew[1].pid;
	round.stopped = pool->crew[0].pid;
	kill(round.stopped, SIGSTOP);
	scene_ready();
	return play_rounds(&round);
}

static const char *worker_retried(void)
{
	return worker_scene(1, 1, work, 1);
}

static const char *worker_large(void)
{
	return worker_scene(1, 0, work_large, 1);
}

static const char *worker_fails(void)
{
	return worker_scene(1, 0, fail, 1);
}

/* The last task of a pool that is being joined, and the end of its worker. */
static const char *worker_last(void)
{
	const char *why;
	int died = 0;

	open_pool(2, 0);
	await_idle();
	board->victim = pool->crew[0].pid;
	scene_ready();
	future = submit(work, 6);
	if (!future)
		return "submit fails";
	why = end_pool();
	if (!why)
		why = look_at(future, work, 6, &died);
	covey_future_free(future);
	scene_settled();
	return why;
}

/* Whose one task is to have another run, and to return its result. */
static int submit_another(covey_task *task, const void *arg, size_t len)
{
	uint64_t result = 0;
	covey_future *f = covey_pool_submit(covey_current_pool(), work, arg, len, NULL);
	int64_t n = f ? covey_future_result(f, &result, sizeof result, COVEY_FOREVER) : -1;

	covey_future_free(f);
	return n == sizeof result ? covey_task_return(task, &result, sizeof result) : 1;
}

static const char *worker_submits(void)
{
	return worker_scene(1, 0, submit_another, 1);
}

/* ---- a worker leaves */

static const char *worker_leaves_after_one(void)
{
	struct round round = {.fn = work, .tasks = 1, .may_die = 1};

	open_pool_with((covey_pool_opts){.workers = 1, .max_tasks_per_worker = 1});
	await_idle();
	board->victim = pool->crew[0].pid;
	scene_ready();
	return play_rounds(&round);
}

/* The last is the first to go. */
static const char *worker_too_many(void)
{
	struct round round = {.fn = work, .tasks = 1, .may_die = 1};

	open_pool(2, 0);
	await_idle();
	board->victim = pool->crew[1].pid;
	scene_ready();
	if (covey_pool_resize(pool, 1) < 0)
		return "resize fails";
	return play_rounds(&round);
}

/* ---- a worker dies, and another takes its place */

/* The first child of this process: the nursery of a pool that was opened by fork. */
static pid_t nursery(void)
{
	char path[64];
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (!file || fscanf(file, "%d", &pid) != 1)
		abort();
	fclose(file);
	return pid;
}

/* The supervisor is the only thread beside the main one. */
static pid_t supervisor(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t tid = 0;

	while (tasks && (entry = readdir(tasks)))
		if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != getpid())
			tid = atoi(entry->d_name);
	if (!tid)
		abort();
	closedir(tasks);
	return tid;
}

static const char *renewal(pid_t (*who)(void))
{
	struct round round = {.fn = work, .tasks = 1, .may_die = 1};

	open_pool(1, 0);
	await_idle();
	board->victim = who();
	scene_ready();
	kill(pool->crew[0].pid, SIGKILL);
	return play_rounds(&round);
}

static const char *renewal_nursery(void)
{
	return renewal(nursery);
}

static const char *renewal_supervisor(void)
{
	return renewal(supervisor);
}

static const struct crash_case cases[] = {
	{.name = "worker: a task, alone", .scene = worker_alone, .check = pools_work},
	{.name = "worker: a task, others idle", .scene = worker_beside_idle, .check = pools_work},
	{.name = "worker: eight tasks, contended", .scene = worker_contended, .check = pools_work},
	{.name = "worker: eight tasks, as the extra", .scene = worker_extra, .check = pools_work},
	{.name = "worker: a task that is run again", .scene = worker_retried, .check = pools_work},
	{.name = "worker: a large result", .scene = worker_large, .every = 17, .check = pools_work},
	{.name = "worker: a task that fails", .scene = worker_fails, .check = pools_work},
	{.name = "worker: a task that submits another",
         .scene = worker_submits,
         .check = pools_work},
	{.name = "worker: its only task, and its end",
         .scene = worker_leaves_after_one,
         .check = pools_work},
	{.name = "worker: one too many", .scene = worker_too_many, .check = pools_work},
	{.name = "worker: the last task, and its end", .scene = worker_last, .check = pools_work},
	{.name = "worker: its birth and first task",
         .scene = renewal_nursery,
         .victim = VICTIM_NEWBORN,
         .check = pools_work},
	{.name = "nursery: reap, record, fork", .scene = renewal_nursery, .check = pools_work},
	{.name = "supervisor: a worker renewed",
         .scene = renewal_supervisor,
         .actor_dies = true,
         .check = pools_work},
};

CRASH_NOUN(worker, cases);
