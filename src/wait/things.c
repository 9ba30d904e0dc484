/* SPDX-License-Identifier: MIT */
/* Things that are waited for at a word in memory, and sleeping at several words. */
#include "wait/wait.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/notify.h"
#include "pool/pool.h"

bool cvy_waitv_missing;

bool cvy_has_word(covey_waitable_kind kind)
{
	switch (kind) {
	case COVEY_WAIT_GET:
	case COVEY_WAIT_PUT:
	case COVEY_WAIT_RECEIVE:
	case COVEY_WAIT_SEND:
	case COVEY_WAIT_DONE:
	case COVEY_WAIT_COMPLETED:
		return true;
	default:
		return false;
	}
}

/* The side that a thing is, kind CVY_NONE where it is none. */
static struct cvy_side side_of(const covey_waitable *thing)
{
	switch (thing->kind) {
	case COVEY_WAIT_GET:
	case COVEY_WAIT_PUT:
		return (struct cvy_side){thing->of.queue.id, CVY_QUEUE,
		                         thing->kind == COVEY_WAIT_PUT};
	case COVEY_WAIT_RECEIVE:
	case COVEY_WAIT_SEND:
		return (struct cvy_side){thing->of.pipe.id, CVY_PIPE,
		                         thing->kind == COVEY_WAIT_SEND};
	default:
		return (struct cvy_side){0};
	}
}

int cvy_thing_ready(const covey_waitable *thing)
{
	struct cvy_side side = side_of(thing);
	int rc;

	if (side.kind != CVY_NONE)
		return cvy_side_ready(&side);
	if (thing->kind == COVEY_WAIT_DONE)
		return covey_future_done(thing->of.future);
	rc = cvy_pool_check(thing->of.pool);
	return rc < 0 ? rc : cvy_pool_has_completed(thing->of.pool);
}

int cvy_thing_arm(const covey_waitable *thing, struct cvy_sleep *sleep)
{
	struct cvy_side side = side_of(thing);
	const covey_pool *pool;

	if (side.kind != CVY_NONE)
		return cvy_side_arm(&side, sleep);
	pool = thing->kind == COVEY_WAIT_DONE ? thing->of.future->pool : thing->of.pool;
	*sleep = (struct cvy_sleep){.word = cvy_pool_arm(pool), .value = 1};
	return cvy_thing_ready(thing);
}

void cvy_thing_pass_on(const covey_waitable *thing)
{
	struct cvy_side side = side_of(thing);

	if (side.kind != CVY_NONE)
		cvy_side_pass_on(&side);
}

int64_t cvy_sleep_end(const struct cvy_sleep *sleeps, int n, struct cvy_wait *wait)
{
	bool blind = false;
	int lives = 0;

	for (int i = 0; i < n; i++) {
		blind |= sleeps[i].blind;
		lives += sleeps[i].life.word != NULL;
	}
	if (blind || n + lives > CVY_WORDS_MOST) /* which are not all slept at */
		return cvy_blind(&wait->slice, CVY_BLIND_SLICE);
	wait->slice = 0;
	return cvy_in(cvy_notify_slice);
}

/* Whether it slept, or need not. */
static bool sleep_on_all(const struct cvy_sleep *sleeps, int n, int64_t deadline)
{
	struct futex_waitv entries[CVY_WORDS_MOST];
	unsigned all = 0;
	int rc;

	if (n > CVY_WORDS_MOST || cvy_waitv_missing)
		return false;
	for (int i = 0; i < n; i++)
		cvy_futex_expect(&entries[all++], sleeps[i].word, sleeps[i].value);
	for (int i = 0; i < n && all < CVY_WORDS_MOST; i++)
		if (sleeps[i].life.word)
			cvy_futex_expect(&entries[all++], sleeps[i].life.word, sleeps[i].life.seen);
	rc = cvy_futex_wait_any(entries, all, deadline);
	return rc != -ENOSYS && rc != -EINVAL;
}

void cvy_sleep_on(const struct cvy_sleep *sleeps, int n, int64_t deadline)
{
	struct robust_list_head *head = cvy_robust();
	int64_t briefly = cvy_now() + CVY_MS;

	head->list_op_pending = (struct robust_list *)((char *)sleeps[0].word - head->futex_offset);
	CVY_ORDERED();
	if (n == 1 && !sleeps[0].life.word)
		cvy_futex_wait(sleeps[0].word, sleeps[0].value, deadline);
	else if (!sleep_on_all(sleeps, n, deadline))
		cvy_futex_wait(sleeps[0].word, sleeps[0].value, cvy_sooner(briefly, deadline));
	for (int i = 0; i < n && n <= CVY_WORDS_MOST; i++)
		cvy_life_pass_on(&sleeps[i].life);
}
