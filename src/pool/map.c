/* SPDX-License-Identifier: MIT */
/* map: all items, their results in order. */
#include "pool/chunk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct map {
	struct chunks chunks;
	const unsigned char *items;
	unsigned char *results;
	size_t n, chunk, window;
	struct part *parts; /* as many as the window has, round and round */
	struct cvy_wait wait;
	int rc;       /* of the first item that failed */
	size_t which; /* that item */
	char words[256];
};

/* The first in the items' order counts. */
static void note(void *context, size_t item, int rc)
{
	struct map *map = context;

	if (map->rc < 0 && map->which <= item)
		return;
	map->which = item;
	map->rc = rc;
	snprintf(map->words, sizeof map->words, "%s", covey_errmsg());
}

static void submit(struct map *map, size_t number)
{
	struct part *part = &map->parts[number % map->window];
	size_t first = number * map->chunk, left = map->n - first;

	*part = (struct part){
		.items = map->items + first * map->chunks.item_size,
		.results = map->results ? map->results + first * map->chunks.result_size : NULL,
		.first = first,
		.count = left < map->chunk ? left : map->chunk,
		.tries = map->chunks.retries};
	cvy_part_submit(&map->chunks, part);
	if (!part->f)
		cvy_part_settle(&map->chunks, part);
}

/* Waits for a part until each of its items has its result or is noted. 0 or -ETIMEDOUT. */
static int collect(struct map *map, struct part *part)
{
	while (part->count) {
		if (part->f && cvy_await(part->f, &map->wait) < 0)
			return -ETIMEDOUT;
		cvy_part_settle(&map->chunks, part);
	}
	return 0;
}

static int run_map(struct map *map)
{
	size_t parts = map->n / map->chunk + (map->n % map->chunk != 0), made = 0, taken = 0;
	size_t window = map->window && map->window < parts ? map->window : parts;
	int rc = 0;

	if (!window)
		return 0;
	map->window = window;
	map->parts = calloc(window, sizeof *map->parts);
	if (!map->parts)
		return cvy_fail(ENOMEM, "map: no memory for %zu chunks", window);
	for (; taken < parts && rc == 0; taken++) {
		while (made < parts && made - taken < window)
			submit(map, made++);
		rc = collect(map, &map->parts[taken % window]);
	}
	if (rc < 0) {
		rc = cvy_timed_out(map->wait.timeout_ms, "map: %zu of %zu chunks are done",
		                   taken - 1, parts);
		for (taken--; taken < made; taken++)
			cvy_part_drop(&map->parts[taken % window]);
	} else if (map->rc < 0) {
		rc = cvy_fail(-map->rc, "map: item %zu: %s", map->which, map->words);
	}
	free(map->parts);
	return rc;
}

static int check(const covey_pool *pool, size_t n, size_t item_size, size_t result_size,
                 int priority)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, item_size, &bytes) ||
	    __builtin_mul_overflow(n, result_size, &bytes))
		return cvy_fail(EINVAL, "map: %zu items of %zu bytes are more than memory can hold",
		                n, item_size > result_size ? item_size : result_size);
	if (priority < COVEY_PRIORITY_MIN || priority > COVEY_PRIORITY_MAX)
		return cvy_fail(EINVAL, "map: priority %d, which must be %d to %d", priority,
		                COVEY_PRIORITY_MIN, COVEY_PRIORITY_MAX);
	if (cvy_in_callback_of(pool))
		return cvy_fail(EDEADLK, "pool '%s': map called by a callback of its own",
		                pool->name);
	return 0;
}

int covey_pool_map_v(covey_pool *pool, covey_task_fn *fn, const void *items, size_t n,
                     size_t item_size, void *results, size_t result_size,
                     const covey_map_opts *given, size_t size)
{
	struct map map = {.chunks = {.pool = pool,
	                             .name = "map",
	                             .item_size = item_size,
	                             .result_size = result_size,
	                             .failed = note,
	                             .context = &map},
	                  .items = items,
	                  .results = results,
	                  .n = n};
	covey_map_opts opts;
	int rc = cvy_pool_check(pool);

	if (rc == 0)
		rc = cvy_options(&opts, sizeof opts, given, size, "map");
	if (rc == 0)
		rc = covey_fn_make(&map.chunks.fn, fn);
	if (rc == 0)
		rc = check(pool, n, item_size, result_size, opts.priority);
	if (rc < 0)
		return rc;
	if ((n && item_size && !items) || (n && result_size && !results))
		return cvy_fail(EINVAL, "map: no items, or no place for results, were given");
	if (n == 0)
		return 0;
	map.chunks.retries = cvy_retries(pool, opts.retries);
	map.chunks.priority = opts.priority;
	map.wait = CVY_WAIT(opts.timeout_ms > 0 ? opts.timeout_ms : COVEY_FOREVER);
	map.window = opts.buffer;
	map.chunk = opts.chunk ? opts.chunk : n / ((size_t)pool->workers * 4);
	if (!map.chunk)
		map.chunk = 1;
	if (map.chunk > n)
		map.chunk = n;
	return run_map(&map);
}

/* ---- items in several arrays */

static int check_columns(const covey_column *columns, int count, size_t n, size_t item_size)
{
	if (count < 1 || !columns)
		return cvy_fail(EINVAL, "map: no arrays were given");
	for (int c = 0; c < count; c++) {
		if (n && !columns[c].values)
			return cvy_fail(EINVAL, "map: array %d is NULL", c);
		if (columns[c].offset > item_size ||
		    columns[c].size > item_size - columns[c].offset)
			return cvy_fail(EINVAL, "map: array %d lies outside the items", c);
	}
	return 0;
}

int covey_pool_map_columns_v(covey_pool *pool, covey_task_fn *fn, const covey_column *columns,
                             int count, size_t n, size_t item_size, void *results,
                             size_t result_size, const covey_map_opts *opts, size_t size)
{
	unsigned char *items;
	int rc = check_columns(columns, count, n, item_size);

	if (rc < 0)
		return rc;
	if (count == 1 && columns->size == item_size)
		return covey_pool_map_v(pool, fn, columns->values, n, item_size, results,
		                        result_size, opts, size);
	items = calloc(n ? n : 1, item_size);
	if (!items)
		return cvy_fail(ENOMEM, "map: no memory for %zu items of %zu bytes", n, item_size);
	for (int c = 0; c < count; c++)
		for (size_t i = 0; i < n; i++)
			memcpy(items + i * item_size + columns[c].offset,
			       (const unsigned char *)columns[c].values + i * columns[c].size,
			       columns[c].size);
	rc = covey_pool_map_v(pool, fn, items, n, item_size, results, result_size, opts, size);
	free(items);
	return rc;
}
