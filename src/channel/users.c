/* SPDX-License-Identifier: MIT */
/* Who has used a side, and whether all of them have ended. */
#include "channel/ring.h"

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
	return cvy_proc_alive(USER_SLOT(user), USER_GENERATION(user));
}

int cvy_users_note(struct users *users, const struct queue_ref *ref)
{
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
			if (atomic_compare_exchange_strong(entry, &seen, user)) {
				atomic_store(&users->latest, user);
				return 0;
			}
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
