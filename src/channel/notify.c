/* SPDX-License-Identifier: MIT */
#include "channel/notify.h"

#include <limits.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

__thread struct robust_list_head *cvy_robust_cache;
bool cvy_notify_takes;
int64_t cvy_notify_slice = CVY_SLICE;

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

__attribute__((constructor)) static void look_at_kernel(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	if (uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2)
		cvy_notify_takes = major < 6 || (major == 6 && minor < 2);
}

void cvy_notify_publish_taken(_Atomic uint32_t *word, _Atomic uint64_t *index, uint64_t value)
{
	struct robust_list_head *head = cvy_robust();
	struct robust_list *outer = head->list_op_pending;
	uint32_t seen;

	head->list_op_pending = (struct robust_list *)((char *)word - head->futex_offset);
	CVY_ORDERED();
	seen = atomic_load_explicit(word, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(word, &seen, cvy_tid() | (seen & FUTEX_WAITERS)))
		;
	atomic_store_explicit(index, value, memory_order_release);
	if (atomic_exchange(word, 0) & FUTEX_WAITERS)
		cvy_futex_wake(word, 1);
	CVY_ORDERED();
	head->list_op_pending = outer;
}

int cvy_notify_wait(_Atomic uint32_t *word, _Atomic uint64_t *index, uint64_t seen,
                    _Atomic uint32_t *other, uint32_t other_seen, int64_t deadline)
{
	int64_t now = cvy_now();
	int64_t until = cvy_notify_slice == CVY_NEVER ? CVY_NEVER : now + cvy_notify_slice;
	uint32_t value = atomic_load(word);

	if (deadline <= now)
		return -ETIMEDOUT;
	if (!(value & FUTEX_WAITERS)) {
		if (!atomic_compare_exchange_strong(word, &value, value | FUTEX_WAITERS))
			return 0;
		value |= FUTEX_WAITERS;
	}
	if (atomic_load(index) != seen || atomic_load(other) != other_seen)
		return 0;
	cvy_futex_wait(word, value, deadline < until ? deadline : until);
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
	struct robust_list_head *head = cvy_robust();
	struct robust_list *outer = head->list_op_pending;
	uint32_t seen = atomic_load(state);

	head->list_op_pending = (struct robust_list *)((char *)word - head->futex_offset);
	CVY_ORDERED();
	while (seen < value && !atomic_compare_exchange_weak(state, &seen, value))
		;
	atomic_thread_fence(memory_order_seq_cst);
	cvy_notify_all(word);
	CVY_ORDERED();
	head->list_op_pending = outer;
}
