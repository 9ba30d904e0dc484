/* SPDX-License-Identifier: MIT */
/* covey_process_start: the argument's way to the child, and the three methods. */
#include "process/internal.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* How often a start is tried again because the forkserver died during it. */
#define TRIES 4
/* How long a child that has closed its report socket may take to end, in ms. */
#define END_WAIT 10000

/* The forkserver of this process: a nursery of a fresh image, started at first use. */
static pthread_mutex_t server_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cvy_nursery *server;

void cvy_forkserver_forked(void)
{
	pthread_mutex_init(&server_lock, NULL); /* a thread of the parent may have held it */
	server = NULL;
}

void cvy_forkserver_close(void)
{
	pthread_mutex_lock(&server_lock);
	cvy_nursery_close(server);
	server = NULL;
	pthread_mutex_unlock(&server_lock);
}

/* 0 and a pidfd, -EPIPE where it has died. */
static int ask_forkserver(struct covey_process *p, int report_fd)
{
	int rc = 0;

	pthread_mutex_lock(&server_lock);
	if (!server)
		rc = cvy_nursery_open(&server, COVEY_FORKSERVER);
	else if (cvy_nursery_dead(server))
		rc = cvy_nursery_restart(server);
	if (rc == 0)
		rc = cvy_nursery_start(server, p->slot, report_fd);
	if (rc >= 0)
		p->server = cvy_nursery_serial(server);
	pthread_mutex_unlock(&server_lock);
	if (rc < 0)
		return rc;
	p->pidfd = rc;
	p->pid = atomic_load(&cvy_proc(p->slot)->pid);
	return 0;
}

int cvy_forkserver_runs(void)
{
	int pid;

	pthread_mutex_lock(&server_lock);
	pid = server && !cvy_nursery_dead(server) ? cvy_nursery_pid(server) : 0;
	pthread_mutex_unlock(&server_lock);
	return pid;
}

bool cvy_forkserver_lives(uint64_t serial)
{
	bool lives;

	if (!serial)
		return false;
	pthread_mutex_lock(&server_lock);
	lives = server && cvy_nursery_serial(server) == serial && !cvy_nursery_dead(server);
	pthread_mutex_unlock(&server_lock);
	return lives;
}

static int no_pidfd(const struct covey_process *p, int error)
{
	return cvy_fail(-error, "process '%s': its pidfd: %s", p->name, covey_strerror(error));
}

/* The pidfd of a child that this process has made. */
static int adopt(struct covey_process *p)
{
	p->pidfd = cvy_child_pidfd(p->pid);
	if (p->pidfd >= 0)
		return 0;
	cvy_child_discard(p->pid);
	return no_pidfd(p, p->pidfd);
}

static int fork_child(struct covey_process *p, const int ends[2], covey_process_fn *fn)
{
	int place = cvy_pidfd_place(), rc = 0;
	pid_t pid;

	if (place < 0)
		return no_pidfd(p, place);
	fflush(NULL); /* else the child would print what is buffered again */
	pid = fork();
	if (pid < 0)
		rc = cvy_fail(errno, "process '%s': fork: %s", p->name, covey_strerror(errno));
	close(place);
	if (pid == 0) {
		if (ends[0] >= 0)
			close(ends[0]);
		cvy_child_run(p->slot, p->generation, ends[1], fn);
	}
	p->pid = pid; /* not in the child, for which the page would be copied */
	return rc < 0 ? rc : adopt(p);
}

static int spawn_child(struct covey_process *p, const int ends[2])
{
	int place = cvy_pidfd_place(), rc;

	if (place < 0)
		return no_pidfd(p, place);
	rc = cvy_spawn_image(ROLE_CHILD, p->slot, ends[1], -1, p->name, &p->pid);
	close(place);
	return rc < 0 ? rc : adopt(p);
}

/* Says why a child ended without having run its function, once it has ended. */
static int failed_start(struct covey_process *p, const struct report *report)
{
	int status;

	if (covey_process_join(p, END_WAIT) < 0)
		covey_process_kill(p);
	covey_process_join(p, COVEY_FOREVER);
	if (report)
		return cvy_fail(report->error, "%.*s", (int)sizeof report->words, report->words);
	status = atomic_load(&p->status);
	if (WIFSIGNALED(status))
		return cvy_fail(EPIPE, "process '%s': killed by signal %d before it reached covey",
		                p->name, WTERMSIG(status));
	return cvy_fail(EPIPE, "process '%s': ended with exit code %d before it reached covey_init",
	                p->name, WEXITSTATUS(status));
}

/*
 * Whether a child of the forkserver that has ended, or is about to, did so
 * because the server died before it told the child to go on. If not, the server
 * records how it ended.
 */
static bool never_told(struct covey_process *p)
{
	struct cvy_proc *proc = cvy_proc(p->slot);

	while (atomic_load(&proc->state) == CVY_PROC_STARTING) {
		if (cvy_pidfd_ended(p->pidfd) && !cvy_forkserver_lives(p->server))
			return true;
		cvy_proc_await(proc, CVY_PROC_STARTING, cvy_now() + 5 * CVY_MS);
	}
	return false;
}

/* Waits for the child's word that it has reached its function. */
static int await_report(struct covey_process *p, covey_method method, int fd)
{
	struct report report;
	int fds[NURSERY_FDS], nfds, rc;

	cvy_await_message(fd, p->pidfd);
	rc = cvy_receive_fds(fd, &report, sizeof report, fds, &nfds);
	if (rc == sizeof report)
		return report.error ? failed_start(p, &report) : 0;
	if (method == COVEY_FORKSERVER && never_told(p)) {
		close(p->pidfd);
		p->pidfd = -1;
		return -EINPROGRESS;
	}
	return failed_start(p, NULL);
}

/* One try. -EINPROGRESS: the forkserver died before anything ran. */
static int try_start(struct covey_process *p, covey_method method, covey_process_fn *fn,
                     const struct handed *handed)
{
	int ends[2] = {-1, -1}, rc = 0;

	if ((method != COVEY_FORK || p->reports) &&
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return cvy_fail(errno, "process '%s': a socket: %s", p->name,
		                covey_strerror(errno));
	if (handed->count)
		rc = cvy_fds_send(handed, ends[0]);
	if (rc < 0)
		cvy_fail_in("process '%s': ", p->name);
	else if (method == COVEY_FORK)
		rc = fork_child(p, ends, fn);
	else if (method == COVEY_SPAWN)
		rc = spawn_child(p, ends);
	else
		rc = ask_forkserver(p, ends[1]);
	if (rc == -EPIPE &&
	    method == COVEY_FORKSERVER) /* the server; a child's death comes later */
		rc = -EINPROGRESS;
	if (ends[1] >= 0)
		close(ends[1]);
	if (rc == 0 && ends[0] >= 0)
		rc = await_report(p, method, ends[0]);
	if (ends[0] >= 0)
		close(ends[0]);
	return rc;
}

static int start(struct covey_process *p, covey_method method, covey_process_fn *fn,
                 const struct handed *handed)
{
	for (int i = 0; i < TRIES; i++) {
		int rc = try_start(p, method, fn, handed);

		if (rc != -EINPROGRESS)
			return rc;
	}
	return cvy_fail(EPIPE, "process '%s': the forkserver died %d times in a row", p->name,
	                TRIES);
}

/* ---- the argument */

/* What the dynamic linker tells may be relative to a folder that was left since. */
void cvy_module_path(char *path, size_t cap, covey_process_fn *fn, covey_fn value)
{
	uintptr_t address = (uintptr_t)fn, low, high;
	char line[PATH_MAX + 128];
	Dl_info info = {0};
	FILE *maps;
	int at;

	path[0] = 0;
	if (cvy_fn_is_program(value))
		return;
	if (!dladdr((void *)fn, &info) || !info.dli_fname || !strchr(info.dli_fname, '/'))
		return;
	snprintf(path, cap, "%s", info.dli_fname);
	if (path[0] == '/' || !(maps = fopen("/proc/self/maps", "re")))
		return;
	while (fgets(line, sizeof line, maps)) {
		at = 0;
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %n", &low, &high,
		           &at) == 2 &&
		    address >= low && address < high && line[at] == '/') {
			line[strcspn(line, "\n")] = 0;
			snprintf(path, cap, "%s", line + at);
			break;
		}
	}
	fclose(maps);
}

/*
 * Puts the argument into the slot, or into a region with, behind it, the path of
 * the module that the function comes from, should the child not have it loaded,
 * and what options change.
 */
static int place_argument(struct cvy_proc *proc, const char *path, const void *arg, size_t len,
                          const char *settings, size_t settings_len)
{
	size_t path_len = strlen(path) + 1;
	unsigned char *to;
	int rc;

	proc->arg_len = len;
	if (len <= sizeof proc->inline_arg && !path[0] && settings_len <= 1) {
		if (len)
			memcpy(proc->inline_arg, arg, len);
		return 0;
	}
	rc = cvy_region_alloc(&proc->arg, (uint64_t)len + path_len + settings_len);
	if (rc < 0)
		return cvy_fail_in("process '%s': its argument of %zu bytes: ", proc->name, len);
	to = cvy_at(proc->arg, len + path_len + settings_len);
	if (!to)
		return cvy_fail(EBADMSG, "process '%s': the arena is damaged", proc->name);
	if (len)
		memcpy(to, arg, len);
	memcpy(to + len, path, path_len);
	memcpy(to + len + path_len, settings, settings_len);
	return 0;
}

/* Not inlined, where its path would take a page of the stack that a fork has copied. */
static __attribute__((noinline)) int fill_argument(struct cvy_proc *proc, covey_process_fn *fn,
                                                   const void *arg, size_t len,
                                                   const covey_process_opts *opts,
                                                   const struct handed *handed)
{
	char path[PATH_MAX] = "", *settings = NULL;
	size_t settings_len = 0;
	int rc;

	if (proc->method != COVEY_FORK)
		cvy_module_path(path, sizeof path, fn, proc->fn);
	if (!cvy_settings_given(opts))
		return place_argument(proc, path, arg, len, "", 1);
	rc = cvy_settings_pack(opts, handed, &settings, &settings_len);
	if (rc < 0)
		return cvy_fail_in("process '%s': ", proc->name);
	rc = place_argument(proc, path, arg, len, settings, settings_len);
	free(settings);
	return rc;
}

/* ---- the call */

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
                   covey_process_fn *fn, const void *arg, size_t len, struct handed *handed)
{
	static _Atomic unsigned numbers;
	char name[COVEY_NAME_MAX + 1];
	struct cvy_proc *proc;
	covey_fn value;
	int rc;

	rc = covey_fn_make(&value, fn);
	if (rc == -ENOEXEC && method == COVEY_FORK)
		value = (covey_fn){0, 0}; /* it need not travel */
	else if (rc < 0)
		return cvy_fail_in("process '%s': ", opts->name ? opts->name : "");
	snprintf(name, sizeof name, "process-%u", atomic_fetch_add(&numbers, 1));
	rc = cvy_proc_new(opts->name ? opts->name : name, &p->slot);
	if (rc < 0)
		return rc;
	proc = cvy_proc(p->slot);
	memcpy(p->name, proc->name, sizeof p->name);
	p->generation = proc->generation;
	p->daemon = opts->daemon != 0;
	/* The thread that watches a daemon's parent may fail there, too. */
	p->reports = p->daemon || cvy_settings_given(opts);
	proc->fn = value;
	proc->method = (uint8_t)method;
	proc->daemon = p->daemon;
	if (cvy_fds_open(handed, opts) < 0)
		return cvy_fail_in("process '%s': ", p->name);
	if (len > PTRDIFF_MAX)
		return cvy_fail(EINVAL, "process '%s': an argument of %zu bytes is none",
		                proc->name, len);
	if (method == COVEY_FORK && !cvy_settings_given(opts))
		return place_argument(proc, "", arg, len, "", 1);
	return fill_argument(proc, fn, arg, len, opts, handed);
}

/* The method of a call; -errno in words where it is not to be had. */
static int choose_method(const covey_process_opts *opts)
{
	covey_method method = opts->method ? opts->method : covey_default_method();

	if (method < COVEY_FORK || method > COVEY_FORKSERVER)
		return cvy_fail(EINVAL, "process: %d is no start method", (int)method);
	if (method == COVEY_FORK || cvy_can_spawn())
		return (int)method;
	if (!opts->method && !cvy_program_method())
		return cvy_fail(ENOTSUP,
		                "process: this process has %d threads, where fork is not "
		                "safe: call covey_init(argc, argv) first in main, so that "
		                "forkserver can be used",
		                cvy_program_threads(INT_MAX));
	return cvy_cannot_spawn("process");
}

int covey_process_start_v(covey_process **out, covey_process_fn *fn, const void *arg, size_t len,
                          const covey_process_opts *given, size_t size)
{
	struct handed handed = {.count = 0};
	covey_process_opts opts;
	struct covey_process *p;
	int rc = cvy_options(&opts, sizeof opts, given, size, "process"), method;

	if (rc < 0)
		return rc;
	if (len && !arg)
		return cvy_fail(EINVAL, "process: no argument was given");
	method = choose_method(&opts);
	if (method < 0)
		return method;
	cvy_process_hook();
	cvy_children_sweep();
	p = malloc(sizeof *p); /* not calloc, which takes no block that was freed just before */
	if (!p)
		return cvy_fail(ENOMEM, "process: no memory for its handle");
	*p = (struct covey_process){.incarnation = cvy_incarnation(), .pidfd = -1, .status = -1};
	pthread_mutex_init(&p->lock, NULL);
	cvy_exit_install(); /* first: the child may call exit, too */
	rc = prepare(p, &opts, (covey_method)method, fn, arg, len, &handed);
	if (rc == 0)
		rc = start(p, (covey_method)method, fn, &handed);
	cvy_fds_close(&handed);
	if (rc < 0) {
		discard(p);
		return rc;
	}
	p->freed = !out;
	cvy_log(COVEY_LOG_INFO, "process '%s' (pid %d) started by %s", p->name, (int)p->pid,
	        covey_method_name((covey_method)method));
	if (out)
		*out = p;
	cvy_children_add(p); /* last: one that nobody holds may be swept at once */
	return 0;
}
