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

typedef void work_fn(int number);

struct custom_process {
	covey_fn work;
	int number;
};

COVEY_PROCESS(custom_process_run, struct custom_process, self)
{
	work_fn *work = covey_fn_as(work_fn *, self.work);

	TRY(work ? 0 : covey_errcode());
	work(self.number);
	return 0;
}

/* What two kinds of such processes do. */
static void sleep_for_seconds(int number)
{
	tour_say("process-%d worker finished in %.4f seconds", number, tour_nap());
}

static void greet(int number)
{
	tour_say("process-%d says hello", number);
}

static int run(void)
{
	covey_process *p[5];
	struct custom_process self;

	tour_note("Four processes of this type sleep, the fifth is given other work: the function\n"
	          "is part of what each one is started with.");
	for (self.number = 0; self.number < 5; self.number++) {
		TRY(covey_fn_make(&self.work, self.number < 4 ? sleep_for_seconds : greet));
		TRY(covey_start_args(&p[self.number], custom_process_run, (self)));
	}
	tour_check(covey_process_finish(p, 5) == 0,
	           "each ran the function it was given, by its own run()");
	return 0;
}

const struct tour_chapter tour04_own_run = {
	"own-run",
	"A process type with a run() of its own",
	run,
};
