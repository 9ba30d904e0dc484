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

COVEY_PROCESS(take_turn, int, number, covey_lock, lock, covey_queue, record)
{
	TRY(covey_lock_acquire(lock, COVEY_FOREVER));
	TRY(tour_goes_in(record, number));
	tour_nap();
	TRY(tour_goes_out(record, number));
	TRY(covey_lock_release(lock));
	return 0;
}

static int run(void)
{
	covey_process *p[10];
	covey_lock lock;
	covey_queue record;

	tour_note("Ten processes are started at once, and each holds the lock while it runs.");
	TRY(covey_lock_create(&lock, "turns"));
	TRY(covey_queue_create(&record, NULL));
	for (int i = 0; i < 10; i++)
		TRY(covey_start_args(&p[i], take_turn, (i, lock, record)));
	tour_check(covey_process_finish(p, 10) == 0,
	           "ten processes got the lock, and gave it back");
	tour_check_turns(record, 10);

	tour_check(covey_lock_release(lock) == -EPERM, "giving back what one has not: %s",
	           covey_errmsg());
	covey_lock_destroy(lock);
	covey_queue_destroy(record);
	return 0;
}

const struct tour_chapter tour06_lock = {
	"lock",
	"A lock, taken and given back",
	run,
};
