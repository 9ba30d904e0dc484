/* SPDX-License-Identifier: MIT */
/*
 * Start five processes, then wait for all of them.
 *
 * covey_start copies the argument to the child; its size the compiler knows.
 * As all five are started before the first is waited for, they run at the same
 * time, and end in the order of their naps.
 */
#include "tour.h"

#define PROCESSES 5

static int sleep_for_seconds(const void *arg, size_t len)
{
	const char *name = arg;

	tour_say("%s worker finished in %.4f seconds", name, tour_nap());
	return 0;
}

static int run(void)
{
	covey_process *p[PROCESSES];
	char name[16];
	int bad = 0;

	tour_note("Each process sleeps for a random time and says so. All are started, then all\n"
	          "are joined: the slowest sets the time.");
	double start = tour_now();
	for (int i = 0; i < PROCESSES; i++) {
		snprintf(name, sizeof name, "process-%d", i);
		TRY(covey_start(&p[i], sleep_for_seconds, &name, .name = name));
	}
	for (int i = 0; i < PROCESSES; i++) {
		TRY(covey_process_join(p[i], COVEY_FOREVER));
		bad += covey_process_exit_code(p[i]) != 0;
		covey_process_free(p[i]);
	}
	tour_say("main done after %.4f seconds", tour_now() - start);
	tour_check(!bad, "five processes have ended, each with exit code 0");
	return 0;
}

const struct tour_chapter tour02_start_join = {
	"start-join",
	"Start five, then join them all",
	run,
};
