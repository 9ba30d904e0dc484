/* SPDX-License-Identifier: MIT */
/*
 * Readers-writer locks. A writer holds a robust mutex, so the kernel knows when
 * it dies. A process that reads has a share, so the death of a reader writes
 * nothing. Who has to wait stands in a line (line.h), and `gate` tells readers
 * whether they may come in without a look at any of that:
 *
 *     reader:  share + 1 | gate == 0: it reads; else share - 1, to the monitor
 *     writer:  in the monitor: mutex | gate: WRITER | all shares 0: it writes
 *     waiter:  in the monitor: gate: LINE | look again, and who holds it | sleep
 *
 * Each | is a full fence: of a reader and a writer that come together at least
 * one sees the other; and a reader that gives its share back either sees LINE,
 * and tells the first in line, or was not seen reading by it. The first in line
 * watches the processes that read, or the writer's mutex.
 *
 * A writer's death is news, to be told once: to a writer, whose own death is
 * news again, or to a reader, which is noted until it has released; where that
 * one has died the news is to be told again. While there is news the gate is
 * not 0, and all go through the monitor.
 */
#ifndef CVY_RWLOCK_H
#define CVY_RWLOCK_H

#include <covey/rwlock.h>

#include "sync/shares.h"

/* Bits of gate. */
#define CVY_GATE_WRITER 1u /* by who holds the mutex: it may write */
#define CVY_GATE_LINE 2u   /* somebody is in line; in the monitor, made anew by a mender */
#define CVY_GATE_NEWS 4u   /* news is not 0; likewise */

#define CVY_UNTOLD UINT64_C(1)

/*
 * news     0: none; CVY_UNTOLD; or the process of the reader that has been told:
 *          generation in the high half, slot in the low one. In the monitor.
 * writing  the slot of the process that writes, for messages. By who holds
 *          the mutex.
 * made     whether the mutex has been; once for all objects of the slot.
 * writer   the mutex: taken in the monitor, given back outside.
 * gate, readers: read by all; what changes often is not in their cache lines.
 */
struct cvy_rwlock {
	struct cvy_line line;
	uint64_t news;
	_Atomic uint32_t writing;
	uint32_t made;
	pthread_mutex_t writer;
	_Alignas(128) _Atomic uint32_t gate;
	struct cvy_shares readers;
};
_Static_assert(sizeof(struct cvy_rwlock) % 128 == 0, "whole cache line pairs");

enum cvy_way { CVY_READ, CVY_WRITE };
/* What an attempt comes to, or a negative errno. */
enum { CVY_NOT_NOW = 0, CVY_TAKEN, CVY_TAKEN_AND_TOLD };

extern const struct cvy_line_kind cvy_rwlock_kind;

static inline struct cvy_rwlock *cvy_rwlock_of(const struct cvy_object *object)
{
	return cvy_line_block(object, sizeof(struct cvy_rwlock));
}

/* The futex of a robust mutex is its first word. */
static inline _Atomic uint32_t *cvy_writer_word(struct cvy_rwlock *rw)
{
	return (_Atomic uint32_t *)(void *)&rw->writer;
}

/* Whether the calling thread does. */
static inline bool cvy_i_write(struct cvy_rwlock *rw)
{
	return (atomic_load_explicit(cvy_writer_word(rw), memory_order_relaxed) & FUTEX_TID_MASK) ==
	       cvy_tid();
}

static inline void cvy_gate_set(struct cvy_rwlock *rw, uint32_t bit, bool on)
{
	if (on)
		atomic_fetch_or(&rw->gate, bit);
	else
		atomic_fetch_and(&rw->gate, ~bit);
}

/* Leaves the monitor, with the gate as the line is. */
void cvy_rwlock_leave(struct cvy_inside *in);
/* The process that writes, 0 for none. */
pid_t cvy_writer_pid(struct cvy_rwlock *rw);
/* In the monitor, by who has got the mutex of one who died: makes it sane, and news of that. */
void cvy_writer_died(struct cvy_rwlock *rw);

/* Whether the caller, whose gate is open, reads now. (rwlock.c) */
bool cvy_come_in(struct cvy_object *object, uint64_t id);
/* By way of the monitor, and of the line where it has to wait. (rwlock_wait.c) */
int cvy_rwlock_take(struct cvy_object *object, uint64_t id, enum cvy_way way, int timeout_ms);

#endif
