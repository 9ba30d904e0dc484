/* SPDX-License-Identifier: MIT */
/* How one in line sleeps: at its own word, the guard, and the lives of those it depends on. */
#include "sync/line.h"

#include <limits.h>

#define OWN 0
#define GUARD 1
#define LIVES 2

bool cvy_line_slices;

void cvy_watch_add(struct cvy_watch *watch, uint32_t proc, uint32_t generation)
{
	_Atomic uint32_t *word;
	uint32_t value;

	if (proc == cvy_self() && cvy_proc(proc)->generation == generation)
		return; /* its death is ours */
	word = watch->n < CVY_WATCH_MOST ? cvy_life_watch(proc, generation, &value) : NULL;
	if (word)
		cvy_futex_expect(&watch->words[LIVES + watch->n++], word, value);
	else
		watch->blind = true;
}

bool cvy_watch_holder(struct cvy_watch *watch, _Atomic uint32_t *word)
{
	uint32_t now = atomic_load(word);

	do
		if (!(now & FUTEX_TID_MASK) || (now & FUTEX_OWNER_DIED))
			return false;
	while (!(now & FUTEX_WAITERS) &&
	       !atomic_compare_exchange_weak(word, &now, now | FUTEX_WAITERS));
	if (watch->n < CVY_WATCH_MOST)
		cvy_futex_expect(&watch->words[LIVES + watch->n++], word, now | FUTEX_WAITERS);
	else
		watch->blind = true;
	return true;
}

bool cvy_line_in_slices(void)
{
	static _Atomic int old = -1;
	int known = atomic_load_explicit(&old, memory_order_relaxed);

	if (known < 0) {
		known = cvy_futex_wait_any(NULL, 0, CVY_NEVER) == -ENOSYS;
		atomic_store_explicit(&old, known, memory_order_relaxed);
	}
	return known || cvy_line_slices;
}

static _Atomic uint32_t *word_at(const struct futex_waitv *entry)
{
	return (_Atomic uint32_t *)(uintptr_t)entry->uaddr;
}

/* Whether a word that is watched is no longer what it was. */
static bool watched_changed(const struct cvy_watch *watch)
{
	for (unsigned i = LIVES; i < LIVES + watch->n; i++)
		if (atomic_load(word_at(&watch->words[i])) != (uint32_t)watch->words[i].val)
			return true;
	return false;
}

/* Sleeps once. True: look again inside. */
static bool sleep_at_words(struct cvy_line *line, struct cvy_place *place, struct cvy_watch *watch,
                           int64_t until)
{
	uint32_t guard = atomic_load(&line->guard);
	int woken;

	if (atomic_load(&place->word))
		return true;
	if (guard & FUTEX_OWNER_DIED) {
		cvy_futex_wake(&line->guard, 1);
		return true;
	}
	cvy_futex_expect(&watch->words[OWN], &place->word, 0);
	cvy_futex_expect(&watch->words[GUARD], &line->guard, guard);
	woken = cvy_futex_wait_any(watch->words, LIVES + watch->n, until);
	if (woken == -EAGAIN)
		return watched_changed(watch);
	if (woken == -EINTR)
		return false;
	if (woken == -ENOSYS)
		cvy_line_slices = true;
	if (woken == GUARD)
		cvy_futex_wake(&line->guard, 1); /* and so on: see line.h */
	else if (woken >= LIVES)
		cvy_futex_wake(word_at(&watch->words[woken]), INT_MAX);
	return true;
}

static void spin_a_while(struct cvy_place *place, const struct cvy_watch *watch)
{
	for (struct cvy_spin spin = CVY_SPIN(); cvy_spin(&spin);)
		if (atomic_load_explicit(&place->word, memory_order_relaxed) ||
		    watched_changed(watch))
			return;
}

/* Outside the monitor, until it is time to look again. */
static void sleep_outside(struct cvy_line *line, struct cvy_place *place, struct cvy_watch *watch,
                          int64_t deadline)
{
	bool old = cvy_line_in_slices();
	int64_t until;

	if (atomic_load(&place->word))
		return;
	cvy_sleeps_on(place->id);
	until = old || watch->blind ? cvy_blind(&watch->slice, CVY_LINE_SLICE)
	                            : cvy_in(cvy_notify_slice);
	until = cvy_sooner(until, deadline);
	if (old) {
		cvy_futex_wait(&place->word, 0, until);
	} else {
		cvy_guard_pending(line);
		while (!sleep_at_words(line, place, watch, until))
			;
		cvy_guard_pending(NULL);
	}
	cvy_sleeps_on(0);
}

int cvy_line_sleep(struct cvy_inside *in, struct cvy_place *place, struct cvy_watch *watch,
                   int64_t deadline)
{
	bool alone;
	int rc;

	atomic_fetch_and(&place->word, ~CVY_TOLD);
	alone = in->line->waiting == 1;
	cvy_leave(in);
	if (alone) /* a line keeps the cores busy enough */
		spin_a_while(place, watch);
	sleep_outside(in->line, place, watch, deadline);
	rc = cvy_enter_place(in, place);
	if (rc < 0)
		return rc;
	return deadline != CVY_NEVER && cvy_now() >= deadline ? -ETIMEDOUT : 0;
}
