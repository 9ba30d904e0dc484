/* SPDX-License-Identifier: MIT */
/* Which process this is, and what can be known of others by pid and pidfd. */
#include "base/base.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HOOKS_MAX 16

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

uint64_t cvy_start_time(pid_t pid)
{
	char path[48], stat[1024];
	const char *p;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (cvy_read_text(path, stat, sizeof stat) <= 0)
		return 0;
	/* The command, in parentheses, may hold anything; field 3 begins after the last one. */
	p = strrchr(stat, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
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

int cvy_pidfd_ended(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	int n;

	do
		n = poll(&poll_fd, 1, 0);
	while (n < 0 && errno == EINTR);
	return n == 1;
}

int cvy_thread_count(void)
{
	char status[4096];
	const char *p;
	int n;

	if (cvy_read_text("/proc/self/status", status, sizeof status) <= 0)
		return 1;
	p = strstr(status, "\nThreads:");
	n = p ? atoi(p + 9) : 1;
	return n > 0 ? n : 1;
}
