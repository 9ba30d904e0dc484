/* SPDX-License-Identifier: MIT */
/*
 * A store that some fill and others empty, with a condition for each; and a barrier, which
 * the death of a party must break for all.
 */
#include "storm.h"

#include <unistd.h>

#define BOUND 5

static struct guarded *guarded(const struct self *self)
{
	return covey_block_data(self->objects.block);
}

/* ---- the store */

/* Whoever died holding the lock has perhaps not notified those whom its change concerned. */
static void mend(const struct self *self, int rc)
{
	if (rc != COVEY_OWNER_DIED)
		return;
	covey_condition_notify_all(self->objects.more);
	covey_condition_notify_all(self->objects.fewer);
}

static bool enter(const struct self *self)
{
	int rc = covey_lock_acquire(self->objects.store_lock, COVEY_FOREVER);

	if (rc < 0 && !excused(rc))
		wrong("store: acquire: %s", covey_errmsg());
	mend(self, rc);
	return rc >= 0;
}

static void leave(const struct self *self)
{
	if (covey_lock_release(self->objects.store_lock) < 0)
		wrong("store: release: %s", covey_errmsg());
}

/* Waits with the lock held. */
static void await(struct self *self, covey_condition c)
{
	int rc = covey_condition_wait(c, one_in(&self->dice, 4) ? 5 : COVEY_FOREVER);

	mend(self, rc);
	if (rc < 0 && rc != -ETIMEDOUT && !excused(rc))
		wrong("store: wait: %s", covey_errmsg());
}

/* One more, or one less, with the lock held; then somebody is notified. */
static void store(struct self *self, int by, covey_condition concerned)
{
	self->me->begun[0]++;
	guarded(self)->store.stored += by;
	self->me->done[0]++;
	if (covey_condition_notify(concerned, 1) < 0)
		wrong("store: notify: %s", covey_errmsg());
}

void fill_store(struct self *self)
{
	while (!books->stop) {
		if (!enter(self))
			continue;
		while (guarded(self)->store.stored >= BOUND)
			await(self, self->objects.fewer);
		store(self, 1, self->objects.more);
		leave(self);
	}
}

void empty_store(struct self *self)
{
	for (;;) {
		if (!enter(self))
			continue;
		while (guarded(self)->store.stored == 0 && !guarded(self)->store.over)
			await(self, self->objects.more);
		if (guarded(self)->store.stored == 0)
			break;
		store(self, -1, self->objects.fewer);
		leave(self);
	}
	leave(self);
}

static int make_store(struct self *root)
{
	int rc = covey_lock_create(&root->objects.store_lock, "store");

	if (rc == 0)
		rc = covey_condition_create(&root->objects.more, root->objects.store_lock, "more");
	if (rc == 0)
		rc = covey_condition_create(&root->objects.fewer, root->objects.store_lock,
		                            "fewer");
	return rc;
}

/* A holder may have died with nobody about to take the lock: the root learns of it then. */
static void settle_store(struct self *root)
{
	if (one_lives(FILLER, -1))
		ensure_one(root, EMPTIER, -1);
	if (enter(root))
		leave(root);
}

static void close_store(struct self *root)
{
	while (guarded(root)->store.stored > 0) {
		doing("waits for the last %d to be taken out of the store",
		      (int)guarded(root)->store.stored);
		ensure_one(root, EMPTIER, -1);
		if (enter(root))
			leave(root);
		usleep(5000);
	}
	while (!enter(root))
		;
	guarded(root)->store.over = 1;
	if (covey_condition_notify_all(root->objects.more) < 0)
		wrong("store: notify: %s", covey_errmsg());
	leave(root);
}

static void check_store(struct self *root)
{
	struct span span = {0, 0};

	span_add(&span, FILLER, 0, 1);
	span_add(&span, EMPTIER, 0, -1);
	if (guarded(root)->store.stored != 0 || span.least > 0 || span.most < 0)
		wrong("store: %lld to %lld are missing", (long long)span.least,
		      (long long)span.most);
	if (covey_condition_destroy(root->objects.more) < 0 ||
	    covey_condition_destroy(root->objects.fewer) < 0 ||
	    covey_lock_destroy(root->objects.store_lock) < 0)
		wrong("store: destroy: %s", covey_errmsg());
}

const struct subject store_subject = {"store",     make_store,  settle_store,
                                      close_store, check_store, {FILLER, EMPTIER}};

/* ---- the barrier */

void take_part(struct self *self)
{
	for (uint32_t round = 1;; round++) {
		int rc;

		self->me->begun[0] = round;
		rc = covey_barrier_wait(self->objects.barrier, COVEY_FOREVER);
		if (rc < 0) {
			if (rc != -EPIPE && !excused(rc))
				wrong("barrier: %s", covey_errmsg());
			covey_barrier_abort(self->objects.barrier);
			return;
		}
		self->me->done[0] = round;
		for (uint32_t i = 0; i < books->actors; i++)
			if (books->actor[i].role == PARTY && books->actor[i].begun[0] < round)
				wrong("barrier: round %u is over without one of its parties",
				      round);
		usleep(roll(&self->dice, 500));
	}
}

static int make_barrier(struct self *root)
{
	covey_barrier_opts opts = {.name = "barrier"};

	opts.parties = root->objects.parties = 2 + roll(&root->dice, 3);
	return covey_barrier_create(&root->objects.barrier, &opts);
}

/* A party that died after it was there has broken it; else that is left to be done. */
static void close_barrier(struct self *root)
{
	uint32_t were_there = 0;

	for (uint32_t i = 0; i < books->actors; i++) {
		const struct actor *a = &books->actor[i];

		were_there += a->role == PARTY && a->killed && is_dead(a->pid) && a->done[0] > 0;
	}
	if (!were_there)
		covey_barrier_abort(root->objects.barrier);
}

static void check_barrier(struct self *root)
{
	if (covey_barrier_waiting(root->objects.barrier) != 0)
		wrong("barrier: somebody waits at the end");
	if (covey_barrier_destroy(root->objects.barrier) < 0)
		wrong("barrier: destroy: %s", covey_errmsg());
}

const struct subject barrier_subject = {"barrier",     make_barrier,  NULL,
                                        close_barrier, check_barrier, {0}};
