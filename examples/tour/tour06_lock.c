/* SPDX-License-Identifier: MIT */
/*
 * A lock, by acquire and release.
 *
 * A lock is a value of 8 bytes that goes to each process in its argument. It
 * keeps the ten from being inside together; in which order they come is not
 * its matter. Were one killed inside, the next would get the lock all the same,
 * with COVEY_OWNER_DIED; in Python it would wait for ever.
 */
#include "tour.h"

struct turn {
	int number;
	covey_lock lock;
	covey_queue record;
};

static int take_turn(const void *arg, size_t len)
{
	const struct turn *turn = arg;

	TRY(covey_lock_acquire(turn->lock, COVEY_FOREVER));
	TRY(tour_goes_in(turn->record, turn->number));
	tour_nap();
	TRY(tour_goes_out(turn->record, turn->number));
	TRY(covey_lock_release(turn->lock));
	return 0;
}

static int run(void)
{
	covey_process *p[10];
	struct turn turn;

	tour_note("Ten processes are started at once, and each holds the lock while it runs.");
	TRY(covey_lock_create(&turn.lock, "turns"));
	TRY(covey_queue_create(&turn.record, NULL));
	for (turn.number = 0; turn.number < 10; turn.number++)
		TRY(covey_start(&p[turn.number], take_turn, &turn));
	tour_check(tour_join(p, 10) == 0, "ten processes got the lock, and gave it back");
	tour_check_turns(turn.record, 10);

	tour_check(covey_lock_release(turn.lock) == -EPERM, "giving back what one has not: %s",
	           covey_errmsg());
	covey_lock_destroy(turn.lock);
	covey_queue_destroy(turn.record);
	return 0;
}

const struct tour_chapter tour06_lock = {
	"lock",
	"A lock, taken and given back",
	run,
};
