/* SPDX-License-Identifier: MIT */
/*
 * A queue between processes, and a reader that is killed.
 *
 * The writer puts five names, the reader gets them in a loop without end; when
 * the writer is done and all is read, the reader is killed. It dies inside get,
 * and the queue works on. In Python a reader killed at the wrong moment takes
 * the queue's lock with it, and all others wait for ever.
 */
#include "tour.h"

static const char *const birds[] = {"partridge", "quail", "grouse", "ptarmigan", "pheasant"};

COVEY_PROCESS(writer, covey_queue, q)
{
	tour_say("process %d is writing...", (int)getpid());
	for (int i = 0; i < 5; i++) {
		tour_say("put %s", birds[i]);
		TRY(covey_queue_put(q, birds[i], strlen(birds[i]) + 1, COVEY_FOREVER));
		tour_nap();
	}
	return 0;
}

COVEY_PROCESS(reader, covey_queue, q, covey_queue, seen)
{
	char bird[32];

	tour_say("process %d is reading...", (int)getpid());
	for (;;) {
		TRY(covey_queue_get(q, bird, sizeof bird, COVEY_FOREVER));
		tour_say("got %s", bird);
		TRY(covey_put(seen, &bird, COVEY_FOREVER));
	}
}

static int run(void)
{
	covey_process *w, *r;
	covey_queue q, seen;
	char bird[32];
	int good = 0;

	tour_note("One process writes, one reads; then the reader is killed.");
	TRY(covey_queue_create(&q, &(covey_queue_opts){.name = "birds"}));
	TRY(covey_queue_create(&seen, &(covey_queue_opts){.name = "seen"}));
	TRY(covey_start_args(&w, writer, (q), .name = "writer"));
	TRY(covey_start_args(&r, reader, (q, seen), .name = "reader", .daemon = 1));
	tour_check(covey_process_finish(&w, 1) == 0, "the writer has ended by itself");
	for (int i = 0; i < 5; i++) {
		TRY(covey_get(seen, &bird, COVEY_FOREVER));
		good += !strcmp(bird, birds[i]);
	}
	tour_check(good == 5, "all five came through, in order");

	tour_check(covey_process_end(r, 0) == 128 + SIGKILL, "the reader was killed");

	TRY(covey_start_args(&r, reader, (q, seen), .name = "reader-2", .daemon = 1));
	TRY(covey_queue_put(q, "capercaillie", 13, COVEY_FOREVER));
	TRY(covey_get(seen, &bird, COVEY_FOREVER));
	tour_check(!strcmp(bird, "capercaillie"),
	           "the queue works on: another reader got the next");
	TRY(covey_process_end(r, 0));
	covey_queue_destroy(q);
	covey_queue_destroy(seen);
	return 0;
}

const struct tour_chapter tour09_queue = {
	"queue",
	"A queue, a writer, and a reader that is killed",
	run,
};
