/* SPDX-License-Identifier: MIT */
/*
 * A process type with a run() of its own.
 *
 * In Python: a class that inherits from Process, keeps a function and its data,
 * and overrides run(). In C: a struct with the same, the function as a covey_fn,
 * which means the same in a process that has the program elsewhere in memory,
 * and a run() for processes of this type.
 */
#include "tour.h"

typedef double work_fn(const char *name);

struct custom_process {
	covey_fn work;
	char name[16];
};

static int custom_process_run(const void *arg, size_t len)
{
	const struct custom_process *self = arg;
	work_fn *work = covey_fn_as(work_fn *, self->work);

	return !work || work(self->name) < 0;
}

static int custom_process_start(covey_process **p, work_fn *work, const char *name)
{
	struct custom_process self;

	snprintf(self.name, sizeof self.name, "%s", name);
	TRY(covey_fn_make(&self.work, work));
	return covey_start(p, custom_process_run, &self, .name = name);
}

/* What two kinds of such processes do. */
static double sleep_for_seconds(const char *name)
{
	double seconds = tour_nap();

	tour_say("%s worker finished in %.4f seconds", name, seconds);
	return seconds;
}

static double greet(const char *name)
{
	tour_say("%s says hello", name);
	return 0;
}

static int run(void)
{
	covey_process *p[5];
	char name[16];

	tour_note("Four processes of this type sleep, the fifth is given other work: the function\n"
	          "is part of what each one is started with.");
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "process-%d", i);
		TRY(custom_process_start(&p[i], i < 4 ? sleep_for_seconds : greet, name));
	}
	tour_check(tour_join(p, 5) == 0, "each ran the function it was given, by its own run()");
	return 0;
}

const struct tour_chapter tour04_own_run = {
	"own-run",
	"A process type with a run() of its own",
	run,
};
