/* SPDX-License-Identifier: MIT */
/* Pools, of the root and of others: each task ends once, rightly, or with its worker. */
#include "storm.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TASKS_MOST 500
#define PIECES 3

static const covey_method methods[] = {COVEY_FORK, COVEY_SPAWN, COVEY_FORKSERVER};

/* ---- tasks */

COVEY_TASK(uint64_t, storm_sum, uint64_t, n, uint32_t, work)
{
	uint64_t sum = n;

	for (uint32_t i = 0; i < work; i++)
		sum = sum * 6364136223846793005u + 1442695040888963407u;
	return sum;
}

/* Tasks within a task, each again where its worker dies. */
COVEY_TASK(uint64_t, storm_nested, uint64_t, n)
{
	uint64_t sum = 0, part;

	for (uint32_t i = 0; i < PIECES; i++) {
		int rc;

		do {
			covey_pool *pool = covey_current_pool();
			covey_future *f = pool ? covey_submit(pool, storm_sum, n + i, 500) : NULL;

			rc = f ? covey_result(f, &part, COVEY_FOREVER) : covey_errcode();
			covey_future_free(f);
			if (excused(rc))
				usleep(500);
		} while (rc == -EOWNERDEAD || excused(rc));
		if (rc < 0) {
			covey_task_fail(2, "nested: %s", covey_errmsg());
			return 0;
		}
		sum += part;
	}
	return sum;
}

COVEY_TASK_VOID(storm_crash, int, how)
{
	if (how)
		_exit(9);
	kill(getpid(), SIGKILL);
}

/* Tells its pid, and runs on once it may. */
COVEY_TASK_VOID(storm_hold, pid_t, owner, int, fd)
{
	if (!books_open(owner, fd))
		return;
	books->holder = getpid();
	while (!books->let_go)
		usleep(50);
}

/* ---- what was submitted, and what must come of it */

enum kind { SUM, NESTED, CRASH };

struct task {
	covey_future *future;
	enum kind kind;
};

struct work {
	covey_pool *pool;
	bool threads;
	struct task task[TASKS_MOST];
	uint32_t tasks;
};

static uint64_t expected(enum kind kind, uint64_t n)
{
	uint64_t sum = 0;

	if (kind == SUM)
		return storm_sum(n, (uint32_t)(n * 997 % 100000));
	for (uint32_t i = 0; i < PIECES; i++)
		sum += storm_sum(n + i, 500);
	return sum;
}

static void submit(struct work *work, struct dice *dice)
{
	struct task *task = &work->task[work->tasks];
	uint64_t n = work->tasks;
	covey_submit_opts opts = {.priority = (int)roll(dice, 3) - 1};

	if (work->tasks == TASKS_MOST)
		return;
	task->kind = one_in(dice, 4) ? NESTED : !work->threads && one_in(dice, 12) ? CRASH : SUM;
	task->future =
		task->kind == SUM ? covey_submit_with(work->pool, &opts, storm_sum, n,
	                                              (uint32_t)(n * 997 % 100000))
		: task->kind == NESTED
			? covey_submit_with(work->pool, &opts, storm_nested, n)
			: covey_submit_with(work->pool, &opts, storm_crash, (int)roll(dice, 2));
	if (task->future)
		work->tasks++;
	else if (!excused(covey_errcode()))
		wrong("submit: %s", covey_errmsg());
}

/* Whether it came to what it must; one that went with its worker is counted. */
static void collect(struct work *work, uint32_t i, uint32_t *died)
{
	struct task *task = &work->task[i];
	uint64_t sum;
	int rc;

	do
		rc = task->kind == CRASH
		             ? (int)covey_future_result(task->future, NULL, 0, COVEY_FOREVER)
		             : covey_result(task->future, &sum, COVEY_FOREVER);
	while (excused(rc));
	if (rc == -EOWNERDEAD)
		*died += task->kind != CRASH;
	else if (rc < 0)
		wrong("a task: %s", covey_errmsg());
	else if (task->kind == CRASH)
		wrong("a task that kills its worker has a result");
	else if (sum != expected(task->kind, i))
		wrong("the result of task %u is wrong", i);
	covey_future_free(task->future);
	__atomic_fetch_add(&books->sum.tasks, 1, __ATOMIC_SEQ_CST);
}

static void finish(struct work *work, const char *whose)
{
	uint32_t died = 0, killed;

	if (covey_pool_close(work->pool) < 0)
		wrong("pool of %s: close: %s", whose, covey_errmsg());
	for (uint32_t i = 0; i < work->tasks; i++)
		collect(work, i, &died);
	if (covey_pool_join(work->pool, COVEY_FOREVER) < 0)
		wrong("pool of %s: join: %s", whose, covey_errmsg());
	killed = books->sum.workers_killed;
	if (died > killed)
		wrong("pool of %s: %u tasks died, and %u workers were killed", whose, died, killed);
	work->pool = NULL;
	work->tasks = 0;
}

/* Whether it could be opened. */
static bool open_pool(struct work *work, bool threads, struct dice *dice)
{
	covey_pool_opts opts = {.name = "storm",
	                        .kind = threads ? COVEY_THREADS : COVEY_PROCESSES,
	                        .workers = 1 + (int)roll(dice, 4),
	                        .max_tasks_per_worker = one_in(dice, 2) ? 5 : 0,
	                        .retries = (int)roll(dice, 2),
	                        .method = methods[roll(dice, 3)]};

	work->threads = threads;
	if (covey_pool_open(&work->pool, &opts) == 0)
		return true;
	work->pool = NULL;
	if (!excused(covey_errcode()))
		wrong("pool: open: %s", covey_errmsg());
	return false;
}

/* ---- a pool of a process of the family */

void own_pool(struct self *self)
{
	static struct work work;

	while (!books->stop) {
		bool threads = one_in(&self->dice, 3);

		if (!open_pool(&work, threads, &self->dice)) {
			usleep(1000);
			continue;
		}
		for (uint32_t n = roll(&self->dice, 40); n > 0; n--)
			submit(&work, &self->dice);
		finish(&work, "an owner");
	}
}

/* ---- the root's pools */

static struct work processes, threads;

void pools_open(struct self *root)
{
	open_pool(&processes, false, &root->dice);
	open_pool(&threads, true, &root->dice);
}

void pools_submit(struct dice *dice)
{
	for (uint32_t n = roll(dice, 8); n > 0; n--)
		submit(one_in(dice, 3) && threads.pool ? &threads : &processes, dice);
	if (one_in(dice, 4) && covey_pool_resize(processes.pool, 1 + (int)roll(dice, 4)) < 0 &&
	    !excused(covey_errcode()))
		wrong("pool: resize: %s", covey_errmsg());
}

/* Kills a worker somewhere in what it does next: by a descriptor, got while it surely was there. */
void pools_kill_worker(const struct self *root, struct dice *dice)
{
	covey_future *f;
	int fd = -1;

	books->holder = books->let_go = 0;
	f = covey_submit(processes.pool, storm_hold, root->books_owner, root->books_fd);
	while (f && !books->holder && covey_future_done(f) == 0)
		usleep(50);
	if (f && books->holder)
		fd = (int)syscall(SYS_pidfd_open, books->holder, 0);
	pools_submit(dice);
	books->let_go = 1;
	usleep(roll(dice, 400));
	if (fd >= 0) {
		books->sum.workers_killed++;
		books->sum.killed++;
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		close(fd);
	}
	covey_future_free(f);
}

void pools_end(void)
{
	finish(&processes, "the root");
	if (threads.pool)
		finish(&threads, "the root, of threads");
}
