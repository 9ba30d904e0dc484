/* SPDX-License-Identifier: MIT */
/*
 * Pools whose process has died. Their workers end with it; what they shared is
 * given back by whoever opens a pool next, once the last of them is gone, since
 * until then it may still write there.
 */
#include "pool/pool.h"

/* Whether the process, or one that it started, lives. One that has no pid yet ends as it starts. */
static bool in_use(uint32_t owner, uint32_t generation)
{
	if (cvy_proc_alive(owner, generation))
		return true;
	for (uint32_t i = 1; i < CVY_PROCS; i++) {
		struct cvy_proc *proc = cvy_proc(i);

		if (proc && atomic_load(&proc->state) != CVY_PROC_FREE && proc->parent == owner &&
		    proc->parent_generation == generation && atomic_load(&proc->pid) &&
		    cvy_proc_alive(i, proc->generation))
			return true;
	}
	return false;
}

static bool is_pool(const struct cvy_object *object)
{
	uint64_t tag = atomic_load(&object->tag);

	return (tag & 0xffff) == (CVY_LIVE << 8 | CVY_POOL);
}

static void bury(const struct cvy_kind_ops *ops, struct cvy_object *object)
{
	struct shared *shared;
	int rc =
		cvy_mutex_lock(&object->mutex, 0); /* who opens a pool meanwhile may be at it too */

	if (rc < 0)
		return;
	if (rc == 1)
		cvy_mutex_mended(&object->mutex);
	shared = cvy_region_at(object->region, SHARED_BYTES(WORKERS_MAX));
	if (is_pool(object) && shared && !in_use(shared->owner, shared->owner_generation)) {
		cvy_shared_clear(shared); /* much of it, maybe: not under the table's lock */
		cvy_object_retire(ops, object);
		cvy_log(COVEY_LOG_INFO, "pool '%s': its process has died; its memory is given back",
		        object->name);
	}
	cvy_mutex_unlock(&object->mutex);
}

void cvy_pools_bury(const struct cvy_kind_ops *ops)
{
	uint32_t top = cvy_object_top();

	for (uint32_t i = 0; i < top; i++)
		if (is_pool(&cvy_objects[i]))
			bury(ops, &cvy_objects[i]);
}
