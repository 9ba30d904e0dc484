/* SPDX-License-Identifier: MIT */
/* Many items, in chunks that are tasks: what map and imap share. */
#ifndef CVY_CHUNK_H
#define CVY_CHUNK_H

#include <covey/map.h>

#include "pool/pool.h"

struct chunks {
	covey_pool *pool;
	covey_fn fn;
	const char *name; /* of the tasks */
	size_t item_size, result_size;
	int retries; /* of an item that its worker died of */
	int priority;
	struct group *group;
	/* Told of each item that failed; covey_errmsg() says why. */
	void (*failed)(void *context, size_t item, int rc);
	void *context;
};

/* Items that travel together; what is left of them. */
struct part {
	covey_future *f; /* its data is the part; NULL where it could not be submitted */
	const unsigned char *items;
	unsigned char *results; /* where they go; NULL for nowhere */
	size_t first, count;
	int tries; /* of the item that its worker died of */
};

void cvy_part_submit(const struct chunks *chunks, struct part *part);
/*
 * Takes what a part whose future is done, or NULL, has come to. False: what its worker's death
 * has left of it is submitted again.
 */
bool cvy_part_settle(const struct chunks *chunks, struct part *part);
/* Cancels it, or lets it run for nobody. */
void cvy_part_drop(struct part *part);

#endif
