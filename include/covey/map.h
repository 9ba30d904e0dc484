/* SPDX-License-Identifier: MIT */
/*
 * map: one task for each of many items, their results in order.
 *
 *     COVEY_TASK(double, area, double, width, double, height) { return width * height; }
 *
 *     double widths[1000], heights[1000], areas[1000];
 *     covey_map(pool, area, widths, heights, 1000, areas);      // an array an argument
 *
 *     covey_args(area) fields[1000];                            // or one of all arguments
 *     covey_starmap(pool, area, fields, 1000, areas);
 *
 * imap hands results out one by one as they come, and submits only so far ahead; so it
 * takes endless sources, too:
 *
 *     covey_imap *it = covey_imap_open(pool, area, fields, 1000);
 *     while ((rc = covey_imap_next(it, &one, COVEY_FOREVER)) != 0)
 *         if (rc > 0) ...
 *     covey_imap_close(it);
 *
 * Items travel in chunks. When a worker dies, that fails the one item that it ran (or
 * runs it again, where retries were asked for), and no other item runs twice.
 */
#ifndef COVEY_MAP_H
#define COVEY_MAP_H

#include <covey/base.h>
#include <covey/pool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_map_opts {
	size_t chunk;   /* items per task; 0: so that each worker gets about four */
	int retries;    /* of an item; as covey_submit_opts.retries */
	int timeout_ms; /* for all; 0: none */
	size_t buffer;  /* chunks submitted and not yet collected, at most; 0: all */
	int priority;   /* as covey_submit_opts.priority */
} covey_map_opts;

/*
 * Runs fn on each of n items of item_size bytes and writes the results, of
 * result_size bytes each, to results in the items' order. Waits for all.
 * results may be NULL where result_size is 0. opts may be NULL. When items
 * fail, the others still run, and the first failure, in the items' order, is
 * returned and told as by covey_future_result, with the item's number; what
 * is in results for items that failed is undefined.
 * -ETIMEDOUT: what has not run is cancelled, and results is no longer written to.
 * -EMSGSIZE: an item's result had another size. -EDEADLK: called by a callback
 * of the pool. Errors of submit. Since 0.1.
 */
COVEY_API int covey_pool_map_v(covey_pool *pool, covey_task_fn *fn, const void *items, size_t n,
                               size_t item_size, void *results, size_t result_size,
                               const covey_map_opts *opts, size_t size);
static inline COVEY_UNUSED int covey_pool_map(covey_pool *pool, covey_task_fn *fn,
                                              const void *items, size_t n, size_t item_size,
                                              void *results, size_t result_size,
                                              const covey_map_opts *opts)
{
	return covey_pool_map_v(pool, fn, items, n, item_size, results, result_size, opts,
	                        sizeof *opts);
}

/* One of several arrays that make up the items: an element goes to `offset` in its item. */
typedef struct covey_column {
	const void *values;
	size_t size;
	size_t offset;
} covey_column;

/* The same with items whose parts lie in several arrays. -EINVAL: one is NULL. Since 0.1. */
COVEY_API int covey_pool_map_columns_v(covey_pool *pool, covey_task_fn *fn,
                                       const covey_column *columns, int count, size_t n,
                                       size_t item_size, void *results, size_t result_size,
                                       const covey_map_opts *opts, size_t size);

/* ---- imap */

typedef struct covey_imap covey_imap;

/*
 * Where items may come from: writes the next one, and returns 1; or 0 where there are
 * no more; or a negative number, which covey_imap_next then returns after the results
 * of all that came before. Called by covey_imap_next and covey_imap_open, in their
 * caller's thread.
 */
typedef int covey_imap_source(void *context, void *item);

typedef struct covey_imap_opts {
	size_t chunk;  /* items per task; 0: 1 */
	size_t buffer; /* chunks submitted ahead of covey_imap_next; 0: 16 for each worker */
	int unordered; /* not 0: results as they come */
	int retries;   /* of an item; as covey_submit_opts.retries */
	int priority;  /* as covey_submit_opts.priority */
	covey_imap_source *source; /* instead of an array */
	void *context;             /* of the source */
} covey_imap_opts;

/*
 * Begins to run fn on each of n items of item_size bytes, an array that must stay as it is
 * until the imap is closed, or on those of opts->source. NULL on failure: errors of
 * submit; -EINVAL: neither items nor a source. The imap is the caller's, to be closed,
 * before the pool is joined. One thread at a time uses it. Since 0.1.
 */
COVEY_API covey_imap *covey_pool_imap_v(covey_pool *pool, covey_task_fn *fn, const void *items,
                                        size_t n, size_t item_size, size_t result_size,
                                        const covey_imap_opts *opts, size_t size);
static inline COVEY_UNUSED covey_imap *covey_pool_imap(covey_pool *pool, covey_task_fn *fn,
                                                       const void *items, size_t n,
                                                       size_t item_size, size_t result_size,
                                                       const covey_imap_opts *opts)
{
	return covey_pool_imap_v(pool, fn, items, n, item_size, result_size, opts, sizeof *opts);
}

/*
 * Waits up to timeout_ms for the next result, and copies it to *result, which may be NULL.
 * 1: there it is. 0: there are no more. -ETIMEDOUT, -EAGAIN: none yet. Any other error is
 * that item's, told as by covey_pool_map; the next call goes on with the next item. Once
 * an item cannot be submitted any more (the pool was closed), it is the last. Since 0.1.
 */
COVEY_API int covey_imap_next(covey_imap *imap, void *result, int timeout_ms);

/* The number of the item that covey_imap_next last told of, from 0; -EINVAL before. Since 0.1. */
COVEY_API int64_t covey_imap_index(const covey_imap *imap);

/* Cancels what has not run, and frees the imap; NULL is fine. Since 0.1. */
COVEY_API void covey_imap_close(covey_imap *imap);

/* ---- of typed tasks; C only */

/* The arguments of a task as a struct, its members named as they are. */
#define covey_args(task) struct task##_covey_args

/* covey_map(pool, task, array of the first argument, ..., n, results). Since 0.1. */
#define covey_map(pool, task, ...) task##_covey_map((pool), NULL, __VA_ARGS__)
#define covey_map_with(pool, opts, task, ...) task##_covey_map((pool), (opts), __VA_ARGS__)

/* covey_starmap(pool, task, array of covey_args(task), n, results). Since 0.1. */
#define covey_starmap(pool, task, ...) task##_covey_starmap((pool), NULL, __VA_ARGS__)
#define covey_starmap_with(pool, opts, task, ...) task##_covey_starmap((pool), (opts), __VA_ARGS__)

/*
 * covey_imap_open(pool, task, items, n): the items are of the argument's type where the task
 * has one, else of covey_args(task). With a source, NULL and 0. Since 0.1.
 */
#define covey_imap_open(pool, task, items, n) task##_covey_imap((pool), NULL, (items), (n))
#define covey_imap_open_with(pool, opts, task, items, n) \
	task##_covey_imap((pool), (opts), (items), (n))

#ifdef __cplusplus
}
#endif
#endif
