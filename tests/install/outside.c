/* SPDX-License-Identifier: MIT */
/* A program outside the tree: a process, a lock, a queue, a struct and a pool by each method. */
#include <covey.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct greeting {
	char *from;
	int number;
};
COVEY_SCHEMA(greeting, from, number)

struct job {
	covey_queue answers;
	covey_lock lock;
	int number;
};

#define MUST(call)                                                          \
	do {                                                                \
		if ((call) < 0) {                                           \
			fprintf(stderr, "%s: %s\n", #call, covey_errmsg()); \
			exit(1);                                            \
		}                                                           \
	} while (0)

static int greet(const void *arg, size_t len)
{
	const struct job *job = arg;
	struct greeting greeting = {.number = job->number};
	covey_process_info info;

	if (len != sizeof *job)
		return 2;
	MUST(covey_current_process(&info));
	greeting.from = info.name;
	COVEY_WITH (job->lock)
		MUST(covey_queue_put_as(job->answers, greeting, &greeting, COVEY_FOREVER));
	return 0;
}

COVEY_TASK(long, twice, long, n)
{
	return 2 * n;
}

static void try_method(covey_method method)
{
	struct job job = {.number = method};
	struct greeting greeting;
	covey_process *p;
	covey_pool *pool;
	covey_future *f;
	long doubled = 0;

	MUST(covey_lock_create(&job.lock, "outside"));
	MUST(covey_queue_create(&job.answers, NULL));
	MUST(covey_start(&p, greet, &job, .name = "greeter", .method = method));
	MUST(covey_process_join(p, COVEY_FOREVER));
	if (covey_process_exit_code(p) != 0)
		exit(1);
	covey_process_free(p);
	MUST(covey_queue_get_as(job.answers, greeting, &greeting, COVEY_FOREVER));
	MUST(covey_pool_open(&pool, &(covey_pool_opts){.workers = 2, .method = method}));
	f = covey_submit(pool, twice, 21);
	MUST(f ? 0 : -1);
	MUST(covey_result(f, &doubled, COVEY_FOREVER));
	covey_future_free(f);
	MUST(covey_pool_close(pool));
	MUST(covey_pool_join(pool, COVEY_FOREVER));
	if (strcmp(greeting.from, "greeter") != 0 || greeting.number != (int)method ||
	    doubled != 42)
		exit(1);
	covey_free_as(greeting, &greeting);
	MUST(covey_queue_destroy(job.answers));
	MUST(covey_lock_destroy(job.lock));
	printf("%s: %ld\n", covey_method_name(method), doubled);
}

int main(int argc, char **argv)
{
	covey_init(argc, argv);
	try_method(COVEY_FORK);
	try_method(COVEY_SPAWN);
	try_method(COVEY_FORKSERVER);
	return 0;
}
