/* SPDX-License-Identifier: MIT */
#include "base/notify.h"

#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

__thread struct robust_list_head *cvy_robust_cache;
bool cvy_notify_takes = true;
int64_t cvy_notify_slice = CVY_SLICE;

/* A dying process is seen by its life word some time before it has ended. */
#define BLIND_FIRST (CVY_MS / 5)

/* Where a thread has no robust list (it was not made by the C library), nobody reads this. */
static __thread struct robust_list_head nowhere;

struct robust_list_head *cvy_robust_fetch(void)
{
	struct robust_list_head *head = NULL;
	size_t len = 0;

	if (syscall(SYS_get_robust_list, 0, &head, &len) < 0 || !head || len != sizeof *head)
		head = &nowhere;
	cvy_robust_cache = head;
	return head;
}

int cvy_robust_check(void)
{
	struct robust_list_head *head = NULL;
	size_t len = 0;

	if (syscall(SYS_get_robust_list, 0, &head, &len) < 0 || head)
		return 0; /* or it cannot be asked */
	return cvy_fail(ENOTSUP, "the kernel does not know of this process's locks, so that its "
	                         "death would wedge others: the system call set_robust_list is "
	                         "refused");
}

/*
 * By the version's number, since to try it out takes a second thread in every program. The error
 * would be to trust a kernel that does not wake; one that would and says an older number, or
 * none, has its words taken, which is right on any.
 */
__attribute__((constructor)) static void look_at_kernel(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	if (uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2)
		cvy_notify_takes = major < 6 || (major == 6 && minor < 2);
}

void cvy_notify_publish_taken(_Atomic uint32_t *word, const _Atomic uint32_t *watched,
                              _Atomic uint64_t *index, uint64_t value)
{
	struct robust_list *outer = cvy_pending_set(word);
	uint32_t seen = atomic_load_explicit(word, memory_order_relaxed);

	while (!atomic_compare_exchange_weak(word, &seen, cvy_tid() | (seen & FUTEX_WAITERS)))
		;
	atomic_store_explicit(index, value, memory_order_release);
	if (atomic_exchange(word, 0) & FUTEX_WAITERS)
		cvy_futex_wake(word, cvy_notify_number(watched));
	cvy_pending_restore(outer);
}

/*
 * Sleeps while the word and what it tells of are as they were seen; false where
 * the kernel cannot. The word comes first, as tests/models/notify.pml shows: a
 * publisher that dies has the kernel wake who is queued at the word, but leaves
 * the word as it is. So a waiter that comes to the word just after that must
 * see, once it is queued, that the index has moved.
 */
static bool sleep_on_all(const struct cvy_news *news, uint32_t value, int64_t until)
{
	struct futex_waitv entries[4];
	unsigned n = 1;

	cvy_futex_expect(&entries[0], news->word, value);
	if (CVY_BROKEN != CVY_INDEX_UNSEEN) {
		/* The low half of the index: covey runs on little-endian machines. */
		cvy_futex_expect(&entries[n++], (_Atomic uint32_t *)(void *)news->index,
		                 (uint32_t)news->seen);
		cvy_futex_expect(&entries[n++], news->other, news->other_seen);
	}
	if (news->life.word)
		cvy_futex_expect(&entries[n++], news->life.word, news->life.seen);
	return cvy_futex_wait_any(entries, n, until) != -ENOSYS;
}

uint32_t cvy_notify_arm(_Atomic uint32_t *word)
{
	uint32_t value = atomic_load(word);

	while (!(value & FUTEX_WAITERS) &&
	       !atomic_compare_exchange_weak(word, &value, value | FUTEX_WAITERS))
		;
	return value | FUTEX_WAITERS;
}

void cvy_life_pass_on(const struct cvy_life *life)
{
	if (life->word && atomic_load(life->word) != life->seen)
		cvy_futex_wake(life->word, INT_MAX);
}

int64_t cvy_blind(int64_t *slice, int64_t most)
{
	*slice = *slice ? cvy_sooner(2 * *slice, most) : BLIND_FIRST;
	return cvy_now() + *slice;
}

static bool has_moved(const struct cvy_news *news)
{
	return atomic_load(news->index) != news->seen ||
	       atomic_load(news->other) != news->other_seen;
}

int cvy_notify_wait(const struct cvy_news *news, int64_t deadline)
{
	struct robust_list *outer;
	int64_t now = cvy_now(), until = cvy_in(cvy_notify_slice);
	uint32_t value;

	if (deadline <= now)
		return -ETIMEDOUT;
	value = cvy_notify_arm(news->word);
	if (has_moved(news))
		return 0;
	outer = cvy_pending_set(news->word);
	until = cvy_sooner(until, deadline);
	if (cvy_notify_takes || !sleep_on_all(news, value, until)) {
		if (news->life.word) /* which cannot be slept at besides */
			until = cvy_sooner(until, now + CVY_BLIND_SLICE);
		cvy_futex_wait(news->word, value, until);
	}
	cvy_life_pass_on(&news->life);
	if (cvy_notify_number(news->watched) > 1 && has_moved(news))
		cvy_futex_wake(news->word, INT_MAX);
	cvy_pending_restore(outer);
	return 0;
}

void cvy_notify_all(_Atomic uint32_t *word)
{
	if (!atomic_load(word))
		return;
	atomic_store(word, 0);
	cvy_futex_wake(word, INT_MAX);
}

void cvy_notify_state(_Atomic uint32_t *word, _Atomic uint32_t *state, uint32_t value)
{
	struct robust_list *outer = cvy_pending_set(word);
	uint32_t seen = atomic_load(state);

	while (seen < value && !atomic_compare_exchange_weak(state, &seen, value))
		;
	atomic_thread_fence(memory_order_seq_cst);
	cvy_notify_all(word);
	cvy_pending_restore(outer);
}
