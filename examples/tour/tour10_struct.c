/* SPDX-License-Identifier: MIT */
/*
 * Structs through a queue.
 *
 * A struct of plain values goes as it is, by covey_put and covey_get. One that
 * points to memory, like a string, goes by a schema: the list of its fields.
 * Their types the compiler finds by itself. On the way it is MessagePack, which
 * a Python program, say, could read too.
 */
#include "tour.h"

struct bird {
	const char *name;
	uint32_t eggs;
};

COVEY_SCHEMA(bird, name, eggs)

static struct bird birds[] = {
	{"partridge", 15}, {"quail", 10}, {"grouse", 8}, {"ptarmigan", 7}, {"pheasant", 11},
};

COVEY_PROCESS(writer, covey_queue, q)
{
	for (int i = 0; i < 5; i++) {
		tour_say("put bird(%s, %u eggs)", birds[i].name, birds[i].eggs);
		TRY(covey_queue_put_as(q, bird, &birds[i], COVEY_FOREVER));
		tour_nap();
	}
	return 0;
}

COVEY_PROCESS(reader, covey_queue, q, covey_queue, seen)
{
	struct bird bird;

	for (;;) {
		TRY(covey_queue_get_as(q, bird, &bird, COVEY_FOREVER));
		tour_say("got bird(%s, %u eggs)", bird.name, bird.eggs);
		TRY(covey_queue_put_as(seen, bird, &bird, COVEY_FOREVER));
		covey_free_as(bird, &bird);
	}
}

static int run(void)
{
	covey_process *w, *r;
	covey_queue q, seen;
	struct bird bird;
	int good = 0;

	tour_note("Writer and reader as before; what travels is a struct with a string in it.");
	TRY(covey_queue_create(&q, &(covey_queue_opts){.name = "birds"}));
	TRY(covey_queue_create(&seen, &(covey_queue_opts){.name = "seen"}));
	TRY(covey_start_args(&w, writer, (q), .name = "writer"));
	TRY(covey_start_args(&r, reader, (q, seen), .name = "reader", .daemon = 1));
	tour_check(covey_process_finish(&w, 1) == 0, "the writer has ended by itself");
	for (int i = 0; i < 5; i++) {
		TRY(covey_queue_get_as(seen, bird, &bird, COVEY_FOREVER));
		good += !strcmp(bird.name, birds[i].name) && bird.eggs == birds[i].eggs;
		covey_free_as(bird, &bird);
	}
	tour_check(good == 5, "five structs came through whole, there and back");
	TRY(covey_process_end(r, 0));
	covey_queue_destroy(q);
	covey_queue_destroy(seen);
	return 0;
}

const struct tour_chapter tour10_struct = {
	"struct",
	"Structs through a queue",
	run,
};
