/* SPDX-License-Identifier: MIT */
/*
 * Life words. A process takes a robust mutex in its slot and never gives it
 * back. When it dies, the kernel marks the mutex's futex word and wakes one
 * sleeper there: a death is a look at memory, and can be slept for without a
 * descriptor.
 *
 * Robustness is a thread's: when the thread that took the life ends before its
 * process, the word says dead while the process table says alive. Whoever
 * depends on such a process looks again after a while; the process itself takes
 * its life again when it notices.
 */
#include "arena/layout.h"

#include <linux/futex.h>

static struct life *life_of(uint32_t slot)
{
	if (!cvy_proc(slot))
		return NULL;
	return (struct life *)(cvy_base + LIVES_AT) + slot;
}

/* The futex of a robust mutex is its first word. */
static _Atomic uint32_t *word_of(struct life *life)
{
	return (_Atomic uint32_t *)(void *)&life->mutex;
}

#if CVY_THREAD_SANITIZER
void __tsan_mutex_pre_unlock(void *mutex, unsigned flags);
void __tsan_mutex_post_unlock(void *mutex, unsigned flags);
#endif

void cvy_life_take(uint32_t slot)
{
	struct life *life = life_of(slot);
	int rc;

	if (!life || (!life->made && cvy_mutex_init(&life->mutex) < 0))
		return;
	life->made = 1;
	rc = cvy_mutex_lock(&life->mutex, 0);
	if (rc == 1)
		cvy_mutex_mended(&life->mutex);
#if CVY_THREAD_SANITIZER
	/* It guards nothing: no order with other locks, no complaint at the thread's end. */
	if (rc >= 0) {
		__tsan_mutex_pre_unlock(&life->mutex, 0);
		__tsan_mutex_post_unlock(&life->mutex, 0);
	}
#endif
}

void cvy_life_renew(void)
{
	uint32_t slot = cvy_self();
	struct life *life = life_of(slot);

	if (life && (atomic_load_explicit(word_of(life), memory_order_relaxed) & FUTEX_OWNER_DIED))
		cvy_life_take(slot);
}

/*
 * Read while another process may begin in the slot: any value but the one asked for says
 * that the process that was meant has ended.
 */
__attribute__((no_sanitize("thread"))) static bool is_another(const struct cvy_proc *proc,
                                                              uint32_t generation)
{
	return proc->generation != generation;
}

bool cvy_gone(uint32_t index, uint32_t generation)
{
	struct cvy_proc *proc = cvy_proc(index);
	uint32_t state, word;

	if (!proc || is_another(proc, generation))
		return true;
	state = atomic_load(&proc->state);
	if (state == CVY_PROC_FREE || state == CVY_PROC_ENDED)
		return true;
	word = atomic_load(word_of(life_of(index)));
	if (state == CVY_PROC_RUNNING && (word & FUTEX_TID_MASK) && !(word & FUTEX_OWNER_DIED))
		return false;
	return !cvy_proc_alive(index, generation);
}

_Atomic uint32_t *cvy_life_watch(uint32_t index, uint32_t generation, uint32_t *value)
{
	struct cvy_proc *proc = cvy_proc(index);
	_Atomic uint32_t *word;
	uint32_t now;

	if (!proc)
		return NULL;
	word = word_of(life_of(index));
	now = atomic_load(word);
	do
		if (!(now & FUTEX_TID_MASK) || (now & FUTEX_OWNER_DIED))
			return NULL;
	while (!(now & FUTEX_WAITERS) &&
	       !atomic_compare_exchange_weak(word, &now, now | FUTEX_WAITERS));
	/* Of the process that is meant, not of the next in its slot. */
	if (is_another(proc, generation))
		return NULL;
	*value = now | FUTEX_WAITERS;
	return word;
}

bool cvy_ended_well(uint32_t index, uint32_t generation)
{
	struct cvy_proc *proc = cvy_proc(index);

	if (proc && proc->generation == generation)
		return atomic_load(&proc->exit_code) == 0;
	return proc && proc->generation == generation + 1 && proc->before_well;
}

pid_t cvy_pid_of(uint32_t index, uint32_t generation)
{
	struct cvy_proc *proc = cvy_proc(index);

	return proc && proc->generation == generation ? atomic_load(&proc->pid) : 0;
}
