/* SPDX-License-Identifier: MIT */
/* Processes: the starter killed in a start, the child from its first instruction to its last, the
 * forkserver. */
#include "cases.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process/internal.h"

#define CODE 7
#define LARGE 3000 /* bytes of an argument that does not fit in the process table */

static unsigned char argument[LARGE];

static int run(const void *arg, size_t len)
{
	return len == LARGE && memcmp(arg, argument, 4) == 0 ? CODE : 1;
}

/* In a forkserver, before its first child. */
static unsigned char prepared[LARGE];

static int prepare(const void *arg, size_t len)
{
	memcpy(prepared, arg, len);
	return 0;
}

static int run_prepared(const void *arg, size_t len)
{
	return prepared[LARGE - 1] == 1 ? run(arg, len) : 2;
}

static covey_process_fn *work = run;

static void have_preload(void)
{
	unsigned char bytes[LARGE];

	memset(bytes, 1, sizeof bytes);
	if (covey_forkserver_preload(prepare, bytes, sizeof bytes) < 0)
		abort();
	work = run_prepared;
}

static void end_preload(void)
{
	if (covey_forkserver_preload(NULL, NULL, 0) < 0)
		abort();
	work = run;
}

static covey_process *start(covey_method method, bool daemon)
{
	covey_process_opts opts = {.name = "swept", .method = method, .daemon = daemon};
	covey_process *p = NULL;

	return covey_process_start(&p, work, argument, LARGE, &opts) < 0 ? NULL : p;
}

/* Starts one and sees it end; NULL, or what went wrong. killed: it may have been. */
static const char *start_and_join(covey_method method, bool daemon, bool killed)
{
	covey_process *p = start(method, daemon);
	int code;

	/* One that is killed before it has reached its function fails to start, as does one
	 * whose forkserver was killed while it prepared. */
	if (!p)
		return killed && (covey_errcode() == -EPIPE || covey_errcode() == -EREMOTEIO)
		               ? NULL
		               : "start fails";
	if (covey_process_join(p, COVEY_FOREVER) < 0)
		return "join fails";
	code = covey_process_exit_code(p);
	covey_process_free(p);
	return code == CODE || (killed && code == 128 + 9) ? NULL : "a wrong exit code";
}

/* ---- the starter */

static void nothing(void)
{
}

static void have_forkserver(void)
{
	if (start_and_join(COVEY_FORKSERVER, false, false))
		abort();
}

static void start_fork(void)
{
	start(COVEY_FORK, false);
}

static void start_fork_daemon(void)
{
	start(COVEY_FORK, true);
}

static void start_spawn(void)
{
	start(COVEY_SPAWN, false);
}

static void start_forkserver(void)
{
	start(COVEY_FORKSERVER, false);
}

static void start_join_free(void)
{
	start_and_join(COVEY_FORK, false, false);
}

static const char *starts_work(const struct board *b)
{
	const char *why = start_and_join(COVEY_FORK, false, false);

	(void)b;
	return why ? why : start_and_join(COVEY_FORK, true, false);
}

/* ---- a process and all that descends from it, which end with their starter in any case */

static covey_queue says;
static covey_process *top;

static int wait_below(const void *arg, size_t len)
{
	covey_process_opts opts = {.method = COVEY_FORK, .daemon = 1};
	int depth = *(const int *)arg - 1;

	(void)len;
	if (depth > 0 && covey_process_start(NULL, wait_below, &depth, sizeof depth, &opts) < 0)
		abort();
	if (covey_put(says, &depth, COVEY_FOREVER) < 0)
		abort();
	for (;;)
		pause();
	return 0;
}

static void have_queue(void)
{
	if (covey_queue_create(&says, NULL) < 0)
		abort();
}

static void end_queue(void)
{
	if (covey_queue_destroy(says) < 0)
		abort();
}

static void have_tree(void)
{
	covey_process_opts opts = {.method = COVEY_FORK, .daemon = 1};
	int depth = 3;

	if (covey_process_start(&top, wait_below, &depth, sizeof depth, &opts) < 0)
		abort();
	for (int i = 0; i < 3; i++)
		if (covey_get(says, &depth, COVEY_FOREVER) < 0)
			abort();
}

static void kill_tree(void)
{
	covey_process_signal_tree(top, SIGKILL);
}

/* Which hands those below to the next above. */
static void free_one_above_others(void)
{
	covey_process_end(top, 0);
}

/* ---- the child */

static const char *child_scene(covey_method method, bool daemon)
{
	const char *why;

	board->victim = getpid();
	scene_ready();
	why = start_and_join(method, daemon, true);
	if (why)
		return why;
	scene_settled();
	return start_and_join(method, daemon, false);
}

static const char *child_of_fork(void)
{
	return child_scene(COVEY_FORK, false);
}

static const char *daemon_of_fork(void)
{
	return child_scene(COVEY_FORK, true);
}

static const char *child_of_spawn(void)
{
	return child_scene(COVEY_SPAWN, false);
}

/* ---- the forkserver, and its child */

static const char *forkserver_scene(bool killed)
{
	char path[64];
	FILE *file;
	const char *why;
	int pid = 0;

	have_forkserver();
	/* The server is the first child of this process, and the only one. */
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	file = fopen(path, "re");
	if (!file || fscanf(file, "%d", &pid) != 1)
		abort();
	fclose(file);
	board->victim = pid;
	scene_ready();
	why = start_and_join(COVEY_FORKSERVER, false, killed);
	if (why)
		return why;
	scene_settled();
	why = start_and_join(COVEY_FORKSERVER, false, false);
	cvy_forkserver_close();
	return why;
}

static const char *forkserver(void)
{
	return forkserver_scene(false);
}

static const char *child_of_forkserver(void)
{
	return forkserver_scene(true);
}

static const char *prepared_starts_work(const struct board *b)
{
	const char *why = start_and_join(COVEY_FORKSERVER, false, false);

	(void)b;
	cvy_forkserver_close();
	return why;
}

static const char *forkserver_that_prepares(void)
{
	const char *why;

	have_preload();
	board->victim = getpid();
	scene_ready();
	why = start_and_join(COVEY_FORKSERVER, false, true);
	if (why)
		return why;
	scene_settled();
	why = start_and_join(COVEY_FORKSERVER, false, false);
	cvy_forkserver_close();
	return why;
}

static const struct crash_case cases[] = {
	{.name = "start by fork",
         .setup = nothing,
         .call = start_fork,
         .check = starts_work,
         .teardown = nothing},
	{.name = "start by fork, of a daemon",
         .setup = nothing,
         .call = start_fork_daemon,
         .check = starts_work,
         .teardown = nothing},
	{.name = "start by spawn",
         .setup = nothing,
         .call = start_spawn,
         .check = starts_work,
         .teardown = nothing},
	{.name = "start by forkserver",
         .setup = nothing,
         .prepare = have_forkserver,
         .call = start_forkserver,
         .check = starts_work,
         .teardown = nothing},
	{.name = "start by forkserver, the first",
         .setup = nothing,
         .call = start_forkserver,
         .check = starts_work,
         .teardown = nothing},
	{.name = "start by forkserver, the first, that preloads",
         .setup = have_preload,
         .call = start_forkserver,
         .check = prepared_starts_work,
         .teardown = end_preload},
	{.name = "start, join and free",
         .setup = nothing,
         .call = start_join_free,
         .check = starts_work,
         .teardown = nothing},
	{.name = "signal a tree",
         .setup = have_queue,
         .prepare = have_tree,
         .call = kill_tree,
         .check = starts_work,
         .teardown = end_queue},
	{.name = "free one that has started others",
         .setup = have_queue,
         .prepare = have_tree,
         .call = free_one_above_others,
         .check = starts_work,
         .teardown = end_queue},
	{.name = "child of fork, all its life", .scene = child_of_fork, .victim = VICTIM_NEWBORN},
	{.name = "daemonic child of fork, all its life",
         .scene = daemon_of_fork,
         .victim = VICTIM_NEWBORN},
	{.name = "child of forkserver, all its life",
         .scene = child_of_forkserver,
         .victim = VICTIM_NEWBORN},
	{.name = "child of spawn, from covey_init to its end",
         .scene = child_of_spawn,
         .victim = VICTIM_IMAGE},
	{.name = "forkserver: preload, fork, answer, reap, from covey_init",
         .scene = forkserver_that_prepares,
         .victim = VICTIM_IMAGE},
	{.name = "forkserver: fork, answer, reap", .scene = forkserver},
};

CRASH_NOUN(process, cases);
