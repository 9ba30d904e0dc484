/* SPDX-License-Identifier: MIT */
/* What runs in a child before and after its function. */
#include "process/internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define EXIT_BEFORE 127 /* it ended before its function */

int cvy_passed_fds[8];
int cvy_passed_count;

/* Ends the child before its function, telling its starter why. */
static __attribute__((noreturn)) void give_up(struct cvy_proc *proc, int report_fd, int error)
{
	proc->error = -error;
	snprintf(proc->words, sizeof proc->words, "%s", covey_errmsg());
	atomic_store(&proc->exit_code, EXIT_BEFORE);
	if (report_fd >= 0)
		cvy_report_failure(report_fd, error);
	_exit(EXIT_BEFORE);
}

/* exit(3) called by the child's own function: records the code for whoever cannot reap it. */
static void on_plain_exit(int code, void *context)
{
	struct cvy_proc *proc = context;

	if (proc == cvy_proc(cvy_self_slot))
		atomic_store(&proc->exit_code, code & 0xff);
}

/*
 * The argument, aligned for any type: what is small lies in the slot, and is
 * copied, since slots are aligned for 8 bytes only. NULL where it is damaged.
 */
static const void *argument(const struct cvy_proc *proc)
{
	static _Alignas(64) unsigned char copy[sizeof proc->inline_arg];

	if (proc->arg)
		return cvy_at(proc->arg, proc->arg_len);
	if (proc->arg_len > sizeof copy)
		return NULL;
	memcpy(copy, proc->inline_arg, proc->arg_len);
	return copy;
}

/* The path of the function's module, which lies behind the argument; NULL for none. */
static const char *module_path(const struct cvy_proc *proc)
{
	uint64_t bytes = proc->arg ? cvy_region_bytes(proc->arg) : 0, room;
	const char *path;

	if (bytes <= proc->arg_len)
		return NULL;
	room = bytes - proc->arg_len;
	path = cvy_at(proc->arg + proc->arg_len, room);
	return path && *path && strnlen(path, room) < room ? path : NULL;
}

/* The function in this process, whose module its starter may have loaded late. */
static covey_function *find_function(const struct cvy_proc *proc)
{
	covey_function *fn = covey_fn_pointer(proc->fn);
	const char *path;

	if (fn || covey_errcode() != -ENOENT || !(path = module_path(proc)))
		return fn;
	if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL)) {
		cvy_fail(ENOENT, "function: its module is not loaded in this process: %s",
		         dlerror());
		return NULL;
	}
	return covey_fn_pointer(proc->fn);
}

void cvy_child_run(uint32_t slot, uint32_t generation, int report_fd, covey_process_fn *fn)
{
	struct cvy_proc *proc = cvy_proc(slot);
	struct report ready = {0};
	const void *arg;
	int rc;

	/* Its starter may have died, and the slot be another's by now. */
	if (!proc || proc->generation != generation ||
	    atomic_load(&proc->state) != CVY_PROC_STARTING)
		_exit(EXIT_BEFORE);
	cvy_self_set(slot);
	if (proc->name[0])
		prctl(PR_SET_NAME, proc->name);
	arg = argument(proc);
	if (!arg)
		give_up(proc, report_fd,
		        cvy_fail(EBADMSG, "process '%s': its argument is damaged", proc->name));
	if (!fn)
		fn = (covey_process_fn *)find_function(proc);
	if (!fn)
		give_up(proc, report_fd, cvy_fail_in("process '%s': ", proc->name));
	if (proc->daemon) {
		rc = cvy_watch_parent();
		if (rc < 0)
			give_up(proc, report_fd, rc);
	}
	on_exit(on_plain_exit, proc);
	if (report_fd >= 0) {
		cvy_send_fds(report_fd, &ready, sizeof ready, NULL, 0);
		close(report_fd);
	}
	rc = fn(proc->arg_len ? arg : NULL, proc->arg_len) & 0xff;
	fflush(NULL); /* not only once those that it waits for have ended */
	cvy_process_end();
	fflush(NULL);
	atomic_store(&proc->exit_code, rc);
	_exit(rc);
}
