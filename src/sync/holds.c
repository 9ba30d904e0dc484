/* SPDX-License-Identifier: MIT */
#include "sync/holds.h"

#include <stdlib.h>
#include <string.h>

__thread struct cvy_holds cvy_holds;

static pthread_key_t key;
static int key_error;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The thread that forked is the child's only one. */
static void in_forked_child(void)
{
	cvy_holds.n = 0;
}

static void thread_ends(void *value)
{
	(void)value;
	while (cvy_holds.n > 0)
		cvy_hold_ended(&cvy_holds.at[--cvy_holds.n]);
	if (cvy_holds.at != cvy_holds.few)
		free(cvy_holds.at);
	cvy_holds.at = NULL;
	cvy_holds.room =
		0; /* what is acquired from now on, in another key's destructor, ends too */
}

static void install(void)
{
	key_error = pthread_key_create(&key, thread_ends);
	cvy_at_fork_child(in_forked_child);
}

static int no_memory(int error)
{
	return cvy_fail(ENOMEM, "rwlock: no memory to note what this thread reads: %s",
	                covey_strerror(error));
}

int cvy_holds_grow(void)
{
	uint32_t room = cvy_holds.room ? cvy_holds.room * 2 : CVY_HOLDS_FEW;
	struct cvy_hold *at;
	int error;

	if (!cvy_holds.room) {
		pthread_once(&once, install);
		error = key_error ? key_error : pthread_setspecific(key, &cvy_holds);
		if (error)
			return no_memory(error);
		at = cvy_holds.few;
	} else {
		at = malloc(room * sizeof *at);
		if (!at)
			return no_memory(ENOMEM);
		memcpy(at, cvy_holds.at, cvy_holds.n * sizeof *at);
		if (cvy_holds.at != cvy_holds.few)
			free(cvy_holds.at);
	}
	cvy_holds.at = at;
	cvy_holds.room = room;
	return 0;
}
