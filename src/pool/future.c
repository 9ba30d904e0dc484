/* SPDX-License-Identifier: MIT */
/* Futures: results, failures, cancelling, callbacks, freeing. */
#include "pool/pool.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

int cvy_future_check(const covey_future *f)
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

const char *cvy_future_title(const covey_future *f, char to[CVY_TITLE])
{
	const char *what = f->pool->hall ? "promise" : "task";

	if (f->name[0])
		snprintf(to, CVY_TITLE, "%s '%s'", what, f->name);
	else
		snprintf(to, CVY_TITLE, "%s", what);
	return to;
}

/* ---- failures */

/* The supervisor wrote down how the worker died before it set the task's state. */
static void describe_death(covey_future *f, char *words, size_t cap)
{
	covey_pool *pool = f->pool;
	char name[CVY_TITLE], worker[COVEY_NAME_MAX + 1];
	const char *trace = f->trace ? f->trace : "";
	covey_failure failure;
	int status = f->wait_status;

	cvy_future_title(f, name);
	snprintf(worker, sizeof worker, "%.20s-%u", pool->name[0] ? pool->name : "worker",
	         f->worker);
	if (pool->guest)
		snprintf(words, cap, "%s",
		         cvy_guest_failure(f, &failure) == 0 ? failure.words : covey_errmsg());
	else if (f->passed)
		snprintf(words, cap, "%s: %s", name, trace);
	else if (f->overdue)
		snprintf(
			words, cap,
			"%s: it ran for longer than %u ms, so that worker '%s' (pid %d) was killed",
			name, f->limit, worker, (int)f->pid);
	else if (f->starved)
		snprintf(words, cap,
		         "%s: worker '%s' (pid %d) was killed by the kernel for lack of memory "
		         "(limit %llu MiB)",
		         name, worker, (int)f->pid, (unsigned long long)(cvy_memory_limit() >> 20));
	else if (!f->pid)
		snprintf(words, cap, "%s: it never ran: %.180s", name, pool->why);
	else if (status == -1)
		snprintf(words, cap, "%s: worker '%s' (pid %d) ended, and nobody saw how", name,
		         worker, (int)f->pid);
	else if (WIFSIGNALED(status))
		snprintf(words, cap, "%s: worker '%s' (pid %d) was killed by signal %d (%s)%s",
		         name, worker, (int)f->pid, WTERMSIG(status), strsignal(WTERMSIG(status)),
		         trace);
	else
		snprintf(words, cap, "%s: worker '%s' (pid %d) ended with exit code %d", name,
		         worker, (int)f->pid, WEXITSTATUS(status));
}

int cvy_describe_end(covey_future *f, char *words, size_t cap)
{
	char name[CVY_TITLE];

	switch (STATUS(state_of(f))) {
	case TASK_FAILED:
		if (f->passed)
			snprintf(words, cap, "%s: %s", cvy_future_title(f, name), f->trace);
		else
			snprintf(words, cap, "%s: %.*s", cvy_future_title(f, name),
			         (int)RESULT_INLINE, (const char *)cvy_task_of(f)->result_bytes);
		return EREMOTEIO;
	case TASK_CANCELLED:
		snprintf(words, cap, "%s: %s", cvy_future_title(f, name),
		         f->passed ? f->trace : "cancelled before it ran");
		return ECANCELED;
	case TASK_DIED:
		describe_death(f, words, cap);
		return f->overdue ? ETIME : EOWNERDEAD;
	default:
		return 0;
	}
}

/* The pid of the worker that ran it last, 0 for none. */
static pid_t pid_of(covey_future *f, uint64_t state)
{
	covey_pool *pool = f->pool;
	uint32_t worker = STATE_WORKER(state);
	pid_t pid;

	cvy_biased_lock(&pool->lock);
	cvy_drain(pool);
	pid = f->pid;
	/* Where it is not yet drained, that worker has not been replaced. */
	if (!f->drained && worker && worker <= pool->slots)
		pid = atomic_load(&pool->shared->worker[worker - 1].pid);
	cvy_biased_unlock(&pool->lock);
	return pid;
}

int covey_future_failure_v(covey_future *f, covey_failure *failure, size_t size)
{
	covey_failure found = {0};
	char name[CVY_TITLE];
	uint64_t state;
	int rc = cvy_future_check(f);

	if (rc < 0)
		return rc;
	state = state_of(f);
	if (!failure)
		return cvy_fail(EINVAL, "%s: no place for the failure was given",
		                cvy_future_title(f, name));
	if (f->pool->guest) {
		rc = cvy_guest_failure(f, &found);
		if (rc == 0)
			cvy_answer(failure, size, &found, sizeof found);
		return rc;
	}
	if (!cvy_is_done(state))
		return cvy_fail(EAGAIN, "%s: not done", cvy_future_title(f, name));
	found.pid = pid_of(f, state);
	switch (cvy_describe_end(f, found.words, sizeof found.words)) {
	case EREMOTEIO:
		found.kind = COVEY_TASK_FAILED;
		found.code = cvy_task_of(f)->code;
		break;
	case EOWNERDEAD:
		found.kind = COVEY_WORKER_DIED;
		if (f->wait_status == -1)
			found.code = -1;
		else if (WIFSIGNALED(f->wait_status))
			found.signal = WTERMSIG(f->wait_status);
		else
			found.code = WEXITSTATUS(f->wait_status);
		break;
	case ETIME:
		found.kind = COVEY_OVERDUE;
		found.signal = SIGKILL;
		break;
	case ECANCELED:
		found.kind = COVEY_CANCELLED;
		break;
	default:
		break;
	}
	cvy_answer(failure, size, &found, sizeof found);
	return 0;
}

/* ---- results */

int64_t covey_future_view(covey_future *f, const void **data, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	char name[CVY_TITLE], words[256];
	struct task *task;
	const void *at;
	uint64_t len;
	int rc = cvy_future_check(f);

	if (rc < 0)
		return rc;
	if (cvy_await(f, &wait) < 0)
		return cvy_timed_out(timeout_ms, "%s: not done", cvy_future_title(f, name));
	rc = cvy_describe_end(f, words, sizeof words);
	if (rc)
		return cvy_fail(rc, "%s", words);
	task = cvy_task_of(f);
	len = __atomic_load_n(&task->result_len, __ATOMIC_RELAXED);
	at = cvy_result_at(task, len);
	if (!at)
		return cvy_fail(EBADMSG, "%s: its result is damaged", cvy_future_title(f, name));
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
		                cvy_future_title(f, name), (long long)len, cap);
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
		                cvy_future_title(f, name), (long long)len, size);
	memcpy(object, data, size);
	return 0;
}

/* ---- states */

int covey_future_done(covey_future *f)
{
	int rc = cvy_future_check(f);

	return rc < 0 ? rc : cvy_is_done(state_of(f));
}

int covey_future_running(covey_future *f)
{
	int rc = cvy_future_check(f);

	return rc < 0 ? rc : STATUS(state_of(f)) == TASK_RUNNING;
}

int covey_future_cancelled(covey_future *f)
{
	int rc = cvy_future_check(f);

	return rc < 0 ? rc : STATUS(state_of(f)) == TASK_CANCELLED;
}

int covey_future_cancel(covey_future *f)
{
	char name[CVY_TITLE];
	covey_pool *pool;
	uint64_t state;
	int rc = cvy_future_check(f);

	if (rc < 0)
		return rc;
	pool = f->pool;
	if (pool->guest)
		return cvy_guest_cancel(f);
	cvy_biased_lock(&pool->lock);
	if (cvy_unclaim(pool, f, TASK_CANCELLED))
		cvy_tell(pool->shared);
	state = state_of(f);
	pool->guests += pool->hall;
	cvy_biased_unlock(&pool->lock);
	if (pool->hall)
		cvy_hall_call_back(pool);
	else if (STATUS(state) == TASK_CANCELLED)
		cvy_call_back(pool);
	if (STATUS(state) == TASK_CANCELLED)
		return 0;
	return cvy_fail(EBUSY, "%s: not cancelled, since it %s", cvy_future_title(f, name),
	                cvy_is_done(state) ? "is done" : "is running");
}

/* ---- callbacks */

/* Has whoever ends the task run its callbacks; false where it is done already. */
static bool flag_called(covey_future *f)
{
	_Atomic uint64_t *state = &cvy_task_of(f)->state;
	uint64_t seen = atomic_load(state);

	while (!cvy_is_done(seen))
		if (atomic_compare_exchange_strong(state, &seen, seen | STATE_CALLED))
			return true;
	return false;
}

int covey_future_on_done(covey_future *f, covey_future_callback *fn, void *context)
{
	struct callback *callback, **at;
	covey_pool *pool;
	bool now;
	int rc = cvy_future_check(f);

	if (rc < 0)
		return rc;
	if (!fn)
		return cvy_fail(EINVAL, "future: no callback was given");
	if (f->pool->guest)
		return cvy_fail(ENOTSUP, "future: a task in a worker process can wait for it, and "
		                         "not have it call back");
	callback = malloc(sizeof *callback);
	if (!callback)
		return cvy_fail(ENOMEM, "future: no memory for a callback");
	*callback = (struct callback){fn, context, NULL};
	pool = f->pool;
	cvy_biased_lock(&pool->lock);
	/* Where others are still to run, or running, it waits for its turn behind them. */
	now = !f->callbacks && !f->calling && !flag_called(f);
	if (!now) {
		for (at = &f->callbacks; *at; at = &(*at)->next)
			;
		*at = callback;
	}
	cvy_biased_unlock(&pool->lock);
	if (now) {
		fn(f, context);
		free(callback);
	}
	return 0;
}

/* ---- the user's pointer, and the end */

void covey_future_set_data(covey_future *f, void *data)
{
	if (f)
		f->data = data;
}

void *covey_future_data(const covey_future *f)
{
	return f ? f->data : NULL;
}

/* Nobody can keep it any more. */
static void drop_promise(covey_future *f)
{
	if (covey_future_cancel(f) == -EBUSY)
		covey_future_set_failure(f, 1, "freed while it was running");
}

void covey_future_free(covey_future *f)
{
	covey_pool *pool;

	if (!f || f->pool->incarnation != cvy_incarnation())
		return;
	pool = f->pool;
	if (pool->guest) {
		cvy_guest_free(f);
		return;
	}
	if (pool->hall) {
		if (!cvy_is_done(state_of(f)))
			drop_promise(f);
		pthread_mutex_lock(&cvy_hall_lock);
	}
	/* Much memory is given back without the lock: once done, it is its user's only. */
	if (cvy_is_done(state_of(f)))
		cvy_region_free(&cvy_task_of(f)->result);
	cvy_biased_lock(&pool->lock);
	if (!f->drained && cvy_is_done(state_of(f)))
		cvy_drain(pool);
	if (f->listed)
		cvy_unlist(f);
	else if (!f->drained && f->group)
		f->group->left--;
	f->freed = true;
	pool->futures--;
	if (f->drained && !f->callbacks && !f->calling)
		cvy_recycle(pool, f);
	if (pool->hall)
		cvy_hall_unlock_or_free(pool);
	else
		cvy_pool_unlock_or_free(pool);
}
