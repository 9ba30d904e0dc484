/* SPDX-License-Identifier: MIT */
/* What happens to children and helpers when the program ends by its own will. */
#include "process/internal.h"

#include <stdlib.h>

static _Atomic uint32_t installed_in;

static void at_exit(void)
{
	/* A child that calls exit runs the handlers that its parent installed. */
	if (atomic_load(&installed_in) == cvy_incarnation())
		cvy_process_end();
}

/* Of a child that covey started. */
static uint32_t recorded_slot;

static void on_plain_exit(int code, void *context)
{
	struct cvy_proc *proc = cvy_proc(recorded_slot);

	if (proc && recorded_slot == cvy_self_slot)
		atomic_store(&proc->exit_code, code & 0xff);
}

/* Once for a process and all that it forks. */
static void install(void)
{
	atexit(at_exit);
	on_exit(on_plain_exit, NULL);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

void cvy_exit_install(void)
{
	pthread_once(&once, install);
	atomic_store(&installed_in, cvy_incarnation());
}

void cvy_exit_record(uint32_t slot)
{
	if (!atomic_load(&installed_in)) /* mostly its parent has */
		pthread_once(&once, install);
	recorded_slot = slot;
}

static void (*_Atomic at_end)(void);

void cvy_at_process_end(void (*fn)(void))
{
	atomic_store(&at_end, fn);
	cvy_exit_install();
}

void cvy_process_end(void)
{
	void (*fn)(void) = atomic_load(&at_end);

	if (fn)
		fn();
	cvy_children_end();
	cvy_forkserver_close();
}
