/* SPDX-License-Identifier: MIT */
/* For tests of waiting: doing something once the caller is asleep; no insurance. */
#ifndef SUPPORT_ASLEEP_H
#define SUPPORT_ASLEEP_H

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/notify.h"
#include "support/harness.h"
#include "sync/line.h"

/* In all processes of the test, fresh images too: what wakes must not be the slice of 1 s. */
__attribute__((constructor)) static void without_insurance(void)
{
	cvy_notify_slice = CVY_NEVER;
}

/* Calls fn(context) in a thread, once the calling (the first) thread is asleep. */
struct once_asleep {
	pthread_t thread;
	void (*fn)(void *);
	void *context;
};

static inline void *run_once_asleep(void *arg)
{
	struct once_asleep *o = arg;

	HARNESS_EVENTUALLY(harness_asleep(getpid()));
	o->fn(o->context);
	return NULL;
}

static inline void once_asleep(struct once_asleep *o, void (*fn)(void *), void *context)
{
	o->fn = fn;
	o->context = context;
	assert_int_equal(pthread_create(&o->thread, NULL, run_once_asleep, o), 0);
}

static inline void once_asleep_done(struct once_asleep *o)
{
	pthread_join(o->thread, NULL);
}

static inline void kill_it(void *process)
{
	covey_process_kill(process);
}

/* Joins and frees; its exit code. */
static inline int end_of(covey_process *p)
{
	int code;

	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	code = covey_process_exit_code(p);
	covey_process_free(p);
	return code;
}

static inline int killed(covey_process *p)
{
	covey_process_kill(p);
	return end_of(p);
}

static inline void sleep_for_good(void)
{
	for (;;)
		pause();
}

#endif
