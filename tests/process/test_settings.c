/* SPDX-License-Identifier: MIT */
/* What the options of a start change in the child, under every method. */
#include "support/harness.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <covey.h>

#include "base/base.h"

/* Longer than what a slot holds, so that it travels in a region either way. */
struct long_text {
	char text[300];
};

struct cores {
	cpu_set_t set;
	int count, spins;
};

struct seen {
	char cwd[PATH_MAX];
	char one[32], two[32];
	int has_path, has_empty;
	int niceness;
	pid_t group, pid;
	struct rlimit files, cores;
};

COVEY_PROCESS(look, covey_queue, says, struct long_text, padding)
{
	struct seen s = {.niceness = getpriority(PRIO_PROCESS, 0),
	                 .group = getpgrp(),
	                 .pid = getpid(),
	                 .has_path = getenv("PATH") != NULL,
	                 .has_empty = getenv("EMPTY") && !*getenv("EMPTY")};

	if (!getcwd(s.cwd, sizeof s.cwd) || strlen(padding.text) != sizeof padding.text - 1)
		return 1;
	snprintf(s.one, sizeof s.one, "%s", getenv("ONE") ? getenv("ONE") : "");
	snprintf(s.two, sizeof s.two, "%s", getenv("TWO") ? getenv("TWO") : "");
	getrlimit(RLIMIT_NOFILE, &s.files);
	getrlimit(RLIMIT_CORE, &s.cores);
	return covey_put(says, &s, COVEY_FOREVER) < 0;
}

COVEY_PROCESS(touch, void)
{
	return mkdir("it-ran", 0700) < 0;
}

static covey_method method_of(void **state)
{
	return *(covey_method *)*state;
}

static struct seen look_with(covey_process_opts opts)
{
	struct long_text padding;
	covey_process *p[1];
	struct seen s;
	covey_queue says;

	memset(padding.text, 'p', sizeof padding.text);
	padding.text[sizeof padding.text - 1] = 0;
	assert_int_equal(covey_queue_create(&says, &(covey_queue_opts){.max_bytes = 1 << 20}), 0);
	assert_int_equal(look_covey_start(&p[0], look_covey_pack(says, padding), &opts), 0);
	assert_int_equal(covey_process_finish(p, 1), 0);
	assert_int_equal(covey_get(says, &s, 0), 0);
	assert_int_equal(covey_queue_destroy(says), 0);
	return s;
}

static void without_options_nothing_changes(void **state)
{
	struct seen s = look_with((covey_process_opts){.method = method_of(state)});
	char here[PATH_MAX];

	assert_string_equal(s.cwd, getcwd(here, sizeof here));
	assert_int_equal(s.niceness, getpriority(PRIO_PROCESS, 0));
	assert_int_equal(s.group, getpgrp());
	assert_int_equal(s.has_path, 1);
}

static void the_environment_is_added_to_or_replaced(void **state)
{
	const char *env[] = {"ONE=1=1", "TWO=second", "EMPTY=", NULL};
	struct seen s;

	setenv("TWO", "first", 1);
	s = look_with((covey_process_opts){.env = env, .method = method_of(state)});
	assert_string_equal(s.one, "1=1");
	assert_string_equal(s.two, "second");
	assert_int_equal(s.has_empty, 1);
	assert_int_equal(s.has_path, 1);
	assert_string_equal(getenv("TWO"), "first");
	assert_null(getenv("ONE"));
	env[1] = NULL;
	s = look_with((covey_process_opts){.env = env, .empty_env = 1, .method = method_of(state)});
	assert_string_equal(s.one, "1=1");
	assert_string_equal(s.two, "");
	assert_int_equal(s.has_path, 0);
	s = look_with((covey_process_opts){.empty_env = 1, .method = method_of(state)});
	assert_int_equal(s.has_path, 0);
}

/* Also after the caller has moved on from where a forkserver was started. */
static void a_folder_is_relative_to_the_caller(void **state)
{
	char top[] = "/tmp/covey-settings-XXXXXX", inner[64], here[PATH_MAX];
	struct seen s;

	assert_non_null(getcwd(here, sizeof here));
	look_with((covey_process_opts){.method = method_of(state)});
	assert_non_null(mkdtemp(top));
	snprintf(inner, sizeof inner, "%s/inner", top);
	assert_int_equal(mkdir(inner, 0700), 0);
	assert_int_equal(chdir(top), 0);
	s = look_with((covey_process_opts){.cwd = "inner", .method = method_of(state)});
	assert_int_equal(chdir(here), 0);
	assert_string_equal(s.cwd, inner);
	s = look_with((covey_process_opts){.cwd = top, .method = method_of(state)});
	assert_string_equal(s.cwd, top);
	assert_int_equal(rmdir(inner), 0);
	assert_int_equal(rmdir(top), 0);
}

static void niceness_group_and_limits(void **state)
{
	const covey_limit limits[] = {{RLIMIT_CORE, 0, 0}, {RLIMIT_NOFILE, 64, 128}};
	int here = getpriority(PRIO_PROCESS, 0);
	struct seen s = look_with((covey_process_opts){.niceness = 3,
	                                               .new_group = 1,
	                                               .limits = limits,
	                                               .limits_count = 2,
	                                               .method = method_of(state)});

	assert_int_equal(s.niceness, here + 3 > 19 ? 19 : here + 3);
	assert_int_equal(s.group, s.pid);
	assert_int_equal(s.files.rlim_cur, 64);
	assert_int_equal(s.files.rlim_max, 128);
	assert_int_equal(s.cores.rlim_max, 0);
	assert_int_equal(getpriority(PRIO_PROCESS, 0), here);
	s = look_with((covey_process_opts){.niceness = INT_MAX, .method = method_of(state)});
	assert_int_equal(s.niceness, 19);
}

/* Which cores it may use, and whether it would spin before a sleep. */
COVEY_PROCESS(look_at_cores, covey_queue, says)
{
	struct cores seen = {.spins = cvy_spins(), .count = covey_cpu_count()};

	sched_getaffinity(0, sizeof seen.set, &seen.set);
	return covey_put(says, &seen, COVEY_FOREVER) < 0;
}

static struct cores cores_with(covey_method method, const int *cpus, int count)
{
	covey_process *p[1];
	struct cores seen;
	covey_queue says;

	assert_int_equal(covey_queue_create(&says, NULL), 0);
	assert_int_equal(covey_start_args(&p[0], look_at_cores, (says), .cpus = cpus,
	                                  .cpus_count = count, .method = method),
	                 0);
	assert_int_equal(covey_process_finish(p, 1), 0);
	assert_int_equal(covey_get(says, &seen, 0), 0);
	assert_int_equal(covey_queue_destroy(says), 0);
	return seen;
}

static void a_process_keeps_to_its_cores(void **state)
{
	int cpus[2], n = 0;
	struct cores seen;
	cpu_set_t here;

	assert_int_equal(sched_getaffinity(0, sizeof here, &here), 0);
	for (int i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &here))
			cpus[n++] = i;
	if (n < 2)
		harness_skip("there is one core only");
	assert_true(cvy_spins() > 0); /* so that a forked child has it from here */
	seen = cores_with(method_of(state), &cpus[1], 1);
	assert_int_equal(CPU_COUNT(&seen.set), 1);
	assert_true(CPU_ISSET(cpus[1], &seen.set));
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.spins, 0);
	seen = cores_with(method_of(state), cpus, 2);
	assert_int_equal(CPU_COUNT(&seen.set), 2);
	assert_true(seen.spins > 0);
	seen = cores_with(method_of(state), NULL, 0);
	assert_true(CPU_EQUAL(&seen.set, &here));
}

static int start_wrong(covey_process_opts opts, const char *words)
{
	covey_process *p = NULL;
	int rc = touch_covey_start(&p, touch_covey_pack(), &opts);

	assert_null(p);
	assert_int_equal(covey_errcode(), rc);
	assert_non_null(strstr(covey_errmsg(), "process 'wrong'"));
	assert_non_null(strstr(covey_errmsg(), words));
	assert_int_equal(covey_active_children(NULL, 0), 0);
	return rc;
}

#define WRONG(words, ...)                                                                       \
	start_wrong(                                                                            \
		(covey_process_opts){.name = "wrong", .method = method_of(state), __VA_ARGS__}, \
		words)

/* None of these runs its function, which would leave a folder in its own. */
static void what_cannot_be_had_is_the_starters_error(void **state)
{
	const char *no_sign[] = {"ONE=1", "TWO", NULL}, *no_name[] = {"=x", NULL};
	const covey_limit unknown[] = {{RLIMIT_CORE, 0, 0}, {9999, 0, 0}},
			  crossed[] = {{RLIMIT_NOFILE, 65, 64}};
	const int absent[] = {0, 65535}, negative[] = {-1};
	char top[] = "/tmp/covey-settings-XXXXXX", left[64], file[64];

	assert_non_null(mkdtemp(top));
	snprintf(file, sizeof file, "%s/file", top);
	fclose(fopen(file, "w"));
	assert_int_equal(WRONG("cwd '/no/such'", .cwd = "/no/such"), -ENOENT);
	assert_int_equal(WRONG(file, .cwd = file), -ENOTDIR);
	assert_int_equal(WRONG("env: 'TWO'", .cwd = top, .env = no_sign), -EINVAL);
	assert_int_equal(WRONG("env: '=x'", .cwd = top, .env = no_name), -EINVAL);
	assert_int_equal(WRONG("resource 9999", .cwd = top, .limits = unknown, .limits_count = 2),
	                 -EINVAL);
	assert_int_equal(WRONG("limits", .cwd = top, .limits = crossed, .limits_count = 1),
	                 -EINVAL);
	assert_int_equal(WRONG("limits", .cwd = top, .limits_count = 1), -EINVAL);
	assert_int_equal(WRONG("limits", .cwd = top, .limits = crossed, .limits_count = -1),
	                 -EINVAL);
	assert_int_equal(WRONG("core 65535", .cwd = top, .cpus = absent, .cpus_count = 2), -EINVAL);
	assert_int_equal(WRONG("cpus 65535", .cwd = top, .cpus = absent + 1, .cpus_count = 1),
	                 -EINVAL);
	assert_int_equal(WRONG("no core -1", .cwd = top, .cpus = negative, .cpus_count = 1),
	                 -EINVAL);
	assert_int_equal(WRONG("cpus", .cwd = top, .cpus_count = 1), -EINVAL);
	snprintf(left, sizeof left, "%s/it-ran", top);
	assert_int_equal(access(left, F_OK), -1);
	assert_int_equal(unlink(file), 0);
	assert_int_equal(rmdir(top), 0);
}

static void a_folder_that_vanished_is_an_error(void **state)
{
	char top[] = "/tmp/covey-settings-XXXXXX", here[PATH_MAX];

	assert_non_null(getcwd(here, sizeof here));
	assert_non_null(mkdtemp(top));
	assert_int_equal(chdir(top), 0);
	assert_int_equal(rmdir(top), 0);
	assert_int_equal(WRONG("cwd '.'", .cwd = "."), -ENOENT);
	assert_int_equal(chdir(here), 0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(without_options_nothing_changes),
	HARNESS_TEST_BY_METHODS(the_environment_is_added_to_or_replaced),
	HARNESS_TEST_BY_METHODS(a_folder_is_relative_to_the_caller),
	HARNESS_TEST_BY_METHODS(niceness_group_and_limits),
	HARNESS_TEST_BY_METHODS(a_process_keeps_to_its_cores),
	HARNESS_TEST_BY_METHODS(what_cannot_be_had_is_the_starters_error),
	HARNESS_TEST_BY_METHODS(a_folder_that_vanished_is_an_error),
};

HARNESS_MAIN(tests)
