/* SPDX-License-Identifier: MIT */
/*
 * Three ways to start a process.
 *
 * fork        A copy of the caller, memory and all. Quickest while the caller
 *             is small; unsafe where the caller has several threads, since
 *             only the forking one goes on in the copy.
 * spawn       A fresh run of the program, which covey_init, first in main,
 *             turns into the child. Inherits nothing but its argument.
 * forkserver  A small process, itself spawned, forks on request. The child
 *             inherits nothing from the caller, and is quick however big that is.
 *
 * In Python a child of spawn runs the script once more, so that main must
 * stand behind `if __name__ == '__main__'`. Here covey_init does not return in
 * the child, and what travels is the function, by module and offset.
 */
#include <sys/mman.h>

#include "tour.h"

#define ROUNDS 15
#define BALLAST ((size_t)256 << 20)

static const covey_method methods[] = {COVEY_FORK, COVEY_SPAWN, COVEY_FORKSERVER};

/* Not 0 in the parent by the time it starts children. */
static int a_global;

struct answer {
	int number;
	int global;
	pid_t parent;
};

COVEY_PROCESS(answer, covey_queue, answers, int, number)
{
	struct answer a = {number, a_global, getppid()};

	return covey_put(answers, &a, COVEY_FOREVER) < 0;
}

static int ask(covey_method method, covey_queue answers, struct answer *a)
{
	int number = 40 + (int)method;
	covey_process *p;

	TRY(covey_start_args(&p, answer, (answers, number), .method = method));
	TRY(covey_get(answers, a, COVEY_FOREVER));
	TRY(covey_process_finish(&p, 1));
	tour_check(a->number == number && a->global == (method == COVEY_FORK ? 7 : 0),
	           "%s: the argument came through; the global is %s", covey_method_name(method),
	           a->global ? "the parent's" : "that of a fresh program");
	return 0;
}

COVEY_PROCESS(nothing, void)
{
	return 0;
}

/* Milliseconds from the call of start until the child is joined, or -1. */
static double start_to_joined(covey_method method)
{
	double start = tour_now();
	covey_process *p;

	TRY(covey_start_args(&p, nothing, (), .method = method));
	TRY(covey_process_finish(&p, 1));
	return (tour_now() - start) * 1e3;
}

/* The median of several, or -1. */
static double measure(covey_method method)
{
	double ms[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		if ((ms[i] = start_to_joined(method)) < 0)
			return -1;
	return tour_median(ms, ROUNDS);
}

static int run(void)
{
	struct answer answers[3];
	double first[3], small[3], big[3];
	covey_queue q;
	char *ballast;

	tour_note("The parent sets a global to 7, then starts a child in each of the three ways,\n"
	          "with a queue and a number as its argument. The child tells what it finds.");
	a_global = 7;
	TRY(covey_queue_create(&q, &(covey_queue_opts){.name = "answers"}));
	for (int i = 0; i < 3; i++) {
		TRY(first[i] = start_to_joined(methods[i]));
		TRY(ask(methods[i], q, &answers[i]));
		TRY(small[i] = measure(methods[i]));
	}
	covey_queue_destroy(q);

	ballast = mmap(NULL, BALLAST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ballast == MAP_FAILED)
		return -1;
	memset(ballast, 1, BALLAST);
	for (int i = 0; i < 3; i++)
		TRY(big[i] = measure(methods[i]));
	munmap(ballast, BALLAST);

	tour_note("\nFrom start to joined, in ms: the very first, which starts the helper of\n"
	          "forkserver too; the median of %d; the same while the parent holds %zu MiB.",
	          ROUNDS, BALLAST >> 20);
	tour_say("%-11s %-13s %9s %9s %9s", "method", "started by", "first", "median", "if big");
	for (int i = 0; i < 3; i++)
		tour_say("%-11s %-13s %9.2f %9.2f %9.2f", covey_method_name(methods[i]),
		         answers[i].parent == getpid() ? "the parent" : "a helper", first[i],
		         small[i], big[i]);
	return 0;
}

const struct tour_chapter tour01_methods = {
	"methods",
	"Three ways to start a process: fork, spawn, forkserver",
	run,
};
