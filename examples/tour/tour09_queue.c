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

struct ends {
	covey_queue q;
	covey_queue seen;
};

static int writer(const void *arg, size_t len)
{
	const struct ends *ends = arg;

	tour_say("process %d is writing...", (int)getpid());
	for (int i = 0; i < 5; i++) {
		tour_say("put %s", birds[i]);
		TRY(covey_queue_put(ends->q, birds[i], strlen(birds[i]) + 1, COVEY_FOREVER));
		tour_nap();
	}
	return 0;
}

static int reader(const void *arg, size_t len)
{
	const struct ends *ends = arg;
	char bird[32];

	tour_say("process %d is reading...", (int)getpid());
	for (;;) {
		TRY(covey_queue_get(ends->q, bird, sizeof bird, COVEY_FOREVER));
		tour_say("got %s", bird);
		TRY(covey_put(ends->seen, &bird, COVEY_FOREVER));
	}
}

static int run(void)
{
	covey_process *w, *r;
	struct ends ends;
	char bird[32];
	int good = 0;

	tour_note("One process writes, one reads; then the reader is killed.");
	TRY(covey_queue_create(&ends.q, &(covey_queue_opts){.name = "birds"}));
	TRY(covey_queue_create(&ends.seen, &(covey_queue_opts){.name = "seen"}));
	TRY(covey_start(&w, writer, &ends, .name = "writer"));
	TRY(covey_start(&r, reader, &ends, .name = "reader", .daemon = 1));
	tour_check(tour_join(&w, 1) == 0, "the writer has ended by itself");
	for (int i = 0; i < 5; i++) {
		TRY(covey_get(ends.seen, &bird, COVEY_FOREVER));
		good += !strcmp(bird, birds[i]);
	}
	tour_check(good == 5, "all five came through, in order");

	TRY(covey_process_kill(r));
	TRY(covey_process_join(r, COVEY_FOREVER));
	tour_check(covey_process_exit_signal(r) == SIGKILL,
	           "the reader was ended by signal %d (%s)", covey_process_exit_signal(r),
	           strsignal(covey_process_exit_signal(r)));
	covey_process_free(r);

	TRY(covey_start(&r, reader, &ends, .name = "reader-2", .daemon = 1));
	TRY(covey_queue_put(ends.q, "capercaillie", 13, COVEY_FOREVER));
	TRY(covey_get(ends.seen, &bird, COVEY_FOREVER));
	tour_check(!strcmp(bird, "capercaillie"),
	           "the queue works on: another reader got the next");
	TRY(tour_kill(r));
	covey_queue_destroy(ends.q);
	covey_queue_destroy(ends.seen);
	return 0;
}

const struct tour_chapter tour09_queue = {
	"queue",
	"A queue, a writer, and a reader that is killed",
	run,
};
