/* SPDX-License-Identifier: MIT */
/* Workers: claiming, running, telling. */
#include "pool/pool.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

/* ---- claiming */

bool cvy_take(struct task *task, uint32_t generation, uint32_t w)
{
	uint64_t seen = STATE_OF(TASK_PENDING, 0, generation);

	/* Others may set flags meanwhile, which are kept. */
	do
		if (atomic_compare_exchange_strong(&task->state, &seen,
		                                   STATE_OF(TASK_RUNNING, w + 1, generation) |
		                                           STATE_FLAGS(seen)))
			return true;
	while (STATUS(seen) == TASK_PENDING && STATE_GENERATION(seen) == generation);
	return false;
}

/*
 * A lane as a worker last saw it. What was below the tail then is there still, or
 * was claimed since; so the line that the pool's process writes need not be
 * looked at for each task.
 */
struct view {
	uint64_t head; /* behind what this worker claimed last */
	uint64_t tail;
	uint64_t ring;
	struct task *tasks; /* constant, so learned once */
	uint32_t limit;
	bool damaged; /* the ring cannot be read, for now */
};

/* Learns the lane anew; false where nothing is in it. The ring after the tail: see above. */
static bool look(struct lane *lane, uint64_t head, struct view *view)
{
	view->tail = atomic_load(&lane->tail);
	view->ring = atomic_load_explicit(&lane->ring, memory_order_acquire);
	if (head >= view->tail)
		return false;
	view->damaged = !cvy_ring_fits(view->ring);
	if (view->damaged)
		view->tail = 0;
	return !view->damaged;
}

/* The next pending task of a lane, claimed for worker w; NULL when there is none. */
static inline struct task *claim_in(struct shared *shared, struct lane *lane, uint32_t w,
                                    struct view *view)
{
	struct worker *self = &shared->worker[w];
	struct task *tasks = view->tasks;

	for (;;) {
		uint64_t head = atomic_load_explicit(&lane->head, memory_order_acquire);
		uint64_t entry, seen = head;
		uint32_t index;
		bool mine = false;

		/* The ring after the tail: at least as new as what is below that tail. */
		if (head >= view->tail && !look(lane, head, view))
			return NULL;
		/* The ring holds no more: what is damaged is passed over at once. */
		if (__builtin_expect(view->tail - head > RING_MASK(view->ring) + 1, 0)) {
			atomic_compare_exchange_strong(&lane->head, &seen,
			                               view->tail - RING_MASK(view->ring) - 1);
			continue;
		}
		entry = atomic_load_explicit(cvy_ring(view->ring, head), memory_order_relaxed);
		index = (uint32_t)entry;
		if (index < view->limit) {
			atomic_store_explicit(&self->current, index + 1, memory_order_relaxed);
			mine = cvy_take(&tasks[index], (uint32_t)(entry >> 32), w);
		}
		/* Whoever got it: its entry is of the past. */
		atomic_compare_exchange_strong(&lane->head, &seen, head + 1);
		if (mine) {
			view->head = head + 1;
			return &tasks[index];
		}
	}
}

/* The next pending task of the highest priority. */
static struct task *claim(struct shared *shared, uint32_t w, struct view *view)
{
	uint32_t lanes = cvy_lanes(shared);
	struct task *task = NULL;

	if (__builtin_expect(lanes == UINT32_C(1) << LANE_DEFAULT, 1))
		return claim_in(shared, &shared->lane[LANE_DEFAULT], w, view);
	while (lanes && !task) {
		uint32_t top = 31 - (uint32_t)__builtin_clz(lanes);

		view->head = view->tail = 0;
		task = claim_in(shared, &shared->lane[top], w, view);
		lanes &= ~(UINT32_C(1) << top);
	}
	return task;
}

/* ---- telling */

void cvy_tell(struct shared *shared)
{
	/* After what is told, which was a change of the strongest order itself. */
	if (atomic_load(&shared->root_waits)) {
		atomic_store(&shared->root_waits, 0);
		cvy_futex_wake(&shared->root_waits, INT_MAX);
	}
}

bool cvy_finish(struct shared *shared, uint32_t w, struct task *task, enum status status)
{
	/* The table begins where its block does. */
	uint64_t at = cvy_offset(task), range = at >> cvy_range_shift;
	uint32_t index = (uint32_t)((at & ((UINT64_C(4096) << (range - 1)) - 1)) / sizeof *task);
	uint64_t before = atomic_load_explicit(&task->state, memory_order_relaxed);
	uint32_t top = atomic_load_explicit(&shared->done, memory_order_relaxed);

	do
		while (__builtin_expect(before & STATE_OVERDUE, 0))
			pause(); /* it ran for too long: this process is being killed */
	while (!atomic_compare_exchange_weak(&task->state, &before,
	                                     STATE_OF(status, w + 1, before >> 32)));
	if (before & STATE_WAITED)
		cvy_futex_wake(cvy_state_word(task), INT_MAX);
	do
		task->next = top;
	while (!atomic_compare_exchange_weak(&shared->done, &top, index + 1));
	atomic_store_explicit(&shared->worker[w].current, 0, memory_order_release);
	cvy_tell(shared);
	return before & STATE_CALLED;
}

/* ---- a worker's life */

void cvy_worker_clear(struct worker *worker)
{
	atomic_store(&worker->wake, 0);
	atomic_store(&worker->current, 0);
	atomic_store(&worker->nested, 0);
	atomic_store(&worker->ran, 0);
	atomic_store(&worker->pid, 0);
	atomic_store(&worker->leave, 0);
	atomic_store(&worker->stage, STAGE_STARTING);
	atomic_store(&worker->signal, 0);
	atomic_store(&worker->ask.state, ASK_NONE);
}

/* Runs the initializer or finalizer. */
static int run_hook(struct shared *shared, covey_fn fn)
{
	uint64_t len = __atomic_load_n(&shared->arg_len, __ATOMIC_RELAXED);
	uint64_t at = __atomic_load_n(&shared->own_arg, __ATOMIC_RELAXED);
	const void *arg = cvy_region_at(at, len);

	return cvy_run_hook(fn, arg, len && (!arg || len > cvy_region_bytes(at)) ? 0 : len);
}

/* 0, or the code that the initializer failed with. */
static int initialize(struct shared *shared, struct worker *self)
{
	int code;

	if (!shared->initializer.module)
		return 0;
	atomic_store(&self->stage, STAGE_INITIALIZER);
	code = run_hook(shared, shared->initializer);
	if (!code)
		return 0;
	self->code = code;
	memcpy(self->words, cvy_item_words(), sizeof self->words);
	atomic_store(&self->stage, STAGE_REFUSED);
	return code;
}

/* Takes no more tasks; one like it is to come. */
static void leave(struct shared *shared, struct worker *self, int notify_fd)
{
	uint64_t one = 1;

	atomic_store_explicit(&self->current, 0, memory_order_relaxed);
	atomic_store(&self->stage, STAGE_LEAVING);
	/* It may have been woken for what it does not take. */
	if (cvy_anything(shared))
		cvy_wake_sleeper(shared);
	if (notify_fd >= 0 && !atomic_load(&shared->closing) &&
	    write(notify_fd, &one, sizeof one) < 0)
		errno = 0; /* it is full of kicks already */
	if (shared->finalizer.module)
		run_hook(shared, shared->finalizer);
}

/* Whether others are pending behind the task just claimed, of any priority. */
static inline bool more(struct shared *shared, const struct view *view)
{
	return view->head < view->tail ||
	       (atomic_load_explicit(&shared->lanes, memory_order_relaxed) !=
	                UINT32_C(1) << LANE_DEFAULT &&
	        cvy_anything(shared));
}

/* Runs a claimed task, and tells of its end. others: there are some behind it. */
static void run(struct shared *shared, uint32_t w, struct task *task, uint64_t ran, bool others,
                covey_pool *pool, int notify_fd)
{
	uint64_t one = 1;
	int code;

	if (others)
		cvy_wake_another(shared, ran);
	code = cvy_run_task(task);
	atomic_store_explicit(&shared->worker[w].ran, ran, memory_order_relaxed);
	if (!cvy_finish(shared, w, task, code ? TASK_FAILED : TASK_DONE))
		return;
	if (pool)
		cvy_call_back(pool);
	else if (write(notify_fd, &one, sizeof one) < 0)
		return; /* it is full of kicks already */
}

void cvy_worker_loop(struct shared *shared, uint32_t w, covey_pool *pool, int notify_fd)
{
	struct worker *self = &shared->worker[w];
	struct idler idler = {0};
	struct view view = {0};
	uint64_t ran = 0, most = shared->max_tasks ? shared->max_tasks : UINT64_MAX;

	view.tasks = cvy_tasks(shared, &view.limit);
	cvy_run_for(pool, w);
	atomic_store(&self->pid, getpid());
	if (initialize(shared, self))
		return;
	atomic_store(&self->stage, STAGE_WORKING);
	while (ran < most && !atomic_load_explicit(&self->leave, memory_order_relaxed)) {
		struct task *task = claim(shared, w, &view);

		if (task) {
			run(shared, w, task, ++ran, more(shared, &view), pool, notify_fd);
			continue;
		}
		atomic_store_explicit(&self->current, 0, memory_order_relaxed);
		if (atomic_load(&shared->closing) && (view.damaged || !cvy_anything(shared)))
			break;
		if (__builtin_expect(view.damaged, 0)) /* it may be mended by a submit */
			cvy_futex_wait(&self->wake, atomic_load(&self->wake),
			               cvy_now() + 50 * CVY_MS);
		else
			cvy_idle(shared, w, !pool, &idler);
	}
	leave(shared, self, notify_fd);
}

int cvy_worker_process(const void *arg, size_t len)
{
	const struct worker_arg *in = arg;
	struct shared *shared =
		len == sizeof *in ? cvy_region_at(in->shared, SHARED_BYTES(WORKERS_MAX)) : NULL;

	if (!shared || in->index >= WORKERS_MAX || cvy_passed_count < 1)
		return 127;
	cvy_crash_watch(&shared->worker[in->index]);
	cvy_guest_at(shared, in->index, cvy_passed_fds[0]);
	cvy_worker_loop(shared, in->index, NULL, cvy_passed_fds[0]);
	return cvy_stage(&shared->worker[in->index]) == STAGE_REFUSED;
}
