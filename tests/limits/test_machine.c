/* SPDX-License-Identifier: MIT */
/* What the machine lacks or limits: /proc, /sys/fs/cgroup, the memory of a cgroup. */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

static char **arguments; /* main's */

#define MIB (UINT64_C(1) << 20)

/* Mounts of this process's own; what it hides there is hidden from its children as well. */
static void hide(const char *folder)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", folder, "tmpfs", 0, NULL) < 0) {
		fprintf(stderr, "hiding %s: %s\n", folder, strerror(errno));
		_exit(77);
	}
}

static void need_mounts(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		hide("/proc");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status == 77 << 8)
		harness_skip("/proc can be hidden by who may mount only");
}

/* ---- no /proc */

static void run_without_proc(const void *context)
{
	hide("/proc");
	/* As a program does that is started so. */
	if (access("/proc/self", F_OK) == 0 || covey_init(1, arguments) < 0)
		_exit(5);
	if (script_run(*(const covey_method *)context, SCRIPT_ALL))
		_exit(6);
	script_end(0);
}

static void all_works_without_proc(void **state)
{
	need_mounts();
	run_round(run_without_proc, *state, "method", *(const covey_method *)*state);
}

static void *return_at_once(void *arg)
{
	return arg;
}

/* What has had threads may have them still: fork is not chosen where nobody can tell. */
static void threads_are_not_forgotten_without_proc(void **state)
{
	pthread_t thread;

	need_mounts();
	assert_int_equal(covey_default_method(), COVEY_FORK);
	assert_int_equal(pthread_create(&thread, NULL, return_at_once, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(covey_default_method(), COVEY_FORK);
	hide("/proc");
	assert_int_equal(cvy_thread_count(100), 2);
	assert_int_equal(covey_default_method(), COVEY_FORKSERVER);
	assert_int_equal(umount2("/proc", MNT_DETACH), 0);
}

/* ---- no cgroups */

static void run_without_cgroups(const void *context)
{
	covey_usage usage;

	hide("/sys/fs/cgroup");
	if (covey_usage_get(&usage) < 0 || !usage.quota || covey_cpu_count() < 1 ||
	    script_run(*(const covey_method *)context, SCRIPT_ALL))
		_exit(6);
	script_end(0);
}

static void all_works_without_cgroups(void **state)
{
	need_mounts();
	run_round(run_without_cgroups, *state, "method", *(const covey_method *)*state);
}

/* ---- cgroups that are made up: /proc/self/cgroup names one, and files say its limits */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Puts a tree of cgroups in place of the machine's. A file that says where we are in it. */
static void make_up_cgroups(const char *where, const char *const *folders)
{
	static const char file[] = "/sys/fs/cgroup/where";

	hide("/sys/fs/cgroup");
	for (; *folders; folders++)
		assert_int_equal(mkdir(*folders, 0755), 0);
	write_text(file, where);
	assert_int_equal(mount(file, "/proc/self/cgroup", NULL, MS_BIND, NULL), 0);
}

static int quota_in_mib(void)
{
	covey_usage usage;

	assert_int_equal(covey_usage_get(&usage), 0);
	return (int)(usage.quota / MIB);
}

#define ROOT "/sys/fs/cgroup/"

/* The least of its own and of those above it. */
static void the_quota_follows_version_2(void **state)
{
	static const char *const folders[] = {ROOT "a", ROOT "a/b", NULL};

	need_mounts();
	make_up_cgroups("0::/a/b\n", folders);
	write_text(ROOT "a/memory.max", "268435456\n");
	write_text(ROOT "a/b/memory.max", "max\n");
	write_text(ROOT "a/b/cpu.max", "100000 100000\n");
	assert_int_equal(quota_in_mib(), 128);
	assert_int_equal(covey_cpu_count(), 1);
}

static void the_quota_follows_version_1(void **state)
{
	static const char *const folders[] = {ROOT "memory", ROOT "memory/a", NULL};

	need_mounts();
	make_up_cgroups("4:memory:/a\n3:cpu:/\n0::/\n", folders);
	write_text(ROOT "memory/memory.limit_in_bytes", "9223372036854771712\n");
	write_text(ROOT "memory/a/memory.limit_in_bytes", "134217728\n");
	assert_int_equal(quota_in_mib(), 64);
}

/* As in a container: the path is the host's, and what is mounted is our own cgroup. */
static void the_quota_follows_a_container(void **state)
{
	static const char *const folders[] = {ROOT "memory", NULL};

	need_mounts();
	make_up_cgroups("4:memory:/docker/0123\n", folders);
	write_text(ROOT "memory/memory.limit_in_bytes", "100663296\n");
	assert_int_equal(quota_in_mib(), 48);
}

static void nonsense_in_its_files_is_no_limit(void **state)
{
	static const char *const folders[] = {ROOT "a", NULL};

	need_mounts();
	make_up_cgroups("0::/a\n", folders);
	write_text(ROOT "a/memory.max", "many\n");
	write_text(ROOT "a/cpu.max", "0 0\n");
	assert_true(quota_in_mib() > 0);
	assert_true(covey_cpu_count() >= 1);
}

/* ---- a true one: a worker that it kills is tests/pool/test_memory.c's */

static char group[128];

static bool write_into(const char *file, const char *text)
{
	char path[200];
	int fd, n;

	snprintf(path, sizeof path, "%s/%s", group, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : (int)write(fd, text, strlen(text));
	close(fd);
	return n == (int)strlen(text);
}

static bool make_group(const char *root, const char *file)
{
	snprintf(group, sizeof group, "%s/covey-limits-%d", root, (int)getpid());
	if (mkdir(group, 0755) < 0)
		return false;
	if (write_into(file, "100663296")) /* 96 MiB */
		return true;
	rmdir(group);
	return false;
}

/* It fills its quota, is refused more in words, and is not killed. */
static void fill_up(const void *context)
{
	covey_block blocks[64];
	covey_usage usage;
	int n = 0;

	if (!write_into("cgroup.procs", "0"))
		_exit(ROUND_CANNOT);
	if (covey_usage_get(&usage) < 0 || usage.quota != 48 * MIB)
		_exit(2);
	while (n < 64 && covey_block_create(&blocks[n], MIB, NULL) == 0)
		memset(covey_block_data(blocks[n++]), 1, MIB);
	if (n < 40 || n >= 48 || covey_errcode() != -ENOMEM || !strstr(covey_errmsg(), "quota"))
		_exit(3);
	while (n > 0)
		MUST(covey_block_destroy(blocks[--n]));
	script_end(0);
}

static void a_family_in_a_cgroup_is_refused_before_it_is_killed(void **state)
{
	bool done;

	if (!make_group("/sys/fs/cgroup/memory", "memory.limit_in_bytes") &&
	    !make_group("/sys/fs/cgroup", "memory.max"))
		harness_skip("no memory cgroup can be made");
	done = run_round(fill_up, NULL, "limit", 96);
	HARNESS_EVENTUALLY(rmdir(group) == 0);
	if (!done)
		harness_skip("no process can be put into a memory cgroup");
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(all_works_without_proc),
	HARNESS_TEST(threads_are_not_forgotten_without_proc),
	HARNESS_TEST_BY_METHODS(all_works_without_cgroups),
	HARNESS_TEST(the_quota_follows_version_2),
	HARNESS_TEST(the_quota_follows_version_1),
	HARNESS_TEST(the_quota_follows_a_container),
	HARNESS_TEST(nonsense_in_its_files_is_no_limit),
	HARNESS_TEST(a_family_in_a_cgroup_is_refused_before_it_is_killed),
};

int main(int argc, char **argv)
{
	arguments = argv;
	covey_init(argc, argv);
	return harness_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
