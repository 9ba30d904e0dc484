/* SPDX-License-Identifier: MIT */
/* Workers: claiming, running, telling; idling and being woken. */
#include "pool/pool.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX (RESULT_INLINE - 1)

/* What this thread runs, for covey_task_fail and for calls that a task must not make. */
static __thread struct {
	const covey_pool *pool;
	bool running;
	bool failed;
	int code;
	char words[WORDS_MAX + 1];
} current;

bool cvy_in_worker_of(const covey_pool *pool)
{
	return current.pool == pool;
}

int covey_task_fail(int code, const char *format, ...)
{
	va_list args;

	if (current.running) {
		current.failed = true;
		current.code = code ? code : 1;
		va_start(args, format);
		vsnprintf(current.words, sizeof current.words, format, args);
		va_end(args);
	}
	return code ? code : 1;
}

/* ---- results */

void *covey_task_result(covey_task *task, size_t len)
{
	struct task *t = task->task;

	if (!t) {
		if (len > task->room) {
			task->error = cvy_fail(EMSGSIZE,
			                       "a result of %zu bytes, where %zu were "
			                       "asked for",
			                       len, task->room);
			return NULL;
		}
		task->len = len;
		return task->to;
	}
	cvy_region_free(&t->result);
	t->result_len = len;
	if (len <= RESULT_INLINE)
		return t->result_bytes;
	if (len <= t->room)
		return cvy_at(t->reserved, len);
	if (cvy_region_alloc(&t->result, len) < 0) {
		t->result_len = 0;
		task->error = cvy_fail_in("a result of %zu bytes: ", len);
		return NULL;
	}
	return cvy_at(t->result, len);
}

int covey_task_return(covey_task *task, const void *data, size_t len)
{
	void *to = covey_task_result(task, len);

	if (!to)
		return covey_task_fail(task->error, "%s", covey_errmsg());
	if (len)
		memcpy(to, data, len);
	return 0;
}

/* Runs a function as a task; its code, 0 where it did not fail. */
static int call(covey_task_fn *fn, covey_task *task, const void *arg, size_t len)
{
	int code;

	current.running = true;
	current.failed = false;
	current.words[0] = 0;
	code = fn(task, arg, len);
	current.running = false;
	if (current.failed)
		code = current.code;
	else if (code)
		snprintf(current.words, sizeof current.words, "it returned %d", code);
	return code;
}

int cvy_run_item(covey_task_fn *fn, const void *arg, size_t len, unsigned char *to, size_t room,
                 size_t *result_len)
{
	covey_task task = {.to = to, .room = room};
	int code = call(fn, &task, arg, len);

	current.running = true; /* the chunk that it is an item of runs on */
	current.failed = false;
	*result_len = task.len;
	return code;
}

const char *cvy_item_words(void)
{
	return current.words;
}

/* ---- claiming */

/* The next pending task, claimed for worker w; NULL when there is none. */
static struct task *claim(struct shared *shared, uint32_t w, uint64_t *state)
{
	struct task *tasks = cvy_at(shared->tasks, sizeof *tasks);
	struct worker *self = &shared->worker[w];

	for (;;) {
		uint64_t head = atomic_load_explicit(&shared->head, memory_order_acquire);
		/* The ring after the tail: it is then at least as new as what is below that tail.
		 */
		uint64_t tail = atomic_load_explicit(&shared->tail, memory_order_acquire);
		uint64_t ring = atomic_load_explicit(&shared->ring, memory_order_acquire);
		uint64_t entry, pending, seen = head;
		struct task *task;
		bool mine;

		if (head >= tail)
			return NULL;
		entry = *(volatile uint64_t *)cvy_ring(ring, head);
		task = &tasks[(uint32_t)entry];
		pending = STATE_OF(TASK_PENDING, 0, entry >> 32);
		*state = STATE_OF(TASK_RUNNING, w + 1, entry >> 32);
		if ((uint32_t)entry >= TASKS_MOST)
			return NULL;
		atomic_store_explicit(&self->current, (uint32_t)entry + 1, memory_order_relaxed);
		mine = atomic_compare_exchange_strong(&task->state, &pending, *state);
		if (!mine && pending == STATE_OF(TASK_PENDING | STATE_WAITED, 0, entry >> 32))
			mine = atomic_compare_exchange_strong(&task->state, &pending,
			                                      *state | STATE_WAITED);
		if (!mine && STATUS(pending) == TASK_PENDING &&
		    STATE_GENERATION(pending) == entry >> 32)
			continue; /* someone began to wait for it just now */
		atomic_compare_exchange_strong(&shared->head, &seen, head + 1);
		if (mine)
			return task;
	}
}

void cvy_wake_worker(struct shared *shared)
{
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i * 64 < shared->workers; i++) {
		uint64_t bits = atomic_load_explicit(&shared->idle[i], memory_order_relaxed);

		while (bits) {
			uint64_t bit = bits & -bits;
			uint32_t w = i * 64 + (uint32_t)__builtin_ctzll(bits);

			if (atomic_fetch_and(&shared->idle[i], ~bit) & bit) {
				atomic_store(&shared->worker[w].wake, 1);
				cvy_futex_wake(&shared->worker[w].wake, 1);
				return;
			}
			bits &= ~bit;
		}
	}
}

static bool anything(struct shared *shared)
{
	return atomic_load(&shared->head) < atomic_load(&shared->tail);
}

/* Waits until there may be something to do. */
static void idle(struct shared *shared, uint32_t w)
{
	struct worker *self = &shared->worker[w];
	uint64_t bit = UINT64_C(1) << (w % 64);
	uint32_t free = 0;

	/* One of the idle spins, for the sake of whoever submits one task after another. */
	if (cvy_spins() && atomic_compare_exchange_strong(&shared->spinner, &free, w + 1)) {
		for (int i = cvy_spins(); i > 0 && !anything(shared); i--)
			cvy_pause();
		atomic_store(&shared->spinner, 0);
		if (anything(shared))
			return;
	}
	fflush(stdout);
	atomic_store(&self->wake, 0);
	atomic_fetch_or(&shared->idle[w / 64], bit);
	atomic_thread_fence(memory_order_seq_cst);
	if (!anything(shared) && !atomic_load(&shared->closing))
		cvy_futex_wait(&self->wake, 0, cvy_now() + 60 * CVY_SLICE);
	atomic_fetch_and(&shared->idle[w / 64], ~bit);
}

/* ---- telling */

static void finish(struct shared *shared, uint32_t w, struct task *task, uint64_t state,
                   enum status status, uint32_t index)
{
	uint64_t generation = STATE_GENERATION(state), before;
	uint32_t top;

	before = atomic_exchange(&task->state, STATE_OF(status, w + 1, generation));
	if (before & STATE_WAITED)
		cvy_futex_wake(cvy_state_word(task), INT_MAX);
	top = atomic_load_explicit(&shared->done, memory_order_relaxed);
	do
		task->next = top;
	while (!atomic_compare_exchange_weak(&shared->done, &top, index + 1));
	atomic_store_explicit(&shared->worker[w].current, 0, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&shared->root_waits, memory_order_relaxed)) {
		atomic_store(&shared->root_waits, 0);
		cvy_futex_wake(&shared->root_waits, INT_MAX);
	}
}

static void run(struct shared *shared, uint32_t w, struct task *task, uint64_t state)
{
	uint32_t index = (uint32_t)(task - (struct task *)cvy_at(shared->tasks, sizeof *task));
	covey_task_fn *fn = (covey_task_fn *)covey_fn_pointer(task->fn);
	covey_task handle = {.task = task};
	const void *arg = task->arg_bytes;
	int code;

	if (task->arg_len > ARG_INLINE)
		arg = cvy_at(task->arg, task->arg_len);
	if (!fn || !arg) {
		code = fn ? EBADMSG : ENOENT;
		snprintf(current.words, sizeof current.words, "%s",
		         fn ? "its argument is damaged" : covey_errmsg());
	} else {
		code = call(fn, &handle, arg, task->arg_len);
	}
	if (code) {
		task->code = code;
		memcpy(task->result_bytes, current.words, sizeof current.words);
	}
	atomic_fetch_add_explicit(&shared->worker[w].ran, 1, memory_order_relaxed);
	finish(shared, w, task, state, code ? TASK_FAILED : TASK_DONE, index);
}

void cvy_worker_loop(struct shared *shared, uint32_t w, covey_pool *pool, int notify_fd)
{
	uint64_t one = 1;

	current.pool = pool;
	for (;;) {
		uint64_t state;
		struct task *task = claim(shared, w, &state);

		if (!task) {
			atomic_store_explicit(&shared->worker[w].current, 0, memory_order_relaxed);
			if (atomic_load(&shared->closing) && !anything(shared))
				return;
			idle(shared, w);
			continue;
		}
		if (anything(shared))
			cvy_wake_worker(shared);
		run(shared, w, task, state);
		if (__atomic_load_n(&shared->notify, __ATOMIC_RELAXED)) {
			if (pool)
				cvy_call_back(pool);
			else if (write(notify_fd, &one, sizeof one) < 0)
				continue; /* it is full of kicks already */
		}
	}
}

int cvy_worker_process(const void *arg, size_t len)
{
	const struct worker_arg *in = arg;
	struct shared *shared = len == sizeof *in ? cvy_at(in->shared, sizeof *shared) : NULL;

	if (!shared || in->index >= shared->workers || cvy_passed_count < 1)
		return 127;
	cvy_worker_loop(shared, in->index, NULL, cvy_passed_fds[0]);
	return 0;
}
