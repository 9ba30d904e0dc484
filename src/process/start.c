/* SPDX-License-Identifier: MIT */
/* covey_process_start: the argument's way to the child, and the three methods. */
#include "process/internal.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Puts the argument into the slot, or into a region with, behind it, the path of
 * the module that the function comes from, should the child not have it loaded.
 */
static int fill_argument(struct cvy_proc *proc, covey_process_fn *fn, const void *arg, size_t len,
                         covey_method method)
{
	Dl_info info = {0};
	const char *path = "";
	unsigned char *to;
	int rc;

	if (method != COVEY_FORK && dladdr((void *)fn, &info) && info.dli_fname)
		path = info.dli_fname;
	proc->arg_len = len;
	if (len <= sizeof proc->inline_arg &&
	    (method == COVEY_FORK || !strchr(path, '/') || cvy_fn_is_program(proc->fn))) {
		if (len)
			memcpy(proc->inline_arg, arg, len);
		return 0;
	}
	rc = cvy_region_alloc(&proc->arg, (uint64_t)len + strlen(path) + 1);
	if (rc < 0)
		return cvy_fail_in("process '%s': its argument of %zu bytes: ", proc->name, len);
	to = cvy_at(proc->arg, len + strlen(path) + 1);
	if (!to)
		return cvy_fail(EBADMSG, "process '%s': the arena is damaged", proc->name);
	if (len)
		memcpy(to, arg, len);
	memcpy(to + len, path, strlen(path) + 1);
	return 0;
}

static int start_fork(struct covey_process *p)
{
	int rc;

	fflush(NULL); /* else the child would print what is buffered again */
	p->pid = fork();
	if (p->pid < 0)
		return cvy_fail(errno, "process '%s': fork: %s", p->name, covey_strerror(errno));
	if (p->pid == 0)
		cvy_child_run(p->slot, -1);
	p->own = true;
	/* Not reaped by us before this: the pid is its own. Unless the program reaps all. */
	p->pidfd = cvy_pidfd_open(p->pid);
	if (p->pidfd < 0) {
		rc = p->pidfd;
		kill(p->pid, SIGKILL); /* the child's, since nobody has reaped it */
		waitpid(p->pid, NULL, 0);
		return cvy_fail(-rc, "process '%s': its pidfd: %s", p->name, covey_strerror(rc));
	}
	return 0;
}

/* Waits for the child's word that it has reached its function; else says why it has not. */
static int await_report(struct covey_process *p, int fd)
{
	struct cvy_proc *proc = cvy_proc(p->slot);
	ssize_t n;
	char byte;
	int status;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return 0;
	covey_process_join(p, 10000);
	if (proc->error)
		return cvy_fail(proc->error, "%.*s", (int)sizeof proc->words, proc->words);
	status = atomic_load(&p->status);
	if (status != -1 && WIFSIGNALED(status))
		return cvy_fail(EPIPE, "process '%s': killed by signal %d before it reached covey",
		                p->name, WTERMSIG(status));
	return cvy_fail(EPIPE, "process '%s': ended with exit code %d before it reached covey_init",
	                p->name, status != -1 ? WEXITSTATUS(status) : -1);
}

static int start_spawn(struct covey_process *p)
{
	int ends[2], rc;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return cvy_fail(errno, "process '%s': a pipe: %s", p->name, covey_strerror(errno));
	rc = cvy_spawn_image(ROLE_CHILD, p->slot, ends[1], -1, p->name, &p->pid);
	close(ends[1]);
	if (rc == 0) {
		p->own = true;
		p->pidfd = cvy_pidfd_open(p->pid);
		if (p->pidfd < 0) {
			rc = cvy_fail(-p->pidfd, "process '%s': its pidfd: %s", p->name,
			              covey_strerror(p->pidfd));
			kill(p->pid, SIGKILL);
			waitpid(p->pid, NULL, 0);
		} else {
			rc = await_report(p, ends[0]);
		}
	}
	close(ends[0]);
	return rc;
}

/* The forkserver of this process: a nursery of a fresh image, started at first use. */
static pthread_mutex_t server_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cvy_nursery *server;
static uint32_t server_incarnation;

static int start_forkserver(struct covey_process *p)
{
	struct cvy_proc *proc = cvy_proc(p->slot);
	int ends[2], rc = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return cvy_fail(errno, "process '%s': a pipe: %s", p->name, covey_strerror(errno));
	pthread_mutex_lock(&server_lock);
	if (server_incarnation != cvy_incarnation()) {
		server = NULL; /* the parent's, if any: its sockets are closed at fork */
		server_incarnation = cvy_incarnation();
	}
	if (!server)
		rc = cvy_nursery_open(&server, COVEY_FORKSERVER);
	if (rc == 0) {
		rc = cvy_nursery_start(server, p->slot, ends[1]);
		if (rc == -EPIPE && cvy_nursery_restart(server) == 0)
			rc = cvy_nursery_start(server, p->slot, ends[1]);
	}
	pthread_mutex_unlock(&server_lock);
	close(ends[1]);
	if (rc >= 0) {
		p->pidfd = rc;
		p->pid = atomic_load(&proc->pid);
		rc = await_report(p, ends[0]);
	}
	close(ends[0]);
	return rc;
}

static void discard(struct covey_process *p)
{
	if (p->pidfd >= 0)
		close(p->pidfd);
	if (p->slot)
		cvy_proc_free(p->slot);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static int prepare(struct covey_process *p, const covey_process_opts *opts, covey_method method,
                   covey_process_fn *fn, const void *arg, size_t len)
{
	static _Atomic unsigned numbers;
	char name[COVEY_NAME_MAX + 1];
	struct cvy_proc *proc;
	covey_fn value;
	int rc;

	rc = covey_fn_make(&value, fn);
	if (rc < 0)
		return cvy_fail_in("process '%s': ", opts->name ? opts->name : "");
	snprintf(name, sizeof name, "process-%u", atomic_fetch_add(&numbers, 1));
	rc = cvy_proc_new(opts->name ? opts->name : name, &p->slot);
	if (rc < 0)
		return rc;
	proc = cvy_proc(p->slot);
	memcpy(p->name, proc->name, sizeof p->name);
	p->generation = proc->generation;
	p->daemon = opts->daemon != 0;
	proc->fn = value;
	proc->method = (uint8_t)method;
	proc->daemon = p->daemon;
	return fill_argument(proc, fn, arg, len, method);
}

int covey_process_start_v(covey_process **out, covey_process_fn *fn, const void *arg, size_t len,
                          const covey_process_opts *given, size_t size)
{
	covey_process_opts opts;
	struct covey_process *p;
	covey_method method;
	int rc = cvy_options(&opts, sizeof opts, given, size, "process");

	if (rc < 0)
		return rc;
	if (len && !arg)
		return cvy_fail(EINVAL, "process: no argument was given");
	method = opts.method ? opts.method : covey_default_method();
	if (method < COVEY_FORK || method > COVEY_FORKSERVER)
		return cvy_fail(EINVAL, "process: %d is no start method", (int)method);
	if (method != COVEY_FORK && !cvy_can_spawn()) {
		if (!opts.method && cvy_program_threads() > 1)
			return cvy_fail(ENOTSUP,
			                "process: this process has %d threads, where fork is not "
			                "safe: call covey_init(argc, argv) first in main, so that "
			                "forkserver can be used",
			                cvy_program_threads());
		return cvy_fail(ENOTSUP,
		                "process: %s needs covey_init(argc, argv) as the first "
		                "call in main",
		                covey_method_name(method));
	}
	cvy_children_sweep();
	p = calloc(1, sizeof *p);
	if (!p)
		return cvy_fail(ENOMEM, "process: no memory for its handle");
	pthread_mutex_init(&p->lock, NULL);
	p->incarnation = cvy_incarnation();
	p->pidfd = -1;
	atomic_store(&p->status, -1);
	rc = prepare(p, &opts, method, fn, arg, len);
	if (rc == 0)
		rc = method == COVEY_FORK    ? start_fork(p)
		     : method == COVEY_SPAWN ? start_spawn(p)
		                             : start_forkserver(p);
	if (rc < 0) {
		discard(p);
		return rc;
	}
	cvy_exit_install();
	p->freed = !out;
	cvy_children_add(p);
	cvy_log(COVEY_LOG_INFO, "process '%s' (pid %d) started by %s", p->name, (int)p->pid,
	        covey_method_name(method));
	if (out)
		*out = p;
	return 0;
}
