/* SPDX-License-Identifier: MIT */
/*
 * What a forkserver runs before it serves. The order lies in its socket before it is
 * started: the function and the lengths, and the bytes in a file without a name.
 */
#include "process/internal.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* bytes: the argument, then the path of its module. Constant once it is current. */
struct preload {
	struct preload_order order;
	unsigned char *bytes;
};

/* Guards current. The helper sets its own, so that forkservers of its children do the same. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct preload *current;

void cvy_preload_forked(void)
{
	pthread_mutex_init(&lock, NULL); /* a thread of the parent may have held it */
}

static void discard(struct preload *preload)
{
	if (!preload)
		return;
	free(preload->bytes);
	free(preload);
}

static void replace(struct preload *preload)
{
	struct preload *before;

	pthread_mutex_lock(&lock);
	before = current;
	current = preload;
	pthread_mutex_unlock(&lock);
	discard(before);
}

/* With room for bytes, which may be none; NULL where there is no memory. */
static struct preload *make(const struct preload_order *order)
{
	struct preload *preload = calloc(1, sizeof *preload);

	if (!preload)
		return NULL;
	preload->order = *order;
	preload->bytes = calloc(1, order->path_len + order->arg_len);
	if (preload->bytes)
		return preload;
	free(preload);
	return NULL;
}

int covey_forkserver_preload(covey_process_fn *fn, const void *arg, size_t len)
{
	struct preload_order order = {.arg_len = len};
	struct preload *preload;
	char path[PATH_MAX];
	int rc;

	if (len > PTRDIFF_MAX || (len && !arg))
		return cvy_fail(EINVAL, "forkserver: no argument of %zu bytes was given", len);
	cvy_process_hook();
	if (fn && !cvy_can_spawn())
		return cvy_cannot_spawn("forkserver");
	rc = cvy_forkserver_runs();
	if (rc)
		return cvy_fail(EBUSY,
		                "forkserver: it runs already (pid %d): say what it preloads before "
		                "the first start by forkserver",
		                rc);
	if (!fn) {
		replace(NULL);
		return 0;
	}
	rc = covey_fn_make(&order.fn, fn);
	if (rc < 0)
		return cvy_fail_in("forkserver: ");
	cvy_module_path(path, sizeof path, fn, order.fn);
	order.path_len = strlen(path) + 1;
	preload = make(&order);
	if (!preload)
		return cvy_fail(ENOMEM, "forkserver: no memory for an argument of %zu bytes", len);
	if (len)
		memcpy(preload->bytes, arg, len);
	memcpy(preload->bytes + len, path, order.path_len);
	replace(preload);
	return 0;
}

/* ---- its client */

/* A file without a name that holds the bytes; -errno. */
static int file_of(const struct preload *preload)
{
	size_t len = preload->order.path_len + preload->order.arg_len, at = 0;
	int fd = memfd_create("covey-preload", MFD_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (at < len) {
		n = pwrite(fd, preload->bytes + at, len - at, (off_t)at);
		if (n < 0 && errno != EINTR) {
			n = -errno;
			close(fd);
			return (int)n;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return fd;
}

int cvy_preload_send(int sock)
{
	int fd, rc;

	pthread_mutex_lock(&lock);
	if (!current) {
		pthread_mutex_unlock(&lock);
		return 0;
	}
	fd = rc = file_of(current);
	if (rc >= 0)
		rc = cvy_send_fds(sock, &current->order, sizeof current->order, &fd, 1);
	pthread_mutex_unlock(&lock);
	if (fd >= 0)
		close(fd);
	if (rc < 0)
		return cvy_fail(-rc, "forkserver: what it is to preload: %s", covey_strerror(rc));
	return 1;
}

/* How it died, in words; it is left to be reaped. */
static int told_by_death(int pidfd)
{
	siginfo_t info = {0};
	int rc;

	do
		rc = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOWAIT);
	while (rc < 0 && errno == EINTR);
	if (rc < 0 || !info.si_pid)
		return cvy_fail(EREMOTEIO, "forkserver: it ended in its preload function");
	if (info.si_code == CLD_EXITED)
		return cvy_fail(EREMOTEIO,
		                "forkserver: it ended with exit code %d in its preload function",
		                info.si_status);
	return cvy_fail(EREMOTEIO, "forkserver: killed by signal %d in its preload function",
	                info.si_status);
}

int cvy_preload_await(int sock, int pidfd)
{
	int fds[NURSERY_FDS], nfds, rc;
	struct report report;

	cvy_await_message(sock, pidfd);
	rc = cvy_receive_fds(sock, &report, sizeof report, fds, &nfds);
	if (rc != sizeof report)
		return told_by_death(pidfd);
	if (report.error)
		return cvy_fail(report.error, "%.*s", (int)sizeof report.words, report.words);
	return 0;
}

/* ---- the helper */

/*
 * Has the kernel kill this process should its client close its end, by dying too, since
 * the function may take for ever. A thread that watches would have to be gone by the
 * first fork.
 */
static void depend_on_client(int sock, bool on)
{
	struct pollfd hung_up = {.fd = sock};
	int flags = fcntl(sock, F_GETFL);

	if (on) {
		fcntl(sock, F_SETSIG, SIGKILL);
		fcntl(sock, F_SETOWN, getpid());
	}
	fcntl(sock, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC);
	if (on && poll(&hung_up, 1, 0) == 1)
		_exit(0);
}

/* Takes the order and sets it as this process's own. NULL in words. */
static const struct preload *take_order(int sock)
{
	struct preload_order order = {0};
	struct preload *preload;
	int fds[NURSERY_FDS], nfds = 0, rc;
	size_t at = 0, len;
	ssize_t n = 1;

	rc = cvy_receive_fds(sock, &order, sizeof order, fds, &nfds);
	preload = rc == sizeof order && nfds == 1 ? make(&order) : NULL;
	len = order.path_len + order.arg_len;
	while (preload && at < len && n != 0) {
		n = pread(fds[0], preload->bytes + at, len - at, (off_t)at);
		at += n > 0 ? (size_t)n : 0;
	}
	for (int i = 0; i < nfds; i++)
		close(fds[i]);
	if (preload && at == len && len > order.arg_len && preload->bytes[len - 1] == 0) {
		replace(preload);
		return preload;
	}
	discard(preload);
	cvy_fail(ENOMEM, "forkserver: it has no memory for what it is to preload");
	return NULL;
}

/* The function's own work. 0, or -errno in words. */
static int run(const struct preload *preload)
{
	const char *path = (const char *)preload->bytes + preload->order.arg_len;
	covey_process_fn *fn;
	int rc;

	fn = (covey_process_fn *)cvy_find_function(preload->order.fn, path);
	if (!fn)
		return cvy_fail_in("forkserver: ");
	rc = fn(preload->order.arg_len ? preload->bytes : NULL, preload->order.arg_len);
	fflush(NULL); /* else each child would print it again */
	if (rc)
		return cvy_fail(EREMOTEIO, "forkserver: its preload function returned %d", rc);
	rc = cvy_program_threads(INT_MAX);
	if (rc > 1)
		return cvy_fail(EREMOTEIO,
		                "forkserver: its preload function left %d threads, where fork is "
		                "not safe: have them end first",
		                rc - 1);
	return 0;
}

void cvy_preload_run(int sock)
{
	const struct preload *preload = take_order(sock);
	struct report report = {0};
	int rc = preload ? 0 : covey_errcode();

	cvy_self_call("forkserver");
	depend_on_client(sock, true);
	if (rc == 0)
		rc = run(preload);
	depend_on_client(sock, false);
	if (rc < 0) {
		cvy_report_failure(sock, rc);
		_exit(1);
	}
	if (cvy_send_fds(sock, &report, sizeof report, NULL, 0) < 0)
		_exit(0);
}
