/* SPDX-License-Identifier: MIT */
/* Processes from start to joined, by each method; a pool from open to joined. */
#include "covey.h"

#include <spawn.h>
#include <sys/wait.h>

extern char **environ;

static int nothing(const void *arg, size_t len)
{
	(void)arg;
	(void)len;
	return 0;
}

static void start(covey_method method)
{
	covey_process *p;

	need(covey_process_start(&p, nothing, NULL, 0, &(covey_process_opts){.method = method}),
	     "start");
	need(covey_process_join(p, COVEY_FOREVER), "join");
	if (covey_process_exit_code(p) != 0)
		bench_fail("a process failed");
	covey_process_free(p);
}

void start_fork(void)
{
	start(COVEY_FORK);
}

void start_spawn(void)
{
	start(COVEY_SPAWN);
}

void start_forkserver(void)
{
	start(COVEY_FORKSERVER);
}

/* The bound of spawn: the same image, which ends at once. */
void start_bare_spawn(void)
{
	char name[] = "covey", what[] = "nothing", *argv[] = {name, what, NULL};
	pid_t pid;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) ||
	    waitpid(pid, NULL, 0) != pid)
		bench_fail("posix_spawn");
}

COVEY_TASK_VOID(no_op, void)
{
}

static void start_pool_by(covey_method method)
{
	covey_pool *pool;
	covey_future *f;

	need(covey_pool_open(&pool, &(covey_pool_opts){.workers = 1, .method = method}), "pool");
	f = covey_submit(pool, no_op);
	need(covey_future_result(f, NULL, 0, COVEY_FOREVER), "result");
	covey_future_free(f);
	need(covey_pool_close(pool), "close");
	need(covey_pool_join(pool, COVEY_FOREVER), "join");
}

void start_pool(void)
{
	start_pool_by(COVEY_METHOD_DEFAULT);
}

void start_pool_forkserver(void)
{
	start_pool_by(COVEY_FORKSERVER);
}
