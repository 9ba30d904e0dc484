/* SPDX-License-Identifier: MIT */
/*
 * Workers that have nothing to do, and how they are woken.
 *
 * While fewer are awake than there are cores, each task that comes wakes one, if
 * nobody is looking for it already. Beyond that one more helps where tasks wait for
 * something, and only costs where they compute. So then one at a time is woken, the
 * extra. While those awake begin a task each in the time of a wake-up, which is then
 * more than a task, it holds back, for some 16 ms at most. Else it joins them, wakes
 * others, each time twice as many, and the next extra.
 *
 * Whoever is looking or on its way may be killed: then its end clears the word (ends.c).
 * It may be stopped: then it is no longer counted on some time later.
 */
#include "pool/pool.h"

#include <stdio.h>

/* Of what a wake-up takes at most an extra lets one pass, then twice as many, and so on. */
#define PAUSE (CVY_MS / 16)
#define PAUSES_MOST 128
/* One that has been on its way or looking for so long is stopped. */
#define LATE (20 * CVY_MS)
/* Calls of which one looks at the clock. */
#define LOOK_EVERY 8

/* ---- who is to be woken */

/* Takes a sleeper out of those idle, who is then to be woken; its index + 1, 0 for none. */
static uint32_t take_sleeper(struct shared *shared, bool extra)
{
	uint32_t workers = cvy_worker_count(shared);

	for (uint32_t i = 0; i * 64 < workers; i++) {
		uint64_t bits = atomic_load(&shared->idle[i]);

		for (; bits; bits &= bits - 1) {
			uint64_t bit = bits & -bits;
			uint32_t w = i * 64 + (uint32_t)__builtin_ctzll(bits);

			if (extra) /* before: it looks for that once it has taken its bit back */
				atomic_store(&shared->extra, w + 1);
			if (atomic_fetch_and(&shared->idle[i], ~bit) & bit)
				return w + 1;
		}
	}
	return 0;
}

static void wake(struct shared *shared, uint32_t w)
{
	atomic_store(&shared->worker[w].wake, 1);
	cvy_futex_wake(&shared->worker[w].wake, 1);
}

void cvy_wake_sleeper(struct shared *shared)
{
	uint32_t found = take_sleeper(shared, false);

	if (found)
		wake(shared, found - 1);
}

static void wake_extra(struct shared *shared)
{
	uint32_t found;

	atomic_store(&shared->extra_since, cvy_now_coarse());
	found = take_sleeper(shared, true);
	if (found)
		wake(shared, found - 1);
	else
		atomic_store(&shared->extra, 0);
}

static uint32_t asleep(struct shared *shared)
{
	uint32_t workers = cvy_worker_count(shared), sum = 0;

	for (uint32_t i = 0; i * 64 < workers; i++) {
		uint64_t bits = atomic_load(&shared->idle[i]);

		sum += bits ? (uint32_t)__builtin_popcountll(bits) : 0;
	}
	return sum;
}

/* Whether so many are awake, beside an extra and the `sleepers`, as there are cores. */
static bool enough(struct shared *shared, uint32_t sleepers, uint32_t extra)
{
	uint32_t staff = atomic_load_explicit(&shared->staff, memory_order_relaxed);

	return staff >= sleepers + (extra != 0) + shared->cores;
}

static bool late(_Atomic int64_t *since)
{
	return cvy_now_coarse() - atomic_load(since) > LATE;
}

/* Whether the same one was looking at the last look, long ago, and has not stopped since. */
static bool spins_late(struct shared *shared, uint32_t spinner)
{
	if (atomic_load(&shared->spinner_seen) == spinner)
		return late(&shared->spinner_since);
	atomic_store(&shared->spinner_seen, spinner);
	atomic_store(&shared->spinner_since, cvy_now_coarse());
	return false;
}

/* look: whether those who are counted on are late. */
static void wake_where_it_helps(struct shared *shared, uint32_t spinner, bool look)
{
	uint32_t sleepers, extra;

	if (spinner) {
		if (!spins_late(shared, spinner))
			return;
		atomic_compare_exchange_strong(&shared->spinner, &spinner, 0);
	}
	sleepers = asleep(shared);
	if (!sleepers)
		return;
	extra = atomic_load(&shared->extra);
	if (!enough(shared, sleepers, extra))
		cvy_wake_sleeper(shared);
	else if (!extra || (look && late(&shared->extra_since)))
		wake_extra(shared);
}

/* n: numbers the calls, for one in some of which it is worth a look at the clock. */
static inline void wake_one(struct shared *shared, uint64_t n)
{
	uint32_t spinner = atomic_load(&shared->spinner);
	bool look = n % LOOK_EVERY == 0;

	/* One that spins looks again after it has said that it no longer does; so does an extra. */
	if (!spinner || __builtin_expect(look, 0))
		wake_where_it_helps(shared, spinner, look);
}

void cvy_wake_worker(struct shared *shared, uint64_t n)
{
	if (shared->heavy_fences)
		atomic_signal_fence(memory_order_seq_cst);
	else
		atomic_thread_fence(memory_order_seq_cst);
	wake_one(shared, n);
}

void cvy_wake_another(struct shared *shared, uint64_t n)
{
	/* No fence: whoever goes to sleep looks again after it has said so. */
	wake_one(shared, n);
}

void cvy_wake_all(struct shared *shared)
{
	uint32_t workers = cvy_worker_count(shared);

	for (uint32_t w = 0; w < workers; w++)
		wake(shared, w);
}

bool cvy_anybody_idle(struct shared *shared)
{
	return atomic_load(&shared->spinner) || atomic_load(&shared->extra) || asleep(shared);
}

/* ---- who idles */

static uint64_t pending_in(struct lane *lane)
{
	uint64_t head = atomic_load(&lane->head), tail = atomic_load(&lane->tail);

	return tail > head ? tail - head : 0;
}

/* How many have come shortly after the last was taken. */
static void learn(struct shared *shared, struct pace *pace)
{
	uint64_t found = pending_in(&shared->lane[LANE_DEFAULT]);

	cvy_pace_learn(pace, found, found > 0);
}

/* How many tasks are pending, of all priorities. */
static uint64_t pending(struct shared *shared)
{
	uint64_t sum = 0;

	for (uint32_t lanes = cvy_lanes(shared); lanes; lanes &= lanes - 1)
		sum += pending_in(&shared->lane[__builtin_ctz(lanes)]);
	return sum;
}

/* How many have been begun. */
static uint64_t begun(struct shared *shared)
{
	uint64_t sum = 0;

	for (uint32_t lanes = cvy_lanes(shared); lanes; lanes &= lanes - 1)
		sum += atomic_load(&shared->lane[__builtin_ctz(lanes)].head);
	return sum;
}

/* Lets time pass while tasks are short; whether they still are. */
static bool hold_back(struct shared *shared, uint32_t w)
{
	struct worker *self = &shared->worker[w];
	uint64_t before = begun(shared), now;

	for (unsigned pauses = 1; pauses <= PAUSES_MOST; pauses *= 2, before = now) {
		uint32_t staff = atomic_load(&shared->staff), sleepers = asleep(shared);

		atomic_store(&self->wake, 0);
		atomic_store(&shared->extra_since, cvy_now_coarse());
		if (!enough(shared, sleepers, 1) || atomic_load(&shared->closing) ||
		    atomic_load(&self->leave))
			return false;
		cvy_futex_wait(&self->wake, 0, cvy_now() + pauses * PAUSE);
		now = begun(shared);
		if (now - before < (uint64_t)(staff - sleepers - 1) * pauses)
			return false;
	}
	return true;
}

/* One that has been woken as the extra. */
static void arrive(struct shared *shared, uint32_t w)
{
	bool disturbs = hold_back(shared, w);
	uint32_t extra = w + 1, others = atomic_load(&shared->extra_others);
	uint32_t next = others < WORKERS_MAX / 2 ? 2 * others + 1 : others;
	uint64_t left = pending(shared);

	if (disturbs)
		others = next = 0;
	if (disturbs || left)
		atomic_store(&shared->extra_others, next);
	atomic_compare_exchange_strong(&shared->extra, &extra, 0);
	for (; others && left > 1; others--, left--)
		cvy_wake_sleeper(shared);
}

void cvy_idle(struct shared *shared, uint32_t w, bool process, struct idler *idler)
{
	struct worker *self = &shared->worker[w];
	uint64_t bit = UINT64_C(1) << (w % 64);
	uint32_t none = 0, spinner = SPINNER_OF(w, idler->times++);
	struct pace *pace = &idler->pace;

	/* One of the idle spins, for the sake of whoever submits one task after another. */
	if (cvy_spins() && atomic_compare_exchange_strong(&shared->spinner, &none, spinner)) {
		cvy_pace(pace);
		for (struct cvy_spin spin = CVY_SPIN(); !cvy_anything(shared) && cvy_spin(&spin);)
			;
		learn(shared, pace);
		atomic_compare_exchange_strong(&shared->spinner, &spinner, 0);
		if (cvy_anything(shared))
			return;
	}
	if (process)
		fflush(stdout); /* a user wants to see what tasks have printed */
	atomic_store(&self->wake, 0);
	atomic_fetch_or(&shared->idle[w / 64], bit);
	if (shared->heavy_fences)
		cvy_heavy_fence();
	else
		atomic_thread_fence(memory_order_seq_cst);
	if (!cvy_anything(shared) && !atomic_load(&shared->closing) && !atomic_load(&self->leave))
		cvy_futex_wait(&self->wake, 0, cvy_now() + 60 * CVY_SLICE);
	atomic_fetch_and(&shared->idle[w / 64], ~bit);
	if (atomic_load(&shared->extra) == w + 1)
		arrive(shared, w);
}
