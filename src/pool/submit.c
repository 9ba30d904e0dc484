/* SPDX-License-Identifier: MIT */
/* Submitting: a future, the argument's copy, the ring. */
#include "pool/pool.h"

#include <limits.h>
#include <string.h>

/* Where the tasks are more than caches hold, those done are drained while one has them yet. */
#define MANY 32768
#define DRAIN_EVERY 64

/* Copies of more than this are made with the lock let go. */
#define COPY_MOST (UINT64_C(16) << 10)

/* ---- the ring: indices and generations of tasks, numbered from 0 */

/* Takes what is no longer pending off the front, as workers do; the head then. */
static uint64_t skip_ended(covey_pool *pool, struct lane *lane, const struct feed *feed)
{
	uint64_t head = feed->seen_head;

	for (; head < feed->tail; head++) {
		uint64_t entry =
			atomic_load_explicit(cvy_ring(feed->ring, head), memory_order_relaxed);
		uint64_t seen = head, state = 0;

		if ((uint32_t)entry < pool->made)
			state = atomic_load(&pool->tasks[(uint32_t)entry].state);
		if (STATUS(state) == TASK_PENDING && STATE_GENERATION(state) == entry >> 32)
			break;
		atomic_compare_exchange_strong(&lane->head, &seen, head + 1);
	}
	return head;
}

/* A ring of 2^log2 entries in which those of the old one from head to tail are. */
static int new_ring(struct lane *lane, struct feed *feed, uint64_t log2)
{
	uint64_t old = feed->ring, new;
	size_t n = 0, most = sizeof lane->own_rings / sizeof *lane->own_rings;
	int rc;

	while (n < most && lane->own_rings[n])
		n++;
	if (n == most)
		return cvy_fail(ENOMEM, "its ring of %llu entries cannot grow further",
		                1ULL << (old & 0xff));
	rc = cvy_region_alloc(&lane->own_rings[n], sizeof(uint64_t) << log2);
	if (rc < 0)
		return rc;
	new = __atomic_load_n(&lane->own_rings[n], __ATOMIC_RELAXED) | log2;
	if (!cvy_ring_fits(new))
		return cvy_fail(EBADMSG, "its memory is damaged");
	memset(cvy_base + RING_OFFSET(new), 0, sizeof(uint64_t) << log2);
	for (uint64_t i = feed->seen_head; i < feed->tail; i++)
		*cvy_ring(new, i) = *cvy_ring(old, i);
	feed->ring = new;
	/* Workers that still read the old one find there what they look for: it stays as it is. */
	atomic_store_explicit(&lane->ring, new, memory_order_release);
	return 0;
}

int cvy_lane_open(covey_pool *pool, uint32_t lane)
{
	struct shared *shared = pool->shared;
	int rc;

	rc = new_ring(&shared->lane[lane], &pool->feed[lane], (uint64_t)__builtin_ctz(RING_FIRST));
	if (rc == 0)
		atomic_fetch_or(&shared->lanes, UINT32_C(1) << lane);
	return rc;
}

/* How far the workers are; no further than there is, nor further back than the ring goes. */
static void see_head(struct lane *lane, struct feed *feed)
{
	uint64_t head = atomic_load_explicit(&lane->head, memory_order_acquire);
	uint64_t least = feed->tail - RING_MASK(feed->ring) - 1;

	feed->seen_head = head > feed->tail ? feed->tail : head < least ? least : head;
}

int cvy_enqueue(covey_pool *pool, covey_future *f)
{
	struct lane *lane = &pool->shared->lane[f->lane];
	struct feed *feed = &pool->feed[f->lane];

	if (!feed->ring && cvy_lane_open(pool, f->lane) < 0)
		return cvy_fail_in("pool '%s': ", pool->name);
	if (feed->tail - feed->seen_head > RING_MASK(feed->ring)) {
		see_head(lane, feed);
		if (feed->tail - feed->seen_head > RING_MASK(feed->ring))
			feed->seen_head = skip_ended(pool, lane, feed);
	}
	if (feed->tail - feed->seen_head > RING_MASK(feed->ring) &&
	    new_ring(lane, feed, (feed->ring & 0xff) + 2) < 0)
		return cvy_fail_in("pool '%s': ", pool->name);
	atomic_store_explicit(cvy_ring(feed->ring, feed->tail),
	                      (uint64_t)f->generation << 32 | f->index, memory_order_relaxed);
	/* The ring too, which is in the same line: it is right again if it was damaged. */
	atomic_store_explicit(&lane->ring, feed->ring, memory_order_relaxed);
	atomic_store_explicit(&lane->tail, ++feed->tail, memory_order_release);
	return 0;
}

/* ---- a task */

static void copy_argument(unsigned char *to, const struct submission *what)
{
	if (what->head_len)
		memcpy(to, what->head, what->head_len);
	if (what->body_len)
		memcpy(to + what->head_len, what->body, what->body_len);
}

/* Memory for the argument and the result, 0 where they fit in the task. With the lock. */
static int take_memory(covey_pool *pool, covey_future *f, const struct submission *what,
                       uint64_t len)
{
	struct task *task = cvy_task_of(f);

	f->arg_class = f->room_class = 0;
	/* First: they tell what is a region of its own, should we die (cvy_shared_clear). */
	task->arg_len = len;
	task->room = what->result_size;
	if (len > ARG_INLINE && cvy_block_take(pool, &task->arg, &f->arg, len, &f->arg_class) < 0)
		return cvy_fail_in("pool '%s': an argument of %llu bytes: ", pool->name,
		                   (unsigned long long)len);
	if (what->result_size > RESULT_INLINE &&
	    cvy_block_take(pool, &task->reserved, &f->room, what->result_size, &f->room_class) <
	            0) {
		cvy_block_give(pool, &task->arg, &f->arg, f->arg_class);
		return cvy_fail_in("pool '%s': room for a result of %zu bytes: ", pool->name,
		                   what->result_size);
	}
	task->room = f->room ? what->result_size : 0;
	return 0;
}

static void name_future(covey_future *f, const char *name)
{
	size_t len = name ? strnlen(name, COVEY_NAME_MAX) : 0;

	memcpy(f->name, name ? name : "", len);
	f->name[len] = 0;
}

static int may_submit(const covey_pool *pool, bool inner)
{
	if (pool->failed)
		return cvy_fail(ESHUTDOWN, "pool '%s': %s", pool->name, pool->why);
	if (pool->closed && (pool->terminated || !(inner || cvy_in_task_of(pool))))
		return cvy_fail(ESHUTDOWN, "pool '%s': closed to new tasks", pool->name);
	return 0;
}

/* Fetches what the next call but one will write. */
static void look_ahead(covey_pool *pool, covey_future *next)
{
	if (next) {
		cvy_prefetch_write(&pool->tasks[next->index]);
		cvy_prefetch_write(pool->tasks[next->index].arg_bytes);
		cvy_prefetch_write(next->next);
	}
}

/* A future of its own with memory for the task, the rest not filled in. With the lock. */
static covey_future *take_future(covey_pool *pool, const struct submission *what, uint64_t len)
{
	covey_future *f;

	if (may_submit(pool, what->inner) < 0)
		return NULL;
	if (!pool->free || (pool->made > MANY && pool->pending % DRAIN_EVERY == 0))
		cvy_drain(pool);
	if (!pool->free && cvy_table_grow(pool) < 0)
		return NULL;
	f = pool->free;
	if (take_memory(pool, f, what, len) < 0)
		return NULL;
	pool->free = f->next;
	look_ahead(pool, f->next);
	return f;
}

uint16_t cvy_retries(const covey_pool *pool, int given)
{
	int retries = given ? given : pool->retries;

	return retries < 0 ? 0 : retries > UINT16_MAX ? UINT16_MAX : (uint16_t)retries;
}

/* Where its argument lies, as it was taken for it. */
static unsigned char *argument_of(const covey_future *f)
{
	return f->arg ? cvy_base + f->arg : cvy_task_of(f)->arg_bytes;
}

/* Fills in the task. Without the lock where it is much. */
static void fill(covey_future *f, const struct submission *what, uint64_t len)
{
	struct task *task = cvy_task_of(f);

	task->fn = what->fn;
	task->code = 0;
	copy_argument(argument_of(f), what);
	if (what->cleared)
		memset(f->room ? cvy_base + f->room : task->result_bytes, 0, what->cleared);
	f->pid = 0;
	f->wait_status = 0;
	f->retries = cvy_retries(f->pool, what->retries);
	f->limit = (uint32_t)what->limit;
	f->group = what->group;
	f->lane = (uint8_t)(what->priority - COVEY_PRIORITY_MIN);
	name_future(f, what->name);
}

/* With the lock. */
static void count_in(covey_pool *pool, covey_future *f)
{
	f->used = true;
	pool->pending++;
	if (f->limit) {
		pool->limited++;
		if (!pool->shortest || f->limit < pool->shortest)
			pool->shortest = f->limit;
		cvy_kick(pool);
	}
	if (f->group)
		f->group->left++;
	pool->futures++;
}

/* Makes it pending. With the lock. */
static int publish(covey_pool *pool, covey_future *f)
{
	atomic_store_explicit(&cvy_task_of(f)->state, STATE_OF(TASK_PENDING, 0, f->generation),
	                      memory_order_release);
	if (cvy_enqueue(pool, f) < 0)
		return covey_errcode();
	count_in(pool, f);
	return 0;
}

covey_future *cvy_submit_waiting(covey_pool *pool, const struct submission *what)
{
	covey_future *f = take_future(pool, what, 0);

	if (!f)
		return NULL;
	fill(f, what, 0);
	atomic_store_explicit(&cvy_task_of(f)->state, STATE_OF(TASK_WAITING, 0, f->generation),
	                      memory_order_release);
	count_in(pool, f);
	return f;
}

int cvy_submit_argument(covey_pool *pool, covey_future *f, const void *arg, uint64_t len)
{
	struct task *task = cvy_task_of(f);
	uint64_t state = atomic_load(&task->state);

	if (STATUS(state) != TASK_WAITING)
		return 1;
	task->arg_len = len; /* first, as in take_memory */
	if (len > ARG_INLINE && cvy_block_take(pool, &task->arg, &f->arg, len, &f->arg_class) < 0)
		return cvy_fail_in("an argument of %llu bytes: ", (unsigned long long)len);
	if (len)
		memcpy(argument_of(f), arg, len);
	/* With the lock nobody cancels it; others may set flags. */
	while (!atomic_compare_exchange_strong(&task->state, &state,
	                                       STATE_OF(TASK_PENDING, 0, f->generation) |
	                                               STATE_FLAGS(state)))
		;
	/* Whoever sleeps on it looks again. */
	cvy_futex_wake(cvy_state_word(task), INT_MAX);
	return cvy_enqueue(pool, f);
}

covey_future *cvy_submit(covey_pool *pool, const struct submission *what)
{
	uint64_t len = (uint64_t)what->head_len + what->body_len;
	covey_future *f;
	uint64_t n = 0;
	int rc;

	if (pool->guest)
		return cvy_guest_submit(pool, what);
	cvy_biased_lock(&pool->lock);
	f = take_future(pool, what, len);
	if (f) {
		if (len + what->cleared > COPY_MOST) {
			pool->guests++;
			cvy_biased_unlock(&pool->lock);
			fill(f, what, len);
			cvy_biased_lock(&pool->lock);
			pool->guests--;
			rc = may_submit(pool, what->inner);
			if (pool->guests == 0)
				cvy_tell(pool->shared);
		} else {
			fill(f, what, len);
			rc = 0;
		}
		if (rc == 0)
			rc = publish(pool, f);
		if (rc < 0) {
			cvy_recycle(pool, f);
			f = NULL;
		}
	}
	if (f)
		n = f->index + f->generation;
	cvy_biased_unlock(&pool->lock);
	if (f)
		cvy_wake_worker(pool->shared, n);
	return f;
}

int cvy_submit_opts(struct submission *what, const covey_submit_opts *opts, const covey_pool *pool)
{
	if (opts->priority < COVEY_PRIORITY_MIN || opts->priority > COVEY_PRIORITY_MAX)
		return cvy_fail(EINVAL, "pool '%s': priority %d, which must be %d to %d",
		                pool->name, opts->priority, COVEY_PRIORITY_MIN, COVEY_PRIORITY_MAX);
	what->priority = opts->priority;
	what->name = opts->name;
	what->result_size = opts->result_size;
	what->retries = opts->retries;
	if (opts->time_limit < 0)
		return cvy_fail(EINVAL, "pool '%s': a time limit of %d ms", pool->name,
		                opts->time_limit);
	if (opts->time_limit && pool->kind == COVEY_THREADS)
		return cvy_fail(ENOTSUP,
		                "pool '%s': a time limit needs worker processes: a thread "
		                "cannot be ended",
		                pool->name);
	what->limit = opts->time_limit;
	return 0;
}

covey_future *covey_pool_submit_v(covey_pool *pool, covey_task_fn *fn, const void *arg, size_t len,
                                  const covey_submit_opts *given, size_t size)
{
	struct submission what = {.body = arg, .body_len = len, .group = &pool->group};
	covey_submit_opts opts;

	if (cvy_pool_check(pool) < 0 || cvy_options(&opts, sizeof opts, given, size, "submit") < 0)
		return NULL;
	if (covey_fn_make(&what.fn, fn) < 0) {
		cvy_fail_in("pool '%s': ", pool->name);
		return NULL;
	}
	if (len && !arg) {
		cvy_fail(EINVAL, "pool '%s': no argument was given", pool->name);
		return NULL;
	}
	if (cvy_submit_opts(&what, &opts, pool) < 0)
		return NULL;
	return cvy_submit(pool, &what);
}

int64_t covey_pool_apply_v(covey_pool *pool, covey_task_fn *fn, const void *arg, size_t len,
                           void *buf, size_t cap, const covey_submit_opts *opts, size_t size)
{
	covey_future *f = covey_pool_submit_v(pool, fn, arg, len, opts, size);
	int64_t rc = f ? covey_future_result(f, buf, cap, COVEY_FOREVER) : covey_errcode();

	covey_future_free(f);
	return rc;
}
