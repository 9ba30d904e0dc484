/* SPDX-License-Identifier: MIT */
/* The process table. */
#include "arena/layout.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Atomic uint32_t cvy_self_slot;

static char own_name[COVEY_NAME_MAX + 1] = "main";
static uint32_t parent_slot; /* of a process forked outside covey: its parent's */

struct cvy_proc *cvy_proc(uint32_t index)
{
	if (!cvy_family_exists() || index == 0 || index >= CVY_PROCS)
		return NULL;
	return (struct cvy_proc *)(cvy_base + HEADER_BYTES) + index;
}

int cvy_lock_procs(struct arena_header *h)
{
	int rc = cvy_mutex_lock(&h->proc_lock, CVY_NEVER);

	if (rc == 1)
		cvy_mutex_mended(&h->proc_lock); /* each state is one store: nothing to mend */
	else if (rc < 0)
		return cvy_fail(-rc, "processes: the table lock: %s", covey_strerror(rc));
	return 0;
}

/* Whether a pid is still that of a process that was alive at `since`, in ticks. */
enum { GONE, LIVES, UNKNOWN, NO_DESCRIPTOR };
struct living {
	pid_t pid;
	uint64_t since;
};

static int look_at(const void *context)
{
	const struct living *l = context;
	int fd = cvy_pidfd_open(l->pid), ended;
	uint64_t start;

	if (fd < 0)
		return fd == -ESRCH ? GONE : fd == -EMFILE ? NO_DESCRIPTOR : UNKNOWN;
	ended = cvy_pidfd_ended(fd);
	close(fd);
	if (ended)
		return GONE;
	start = cvy_start_time(l->pid);
	return !start || !l->since || start <= l->since ? LIVES : GONE;
}

bool cvy_proc_alive(uint32_t index, uint32_t generation)
{
	struct cvy_proc *proc = cvy_proc(index);
	struct living living;
	uint32_t state;
	int seen;

	if (!proc || proc->generation != generation)
		return false;
	state = atomic_load(&proc->state);
	if (state == CVY_PROC_FREE || state == CVY_PROC_ENDED)
		return false;
	living = (struct living){atomic_load(&proc->pid), proc->since};
	if (living.pid == 0) /* on its way, as long as somebody starts it */
		return state == CVY_PROC_STARTING &&
		       (proc->unmanaged || cvy_proc_alive(proc->parent, proc->parent_generation));
	if (living.pid == getpid())
		return true;
	seen = look_at(&living);
	if (seen == NO_DESCRIPTOR)
		seen = cvy_look_with_spare(look_at, &living);
	return seen != GONE;
}

static uint64_t tree_word(uint32_t index)
{
	return (uint64_t)cvy_proc(index)->generation << 32 | index;
}

/* Hands those that it has started to its own ancestor. Done again where it was cut short. */
static void bequeath(uint32_t index)
{
	uint64_t word = tree_word(index), ancestor = atomic_load(&cvy_proc(index)->tree);

	for (uint32_t i = 1, last = cvy_proc_last(); i <= last; i++)
		if (atomic_load(&cvy_proc(i)->tree) == word)
			atomic_store(&cvy_proc(i)->tree, ancestor);
}

static void release(uint32_t index)
{
	struct cvy_proc *proc = cvy_proc(index);

	if (proc->has_started)
		bequeath(index);
	cvy_region_free(&proc->arg);
	atomic_store(&proc->state, CVY_PROC_FREE);
	if (index < cvy_header()->proc_hint)
		cvy_header()->proc_hint = index;
}

/*
 * Frees the slots of the dead whom nobody will free: their parent is dead, or was
 * none of covey's. Whether there were any.
 */
static bool sweep(void)
{
	bool any = false;

	for (uint32_t i = 1; i < CVY_PROCS; i++) {
		struct cvy_proc *proc = cvy_proc(i);
		uint32_t state = atomic_load(&proc->state);

		if (state == CVY_PROC_FREE)
			continue;
		if (cvy_proc_alive(i, proc->generation))
			continue;
		if (proc->unmanaged || !cvy_proc_alive(proc->parent, proc->parent_generation)) {
			release(i);
			any = true;
		}
	}
	return any;
}

bool cvy_procs_sweep(void)
{
	bool any;

	if (cvy_lock_procs(cvy_header()) < 0)
		return false;
	any = sweep();
	cvy_mutex_unlock(&cvy_header()->proc_lock);
	return any;
}

/* Of a process forked outside covey that has ended: nobody else frees it. */
static bool is_abandoned(uint32_t index, const struct cvy_proc *proc)
{
	return proc->unmanaged && atomic_load(&proc->pid) && cvy_gone(index, proc->generation);
}

/*
 * The index of a free slot, or 0. Low ones first: tables by slot, of what
 * processes hold, are as long as the highest.
 */
static uint32_t find_free(struct arena_header *h)
{
	uint32_t from = h->proc_hint ? h->proc_hint - 1 : 0;

	for (uint32_t n = 0; n < CVY_PROCS - 1; n++) {
		uint32_t i = 1 + (from + n) % (CVY_PROCS - 1);

		if (atomic_load(&cvy_proc(i)->state) != CVY_PROC_FREE &&
		    is_abandoned(i, cvy_proc(i)))
			release(i);
		if (atomic_load(&cvy_proc(i)->state) == CVY_PROC_FREE) {
			h->proc_hint = i;
			return i;
		}
	}
	return 0;
}

static int take(const char *name, uint32_t parent, bool unmanaged, uint32_t *index)
{
	struct arena_header *h = cvy_header();
	struct cvy_proc *proc;
	char checked[COVEY_NAME_MAX + 1];
	uint32_t generation, found;
	bool well;
	int rc = cvy_name(checked, name, "process");

	if (rc < 0)
		return rc;
	rc = cvy_lock_procs(h);
	if (rc < 0)
		return rc;
	if (!cvy_self_slot) /* covey did not start us, nor those before us, perhaps */
		h->proc_hint = 1;
	found = find_free(h);
	if (!found) {
		sweep();
		found = find_free(h);
	}
	if (!found) {
		cvy_mutex_unlock(&h->proc_lock);
		return cvy_fail(EAGAIN,
		                "process '%s': the family has %u processes, which is as "
		                "many as it can hold",
		                checked, CVY_PROCS - 1);
	}
	proc = cvy_proc(found);
	generation = proc->generation + 1;
	well = atomic_load(&proc->exit_code) == 0;
	memset(proc, 0, sizeof *proc);
	proc->generation = generation;
	proc->before_well = well;
	proc->unmanaged = unmanaged;
	memcpy(proc->name, checked, sizeof checked);
	proc->parent = parent;
	if (parent) {
		proc->parent_generation = cvy_proc(parent)->generation;
		cvy_proc(parent)->has_started = 1; /* first */
		atomic_store(&proc->tree, tree_word(parent));
	}
	if (found > h->proc_top)
		__atomic_store_n(&h->proc_top, found, __ATOMIC_RELAXED);
	atomic_store(&proc->exit_code, -1);
	atomic_store(&proc->exit_status, -1);
	atomic_store(&proc->state, CVY_PROC_STARTING);
	cvy_mutex_unlock(&h->proc_lock);
	*index = found;
	return 0;
}

int cvy_proc_new(const char *name, uint32_t *index)
{
	int rc = cvy_family();

	return rc < 0 ? rc : take(name, cvy_self(), false, index);
}

/* After a change of its state. */
static void tell(struct cvy_proc *proc)
{
	if (atomic_load(&proc->awaited))
		cvy_futex_wake(&proc->state, INT32_MAX);
}

void cvy_proc_await(struct cvy_proc *proc, uint32_t seen, int64_t deadline)
{
	atomic_store(&proc->awaited, 1);
	cvy_futex_wait(&proc->state, seen, deadline);
}

void cvy_proc_end(uint32_t index, uint32_t generation, int status)
{
	struct cvy_proc *proc = cvy_proc(index);
	uint32_t state;

	if (!proc || cvy_lock_procs(cvy_header()) < 0)
		return;
	state = atomic_load(&proc->state);
	if (proc->generation == generation && state != CVY_PROC_FREE && state != CVY_PROC_ENDED) {
		atomic_store(&proc->exit_status, status);
		atomic_store(&proc->state, CVY_PROC_ENDED);
		tell(proc);
	}
	cvy_mutex_unlock(&cvy_header()->proc_lock);
}

void cvy_proc_free(uint32_t index)
{
	struct cvy_proc *proc = cvy_proc(index);

	if (!proc)
		return;
	cvy_region_free(&proc->arg); /* outside the lock: it may be much */
	if (cvy_lock_procs(cvy_header()) < 0)
		return;
	release(index);
	cvy_mutex_unlock(&cvy_header()->proc_lock);
}

static void in_forked_child(void)
{
	if (cvy_self_slot)
		parent_slot = cvy_self_slot;
	cvy_self_slot = 0;
}

void cvy_self_set(uint32_t index)
{
	static atomic_flag hooked = ATOMIC_FLAG_INIT;
	struct cvy_proc *proc = cvy_proc(index);
	int doom;

	if (!proc)
		return;
	if (!atomic_flag_test_and_set(&hooked))
		cvy_at_fork_child(in_forked_child);
	atomic_store(&proc->pid, getpid());
	proc->since = cvy_ticks();
	cvy_life_take(index);
	cvy_self_slot = index;
	atomic_store(&proc->state, CVY_PROC_RUNNING);
	doom = atomic_exchange(&proc->doom, 0); /* after the state: see tree.c */
	if (doom)
		kill(getpid(), doom);
	tell(proc);
}

void cvy_self_call(const char *name)
{
	snprintf(own_name, sizeof own_name, "%s", name);
}

/* The root, or a process that was forked without covey: gets a slot of its own. */
uint32_t cvy_self_register(void)
{
	static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
	uint32_t index = 0;

	if (!cvy_family_exists())
		return 0;
	pthread_mutex_lock(&once);
	if (!cvy_self_slot &&
	    take(parent_slot ? "forked" : own_name, parent_slot, true, &index) == 0)
		cvy_self_set(index);
	pthread_mutex_unlock(&once);
	return cvy_self_slot;
}

uint64_t cvy_proc_count(void)
{
	uint64_t n = 0;

	for (uint32_t i = 1; i < CVY_PROCS; i++) {
		struct cvy_proc *proc = cvy_proc(i);

		if (!proc)
			return n;
		if (atomic_load(&proc->state) != CVY_PROC_FREE &&
		    cvy_proc_alive(i, proc->generation))
			n++;
	}
	return n;
}
