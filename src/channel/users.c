/* SPDX-License-Identifier: MIT */
/* Who has used a side, and whether all of them have ended. */
#include "channel/ring.h"

#include <limits.h>

#define ENTRIES (sizeof((struct users *)0)->entry / sizeof(uint64_t))
#define USER_SLOT(user) ((uint32_t)(user))
#define USER_GENERATION(user) ((uint32_t)((user) >> 32))

uint64_t cvy_user_self(void)
{
	uint32_t self = cvy_self();
	struct cvy_proc *proc = cvy_proc(self);

	return proc ? (uint64_t)proc->generation << 32 | self : 0;
}

bool cvy_user_alive(uint64_t user)
{
	return !cvy_gone(USER_SLOT(user), USER_GENERATION(user));
}

/* As a futex; covey runs on little-endian machines. */
static _Atomic uint32_t *low_half(_Atomic uint64_t *word)
{
	return (_Atomic uint32_t *)(void *)word;
}

/*
 * Takes an entry. Should we die before those who wait know of us, the kernel wakes one
 * of them, who sees that we came and have ended.
 */
static bool enter(struct queue *q, _Atomic uint64_t *entry, uint64_t seen, uint64_t user)
{
	struct robust_list *outer;
	bool first = !atomic_load(&q->senders.latest), entered;

	outer = cvy_pending_set(&q->empty_word);
	entered = atomic_compare_exchange_strong(entry, &seen, user);
	if (entered) {
		atomic_store(&q->senders.latest, user);
		if (first)
			cvy_futex_wake(low_half(&q->senders.latest), INT_MAX);
	}
	cvy_pending_restore(outer);
	return entered;
}

int cvy_senders_note(struct queue *q, const struct queue_ref *ref)
{
	struct users *users = &q->senders;
	uint64_t user = cvy_user_self();
	uint32_t self = USER_SLOT(user);
	char title[CVY_TITLE];

	if (!user)
		return covey_errcode();
	/* First a free entry; the dead make room where there is none. */
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < ENTRIES; i++) {
			_Atomic uint64_t *entry = &users->entry[(self + i) % ENTRIES];
			uint64_t seen = atomic_load_explicit(entry, memory_order_relaxed);

			if (__builtin_expect(seen == user, 1))
				return 0;
			if (pass == 0 ? seen != 0 : cvy_user_alive(seen))
				continue;
			if (enter(q, entry, seen, user))
				return 0;
		}
	return cvy_fail(ENOSPC, "%s: %zu processes use it, which is as many as can be followed",
	                cvy_queue_title(title, ref), ENTRIES);
}

bool cvy_users_ended(struct users *users)
{
	bool any = false;

	for (size_t i = 0; i < ENTRIES; i++) {
		uint64_t user = atomic_load(&users->entry[i]);

		if (!user)
			continue;
		if (cvy_user_alive(user)) {
			atomic_store(&users->latest, user);
			return false;
		}
		any = true;
	}
	return any;
}

bool cvy_users_seem_ended(struct users *users)
{
	uint64_t latest = atomic_load_explicit(&users->latest, memory_order_relaxed);
	struct cvy_proc *proc = cvy_proc(USER_SLOT(latest));
	uint32_t state;

	if (!latest || !proc)
		return false;
	state = atomic_load_explicit(&proc->state, memory_order_relaxed);
	if (proc->generation == USER_GENERATION(latest) && state != CVY_PROC_FREE &&
	    state != CVY_PROC_ENDED)
		return false;
	return cvy_users_ended(users);
}

bool cvy_user_watch(uint64_t user, struct cvy_life *life)
{
	if (user == cvy_user_self())
		return false; /* its end is ours */
	life->word = cvy_life_watch(USER_SLOT(user), USER_GENERATION(user), &life->seen);
	return !life->word;
}

bool cvy_users_watch(struct users *users, struct cvy_life *life)
{
	bool blind = false;
	uint64_t latest = atomic_load(&users->latest);

	for (size_t i = 0; i < ENTRIES; i++) {
		uint64_t user = atomic_load(&users->entry[i]);

		if (!user)
			continue;
		if (cvy_user_alive(user) && !cvy_user_watch(user, life))
			return false;
		blind = true; /* or the last of them has just ended */
	}
	if (!blind && !latest)
		*life = (struct cvy_life){low_half(&users->latest), 0};
	return blind;
}
