/* SPDX-License-Identifier: MIT */
/* What runs in a child before and after its function. */
#include "process/internal.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int cvy_passed_fds[8];
int cvy_passed_count;

/* Ends the child before its function, telling its starter why. */
static __attribute__((noreturn)) void give_up(struct cvy_proc *proc, int error)
{
	proc->error = error < 0 ? -error : error;
	snprintf(proc->words, sizeof proc->words, "%s", covey_errmsg());
	atomic_store(&proc->exit_code, 127);
	_exit(127);
}

/* exit(3) called by the child's own function: records the code for whoever cannot reap it. */
static void on_plain_exit(int code, void *context)
{
	struct cvy_proc *proc = context;

	if (proc == cvy_proc(cvy_self_slot))
		atomic_store(&proc->exit_code, code & 0xff);
}

static const unsigned char *argument(struct cvy_proc *proc)
{
	if (proc->arg)
		return cvy_at(proc->arg, proc->arg_len);
	return proc->arg_len <= sizeof proc->inline_arg ? proc->inline_arg : NULL;
}

/* The path of a module that the program had loaded late lies behind the argument. */
static covey_function *find_function(struct cvy_proc *proc, const unsigned char *arg)
{
	covey_function *fn = covey_fn_pointer(proc->fn);
	const char *path;

	if (fn || covey_errcode() != -ENOENT || !proc->arg)
		return fn;
	path = (const char *)arg + proc->arg_len;
	if (!*path || !dlopen(path, RTLD_NOW | RTLD_GLOBAL))
		return NULL;
	return covey_fn_pointer(proc->fn);
}

void cvy_child_run(uint32_t slot, int report_fd)
{
	struct cvy_proc *proc = cvy_proc(slot);
	const unsigned char *arg;
	covey_process_fn *fn;
	ssize_t n;
	int rc;

	if (!proc)
		_exit(127);
	cvy_self_set(slot);
	if (proc->name[0])
		prctl(PR_SET_NAME, proc->name);
	arg = argument(proc);
	if (!arg)
		give_up(proc,
		        cvy_fail(EBADMSG, "process '%s': its argument is damaged", proc->name));
	fn = (covey_process_fn *)find_function(proc, arg);
	if (!fn)
		give_up(proc, cvy_fail_in("process '%s': ", proc->name));
	if (proc->daemon) {
		rc = cvy_watch_parent();
		if (rc < 0)
			give_up(proc, rc);
	}
	on_exit(on_plain_exit, proc);
	if (report_fd >= 0) {
		do
			n = write(report_fd, "", 1);
		while (n < 0 && errno == EINTR);
		close(report_fd);
	}
	rc = fn(proc->arg_len ? arg : NULL, proc->arg_len);
	cvy_children_end();
	fflush(NULL);
	atomic_store(&proc->exit_code, rc & 0xff);
	_exit(rc & 0xff);
}
