/* SPDX-License-Identifier: MIT */
/*
 * Join each process as soon as it is started.
 *
 * Join blocks until the process has ended, so that now each runs alone, one
 * after the other: processes, but nothing in parallel. Joining one that has
 * ended is 0 at once, as often as one likes. (That a process joins itself,
 * which in Python is a deadlock, cannot be said here: who is started has no
 * handle to itself.)
 */
#include "tour.h"

COVEY_PROCESS(sleep_for_seconds, int, i)
{
	tour_say("process-%d worker finished in %.4f seconds", i, tour_nap());
	return 0;
}

static int run(void)
{
	covey_process_info others;
	int ended = 0, alone = 0;

	tour_note("The same five, each joined before the next is started: the naps add up.");
	double start = tour_now();
	for (int i = 0; i < 5; i++) {
		covey_process *p;

		alone += covey_active_children(&others, 1) == 0;
		TRY(covey_start_args(&p, sleep_for_seconds, (i)));
		TRY(covey_process_join(p, COVEY_FOREVER));
		ended += covey_process_join(p, 0) == 0 && !covey_process_alive(p);
		covey_process_free(p);
	}
	tour_say("main done after %.4f seconds", tour_now() - start);
	tour_check(alone == 5, "no other process was alive when one was started");
	tour_check(ended == 5, "join means ended, and joining again is 0 at once");
	return 0;
}

const struct tour_chapter tour03_one_by_one = {
	"one-by-one",
	"Start five, join each at once",
	run,
};
