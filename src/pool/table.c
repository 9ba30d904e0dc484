/* SPDX-License-Identifier: MIT */
/*
 * The private half of a pool: futures, where arguments lie, what is done. All
 * under the pool's lock, all in the pool's own process.
 */
#include "pool/pool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (UINT64_C(256) << 10)
#define ARG_SMALLEST UINT64_C(64)

/* The pool whose callbacks this thread is running. */
static __thread const covey_pool *calling_back;

covey_future *cvy_future_at(const covey_pool *pool, uint32_t index)
{
	return &pool->chunks[index / TASKS_STEP][index % TASKS_STEP];
}

struct task *cvy_task_of(const covey_future *f)
{
	return &f->pool->tasks[f->index];
}

/* ---- blocks for arguments and results, in the arena; the bookkeeping is private */

static uint32_t class_of(uint64_t bytes)
{
	uint32_t class = 1;

	while (class <= ARG_CLASSES && ARG_SMALLEST << (class - 1) < bytes)
		class ++;
	return class; /* ARG_CLASSES + 1: too large for a block */
}

/* A block for `bytes`: its offset to *at, its class to *class (0 for a region owned by *at). */
static int take_block(covey_pool *pool, uint64_t *at, uint64_t bytes, uint32_t *class)
{
	uint32_t c = class_of(bytes);
	uint64_t size;
	int rc;

	*class = 0;
	if (c > ARG_CLASSES)
		return cvy_region_alloc(at, bytes);
	if (pool->block[c - 1]) {
		uint64_t *block = cvy_at(pool->block[c - 1], sizeof *block);

		*at = pool->block[c - 1];
		pool->block[c - 1] = *block;
		*class = c;
		return 0;
	}
	size = ARG_SMALLEST << (c - 1);
	if (pool->chunk_left < size) {
		uint64_t before = pool->shared->own_chunk;

		pool->shared->own_chunk = 0;
		rc = cvy_region_alloc(&pool->shared->own_chunk, CHUNK_BYTES);
		if (rc < 0) {
			pool->shared->own_chunk = before;
			return rc;
		}
		*(uint64_t *)cvy_at(pool->shared->own_chunk, 8) = before;
		pool->chunk_at = pool->shared->own_chunk + ARG_SMALLEST;
		pool->chunk_left = CHUNK_BYTES - ARG_SMALLEST;
	}
	*at = pool->chunk_at;
	*class = c;
	pool->chunk_at += size;
	pool->chunk_left -= size;
	return 0;
}

static void give_block(covey_pool *pool, uint64_t *at, uint32_t class)
{
	uint64_t *block;

	if (!*at)
		return;
	if (!class) {
		cvy_region_free(at);
		return;
	}
	block = cvy_at(*at, sizeof *block);
	*block = pool->block[class - 1];
	pool->block[class - 1] = *at;
	*at = 0;
}

/* ---- the table */

int cvy_table_open(covey_pool *pool)
{
	struct shared *shared = pool->shared;
	uint64_t log2 = 10;
	int rc = -ENOMEM;

	/* As many tasks as address space allows. */
	for (pool->limit = TASKS_MOST; rc < 0 && pool->limit >= TASKS_STEP; pool->limit /= 2)
		rc = cvy_region_reserve(&shared->own_tasks,
		                        (uint64_t)pool->limit * sizeof(struct task),
		                        TASKS_STEP * sizeof(struct task));
	pool->limit *= 2;
	if (rc < 0)
		return rc;
	rc = cvy_region_alloc(&shared->own_rings[0], RING_FIRST * sizeof(uint64_t));
	if (rc < 0)
		return rc;
	memset(cvy_at(shared->own_rings[0], 8), 0, RING_FIRST * sizeof(uint64_t));
	atomic_store(&shared->ring, shared->own_rings[0] | log2);
	shared->tasks = shared->own_tasks;
	pool->tasks = cvy_at(shared->tasks, sizeof(struct task));
	pool->chunks = calloc(pool->limit / TASKS_STEP, sizeof *pool->chunks);
	if (!pool->chunks)
		return cvy_fail(ENOMEM, "pool '%s': no memory", pool->name);
	pool->last = &pool->first;
	pool->due_last = &pool->due;
	return 0;
}

/* TASKS_STEP futures more. */
static int grow(covey_pool *pool)
{
	uint32_t from = pool->made;
	covey_future *chunk;
	int rc;

	if (from == pool->limit)
		return cvy_fail(ENOMEM,
		                "pool '%s': %u tasks are pending or held, which is as many "
		                "as it can hold",
		                pool->name, from);
	rc = cvy_region_back(pool->shared->own_tasks,
	                     (uint64_t)(from + TASKS_STEP) * sizeof(struct task));
	if (rc < 0)
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
	return 0;
}

void cvy_table_close(covey_pool *pool)
{
	struct shared *shared = pool->shared;

	for (uint32_t i = 0; i < pool->made; i++) {
		covey_future *f = cvy_future_at(pool, i);
		struct task *task = cvy_task_of(f);

		if (!f->arg_class)
			cvy_region_free(&task->arg);
		if (!f->room_class)
			cvy_region_free(&task->reserved);
		cvy_region_free(&task->result);
	}
	while (shared->own_chunk) {
		uint64_t before = *(uint64_t *)cvy_at(shared->own_chunk, 8);

		cvy_region_free(&shared->own_chunk);
		shared->own_chunk = before;
	}
	for (int i = 0; i < 16; i++)
		cvy_region_free(&shared->own_rings[i]);
	cvy_region_free(&shared->own_tasks);
	for (uint32_t i = 0; pool->chunks && i < pool->made / TASKS_STEP; i++)
		free(pool->chunks[i]);
	free(pool->chunks);
}

/* ---- the ring */

static int grow_ring(struct shared *shared, uint64_t head, uint64_t tail)
{
	uint64_t old = atomic_load(&shared->ring), log2 = (old & 0xff) + 2, new;
	int n = 0, rc;

	while (n < 16 && shared->own_rings[n])
		n++;
	if (n == 16)
		return cvy_fail(ENOMEM, "pool: the ring cannot grow further");
	rc = cvy_region_alloc(&shared->own_rings[n], sizeof(uint64_t) << log2);
	if (rc < 0)
		return rc;
	new = shared->own_rings[n] | log2;
	memset(cvy_at(RING_OFFSET(new), 8), 0, sizeof(uint64_t) << log2);
	for (uint64_t i = head; i < tail; i++)
		*cvy_ring(new, i) = *cvy_ring(old, i);
	/* Workers that still read the old one find there what they look for: it stays as it is. */
	atomic_store_explicit(&shared->ring, new, memory_order_release);
	return 0;
}

int cvy_enqueue(covey_pool *pool, covey_future *f)
{
	struct shared *shared = pool->shared;
	uint64_t head = atomic_load_explicit(&shared->head, memory_order_acquire);
	uint64_t tail = atomic_load_explicit(&shared->tail, memory_order_relaxed);
	uint64_t ring = atomic_load_explicit(&shared->ring, memory_order_relaxed);
	int rc;

	if (tail - head > RING_MASK(ring)) {
		rc = grow_ring(shared, head, tail);
		if (rc < 0)
			return rc;
		ring = atomic_load_explicit(&shared->ring, memory_order_relaxed);
	}
	*cvy_ring(ring, tail) = (uint64_t)f->generation << 32 | f->index;
	atomic_store_explicit(&shared->tail, tail + 1, memory_order_release);
	return 0;
}

/* ---- what is done */

static void list_done(covey_pool *pool, covey_future *f)
{
	struct task *task = cvy_task_of(f);
	uint64_t state = atomic_load_explicit(&task->state, memory_order_acquire);

	if (!f->used || f->drained)
		return;
	f->drained = true;
	pool->pending--;
	/* Of a task that died, the supervisor has written down whose it was. */
	if (STATE_WORKER(state) && STATUS(state) != TASK_DIED)
		f->pid = pool->crew[STATE_WORKER(state) - 1].pid;
	if (f->callbacks) {
		f->next_call = NULL;
		*pool->due_last = f;
		pool->due_last = &f->next_call;
	}
	if (f->freed) {
		if (!f->callbacks)
			cvy_recycle(pool, f);
		return;
	}
	if (f->hidden)
		return;
	f->listed = true;
	f->next = NULL;
	*pool->last = f;
	pool->last = &f->next;
}

void cvy_drain(covey_pool *pool)
{
	uint32_t at, next, order = 0;

	if (!atomic_load_explicit(&pool->shared->done, memory_order_relaxed))
		return;
	at = atomic_exchange_explicit(&pool->shared->done, 0, memory_order_acquire);
	/* The stack has the last first. */
	while (at && at <= pool->made) {
		struct task *task = &pool->tasks[at - 1];

		next = task->next;
		task->next = order;
		order = at;
		at = next;
	}
	while (order) {
		next = pool->tasks[order - 1].next;
		list_done(pool, cvy_future_at(pool, order - 1));
		order = next;
	}
}

void cvy_end_task(covey_pool *pool, covey_future *f, enum status status)
{
	struct task *task = cvy_task_of(f);
	uint64_t state = atomic_load(&task->state);

	atomic_store(&task->state, STATE_OF(status, STATE_WORKER(state), f->generation));
	cvy_futex_wake(cvy_state_word(task), INT_MAX);
	list_done(pool, f);
}

void cvy_recycle(covey_pool *pool, covey_future *f)
{
	struct task *task = cvy_task_of(f);

	give_block(pool, &task->arg, f->arg_class);
	give_block(pool, &task->reserved, f->room_class);
	cvy_region_free(&task->result);
	atomic_store_explicit(&task->state, 0, memory_order_relaxed);
	while (f->callbacks) {
		struct callback *callback = f->callbacks;

		f->callbacks = callback->next;
		free(callback);
	}
	f->used = f->drained = f->freed = f->listed = false;
	f->arg_class = f->room_class = 0;
	f->data = NULL;
	f->generation++;
	f->next = pool->free;
	pool->free = f;
}

bool cvy_in_callback_of(const covey_pool *pool)
{
	return calling_back == pool;
}

void cvy_call_back(covey_pool *pool)
{
	const covey_pool *outer = calling_back;
	covey_future *f;

	calling_back = pool;
	pthread_mutex_lock(&pool->lock);
	cvy_drain(pool);
	while ((f = pool->due) != NULL) {
		pool->due = f->next_call;
		if (!pool->due)
			pool->due_last = &pool->due;
		while (f->callbacks) {
			struct callback *callback = f->callbacks;

			f->callbacks = callback->next;
			pthread_mutex_unlock(&pool->lock);
			callback->fn(f, callback->context);
			free(callback);
			pthread_mutex_lock(&pool->lock);
		}
		if (f->freed)
			cvy_recycle(pool, f);
	}
	pthread_mutex_unlock(&pool->lock);
	calling_back = outer;
}

/* ---- submit */

/* A free future with its argument in place; NULL in words. */
static covey_future *prepare(covey_pool *pool, covey_fn fn, const void *arg, size_t len,
                             const covey_submit_opts *opts)
{
	covey_future *f;
	struct task *task;

	if (!pool->free)
		cvy_drain(pool);
	if (!pool->free && grow(pool) < 0)
		return NULL;
	f = pool->free;
	task = cvy_task_of(f);
	task->fn = fn;
	task->arg_len = len;
	task->code = 0;
	task->result_len = 0;
	task->room = 0;
	if (len > ARG_INLINE) {
		if (take_block(pool, &task->arg, len, &f->arg_class) < 0) {
			cvy_fail_in("pool '%s': an argument of %zu bytes: ", pool->name, len);
			return NULL;
		}
		memcpy(cvy_at(task->arg, len), arg, len);
	} else if (len) {
		memcpy(task->arg_bytes, arg, len);
	}
	if (opts->result_size > RESULT_INLINE) {
		if (take_block(pool, &task->reserved, opts->result_size, &f->room_class) < 0) {
			give_block(pool, &task->arg, f->arg_class);
			cvy_fail_in("pool '%s': room for a result of %zu bytes: ", pool->name,
			            opts->result_size);
			return NULL;
		}
		task->room = opts->result_size;
	}
	pool->free = f->next;
	return f;
}

covey_future *cvy_submit(covey_pool *pool, covey_task_fn *fn, const void *arg, size_t len,
                         const covey_submit_opts *opts, bool hidden)
{
	covey_fn value;
	covey_future *f = NULL;
	bool wake = false;

	if (cvy_pool_check(pool) < 0 || covey_fn_make(&value, fn) < 0)
		return NULL;
	if (len && !arg) {
		cvy_fail(EINVAL, "pool '%s': no argument was given", pool->name);
		return NULL;
	}
	pthread_mutex_lock(&pool->lock);
	if (pool->closed || pool->failed)
		cvy_fail(ESHUTDOWN, "pool '%s': %s", pool->name,
		         pool->failed ? "its workers die before they run anything"
		                      : "closed to new tasks");
	else
		f = prepare(pool, value, arg, len, opts);
	if (f) {
		struct task *task = cvy_task_of(f);

		f->used = true;
		f->pid = 0;
		f->wait_status = 0;
		f->retries = opts->retries < 0 ? 0 : opts->retries ? opts->retries : pool->retries;
		f->hidden = hidden;
		f->name[0] = 0;
		if (opts->name)
			snprintf(f->name, sizeof f->name, "%s", opts->name);
		atomic_store_explicit(&task->state, STATE_OF(TASK_PENDING, 0, f->generation),
		                      memory_order_release);
		if (cvy_enqueue(pool, f) < 0) {
			cvy_recycle(pool, f);
			f = NULL;
		} else {
			pool->pending++;
			pool->unlisted += !hidden;
			pool->futures++;
			wake = true;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	if (wake)
		cvy_wake_worker(pool->shared);
	return f;
}

covey_future *covey_pool_submit_v(covey_pool *pool, covey_task_fn *fn, const void *arg, size_t len,
                                  const covey_submit_opts *given, size_t size)
{
	covey_submit_opts opts;

	if (cvy_options(&opts, sizeof opts, given, size, "submit") < 0)
		return NULL;
	return cvy_submit(pool, fn, arg, len, &opts, false);
}
