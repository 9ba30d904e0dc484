/* SPDX-License-Identifier: MIT */
/*
 * Notify words: wake-ups that a publisher's death cannot lose.
 *
 * A publisher changes a shared word (an index) and must then wake whoever
 * sleeps for it. Killed between the two it would leave the sleeper asleep for
 * ever. The kernel, when a thread dies, looks at the entry `list_op_pending` of
 * its registered robust list, and wakes one waiter of the futex that it points
 * to. So the publisher points it at the notify word, publishes, wakes if anyone
 * waits, and only then takes the pointer away:
 *
 *     publish:  pending = word | store index | full fence
 *               word != 0: word = 0, wake one | pending = none
 *     wait:     CAS word 0 -> FUTEX_WAITERS | look again
 *               futex_waitv(word is FUTEX_WAITERS, then index is as it was seen)
 *
 * The fence pairs with the waiter's CAS: either the publisher sees the word set
 * or the waiter sees the new index. Clear, then wake: in the other order a
 * waiter that comes between is forgotten. The kernel, waking for the dead, leaves
 * the word set: hence the index beside it in the wait. Both orders are proved by
 * tests/models/.
 *
 * That the kernel wakes for a word whose owner part is 0 is so since Linux 6.2.
 * Before, the publisher takes the word (its thread id in it) round the store.
 *
 * Publishers to one word are serialised by a lock, and one waiter sleeps at a
 * word: the holder of the other side's lock. All sleeps end after a slice at
 * the latest to look again: insurance, never the remedy.
 *
 * Beside it others may watch a word (ready.h): they set its `watched` flag, for
 * good, before they set the word. A publisher that has somebody to wake then
 * wakes them all. If it dies, the kernel wakes one of them only, so whoever is
 * woken and finds news wakes the others; while it sleeps the word is its pending
 * entry, so its own death then wakes another. Whoever finds no news wakes
 * nobody, else two would wake each other for ever. One who watches several words
 * can have one of them pending only: for the others, two deaths at once, of the
 * publisher and of the one woken for it, are found by the slice.
 */
#ifndef CVY_NOTIFY_H
#define CVY_NOTIFY_H

#include <linux/futex.h>

#include "base/base.h"
#include "base/broken.h"

/* The calling thread's robust list head, as the C library registered it. */
extern __thread struct robust_list_head *cvy_robust_cache
	__attribute__((tls_model("initial-exec")));
struct robust_list_head *cvy_robust_fetch(void);

/*
 * 0, or -ENOTSUP in words where the kernel has no robust list of this thread, since a
 * sandbox refuses it: then its death would be nobody's news, and wedge others.
 */
int cvy_robust_check(void);

/* Whether the kernel wants the word taken; set before the first use, see notify.c. */
extern bool cvy_notify_takes;

/* The longest sleep at a notify word; CVY_SLICE, or longer in tests of what it insures against. */
extern int64_t cvy_notify_slice;

/* The longest where what is waited for may come without a wake-up, such as a death. */
#define CVY_BLIND_SLICE (cvy_notify_slice / 10)

/*
 * Until when to sleep there: for *slice, 0 before the first time, twice as long each time, from
 * a few hundred microseconds to `most`.
 */
int64_t cvy_blind(int64_t *slice, int64_t most);

/* Stores to memory that the kernel reads at our death keep their order with these. */
#define CVY_ORDERED() __asm__ volatile("" ::: "memory")

static inline struct robust_list_head *cvy_robust(void)
{
	struct robust_list_head *head = cvy_robust_cache;

	return __builtin_expect(head != NULL, 1) ? head : cvy_robust_fetch();
}

/* Has our death wake one of those at the word from here on; what was pending before. */
static inline struct robust_list *cvy_pending_set(_Atomic uint32_t *word)
{
	struct robust_list_head *head = cvy_robust();
	struct robust_list *outer = head->list_op_pending;

	head->list_op_pending = (struct robust_list *)((char *)word - head->futex_offset);
	CVY_ORDERED();
	return outer;
}
static inline void cvy_pending_restore(struct robust_list *outer)
{
	CVY_ORDERED();
	cvy_robust()->list_op_pending = outer;
}

void cvy_notify_publish_taken(_Atomic uint32_t *word, const _Atomic uint32_t *watched,
                              _Atomic uint64_t *index, uint64_t value);

/* How many of those at a word are to be woken; watched is NULL where nobody may watch it. */
static inline int cvy_notify_number(const _Atomic uint32_t *watched)
{
	return watched && atomic_load_explicit(watched, memory_order_relaxed) ? INT32_MAX : 1;
}

/* Stores value in *index and wakes the waiter of word, if there is one, and those who watch it. */
static inline void cvy_notify_publish_watched(_Atomic uint32_t *word,
                                              const _Atomic uint32_t *watched,
                                              _Atomic uint64_t *index, uint64_t value)
{
	struct robust_list_head *head;
	struct robust_list *outer;

	if (__builtin_expect(cvy_notify_takes, 0)) {
		cvy_notify_publish_taken(word, watched, index, value);
		return;
	}
	head = cvy_robust();
	outer = head->list_op_pending; /* a signal handler's, inside another's window */
	if (CVY_BROKEN != CVY_WAKE_UNGUARDED)
		head->list_op_pending = (struct robust_list *)((char *)word - head->futex_offset);
	CVY_ORDERED();
	atomic_store_explicit(index, value, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (__builtin_expect(atomic_load_explicit(word, memory_order_relaxed) != 0, 0)) {
		atomic_store_explicit(word, 0, memory_order_seq_cst);
		cvy_futex_wake(word, cvy_notify_number(watched));
	}
	CVY_ORDERED();
	head->list_op_pending = outer;
}

static inline void cvy_notify_publish(_Atomic uint32_t *word, _Atomic uint64_t *index,
                                      uint64_t value)
{
	cvy_notify_publish_watched(word, NULL, index, value);
}

/* A word that the kernel changes as a process dies, as it was seen; NULL: none. */
struct cvy_life {
	_Atomic uint32_t *word;
	uint32_t seen;
};
/* Wakes the others who sleep at it, where it is no longer as it was seen: the kernel wakes one. */
void cvy_life_pass_on(const struct cvy_life *life);

/* What one waits for: that the index, or the other word, or the life is no longer as seen. */
struct cvy_news {
	_Atomic uint32_t *word;          /* where it is told */
	const _Atomic uint32_t *watched; /* whether others may watch the word; NULL: none may */
	_Atomic uint64_t *index;
	uint64_t seen;
	_Atomic uint32_t *other;
	uint32_t other_seen;
	struct cvy_life life;
};

/*
 * One round of waiting: sets the word, and sleeps unless there is news. Passes on to others
 * what it is woken for. Returns 0 to look again, or -ETIMEDOUT once the deadline has passed.
 */
int cvy_notify_wait(const struct cvy_news *news, int64_t deadline);

/* Sets the word as one who is about to sleep at it does; the value to sleep on. */
uint32_t cvy_notify_arm(_Atomic uint32_t *word);

/*
 * Raises *state to value, where it is below, and wakes who waits at word; if
 * we die between, the kernel wakes one of them.
 */
void cvy_notify_state(_Atomic uint32_t *word, _Atomic uint32_t *state, uint32_t value);
/* Wakes all who wait at word, if any do. */
void cvy_notify_all(_Atomic uint32_t *word);

#endif
