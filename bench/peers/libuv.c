/* SPDX-License-Identifier: MIT */
/* libuv: its thread pool by uv_queue_work, and processes by uv_spawn. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct job {
	uv_work_t work;
	long in, out;
};

static struct job *jobs;
static long room;
static long sum;

static void same(uv_work_t *work)
{
	struct job *job = work->data;

	job->out = job->in;
}

static void done(uv_work_t *work, int status)
{
	struct job *job = work->data;

	if (status || job->out != job->in)
		bench_fail("libuv: a result");
	sum += job->out;
}

static void open_pool(const struct plan *plan)
{
	char workers[16];

	/* The pool has as many threads as this says when it is first used. */
	snprintf(workers, sizeof workers, "%d", plan->workers);
	setenv("UV_THREADPOOL_SIZE", workers, 1);
	room = plan->tasks;
	jobs = calloc((size_t)room, sizeof *jobs);
}

static void many(long n)
{
	for (long i = 0; i < n; i++) {
		jobs[i].work.data = &jobs[i];
		jobs[i].in = i;
		uv_queue_work(uv_default_loop(), &jobs[i].work, same, done);
	}
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static void one(void)
{
	many(1);
}

static void ended(uv_process_t *process, int64_t code, int signal)
{
	if (code || signal)
		bench_fail("libuv: a process");
	uv_close((uv_handle_t *)process, NULL);
}

static void spawn(void)
{
	char name[] = "/proc/self/exe", what[] = "nothing", *argv[] = {name, what, NULL};
	uv_process_options_t options = {.exit_cb = ended, .file = argv[0], .args = argv};
	uv_process_t process;

	if (uv_spawn(uv_default_loop(), &process, &options))
		bench_fail("uv_spawn");
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static void version(void)
{
	printf("libuv %s\n", uv_version_string());
}

static void nothing(const struct plan *plan)
{
	(void)plan;
}

const struct peer peer = {
	.version = version,
	.starts = {{"uv_spawn", spawn}},
	.pools = {{"uv_queue_work", open_pool, many, one}},
	.commands = {{"nothing", nothing}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
