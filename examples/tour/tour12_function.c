/* SPDX-License-Identifier: MIT */
/*
 * Functions through a queue.
 *
 * A function is code in the program or in a library, which every process has:
 * so its name, that is module and offset, can travel, also that of a static
 * one. Code that is in no module cannot: a nested function of gcc that uses
 * what surrounds it lies on the stack, and what a compiler makes at run time in
 * a page of its own. Python's pickle refuses a lambda, in the background, and
 * the message is lost; here the put fails, and names the field.
 */
#include <sys/mman.h>

#include "tour.h"

struct bird {
	const char *name;
	size_t (*measure)(const char *);
};

COVEY_SCHEMA(bird, name, COVEY_FUNCTION(measure))

static size_t count_vowels(const char *name)
{
	size_t n = 0;

	for (; *name; name++)
		n += strchr("aeiou", *name) != NULL;
	return n;
}

COVEY_PROCESS(reader, covey_queue, q, covey_queue, lengths)
{
	struct bird bird;

	for (;;) {
		TRY(covey_queue_get_as(q, bird, &bird, COVEY_FOREVER));
		size_t measured = bird.measure(bird.name);
		tour_say("got bird(%s), and its function measures %zu", bird.name, measured);
		TRY(covey_put(lengths, &measured, COVEY_FOREVER));
		covey_free_as(bird, &bird);
	}
}

static int refused(covey_queue q, struct bird *bird, const char *what)
{
	int rc = covey_queue_put_as(q, bird, bird, COVEY_FOREVER);

	tour_check(rc == -EINVAL && strstr(covey_errmsg(), "bird.measure") &&
	                   covey_queue_size(q) == 0,
	           "%s is refused, and nothing sent: %s", what, covey_errmsg());
	return 0;
}

#if defined(__GNUC__) && !defined(__clang__)
static int refused_nested(covey_queue q, size_t limit)
{
	/* Uses `limit`: the pointer leads to a few instructions on this stack. */
	size_t measure(const char *name)
	{
		size_t len = strlen(name);

		return len < limit ? len : limit;
	}

	return refused(q, &(struct bird){"snipe", measure}, "a nested function");
}
#else
static int refused_nested(covey_queue q, size_t limit)
{
	tour_note("(This compiler has no nested functions.)");
	return 0;
}
#endif

static int run(void)
{
	struct bird birds[] = {{"partridge", strlen}, {"partridge", count_vowels}};
	const size_t expected[] = {9, 3};
	covey_process *r;
	covey_queue q, lengths;
	void *page;
	int good = 0;

	tour_note("A function of the C library, and a static one of this file.");
	TRY(covey_queue_create(&q, &(covey_queue_opts){.name = "birds"}));
	TRY(covey_queue_create(&lengths, NULL));
	TRY(covey_start_args(&r, reader, (q, lengths), .name = "reader", .daemon = 1));
	for (int i = 0; i < 2; i++) {
		size_t measured;

		TRY(covey_queue_put_as(q, bird, &birds[i], COVEY_FOREVER));
		TRY(covey_get(lengths, &measured, COVEY_FOREVER));
		good += measured == expected[i];
	}
	tour_check(good == 2, "both mean the same in the reader's process");

	tour_note("\nNow code that no other process has.");
	TRY(refused_nested(q, 3));
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -1;
	memcpy(&birds[0].measure, &page, sizeof page);
	TRY(refused(q, &birds[0], "code in no module"));
	munmap(page, 4096);

	TRY(covey_queue_put_as(q, bird, &birds[1], COVEY_FOREVER));
	size_t measured;
	TRY(covey_get(lengths, &measured, COVEY_FOREVER));
	tour_check(measured == 3, "the queue works on");
	TRY(covey_process_end(r, 0));
	covey_queue_destroy(q);
	covey_queue_destroy(lengths);
	return 0;
}

const struct tour_chapter tour12_function = {
	"function",
	"Functions through a queue, and code that cannot travel",
	run,
};
