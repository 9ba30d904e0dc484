/* SPDX-License-Identifier: MIT */
/*
 * System calls that an old kernel has not (ENOSYS), or that a sandbox refuses
 * (EPERM), one at a time, by a filter that all processes of the family have.
 */
#include "filter.h"
#include "script.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/notify.h"
#include "process/internal.h"

/*
 * may_fail: the parts of the script that may say that it does not work. The others
 * have to work without the call, and those do, too, where only newer kernels have it.
 */
struct call {
	long number;
	uint32_t first; /* its first argument, where only that is refused, else ANY */
	int may_fail;
	covey_method method; /* of the round */
	int error;
	int kept; /* descriptors that others keep then */
};

static void run_filtered(const void *context)
{
	const struct call *call = context;
	int parts[] = {SCRIPT_PROCESS, SCRIPT_POOL | SCRIPT_RENEWED,
	               SCRIPT_THREADS, SCRIPT_QUEUE,
	               SCRIPT_SLEEPS,  SCRIPT_NET};
	int bad = 0;

	refuse(call->number, call->first, call->error);
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		if (script_run(call->method, parts[i]) && !(parts[i] & call->may_fail)) {
			fprintf(stderr, "part %d does not work without: %s\n", parts[i],
			        covey_errmsg());
			bad++;
		}
	if (bad)
		_exit(6);
	script_end(call->kept);
}

/* What needs what is as it says; what it names is refused in words. */
#define WORKS 0
#define CHILDREN (SCRIPT_PROCESS | SCRIPT_POOL | SCRIPT_RENEWED | SCRIPT_SLEEPS)
static const struct {
	const char *name;
	long number;
	uint32_t first;
	int may_fail, kept;
} calls[] = {
	{"futex_waitv", SYS_futex_waitv, ANY, WORKS, 0},
	{"pidfd_open", SYS_pidfd_open, ANY, CHILDREN, 0},
	{"pidfd_send_signal", SYS_pidfd_send_signal, ANY, WORKS, 0},
	{"pidfd_getfd", SYS_pidfd_getfd, ANY, WORKS, 0},
	{"waitid by pidfd", SYS_waitid, P_PIDFD, CHILDREN, 0},
	{"waitid", SYS_waitid, ANY, CHILDREN, 0},
	{"memfd_create", SYS_memfd_create, ANY, SCRIPT_ALL, 0},
	{"fallocate", SYS_fallocate, ANY, SCRIPT_ALL, 0},
	{"close_range", SYS_close_range, ANY, WORKS, 0},
	{"clone3", SYS_clone3, ANY, SCRIPT_ALL, 0},
	{"set_robust_list", SYS_set_robust_list, ANY, SCRIPT_ALL, 0},
	{"get_robust_list", SYS_get_robust_list, ANY, WORKS, 0},
	{"process_vm_readv", SYS_process_vm_readv, ANY, WORKS, 0},
	{"process_vm_writev", SYS_process_vm_writev, ANY, WORKS, 0},
	{"madvise", SYS_madvise, ANY, WORKS, 0},
	{"sched_getaffinity", SYS_sched_getaffinity, ANY, WORKS, 0},
	{"sched_yield", SYS_sched_yield, ANY, WORKS, 0},
	{"eventfd2", SYS_eventfd2, ANY, SCRIPT_ALL, 0},
	{"signalfd4", SYS_signalfd4, ANY, CHILDREN, 0},
	{"pipe2", SYS_pipe2, ANY, CHILDREN, 0},
	{"socketpair", SYS_socketpair, ANY, CHILDREN, 0},
	{"socket", SYS_socket, ANY, SCRIPT_NET, 0},
	{"accept4", SYS_accept4, ANY, SCRIPT_NET, 0},
	{"epoll_create1", SYS_epoll_create1, ANY, SCRIPT_NET, 0},
	{"getrandom", SYS_getrandom, ANY, WORKS, 1}, /* libsodium reads a file instead */
	{"sigaltstack", SYS_sigaltstack, ANY, WORKS, 0},
	{"prctl to name a thread", SYS_prctl, PR_SET_NAME, WORKS, 0},
	{"flock", SYS_flock, ANY, WORKS, 0},
	{"fchmod", SYS_fchmod, ANY, SCRIPT_NET, 0},
	{"uname", SYS_uname, ANY, WORKS, 0},
};

static void the_script_runs(void **state)
{
	const struct call *call = *state;

	run_round(run_filtered, call, "error", call->error);
}

COVEY_PROCESS(set_it, int *, place)
{
	*place = 1;
	return 0;
}

/* As if the machine had no memory left for the arena. */
static void a_full_machine_is_an_error_in_words(void **state)
{
	covey_usage before, after;
	covey_block block, more;
	covey_queue q;
	char *large = calloc(1, 1 << 20);
	int n = 3;

	assert_non_null(large);
	assert_int_equal(covey_queue_create(&q, NULL), 0);
	assert_int_equal(covey_block_create(&block, 4096, &(covey_block_opts){.max_size = 1 << 24}),
	                 0);
	assert_int_equal(covey_usage_get(&before), 0);
	refuse(SYS_fallocate, ANY, ENOSPC);
	assert_int_equal(covey_block_create(&more, 1 << 20, NULL), -ENOMEM);
	assert_non_null(strstr(covey_errmsg(), "the system has no"));
	assert_int_equal(covey_block_resize(block, 1 << 24), -ENOMEM);
	assert_non_null(strstr(covey_errmsg(), "the system has no"));
	assert_int_equal(covey_queue_put(q, large, 1 << 20, 0), -ENOMEM);
	assert_int_equal(covey_usage_get(&after), 0);
	assert_int_equal(after.used, before.used);
	/* What needs no memory goes on. */
	assert_int_equal(covey_put(q, &n, 0), 0);
	assert_int_equal(covey_get(q, &n, 0), 0);
	memset(covey_block_data(block), 1, 4096);
	assert_int_equal(covey_block_destroy(block), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
	free(large);
}

/* Where it could not see that somebody died, a process takes no part. */
static void locks_that_nobody_would_free_are_not_taken(void **state)
{
	covey_process *p;
	int ran = 0;

	assert_int_equal(covey_start_args(&p, set_it, (&ran), .method = COVEY_FORK), 0);
	assert_int_equal(covey_process_finish(&p, 1), 0);
	refuse(SYS_set_robust_list, ANY, EPERM);
	for (int m = 1; m < 3; m++) {
		assert_int_equal(covey_start_args(&p, set_it, (&ran), .method = harness_methods[m]),
		                 -ENOTSUP);
		assert_non_null(strstr(covey_errmsg(), "set_robust_list"));
	}
	assert_int_equal(covey_start_args(&p, set_it, (&ran), .method = COVEY_FORK, .daemon = 1),
	                 -ENOTSUP);
	assert_non_null(strstr(covey_errmsg(), "set_robust_list"));
	cvy_forkserver_close(); /* what is left of it: it has ended as they did */
}

static void *shared_page(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	return p;
}

/* Without a pidfd nothing of a child runs, rather than that it is killed on its way. */
static void no_child_runs_without_a_pidfd(void **state)
{
	long call = *(const long *)*state;
	int *ran = shared_page();
	covey_process *p;
	covey_pool *pool;

	refuse(call, call == SYS_waitid ? P_PIDFD : ANY, ENOSYS);
	for (int i = 0; i < 100; i++)
		assert_int_equal(covey_start_args(&p, set_it, (ran), .method = COVEY_FORK),
		                 -ENOSYS);
	assert_non_null(strstr(covey_errmsg(), "its pidfd: "));
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.method = COVEY_SPAWN}),
	                 -ENOSYS);
	assert_int_equal(*ran, 0);
	munmap(ran, 4096);
}

COVEY_PROCESS(stay, covey_event, until)
{
	return covey_event_wait(until, COVEY_FOREVER);
}

COVEY_TASK(int, remain, covey_event, begun, covey_event, until)
{
	covey_event_set(begun);
	return covey_event_wait(until, COVEY_FOREVER);
}

/* Who cannot be signalled is not taken for one that was. */
static void signals_that_are_refused_are_told(void **state)
{
	covey_event begun, until;
	covey_process *p;
	covey_future *f;
	covey_pool *pool;
	int n;

	assert_int_equal(covey_event_create(&begun, NULL), 0);
	assert_int_equal(covey_event_create(&until, NULL), 0);
	assert_int_equal(covey_start_args(&p, stay, (until), .method = COVEY_FORK), 0);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.workers = 1}), 0);
	f = covey_submit(pool, remain, begun, until);
	assert_int_equal(covey_event_wait(begun, COVEY_FOREVER), 0);
	refuse(SYS_pidfd_send_signal, ANY, EPERM);
	assert_int_equal(covey_process_kill(p), -EPERM);
	assert_int_equal(covey_process_end(p, 1000), -EPERM);
	assert_int_equal(covey_pool_terminate(pool), -EPERM);
	assert_non_null(strstr(covey_errmsg(), "a worker cannot be signalled"));
	assert_int_equal(covey_event_set(until), 0);
	assert_int_equal(covey_process_finish(&p, 1), 0);
	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), 0);
	covey_future_free(f);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	assert_int_equal(covey_event_destroy(begun), 0);
	assert_int_equal(covey_event_destroy(until), 0);
}

struct pids {
	int worker, nursery;
};

COVEY_TASK(struct pids, whose_pids, int, unused)
{
	(void)unused;
	return (struct pids){getpid(), getppid()};
}

/* What stops each worker on its way to its tasks is what the pool says in the end. */
static void a_pool_passes_on_what_its_workers_say(void **state)
{
	covey_pool *pool;
	struct pids pids;

	assert_int_equal(
		covey_pool_open(&pool, &(covey_pool_opts){.workers = 1, .method = COVEY_FORK}), 0);
	assert_int_equal(covey_apply(pool, whose_pids, &pids, 0), 0);
	refuse(SYS_clone3, ANY, EPERM); /* by which threads are made, and processes are not */
	harness_kill(pids.nursery, SIGKILL);
	harness_kill(pids.worker, SIGKILL);
	HARNESS_EVENTUALLY(!harness_exists(pids.worker));
	assert_int_equal(covey_apply(pool, whose_pids, &pids, 0), -EOWNERDEAD);
	assert_non_null(strstr(covey_errmsg(), "no worker can be started"));
	assert_non_null(strstr(covey_errmsg(), "the thread that watches its parent"));
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
}

/* Where it is not to be had, nobody keeps asking for it: they sleep at one word. */
static void a_refused_futex_waitv_is_as_a_missing_one(void **state)
{
	_Atomic uint32_t words[2] = {1, 2};
	struct futex_waitv entries[2];

	refuse(SYS_futex_waitv, ANY, EPERM);
	cvy_futex_expect(&entries[0], &words[0], 1);
	cvy_futex_expect(&entries[1], &words[1], 2);
	assert_int_equal(cvy_futex_wait_any(entries, 2, CVY_NEVER), -ENOSYS);
}

static const struct {
	const char *name;
	int number;
} errors[] = {{"ENOSYS", ENOSYS}, {"EPERM", EPERM}};

#define CALLS (sizeof calls / sizeof *calls)

static const long by_pidfd_open = SYS_pidfd_open, by_waitid = SYS_waitid;
static const struct harness_test others[] = {
	HARNESS_TEST(a_full_machine_is_an_error_in_words),
	HARNESS_TEST(locks_that_nobody_would_free_are_not_taken),
	HARNESS_TEST_WITH(no_child_runs_without_a_pidfd, "pidfd_open", &by_pidfd_open),
	HARNESS_TEST_WITH(no_child_runs_without_a_pidfd, "waitid", &by_waitid),
	HARNESS_TEST(signals_that_are_refused_are_told),
	HARNESS_TEST(a_pool_passes_on_what_its_workers_say),
	HARNESS_TEST(a_refused_futex_waitv_is_as_a_missing_one),
};

/* A test for each call, each way of not having it, and each method. */
int main(int argc, char **argv)
{
	static struct harness_test tests[CALLS * 2 * 3 + sizeof others / sizeof *others];
	static struct call parameters[CALLS * 2 * 3];
	static char labels[CALLS * 2 * 3][64];
	size_t n = 0;

	covey_init(argc, argv);
	for (size_t i = 0; i < CALLS * 2; i++)
		for (size_t m = 0; m < 3; m++, n++) {
			parameters[n] = (struct call){calls[i / 2].number,   calls[i / 2].first,
			                              calls[i / 2].may_fail, harness_methods[m],
			                              errors[i % 2].number,  calls[i / 2].kept};
			snprintf(labels[n], sizeof labels[n], "%s by %s, without %s",
			         errors[i % 2].name, covey_method_name(harness_methods[m]),
			         calls[i / 2].name);
			tests[n] = (struct harness_test)HARNESS_TEST_WITH(
				the_script_runs, labels[n], &parameters[n]);
		}
	memcpy(&tests[n], others, sizeof others);
	n += sizeof others / sizeof *others;
	return harness_main(argc, argv, tests, n);
}
