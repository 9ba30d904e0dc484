/* SPDX-License-Identifier: MIT */
/* Processes that start processes: whole trees, which die with their parents. */
#include "storm.h"

#define CHILDREN_MOST 3

void be_parent(struct self *self)
{
	static const enum role roles[] = {SENDER, RECEIVER, LOCKER,  SITTER, MAKER, TAKER, WRITER,
	                                  READER, FILLER,   EMPTIER, KEEPER, OWNER, PARENT};
	covey_process *child[CHILDREN_MOST];
	struct orders orders[CHILDREN_MOST];
	uint32_t n = 1 + roll(&self->dice, CHILDREN_MOST);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t seed = self->dice.state + i;
		enum role role = roles[roll(&self->dice, sizeof roles / sizeof *roles)];

		child[i] = cast(&orders[i], self, role, seed) ? act_out(&orders[i], &self->dice)
		                                              : NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		if (child[i])
			join_actor(child[i], orders[i].place);
}
