/* SPDX-License-Identifier: MIT */
/*
 * What the options of a start change in the child: packed by the starter behind
 * the argument, applied by the child before its function.
 *
 * The form is text: settings one after another, each a letter and its value
 * and a final zero, in the order in which they are applied; an empty one ends
 * them. What is relative to the starter (a path, a niceness) is made absolute by
 * it, since a forkserver's child has another's surroundings.
 */
#include "process/internal.h"

#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* More than any kernel knows of. */
#define CORES_MAX 65536

enum setting {
	DESCRIPTORS = 'd', /* first: a limit may leave no room for them */
	GROUP = 'g',
	FOLDER = 'f',
	EMPTY_ENV = 'x',
	VARIABLE = 'v',
	NICENESS = 'n',
	CORES = 'c',
	LIMIT = 'l',
};

/* ---- the starter's side */

bool cvy_settings_given(const covey_process_opts *opts)
{
	return opts->cwd || opts->env || opts->empty_env || opts->niceness || opts->new_group ||
	       opts->limits_count || opts->cpus_count || cvy_fds_given(opts);
}

static int check(const covey_process_opts *opts)
{
	if (opts->limits_count < 0 || (opts->limits_count && !opts->limits))
		return cvy_fail(EINVAL, "limits: %d of them were given, but no array",
		                opts->limits_count);
	if (opts->cpus_count < 0 || (opts->cpus_count && !opts->cpus))
		return cvy_fail(EINVAL, "cpus: %d of them were given, but no array",
		                opts->cpus_count);
	for (int i = 0; i < opts->cpus_count; i++)
		if (opts->cpus[i] < 0 || opts->cpus[i] >= CORES_MAX)
			return cvy_fail(EINVAL, "cpus: there is no core %d", opts->cpus[i]);
	for (int i = 0; opts->env && opts->env[i]; i++)
		if (!strchr(opts->env[i], '=') || opts->env[i][0] == '=')
			return cvy_fail(EINVAL, "env: '%s' is not of the form NAME=VALUE",
			                opts->env[i]);
	return 0;
}

/* The niceness that the child is to have. */
static int niceness(int increment)
{
	int now = getpriority(PRIO_PROCESS, 0);

	if (increment > 40)
		increment = 40;
	if (increment < -40)
		increment = -40;
	now += increment;
	return now > 19 ? 19 : now < -20 ? -20 : now;
}

static void write_all(FILE *to, const covey_process_opts *opts, const struct handed *handed,
                      const char *folder)
{
	if (cvy_fds_given(opts))
		fprintf(to, "%c%d %d %d %d%c", DESCRIPTORS, handed->count, handed->place[0],
		        handed->place[1], handed->place[2], 0);
	if (opts->new_group)
		fprintf(to, "%c%c", GROUP, 0);
	if (folder)
		fprintf(to, "%c%s%c", FOLDER, folder, 0);
	if (opts->empty_env)
		fprintf(to, "%c%c", EMPTY_ENV, 0);
	for (int i = 0; opts->env && opts->env[i]; i++)
		fprintf(to, "%c%s%c", VARIABLE, opts->env[i], 0);
	if (opts->niceness)
		fprintf(to, "%c%d%c", NICENESS, niceness(opts->niceness), 0);
	for (int i = 0; i < opts->cpus_count; i++)
		fprintf(to, "%s%d", i ? "," : "c", opts->cpus[i]);
	if (opts->cpus_count)
		fputc(0, to);
	for (int i = 0; i < opts->limits_count; i++)
		fprintf(to, "%c%d %" PRIu64 " %" PRIu64 "%c", LIMIT, opts->limits[i].resource,
		        opts->limits[i].soft, opts->limits[i].hard, 0);
	fputc(0, to);
}

int cvy_settings_pack(const covey_process_opts *opts, const struct handed *handed, char **text,
                      size_t *len)
{
	char folder[PATH_MAX];
	FILE *to;
	bool bad;
	int rc = check(opts);

	if (rc < 0)
		return rc;
	if (opts->cwd && !realpath(opts->cwd, folder))
		return cvy_fail(errno, "cwd '%s': %s", opts->cwd, covey_strerror(errno));
	to = open_memstream(text, len);
	if (!to)
		return cvy_fail(ENOMEM, "no memory for its options");
	write_all(to, opts, handed, opts->cwd ? folder : NULL);
	bad = ferror(to);
	if (fclose(to) == 0 && !bad)
		return 0;
	free(*text);
	*text = NULL;
	return cvy_fail(ENOMEM, "no memory for its options");
}

/* ---- the child's side */

static int set_variable(const char *text)
{
	size_t len = strcspn(text, "=");
	char *name = text[len] ? strndup(text, len) : NULL;
	int rc = name ? setenv(name, text + len + 1, 1) : -1;

	free(name);
	return rc < 0 ? cvy_fail(ENOMEM, "env: no memory for '%.*s'", (int)len, text) : 0;
}

static int set_limit(const char *text)
{
	uint64_t soft, hard;
	struct rlimit limit;
	int resource;

	if (sscanf(text, "%d %" SCNu64 " %" SCNu64, &resource, &soft, &hard) != 3)
		return cvy_fail(EBADMSG, "limits: the arena is damaged");
	limit = (struct rlimit){.rlim_cur = soft, .rlim_max = hard};
	/* glibc's type is an enum */
	if (setrlimit((__rlimit_resource_t)resource, &limit) < 0)
		return cvy_fail(errno,
		                "limits: resource %d to %" PRIu64 ", at most %" PRIu64 ": %s",
		                resource, soft, hard, covey_strerror(errno));
	return 0;
}

/* The first core of a set that is not in another, -1 for none. */
static int first_missing(const cpu_set_t *cores, const cpu_set_t *had, size_t size)
{
	for (size_t i = 0; i < CORES_MAX; i++)
		if (CPU_ISSET_S(i, size, cores) && !CPU_ISSET_S(i, size, had))
			return (int)i;
	return -1;
}

static int confine(const char *text, cpu_set_t *cores, cpu_set_t *had, size_t size)
{
	int missing;

	for (const char *at = text;; at++) {
		char *end;
		unsigned long core = strtoul(at, &end, 10);

		if (end == at || core >= CORES_MAX)
			return cvy_fail(EBADMSG, "cpus: the arena is damaged");
		CPU_SET_S(core, size, cores);
		at = end;
		if (*at != ',')
			break;
	}
	if (sched_setaffinity(0, size, cores) < 0 || sched_getaffinity(0, size, had) < 0)
		return cvy_fail(errno, "cpus %s: %s", text, covey_strerror(errno));
	/* What is not there, or not allowed here, the kernel leaves out without a word. */
	missing = first_missing(cores, had, size);
	if (missing >= 0)
		return cvy_fail(EINVAL, "cpus %s: core %d is not to be had", text, missing);
	cvy_spins_forget();
	return 0;
}

static int set_cores(const char *text)
{
	const size_t size = CPU_ALLOC_SIZE(CORES_MAX);
	cpu_set_t *cores = calloc(1, size), *had = calloc(1, size);
	int rc = cores && had ? confine(text, cores, had, size)
	                      : cvy_fail(ENOMEM, "cpus: no memory");

	free(cores);
	free(had);
	return rc;
}

static int take_descriptors(const char *text, int *sock)
{
	int count, place[3];

	if (sscanf(text, "%d %d %d %d", &count, &place[0], &place[1], &place[2]) != 4)
		return cvy_fail(EBADMSG, "fds: the arena is damaged");
	return cvy_fds_take(sock, count, place);
}

static int set(const char *setting, int *sock)
{
	const char *value = setting + 1;

	switch (setting[0]) {
	case DESCRIPTORS:
		return take_descriptors(value, sock);
	case GROUP:
		if (setpgid(0, 0) < 0)
			return cvy_fail(errno, "new_group: %s", covey_strerror(errno));
		return 0;
	case FOLDER:
		if (chdir(value) < 0)
			return cvy_fail(errno, "cwd '%s': %s", value, covey_strerror(errno));
		return 0;
	case EMPTY_ENV:
		return clearenv() ? cvy_fail(ENOMEM, "empty_env: no memory") : 0;
	case VARIABLE:
		return set_variable(value);
	case NICENESS:
		if (setpriority(PRIO_PROCESS, 0, atoi(value)) < 0)
			return cvy_fail(errno, "niceness %s: %s", value, covey_strerror(errno));
		return 0;
	case CORES:
		return set_cores(value);
	case LIMIT:
		return set_limit(value);
	default:
		return cvy_fail(EBADMSG, "its options: the arena is damaged");
	}
}

int cvy_settings_apply(const char *text, size_t room, int *sock)
{
	int rc = 0;

	while (rc == 0 && room && *text) {
		size_t len = strnlen(text, room);

		if (len == room)
			return cvy_fail(EBADMSG, "its options: the arena is damaged");
		rc = set(text, sock);
		text += len + 1;
		room -= len + 1;
	}
	return rc;
}
