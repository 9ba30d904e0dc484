/* SPDX-License-Identifier: MIT */
/*
 * A lock that its holder may take again.
 *
 * An rlock counts: it is free once it has been given back as often as it was
 * taken. With it a function that takes the lock can call another that does so
 * too. A plain lock taken twice would wait for itself; covey says so instead.
 */
#include "tour.h"

struct turn {
	int number;
	covey_rlock lock;
	covey_queue record;
};

static int take_turn(const void *arg, size_t len)
{
	const struct turn *turn = arg;

	TRY(covey_rlock_acquire(turn->lock, COVEY_FOREVER));
	TRY(covey_rlock_acquire(turn->lock, COVEY_FOREVER));
	TRY(tour_goes_in(turn->record, turn->number));
	tour_nap();
	TRY(tour_goes_out(turn->record, turn->number));
	TRY(covey_rlock_release(turn->lock));
	if (covey_rlock_holder(turn->lock) != getpid())
		return 1;
	TRY(covey_rlock_release(turn->lock));
	return 0;
}

static int run(void)
{
	covey_process *p[10];
	struct turn turn;
	covey_lock plain;

	tour_note("Ten processes, each takes the lock twice and gives it back twice.");
	TRY(covey_rlock_create(&turn.lock, "turns"));
	TRY(covey_queue_create(&turn.record, NULL));
	for (turn.number = 0; turn.number < 10; turn.number++)
		TRY(covey_start(&p[turn.number], take_turn, &turn));
	tour_check(tour_join(p, 10) == 0, "ten held it twice, and still after giving it back once");
	tour_check_turns(turn.record, 10);
	tour_check(covey_rlock_holder(turn.lock) == 0, "and nobody has it now");
	covey_rlock_destroy(turn.lock);
	covey_queue_destroy(turn.record);

	TRY(covey_lock_create(&plain, "plain"));
	TRY(covey_lock_acquire(plain, COVEY_FOREVER));
	tour_check(covey_lock_acquire(plain, COVEY_FOREVER) == -EDEADLK,
	           "a plain lock taken twice: %s", covey_errmsg());
	TRY(covey_lock_release(plain));
	covey_lock_destroy(plain);
	return 0;
}

const struct tour_chapter tour08_rlock = {
	"rlock",
	"A lock that its holder may take again",
	run,
};
