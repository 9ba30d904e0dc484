/* SPDX-License-Identifier: MIT */
/* What this process may use of the machine: memory and cores. */
#include "arena/layout.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/*
 * Calls visit with the text of `file` in this process's cgroup and in each cgroup above
 * it, of the hierarchy that is mounted at `root` and has `key` ("::" for version 2) in
 * /proc/self/cgroup.
 */
static void each_cgroup(const char *key, const char *root, const char *file,
                        void (*visit)(const char *text, void *), void *context)
{
	char text[4096], group[4096], path[8192], *line, *end;

	if (cvy_read_text("/proc/self/cgroup", text, sizeof text) < 0)
		return;
	line = strstr(text, key);
	if (!line)
		return;
	line += strlen(key);
	line[strcspn(line, "\n")] = 0;
	snprintf(group, sizeof group, "%s", line);
	for (;;) {
		snprintf(path, sizeof path, "%s%s/%s", root, group, file);
		if (cvy_read_text(path, text, sizeof text) > 0)
			visit(text, context);
		end = strrchr(group, '/');
		if (!end)
			return;
		*end = 0;
	}
}

static void lower_memory(const char *text, void *context)
{
	uint64_t *least = context, value;

	if (strncmp(text, "max", 3) == 0)
		return;
	value = strtoull(text, NULL, 10);
	if (value && value < *least)
		*least = value;
}

uint64_t cvy_memory_limit(void)
{
	uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	char text[64];
	struct rlimit limit;

	each_cgroup("::", "/sys/fs/cgroup", "memory.max", lower_memory, &least);
	each_cgroup(":memory:", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", lower_memory,
	            &least);
	/* Where the mount shows this process's cgroup only. */
	if (cvy_read_text("/sys/fs/cgroup/memory/memory.limit_in_bytes", text, sizeof text) > 0)
		lower_memory(text, &least);
	if (getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < least)
		least = limit.rlim_cur;
	return least;
}

static void lower_cores(const char *text, void *context)
{
	int *cores = context, n;
	long long quota, period;

	if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota <= 0 || period <= 0)
		return;
	n = (int)((quota + period - 1) / period);
	if (n >= 1 && n < *cores)
		*cores = n;
}

int covey_cpu_count(void)
{
	cpu_set_t few, *many;
	int cores = 1, cpus = CPU_SETSIZE;

	if (sched_getaffinity(0, sizeof few, &few) == 0) {
		cores = CPU_COUNT(&few);
	} else {
		/* A machine of more cores than the usual set holds. */
		for (cpus *= 2; cpus <= 1 << 20; cpus *= 2) {
			size_t size = CPU_ALLOC_SIZE((size_t)cpus);
			int rc;

			many = CPU_ALLOC((size_t)cpus);
			if (!many)
				break;
			rc = sched_getaffinity(0, size, many);
			if (rc == 0)
				cores = CPU_COUNT_S(size, many);
			CPU_FREE(many);
			if (rc == 0)
				break;
		}
	}
	each_cgroup("::", "/sys/fs/cgroup", "cpu.max", lower_cores, &cores);
	return cores > 0 ? cores : 1;
}

int covey_usage_get_v(covey_usage *usage, size_t size)
{
	covey_usage now = {0};
	int rc = cvy_family();

	if (rc < 0)
		return rc;
	if (!usage)
		return cvy_fail(EINVAL, "usage: no place for the answer was given");
	cvy_region_usage(&now.used, &now.quota);
	now.objects = cvy_object_live();
	now.processes = cvy_proc_count();
	cvy_answer(usage, size, &now, sizeof now);
	return 0;
}
