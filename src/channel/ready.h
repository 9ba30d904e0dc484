/* SPDX-License-Identifier: MIT */
/*
 * Whether a side of a queue or of a pipe's end need not wait now, and the word
 * at which news of that are told: what those need who wait for several things.
 */
#ifndef CVY_READY_H
#define CVY_READY_H

#include "arena/arena.h"
#include "base/notify.h"

/* A side: of the queue `id`, or of the pipe's end `id`. */
struct cvy_side {
	uint64_t id;
	enum cvy_kind kind; /* CVY_QUEUE, CVY_PIPE */
	bool sends;
};

/* Where one who waits for a side sleeps. */
struct cvy_sleep {
	_Atomic uint32_t *word;
	uint32_t value;
	bool blind; /* what it waits for may come without a word: look now and then */
	struct cvy_life life;
};

/*
 * 1: a call on the side would not wait: it would succeed, or tell that the
 * stream or the object has ended. 0: it would. -EBADF, -EPERM in words.
 */
int cvy_side_ready(const struct cvy_side *side);
/* Has the side's news told at the word, and then looks; results as above, and *sleep for 0. */
int cvy_side_arm(const struct cvy_side *side, struct cvy_sleep *sleep);
/* Wakes all others who wait for the same news: by one who was woken and found it. */
void cvy_side_pass_on(const struct cvy_side *side);

/* Called, where set, with the id of a queue or an end that a receiver found empty. */
extern void (*_Atomic cvy_found_empty)(uint64_t id);

/* The ref of the queue in which a pipe's end's side lies. 1: the other end is closed. */
struct queue_ref;
int cvy_pipe_side(uint64_t end, bool sends, struct queue_ref *ref);

#endif
