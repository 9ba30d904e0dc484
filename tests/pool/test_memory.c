/* SPDX-License-Identifier: MIT */
/* A worker that the kernel kills for lack of memory, in a cgroup of the test's own. */
#include "pool_tests.h"

#include <fcntl.h>
#include <sys/stat.h>

#define LIMIT "100663296" /* 96 MiB */

static char folder[128];

static bool write_file(const char *file, const char *text)
{
	char path[200];
	int fd;
	bool done;

	snprintf(path, sizeof path, "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

static bool make_cgroup(void)
{
	static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
	static const char *const limits[] = {"memory.limit_in_bytes", "memory.max"};

	for (int i = 0; i < 2; i++) {
		snprintf(folder, sizeof folder, "%s/covey-test-%d", roots[i], (int)getpid());
		if (mkdir(folder, 0755) < 0)
			continue;
		if (write_file(limits[i], LIMIT))
			return true;
		rmdir(folder);
	}
	return false;
}

COVEY_TASK(int, eat, int, mebibytes)
{
	int sum = 0;

	for (int i = 0; i < mebibytes; i++) {
		char *more = malloc(1 << 20);

		if (!more)
			return -1;
		memset(more, i, 1 << 20);
		sum += more[i];
	}
	return sum;
}

/* In the cgroup; the exit code says what was not as it should be. */
static int be_starved(const struct flavour *flavour)
{
	covey_failure failure;
	covey_future *f;
	covey_pool *pool;
	int n;

	if (!write_file("cgroup.procs", "0"))
		return 77;
	if (covey_pool_open(&pool, &(covey_pool_opts){.name = "test",
	                                              .method = flavour->method,
	                                              .workers = 1}) < 0)
		return 2;
	if (covey_apply(pool, eat, &n, 1) < 0)
		return 3;
	f = covey_submit(pool, eat, 1000);
	if (covey_result(f, &n, COVEY_FOREVER) != -EOWNERDEAD)
		return 4;
	if (!strstr(covey_errmsg(), "task 'eat': worker 'test-0' (pid ") ||
	    !strstr(covey_errmsg(), "was killed by the kernel for lack of memory (limit 96 MiB)")) {
		fprintf(stderr, "%s\n", covey_errmsg());
		return 5;
	}
	if (covey_future_failure(f, &failure) < 0 || failure.signal != SIGKILL)
		return 6;
	covey_future_free(f);
	/* A kill by somebody else is not mistaken for one. */
	f = covey_submit(pool, pid_of_worker, 0);
	if (covey_result(f, &n, COVEY_FOREVER) < 0)
		return 7;
	covey_future_free(f);
	covey_pool_close(pool);
	return covey_pool_join(pool, COVEY_FOREVER) < 0 ? 8 : 0;
}

static void a_worker_killed_for_lack_of_memory(void **state)
{
	int status;
	pid_t pid;

	if (!make_cgroup())
		harness_skip("no memory cgroup can be made");
	pid = fork();
	if (pid == 0)
		_exit(be_starved(*state));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	HARNESS_EVENTUALLY(rmdir(folder) == 0);
	if (status == 77 << 8)
		harness_skip("no process can be put into a memory cgroup");
	assert_int_equal(status, 0);
}

static const struct harness_test tests[] = {
	BY_PROCESSES(a_worker_killed_for_lack_of_memory),
};

HARNESS_MAIN(tests)
