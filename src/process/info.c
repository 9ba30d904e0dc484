/* SPDX-License-Identifier: MIT */
/* What may be known of processes of the family. */
#include "process/internal.h"

#include <string.h>
#include <unistd.h>

/* Milliseconds since it reached covey. */
static int64_t age(const struct cvy_proc *proc)
{
	uint64_t now = cvy_ticks(), since = proc->since;

	if (!since || now <= since)
		return 0;
	return (int64_t)((now - since) * 1000 / (uint64_t)sysconf(_SC_CLK_TCK));
}

void cvy_describe(struct cvy_proc *proc, covey_process_info *info)
{
	*info = (covey_process_info){.pid = atomic_load(&proc->pid),
	                             .method = (covey_method)proc->method,
	                             .daemon = proc->daemon,
	                             .age_ms = age(proc),
	                             .exit_code = -EAGAIN};
	memcpy(info->name, proc->name, sizeof info->name);
	info->name[COVEY_NAME_MAX] = 0;
	if (!cvy_title_of(info->waiting_for, atomic_load(&proc->waiting_for)))
		info->waiting_for[0] = 0;
}

int covey_process_get_info_v(covey_process *p, covey_process_info *to, size_t size)
{
	covey_process_info info;
	int alive = covey_process_alive(p);

	if (alive < 0)
		return alive;
	if (!to)
		return cvy_fail(EINVAL, "process '%s': no place for the answer was given", p->name);
	cvy_describe(cvy_proc(p->slot), &info);
	info.pid = p->pid;
	if (!alive) {
		info.exit_code = covey_process_exit_code(p);
		info.exit_signal = covey_process_exit_signal(p);
		info.waiting_for[0] = 0;
	}
	cvy_answer(to, size, &info, sizeof info);
	return 0;
}

int covey_current_process_v(covey_process_info *to, size_t size)
{
	covey_process_info info;
	int rc = cvy_family();

	if (rc < 0)
		return rc;
	if (!to)
		return cvy_fail(EINVAL, "process: no place for the answer was given");
	if (!cvy_self())
		return covey_errcode();
	cvy_describe(cvy_proc(cvy_self()), &info);
	cvy_answer(to, size, &info, sizeof info);
	return 0;
}

int covey_parent_process_v(covey_process_info *to, size_t size)
{
	struct cvy_proc *self, *parent;
	covey_process_info info;
	int rc = cvy_family();

	if (rc < 0)
		return rc;
	self = cvy_proc(cvy_self());
	parent = self ? cvy_proc(self->parent) : NULL;
	if (!to)
		return cvy_fail(EINVAL, "process: no place for the answer was given");
	if (!parent || parent->generation != self->parent_generation)
		return cvy_fail(ENOENT,
		                "process '%s': it is the root of its family, or its parent "
		                "has ended",
		                self ? self->name : "");
	cvy_describe(parent, &info);
	cvy_answer(to, size, &info, sizeof info);
	return 0;
}

int cvy_check_infos(const covey_process_info *infos, int cap)
{
	if (cap < 0 || (cap && !infos))
		return cvy_fail(EINVAL, "process: no place for the answers was given");
	return 0;
}

int covey_family_processes_v(covey_process_info *infos, int cap, size_t size)
{
	int n = 0, rc = cvy_check_infos(infos, cap);

	if (rc == 0)
		rc = cvy_family();
	if (rc < 0)
		return rc;
	cvy_self(); /* which gets the caller its place among them */
	for (uint32_t i = 1; i < CVY_PROCS; i++) {
		struct cvy_proc *proc = cvy_proc(i);
		uint32_t generation = proc->generation;
		covey_process_info info;

		if (atomic_load(&proc->state) != CVY_PROC_RUNNING)
			continue;
		cvy_describe(proc, &info);
		/* Last: the slot may have become another's meanwhile. */
		if (!cvy_proc_alive(i, generation))
			continue;
		if (n < cap)
			cvy_answer_nth(infos, n, &info, size);
		n++;
	}
	return n;
}
