/* SPDX-License-Identifier: MIT */
#include "swept_queue.h"

#include <stdlib.h>

covey_queue q;
uint64_t count;

unsigned char victims[LARGE];
static uint32_t victims_id;
static uint32_t filled; /* messages put in setting up, from 1,000 on */

static void new_queue(uint64_t bound)
{
	static uint32_t round;

	/*
	 * Its beginning is a whole message of any length. Another one each time: memory that is
	 * used again holds the last one, which would hide that nothing was copied.
	 */
	victims_id = 100 + round++ % 800;
	make_message(victims, LARGE, victims_id);
	filled = 0;
	if (covey_queue_create(&q, &(covey_queue_opts){.name = "swept", .max_messages = bound}) < 0)
		abort();
}

void put_id(size_t len, uint32_t id)
{
	static unsigned char buf[LARGE];

	make_message(buf, len, id);
	if (covey_queue_put(q, buf, len, COVEY_FOREVER) < 0)
		abort();
}

static void fill(uint64_t n, size_t len)
{
	for (uint32_t i = 0; i < n; i++)
		put_id(len, 1000 + i);
	count = filled = (uint32_t)n;
}

void empty_queue(void)
{
	new_queue(FILLED);
}

void half_full_queue(void)
{
	new_queue(FILLED);
	fill(3, SMALL);
}

void full_queue(void)
{
	new_queue(FILLED);
	fill(FILLED, SMALL);
}

void brimming_queue(void)
{
	new_queue(0);
	fill(64, SMALL);
}

void crossing_queue(void)
{
	unsigned char buf[SMALL];

	new_queue(0);
	fill(66, SMALL);
	for (int i = 0; i < 64; i++)
		if (covey_queue_get(q, buf, sizeof buf, 0) != SMALL)
			abort();
	count = 2;
}

void large_queue(void)
{
	new_queue(0);
	fill(2, LARGE);
}

const char *drain_and_use(const struct board *b)
{
	static unsigned char buf[LARGE];
	uint32_t id, last = 0;
	int64_t n;
	int slack = 0;

	for (;;) {
		n = covey_queue_get(q, buf, sizeof buf, 0);
		if (n == -EAGAIN && covey_queue_size(q) == 0)
			break;
		if (n == -EAGAIN && slack++ < 1000000)
			continue; /* another receiver is inside */
		if (n < 0)
			return "get failed";
		if (!whole_message(buf, (size_t)n, &id)) {
			board->torn = 1;
			return "a torn message";
		}
		if (id != victims_id && id != HELPERS_ID && id - 1000 >= filled) {
			board->torn = 1;
			return "a message that nobody put";
		}
		if (id >= 1000 && id <= last)
			return "out of order or twice";
		if (id >= 1000)
			last = id;
	}
	for (int i = 0; i < SLEEPERS; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	if (covey_queue_bytes(q) != 0)
		return "bytes are counted in an empty queue";
	for (uint32_t i = 0; i < 200; i++) {
		make_message(buf, SMALL, 5000 + i);
		if (covey_queue_put(q, buf, SMALL, COVEY_FOREVER) < 0)
			return "put failed afterwards";
		if (covey_queue_bytes(q) != SMALL)
			return "bytes are miscounted";
		if (covey_queue_get(q, buf, sizeof buf, COVEY_FOREVER) != SMALL)
			return "get failed afterwards";
		if (!whole_message(buf, SMALL, &id) || id != 5000 + i)
			return "another message came than was put";
	}
	return NULL;
}

const char *count_drain_and_use(const struct board *b, uint64_t least, uint64_t most)
{
	uint64_t n = (uint64_t)covey_queue_size(q);

	if (n < least || n > most)
		return "messages were lost or doubled";
	return drain_and_use(b);
}

void end_queue(void)
{
	if (covey_queue_destroy(q) < 0)
		abort();
}
