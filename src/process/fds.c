/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of the starter in the child: standard input, output and error, and
 * those of .fds. The starter opens files, and puts all into the child's report
 * socket before the child is there, which takes them from it under every method.
 */
#include "process/internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <unistd.h>

static const char *const streams[3] = {"in", "out", "err"};

/* ---- the starter's side */

bool cvy_fds_given(const covey_process_opts *opts)
{
	return opts->in.kind || opts->out.kind || opts->err.kind || opts->fds_count;
}

static int check_fd(int fd, const char *what, int number)
{
	if (fcntl(fd, F_GETFD) >= 0)
		return 0;
	if (number < 0)
		return cvy_fail(EBADF, "%s: descriptor %d is not open", what, fd);
	return cvy_fail(EBADF, "%s: descriptor %d, the one at %d, is not open", what, fd, number);
}

static int open_file(struct handed *handed, const char *stream, const char *path, int flags)
{
	int fd;

	if (!path)
		return cvy_fail(EINVAL, "%s: a file, but no path was given", stream);
	fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0666);
	if (fd < 0)
		return cvy_fail(errno, "%s: '%s': %s", stream, path, covey_strerror(errno));
	handed->fds[handed->count++] = fd;
	handed->opened |= 1 << (handed->count - 1);
	return 0;
}

static int open_stream(struct handed *handed, int i, const covey_stdio *stdio)
{
	int writing = O_WRONLY | O_CREAT, rc;

	handed->place[i] = handed->count;
	switch (stdio->kind) {
	case COVEY_STDIO_INHERIT:
		handed->place[i] = HANDED_NOT;
		return 0;
	case COVEY_STDIO_NULL:
		return open_file(handed, streams[i], "/dev/null", i ? O_WRONLY : O_RDONLY);
	case COVEY_STDIO_FD:
		rc = check_fd(stdio->fd, streams[i], -1);
		if (rc == 0)
			handed->fds[handed->count++] = stdio->fd;
		return rc;
	case COVEY_STDIO_FILE:
		return open_file(handed, streams[i], stdio->path, i ? writing | O_TRUNC : O_RDONLY);
	case COVEY_STDIO_APPEND:
		if (i)
			return open_file(handed, streams[i], stdio->path, writing | O_APPEND);
		break;
	case COVEY_STDIO_OUT:
		handed->place[i] = HANDED_OUT;
		if (i == 2)
			return 0;
		break;
	}
	return cvy_fail(EINVAL, "%s: kind %d is none for it", streams[i], (int)stdio->kind);
}

static int add_fds(struct handed *handed, const covey_process_opts *opts)
{
	if (opts->fds_count < 0 || opts->fds_count > COVEY_FDS_MAX ||
	    (opts->fds_count && !opts->fds))
		return cvy_fail(EINVAL, "fds: %d of them are not between 0 and %d, or no array",
		                opts->fds_count, COVEY_FDS_MAX);
	for (int i = 0; i < opts->fds_count; i++) {
		int rc = check_fd(opts->fds[i], "fds", i);

		if (rc < 0)
			return rc;
		handed->fds[handed->count++] = opts->fds[i];
	}
	return 0;
}

int cvy_fds_open(struct handed *handed, const covey_process_opts *opts)
{
	const covey_stdio *stdio[3] = {&opts->in, &opts->out, &opts->err};
	int rc = 0;

	handed->count = handed->opened = 0;
	for (int i = 0; rc == 0 && i < 3; i++)
		rc = open_stream(handed, i, stdio[i]);
	if (rc == 0)
		rc = add_fds(handed, opts);
	if (rc < 0)
		cvy_fds_close(handed);
	return rc;
}

void cvy_fds_close(struct handed *handed)
{
	for (int i = 0; i < 3; i++)
		if (handed->opened & 1 << i)
			close(handed->fds[i]);
	handed->opened = handed->count = 0;
}

int cvy_fds_send(const struct handed *handed, int sock)
{
	for (int i = 0; i < handed->count; i += NURSERY_FDS) {
		int n = handed->count - i < NURSERY_FDS ? handed->count - i : NURSERY_FDS;
		int rc = cvy_send_fds(sock, "", 1, handed->fds + i, n);

		if (rc == -ETOOMANYREFS) /* more under way than this user may open */
			rc = -EMFILE;
		if (rc < 0)
			return cvy_fail(-rc, "fds: %d descriptors cannot be handed over: %s",
			                handed->count, covey_strerror(rc));
	}
	return 0;
}

/* ---- the child's side */

static int passed[COVEY_FDS_MAX];
static int passed_count;

void cvy_fds_none(void)
{
	passed_count = 0;
}

int covey_process_passed_fd(int i)
{
	if (i < 0 || i >= passed_count)
		return cvy_fail(EBADF,
		                "process: it was started with %d in .fds: there is none at %d",
		                passed_count, i);
	return passed[i];
}

/* Moves a descriptor off the place of stdin, stdout and stderr. */
static int off_stdio(int *fd)
{
	int low = *fd;

	if (low < 0 || low > STDERR_FILENO)
		return 0;
	*fd = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (*fd >= 0) {
		close(low);
		return 0;
	}
	*fd = low;
	return cvy_fail(errno, "fds: moving a descriptor: %s", covey_strerror(errno));
}

static int receive(int sock, int *fds, int count)
{
	for (int i = 0, got; i < count; i += got) {
		int few[NURSERY_FDS], most = count - i < NURSERY_FDS ? count - i : NURSERY_FDS, rc;
		char byte;

		rc = cvy_receive_fds(sock, &byte, 1, few, &got);
		if (rc < 0)
			return cvy_fail(-rc, "fds: %s", covey_strerror(rc));
		if (got != most)
			return cvy_fail(EMFILE, "fds: the process may not open %d descriptors more",
			                count);
		for (int k = 0; k < got; k++) {
			fds[i + k] = few[k];
			rc = off_stdio(&fds[i + k]);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* Puts a copy of fd in the place of stdin, stdout or stderr. */
static int redirect(int i, int fd)
{
	FILE *const files[3] = {stdin, stdout, stderr};

	if (dup2(fd, i) < 0)
		return cvy_fail(errno, "%s: %s", streams[i], covey_strerror(errno));
	/* What is buffered there is of what it was before. */
	__fpurge(files[i]);
	clearerr(files[i]);
	return 0;
}

int cvy_fds_take(int *sock, int count, const int place[3])
{
	int fds[3 + COVEY_FDS_MAX], used = 0, rc;

	if (count < 0 || count > 3 + COVEY_FDS_MAX)
		return cvy_fail(EBADMSG, "fds: the arena is damaged");
	rc = off_stdio(sock);
	if (rc == 0)
		rc = receive(*sock, fds, count);
	for (int i = 0; rc == 0 && i < 3; i++) {
		if (place[i] == HANDED_OUT) {
			rc = redirect(i, STDOUT_FILENO);
		} else if (place[i] >= 0 && place[i] < count) {
			rc = redirect(i, fds[place[i]]);
			close(fds[place[i]]);
			used++;
		}
	}
	for (int i = used; rc == 0 && i < count && passed_count < COVEY_FDS_MAX; i++)
		passed[passed_count++] = fds[i];
	return rc;
}
