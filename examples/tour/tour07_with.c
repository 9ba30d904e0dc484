/* SPDX-License-Identifier: MIT */
/*
 * The same lock, held for a block.
 *
 * COVEY_WITH is what `with lock:` is in Python: however the block is left, at
 * its end, by break, by return, by goto, the lock is given back. So the return
 * in the middle below is right as it stands.
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

	COVEY_WITH (turn->lock) {
		TRY(tour_goes_in(turn->record, turn->number));
		tour_nap();
		TRY(tour_goes_out(turn->record, turn->number));
		if (turn->number % 2)
			return 0;
	}
	return 0;
}

static int run(void)
{
	covey_process *p[10];
	struct turn turn;

	tour_note("The same ten; those with an odd number leave the block by return.");
	TRY(covey_lock_create(&turn.lock, "turns"));
	TRY(covey_queue_create(&turn.record, NULL));
	for (turn.number = 0; turn.number < 10; turn.number++)
		TRY(covey_start(&p[turn.number], take_turn, &turn));
	tour_check(tour_join(p, 10) == 0, "ten processes had the lock for their block");
	tour_check_turns(turn.record, 10);
	tour_check(covey_lock_holder(turn.lock) == 0, "and nobody has it now");
	covey_lock_destroy(turn.lock);
	covey_queue_destroy(turn.record);
	return 0;
}

const struct tour_chapter tour07_with = {
	"with",
	"The same lock, held for a block",
	run,
};
