/* SPDX-License-Identifier: MIT */
/*
 * Semaphores: a monitor (line.h). What is free is the limit less the shares, so
 * taking or giving back is one store to the caller's own share.
 */
#include <covey/semaphore.h>

#include "sync/shares.h"

/*
 * limit   units there are, or the most tokens there may be. Constant.
 * tokens  whether they are tokens. Constant.
 * count   tokens there are now. Under the monitor.
 * held    the sum of the shares, those of the dead included until somebody
 *         needs their units. Under the monitor; made anew by a mender.
 */
struct semaphore {
	struct cvy_line line;
	uint32_t limit;
	uint32_t tokens;
	uint64_t count;
	uint64_t held;
	struct cvy_shares shares;
};

static int init(struct cvy_object *object, const void *context);
static void mend(struct cvy_inside *in);

static const struct cvy_line_kind kind = {
	.ops = {.kind = CVY_SEMAPHORE, .init = init},
	.bytes = sizeof(struct semaphore),
	.mend = mend,
};

static int init(struct cvy_object *object, const void *context)
{
	const covey_semaphore_opts *opts = context;
	struct semaphore *s = cvy_line_init(object, &kind);
	int rc;

	if (!s)
		return covey_errcode();
	rc = cvy_shares_init(&s->shares, sizeof(uint64_t));
	if (rc < 0)
		return rc;
	cvy_shares_clear(&s->shares);
	s->tokens = opts->tokens != 0;
	s->count = opts->value;
	s->held = 0;
	s->limit = s->tokens ? opts->max : opts->value;
	return 0;
}

static void mend(struct cvy_inside *in)
{
	struct semaphore *s = cvy_block(in);

	s->held = cvy_shares_sum(&s->shares);
}

int covey_semaphore_create_v(covey_semaphore *handle, const covey_semaphore_opts *given,
                             size_t size)
{
	covey_semaphore_opts opts;
	int rc = cvy_options(&opts, sizeof opts, given, size, "semaphore");

	if (rc < 0)
		return rc;
	if (!handle)
		return cvy_fail(EINVAL, "semaphore: no place for the handle was given");
	if (opts.tokens && !opts.max)
		opts.max = UINT32_MAX;
	if (!opts.tokens && !opts.value)
		opts.value = 1;
	if (opts.max && opts.value > opts.max)
		return cvy_fail(EINVAL, "semaphore: value %u is over max %u", opts.value, opts.max);
	if (!opts.tokens && opts.max && opts.max != opts.value)
		return cvy_fail(EINVAL,
		                "semaphore: max %u, but units that are held can be no more than "
		                "value %u; a max of its own goes with .tokens",
		                opts.max, opts.value);
	return cvy_object_create(&kind.ops, opts.name, &opts, &handle->id);
}

static uint64_t units_free(const struct semaphore *s)
{
	if (s->tokens)
		return s->count;
	return s->held < s->limit ? s->limit - s->held : 0;
}

/* Finds the units of the dead. */
static void collect(struct semaphore *s)
{
	if (!s->tokens)
		s->held = cvy_shares_sum(&s->shares);
}

/* 1: taken. 0: too few are free. */
static int take(struct cvy_inside *in, uint32_t n)
{
	struct semaphore *s = cvy_block(in);
	_Atomic uint64_t *share;

	if (units_free(s) < n)
		return 0;
	if (s->tokens) {
		s->count -= n;
		return 1;
	}
	share = cvy_make_my_share(in, &s->shares);
	if (!share)
		return covey_errcode();
	atomic_store(share, cvy_my_generation() | (cvy_count_of(atomic_load(share)) + n));
	s->held += n;
	return 1;
}

static int too_few(struct cvy_inside *in, uint32_t n, int timeout_ms)
{
	struct semaphore *s = cvy_block(in);
	char title[CVY_TITLE], holders[CVY_HOLDERS];

	cvy_title(title, in->object, CVY_SEMAPHORE);
	if (s->tokens)
		return cvy_timed_out(timeout_ms,
		                     "%s: %llu of the %u units wanted are there; %u wait", title,
		                     (unsigned long long)units_free(s), n, in->line->waiting);
	return cvy_timed_out(timeout_ms, "%s: %llu of the %u units wanted are free; %s; %u wait",
	                     title, (unsigned long long)units_free(s), n,
	                     cvy_shares_words(holders, &s->shares), in->line->waiting);
}

/* In line until it is its turn and enough are free. Leaves the monitor. */
static int wait_in_line(struct cvy_inside *in, uint32_t n, int timeout_ms)
{
	struct semaphore *s = cvy_block(in);
	int64_t deadline = cvy_deadline(timeout_ms);
	struct cvy_place *place = cvy_line_join(in, n), *before;
	struct cvy_watch watch;
	int rc = place ? 0 : covey_errcode(), slept = 0;

	cvy_watch_begin(&watch);
	while (rc == 0) {
		cvy_line_reap(in);
		before = cvy_line_before(in, place);
		if (!before) {
			collect(s);
			rc = take(in, n);
			if (rc)
				break;
		}
		if (slept == -ETIMEDOUT) {
			rc = too_few(in, n, timeout_ms);
			break;
		}
		cvy_watch_only(&watch, before);
		if (!before && !s->tokens && cvy_shares_watch(&s->shares, &watch) != s->held)
			continue;
		slept = cvy_line_sleep(in, place, &watch, deadline);
		if (slept < 0 && slept != -ETIMEDOUT)
			return slept;
	}
	if (place)
		cvy_line_quit(in, place);
	cvy_leave(in);
	return rc < 0 ? rc : 0;
}

int covey_semaphore_acquire_many(covey_semaphore handle, uint32_t n, int timeout_ms)
{
	struct cvy_inside in;
	struct semaphore *s;
	int rc = cvy_enter(&in, &kind, handle.id, timeout_ms);

	if (rc < 0)
		return rc;
	s = cvy_block(&in);
	if (n > s->limit) {
		char title[CVY_TITLE];

		rc = cvy_fail(EINVAL, "%s: %u units wanted, but there are never more than %u",
		              cvy_title(title, in.object, CVY_SEMAPHORE), n, s->limit);
	} else if (n) {
		rc = in.line->waiting ? 0 : take(&in, n);
		if (rc == 0) {
			cvy_line_reap(&in);
			collect(s);
			rc = in.line->waiting ? 0 : take(&in, n);
		}
		if (rc == 0 && timeout_ms != 0)
			return wait_in_line(&in, n, timeout_ms);
		if (rc == 0)
			rc = too_few(&in, n, 0);
	}
	cvy_leave(&in);
	return rc < 0 ? rc : 0;
}

int covey_semaphore_acquire(covey_semaphore handle, int timeout_ms)
{
	return covey_semaphore_acquire_many(handle, 1, timeout_ms);
}

static int give_back(struct cvy_inside *in, uint32_t n)
{
	struct semaphore *s = cvy_block(in);
	_Atomic uint64_t *share = cvy_my_share(&s->shares);
	uint32_t mine = cvy_my_count(&s->shares);
	char title[CVY_TITLE], holders[CVY_HOLDERS];

	if (!share || n > mine)
		return cvy_fail(EPERM, "%s: %u units released, but this process holds %u (%s)",
		                cvy_title(title, in->object, CVY_SEMAPHORE), n, mine,
		                cvy_shares_words(holders, &s->shares));
	atomic_store(share, cvy_my_generation() | (mine - n));
	s->held -= n < s->held ? n : s->held;
	return 0;
}

int covey_semaphore_release(covey_semaphore handle, uint32_t n)
{
	struct cvy_inside in;
	struct semaphore *s;
	char title[CVY_TITLE];
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	s = cvy_block(&in);
	if (!s->tokens)
		rc = n ? give_back(&in, n) : 0;
	else if (n > s->limit - s->count)
		rc = cvy_fail(EOVERFLOW, "%s: %u more would be over its max of %u: %llu are there",
		              cvy_title(title, in.object, CVY_SEMAPHORE), n, s->limit,
		              (unsigned long long)s->count);
	else
		s->count += n;
	if (rc == 0 && in.line->waiting)
		cvy_line_tell_first(&in);
	cvy_leave(&in);
	return rc;
}

int64_t covey_semaphore_value(covey_semaphore handle)
{
	struct cvy_inside in;
	int64_t value;
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	collect(cvy_block(&in));
	value = (int64_t)units_free(cvy_block(&in));
	cvy_leave(&in);
	return value;
}

int covey_semaphore_destroy(covey_semaphore handle)
{
	struct cvy_inside in;
	struct semaphore *s;
	char title[CVY_TITLE], holders[CVY_HOLDERS];
	int rc = cvy_enter(&in, &kind, handle.id, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	s = cvy_block(&in);
	collect(s);
	if (!s->tokens && s->held > cvy_my_count(&s->shares))
		rc = cvy_fail(EBUSY, "%s: not destroyed, since units are held: %s",
		              cvy_title(title, in.object, CVY_SEMAPHORE),
		              cvy_shares_words(holders, &s->shares));
	else
		cvy_line_end(&in);
	cvy_leave(&in);
	return rc;
}
