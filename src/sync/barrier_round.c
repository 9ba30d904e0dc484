/* SPDX-License-Identifier: MIT */
/* The rounds of a barrier, and what ends them; see barrier.h. */
#include "sync/barrier.h"

/* Whether it is of this round, and not told yet what became of it. */
static bool waits(const struct cvy_place *place, uint32_t round)
{
	return place->want == round &&
	       !(atomic_load(&place->word) & (CVY_ROUND_RELEASED | CVY_ROUND_BROKEN));
}

/* Tells those of a round what became of it. */
static void tell_round(struct cvy_inside *in, uint32_t round, uint32_t verdict)
{
	struct cvy_place *place;

	for (uint32_t i = 0; (place = cvy_line_each(in, &i));)
		if (waits(place, round))
			cvy_line_tell(place, verdict);
}

static void finish_release(struct cvy_inside *in)
{
	struct cvy_barrier *b = cvy_block(in);

	tell_round(in, (uint32_t)(b->releasing - 1), CVY_ROUND_RELEASED);
	b->acting = 0;
	b->round = (uint32_t)b->releasing;
	CVY_ORDERED();
	b->releasing = 0;
}

void cvy_round_release(struct cvy_inside *in)
{
	struct cvy_barrier *b = cvy_block(in);

	b->releasing = (uint64_t)b->round + 1;
	CVY_ORDERED();
	finish_release(in);
}

/* All who wait, those for the next round too. */
static void tell_broken(struct cvy_inside *in)
{
	struct cvy_barrier *b = cvy_block(in);

	tell_round(in, b->round, CVY_ROUND_BROKEN);
	tell_round(in, b->round + 1, CVY_ROUND_BROKEN);
	b->acting = 0;
}

void cvy_barrier_break(struct cvy_inside *in, enum cvy_cause cause, pid_t culprit)
{
	struct cvy_barrier *b = cvy_block(in);

	if (b->broken)
		return;
	b->culprit = culprit;
	CVY_ORDERED();
	b->broken = cause;
	tell_broken(in);
}

static void finish_reset(struct cvy_inside *in)
{
	struct cvy_barrier *b = cvy_block(in);

	tell_broken(in);
	cvy_shares_clear(&b->members);
	b->broken = CVY_WHOLE;
	CVY_ORDERED();
	b->resetting = 0;
}

void cvy_barrier_reset(struct cvy_inside *in)
{
	struct cvy_barrier *b = cvy_block(in);

	b->resetting = 1;
	CVY_ORDERED();
	finish_reset(in);
}

void cvy_barrier_mend(struct cvy_inside *in)
{
	struct cvy_barrier *b = cvy_block(in);

	if (b->releasing)
		finish_release(in);
	if (b->resetting)
		finish_reset(in);
	if (b->broken)
		tell_broken(in);
}

uint32_t cvy_round_arrived(const struct cvy_inside *in)
{
	const struct cvy_barrier *b = cvy_block(in);
	struct cvy_place *place;
	uint32_t n = 0;

	for (uint32_t i = 0; in->line->waiting && (place = cvy_line_each(in, &i));)
		n += waits(place, b->round);
	return n;
}

void cvy_barrier_look(struct cvy_inside *in)
{
	struct cvy_barrier *b = cvy_block(in);
	bool waiting = !b->broken && cvy_round_arrived(in) > 0;
	struct cvy_share share;

	for (uint32_t at = 0; !b->broken && cvy_shares_dead(&b->members, &at, &share);) {
		if (waiting || !cvy_ended_well(share.proc, share.generation))
			cvy_barrier_break(in, CVY_DIED, cvy_pid_of(share.proc, share.generation));
		else
			cvy_shares_drop(&b->members, &share);
	}
}
