/* SPDX-License-Identifier: MIT */
/*
 * imap: results one by one, of items that are submitted a window ahead. The window is a
 * ring of parts; ordered, the oldest is handed out next; unordered, the one whose
 * future the pool lists first.
 */
#include "pool/chunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A place in the window, with what its items have come to. */
struct place {
	struct part part;            /* first, for its future's data */
	size_t first, count, handed; /* of the whole part */
	bool taken;
	unsigned char *items;   /* of a source: a copy */
	unsigned char *results; /* of the whole part */
	int *rc;                /* an item: 0 or why it failed */
	char **words;           /* an item: NULL, or of that, from malloc */
};

struct covey_imap {
	struct chunks chunks;
	struct group group;
	uint32_t incarnation;
	bool unordered, dry, told; /* no more items; source_rc was returned */
	size_t chunk, window;
	const unsigned char *items;
	size_t n, given; /* of the items; those that are submitted */
	covey_imap_source *source;
	void *context;
	int source_rc;
	int64_t index;         /* last handed out, -1 for none */
	size_t made, oldest;   /* parts, counted */
	struct place *current; /* is being handed out */
	struct place *places;
	unsigned char *memory; /* of all places */
};

/* ---- filling the window */

static struct place *place_of(struct covey_imap *imap, size_t item)
{
	for (size_t i = 0; i < imap->window; i++) {
		struct place *place = &imap->places[i];

		if (place->taken && item - place->first < place->count)
			return place;
	}
	return NULL;
}

static void note(void *context, size_t item, int rc)
{
	struct place *place = place_of(context, item);

	if (!place)
		return;
	place->rc[item - place->first] = rc;
	place->words[item - place->first] = strdup(covey_errmsg());
}

/* Items for a place from the source or the array; how many. */
static size_t gather(struct covey_imap *imap, struct place *place)
{
	size_t left = imap->n - imap->given, count = 0;

	if (!imap->source) {
		if (left)
			place->part.items = imap->items + imap->given * imap->chunks.item_size;
		count = left < imap->chunk ? left : imap->chunk;
		imap->dry = count == left;
		return count;
	}
	place->part.items = place->items;
	while (count < imap->chunk && !imap->dry) {
		int rc = imap->source(imap->context, place->items + count * imap->chunks.item_size);

		if (rc > 0) {
			count++;
			continue;
		}
		imap->dry = true;
		imap->source_rc = rc;
	}
	return count;
}

/* A place that is free; NULL where the window is full. */
static struct place *free_place(struct covey_imap *imap)
{
	if (!imap->unordered) {
		struct place *place = &imap->places[imap->made % imap->window];

		return place->taken ? NULL : place;
	}
	for (size_t i = 0; i < imap->window; i++)
		if (!imap->places[i].taken)
			return &imap->places[i];
	return NULL;
}

static void fill(struct covey_imap *imap)
{
	struct place *place;

	while (!imap->dry && (place = free_place(imap)) != NULL) {
		size_t count = gather(imap, place);

		if (!count)
			return;
		place->first = place->part.first = imap->given;
		place->count = place->part.count = count;
		place->handed = 0;
		place->taken = true;
		place->part.results = place->results;
		place->part.tries = imap->chunks.retries;
		memset(place->rc, 0, count * sizeof *place->rc);
		imap->given += count;
		imap->made++;
		cvy_part_submit(&imap->chunks, &place->part);
		if (!place->part.f) {
			imap->dry = true;
			cvy_part_settle(&imap->chunks, &place->part);
		}
	}
}

/* ---- opening and closing */

static int allocate(struct covey_imap *imap)
{
	size_t results = (imap->chunk * imap->chunks.result_size + 15) & ~(size_t)15;
	size_t items = imap->source ? (imap->chunk * imap->chunks.item_size + 15) & ~(size_t)15 : 0;
	size_t each = results + items + imap->chunk * (sizeof(char *) + sizeof(int)), bytes;
	unsigned char *at;

	each = (each + 15) & ~(size_t)15;
	imap->places = calloc(imap->window, sizeof *imap->places);
	if (!imap->places || __builtin_mul_overflow(each, imap->window, &bytes) ||
	    !(imap->memory = calloc(1, bytes ? bytes : 1)))
		return cvy_fail(ENOMEM, "imap: no memory for %zu chunks of %zu items", imap->window,
		                imap->chunk);
	for (size_t i = 0; i < imap->window; i++) {
		struct place *place = &imap->places[i];

		at = imap->memory + i * each;
		place->results = at;
		place->items = at + results;
		place->words = (char **)(void *)(at + results + items);
		place->rc = (int *)(void *)(place->words + imap->chunk);
	}
	return 0;
}

static int check(covey_pool *pool, const void *items, size_t n, size_t item_size,
                 size_t result_size, const covey_imap_opts *opts)
{
	size_t chunk = opts->chunk ? opts->chunk : 1, bytes;

	if (n && item_size && !items && !opts->source)
		return cvy_fail(EINVAL, "imap: neither items nor a source were given");
	if (__builtin_mul_overflow(n, item_size, &bytes) ||
	    __builtin_mul_overflow(chunk, item_size + 16, &bytes) ||
	    __builtin_mul_overflow(chunk, result_size + 16, &bytes) || bytes > SIZE_MAX / 4)
		return cvy_fail(EINVAL, "imap: so many items are more than memory can hold");
	if (opts->priority < COVEY_PRIORITY_MIN || opts->priority > COVEY_PRIORITY_MAX)
		return cvy_fail(EINVAL, "imap: priority %d, which must be %d to %d", opts->priority,
		                COVEY_PRIORITY_MIN, COVEY_PRIORITY_MAX);
	if (cvy_in_callback_of(pool))
		return cvy_fail(EDEADLK, "pool '%s': imap called by a callback of its own",
		                pool->name);
	return 0;
}

covey_imap *covey_pool_imap_v(covey_pool *pool, covey_task_fn *fn, const void *items, size_t n,
                              size_t item_size, size_t result_size, const covey_imap_opts *given,
                              size_t size)
{
	covey_imap_opts opts;
	covey_imap *imap;
	covey_fn value;

	if (cvy_pool_check(pool) < 0 || cvy_options(&opts, sizeof opts, given, size, "imap") < 0 ||
	    covey_fn_make(&value, fn) < 0 ||
	    check(pool, items, n, item_size, result_size, &opts) < 0)
		return NULL;
	imap = calloc(1, sizeof *imap);
	if (!imap) {
		cvy_fail(ENOMEM, "imap: no memory");
		return NULL;
	}
	imap->chunks = (struct chunks){.pool = pool,
	                               .fn = value,
	                               .name = "imap",
	                               .item_size = item_size,
	                               .result_size = result_size,
	                               .retries = cvy_retries(pool, opts.retries),
	                               .priority = opts.priority,
	                               .group = opts.unordered ? &imap->group : NULL,
	                               .failed = note,
	                               .context = imap};
	imap->incarnation = cvy_incarnation();
	imap->unordered = opts.unordered;
	imap->chunk = opts.chunk ? opts.chunk : 1;
	imap->window = opts.buffer ? opts.buffer : (size_t)pool->workers * 16;
	imap->items = items;
	imap->n = n;
	imap->source = opts.source;
	imap->context = opts.context;
	imap->index = -1;
	if (allocate(imap) < 0) {
		covey_imap_close(imap);
		return NULL;
	}
	fill(imap);
	return imap;
}

void covey_imap_close(covey_imap *imap)
{
	if (!imap || imap->incarnation != cvy_incarnation())
		return;
	for (size_t i = 0; imap->memory && i < imap->window; i++) {
		struct place *place = &imap->places[i];

		if (place->taken)
			cvy_part_drop(&place->part);
		for (size_t k = 0; k < imap->chunk; k++)
			free(place->words[k]);
	}
	free(imap->places);
	free(imap->memory);
	free(imap);
}

/* ---- handing out */

/* Waits until the oldest part is over. 0 or an error. */
static struct place *next_in_order(struct covey_imap *imap, struct cvy_wait *wait)
{
	struct place *place = &imap->places[imap->oldest % imap->window];

	while (place->part.count) {
		if (place->part.f && cvy_await(place->part.f, wait) < 0)
			return NULL;
		cvy_part_settle(&imap->chunks, &place->part);
	}
	imap->oldest++;
	return place;
}

/* Waits until any part is over. */
static struct place *next_of_any(struct covey_imap *imap, struct cvy_wait *wait)
{
	for (;;) {
		struct place *place;
		covey_future *f;

		/* Those that could not be submitted have no future. */
		for (size_t i = 0; i < imap->window; i++)
			if (imap->places[i].taken && !imap->places[i].part.count)
				return &imap->places[i];
		f = cvy_next_of(imap->chunks.pool, &imap->group, wait);
		if (!f)
			return NULL;
		place = covey_future_data(f);
		if (cvy_part_settle(&imap->chunks, &place->part))
			return place;
	}
}

/* Hands out the next item of the current place; 1 or the item's error. */
static int hand_out(struct covey_imap *imap, void *result)
{
	struct place *place = imap->current;
	size_t at = place->handed++;
	int rc = place->rc[at];
	char *words = place->words[at];

	place->words[at] = NULL;
	imap->index = (int64_t)(place->first + at);
	if (rc < 0)
		rc = cvy_fail(-rc, "imap: item %zu: %s", place->first + at,
		              words ? words : "no memory for why it failed");
	else if (result && imap->chunks.result_size)
		memcpy(result, place->results + at * imap->chunks.result_size,
		       imap->chunks.result_size);
	free(words);
	if (place->handed == place->count) {
		place->taken = false;
		imap->current = NULL;
	}
	return rc < 0 ? rc : 1;
}

int covey_imap_next(covey_imap *imap, void *result, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	bool any = false;
	int rc;

	if (!imap)
		return cvy_fail(EINVAL, "imap: none was given");
	rc = cvy_pool_check(imap->chunks.pool);
	if (rc < 0)
		return rc;
	fill(imap);
	if (!imap->current) {
		for (size_t i = 0; i < imap->window && !any; i++)
			any = imap->places[i].taken;
		if (!any && imap->source_rc < 0 && !imap->told) {
			imap->told = true;
			return cvy_fail(-imap->source_rc, "imap: its source failed: %s",
			                covey_strerror(imap->source_rc));
		}
		if (!any)
			return 0;
		imap->current =
			imap->unordered ? next_of_any(imap, &wait) : next_in_order(imap, &wait);
	}
	if (!imap->current)
		return cvy_timed_out(timeout_ms, "imap: no result yet");
	return hand_out(imap, result);
}

int64_t covey_imap_index(const covey_imap *imap)
{
	if (!imap || imap->index < 0)
		return cvy_fail(EINVAL, "imap: no item has been told of");
	return imap->index;
}
