/* SPDX-License-Identifier: MIT */
/* What happens to children when the program ends by its own will. */
#include "process/internal.h"

#include <stdlib.h>

static uint32_t installed_in;

static void at_exit(void)
{
	/* A child that calls exit runs the handlers that its parent installed. */
	if (installed_in == cvy_incarnation())
		cvy_children_end();
}

void cvy_exit_install(void)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	if (!installed_in)
		atexit(at_exit);
	installed_in = cvy_incarnation();
	pthread_mutex_unlock(&lock);
}
