/* SPDX-License-Identifier: MIT */
/* Messages: so many a second from senders to receivers, and the time there and back. */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct line {
	const struct channel *by;
	const struct plan *plan;
	void *there, *back;
	double *samples; /* of asleep; shared */
	long wanted;
};

static struct line line_open(const struct plan *plan, const struct channel *by, int ways)
{
	struct line line = {.by = by, .plan = plan};

	line.there = by->open(plan, 0);
	line.back = ways > 1 ? by->open(plan, 1) : NULL;
	if (!line.there || (ways > 1 && !line.back))
		bench_fail("the channel cannot be made");
	return line;
}

static void attach(const struct line *line, void *channel, int sends, int index)
{
	if (line->by->attach)
		line->by->attach(channel, sends, index);
}

static void *buffer(const struct line *line)
{
	size_t size = line->plan->size * (size_t)(line->by->batch ? line->by->batch : 1);
	void *memory = aligned_alloc(4096, (size + 4095) & ~(size_t)4095);

	memset(memory, 'c', size);
	return memory;
}

static void send_on(void *context, int index, volatile uint64_t *counter)
{
	const struct line *line = context;
	unsigned char *data = buffer(line);

	(void)counter;
	attach(line, line->there, 1, index);
	for (uint64_t n = 0;; n++) {
		*(uint64_t *)(void *)data = n;
		line->by->put(line->there, data, line->plan->size);
	}
}

static void receive_on(void *context, int index, volatile uint64_t *counter)
{
	const struct line *line = context;
	unsigned char *data = buffer(line);
	uint64_t step = line->by->batch ? (uint64_t)line->by->batch : 1;

	attach(line, line->there, 0, index);
	for (;;) {
		line->by->get(line->there, data, line->plan->size);
		*counter += step;
	}
}

void bench_stream(const struct plan *plan, const struct channel *by)
{
	struct line line = line_open(plan, by, 1);
	uint64_t counts[16], sum = 0;
	struct crew crew;
	double seconds;

	bench_crew(&crew);
	for (int i = 0; i < plan->receivers; i++)
		bench_enlist(&crew, receive_on, &line, i);
	for (int i = 0; i < plan->senders; i++)
		bench_enlist(&crew, send_on, &line, i);
	seconds = bench_watch(&crew, plan, counts);
	for (int i = 0; i < plan->receivers; i++)
		sum += counts[i];
	if (!sum)
		bench_fail("no message came");
	bench_say(1, (double)sum / seconds);
}

static void ask_on(void *context, int index, volatile uint64_t *counter)
{
	const struct line *line = context;
	void *data = buffer(line);

	attach(line, line->there, 1, index);
	attach(line, line->back, 0, index);
	for (;; (*counter)++) {
		line->by->put(line->there, data, line->plan->size);
		line->by->get(line->back, data, line->plan->size);
	}
}

static void answer_on(void *context, int index, volatile uint64_t *counter)
{
	const struct line *line = context;
	void *data = buffer(line);

	(void)counter;
	attach(line, line->there, 0, index);
	attach(line, line->back, 1, index);
	for (;;) {
		line->by->get(line->there, data, line->plan->size);
		line->by->put(line->back, data, line->plan->size);
	}
}

void bench_trip(const struct plan *plan, const struct channel *by)
{
	struct line line = line_open(plan, by, 2);
	uint64_t counts[16];
	struct crew crew;
	double seconds;

	bench_crew(&crew);
	bench_enlist(&crew, answer_on, &line, 0);
	bench_enlist(&crew, ask_on, &line, 0);
	seconds = bench_watch(&crew, plan, counts);
	if (!counts[1])
		bench_fail("no message came back");
	bench_say(1, seconds / (double)counts[1]);
}

/* Longer than anybody spins before sleeping. */
#define ASLEEP_AFTER 250e-6

/*
 * Each side waits, busy, until the other must be asleep, and puts the time into the message that
 * wakes it. The sum of both ways' delays is a sample.
 */
static void ask_asleep(void *context, int index, volatile uint64_t *counter)
{
	const struct line *line = context;
	double *data = buffer(line);

	attach(line, line->there, 1, index);
	attach(line, line->back, 0, index);
	for (long i = 0; i < line->wanted; i++) {
		bench_pause(ASLEEP_AFTER);
		data[0] = bench_now();
		line->by->put(line->there, data, line->plan->size);
		line->by->get(line->back, data, line->plan->size);
		line->samples[i] = bench_now() - data[0] + data[1];
		(*counter)++;
	}
	pause();
}

static void answer_asleep(void *context, int index, volatile uint64_t *counter)
{
	const struct line *line = context;
	double *data = buffer(line);

	(void)counter;
	attach(line, line->there, 0, index);
	attach(line, line->back, 1, index);
	for (;;) {
		line->by->get(line->there, data, line->plan->size);
		data[1] = bench_now() - data[0];
		bench_pause(ASLEEP_AFTER);
		data[0] = bench_now();
		line->by->put(line->back, data, line->plan->size);
	}
}

void bench_asleep(const struct plan *plan, const struct channel *by)
{
	struct line line = line_open(plan, by, 2);
	uint64_t counts[16];
	struct plan wait = {.warm = plan->window + plan->warm};
	struct crew crew;
	long done = 0;

	line.wanted = (long)(wait.warm / (2 * ASLEEP_AFTER)) + 1;
	line.samples = bench_shared((size_t)line.wanted * sizeof(double));
	bench_crew(&crew);
	bench_enlist(&crew, answer_asleep, &line, 0);
	bench_enlist(&crew, ask_asleep, &line, 0);
	bench_watch(&crew, &wait, counts);
	while (done < line.wanted && line.samples[done] > 0)
		done++;
	/* The first ones are the warm-up. */
	bench_say(1, bench_median(line.samples + done / 10, done - done / 10));
}
