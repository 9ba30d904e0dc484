/* SPDX-License-Identifier: MIT */
#include "sync/shares.h"

#include <stdio.h>
#include <string.h>

#define SHARES_FIRST UINT64_C(4096) /* bytes */

int cvy_shares_init(struct cvy_shares *shares, uint32_t stride)
{
	shares->stride = stride; /* first: where there is a region it holds, whoever died */
	CVY_ORDERED();
	if (shares->region)
		return 0;
	return cvy_region_reserve(&shares->region, (uint64_t)CVY_PROCS * stride, SHARES_FIRST);
}

void cvy_shares_clear(struct cvy_shares *shares)
{
	_Atomic uint64_t *word;

	for (uint32_t i = 0;
	     i < CVY_PROCS && i < atomic_load(&shares->top) && (word = cvy_share_word(shares, i));
	     i++)
		atomic_store(word, 0);
}

_Atomic uint64_t *cvy_make_my_share(struct cvy_inside *in, struct cvy_shares *shares)
{
	_Atomic uint64_t *word = cvy_my_share(shares);
	uint32_t self = cvy_self(), top = atomic_load(&shares->top);
	uint64_t bytes = ((uint64_t)self + 1) * shares->stride;
	int rc;

	if (word)
		return word;
	if (!self) /* in words, by who looked for a slot */
		return NULL;
	if (bytes > cvy_region_bytes(shares->region)) {
		rc = cvy_region_back(shares->region, bytes);
		cvy_stay(in);
		if (rc < 0)
			return NULL;
	}
	cvy_life_renew();
	cvy_stay(in);
	for (uint32_t i = top; i <= self && (word = cvy_share_word(shares, i)); i++)
		atomic_store(word, 0);
	atomic_store_explicit(&shares->top, self + 1, memory_order_release);
	word = cvy_my_share(shares);
	if (!word)
		cvy_fail(EBADMSG, "%s: its memory is damaged", cvy_kind_name(in->kind->ops.kind));
	return word;
}

/* The next share that is not nothing. */
static bool next_share(struct cvy_shares *shares, uint32_t *at, struct cvy_share *share)
{
	uint32_t top = atomic_load(&shares->top);

	while (*at < top && *at < CVY_PROCS) {
		uint32_t slot = (*at)++;
		_Atomic uint64_t *word = cvy_share_word(shares, slot);
		uint64_t value = word ? atomic_load(word) : 0;

		if ((uint32_t)value) {
			*share = (struct cvy_share){slot, (uint32_t)(value >> 32), (uint32_t)value};
			return true;
		}
	}
	return false;
}

void cvy_shares_drop(struct cvy_shares *shares, const struct cvy_share *share)
{
	uint64_t value = (uint64_t)share->generation << 32 | share->count;
	_Atomic uint64_t *word = cvy_share_word(shares, share->proc);

	/* Unless the slot's next process has put its own there. */
	if (word)
		atomic_compare_exchange_strong(word, &value, 0);
}

bool cvy_shares_next(struct cvy_shares *shares, uint32_t *at, struct cvy_share *share)
{
	while (next_share(shares, at, share)) {
		if (!cvy_gone(share->proc, share->generation))
			return true;
		cvy_shares_drop(shares, share);
	}
	return false;
}

bool cvy_shares_dead(struct cvy_shares *shares, uint32_t *at, struct cvy_share *share)
{
	while (next_share(shares, at, share))
		if (cvy_gone(share->proc, share->generation))
			return true;
	return false;
}

uint64_t cvy_shares_sum(struct cvy_shares *shares)
{
	struct cvy_share share;
	uint64_t sum = 0;

	for (uint32_t at = 0; cvy_shares_next(shares, &at, &share);)
		sum += share.count;
	return sum;
}

uint64_t cvy_shares_watch(struct cvy_shares *shares, struct cvy_watch *watch)
{
	struct cvy_share share;
	uint64_t sum = 0;

	for (uint32_t at = 0; next_share(shares, &at, &share);) {
		if (cvy_gone(share.proc, share.generation))
			continue;
		cvy_watch_add(watch, share.proc, share.generation);
		sum += share.count;
	}
	return sum;
}

const char *cvy_shares_words(char to[CVY_HOLDERS], struct cvy_shares *shares)
{
	struct cvy_share share;
	size_t len = 0;
	int n = 0;

	snprintf(to, CVY_HOLDERS, "nobody holds any");
	for (uint32_t at = 0; cvy_shares_next(shares, &at, &share); n++) {
		if (n == 3) {
			snprintf(to + len, CVY_HOLDERS - len, ", and others");
			break;
		}
		len += (size_t)snprintf(to + len, CVY_HOLDERS - len, "%spid %d holds %u",
		                        n ? ", " : "", (int)atomic_load(&cvy_proc(share.proc)->pid),
		                        share.count);
	}
	return to;
}
