/* SPDX-License-Identifier: MIT */
/*
 * The family: a root process and all that it starts through covey, which share
 * one arena of memory. The arena is an unnamed memory file; it holds every
 * shared object, and the kernel frees it when the last process of the family
 * has ended, however it ended.
 *
 *     int main(int argc, char **argv)
 *     {
 *         covey_init(argc, argv);       // first in main; makes spawn possible
 *         covey_configure(&(covey_config){ .quota = 1u << 30 });   // optional
 *         ...
 */
#ifndef COVEY_FAMILY_H
#define COVEY_FAMILY_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a process is started. */
typedef enum covey_method {
	COVEY_METHOD_DEFAULT = 0, /* the program's, see covey_config.method */
	COVEY_FORK,               /* a copy of the caller: quickest, inherits its state */
	COVEY_SPAWN,              /* a fresh image of the program: inherits nothing */
	COVEY_FORKSERVER,         /* a fork of a small fresh helper: clean, and quick
	                             however big the caller is */
} covey_method;

/*
 * Call first in main, before threads, output or reading arguments. In a child
 * started by spawn, or a helper that serves forkserver, it runs the child's
 * function and never returns. In the program itself it returns 0 at once. A
 * program that does not call it can use fork only, and asking it for more is
 * an error that says so. Returns 0, or -EINVAL for no argv. Since 0.1.
 */
COVEY_API int covey_init(int argc, char **argv);

typedef struct covey_config {
	/*
	 * Most bytes the family's shared objects may hold, 0 for half of the
	 * memory that this process may use (of the machine, its cgroup and
	 * RLIMIT_DATA, the least). Past it growing is -ENOMEM.
	 */
	uint64_t quota;
	/* The program's start method. 0: fork, or forkserver where the starter
	 * has several threads. */
	covey_method method;
} covey_config;

/*
 * Sets what holds for the whole family. The quota must be set before the
 * first shared object or process is made, by the root: afterwards it is
 * -EBUSY. The method may be set at any time and holds for this process and
 * for what it starts from then on. Does not block.
 * -EBUSY: a quota after first use. -EINVAL: an unknown method.
 * -ENOMEM, -EMFILE: the arena cannot be made. Since 0.1.
 */
COVEY_API int covey_configure_v(const covey_config *config, size_t size);
static inline COVEY_UNUSED int covey_configure(const covey_config *config)
{
	return covey_configure_v(config, sizeof *config);
}

/* The start method that COVEY_METHOD_DEFAULT means for a call made now. */
COVEY_API covey_method covey_default_method(void);

/* "fork", "spawn", "forkserver", "default". */
COVEY_API const char *covey_method_name(covey_method method);

typedef struct covey_usage {
	uint64_t quota;     /* bytes that may be held */
	uint64_t used;      /* bytes held now, kept-warm memory included */
	uint64_t objects;   /* live shared objects */
	uint64_t processes; /* live processes of the family, the root included */
} covey_usage;

/*
 * What the family holds now. Creates the family at first use. Does not block
 * for longer than a lock held for a few instructions. -ENOMEM, -EMFILE as
 * covey_configure. Since 0.1.
 */
COVEY_API int covey_usage_get_v(covey_usage *usage, size_t size);
static inline COVEY_UNUSED int covey_usage_get(covey_usage *usage)
{
	return covey_usage_get_v(usage, sizeof *usage);
}

/*
 * Cores this process may use: its affinity mask, bounded by its cgroup's CPU
 * quota, at least 1. Since 0.1.
 */
COVEY_API int covey_cpu_count(void);

#ifdef __cplusplus
}
#endif
#endif
