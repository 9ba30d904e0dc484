/* SPDX-License-Identifier: MIT */
/* Locks and rlocks: taken and released. */
#include "cases.h"

#include <stdlib.h>

static covey_lock lock;
static covey_rlock rlock;

static void new_locks(void)
{
	if (covey_lock_create(&lock, "swept") < 0 || covey_rlock_create(&rlock, "swept") < 0)
		abort();
}

static int hold_briefly(uint32_t *got)
{
	int rc = covey_lock_acquire(lock, COVEY_FOREVER);

	*got = rc == COVEY_OWNER_DIED;
	return rc < 0 ? rc : covey_lock_release(lock);
}

static void lock_unlock(void)
{
	uint32_t got;

	hold_briefly(&got);
}

static void rlock_twice(void)
{
	covey_rlock_acquire(rlock, COVEY_FOREVER);
	covey_rlock_acquire(rlock, COVEY_FOREVER);
	covey_rlock_release(rlock);
	covey_rlock_release(rlock);
}

static const char *locks_work(const struct board *b)
{
	int rc;

	(void)b;
	for (int i = 0; i < 3; i++) {
		rc = covey_lock_acquire(lock, COVEY_FOREVER);
		if (rc < 0 || (i && rc))
			return "acquire failed, or death was told twice";
		if (covey_lock_release(lock) < 0)
			return "release failed";
		rc = covey_rlock_acquire(rlock, COVEY_FOREVER);
		if (rc < 0 || (i && rc))
			return "rlock acquire failed, or death was told twice";
		if (covey_rlock_release(rlock) < 0)
			return "rlock release failed";
		if (covey_rlock_release(rlock) != -EPERM)
			return "depth outlived its holder";
	}
	return NULL;
}

static void end_locks(void)
{
	covey_lock_destroy(lock);
	covey_rlock_destroy(rlock);
}

static const struct crash_case cases[] = {
	{.name = "lock and release, alone",
         .setup = new_locks,
         .call = lock_unlock,
         .check = locks_work,
         .teardown = end_locks},
	{.name = "lock and release, contended",
         .setup = new_locks,
         .call = lock_unlock,
         .contended = true,
         .check = locks_work,
         .teardown = end_locks},
	{.name = "rlock taken twice",
         .setup = new_locks,
         .call = rlock_twice,
         .check = locks_work,
         .teardown = end_locks},
};

CRASH_NOUN(lock, cases);
