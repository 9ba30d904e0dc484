/* SPDX-License-Identifier: MIT */
/*
 * A semaphore whose units are seats, which those of the dead must leave; and one of
 * tokens, all of which are made and taken.
 */
#include "storm.h"

#include <time.h>
#include <unistd.h>

#define PATIENCE 60 /* seconds until a process is seen to be dead */

/* ---- seats */

static bool take_seat(pid_t pid, uint32_t seats)
{
	for (uint32_t i = 0; i < seats; i++) {
		int32_t sits = books->seat[i];

		if ((!sits || (sits != pid && is_dead(sits))) &&
		    __atomic_compare_exchange_n(&books->seat[i], &sits, pid, 0, __ATOMIC_SEQ_CST,
		                                __ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

/* As many seats as units: they are there at once, or as soon as the dead are seen to be. */
static void sit_down(struct self *self, uint32_t n)
{
	time_t since = time(NULL);

	while (n > 0) {
		if (take_seat(self->me->pid, self->objects.seats)) {
			n--;
		} else if (time(NULL) - since > PATIENCE) {
			wrong("semaphore: more than its %u units are held", self->objects.seats);
			return;
		}
	}
}

static void stand_up(const struct self *self)
{
	for (uint32_t i = 0; i < self->objects.seats; i++)
		if (books->seat[i] == self->me->pid)
			books->seat[i] = 0;
}

void take_seats(struct self *self)
{
	while (!books->stop) {
		uint32_t n = 1 + roll(&self->dice, self->objects.seats);
		int rc = covey_semaphore_acquire_many(self->objects.units, n,
		                                      one_in(&self->dice, 4) ? 1 : COVEY_FOREVER);

		if (rc < 0 && rc != -ETIMEDOUT && !excused(rc))
			wrong("semaphore: acquire: %s", covey_errmsg());
		if (rc < 0)
			continue;
		sit_down(self, n);
		if (one_in(&self->dice, 20))
			usleep(roll(&self->dice, 1000));
		stand_up(self);
		if (n > 1 && one_in(&self->dice, 2)) { /* some now, the rest then */
			rc = covey_semaphore_release(self->objects.units, 1);
			n--;
		}
		if (rc < 0 || covey_semaphore_release(self->objects.units, n) < 0)
			wrong("semaphore: release: %s", covey_errmsg());
	}
}

/* ---- tokens */

void make_tokens(struct self *self)
{
	while (!books->stop) {
		uint32_t n = 1 + roll(&self->dice, 3);
		int rc;

		self->me->begun[0] += n;
		rc = covey_semaphore_release(self->objects.tokens, n);
		if (rc == 0)
			self->me->done[0] += n;
		else
			self->me->begun[0] = self->me->done[0];
		if (rc < 0 && rc != -EOVERFLOW)
			wrong("tokens: release: %s", covey_errmsg());
		usleep(roll(&self->dice, 200));
	}
}

void take_tokens(struct self *self)
{
	for (;;) {
		uint32_t n = one_in(&self->dice, 4) ? 2 : 1;
		int rc;

		self->me->begun[0] += n;
		rc = covey_semaphore_acquire_many(self->objects.tokens, n,
		                                  n > 1 ? 2 : COVEY_FOREVER);
		if (rc == 0)
			self->me->done[0] += n;
		else
			self->me->begun[0] = self->me->done[0];
		if (rc == -EBADF)
			return;
		if (rc < 0 && rc != -ETIMEDOUT && !excused(rc))
			wrong("tokens: acquire: %s", covey_errmsg());
	}
}

/* ---- the subject */

static int make(struct self *root)
{
	covey_semaphore_opts units = {.name = "units"};
	covey_semaphore_opts tokens = {.name = "tokens", .tokens = 1, .max = 1000};
	int rc;

	units.value = root->objects.seats = 1 + roll(&root->dice, SEATS_MOST);
	rc = covey_semaphore_create(&root->objects.units, &units);
	return rc < 0 ? rc : covey_semaphore_create(&root->objects.tokens, &tokens);
}

static void send_home(struct self *root)
{
	struct span span = {0, 0};
	int64_t left;

	while ((left = covey_semaphore_value(root->objects.tokens)) > 0) {
		doing("waits for the last %d tokens to be taken", (int)left);
		ensure_one(root, TAKER, -1);
		usleep(5000);
	}
	if (covey_semaphore_destroy(root->objects.tokens) < 0)
		wrong("tokens: destroy: %s", covey_errmsg());
	doing("waits for takers to end");
	while (one_lives(TAKER, -1))
		usleep(5000);
	span_add(&span, MAKER, 0, 1);
	span_add(&span, TAKER, 0, -1);
	if (span.least > 0 || span.most < 0)
		wrong("tokens: %lld to %lld are missing", (long long)span.least,
		      (long long)span.most);
}

static void check(struct self *root)
{
	int64_t units = covey_semaphore_value(root->objects.units);

	if (units != root->objects.seats)
		wrong("semaphore: %d of %u units are back", (int)units, root->objects.seats);
	if (covey_semaphore_destroy(root->objects.units) < 0)
		wrong("semaphore: destroy: %s", covey_errmsg());
}

const struct subject semaphore_subject = {"semaphores", make,  NULL,
                                          send_home,    check, {SITTER, SITTER, MAKER, TAKER}};
