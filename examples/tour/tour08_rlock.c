/* SPDX-License-Identifier: MIT */
/*
 * A lock that its holder may take again.
 *
 * An rlock counts: it is free once it has been given back as often as it was
 * taken. With it a function that takes the lock can call another that does so
 * too. A plain lock taken twice would wait for itself; covey says so instead.
 */
#include "tour.h"

COVEY_PROCESS(take_turn, int, number, covey_rlock, lock, covey_queue, record)
{
	TRY(covey_rlock_acquire(lock, COVEY_FOREVER));
	TRY(covey_rlock_acquire(lock, COVEY_FOREVER));
	TRY(tour_goes_in(record, number));
	tour_nap();
	TRY(tour_goes_out(record, number));
	TRY(covey_rlock_release(lock));
	if (covey_rlock_holder(lock) != getpid())
		return 1;
	TRY(covey_rlock_release(lock));
	return 0;
}

static int run(void)
{
	covey_process *p[10];
	covey_rlock lock;
	covey_queue record;
	covey_lock plain;

	tour_note("Ten processes, each takes the lock twice and gives it back twice.");
	TRY(covey_rlock_create(&lock, "turns"));
	TRY(covey_queue_create(&record, NULL));
	for (int i = 0; i < 10; i++)
		TRY(covey_start_args(&p[i], take_turn, (i, lock, record)));
	tour_check(covey_process_finish(p, 10) == 0,
	           "ten held it twice, and still after giving it back once");
	tour_check_turns(record, 10);
	tour_check(covey_rlock_holder(lock) == 0, "and nobody has it now");
	covey_rlock_destroy(lock);
	covey_queue_destroy(record);

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
