/* SPDX-License-Identifier: MIT */
/* The places of a line. */
#include "sync/line.h"

#include <string.h>

/* A place that nobody has, or NULL. */
static struct cvy_place *find_free(struct cvy_line *line, struct cvy_place *places)
{
	for (uint32_t i = 0; i < cvy_line_top(line); i++)
		if (!atomic_load_explicit(&places[i].proc, memory_order_relaxed))
			return &places[i];
	/* One of an object that is no more, whose owner has died. */
	for (uint32_t i = 0; i < cvy_line_top(line); i++)
		if (cvy_gone(atomic_load(&places[i].proc), places[i].generation))
			return &places[i];
	return NULL;
}

static struct cvy_place *new_place(struct cvy_inside *in, struct cvy_place *places)
{
	struct cvy_line *line = in->line;
	uint32_t top = cvy_line_top(line);
	uint64_t bytes = ((uint64_t)top + 1) * sizeof *places, backed;
	int rc;

	if (top >= CVY_PLACES) {
		cvy_fail(ENOMEM, "%u wait already, which is as many as can", CVY_PLACES);
		return NULL;
	}
	backed = cvy_region_bytes(cvy_offset(places));
	if (bytes > backed) {
		rc = cvy_region_back(cvy_offset(places), backed * 2);
		cvy_stay(in);
		if (rc < 0)
			return NULL;
	}
	memset(&places[top], 0, sizeof *places);
	CVY_ORDERED();
	line->top = top + 1;
	return &places[top];
}

struct cvy_place *cvy_line_join(struct cvy_inside *in, uint32_t want)
{
	struct cvy_line *line = in->line;
	struct cvy_place *places = cvy_places(line), *place;
	uint32_t self = cvy_self();

	if (!places) {
		cvy_fail(EBADMSG, "%s: its memory is damaged", cvy_kind_name(in->kind->ops.kind));
		return NULL;
	}
	cvy_life_renew();
	cvy_stay(in);
	place = find_free(line, places);
	if (!place)
		place = new_place(in, places);
	if (!place)
		return NULL;
	atomic_store(&place->proc, 0);
	atomic_store(&place->word, 0);
	place->want = want;
	place->generation = cvy_proc(self)->generation;
	place->id = in->id;
	place->ticket = line->next_ticket++;
	atomic_store_explicit(&place->proc, self, memory_order_release);
	line->waiting++;
	atomic_fetch_or(&line->guard, FUTEX_WAITERS);
	return place;
}

struct cvy_place *cvy_line_each(const struct cvy_inside *in, uint32_t *i)
{
	struct cvy_place *places = cvy_places(in->line);

	while (places && *i < cvy_line_top(in->line))
		if (cvy_in_line(&places[(*i)++], in->id))
			return &places[*i - 1];
	return NULL;
}

static void give_up(struct cvy_inside *in, struct cvy_place *place)
{
	struct cvy_place *next = cvy_line_after(in, place);

	atomic_store(&place->proc, 0);
	if (place->id == in->id && in->line->waiting)
		in->line->waiting--;
	if (next)
		cvy_line_tell(next, CVY_TOLD);
}

void cvy_line_quit(struct cvy_inside *in, struct cvy_place *place)
{
	give_up(in, place);
}

void cvy_line_reap(struct cvy_inside *in)
{
	struct cvy_place *place;

	for (uint32_t i = 0; in->line->waiting && (place = cvy_line_each(in, &i));) {
		if (!cvy_gone(atomic_load(&place->proc), place->generation))
			continue;
		if (in->kind->dropped)
			in->kind->dropped(in, place);
		give_up(in, place);
	}
}

/* Up: the place with the lowest ticket above `from`; else the highest below; or of all. */
static struct cvy_place *seek(const struct cvy_inside *in, bool up, uint64_t from, bool all)
{
	struct cvy_place *place, *best = NULL;

	for (uint32_t i = 0; in->line->waiting && (place = cvy_line_each(in, &i));) {
		if (!all && (up ? place->ticket <= from : place->ticket >= from))
			continue;
		if (!best || (up ? place->ticket < best->ticket : place->ticket > best->ticket))
			best = place;
	}
	return best;
}

struct cvy_place *cvy_line_first(const struct cvy_inside *in)
{
	return seek(in, true, 0, true);
}

struct cvy_place *cvy_line_after(const struct cvy_inside *in, const struct cvy_place *place)
{
	return seek(in, true, place->ticket, false);
}

struct cvy_place *cvy_line_before(const struct cvy_inside *in, const struct cvy_place *place)
{
	return seek(in, false, place->ticket, false);
}

void cvy_line_tell(struct cvy_place *place, uint32_t bits)
{
	if (atomic_fetch_or(&place->word, bits) == 0)
		cvy_futex_wake(&place->word, 1);
}

void cvy_line_tell_first(const struct cvy_inside *in)
{
	struct cvy_place *first = cvy_line_first(in);

	if (first)
		cvy_line_tell(first, CVY_TOLD);
}

void cvy_line_tell_all(const struct cvy_inside *in, uint32_t bits)
{
	struct cvy_place *place;

	for (uint32_t i = 0; in->line->waiting && (place = cvy_line_each(in, &i));)
		cvy_line_tell(place, bits);
}

void cvy_line_rouse_all(const struct cvy_inside *in)
{
	struct cvy_place *places = cvy_places(in->line);

	for (uint32_t i = 0; places && i < cvy_line_top(in->line); i++) {
		atomic_fetch_or(&places[i].word, CVY_TOLD);
		cvy_futex_wake(&places[i].word, 1);
	}
}
