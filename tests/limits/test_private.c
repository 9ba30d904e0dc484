/* SPDX-License-Identifier: MIT */
/*
 * Who can come to what: another user, another PID namespace, a program that a
 * process of the family executes. docs/security.md says what of it is promised.
 */
#include "script.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "net/net.h"

#define NOBODY 65534

static void need_root(const char *why)
{
	if (geteuid() != 0)
		harness_skip(why);
}

/* The exit code of a child that runs fn as another user. */
static int as_another_user(int (*fn)(const void *), const void *context)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0)
			_exit(99);
		_exit(fn(context));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- the arena */

static int open_arena(const void *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC), error = errno;

	return fd < 0 ? error : 0;
}

static void the_arena_is_of_its_user_only(void **state)
{
	char path[64];
	struct stat st;
	int fd;

	need_root("another user is tried, for which this must be root");
	assert_int_equal(cvy_family(), 0);
	fd = cvy_family_fd();
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_uid, geteuid());
	snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)getpid(), fd);
	assert_int_equal(open_arena(path), 0);
	assert_int_equal(as_another_user(open_arena, path), EACCES);
	/* Nor by its mode, where /proc lets one pass: as for one who was left a descriptor. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert_int_equal(as_another_user(open_arena, path), EACCES);
}

/* "rd ex sh nr dd ..." of the mapping of the arena. */
static void the_arena_is_in_no_core_dump(void **state)
{
	char line[512];
	FILE *maps = fopen("/proc/self/smaps", "re");
	bool arena = false, told = false;
	unsigned long from;

	assert_non_null(maps);
	assert_int_equal(cvy_family(), 0);
	rewind(maps);
	while (fgets(line, sizeof line, maps)) {
		if (sscanf(line, "%lx-%*x %*s", &from) == 1 && strstr(line, "-"))
			arena = from == (unsigned long)(uintptr_t)cvy_base;
		if (arena && strncmp(line, "VmFlags:", 8) == 0) {
			told = true;
			assert_non_null(strstr(line, " dd"));
			assert_null(strstr(line, " ex"));
		}
	}
	fclose(maps);
	assert_true(told);
}

/* ---- sockets */

static int connect_there(const void *address)
{
	covey_connection *c;

	return covey_connect(&c, address, NULL, COVEY_FOREVER) < 0 ? -covey_errcode() : 0;
}

static void a_socket_in_a_folder_is_of_its_user_only(void **state)
{
	char folder[] = "/tmp/covey-private-XXXXXX", address[64];
	covey_listener *l;
	struct stat st;

	need_root("another user is tried, for which this must be root");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chmod(folder, 0755), 0);
	snprintf(address, sizeof address, "unix:%s/socket", folder);
	assert_int_equal(covey_listener_open(&l, address, NULL), 0);
	assert_int_equal(stat(address + 5, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(as_another_user(connect_there, address), EACCES);
	covey_listener_close(l);
	assert_int_equal(rmdir(folder), 0);
}

/* A name that is in no folder can be connected to by all: who it is is asked of the kernel. */
static int knock(const void *address)
{
	struct cvy_address at;
	char byte;
	int fd;

	if (cvy_address_read(&at, address, false, "test") < 0)
		return 2;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at.at, at.len) < 0)
		return 3;
	return recv(fd, &byte, 1, 0) > 0 ? 4 : 0; /* the other side has told nothing */
}

static void another_user_is_refused_by_the_listener(void **state)
{
	covey_listener *l;
	covey_connection *c;
	int status;
	pid_t pid;

	need_root("another user is tried, for which this must be root");
	assert_int_equal(covey_listener_open(&l, "unix:", &(covey_listener_opts){.invite = 1}), 0);
	pid = fork();
	if (pid == 0)
		_exit(setuid(NOBODY) < 0 ? 99 : knock(covey_listener_address(l)));
	assert_int_equal(covey_listener_accept(l, &c, COVEY_FOREVER), -EACCES);
	assert_non_null(strstr(covey_errmsg(), "is of user 65534, not 0"));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	covey_listener_close(l);
}

/* And the other way: who connects is told where the listener is another's. */
static void a_listener_of_another_user_is_not_spoken_to(void **state)
{
	char address[CVY_ADDRESS_MAX];
	covey_listener *l;

	need_root("another user is tried, for which this must be root");
	assert_int_equal(covey_listener_open(&l, "unix:", NULL), 0);
	snprintf(address, sizeof address, "%s", covey_listener_address(l));
	assert_int_equal(as_another_user(connect_there, address), EACCES);
	covey_listener_close(l);
}

/* ---- another PID namespace */

/* In a namespace of its own, where process ids mean something else. */
static int join_from_elsewhere(int addresses)
{
	char address[CVY_ADDRESS_MAX] = "";
	covey_connection *c;
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID) < 0)
		return ROUND_CANNOT;
	pid = fork();
	if (pid != 0)
		return pid > 1 && waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : 2;
	if (read(addresses, address, sizeof address) <= 0)
		_exit(3);
	if (covey_join_family(&c, address, NULL, COVEY_FOREVER) != -EXDEV)
		_exit(4);
	_exit(strstr(covey_errmsg(), "another PID namespace") ? 0 : 5);
}

static void another_pid_namespace_is_refused(void **state)
{
	covey_connection *c;
	covey_listener *l;
	int ends[2], status;
	pid_t pid;

	need_root("a PID namespace is made, for which this must be root");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid = fork(); /* before there is a family, which it would have, too */
	if (pid == 0)
		_exit(join_from_elsewhere(ends[0]));
	assert_int_equal(covey_listener_open(&l, "unix:", &(covey_listener_opts){.invite = 1}), 0);
	assert_int_equal(write(ends[1], covey_listener_address(l), CVY_ADDRESS_MAX / 2),
	                 CVY_ADDRESS_MAX / 2);
	while (covey_listener_accept(l, &c, 50) != 0 && waitpid(pid, &status, WNOHANG) == 0)
		continue;
	HARNESS_EVENTUALLY(waitpid(pid, &status, WNOHANG) != 0);
	covey_connection_close(c);
	covey_listener_close(l);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(status, 0);
}

/* ---- programs that are executed, by processes that have everything open */

#define COUNT "count-what-is-open"

/* How many descriptors beside 0, 1 and 2 are open; which, on standard error. */
static int count_open(void)
{
	int n = 0;

	for (int fd = 3; fd < 512; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			char path[64], target[128] = "";

			snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
			if (readlink(path, target, sizeof target - 1) < 0)
				target[0] = '?';
			fprintf(stderr, "open: %d %s\n", fd, target);
			n++;
		}
	return n;
}

static char *const counting[] = {(char *)"counting", (char *)COUNT, NULL};

/* What a program that this process executes has open; no handlers of forks help here. */
static int leaked(void)
{
	pid_t pid;
	int status;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, counting, environ))
		return 100;
	return waitpid(pid, &status, 0) == pid ? WEXITSTATUS(status) : 101;
}

/* All that covey opens in a process. */
struct all {
	covey_queue q;
	covey_listener *l;
	covey_connection *there, *here;
	covey_pool *pool;
	covey_future *f;
	covey_process *child;
	pthread_t caller, selecter;
	int never, queue_fd, future_fd;
};

static void *call(void *context)
{
	struct all *all = context;

	covey_connect(&all->there, covey_listener_address(all->l), NULL, COVEY_FOREVER);
	return NULL;
}

static void *wait_in_select(void *context)
{
	struct all *all = context;
	covey_waitable things[] = {COVEY_GET(all->q), COVEY_READABLE(all->never)};

	covey_select(things, 2, COVEY_FOREVER);
	return NULL;
}

COVEY_PROCESS(wait_for_end, covey_queue, q)
{
	int n;

	covey_get(q, &n, COVEY_FOREVER);
	return 0;
}

COVEY_TASK(int, stay_until_end, covey_queue, q)
{
	int n;

	return covey_get(q, &n, COVEY_FOREVER);
}

/* 0, or the number of what did not work. */
static int open_all(struct all *all, covey_method method)
{
	memset(all, 0, sizeof *all);
	all->never = eventfd(0, EFD_CLOEXEC);
	if (covey_queue_create(&all->q, NULL) < 0)
		return 60;
	if (covey_start_args(&all->child, wait_for_end, (all->q), .method = method, .daemon = 1) <
	    0)
		return 61;
	if (covey_pool_open(&all->pool, &(covey_pool_opts){.workers = 2, .method = method}) < 0)
		return 62;
	all->f = covey_submit(all->pool, stay_until_end, all->q);
	all->future_fd = covey_future_fd(all->f);
	all->queue_fd = covey_queue_fd(all->q);
	if (all->future_fd < 0 || all->queue_fd < 0)
		return 63;
	if (covey_listener_open(&all->l, "unix:", NULL) < 0 ||
	    pthread_create(&all->caller, NULL, call, all) ||
	    covey_listener_accept(all->l, &all->here, COVEY_FOREVER) < 0)
		return 64;
	pthread_join(all->caller, NULL);
	if (pthread_create(&all->selecter, NULL, wait_in_select, all))
		return 65;
	return 0;
}

static void close_all(struct all *all)
{
	int n = 0;

	for (int i = 0; i < 3; i++)
		covey_put(all->q, &n, COVEY_FOREVER);
	covey_process_finish(&all->child, 1);
	covey_result(all->f, &n, COVEY_FOREVER);
	covey_fd_close(all->future_fd);
	covey_future_free(all->f);
	covey_pool_close(all->pool);
	covey_pool_join(all->pool, COVEY_FOREVER);
	pthread_join(all->selecter, NULL);
	covey_fd_close(all->queue_fd);
	covey_connection_close(all->here);
	covey_connection_close(all->there);
	covey_listener_close(all->l);
	covey_queue_destroy(all->q);
	close(all->never);
}

COVEY_PROCESS(count_leaked, int, passed)
{
	if (passed)
		fcntl(covey_process_passed_fd(0), F_SETFD, 0); /* by hand */
	return leaked() - passed;
}

COVEY_PROCESS(become_another, int, unused)
{
	(void)unused;
	execv("/proc/self/exe", counting);
	return 102;
}

/* A child that has everything open itself. */
COVEY_PROCESS(open_all_and_count, covey_method, method)
{
	struct all all;
	int rc = open_all(&all, method);

	if (rc == 0) {
		rc = leaked();
		close_all(&all);
	}
	return rc;
}

COVEY_TASK(int, count_leaked_in_worker, int, unused)
{
	(void)unused;
	return leaked();
}

static int ended_with(covey_process *p)
{
	int code;

	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	code = covey_process_exit_code(p);
	covey_process_free(p);
	return code;
}

static void nothing_leaks_into_programs(void **state)
{
	covey_method method = *(const covey_method *)*state;
	covey_process *p;
	covey_pool *pool;
	struct all all;
	int n = -1;

	for (int fd = 3; fd < 512; fd++)
		fcntl(fd, F_SETFD, FD_CLOEXEC); /* what the test itself was left */
	assert_int_equal(open_all(&all, method), 0);
	assert_int_equal(leaked(), 0);
	assert_int_equal(covey_start_args(&p, count_leaked, (0), .method = method), 0);
	assert_int_equal(ended_with(p), 0);
	assert_int_equal(covey_start_args(&p, count_leaked, (1), .method = method,
	                                  .fds = &all.never, .fds_count = 1, .daemon = 1,
	                                  .in = COVEY_NULL_DEVICE),
	                 0);
	assert_int_equal(ended_with(p), 0);
	assert_int_equal(covey_start_args(&p, become_another, (0), .method = method), 0);
	assert_int_equal(ended_with(p), 0);
	assert_int_equal(covey_start_args(&p, open_all_and_count, (method), .method = method), 0);
	assert_int_equal(ended_with(p), 0);
	assert_int_equal(covey_apply(all.pool, count_leaked_in_worker, &n, 0), 0);
	assert_int_equal(n, 0);
	/* A nursery that was started while all was open; with threads none is forked. */
	if (method != COVEY_FORK) {
		assert_int_equal(
			covey_pool_open(&pool, &(covey_pool_opts){.workers = 1, .method = method}),
			0);
		assert_int_equal(covey_apply(pool, count_leaked_in_worker, &n, 0), 0);
		assert_int_equal(n, 0);
		assert_int_equal(covey_pool_close(pool), 0);
		assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	}
	close_all(&all);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(the_arena_is_of_its_user_only),
	HARNESS_TEST(the_arena_is_in_no_core_dump),
	HARNESS_TEST(a_socket_in_a_folder_is_of_its_user_only),
	HARNESS_TEST(another_user_is_refused_by_the_listener),
	HARNESS_TEST(a_listener_of_another_user_is_not_spoken_to),
	HARNESS_TEST(another_pid_namespace_is_refused),
	HARNESS_TEST_BY_METHODS(nothing_leaks_into_programs),
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], COUNT) == 0)
		return count_open();
	covey_init(argc, argv);
	return harness_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
