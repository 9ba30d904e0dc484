/* SPDX-License-Identifier: MIT */
/*
 * A program that starts children and ends, or is ended: `program MODE METHOD`.
 * Each process writes lines to stdout, which is at its end once all have ended.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <covey.h>

static covey_queue queue;

static void say(const char *what)
{
	printf("%s %d\n", what, (int)getpid());
	fflush(stdout);
}

static int wait_for_ever(const void *arg, size_t len)
{
	say(arg);
	for (;;)
		pause();
	return 0;
}

static int wait_stubbornly(const void *arg, size_t len)
{
	signal(SIGTERM, SIG_IGN);
	covey_put(*(const covey_queue *)arg, &len, COVEY_FOREVER);
	return wait_for_ever("stubborn", 9);
}

/* Ends once the program's main has returned. */
static int outlast_main(const void *arg, size_t len)
{
	int n;

	covey_get(*(const covey_queue *)arg, &n, COVEY_FOREVER);
	say("outlasted");
	printf("no newline"); /* and not flushed by hand */
	return 0;
}

static void main_is_over(void)
{
	int n = 1;

	say("main is over");
	covey_put(queue, &n, COVEY_FOREVER);
}

static void start(covey_process_fn *fn, const void *arg, size_t len, covey_method method,
                  int daemon)
{
	covey_process *p;

	if (covey_process_start(&p, fn, arg, len,
	                        &(covey_process_opts){.method = method, .daemon = daemon}) < 0) {
		printf("error: %s\n", covey_errmsg());
		exit(1);
	}
	covey_process_free(p); /* it is waited for all the same */
}

/* A daemon that has a daemon, and both another parent than the program. */
static int be_a_family(const void *arg, size_t len)
{
	covey_method method = *(const covey_method *)arg;

	start(wait_for_ever, "granddaemon", 12, method, 1);
	return wait_for_ever("daemon", 7);
}

int main(int argc, char **argv)
{
	covey_method method = COVEY_FORK;

	covey_init(argc, argv);
	if (argc != 3)
		return 2;
	while (strcmp(covey_method_name(method), argv[2]) != 0)
		method++;
	if (covey_queue_create(&queue, NULL) < 0)
		return 1;
	if (strcmp(argv[1], "returns") == 0) {
		start(wait_for_ever, "daemon", 7, method, 1);
		start(outlast_main, &queue, sizeof queue, method, 0);
		atexit(main_is_over);
		return 5;
	}
	if (strcmp(argv[1], "stubborn") == 0) {
		size_t ready;

		start(wait_stubbornly, &queue, sizeof queue, method, 1);
		return covey_get(queue, &ready, COVEY_FOREVER) < 0;
	}
	if (strcmp(argv[1], "killed") == 0) {
		start(be_a_family, &method, sizeof method, method, 1);
		start(wait_for_ever, "other", 6, method, 0);
		return wait_for_ever("main", 5);
	}
	return 2;
}
