/* SPDX-License-Identifier: MIT */
/* The calls on barriers; see barrier.h. */
#include "sync/barrier.h"

#include <unistd.h>

static int init(struct cvy_object *object, const void *context);

static const struct cvy_line_kind kind = {
	.ops = {.kind = CVY_BARRIER, .init = init},
	.bytes = sizeof(struct cvy_barrier),
	.mend = cvy_barrier_mend,
};

static int init(struct cvy_object *object, const void *context)
{
	const covey_barrier_opts *opts = context;
	struct cvy_barrier *b = cvy_line_init(object, &kind);
	int rc;

	if (!b)
		return covey_errcode();
	rc = cvy_shares_init(&b->members, sizeof(uint64_t));
	if (rc < 0)
		return rc;
	cvy_shares_clear(&b->members);
	b->parties = opts->parties;
	b->round = b->acting = b->resetting = b->broken = 0;
	b->releasing = 0;
	return 0;
}

static int is_broken(struct cvy_inside *in)
{
	static const char *const words[] = {
		[CVY_WHOLE] = "it was reset",
		[CVY_DIED] = "a party has ended",
		[CVY_TIMED_OUT] = "a party's time ran out",
		[CVY_ABORTED] = "it was aborted",
		[CVY_ACTION_FAILED] = "its action failed",
	};
	struct cvy_barrier *b = cvy_block(in);
	uint32_t cause = b->broken <= CVY_ACTION_FAILED ? b->broken : CVY_DIED;
	char title[CVY_TITLE];

	cvy_title(title, in->object, CVY_BARRIER);
	if (b->culprit && cause)
		return cvy_fail(EPIPE, "%s: broken: %s (pid %d)", title, words[cause],
		                (int)b->culprit);
	return cvy_fail(EPIPE, "%s: broken: %s", title, words[cause]);
}

int covey_barrier_create_v(covey_barrier *handle, const covey_barrier_opts *given, size_t size)
{
	covey_barrier_opts opts;
	int rc = cvy_options(&opts, sizeof opts, given, size, "barrier");

	if (rc < 0)
		return rc;
	if (!handle)
		return cvy_fail(EINVAL, "barrier: no place for the handle was given");
	if (!opts.parties)
		return cvy_fail(EINVAL, "barrier: it needs at least one party");
	return cvy_object_create(&kind.ops, opts.name, &opts, &handle->id);
}

/* Writes down that this process takes part; the first in line then watches it too. */
static int join(struct cvy_inside *in)
{
	struct cvy_barrier *b = cvy_block(in);
	_Atomic uint64_t *share = cvy_make_my_share(in, &b->members);

	if (!share)
		return covey_errcode();
	if (!cvy_count_of(atomic_load(share))) {
		atomic_store(share, cvy_my_generation() | 1);
		cvy_line_tell_first(in);
	}
	return 0;
}

/* The last of a round: runs the action outside, and lets all go on. */
static int act(struct cvy_inside *in, struct cvy_place *place, int (*action)(void *), void *context)
{
	struct cvy_barrier *b = cvy_block(in);
	int rc, entered;

	b->acting = 1;
	cvy_leave(in);
	rc = action(context);
	entered = cvy_enter_place(in, place);
	if (entered < 0)
		return entered;
	if (rc < 0)
		cvy_barrier_break(in, CVY_ACTION_FAILED, getpid());
	else if (!(atomic_load(&place->word) & CVY_ROUND_BROKEN))
		cvy_round_release(in);
	return rc < 0 ? rc : 0;
}

/* Until this round has an end. 0: see the word of the place. */
static int wait_for_verdict(struct cvy_inside *in, struct cvy_place *place, int timeout_ms)
{
	struct cvy_barrier *b = cvy_block(in);
	int64_t deadline = cvy_deadline(timeout_ms);
	struct cvy_place *before;
	struct cvy_watch watch;
	char title[CVY_TITLE];
	int slept = 0;

	cvy_watch_begin(&watch);
	while (!(atomic_load(&place->word) & (CVY_ROUND_RELEASED | CVY_ROUND_BROKEN))) {
		if (slept == -ETIMEDOUT) {
			uint32_t n = cvy_round_arrived(in);

			cvy_barrier_break(in, CVY_TIMED_OUT, getpid());
			return cvy_timed_out(timeout_ms, "%s: %u of %u parties have arrived",
			                     cvy_title(title, in->object, CVY_BARRIER), n,
			                     b->parties);
		}
		cvy_line_reap(in);
		before = cvy_line_before(in, place);
		cvy_watch_only(&watch, before);
		if (!before)
			cvy_shares_watch(&b->members, &watch);
		/* After that: one that dies from now on is watched. */
		cvy_barrier_look(in);
		if (atomic_load(&place->word) & (CVY_ROUND_RELEASED | CVY_ROUND_BROKEN))
			break;
		slept = cvy_line_sleep(in, place, &watch, deadline);
		if (slept < 0 && slept != -ETIMEDOUT)
			return slept;
	}
	return 0;
}

/* Takes a place of this round, or of the next while the action is run. Leaves. */
static int arrive(struct cvy_inside *in, int (*action)(void *), void *context, int timeout_ms)
{
	struct cvy_barrier *b = cvy_block(in);
	uint32_t n = b->acting ? 0 : cvy_round_arrived(in), verdict;
	bool last = !b->acting && n + 1 >= b->parties;
	struct cvy_place *place;
	int rc;

	if (last && !action) {
		cvy_round_release(in);
		cvy_leave(in);
		return (int)n;
	}
	place = cvy_line_join(in, b->round + b->acting);
	if (!place) {
		rc = covey_errcode();
		cvy_leave(in);
		return rc;
	}
	rc = last ? act(in, place, action, context) : wait_for_verdict(in, place, timeout_ms);
	if (rc == -EBADF && !cvy_object(in->id, CVY_BARRIER))
		return rc;
	verdict = atomic_load(&place->word);
	cvy_line_quit(in, place);
	if (rc == 0 && (verdict & CVY_ROUND_BROKEN))
		rc = is_broken(in);
	cvy_leave(in);
	return rc < 0 ? rc : (int)n;
}

int covey_barrier_wait_then(covey_barrier handle, int (*action)(void *context), void *context,
                            int timeout_ms)
{
	struct cvy_inside in;
	struct cvy_barrier *b;
	char title[CVY_TITLE];
	int rc = cvy_enter(&in, &kind, handle.id, timeout_ms);

	if (rc < 0)
		return rc;
	b = cvy_block(&in);
	cvy_barrier_look(&in);
	if (b->broken)
		rc = is_broken(&in);
	else if (timeout_ms == 0 && (b->acting || cvy_round_arrived(&in) + 1 < b->parties))
		rc = cvy_timed_out(0, "%s: %u of %u parties have arrived",
		                   cvy_title(title, in.object, CVY_BARRIER), cvy_round_arrived(&in),
		                   b->parties);
	else
		rc = join(&in);
	if (rc == 0)
		return arrive(&in, action, context, timeout_ms);
	cvy_leave(&in);
	return rc;
}

int covey_barrier_wait(covey_barrier handle, int timeout_ms)
{
	return covey_barrier_wait_then(handle, NULL, NULL, timeout_ms);
}

int covey_barrier_abort(covey_barrier handle)
{
	struct cvy_inside in;
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	cvy_barrier_break(&in, CVY_ABORTED, getpid());
	cvy_leave(&in);
	return 0;
}

int covey_barrier_reset(covey_barrier handle)
{
	struct cvy_inside in;
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	cvy_barrier_reset(&in);
	cvy_leave(&in);
	return 0;
}

int64_t covey_barrier_parties(covey_barrier handle)
{
	struct cvy_inside in;
	int64_t n;
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	n = ((struct cvy_barrier *)cvy_block(&in))->parties;
	cvy_leave(&in);
	return n;
}

int64_t covey_barrier_waiting(covey_barrier handle)
{
	struct cvy_inside in;
	int64_t n;
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	cvy_barrier_look(&in); /* the dead do not wait */
	n = cvy_round_arrived(&in);
	cvy_leave(&in);
	return n;
}

int covey_barrier_broken(covey_barrier handle)
{
	struct cvy_inside in;
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	cvy_barrier_look(&in);
	rc = ((struct cvy_barrier *)cvy_block(&in))->broken != CVY_WHOLE;
	cvy_leave(&in);
	return rc;
}

int covey_barrier_destroy(covey_barrier handle)
{
	return cvy_line_destroy(&kind, handle.id);
}
