/* SPDX-License-Identifier: MIT */
/* A task while it runs: its result, its failure. */
#include "pool/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What this thread runs, for covey_task_fail and for calls that a task must not make. */
struct current {
	covey_pool *pool; /* where it is a worker; of processes NULL, until it asks */
	bool works;       /* it is a worker */
	uint32_t index;   /* of its slot */
	bool running;
	bool failed;
	int code;
	char words[RESULT_INLINE];
};
static __thread struct current current;

void cvy_run_for(covey_pool *pool, uint32_t index)
{
	current.pool = pool;
	current.index = index;
	current.works = true;
}

bool cvy_in_worker_of(const covey_pool *pool)
{
	return current.pool == pool;
}

bool cvy_in_task_of(const covey_pool *pool)
{
	return current.running && current.pool == pool;
}

covey_pool *covey_current_pool(void)
{
	covey_pool *pool = current.pool ? current.pool : cvy_guest_pool();

	if (pool && current.works)
		current.pool = pool;
	return pool;
}

bool cvy_run_nested(covey_future *f)
{
	covey_pool *pool = f->pool;
	struct task *task = cvy_task_of(f);
	struct worker *self;
	struct current outer;
	uint32_t before;
	int code;

	if (!current.running || current.pool != pool)
		return false;
	self = &pool->shared->worker[current.index];
	before = atomic_load(&self->current);
	atomic_store(&self->nested, 1);
	if (!cvy_take(task, STATE_GENERATION(atomic_load(&task->state)), current.index))
		return false;
	outer = current;
	code = cvy_run_task(task);
	current = outer;
	if (cvy_finish(pool->shared, current.index, task, code ? TASK_FAILED : TASK_DONE)) {
		if (pool->guest)
			cvy_kick(pool);
		else
			cvy_call_back(pool);
	}
	atomic_store(&self->current, before);
	return true;
}

int covey_task_fail(int code, const char *format, ...)
{
	va_list args;

	if (!code)
		code = 1;
	if (current.running) {
		current.failed = true;
		current.code = code;
		va_start(args, format);
		vsnprintf(current.words, sizeof current.words, format, args);
		va_end(args);
	}
	return code;
}

void *covey_task_result(covey_task *task, size_t len)
{
	struct task *t = task->task;

	if (!t) {
		task->len = len;
		if (len <= task->room)
			return task->to;
		task->error = cvy_fail(EMSGSIZE, "a result of %zu bytes, where %zu were asked for",
		                       len, task->room);
		return NULL;
	}
	cvy_region_free(&t->result);
	t->result_len = 0;
	if (len > RESULT_INLINE && len > t->room && cvy_region_alloc(&t->result, len) < 0) {
		task->error = cvy_fail_in("a result of %zu bytes: ", len);
		return NULL;
	}
	t->result_len = len;
	return cvy_result_at(t, len);
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

int cvy_run_task(struct task *task)
{
	covey_task_fn *fn = (covey_task_fn *)covey_fn_pointer(task->fn);
	covey_task handle = {.task = task};
	const void *arg = task->arg_bytes;
	uint64_t len = __atomic_load_n(&task->arg_len, __ATOMIC_RELAXED), at;
	int code;

	task->result_len = 0;
	if (len > ARG_INLINE) {
		at = __atomic_load_n(&task->arg, __ATOMIC_RELAXED);
		arg = at % 64 ? NULL : cvy_in_block(at, len); /* blocks begin so */
	}
	if (fn && arg) {
		code = call(fn, &handle, arg, len);
	} else {
		code = fn ? EBADMSG : ENOENT;
		snprintf(current.words, sizeof current.words, "%s",
		         fn ? "its argument is damaged" : covey_errmsg());
	}
	if (code) {
		task->code = code;
		memcpy(task->result_bytes, current.words, sizeof current.words);
	}
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

int cvy_run_hook(covey_fn value, const void *arg, size_t len)
{
	covey_process_fn *fn = (covey_process_fn *)covey_fn_pointer(value);
	int code;

	current.running = true;
	current.failed = false;
	current.words[0] = 0;
	if (fn) {
		code = fn(len ? arg : NULL, len);
	} else {
		code = ENOENT;
		snprintf(current.words, sizeof current.words, "%s", covey_errmsg());
	}
	current.running = false;
	if (current.failed)
		return current.code;
	if (code && !current.words[0])
		snprintf(current.words, sizeof current.words, "it returned %d", code);
	return code;
}

const char *cvy_item_words(void)
{
	return current.words;
}
