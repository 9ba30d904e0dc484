/* SPDX-License-Identifier: MIT */
/*
 * A lock, an rlock and a readers-writer lock, each of which guards a pair of numbers that
 * change together: half a change may be seen only by who is told of a death.
 */
#include "storm.h"

#include <time.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds until a pair is mended, or a process is seen to be dead */

static struct guarded *guarded(const struct self *self)
{
	return covey_block_data(self->objects.block);
}

static void dwell(struct self *self)
{
	for (volatile uint32_t n = roll(&self->dice, 300); n > 0; n--)
		;
	if (one_in(&self->dice, 10)) /* so that some are killed in there */
		usleep(roll(&self->dice, 500));
}

/* A change in two halves, by who alone is in there. */
static void change(struct self *self, struct pair *pair, int column)
{
	self->me->begun[column]++;
	pair->inside = self->me->pid;
	pair->a++;
	dwell(self);
	pair->b = ~pair->a;
	pair->inside = 0;
	self->me->done[column]++;
}

static void mend(struct pair *pair, const char *name)
{
	if (!books->sum.killed)
		wrong("%s: told of a death before anybody was killed", name);
	pair->b = ~pair->a;
	pair->inside = 0;
	pair->told = 0;
}

static void look(const struct pair *pair, const char *name)
{
	if (pair->inside)
		wrong("%s: process %d is in there, too", name, pair->inside);
	if (pair->b != ~pair->a)
		wrong("%s: half a change, and nobody was told of a death", name);
}

/* ---- lock and rlock */

static int acquire(struct self *self, bool again)
{
	int ms = one_in(&self->dice, 4) ? 1 : COVEY_FOREVER, rc;

	if (!again)
		return covey_lock_acquire(self->objects.lock, ms);
	rc = covey_rlock_acquire(self->objects.rlock, ms);
	if (rc >= 0 && one_in(&self->dice, 2) &&
	    covey_rlock_acquire(self->objects.rlock, ms) == 0 &&
	    covey_rlock_release(self->objects.rlock) < 0)
		wrong("rlock: release: %s", covey_errmsg());
	return rc;
}

void lock_and_count(struct self *self)
{
	while (!books->stop) {
		bool again = one_in(&self->dice, 2);
		struct pair *pair = again ? &guarded(self)->rlock : &guarded(self)->lock;
		const char *name = again ? "rlock" : "lock";
		int rc = acquire(self, again);

		if (rc < 0 && rc != -ETIMEDOUT && !excused(rc))
			wrong("%s: acquire: %s", name, covey_errmsg());
		if (rc < 0)
			continue;
		if (rc == COVEY_OWNER_DIED)
			mend(pair, name);
		look(pair, name);
		change(self, pair, again);
		rc = again ? covey_rlock_release(self->objects.rlock)
		           : covey_lock_release(self->objects.lock);
		if (rc < 0)
			wrong("%s: release: %s", name, covey_errmsg());
	}
}

static int make_locks(struct self *root)
{
	int rc = covey_lock_create(&root->objects.lock, "lock");

	if (rc == 0)
		rc = covey_rlock_create(&root->objects.rlock, "rlock");
	guarded(root)->lock.b = guarded(root)->rlock.b = guarded(root)->rwlock.b = ~UINT64_C(0);
	return rc;
}

static void balance(const struct pair *pair, const char *name, int role, int column)
{
	struct span span = {0, 0};

	span_add(&span, role, column, 1);
	if ((int64_t)pair->a < span.least || (int64_t)pair->a > span.most)
		wrong("%s: %lld changes, and %lld to %lld were made", name, (long long)pair->a,
		      (long long)span.least, (long long)span.most);
}

static void check_locks(struct self *root)
{
	struct guarded *g = guarded(root);
	int rc = covey_lock_acquire(root->objects.lock, COVEY_FOREVER);

	if (rc == 0)
		look(&g->lock, "lock at the end");
	rc = covey_rlock_acquire(root->objects.rlock, COVEY_FOREVER);
	if (rc == 0)
		look(&g->rlock, "rlock at the end");
	balance(&g->lock, "lock", LOCKER, 0);
	balance(&g->rlock, "rlock", LOCKER, 1);
	if (covey_lock_destroy(root->objects.lock) < 0 ||
	    covey_rlock_destroy(root->objects.rlock) < 0)
		wrong("locks: destroy: %s", covey_errmsg());
}

const struct subject lock_subject = {"locks", make_locks, NULL, NULL, check_locks, {LOCKER}};

/* ---- readers and writers */

static void release(struct self *self)
{
	if (covey_rwlock_release(self->objects.rwlock) < 0)
		wrong("rwlock: release: %s", covey_errmsg());
}

void write_pairs(struct self *self)
{
	struct pair *pair = &guarded(self)->rwlock;

	while (!books->stop) {
		int rc = covey_rwlock_acquire_write(self->objects.rwlock,
		                                    one_in(&self->dice, 4) ? 1 : COVEY_FOREVER);

		if (rc < 0 && rc != -ETIMEDOUT && !excused(rc))
			wrong("rwlock: to write: %s", covey_errmsg());
		if (rc < 0)
			continue;
		/* The reader who was told may come later. */
		if (pair->inside && rc != COVEY_OWNER_DIED && !pair->told)
			wrong("rwlock: a writer met half a change, and nobody was told");
		if (rc == COVEY_OWNER_DIED || pair->inside)
			mend(pair, "rwlock");
		change(self, pair, 0);
		release(self);
		usleep(roll(&self->dice, 300));
	}
}

/* Who was told while reading: whoever comes to write first mends. */
static void mend_told(struct self *self)
{
	struct pair *pair = &guarded(self)->rwlock;
	int rc;

	pair->told = 1; /* first: who dies before it has released has the next one told */
	release(self);
	do
		rc = covey_rwlock_acquire_write(self->objects.rwlock, COVEY_FOREVER);
	while (rc < 0 && excused(rc));
	if (rc < 0) {
		wrong("rwlock: to mend: %s", covey_errmsg());
		return;
	}
	if (pair->inside)
		mend(pair, "rwlock");
	pair->told = 0;
	release(self);
}

/* Read untold: a writer is in there, who must be dead; another will mend. */
static void look_at_dead(const struct pair *pair, pid_t inside)
{
	time_t since = time(NULL);

	while (!is_dead(inside)) {
		if (pair->inside != inside || time(NULL) - since > PATIENCE) {
			wrong("rwlock: process %d writes, while others read", (int)inside);
			return;
		}
		usleep(100);
	}
}

void read_pairs(struct self *self)
{
	struct pair *pair = &guarded(self)->rwlock;
	time_t odd = 0; /* since when the pair is half changed */

	while (!books->stop) {
		int rc = covey_rwlock_acquire_read(self->objects.rwlock,
		                                   one_in(&self->dice, 4) ? 1 : COVEY_FOREVER);
		uint64_t a = pair->a, b = pair->b;
		pid_t inside = pair->inside;

		if (rc == COVEY_OWNER_DIED) {
			mend_told(self);
			continue;
		}
		if (rc < 0 && rc != -ETIMEDOUT && !excused(rc))
			wrong("rwlock: to read: %s", covey_errmsg());
		if (rc < 0)
			continue;
		if (inside)
			look_at_dead(pair, inside);
		dwell(self);
		if (a != pair->a || b != pair->b)
			wrong("rwlock: changed while others read");
		if (b != ~a && !inside)
			wrong("rwlock: half a change");
		release(self);
		odd = !inside ? 0 : odd ? odd : time(NULL);
		if (odd && time(NULL) - odd > PATIENCE)
			wrong("rwlock: half a change, and nobody was told of a death");
	}
}

static int make_rwlock(struct self *root)
{
	return covey_rwlock_create(&root->objects.rwlock, "rwlock");
}

static void check_rwlock(struct self *root)
{
	struct pair *pair = &guarded(root)->rwlock;
	int rc = covey_rwlock_acquire_write(root->objects.rwlock, COVEY_FOREVER);

	if (rc < 0)
		wrong("rwlock at the end: %s", covey_errmsg());
	balance(pair, "rwlock", WRITER, 0);
	if (covey_rwlock_readers(root->objects.rwlock) != 0 ||
	    covey_rwlock_waiting(root->objects.rwlock) != 0)
		wrong("rwlock: somebody reads or waits at the end");
	if (covey_rwlock_destroy(root->objects.rwlock) < 0)
		wrong("rwlock: destroy: %s", covey_errmsg());
}

const struct subject rwlock_subject = {"rwlock", make_rwlock,  NULL,
                                       NULL,     check_rwlock, {WRITER, READER, READER}};
