/* SPDX-License-Identifier: MIT */
/* A process from start to joined, beside fork and waitpid by hand. */
#include "bench.h"

#include <sys/wait.h>
#include <unistd.h>

static int nothing(const void *arg, size_t len)
{
	(void)arg;
	(void)len;
	return 0;
}

static double covey_start_join(size_t method)
{
	int n = bench_quick ? 50 : 300;
	double since = bench_now();

	for (int i = 0; i < n; i++) {
		covey_process *p;

		if (covey_start(&p, nothing, "x", .method = (covey_method)method) < 0)
			bench_fail("start");
		covey_process_join(p, COVEY_FOREVER);
		covey_process_free(p);
	}
	return (bench_now() - since) / n * 1e6;
}

static double bare_fork(size_t size)
{
	int n = bench_quick ? 50 : 300;
	double since = bench_now();

	(void)size;
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_fail("fork");
		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return (bench_now() - since) / n * 1e6;
}

const struct bench_case process_cases[] = {
	{"process", "fork, start to joined", "us", 0, COVEY_FORK, covey_start_join, "bare fork",
         bare_fork},
	{"process", "forkserver, start to joined", "us", 0, COVEY_FORKSERVER, covey_start_join,
         "bare fork", bare_fork},
	{"process", "spawn, start to joined", "us", 0, COVEY_SPAWN, covey_start_join, NULL, NULL},
};
const int process_count = sizeof process_cases / sizeof *process_cases;
