/* SPDX-License-Identifier: MIT */
/*
 * What the calling thread reads: readers-writer locks that it holds for reading,
 * and how often. In memory of its own, so that reading again touches nothing
 * that is shared, and a forked child holds nothing. A thread that ends has its
 * holds ended.
 */
#ifndef CVY_HOLDS_H
#define CVY_HOLDS_H

#include "base/base.h"

struct cvy_hold {
	uint64_t id;
	uint32_t depth;
	uint32_t told; /* of a writer's death, by this acquire */
};

#define CVY_HOLDS_FEW 4u

/* room is 0 until the thread's end is watched. */
struct cvy_holds {
	struct cvy_hold *at; /* `few`, or allocated */
	uint32_t n;
	uint32_t room;
	struct cvy_hold few[CVY_HOLDS_FEW];
};
extern __thread struct cvy_holds cvy_holds __attribute__((tls_model("initial-exec")));

/* NULL where it does not hold it. Good until the next is removed. */
static inline struct cvy_hold *cvy_hold_of(uint64_t id)
{
	for (uint32_t i = cvy_holds.n; i-- > 0;)
		if (cvy_holds.at[i].id == id)
			return &cvy_holds.at[i];
	return NULL;
}

int cvy_holds_grow(void);
/* Makes sure of room for one more. 0; -ENOMEM in words. */
static inline int cvy_holds_room(void)
{
	return __builtin_expect(cvy_holds.n < cvy_holds.room, 1) ? 0 : cvy_holds_grow();
}
/* Where there is room. */
static inline void cvy_hold_add(uint64_t id, bool told)
{
	cvy_holds.at[cvy_holds.n++] = (struct cvy_hold){.id = id, .depth = 1, .told = told};
}
static inline void cvy_hold_remove(struct cvy_hold *hold)
{
	*hold = cvy_holds.at[--cvy_holds.n];
}

/* By the rwlock: the thread that had this hold ends. */
void cvy_hold_ended(const struct cvy_hold *hold);

#endif
