/* SPDX-License-Identifier: MIT */
/*
 * Waiting: for one future, on its task's state; for any of a pool, on the
 * pool's word, which whoever ends a task clears and wakes. The order is: say
 * that one waits, then look, then sleep. So what comes after the look finds
 * somebody waiting, whichever thread may have taken it off the stack meanwhile.
 */
#include "pool/pool.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint64_t state_of(const covey_future *f)
{
	return atomic_load_explicit(&cvy_task_of(f)->state, memory_order_acquire);
}

static int64_t slice(const struct cvy_wait *wait, int64_t longest)
{
	int64_t until = cvy_now() + longest;

	return until < wait->deadline ? until : wait->deadline;
}

static void say_waiting(struct shared *shared)
{
	atomic_store(&shared->root_waits, 1);
	atomic_thread_fence(memory_order_seq_cst);
}

static bool over(struct cvy_wait *wait)
{
	return wait->timeout_ms == 0 || cvy_now() >= cvy_until(wait);
}

/*
 * A task that waits for another of its own pool may be what keeps a worker from it: it runs
 * that one itself. Where time is limited, only if nobody else is there to do so.
 */
static bool help(covey_future *f, const struct cvy_wait *wait)
{
	if (wait->timeout_ms == 0 || !cvy_in_task_of(f->pool) ||
	    STATUS(state_of(f)) != TASK_PENDING)
		return false;
	if (wait->timeout_ms > 0 && cvy_anybody_idle(f->pool->shared))
		return false;
	return cvy_run_nested(f);
}

/* ---- one future */

int cvy_await(covey_future *f, struct cvy_wait *wait)
{
	struct task *task = cvy_task_of(f);
	uint64_t state = state_of(f);

	if (cvy_is_done(state))
		return 0;
	if (wait->timeout_ms == 0)
		return -ETIMEDOUT;
	if (help(f, wait))
		return 0;
	for (int i = cvy_spins(); i > 0; i--) {
		if (cvy_is_done(state_of(f)))
			return 0;
		cvy_pause();
	}
	for (;;) {
		state = atomic_load(&task->state);
		if (cvy_is_done(state))
			return 0;
		if (!(state & STATE_WAITED)) {
			if (!atomic_compare_exchange_strong(&task->state, &state,
			                                    state | STATE_WAITED))
				continue;
			state |= STATE_WAITED;
		}
		if (over(wait))
			return -ETIMEDOUT;
		if (STATUS(state) == TASK_PENDING) {
			if (help(f, wait))
				return 0;
			cvy_wake_sleeper(f->pool->shared);
		}
		cvy_futex_wait(cvy_state_word(task), (uint32_t)state, slice(wait, CVY_SLICE));
	}
}

/* ---- the next of a pool */

/* The first of the completed, taken off the list, or NULL; and how many may still come. */
static covey_future *next_completed(covey_pool *pool, struct group *group, int64_t *left)
{
	covey_future *f;

	cvy_biased_lock(&pool->lock);
	if (!pool->guest)
		cvy_drain(pool);
	f = group->first;
	while (pool->guest && f && !cvy_is_done(state_of(f)))
		f = f->next; /* a guest lists those that are not done, too */
	if (f)
		cvy_unlist(f);
	*left = group->left;
	cvy_biased_unlock(&pool->lock);
	return f;
}

/* A pending one of a group; NULL for none. */
static covey_future *pending_in(covey_pool *pool, struct group *group)
{
	covey_future *found = NULL;

	cvy_biased_lock(&pool->lock);
	for (covey_future *f = pool->guest ? group->first : NULL; f && !found; f = f->next)
		if (STATUS(state_of(f)) == TASK_PENDING)
			found = f;
	for (uint32_t i = 0; !pool->guest && i < pool->made && !found; i++) {
		covey_future *f = cvy_future_at(pool, i);

		if (f->used && f->group == group && STATUS(state_of(f)) == TASK_PENDING)
			found = f;
	}
	cvy_biased_unlock(&pool->lock);
	return found;
}

static bool help_group(covey_pool *pool, struct group *group, const struct cvy_wait *wait)
{
	covey_future *f = cvy_in_task_of(pool) ? pending_in(pool, group) : NULL;

	return f && help(f, wait);
}

covey_future *cvy_next_of(covey_pool *pool, struct group *group, struct cvy_wait *wait)
{
	struct shared *shared = pool->shared;
	bool waiting = false;

	for (;;) {
		int64_t left;
		covey_future *f = next_completed(pool, group, &left);

		if (f || left == 0 || over(wait))
			return f;
		if (help_group(pool, group, wait))
			continue;
		if (waiting) {
			if (cvy_anything(shared))
				cvy_wake_sleeper(shared);
			cvy_futex_wait(&shared->root_waits, 1, slice(wait, CVY_SLICE));
			waiting = false;
			continue;
		}
		for (int i = cvy_spins(); i > 0 && !atomic_load(&shared->done); i--)
			cvy_pause();
		if (pool->guest || !atomic_load(&shared->done)) {
			say_waiting(shared);
			waiting = true;
		}
	}
}

covey_future *covey_as_completed(covey_pool *pool, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	covey_future *f;
	int64_t left;

	if (cvy_pool_check(pool) < 0)
		return NULL;
	f = cvy_next_of(pool, &pool->group, &wait);
	if (f)
		return f;
	cvy_biased_lock(&pool->lock);
	left = pool->group.left;
	cvy_biased_unlock(&pool->lock);
	if (left)
		cvy_timed_out(timeout_ms, "pool '%s': none of %lld tasks is done", pool->name,
		              (long long)left);
	else
		cvy_fail(ENOENT, "pool '%s': no future is left", pool->name);
	return NULL;
}

_Atomic uint32_t *cvy_pool_arm(const covey_pool *pool)
{
	say_waiting(pool->shared);
	if (cvy_anything(pool->shared))
		cvy_wake_sleeper(pool->shared);
	return &pool->shared->root_waits;
}

bool cvy_pool_has_completed(covey_pool *pool)
{
	bool has;

	cvy_biased_lock(&pool->lock);
	cvy_drain(pool);
	has = pool->group.first || pool->group.left == 0;
	cvy_biased_unlock(&pool->lock);
	return has;
}

/* ---- several futures */

/* What several futures have come to. `from`: those before it are known to be done. */
struct look {
	int from;
	int done;
	bool failed;
	bool open;
};

/* Looks at those that were not done at the last look, in their order up to the first of them. */
static struct look look_at(covey_future *const *futures, int n, struct look last)
{
	struct look now = {.from = last.from, .done = last.from, .failed = last.failed};

	for (int i = last.from; i < n; i++) {
		uint64_t state = futures[i] ? state_of(futures[i]) : TASK_DONE;

		if (cvy_is_done(state)) {
			now.done++;
			now.failed |= STATUS(state) != TASK_DONE;
			now.from += !now.open;
		} else {
			now.open = true;
		}
	}
	return now;
}

static bool satisfied(const struct look *look, int nulls, covey_wait_mode mode)
{
	return !look->open || (mode == COVEY_FIRST_DONE && look->done > nulls) ||
	       (mode == COVEY_FIRST_FAILED && look->failed);
}

#define POOLS_MOST 16

/* The words of the pools whose futures are not all done; over POOLS_MOST: how many there were. */
static int words_of(covey_future *const *futures, int n, const struct look *look,
                    struct shared *words[POOLS_MOST])
{
	int count = 0;

	for (int i = look->from; i < n && count <= POOLS_MOST; i++) {
		struct shared *shared;
		int w = 0;

		if (!futures[i] || cvy_is_done(state_of(futures[i])))
			continue;
		shared = futures[i]->pool->shared;
		while (w < count && words[w] != shared)
			w++;
		if (w == count && count++ < POOLS_MOST)
			words[w] = shared;
	}
	return count;
}

/* Sleeps until a pool's word changes; without futex_waitv (Linux 5.16) it looks again each ms. */
static void sleep_on(struct shared *words[], int count, const struct cvy_wait *wait)
{
	struct futex_waitv entries[POOLS_MOST];
	int rc;

	if (count <= 1) {
		if (count == 1)
			cvy_futex_wait(&words[0]->root_waits, 1, slice(wait, CVY_SLICE));
		return;
	}
	if (count <= POOLS_MOST) {
		for (int i = 0; i < count; i++)
			cvy_futex_expect(&entries[i], &words[i]->root_waits, 1);
		rc = cvy_futex_wait_any(entries, (unsigned)count, slice(wait, CVY_SLICE));
		if (rc != -ENOSYS)
			return;
	}
	cvy_futex_wait(&words[0]->root_waits, 1, slice(wait, CVY_MS));
}

static bool help_any(covey_future *const *futures, int n, const struct cvy_wait *wait)
{
	for (int i = 0; i < n; i++)
		if (futures[i] && help(futures[i], wait))
			return true;
	return false;
}

static int wait_any(covey_future *const *futures, int n, int nulls, covey_wait_mode mode,
                    struct cvy_wait *wait)
{
	struct shared *words[POOLS_MOST];
	struct look look = {0};

	for (;;) {
		int count;

		look = look_at(futures, n, look);
		if (satisfied(&look, nulls, mode))
			return look.done - nulls;
		if (over(wait))
			return cvy_timed_out(wait->timeout_ms, "wait: %d of %d are done",
			                     look.done - nulls, n - nulls);
		if (help_any(futures, n, wait))
			continue;
		count = words_of(futures, n, &look, words);
		for (int i = 0; i < count && i < POOLS_MOST; i++)
			say_waiting(words[i]);
		look = look_at(futures, n, look);
		if (satisfied(&look, nulls, mode))
			return look.done - nulls;
		for (int i = 0; i < count && i < POOLS_MOST; i++)
			if (cvy_anything(words[i]))
				cvy_wake_sleeper(words[i]);
		sleep_on(words, count, wait);
	}
}

static int wait_all(covey_future *const *futures, int n, int nulls, struct cvy_wait *wait)
{
	for (int i = 0; i < n; i++)
		if (futures[i] && cvy_await(futures[i], wait) < 0)
			return cvy_timed_out(wait->timeout_ms, "wait: %d of %d are done",
			                     look_at(futures, n, (struct look){0}).done - nulls,
			                     n - nulls);
	return n - nulls;
}

int covey_wait(covey_future *const *futures, int n, covey_wait_mode mode, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	int nulls = 0, rc;

	if (n < 0 || (n && !futures))
		return cvy_fail(EINVAL, "wait: no futures were given");
	if (mode < COVEY_ALL_DONE || mode > COVEY_FIRST_FAILED)
		return cvy_fail(EINVAL, "wait: %d is no mode", (int)mode);
	for (int i = 0; i < n; i++) {
		rc = futures[i] ? cvy_future_check(futures[i]) : 0;
		if (rc < 0)
			return rc;
		nulls += !futures[i];
	}
	if (mode == COVEY_ALL_DONE)
		return wait_all(futures, n, nulls, &wait);
	return wait_any(futures, n, nulls, mode, &wait);
}

/* Moves those that are done to the end; the place of the last one. */
static int sort_done(covey_future **futures, int n)
{
	int end = n;

	for (int i = n - 1; i >= 0; i--)
		if (cvy_is_done(state_of(futures[i]))) {
			covey_future *done = futures[i];

			futures[i] = futures[--end];
			futures[end] = done;
		}
	return n - 1;
}

covey_future *covey_as_completed_of(covey_future **futures, int *n, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	int last, kept = 0;

	if (!n || *n < 0 || (*n && !futures)) {
		cvy_fail(EINVAL, "as_completed: no futures were given");
		return NULL;
	}
	/* Those that are known to be done are at the end, so that most calls look at one. */
	last = *n - 1;
	if (last >= 0 && futures[last] && cvy_future_check(futures[last]) < 0)
		return NULL;
	if (last < 0 || !futures[last] || !cvy_is_done(state_of(futures[last]))) {
		for (int i = 0; i < *n; i++)
			if (futures[i]) {
				if (cvy_future_check(futures[i]) < 0)
					return NULL;
				futures[kept++] = futures[i];
			}
		*n = kept;
		if (!kept) {
			cvy_fail(ENOENT, "as_completed: no future is left");
			return NULL;
		}
		if (wait_any(futures, kept, 0, COVEY_FIRST_DONE, &wait) < 0)
			return NULL;
		last = sort_done(futures, kept);
	}
	*n = last;
	return futures[last];
}
