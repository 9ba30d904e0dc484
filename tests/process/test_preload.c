/* SPDX-License-Identifier: MIT */
/* What a forkserver does once, before its first child. */
#include "support/harness.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the tests share with the helper: how often it ran, what it shall do, and who it is. */
struct notes {
	_Atomic int runs;
	_Atomic int how;
	_Atomic int pid;
};
enum { WELL, RETURN, CRASH, EXIT, THREAD, HANG };

struct order {
	covey_block notes;
	char padding[100000]; /* an argument that fits in no single message */
	int number;
};

static int table; /* what is prepared */
static const struct order *kept;

static void *sleep_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int prepare(const void *arg, size_t len)
{
	const struct order *order = arg;
	struct notes *notes = covey_block_data(order->notes);
	pthread_t thread;

	if (len != sizeof *order)
		return 77;
	notes->pid = getpid();
	notes->runs++;
	table = order->number;
	kept = order;
	switch ((int)notes->how) {
	case RETURN:
		return 3;
	case CRASH:
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		break;
	case EXIT:
		exit(5);
	case THREAD:
		return pthread_create(&thread, NULL, sleep_for_ever, NULL);
	case HANG:
		sleep_for_ever(NULL);
	}
	return 0;
}

static int tell_table(const void *arg, size_t len)
{
	return kept && kept->number == table ? table : 99;
}

static struct order order;

static void end_notes(void)
{
	assert_int_equal(covey_block_destroy(order.notes), 0);
}

/* Has prepare be the preload function, with a number. */
static struct notes *preload(int number)
{
	struct notes *notes;

	if (!order.notes.id)
		assert_int_equal(covey_block_create(&order.notes, sizeof *notes, NULL), 0);
	order.number = number;
	if (covey_forkserver_preload(prepare, &order, sizeof order) < 0)
		fail_msg("%s", covey_errmsg());
	order.number = 0; /* it was copied */
	notes = covey_block_data(order.notes);
	assert_non_null(notes);
	return notes;
}

static int run(covey_process_fn *fn, covey_method method)
{
	covey_process *p;
	int code;

	if (covey_process_start(&p, fn, NULL, 0, &(covey_process_opts){.method = method}) < 0)
		return covey_errcode();
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	code = covey_process_exit_code(p);
	covey_process_free(p);
	return code;
}

static void children_find_what_was_prepared_once(void **state)
{
	struct notes *notes = preload(7);

	for (int i = 0; i < 3; i++)
		assert_int_equal(run(tell_table, COVEY_FORKSERVER), 7);
	assert_int_equal(notes->runs, 1);
	assert_int_equal(run(tell_table, COVEY_FORK), 99); /* which are copies of this process */
	assert_int_equal(run(tell_table, COVEY_SPAWN), 99);
	end_notes();
}

static void another_forkserver_prepares_it_again(void **state)
{
	struct notes *notes = preload(7);

	assert_int_equal(run(tell_table, COVEY_FORKSERVER), 7);
	harness_kill(notes->pid, SIGKILL);
	assert_int_equal(run(tell_table, COVEY_FORKSERVER), 7);
	assert_int_equal(notes->runs, 2);
	end_notes();
}

static void it_is_said_before_the_first_start(void **state)
{
	struct notes *notes = preload(7);

	preload(8); /* the last one holds */
	assert_int_equal(run(tell_table, COVEY_FORKSERVER), 8);
	assert_int_equal(covey_forkserver_preload(prepare, NULL, 0), -EBUSY);
	assert_non_null(strstr(covey_errmsg(), "runs already"));
	assert_int_equal(covey_forkserver_preload(NULL, NULL, 0), -EBUSY);
	assert_int_equal(notes->runs, 1);
	end_notes();
}

static void what_is_none_is_refused(void **state)
{
	assert_int_equal(covey_forkserver_preload(prepare, NULL, 4), -EINVAL);
	assert_int_equal(covey_forkserver_preload(prepare, "", SIZE_MAX), -EINVAL);
	assert_int_equal(covey_forkserver_preload((covey_process_fn *)(uintptr_t)8, NULL, 0),
	                 -EINVAL);
	assert_non_null(strstr(covey_errmsg(), "cannot travel"));
	assert_int_equal(covey_forkserver_preload(NULL, NULL, 0), 0);
	assert_int_equal(run(tell_table, COVEY_FORKSERVER), 99);
}

static void each_start_tells_why_it_failed(void **state)
{
	static const char *const words[] = {"", "returned 3", "signal 11", "exit code 5",
	                                    "left 1 thread"};
	struct notes *notes = preload(7);
	/* The thread sanitizer has threads of its own, more or fewer: one cannot be told from them.
	 */
	int last = getenv("HARNESS_SHADOW_MEMORY") ? THREAD - 1 : THREAD;

	for (int how = RETURN; how <= last; how++) {
		notes->how = how;
		for (int i = 0; i < 2; i++) {
			notes->runs = 0;
			assert_int_equal(run(tell_table, COVEY_FORKSERVER), -EREMOTEIO);
			if (!strstr(covey_errmsg(), words[how]))
				fail_msg("'%s' is not in: %s", words[how], covey_errmsg());
			assert_int_equal(notes->runs, 1); /* and not again and again */
		}
		assert_int_equal(run(tell_table, COVEY_FORK), 99);
	}
	notes->how = WELL;
	assert_int_equal(run(tell_table, COVEY_FORKSERVER), 7);
	notes->how = CRASH;
	harness_kill(notes->pid, SIGKILL);
	assert_int_equal(run(tell_table, COVEY_FORKSERVER), -EREMOTEIO);
	assert_int_equal(covey_forkserver_preload(NULL, NULL, 0), 0); /* none runs now */
	assert_int_equal(run(tell_table, COVEY_FORKSERVER), 99);
	end_notes();
}

/* ---- what the children have from it */

static int say(const void *arg, size_t len)
{
	printf("once ");
	return 0;
}

static int say_more(const void *arg, size_t len)
{
	printf("child ");
	return 0;
}

static void what_it_prints_is_printed_once(void **state)
{
	char text[100] = "";
	int file = memfd_create("out", MFD_CLOEXEC), out = dup(1);

	assert_int_equal(covey_forkserver_preload(say, NULL, 0), 0);
	fflush(stdout);
	dup2(file, 1);
	for (int i = 0; i < 2; i++)
		run(say_more, COVEY_FORKSERVER);
	dup2(out, 1);
	assert_true(pread(file, text, sizeof text - 1, 0) > 0);
	assert_string_equal(text, "once child child ");
	close(file);
	close(out);
}

static int opened = -1;
static covey_process_fn *work;

static int open_things(const void *arg, size_t len)
{
	void *module = dlopen(arg, RTLD_NOW);

	work = module ? (covey_process_fn *)dlsym(module, "late_work") : NULL;
	opened = memfd_create("opened", MFD_CLOEXEC);
	return !work || write(opened, "x", 1) != 1;
}

static int use_things(const void *arg, size_t len)
{
	char byte;
	int two = 2;

	if (!work || work(&two, sizeof two) != 3)
		return 1;
	return pread(opened, &byte, 1, 0) == 1 && byte == 'x' ? 0 : 2;
}

static void libraries_and_descriptors_are_open_in_the_children(void **state)
{
	const char path[] = TEST_FOLDER "/late.so";

	assert_int_equal(covey_forkserver_preload(open_things, path, sizeof path), 0);
	assert_int_equal(run(use_things, COVEY_FORKSERVER), 0);
	assert_int_equal(run(use_things, COVEY_FORKSERVER), 0);
}

static void it_may_be_in_a_library_loaded_late(void **state)
{
	void *module = dlopen(TEST_FOLDER "/late.so", RTLD_NOW);
	covey_process_fn *late = (covey_process_fn *)dlsym(module, "late_work");
	int n = -1;

	assert_int_equal(covey_forkserver_preload(late, &n, sizeof n), 0); /* returns n + 1 */
	assert_int_equal(run(tell_table, COVEY_FORKSERVER), 99);
	dlclose(module);
}

/* ---- whose children */

static int tell_that_of_a_child(const void *arg, size_t len)
{
	return run(tell_table, COVEY_FORKSERVER);
}

static void processes_below_prepare_the_same(void **state)
{
	struct notes *notes = preload(7);

	assert_int_equal(run(tell_that_of_a_child, COVEY_FORKSERVER), 7);
	assert_int_equal(notes->runs, 2); /* each in its own forkserver */
	assert_int_equal(run(tell_that_of_a_child, COVEY_FORK), 7);
	assert_int_equal(notes->runs, 3);
	assert_int_equal(run(tell_that_of_a_child, COVEY_SPAWN), 99);
	end_notes();
}

static int start_one(const void *arg, size_t len)
{
	run(tell_table, COVEY_FORKSERVER);
	return 0;
}

static void it_ends_with_its_starter_however_long_it_takes(void **state)
{
	struct notes *notes = preload(7);
	covey_process *p;

	notes->how = HANG;
	assert_int_equal(covey_process_start(&p, start_one, NULL, 0, NULL), 0);
	HARNESS_EVENTUALLY(notes->runs == 1);
	assert_true(harness_exists(notes->pid));
	assert_int_equal(covey_process_end(p, 0), 128 + SIGKILL);
	HARNESS_EVENTUALLY(!harness_exists(notes->pid));
	end_notes();
}

COVEY_TASK(int, table_of_worker, int, nothing)
{
	return table + nothing;
}

COVEY_TASK(int, die, int, nothing)
{
	raise(SIGKILL);
	return nothing;
}

static int of_worker(covey_pool *pool)
{
	int n = -1;

	return covey_apply(pool, table_of_worker, &n, 0) < 0 ? covey_errcode() : n;
}

static void workers_of_a_pool_have_it_too(void **state)
{
	struct notes *notes = preload(7);
	covey_pool *pool;
	covey_future *f;
	int n;

	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.workers = 1,
	                                                           .method = COVEY_FORKSERVER}),
	                 0);
	assert_int_equal(of_worker(pool), 7);
	assert_int_equal(notes->runs, 1);
	harness_kill(notes->pid, SIGKILL);
	HARNESS_EVENTUALLY(notes->runs == 2);
	/* The next worker is of the second forkserver, which has come up by then. */
	assert_true(covey_apply(pool, die, &n, 0) < 0);
	assert_int_equal(of_worker(pool), 7);
	/* It fails from now on: whoever works, works on; then the pool says why it gives up. */
	notes->how = RETURN;
	harness_kill(notes->pid, SIGKILL);
	HARNESS_EVENTUALLY(notes->runs == 3);
	assert_int_equal(of_worker(pool), 7);
	f = covey_submit(pool, die, 0);
	assert_non_null(f);
	covey_future_free(f);
	HARNESS_EVENTUALLY(of_worker(pool) == -ESHUTDOWN);
	if (!strstr(covey_errmsg(), "preload function returned 3"))
		fail_msg("%s", covey_errmsg());
	assert_in_range(notes->runs, 3, 4);
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.workers = 1,
	                                                           .method = COVEY_FORKSERVER}),
	                 -EREMOTEIO);
	end_notes();
}

static const struct harness_test tests[] = {
	HARNESS_TEST(children_find_what_was_prepared_once),
	HARNESS_TEST(another_forkserver_prepares_it_again),
	HARNESS_TEST(it_is_said_before_the_first_start),
	HARNESS_TEST(what_is_none_is_refused),
	HARNESS_TEST(each_start_tells_why_it_failed),
	HARNESS_TEST(what_it_prints_is_printed_once),
	HARNESS_TEST(libraries_and_descriptors_are_open_in_the_children),
	HARNESS_TEST(it_may_be_in_a_library_loaded_late),
	HARNESS_TEST(processes_below_prepare_the_same),
	HARNESS_TEST(it_ends_with_its_starter_however_long_it_takes),
	HARNESS_TEST(workers_of_a_pool_have_it_too),
};

HARNESS_MAIN(tests)
