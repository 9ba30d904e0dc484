/* SPDX-License-Identifier: MIT */
/*
 * Start five processes, then wait for all of them.
 *
 * COVEY_PROCESS defines what a process runs, with arguments of any plain types;
 * covey_start_args starts one, and copies its arguments to the child. As all five are started
 * before the first is waited for, they run at the same time, and end in the order of their naps.
 */
#include "tour.h"

#define PROCESSES 5

COVEY_PROCESS(sleep_for_seconds, int, i)
{
	tour_say("process-%d worker finished in %.4f seconds", i, tour_nap());
	return 0;
}

static int run(void)
{
	covey_process *p[PROCESSES];

	tour_note("Each process sleeps for a random time and says so. All are started, then all\n"
	          "are joined: the slowest sets the time.");
	double start = tour_now();
	for (int i = 0; i < PROCESSES; i++)
		TRY(covey_start_args(&p[i], sleep_for_seconds, (i)));
	int bad = covey_process_finish(p, PROCESSES);
	tour_say("main done after %.4f seconds", tour_now() - start);
	tour_check(bad == 0, "five processes have ended, each with exit code 0");
	return 0;
}

const struct tour_chapter tour02_start_join = {
	"start-join",
	"Start five, then join them all",
	run,
};
