/* SPDX-License-Identifier: MIT */
/*
 * The same lock, held for a block.
 *
 * COVEY_WITH is what `with lock:` is in Python: however the block is left, at
 * its end, by break, by return, by goto, the lock is given back. So the return
 * in the middle below is right as it stands.
 */
#include "tour.h"

COVEY_PROCESS(take_turn, int, number, covey_lock, lock, covey_queue, record)
{
	COVEY_WITH (lock) {
		TRY(tour_goes_in(record, number));
		tour_nap();
		TRY(tour_goes_out(record, number));
		if (number % 2)
			return 0;
	}
	return 0;
}

static int run(void)
{
	covey_process *p[10];
	covey_lock lock;
	covey_queue record;

	tour_note("The same ten; those with an odd number leave the block by return.");
	TRY(covey_lock_create(&lock, "turns"));
	TRY(covey_queue_create(&record, NULL));
	for (int i = 0; i < 10; i++)
		TRY(covey_start_args(&p[i], take_turn, (i, lock, record)));
	tour_check(covey_process_finish(p, 10) == 0, "ten processes had the lock for their block");
	tour_check_turns(record, 10);
	tour_check(covey_lock_holder(lock) == 0, "and nobody has it now");
	covey_lock_destroy(lock);
	covey_queue_destroy(record);
	return 0;
}

const struct tour_chapter tour07_with = {
	"with",
	"The same lock, held for a block",
	run,
};
