/* SPDX-License-Identifier: MIT */
/* covey_init, the program's start method, the threads that are covey's own, and forked children. */
#include "process/internal.h"

#include <limits.h>

static _Atomic int program_method; /* COVEY_METHOD_DEFAULT: by the number of threads */
static _Atomic int own_threads;

/* A forked child has one thread, and none of what its parent started. */
static void in_forked_child(void)
{
	atomic_store(&own_threads, 0);
	cvy_children_forked();
	cvy_forkserver_forked();
	cvy_nurseries_forked();
	cvy_preload_forked();
}

static void install(void)
{
	cvy_at_fork_child(in_forked_child);
}

void cvy_process_hook(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
}

void cvy_own_thread(int delta)
{
	cvy_process_hook();
	atomic_fetch_add(&own_threads, delta);
}

int cvy_program_threads(int enough)
{
	/* The thread sanitizer has threads of its own, two in a forked child; idle when we fork. */
	int others = atomic_load(&own_threads) + 2 * CVY_THREAD_SANITIZER;
	int n = cvy_thread_count(enough < INT_MAX - others ? enough + others : INT_MAX) - others;

	return n < 1 ? 1 : n;
}

int covey_init(int argc, char **argv)
{
	if (argc < 1 || !argv)
		return cvy_fail(EINVAL, "init: covey_init takes main's argc and argv");
	cvy_spawn_allowed(argv[0]);
	cvy_spawned_image();
	return 0;
}

static bool known(covey_method method)
{
	return method >= COVEY_METHOD_DEFAULT && method <= COVEY_FORKSERVER;
}

int covey_configure_v(const covey_config *given, size_t size)
{
	covey_config config;
	int rc = cvy_options(&config, sizeof config, given, size, "configure");

	if (rc < 0)
		return rc;
	if (!known(config.method))
		return cvy_fail(EINVAL, "configure: %d is no start method", (int)config.method);
	if (config.quota) {
		rc = cvy_family_quota(config.quota);
		if (rc < 0)
			return rc;
	}
	cvy_program_method_set(config.method);
	return 0;
}

covey_method cvy_program_method(void)
{
	return (covey_method)atomic_load(&program_method);
}

void cvy_program_method_set(covey_method method)
{
	if (known(method))
		atomic_store(&program_method, (int)method);
}

covey_method covey_default_method(void)
{
	covey_method method = cvy_program_method();

	if (method != COVEY_METHOD_DEFAULT)
		return method;
	return cvy_program_threads(2) == 1 ? COVEY_FORK : COVEY_FORKSERVER;
}

const char *covey_method_name(covey_method method)
{
	static const char *const names[] = {"default", "fork", "spawn", "forkserver"};

	return known(method) ? names[method] : "unknown";
}
