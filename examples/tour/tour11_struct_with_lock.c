/* SPDX-License-Identifier: MIT */
/*
 * What cannot travel: a struct that holds a lock.
 *
 * A lock goes to a process as part of its argument; in a message it is refused.
 * In Python the put seems to work, the error shows in a thread in the
 * background, and the message is lost. Here the put itself fails, names the
 * field, and nothing was sent.
 */
#include "tour.h"

struct bird {
	const char *name;
	covey_lock lock;
};

COVEY_SCHEMA(bird, name, lock)
/* The same struct without what cannot travel: the lock is nobody's there. */
COVEY_SCHEMA_OF(plain_bird, struct bird, name)

/* The child has the lock by its argument. */
COVEY_PROCESS(reader, covey_queue, q, covey_lock, lock)
{
	struct bird bird;
	int good = 0;

	for (int i = 0; i < 5; i++) {
		TRY(covey_queue_get_as(q, plain_bird, &bird, COVEY_FOREVER));
		bird.lock = lock;
		COVEY_WITH (bird.lock)
			good += bird.name[0] == 'a' + i;
		tour_say("got bird(%s), and locked it", bird.name);
		covey_free_as(plain_bird, &bird);
	}
	return good == 5 ? 0 : 1;
}

static int run(void)
{
	static const char *const names[] = {"auk", "bittern", "crane", "dunlin", "egret"};
	struct bird bird = {.name = names[0]};
	covey_queue q;
	covey_lock lock;
	covey_process *r;
	int rc;

	tour_note("A lock is a field of the struct that is put.");
	TRY(covey_lock_create(&lock, "nest"));
	TRY(covey_queue_create(&q, &(covey_queue_opts){.name = "birds"}));
	bird.lock = lock;
	rc = covey_queue_put_as(q, bird, &bird, COVEY_FOREVER);
	tour_check(rc == -EINVAL && strstr(covey_errmsg(), "bird.lock"), "refused: %s",
	           covey_errmsg());
	tour_check(covey_queue_size(q) == 0, "nothing of it is in the queue");

	tour_note("\nSo the lock goes to the reader as an argument, the name in the message.");
	TRY(covey_start_args(&r, reader, (q, lock), .name = "reader"));
	for (int i = 0; i < 5; i++) {
		bird.name = names[i];
		TRY(covey_queue_put_as(q, plain_bird, &bird, COVEY_FOREVER));
		tour_nap();
	}
	tour_check(covey_process_finish(&r, 1) == 0,
	           "the queue works on: five came through, nothing is lost");
	covey_queue_destroy(q);
	covey_lock_destroy(lock);
	return 0;
}

const struct tour_chapter tour11_struct_with_lock = {
	"struct-with-lock",
	"What cannot travel: a struct that holds a lock",
	run,
};
