/* SPDX-License-Identifier: MIT */
/* Which process this is, and what can be known of others by pid and pidfd. */
#include "base/base.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HOOKS_MAX 16
#define STACK_LEAST (256 * 1024)
#define FLAG_EXITING 0x4UL /* of a thread's flags in /proc: the kernel's PF_EXITING */

__thread uint32_t cvy_tid_cache;

static _Atomic uint32_t incarnation = 1;
static void (*hooks[HOOKS_MAX])(void);
static _Atomic int hook_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void in_forked_child(void)
{
	cvy_tid_cache = 0;
	atomic_fetch_add_explicit(&incarnation, 1, memory_order_relaxed);
	for (int i = 0; i < atomic_load(&hook_count); i++)
		hooks[i]();
}

static void install(void)
{
	pthread_atfork(NULL, NULL, in_forked_child);
}

uint32_t cvy_incarnation(void)
{
	pthread_once(&once, install);
	return atomic_load_explicit(&incarnation, memory_order_relaxed);
}

uint32_t cvy_tid_fetch(void)
{
	pthread_once(&once, install); /* before the cache is filled: a fork must empty it */
	cvy_tid_cache = (uint32_t)syscall(SYS_gettid);
	return cvy_tid_cache;
}

void cvy_at_fork_child(void (*fn)(void))
{
	int n = atomic_fetch_add(&hook_count, 1);

	pthread_once(&once, install);
	if (n >= HOOKS_MAX)
		abort();
	hooks[n] = fn;
}

ssize_t cvy_read_text(const char *path, char *buf, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	do
		n = read(fd, buf, cap - 1);
	while (n < 0 && errno == EINTR);
	close(fd);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* A field of a stat file of /proc, numbered as in proc(5), from 3; NULL where it is not there. */
static const char *field_of(const char *stat, int number)
{
	/* The command, in parentheses, may hold anything; field 3 begins after the last one. */
	const char *p = strrchr(stat, ')');

	for (int field = 2; p && field < number; field++)
		p = strchr(p + 1, ' ');
	return p ? p + 1 : NULL;
}

uint64_t cvy_start_time(pid_t pid)
{
	char path[48], stat[1024];
	const char *p;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (cvy_read_text(path, stat, sizeof stat) <= 0)
		return 0;
	p = field_of(stat, 22);
	return p ? strtoull(p, NULL, 10) : 0;
}

uint64_t cvy_ticks(void)
{
	static _Atomic uint64_t known;
	uint64_t hz = atomic_load_explicit(&known, memory_order_relaxed);
	struct timespec now;

	if (!hz) {
		hz = (uint64_t)sysconf(_SC_CLK_TCK);
		atomic_store_explicit(&known, hz, memory_order_relaxed);
	}
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * hz + (uint64_t)now.tv_nsec / (1000000000 / hz);
}

int cvy_pidfd_open(pid_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

int cvy_pidfd_signal(int pidfd, int signal)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

/*
 * Of one that is not reaped yet: as /proc tells. The pid is still its own where the
 * pidfd can be signalled after.
 */
static int status_unreaped(int pidfd, pid_t pid)
{
	char path[48], stat[1024];
	const char *p;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (cvy_read_text(path, stat, sizeof stat) <= 0)
		return -1;
	p = strrchr(stat, ')');
	if (!p || strncmp(p, ") Z ", 4) != 0)
		return -1;
	for (int field = 2; p && field < 52; field++)
		p = strchr(p + 1, ' ');
	return p && cvy_pidfd_signal(pidfd, 0) == 0 ? atoi(p + 1) : -1;
}

/* What the kernel keeps for a pidfd after (linux/pidfd.h of 6.15; older headers lack it). */
struct exit_info {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
#define GET_INFO _IOWR(0xFF, 11, struct exit_info)
#define INFO_EXIT (UINT64_C(1) << 3)

int cvy_pidfd_status(int pidfd, pid_t pid)
{
	struct exit_info info = {.mask = INFO_EXIT};
	int status = status_unreaped(pidfd, pid);

	if (status >= 0)
		return status;
	if (ioctl(pidfd, GET_INFO, &info) < 0 || !(info.mask & INFO_EXIT))
		return -1;
	return info.exit_code;
}

int cvy_pidfd_ended(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	int n;

	do
		n = cvy_poll(&poll_fd, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

int cvy_thread_start(pthread_t *thread, bool quiet, void *(*run)(void *), void *context)
{
	sigset_t all, before;
	pthread_attr_t attr;
	size_t stack;
	int error = pthread_attr_init(&attr);

	if (error)
		return error;
	if (pthread_attr_getstacksize(&attr, &stack) == 0 && stack < STACK_LEAST)
		pthread_attr_setstacksize(&attr, STACK_LEAST);
	sigfillset(&all);
	if (quiet)
		pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, &attr, run, context);
	if (quiet)
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return error;
}

/* Whether a thread has begun to end: one that was joined is listed for a moment longer. */
static bool is_ending(const char *tid)
{
	char path[64], stat[1024];
	const char *p;

	snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", tid);
	if (cvy_read_text(path, stat, sizeof stat) <= 0)
		return true;
	p = field_of(stat, 9);
	return p && (strtoul(p, NULL, 10) & FLAG_EXITING);
}

int cvy_thread_count(int enough)
{
	char status[4096];
	const char *p;
	struct dirent *entry;
	DIR *tasks;
	int n, living = 0;

	if (__libc_single_threaded)
		return 1;
	/* Where /proc is missing: it has had others, and may have them still. */
	if (cvy_read_text("/proc/self/status", status, sizeof status) <= 0)
		return 2;
	p = strstr(status, "\nThreads:");
	n = p ? atoi(p + 9) : 1;
	tasks = n > 1 ? opendir("/proc/self/task") : NULL;
	if (!tasks)
		return n > 0 ? n : 1;
	while (living < enough && (entry = readdir(tasks)))
		living += entry->d_name[0] != '.' && !is_ending(entry->d_name);
	closedir(tasks);
	return living > 0 ? living : 1;
}
