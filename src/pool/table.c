/* SPDX-License-Identifier: MIT */
/*
 * The table of tasks, the futures beside it, and the blocks of memory in which
 * larger arguments and results lie. Under the pool's lock, in the pool's own
 * process: the bookkeeping is private.
 */
#include "pool/pool.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (UINT64_C(256) << 10)
#define BLOCK_LEAST UINT64_C(64)
#define CHUNKS_MOST (UINT32_C(1) << 20) /* of which a damaged chain has no end */

covey_future *cvy_future_at(const covey_pool *pool, uint32_t index)
{
	return &pool->chunks[index / TASKS_STEP][index % TASKS_STEP];
}

struct task *cvy_task_of(const covey_future *f)
{
	return &f->pool->tasks[f->index];
}

unsigned char *cvy_result_at(struct task *task, uint64_t len)
{
	uint64_t at;

	if (len <= RESULT_INLINE)
		return task->result_bytes;
	if (len <= __atomic_load_n(&task->room, __ATOMIC_RELAXED)) {
		at = __atomic_load_n(&task->reserved, __ATOMIC_RELAXED);
		return at % BLOCK_LEAST ? NULL : cvy_in_block(at, len);
	}
	at = __atomic_load_n(&task->result, __ATOMIC_RELAXED);
	return len <= cvy_region_bytes(at) ? cvy_region_at(at, len) : NULL;
}

/* ---- blocks */

static uint8_t class_of(uint64_t bytes)
{
	uint8_t c = 1;

	while (BLOCK_LEAST << (c - 1) < bytes)
		c++;
	return c;
}

static int damaged(const covey_pool *pool)
{
	return cvy_fail(EBADMSG, "pool '%s': the arena is damaged", pool->name);
}

/* Chunks are chained to the one word that owns the last. */
static int new_chunk(covey_pool *pool)
{
	struct shared *shared = pool->shared;
	uint64_t at, *chunk;
	int rc;

	shared->own_chunk_before = shared->own_chunk;
	shared->own_chunk = 0;
	rc = cvy_region_alloc(&shared->own_chunk, CHUNK_BYTES);
	if (rc < 0) {
		shared->own_chunk = shared->own_chunk_before;
		return rc;
	}
	at = __atomic_load_n(&shared->own_chunk, __ATOMIC_RELAXED);
	chunk = cvy_region_at(at, CHUNK_BYTES);
	if (!chunk)
		return damaged(pool);
	*chunk = shared->own_chunk_before;
	shared->own_chunk_before = 0;
	pool->chunk_at = at + BLOCK_LEAST;
	pool->chunk_left = CHUNK_BYTES - BLOCK_LEAST;
	return 0;
}

/* A region for much. */
static int take_region(uint64_t *at, uint64_t *own, uint64_t bytes)
{
	int rc = cvy_region_alloc(at, bytes);

	if (rc < 0)
		return rc;
	*own = __atomic_load_n(at, __ATOMIC_RELAXED);
	return cvy_region_at(*own, bytes) ? 0 : cvy_fail(EBADMSG, "its memory is damaged");
}

int cvy_block_take(covey_pool *pool, uint64_t *at, uint64_t *own, uint64_t bytes, uint8_t *class)
{
	struct spare *spare;
	uint64_t size;
	uint8_t c;
	int rc;

	*class = 0;
	if (bytes > BLOCK_MOST)
		return take_region(at, own, bytes);
	c = class_of(bytes);
	spare = &pool->spare[c - 1];
	if (spare->count) {
		*at = *own = spare->at[--spare->count];
		*class = c;
		return 0;
	}
	size = BLOCK_LEAST << (c - 1);
	if (pool->chunk_left < size) {
		rc = new_chunk(pool);
		if (rc < 0)
			return rc;
	}
	*at = *own = pool->chunk_at;
	*class = c;
	pool->chunk_at += size;
	pool->chunk_left -= size;
	return 0;
}

/* Room for one more; where there is no memory for it the block is the chunk's until that goes. */
static bool make_room(struct spare *spare)
{
	size_t room = spare->room ? 2 * spare->room : 64;
	uint64_t *more;

	if (spare->count < spare->room)
		return true;
	more = realloc(spare->at, room * sizeof *more);
	if (!more)
		return false;
	spare->at = more;
	spare->room = room;
	return true;
}

void cvy_block_give(covey_pool *pool, uint64_t *at, uint64_t *own, uint8_t class)
{
	struct spare *spare;

	if (!*own)
		return;
	if (!class) {
		*at = *own;
		cvy_region_free(at);
	} else {
		*at = 0;
		spare = &pool->spare[class - 1];
		if (make_room(spare))
			spare->at[spare->count++] = *own;
	}
	*own = 0;
}

/* ---- the table */

/* As many tasks as address space allows. */
static int reserve_tasks(covey_pool *pool)
{
	struct shared *shared = pool->shared;
	uint64_t first = TASKS_STEP * sizeof(struct task);
	uint32_t room;
	int rc;

	for (pool->limit = TASKS_MOST;; pool->limit /= 2) {
		rc = cvy_region_reserve(&shared->own_tasks, pool->limit * sizeof(struct task),
		                        first);
		if (rc == 0 || pool->limit == TASKS_STEP)
			break;
	}
	if (rc < 0)
		return rc;
	shared->limit = pool->limit;
	shared->tasks = __atomic_load_n(&shared->own_tasks, __ATOMIC_RELAXED);
	pool->tasks = cvy_tasks(shared, &room);
	return pool->tasks && room >= pool->limit ? 0 : cvy_fail(EBADMSG, "its memory is damaged");
}

int cvy_table_open(covey_pool *pool)
{
	int rc = reserve_tasks(pool);

	if (rc < 0)
		return cvy_fail_in("pool '%s': ", pool->name);
	rc = cvy_lane_open(pool, LANE_DEFAULT);
	if (rc < 0)
		return cvy_fail_in("pool '%s': ", pool->name);
	pool->chunks = calloc(pool->limit / TASKS_STEP, sizeof *pool->chunks);
	if (!pool->chunks)
		return cvy_fail(ENOMEM, "pool '%s': no memory", pool->name);
	pool->due_last = &pool->due;
	return 0;
}

int cvy_table_grow(covey_pool *pool)
{
	uint32_t from = pool->made;
	covey_future *chunk;

	if (from == pool->limit)
		return cvy_fail(ENOMEM,
		                "pool '%s': %u tasks are pending or held, which is as many "
		                "as it can hold",
		                pool->name, from);
	if (cvy_region_back(cvy_offset(pool->tasks),
	                    (uint64_t)(from + TASKS_STEP) * sizeof(struct task)) < 0)
		return cvy_fail_in("pool '%s': ", pool->name);
	chunk = calloc(TASKS_STEP, sizeof *chunk);
	if (!chunk)
		return cvy_fail(ENOMEM, "pool '%s': no memory for futures", pool->name);
	memset(&pool->tasks[from], 0, TASKS_STEP * sizeof(struct task));
	for (uint32_t i = TASKS_STEP; i-- > 0;) {
		chunk[i].pool = pool;
		chunk[i].index = from + i;
		chunk[i].next = pool->free;
		pool->free = &chunk[i];
	}
	pool->chunks[from / TASKS_STEP] = chunk;
	pool->made += TASKS_STEP;
	pool->shared->made = pool->made;
	return 0;
}

/*
 * The chunks, each of which owns the one before. While one is made, its owner
 * may not be written into it yet: then own_chunk_before is that.
 */
static void free_chunks(struct shared *shared)
{
	for (uint32_t n = 0; n < CHUNKS_MOST; n++) {
		uint64_t *chunk = cvy_region_at(shared->own_chunk, sizeof *chunk);

		if (shared->own_chunk_before == shared->own_chunk)
			shared->own_chunk_before = 0; /* a death left it said twice */
		if (chunk && !shared->own_chunk_before)
			shared->own_chunk_before = *chunk;
		cvy_region_free(&shared->own_chunk);
		if (!shared->own_chunk_before)
			return;
		shared->own_chunk = shared->own_chunk_before;
		shared->own_chunk_before = 0;
	}
}

void cvy_shared_clear(struct shared *shared)
{
	uint64_t at = shared->own_tasks;
	uint32_t made = shared->made, room = (uint32_t)(cvy_region_bytes(at) / sizeof(struct task));
	struct task *tasks = cvy_region_at(at, (uint64_t)room * sizeof *tasks);

	for (uint32_t i = 0; tasks && i < made && i < room; i++) {
		/* What is smaller lies in a chunk. */
		if (tasks[i].arg_len > BLOCK_MOST)
			cvy_region_free(&tasks[i].arg);
		if (tasks[i].room > BLOCK_MOST)
			cvy_region_free(&tasks[i].reserved);
		cvy_region_free(&tasks[i].result);
	}
	free_chunks(shared);
	for (uint32_t l = 0; l < LANES; l++) {
		uint64_t *own = shared->lane[l].own_rings;

		for (size_t i = 0; i < sizeof shared->lane[l].own_rings / sizeof *own; i++)
			cvy_region_free(&own[i]);
	}
	cvy_region_free(&shared->own_arg);
	cvy_region_free(&shared->own_tasks);
}

void cvy_table_close(covey_pool *pool)
{
	for (uint32_t i = 0; i < pool->made; i++)
		free(cvy_future_at(pool, i)->trace);
	for (uint32_t i = 0; pool->chunks && i < pool->made / TASKS_STEP; i++)
		free(pool->chunks[i]);
	free(pool->chunks);
	for (size_t c = 0; c < BLOCK_CLASSES; c++)
		free(pool->spare[c].at);
	cvy_shared_clear(pool->shared);
}
