/* SPDX-License-Identifier: MIT */
/* Futures: waiting, results, failures, callbacks, freeing. */
#include "pool/pool.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static int check(const covey_future *f)
{
	if (!f)
		return cvy_fail(EINVAL, "future: none was given");
	if (f->pool->incarnation != cvy_incarnation())
		return cvy_fail(ECHILD, "future: it belongs to the parent of this process, which "
		                        "submitted the task");
	return 0;
}

static uint64_t state_of(const covey_future *f)
{
	return atomic_load_explicit(&cvy_task_of(f)->state, memory_order_acquire);
}

static bool is_done(uint64_t state)
{
	return STATUS(state) >= TASK_DONE;
}

/* "task 'resize'" or "task" */
static const char *title(const covey_future *f, char to[CVY_TITLE])
{
	if (f->name[0])
		snprintf(to, CVY_TITLE, "task '%s'", f->name);
	else
		snprintf(to, CVY_TITLE, "task");
	return to;
}

/* Waits until it is done. 0, or -ETIMEDOUT without words. */
static int await(covey_future *f, struct cvy_wait *wait)
{
	struct task *task = cvy_task_of(f);
	uint64_t state = state_of(f);

	if (is_done(state))
		return 0;
	if (wait->timeout_ms == 0)
		return -ETIMEDOUT;
	for (int i = cvy_spins(); i > 0; i--) {
		if (is_done(state_of(f)))
			return 0;
		cvy_pause();
	}
	for (;;) {
		int64_t until;

		state = atomic_load(&task->state);
		if (is_done(state))
			return 0;
		if (!(state & STATE_WAITED)) {
			if (!atomic_compare_exchange_strong(&task->state, &state,
			                                    state | STATE_WAITED))
				continue;
			state |= STATE_WAITED;
		}
		until = cvy_now() + CVY_SLICE;
		if (cvy_now() >= cvy_until(wait))
			return -ETIMEDOUT;
		cvy_futex_wait(cvy_state_word(task), (uint32_t)state,
		               until < wait->deadline ? until : wait->deadline);
	}
}

/* The supervisor wrote down how the worker died before it set the task's state. */
static void describe_death(covey_future *f, char *words, size_t cap)
{
	covey_pool *pool = f->pool;
	char name[CVY_TITLE], worker[COVEY_NAME_MAX + 1];
	int status = f->wait_status;

	title(f, name);
	snprintf(worker, sizeof worker, "%.20s-%u", pool->name[0] ? pool->name : "worker",
	         f->worker);
	if (!f->pid)
		snprintf(words, cap,
		         "%s: it never ran, since the workers of pool '%s' die before "
		         "they run anything",
		         name, pool->name);
	else if (WIFSIGNALED(status))
		snprintf(words, cap, "%s: worker '%s' (pid %d) was killed by signal %d (%s)", name,
		         worker, (int)f->pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(words, cap, "%s: worker '%s' (pid %d) ended with exit code %d", name,
		         worker, (int)f->pid, WEXITSTATUS(status));
}

static int fail(covey_future *f, uint64_t state)
{
	char words[256], name[CVY_TITLE];
	struct task *task = cvy_task_of(f);

	switch (STATUS(state)) {
	case TASK_FAILED:
		return cvy_fail(EREMOTEIO, "%s: %.*s", title(f, name), (int)RESULT_INLINE,
		                (const char *)task->result_bytes);
	case TASK_CANCELLED:
		return cvy_fail(ECANCELED, "%s: cancelled before it ran", title(f, name));
	default:
		describe_death(f, words, sizeof words);
		return cvy_fail(EOWNERDEAD, "%s", words);
	}
}

int64_t covey_future_view(covey_future *f, const void **data, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	char name[CVY_TITLE];
	struct task *task;
	uint64_t state, len;
	const void *at;
	int rc = check(f);

	if (rc < 0)
		return rc;
	if (await(f, &wait) < 0)
		return cvy_timed_out(timeout_ms, "%s: not done", title(f, name));
	state = state_of(f);
	if (STATUS(state) != TASK_DONE)
		return fail(f, state);
	task = cvy_task_of(f);
	len = task->result_len;
	if (len <= RESULT_INLINE)
		at = task->result_bytes;
	else if (len <= task->room)
		at = cvy_at(task->reserved, len);
	else
		at = len <= cvy_region_bytes(task->result) ? cvy_at(task->result, len) : NULL;
	if (!at)
		return cvy_fail(EBADMSG, "%s: its result is damaged", title(f, name));
	*data = at;
	return (int64_t)len;
}

int64_t covey_future_result(covey_future *f, void *buf, size_t cap, int timeout_ms)
{
	const void *data;
	char name[CVY_TITLE];
	int64_t len = covey_future_view(f, &data, timeout_ms);

	if (len < 0)
		return len;
	if ((uint64_t)len > cap)
		return cvy_fail(EMSGSIZE, "%s: its result has %lld bytes, the buffer %zu",
		                title(f, name), (long long)len, cap);
	if (len)
		memcpy(buf, data, (size_t)len);
	return len;
}

int covey_future_result_exactly(covey_future *f, void *object, size_t size, int timeout_ms)
{
	const void *data;
	char name[CVY_TITLE];
	int64_t len = covey_future_view(f, &data, timeout_ms);

	if (len < 0)
		return (int)len;
	if ((uint64_t)len != size)
		return cvy_fail(EMSGSIZE, "%s: its result has %lld bytes, the object %zu",
		                title(f, name), (long long)len, size);
	memcpy(object, data, size);
	return 0;
}

int covey_future_failure(covey_future *f, covey_failure *failure)
{
	char name[CVY_TITLE];
	uint64_t state;
	int rc = check(f);

	if (rc < 0)
		return rc;
	state = state_of(f);
	if (!is_done(state))
		return cvy_fail(EAGAIN, "%s: not done", title(f, name));
	memset(failure, 0, sizeof *failure);
	pthread_mutex_lock(&f->pool->lock);
	cvy_drain(f->pool);
	failure->pid = f->pid;
	/* Done, but its worker is still about to tell. */
	if (!f->drained && STATE_WORKER(state))
		failure->pid = f->pool->crew[STATE_WORKER(state) - 1].pid;
	pthread_mutex_unlock(&f->pool->lock);
	switch (STATUS(state)) {
	case TASK_FAILED:
		failure->kind = COVEY_TASK_FAILED;
		failure->code = cvy_task_of(f)->code;
		snprintf(failure->words, sizeof failure->words, "%s: %.*s", title(f, name),
		         (int)RESULT_INLINE, (const char *)cvy_task_of(f)->result_bytes);
		break;
	case TASK_DIED:
		failure->kind = COVEY_WORKER_DIED;
		failure->signal = WIFSIGNALED(f->wait_status) ? WTERMSIG(f->wait_status) : 0;
		failure->code = WIFEXITED(f->wait_status) ? WEXITSTATUS(f->wait_status) : 0;
		describe_death(f, failure->words, sizeof failure->words);
		break;
	case TASK_CANCELLED:
		failure->kind = COVEY_CANCELLED;
		snprintf(failure->words, sizeof failure->words, "%s: cancelled before it ran",
		         title(f, name));
		break;
	default:
		break;
	}
	return 0;
}

int covey_future_done(covey_future *f)
{
	int rc = check(f);

	return rc < 0 ? rc : is_done(state_of(f));
}

int covey_future_running(covey_future *f)
{
	int rc = check(f);

	return rc < 0 ? rc : STATUS(state_of(f)) == TASK_RUNNING;
}

int covey_future_cancelled(covey_future *f)
{
	int rc = check(f);

	return rc < 0 ? rc : STATUS(state_of(f)) == TASK_CANCELLED;
}

int covey_future_cancel(covey_future *f)
{
	char name[CVY_TITLE];
	uint64_t state;
	int rc = check(f);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&f->pool->lock);
	state = state_of(f);
	while (STATUS(state) == TASK_PENDING) {
		uint64_t end = STATE_OF(TASK_CANCELLED, 0, f->generation);

		if (atomic_compare_exchange_strong(&cvy_task_of(f)->state, &state, end)) {
			cvy_end_task(f->pool, f, TASK_CANCELLED);
			state = end;
			atomic_store(&f->pool->shared->root_waits, 0);
			cvy_futex_wake(&f->pool->shared->root_waits, INT_MAX);
		}
	}
	pthread_mutex_unlock(&f->pool->lock);
	if (STATUS(state) == TASK_CANCELLED) {
		cvy_call_back(f->pool);
		return 0;
	}
	return cvy_fail(EBUSY, "%s: not cancelled, since it %s", title(f, name),
	                is_done(state) ? "is done" : "is running");
}

int covey_future_on_done(covey_future *f, covey_future_callback *fn, void *context)
{
	struct callback *callback, **at;
	covey_pool *pool;
	bool due;
	int rc = check(f);

	if (rc < 0)
		return rc;
	if (!fn)
		return cvy_fail(EINVAL, "future: no callback was given");
	callback = malloc(sizeof *callback);
	if (!callback)
		return cvy_fail(ENOMEM, "future: no memory for a callback");
	*callback = (struct callback){fn, context, NULL};
	pool = f->pool;
	pthread_mutex_lock(&pool->lock);
	cvy_drain(pool);
	due = f->drained && !f->callbacks;
	if (!due) {
		for (at = &f->callbacks; *at; at = &(*at)->next)
			;
		*at = callback;
		__atomic_store_n(&pool->shared->notify, 1, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&pool->lock);
	if (due) {
		fn(f, context);
		free(callback);
	} else if (is_done(state_of(f))) {
		/* Done between: whoever finished it may not have known that it is called for. */
		if (pool->kind == COVEY_THREADS)
			cvy_call_back(pool);
		else
			cvy_kick(pool);
	}
	return 0;
}

void covey_future_set_data(covey_future *f, void *data)
{
	if (f)
		f->data = data;
}

void *covey_future_data(const covey_future *f)
{
	return f ? f->data : NULL;
}

static void unlist(covey_pool *pool, covey_future *f)
{
	for (covey_future **at = &pool->first; *at; at = &(*at)->next)
		if (*at == f) {
			*at = f->next;
			if (!*at)
				pool->last = at;
			break;
		}
	f->listed = false;
}

void covey_future_free(covey_future *f)
{
	covey_pool *pool;

	if (!f || f->pool->incarnation != cvy_incarnation())
		return;
	pool = f->pool;
	pthread_mutex_lock(&pool->lock);
	if (!f->drained && is_done(state_of(f)))
		cvy_drain(pool);
	if (f->drained) {
		if (f->listed) {
			unlist(pool, f);
			pool->unlisted--;
		}
	} else {
		pool->unlisted -= !f->hidden;
	}
	f->freed = true;
	pool->futures--;
	if (f->drained && !f->callbacks)
		cvy_recycle(pool, f);
	cvy_pool_unlock_or_free(pool);
}

/* ---- several at once */

covey_future *covey_as_completed(covey_pool *pool, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	int spins = cvy_spins();

	if (cvy_pool_check(pool) < 0)
		return NULL;
	for (;;) {
		struct shared *shared = pool->shared;
		covey_future *f;
		int64_t left, until;

		pthread_mutex_lock(&pool->lock);
		cvy_drain(pool);
		f = pool->first;
		if (f) {
			pool->first = f->next;
			if (!pool->first)
				pool->last = &pool->first;
			f->listed = false;
			pool->unlisted--;
		}
		left = pool->unlisted;
		pthread_mutex_unlock(&pool->lock);
		if (f)
			return f;
		if (left == 0) {
			cvy_fail(ENOENT, "pool '%s': no future is left", pool->name);
			return NULL;
		}
		if (timeout_ms == 0 || cvy_now() >= cvy_until(&wait)) {
			cvy_timed_out(timeout_ms, "pool '%s': none of %lld tasks is done",
			              pool->name, (long long)left);
			return NULL;
		}
		for (; spins > 0 && !atomic_load(&shared->done); spins--)
			cvy_pause();
		atomic_store(&shared->root_waits, 1);
		atomic_thread_fence(memory_order_seq_cst);
		until = cvy_now() + CVY_SLICE;
		if (!atomic_load(&shared->done) && !__atomic_load_n(&pool->first, __ATOMIC_SEQ_CST))
			cvy_futex_wait(&shared->root_waits, 1,
			               until < wait.deadline ? until : wait.deadline);
	}
}

/* The first future that is not done, or NULL; counts those done, and whether one failed. */
static covey_future *first_open(covey_future *const *futures, int n, int *done, bool *failed)
{
	covey_future *open = NULL;

	*done = 0;
	*failed = false;
	for (int i = 0; i < n; i++) {
		uint64_t state;

		if (!futures[i])
			continue;
		state = state_of(futures[i]);
		if (is_done(state)) {
			(*done)++;
			*failed |= STATUS(state) != TASK_DONE;
		} else if (!open) {
			open = futures[i];
		}
	}
	return open;
}

/* How long to sleep on one pool's word: briefly where there are others. */
static int64_t several_pools(covey_future *const *futures, int n)
{
	const covey_pool *pool = NULL;

	for (int i = 0; i < n; i++) {
		if (futures[i] && pool && futures[i]->pool != pool)
			return CVY_MS;
		if (futures[i])
			pool = futures[i]->pool;
	}
	return CVY_SLICE;
}

int covey_wait(covey_future *const *futures, int n, covey_wait_mode mode, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	int rc;

	if (n < 0 || (n && !futures))
		return cvy_fail(EINVAL, "wait: no futures were given");
	for (int i = 0; i < n; i++) {
		rc = futures[i] ? check(futures[i]) : 0;
		if (rc < 0)
			return rc;
	}
	for (;;) {
		covey_future *open;
		struct shared *shared;
		bool failed;
		int done;

		open = first_open(futures, n, &done, &failed);
		if (!open || (mode == COVEY_FIRST_DONE && done) ||
		    (mode == COVEY_FIRST_FAILED && failed))
			return done;
		if (timeout_ms == 0 || cvy_now() >= cvy_until(&wait))
			return cvy_timed_out(timeout_ms, "wait: %d of %d are done", done, n);
		if (mode == COVEY_ALL_DONE) {
			(void)await(open, &wait);
			continue;
		}
		/* Any end of the pool wakes; of several pools, the others are looked at in between.
		 */
		shared = open->pool->shared;
		atomic_store(&shared->root_waits, 1);
		atomic_thread_fence(memory_order_seq_cst);
		first_open(futures, n, &rc, &failed);
		if (rc == done) {
			int64_t until = cvy_now() + several_pools(futures, n);

			cvy_futex_wait(&shared->root_waits, 1,
			               until < wait.deadline ? until : wait.deadline);
		}
	}
}
