/* SPDX-License-Identifier: MIT */
/*
 * Shares: what each process holds of an object, a word a process slot, in a
 * region of its own. A word is the process's generation in its high half and
 * its count in the low half, so it is written by one store, and what a dead
 * process held is nothing without anybody writing.
 */
#ifndef CVY_SHARES_H
#define CVY_SHARES_H

#include "arena/arena.h"
#include "sync/line.h"

/*
 * region  of CVY_PROCS words, `stride` bytes apart; kept with the slot.
 * top     no slot at or beyond it has a share. Raised under the monitor.
 * stride  constant.
 */
struct cvy_shares {
	uint64_t region;
	_Atomic uint32_t top;
	uint32_t stride;
};

/* A share that is read. */
struct cvy_share {
	uint32_t proc;
	uint32_t generation;
	uint32_t count;
};

/* In a kind's init; clears none. */
int cvy_shares_init(struct cvy_shares *shares, uint32_t stride);
/* Makes all nothing. Nobody else may be changing them. */
void cvy_shares_clear(struct cvy_shares *shares);

/* The word of a slot, NULL where what says where they lie is damaged. */
static inline _Atomic uint64_t *cvy_share_word(const struct cvy_shares *shares, uint32_t slot)
{
	uint64_t region = __atomic_load_n(&shares->region, __ATOMIC_RELAXED);
	uint64_t at = (uint64_t)slot * __atomic_load_n(&shares->stride, __ATOMIC_RELAXED);
	uint64_t block = cvy_block_at(region);

	if (__builtin_expect(block < sizeof(uint64_t) || at > block - sizeof(uint64_t) ||
	                             at % sizeof(uint64_t),
	                     0))
		return NULL;
	return (_Atomic uint64_t *)(void *)(cvy_base + region + at);
}

/* The calling process's word, NULL where there is none yet. */
static inline _Atomic uint64_t *cvy_my_share(const struct cvy_shares *shares)
{
	uint32_t self = cvy_self();

	if (__builtin_expect(
		    !self || self >= atomic_load_explicit(&shares->top, memory_order_acquire), 0))
		return NULL;
	return cvy_share_word(shares, self);
}
/* The same, made where there is none; under the monitor. NULL in words: -ENOMEM. */
_Atomic uint64_t *cvy_make_my_share(struct cvy_inside *in, struct cvy_shares *shares);

static inline uint64_t cvy_my_generation(void)
{
	return (uint64_t)cvy_proc(cvy_self())->generation << 32;
}
/* How much of a word is the calling process's. */
static inline uint32_t cvy_count_of(uint64_t word)
{
	return (word & ~UINT64_C(0xffffffff)) == cvy_my_generation() ? (uint32_t)word : 0;
}
static inline uint32_t cvy_my_count(const struct cvy_shares *shares)
{
	_Atomic uint64_t *word = cvy_my_share(shares);

	return word ? cvy_count_of(atomic_load_explicit(word, memory_order_relaxed)) : 0;
}

/*
 * One more, one less, by any threads of the calling process at once and without
 * the monitor. What is left.
 */
static inline void cvy_share_more(_Atomic uint64_t *share)
{
	uint64_t mine = cvy_my_generation(), now = atomic_load(share);

	/* What the slot's last process left is nobody's. */
	while (__builtin_expect((now & ~UINT64_C(0xffffffff)) != mine, 0))
		if (atomic_compare_exchange_weak(share, &now, mine | 1))
			return;
	atomic_fetch_add(share, 1);
}
static inline uint32_t cvy_share_less(_Atomic uint64_t *share)
{
	return (uint32_t)atomic_fetch_sub(share, 1) - 1;
}

/*
 * Steps through the shares of the living: for (at = 0; cvy_shares_next(...);).
 * Those of the dead are made nothing on the way.
 */
bool cvy_shares_next(struct cvy_shares *shares, uint32_t *at, struct cvy_share *share);
/* The same for the shares of the dead, which stay until they are dropped. */
bool cvy_shares_dead(struct cvy_shares *shares, uint32_t *at, struct cvy_share *share);
void cvy_shares_drop(struct cvy_shares *shares, const struct cvy_share *share);
uint64_t cvy_shares_sum(struct cvy_shares *shares);
/*
 * Watches all who hold a share. Their sum: where it is not what the decision to
 * sleep was made on, one has died since, and whoever would sleep looks again.
 */
uint64_t cvy_shares_watch(struct cvy_shares *shares, struct cvy_watch *watch);
/* "pid 17 holds 2, pid 18 holds 1", written to `to`, which it returns. */
#define CVY_HOLDERS 160
const char *cvy_shares_words(char to[CVY_HOLDERS], struct cvy_shares *shares);

#endif
