/* SPDX-License-Identifier: MIT */
/* What runs in a child before and after its function. */
#include "process/internal.h"
#include "base/notify.h"

#include <dlfcn.h>
#include <stdio.h>
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
	if (proc->arg_len)
		memcpy(copy, proc->inline_arg, proc->arg_len);
	return copy;
}

/*
 * The path of the function's module, which lies behind an argument in a region;
 * behind it, in *room bytes, what options change. NULL for neither.
 */
static const char *module_path(const struct cvy_proc *proc, const char **settings, size_t *room)
{
	uint64_t bytes = proc->arg ? cvy_region_bytes(proc->arg) : 0, most;
	const char *path;
	size_t len;

	if (bytes <= proc->arg_len)
		return NULL;
	most = bytes - proc->arg_len;
	path = cvy_at(proc->arg + proc->arg_len, most);
	len = path ? strnlen(path, most) : most;
	if (len == most)
		return NULL;
	*settings = path + len + 1;
	*room = most - len - 1;
	return path;
}

covey_function *cvy_find_function(covey_fn value, const char *path)
{
	covey_function *fn = covey_fn_pointer(value);

	if (fn || covey_errcode() != -ENOENT || !path || !*path)
		return fn;
	if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL)) {
		cvy_fail(ENOENT, "function: its module is not loaded in this process: %s",
		         dlerror());
		return NULL;
	}
	return covey_fn_pointer(value);
}

void cvy_child_run(uint32_t slot, uint32_t generation, int report_fd, covey_process_fn *fn)
{
	struct cvy_proc *proc = cvy_proc(slot);
	struct report ready = {0};
	const char *path, *settings = "";
	size_t room = 0;
	const void *arg;
	int rc;

	/* Its starter may have died, and the slot be another's by now. */
	if (!proc || proc->generation != generation ||
	    atomic_load(&proc->state) != CVY_PROC_STARTING)
		_exit(EXIT_BEFORE);
	cvy_self_set(slot);
	if (proc->name[0])
		prctl(PR_SET_NAME, proc->name);
	if (cvy_robust_check() < 0)
		give_up(proc, report_fd, cvy_fail_in("process '%s': ", proc->name));
	arg = argument(proc);
	if (!arg)
		give_up(proc, report_fd,
		        cvy_fail(EBADMSG, "process '%s': its argument is damaged", proc->name));
	path = module_path(proc, &settings, &room);
	if (!fn)
		fn = (covey_process_fn *)cvy_find_function(proc->fn, path);
	if (!fn)
		give_up(proc, report_fd, cvy_fail_in("process '%s': ", proc->name));
	if (proc->daemon) {
		rc = cvy_watch_parent();
		if (rc < 0)
			give_up(proc, report_fd, rc);
	}
	cvy_fds_none();
	if (cvy_settings_apply(settings, room, &report_fd) < 0)
		give_up(proc, report_fd, cvy_fail_in("process '%s': ", proc->name));
	cvy_exit_record(slot);
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
