/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/internal.h"

#define NO_WORDS "nobody has said anything"

static int failed, wrong, open_before;

/* ---- calls */

void script_mark(void)
{
	cvy_fail(ENODATA, NO_WORDS);
}

static void complain(const char *call, int64_t rc, const char *why)
{
	fprintf(stderr, "%s: %s: %lld, \"%s\"\n", call, why, (long long)rc, covey_errmsg());
	wrong++;
}

bool script_says(int64_t rc, const char *call, bool may_fail)
{
	if (rc >= 0)
		return true;
	failed++;
	if (getenv("SCRIPT_TELL"))
		fprintf(stderr, "%s: %s\n", call, covey_errmsg());
	if (rc != covey_errcode() || !covey_errmsg()[0] || strcmp(covey_errmsg(), NO_WORDS) == 0)
		complain(call, rc, "no words");
	else if (!may_fail)
		complain(call, rc, "may not fail");
	return false;
}

/* ---- rounds */

static int count_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

void script_begin(void)
{
	open_before = count_open();
}

bool run_round(round_fn *fn, const void *context, const char *what, long number)
{
	pid_t pid;
	int status;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		script_begin();
		fn(context);
		_exit(9); /* it is to come to script_end */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status && status != ROUND_CANNOT << 8)
		fail_msg("%s %ld: ended with %s %d", what, number,
		         WIFSIGNALED(status) ? "signal" : "exit code",
		         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return !status;
}

void script_end(int kept)
{
	covey_usage usage;
	int left;

	cvy_forkserver_close();
	left = count_open() - open_before - cvy_family_exists() - kept;
	if (left) {
		fprintf(stderr, "%d descriptors are left\n", left);
		wrong++;
	}
	if (cvy_family_exists()) {
		MUST(covey_usage_get(&usage));
		if (usage.objects || usage.processes > 1) {
			fprintf(stderr, "%llu objects, %llu processes are left\n",
			        (unsigned long long)usage.objects,
			        (unsigned long long)usage.processes);
			wrong++;
		}
	}
	if (wrong)
		_exit(1);
	exit(0);
}

/* ---- the parts */

COVEY_PROCESS(return_it, int, code)
{
	return code;
}

COVEY_TASK(int, twice, int, n)
{
	return 2 * n;
}

static void process(covey_method method)
{
	covey_process *p;
	int code;

	if (!TRY(covey_start_args(&p, return_it, (5), .method = method)))
		return;
	MUST(covey_process_join(p, COVEY_FOREVER));
	code = covey_process_exit_code(p);
	/* One that was forked does not report before it runs. */
	if (code != 5 && (method != COVEY_FORK || code != 127))
		complain("covey_process_exit_code", code, "not what it returned");
	covey_process_free(p);
}

/* Daemons, descriptors and folders need more than a plain process. */
static void process_with_more(covey_method method)
{
	covey_process *p;
	int fd = 1;

	if (!TRY(covey_start_args(&p, return_it, (6), .method = method, .daemon = 1, .cwd = "/",
	                          .out = COVEY_NULL_DEVICE, .fds = &fd, .fds_count = 1)))
		return;
	MUST(covey_process_join(p, COVEY_FOREVER));
	if (covey_process_exit_code(p) != 6)
		complain("covey_process_exit_code", covey_process_exit_code(p), "not what it is");
	covey_process_free(p);
}

static void pool(covey_pool_kind kind, covey_method method, int renewed)
{
	covey_pool *pool;
	int n = 0;

	if (!TRY(covey_pool_open(&pool, &(covey_pool_opts){.name = "script",
	                                                   .kind = kind,
	                                                   .method = method,
	                                                   .max_tasks_per_worker = renewed,
	                                                   .workers = 2})))
		return;
	for (int i = 0; i < 3; i++)
		if (TRY(covey_apply(pool, twice, &n, 21)) && n != 42)
			complain("covey_apply", n, "a wrong result");
	MUST(covey_pool_close(pool));
	MUST(covey_pool_join(pool, COVEY_FOREVER));
}

/* It finds nothing ready, or says why it cannot wait. */
static void select_nothing(covey_waitable *things, int n)
{
	int rc;

	script_mark();
	rc = covey_select(things, n, 1);
	if (rc != -ETIMEDOUT)
		script_says(rc, "covey_select", true);
	if (rc >= 0)
		complain("covey_select", rc, "nothing is ready");
}

static void select_with_a_descriptor(covey_queue q)
{
	int event = eventfd(0, EFD_CLOEXEC), n = 7;
	covey_waitable things[] = {COVEY_GET(q), COVEY_READABLE(event)};

	if (event >= 0) {
		select_nothing(things, 2);
		if (TRY(covey_put(q, &n, 0))) {
			TRY(covey_select(things, 2, COVEY_FOREVER));
			MUST(covey_get(q, &n, 0));
		}
		close(event);
	}
	select_nothing(things, 1);
}

static void queue(void)
{
	covey_queue q;
	int fd;

	if (!TRY(covey_queue_create(&q, NULL)))
		return;
	script_mark();
	fd = covey_queue_fd(q);
	script_says(fd, "covey_queue_fd", true);
	select_with_a_descriptor(q);
	if (fd >= 0)
		MUST(covey_fd_close(fd));
	MUST(covey_queue_destroy(q));
}

/* ---- the net: who connects does so in a thread */

struct caller {
	char address[128]; /* the listener may be closed first */
	const covey_connect_opts *opts;
	covey_connection *connection;
	_Atomic int rc;
};

static void *call(void *context)
{
	struct caller *caller = context;
	int rc;

	script_mark();
	rc = covey_connect(&caller->connection, caller->address, caller->opts, COVEY_FOREVER);
	script_says(rc, "covey_connect", true);
	atomic_store(&caller->rc, rc);
	return NULL;
}

static void meet(covey_listener *l, const covey_connect_opts *opts)
{
	struct caller caller = {.opts = opts, .rc = 1};
	covey_connection *c = NULL;
	pthread_t thread;
	char byte = 1;
	int rc;

	snprintf(caller.address, sizeof caller.address, "%s", covey_listener_address(l));
	if (pthread_create(&thread, NULL, call, &caller)) {
		covey_listener_close(l);
		return;
	}
	do {
		script_mark();
		rc = covey_listener_accept(l, &c, 20);
	} while (rc == -ETIMEDOUT && atomic_load(&caller.rc) >= 0);
	if (rc != -ETIMEDOUT)
		script_says(rc, "covey_listener_accept", true);
	if (rc < 0)
		covey_listener_close(l);
	pthread_join(thread, NULL);
	if (rc >= 0 && atomic_load(&caller.rc) == 0 &&
	    TRY(covey_connection_send(c, &byte, 1, COVEY_FOREVER)))
		TRY(covey_connection_receive(caller.connection, &byte, 1, COVEY_FOREVER));
	if (atomic_load(&caller.rc) == 0)
		covey_connection_close(caller.connection);
	if (rc >= 0) {
		covey_connection_close(c);
		covey_listener_close(l);
	}
}

static void net(void)
{
	covey_listener_opts opts = {.key = "sixteen bytes or more", .key_len = 21};
	covey_connect_opts same = {.key = opts.key, .key_len = opts.key_len};
	covey_listener *l;

	if (TRY(covey_listener_open(&l, "unix:", &(covey_listener_opts){.invite = 1})))
		meet(l, &(covey_connect_opts){0});
	if (TRY(covey_listener_open(&l, "tcp:127.0.0.1:0", &opts)))
		meet(l, &same);
}

/* ---- sleeping until another comes */

COVEY_PROCESS(pass_all, covey_queue, q, covey_semaphore, s, covey_event, e, covey_queue, back)
{
	int n;

	if (covey_get(q, &n, COVEY_FOREVER) < 0 || covey_semaphore_acquire(s, COVEY_FOREVER) < 0 ||
	    covey_event_wait(e, COVEY_FOREVER) < 0)
		return 1;
	covey_semaphore_release(s, 1);
	return covey_put(back, &n, COVEY_FOREVER) < 0 ? 2 : 0;
}

static bool sleeps_or_ended(covey_process *p)
{
	return access("/proc/self/stat", R_OK) < 0 || harness_asleep(covey_process_pid(p)) ||
	       !covey_process_alive(p);
}

/* A child that sleeps three times; its parent sleeps meanwhile for what it sends. */
static void wake(covey_process *p, covey_queue q, covey_semaphore s, covey_event e,
                 covey_queue back, covey_method method)
{
	covey_waitable things[] = {COVEY_GET(back), COVEY_ENDED(p)};
	int n = 3, code;

	HARNESS_EVENTUALLY(sleeps_or_ended(p));
	TRY(covey_put(q, &n, COVEY_FOREVER));
	HARNESS_EVENTUALLY(sleeps_or_ended(p));
	MUST(covey_semaphore_release(s, 1));
	HARNESS_EVENTUALLY(sleeps_or_ended(p));
	MUST(covey_event_set(e));
	TRY(covey_select(things, 2, COVEY_FOREVER));
	MUST(covey_process_join(p, COVEY_FOREVER));
	code = covey_process_exit_code(p);
	if (code == 127 && method == COVEY_FORK) {
		failed++; /* it ended before it ran: one that was forked does not report that */
		return;
	}
	if (code != 0)
		complain("covey_process_exit_code", code, "a sleeper");
	else if (MUST(covey_get(back, &n, 0)) && n != 3)
		complain("covey_get", n, "not what was put");
}

static void sleeps(covey_method method)
{
	covey_queue q = {0}, back = {0};
	covey_semaphore s = {0};
	covey_event e = {0};
	covey_process *p;

	if (TRY(covey_queue_create(&q, NULL)) && TRY(covey_queue_create(&back, NULL)) &&
	    TRY(covey_semaphore_create(&s, &(covey_semaphore_opts){.value = 1})) &&
	    TRY(covey_event_create(&e, NULL)) && TRY(covey_semaphore_acquire(s, 0)) &&
	    TRY(covey_start_args(&p, pass_all, (q, s, e, back), .method = method))) {
		wake(p, q, s, e, back, method);
		covey_process_free(p);
	}
	if (q.id)
		MUST(covey_queue_destroy(q));
	if (back.id)
		MUST(covey_queue_destroy(back));
	if (s.id)
		MUST(covey_semaphore_destroy(s));
	if (e.id)
		MUST(covey_event_destroy(e));
}

int script_run(covey_method method, int parts)
{
	failed = 0;
	if (parts & SCRIPT_PROCESS) {
		process(method);
		process_with_more(method);
	}
	if (parts & SCRIPT_POOL)
		pool(COVEY_PROCESSES, method, parts & SCRIPT_RENEWED);
	if (parts & SCRIPT_THREADS)
		pool(COVEY_THREADS, method, 1);
	if (parts & SCRIPT_SLEEPS)
		sleeps(method);
	if (parts & SCRIPT_QUEUE)
		queue();
	if (parts & SCRIPT_NET)
		net();
	return failed;
}
