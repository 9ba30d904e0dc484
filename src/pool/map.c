/* SPDX-License-Identifier: MIT */
/*
 * map: chunks of items as tasks. The argument of a chunk is a header and its
 * items; its result is a report and the items' results, in order.
 */
#include "pool/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
	covey_fn fn;
	uint64_t count;
	uint64_t item_size;
	uint64_t result_size;
	uint64_t pad;
	unsigned char items[];
};

struct report {
	int64_t failed; /* the first item that failed, -1 for none */
	int64_t code;
	int64_t misfit; /* it had a result of this size, -1 where that was not why */
	char words[128];
	unsigned char results[];
};
_Static_assert(offsetof(struct chunk, items) % 16 == 0, "items are aligned as arguments are");

/* A copy where an item of the chunk would not be aligned as an argument is. */
static const void *aligned(const unsigned char *item, size_t size, unsigned char **copy)
{
	if ((uintptr_t)item % 16 == 0)
		return item;
	if (!*copy)
		*copy = aligned_alloc(64, (size + 63) & ~(size_t)63);
	if (!*copy)
		return item;
	memcpy(*copy, item, size);
	return *copy;
}

static int run_chunk(covey_task *task, const void *arg, size_t len)
{
	const struct chunk *chunk = arg;
	unsigned char *copy = NULL;
	struct report *report;
	covey_task_fn *fn;

	if (len < sizeof *chunk)
		return covey_task_fail(EBADMSG, "map: a damaged chunk");
	fn = (covey_task_fn *)covey_fn_pointer(chunk->fn);
	if (!fn)
		return covey_task_fail(ENOENT, "%s", covey_errmsg());
	report = covey_task_result(task, sizeof *report + chunk->count * chunk->result_size);
	if (!report)
		return covey_task_fail(ENOMEM, "%s", covey_errmsg());
	memset(report, 0, sizeof *report);
	report->failed = report->misfit = -1;
	for (uint64_t i = 0; i < chunk->count; i++) {
		unsigned char *to = report->results + i * chunk->result_size;
		size_t size = 0;
		int code = cvy_run_item(
			fn, aligned(chunk->items + i * chunk->item_size, chunk->item_size, &copy),
			chunk->item_size, to, chunk->result_size, &size);

		if (report->failed >= 0 || (!code && size == chunk->result_size))
			continue;
		report->failed = (int64_t)i;
		report->code = code;
		if (!code)
			report->misfit = (int64_t)size;
		memcpy(report->words, cvy_item_words(), sizeof report->words);
	}
	free(copy);
	return 0;
}

struct map {
	covey_pool *pool;
	covey_fn fn;
	const unsigned char *items;
	unsigned char *results;
	size_t n, item_size, result_size, chunk;
	int retries;
	int rc;       /* of the first item that failed */
	size_t which; /* that item */
};

static covey_future *submit(const struct map *map, size_t first, size_t count)
{
	size_t len = sizeof(struct chunk) + count * map->item_size;
	covey_submit_opts opts = {.name = "map",
	                          .result_size = sizeof(struct report) + count * map->result_size,
	                          .retries = map->retries};
	struct chunk *chunk = malloc(len);
	covey_future *f;

	if (!chunk) {
		cvy_fail(ENOMEM, "map: no memory for a chunk of %zu items", count);
		return NULL;
	}
	*chunk = (struct chunk){map->fn, count, map->item_size, map->result_size, 0};
	memcpy(chunk->items, map->items + first * map->item_size, count * map->item_size);
	f = cvy_submit(map->pool, run_chunk, chunk, len, &opts, true);
	free(chunk);
	return f;
}

/* Notes a failure, of which the first in the items' order counts; with its words set. */
static void note(struct map *map, size_t item, int rc)
{
	if (map->rc < 0 && map->which <= item)
		return;
	map->which = item;
	map->rc = rc;
}

static void collect(struct map *map, covey_future *f, size_t first, size_t count);

/* A worker died in a chunk: only the item that it died of shall fail. */
static void one_by_one(struct map *map, size_t first, size_t count)
{
	for (size_t i = first; i < first + count; i++) {
		covey_future *f = submit(map, i, 1);

		if (f)
			collect(map, f, i, 1);
		else
			note(map, i, covey_errcode());
		covey_future_free(f);
	}
}

static void collect(struct map *map, covey_future *f, size_t first, size_t count)
{
	const struct report *report;
	const void *data;
	int64_t len = covey_future_view(f, &data, COVEY_FOREVER);

	if (len == -EOWNERDEAD && count > 1) {
		one_by_one(map, first, count);
		return;
	}
	if (len < (int64_t)(sizeof *report + count * map->result_size)) {
		note(map, first, len < 0 ? (int)len : -EBADMSG);
		return;
	}
	report = data;
	if (map->results)
		memcpy(map->results + first * map->result_size, report->results,
		       count * map->result_size);
	if (report->failed < 0)
		return;
	if (report->misfit >= 0)
		note(map, first + (size_t)report->failed,
		     cvy_fail(EMSGSIZE, "its result has %lld bytes, not %zu",
		              (long long)report->misfit, map->result_size));
	else
		note(map, first + (size_t)report->failed,
		     cvy_fail(EREMOTEIO, "%.*s", (int)sizeof report->words, report->words));
}

int covey_pool_map_v(covey_pool *pool, covey_task_fn *fn, const void *items, size_t n,
                     size_t item_size, void *results, size_t result_size,
                     const covey_map_opts *given, size_t size)
{
	struct map map = {.pool = pool,
	                  .items = items,
	                  .results = results,
	                  .n = n,
	                  .item_size = item_size,
	                  .result_size = result_size};
	covey_map_opts opts;
	covey_future **futures;
	size_t chunks, made = 0;
	char words[256] = "";
	int rc = cvy_pool_check(pool);

	if (rc == 0)
		rc = cvy_options(&opts, sizeof opts, given, size, "map");
	if (rc == 0)
		rc = covey_fn_make(&map.fn, fn);
	if (rc < 0)
		return rc;
	if ((n && item_size && !items) || (n && result_size && !results))
		return cvy_fail(EINVAL, "map: no items, or no place for results, were given");
	if (cvy_in_worker_of(pool) || cvy_in_callback_of(pool))
		return cvy_fail(EDEADLK, "pool '%s': map called by a task or callback of its own",
		                pool->name);
	if (n == 0)
		return 0;
	map.retries = opts.retries;
	map.chunk = opts.chunk ? opts.chunk : n / ((size_t)pool->workers * 4);
	if (!map.chunk)
		map.chunk = 1;
	chunks = (n + map.chunk - 1) / map.chunk;
	futures = calloc(chunks, sizeof *futures);
	if (!futures)
		return cvy_fail(ENOMEM, "map: no memory for %zu chunks", chunks);
	for (; made < chunks; made++) {
		size_t first = made * map.chunk;

		futures[made] = submit(&map, first, n - first < map.chunk ? n - first : map.chunk);
		if (!futures[made]) {
			note(&map, first, covey_errcode());
			snprintf(words, sizeof words, "%s", covey_errmsg());
			break;
		}
	}
	for (size_t c = 0; c < made; c++) {
		size_t first = c * map.chunk, before = map.rc < 0 ? map.which : SIZE_MAX;

		collect(&map, futures[c], first, n - first < map.chunk ? n - first : map.chunk);
		if (map.rc < 0 && map.which != before)
			snprintf(words, sizeof words, "%s", covey_errmsg());
		covey_future_free(futures[c]);
	}
	free(futures);
	if (map.rc < 0)
		return cvy_fail(-map.rc, "map: item %zu: %s", map.which, words);
	return 0;
}
