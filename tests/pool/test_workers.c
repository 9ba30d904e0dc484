/* SPDX-License-Identifier: MIT */
/* Workers: how they begin and leave, are renewed, become more and fewer; who goes first. */
#include "pool_tests.h"

/* ---- initializer and finalizer */

struct tale {
	covey_queue begun, left;
	int code;   /* that the initializer returns */
	int signal; /* that it dies of */
	char padding[300];
};

static __thread int initialized;

static int begin(const void *arg, size_t len)
{
	const struct tale *tale = arg;
	int pid = getpid();

	if (len != sizeof *tale || tale->padding[299] != 'x')
		return covey_task_fail(2, "a damaged argument");
	covey_put(tale->begun, &pid, COVEY_FOREVER);
	if (tale->signal) {
		signal(tale->signal, SIG_DFL);
		raise(tale->signal);
	}
	if (tale->code)
		return covey_task_fail(tale->code, "no database");
	initialized++;
	return 0;
}

static int plain_failure(const void *arg, size_t len)
{
	return 5;
}

static int leave(const void *arg, size_t len)
{
	const struct tale *tale = arg;
	int pid = getpid();

	covey_put(tale->left, &pid, COVEY_FOREVER);
	return 0;
}

COVEY_TASK(int, is_initialized, int, unused)
{
	(void)unused;
	return initialized;
}

static struct tale new_tale(void)
{
	struct tale tale = {.padding[299] = 'x'};

	assert_int_equal(covey_queue_create(&tale.begun, NULL), 0);
	assert_int_equal(covey_queue_create(&tale.left, NULL), 0);
	return tale;
}

static void end_tale(struct tale *tale)
{
	assert_int_equal(covey_queue_destroy(tale->begun), 0);
	assert_int_equal(covey_queue_destroy(tale->left), 0);
}

static covey_pool *open_with(void **state, struct tale *tale, int workers, int max_tasks)
{
	const struct flavour *flavour = *state;
	covey_pool *pool;

	assert_int_equal(
		covey_pool_open(&pool, &(covey_pool_opts){.name = "test",
	                                                  .kind = flavour->kind,
	                                                  .method = flavour->method,
	                                                  .workers = workers,
	                                                  .initializer = begin,
	                                                  .finalizer = leave,
	                                                  .worker_arg = tale,
	                                                  .worker_arg_len = sizeof *tale,
	                                                  .max_tasks_per_worker = max_tasks}),
		0);
	return pool;
}

static void workers_are_initialized_and_finalized_once(void **state)
{
	struct tale tale = new_tale();
	covey_pool *pool = open_with(state, &tale, 3, 0);
	int n, pid;

	for (int i = 0; i < 50; i++) {
		covey_future *f = covey_submit(pool, is_initialized, 0);

		assert_int_equal(covey_result(f, &n, COVEY_FOREVER), 0);
		assert_int_equal(n, 1);
		covey_future_free(f);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_get(tale.begun, &pid, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_size(tale.left), 0);
	end_pool(pool);
	assert_int_equal(covey_queue_size(tale.begun), 0);
	assert_int_equal(covey_queue_size(tale.left), 3);
	end_tale(&tale);
}

/* Of workers that cannot begin: what is pending fails, and submitting too, in words. */
static void fails(covey_pool *pool, const char *words)
{
	covey_future *f = covey_submit(pool, square, 3);
	uint64_t n;

	if (f) {
		assert_int_equal(covey_result(f, &n, COVEY_FOREVER), -EOWNERDEAD);
		assert_non_null(strstr(covey_errmsg(), words));
		assert_non_null(strstr(covey_errmsg(), "task 'square': it never ran: "));
		covey_future_free(f);
	}
	HARNESS_EVENTUALLY(covey_pool_workers(pool) == 0);
	assert_null(covey_submit(pool, square, 3));
	assert_int_equal(covey_errcode(), -ESHUTDOWN);
	assert_non_null(strstr(covey_errmsg(), words));
	assert_int_equal(covey_pool_resize(pool, 3), -ESHUTDOWN);
	end_pool(pool);
}

static void a_failing_initializer_is_told(void **state)
{
	const struct flavour *flavour = *state;
	struct tale tale = new_tale();
	covey_pool *pool;

	tale.code = 4;
	fails(open_with(state, &tale, 2, 0), "no database");
	assert_true(covey_queue_size(tale.begun) <= 2);
	assert_int_equal(covey_queue_size(tale.left), 0);
	end_tale(&tale);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.kind = flavour->kind,
	                                                           .method = flavour->method,
	                                                           .workers = 1,
	                                                           .initializer = plain_failure}),
	                 0);
	fails(pool, "it returned 5");
}

static void a_crash_in_the_initializer_is_told(void **state)
{
	struct tale tale = new_tale();

	tale.signal = SIGKILL;
	fails(open_with(state, &tale, 1, 0), "was killed by signal 9 (Killed) in the initializer");
	assert_int_equal(covey_queue_size(tale.begun), 3);
	end_tale(&tale);
}

COVEY_TASK(int, is_named, int, unused)
{
	char name[16] = "";

	(void)unused;
	pthread_getname_np(pthread_self(), name, sizeof name);
	return strcmp(name, "test-0") == 0;
}

static void workers_have_names(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	int yes = 0;

	assert_int_equal(covey_apply(pool, is_named, &yes, 0), 0);
	assert_int_equal(yes, 1);
	end_pool(pool);
}

/* ---- renewal */

static void workers_are_renewed(void **state)
{
	struct tale tale = new_tale();
	covey_pool *pool = open_with(state, &tale, 2, 5);
	enum { N = 100 };
	covey_future *f[N];

	for (uint64_t i = 0; i < N; i++)
		f[i] = covey_submit(pool, square, i);
	assert_int_equal(squares_died(f, N), 0);
	end_pool(pool);
	/* No worker has run more than five: so many at least have begun, and as many left. */
	assert_true(covey_queue_size(tale.begun) >= N / 5);
	assert_int_equal(covey_queue_size(tale.begun), covey_queue_size(tale.left));
	end_tale(&tale);
}

static void renewed_workers_may_be_killed(void **state)
{
	const struct flavour *flavour = *state;
	enum { N = 2000 };
	covey_future **f = malloc(N * sizeof *f);
	unsigned seed = 5;
	covey_pool *pool;
	uint64_t kills = 0;

	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.method = flavour->method,
	                                                           .workers = 2,
	                                                           .max_tasks_per_worker = 20}),
	                 0);
	for (uint64_t i = 0; i < N; i++) {
		f[i] = covey_submit(pool, square, i);
		if (i % 100 == 99) {
			kills += kill_a_worker(pool, &seed, 0xfff);
		}
	}
	assert_true(squares_died(f, N) <= kills);
	free(f);
	end_pool(pool);
}

/* ---- more and fewer */

/* Sees n workers at work at once, and no more. */
static void has_workers(covey_pool *pool, int n)
{
	struct gate gate = new_gate();
	covey_future *f[8];

	assert_true(n < 8);
	for (int i = 0; i <= n; i++)
		f[i] = covey_submit(pool, wait_for, gate.says, gate.gate);
	for (int i = 0; i < n; i++)
		at_gate(&gate);
	HARNESS_EVENTUALLY(covey_pool_workers(pool) == n);
	assert_int_equal(covey_queue_size(gate.says), 0);
	for (int i = 0; i <= n; i++)
		open_gate(&gate, 0);
	assert_int_equal(covey_wait(f, n + 1, COVEY_ALL_DONE, COVEY_FOREVER), n + 1);
	for (int i = 0; i <= n; i++)
		covey_future_free(f[i]);
	end_gate(&gate);
}

static void a_pool_can_be_resized(void **state)
{
	static const int sizes[] = {2, 5, 1, 4, 4, 7, 3};
	struct tale tale = new_tale();
	covey_pool *pool = open_with(state, &tale, 2, 0);

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		assert_int_equal(covey_pool_resize(pool, sizes[i]), 0);
		has_workers(pool, sizes[i]);
	}
	assert_int_equal(covey_pool_resize(pool, 0), -EINVAL);
	assert_int_equal(covey_pool_resize(pool, 1025), -EINVAL);
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_pool_resize(pool, 2), -ESHUTDOWN);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_size(tale.begun), covey_queue_size(tale.left));
	end_tale(&tale);
}

static void those_who_leave_finish_their_task(void **state)
{
	covey_pool *pool = open_pool(state, 3);
	struct gate gate = new_gate();
	covey_future *f[3], *g;
	uint64_t n;
	int i;

	for (i = 0; i < 3; i++)
		f[i] = covey_submit(pool, wait_for, gate.says, gate.gate);
	for (i = 0; i < 3; i++)
		at_gate(&gate);
	g = covey_submit(pool, square, 9);
	assert_int_equal(covey_pool_resize(pool, 1), 0);
	assert_int_equal(covey_wait(f, 3, COVEY_FIRST_DONE, 0), -EAGAIN);
	for (i = 0; i < 3; i++)
		open_gate(&gate, i);
	assert_int_equal(covey_wait(f, 3, COVEY_ALL_DONE, COVEY_FOREVER), 3);
	assert_int_equal(covey_result(g, &n, COVEY_FOREVER), 0);
	assert_int_equal(n, 81);
	HARNESS_EVENTUALLY(covey_pool_workers(pool) == 1);
	for (i = 0; i < 3; i++)
		covey_future_free(f[i]);
	covey_future_free(g);
	end_pool(pool);
	end_gate(&gate);
}

static void tasks_go_on_while_it_is_resized(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	enum { N = 3000 };
	covey_future **f = malloc(N * sizeof *f);

	for (uint64_t i = 0; i < N; i++) {
		f[i] = covey_submit(pool, square, i);
		if (i % 100 == 0)
			assert_int_equal(covey_pool_resize(pool, 1 + (int)(i / 100 % 4)), 0);
	}
	assert_int_equal(squares_died(f, N), 0);
	free(f);
	end_pool(pool);
}

/* ---- who is woken */

/* Waits until all n workers are at the gate. */
static void all_come(covey_pool *pool, struct gate *gate, covey_future **f, int n)
{
	for (int i = 0; i < n; i++)
		f[i] = covey_submit(pool, wait_for, gate->says, gate->gate);
	for (int i = 0; i < n; i++)
		at_gate(gate);
}

/* Nobody waits for a future here, which would wake workers, too. */
static void long_tasks_behind_short_ones_have_all_workers(void **state)
{
	enum { WORKERS = 20, SHORT = 3000 };
	covey_pool *pool = open_pool(state, WORKERS);
	struct gate gate = new_gate();
	covey_future *f[WORKERS];

	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < SHORT; i++)
			covey_future_free(covey_submit(pool, square, i));
		all_come(pool, &gate, f, WORKERS);
		for (int i = 0; i < WORKERS; i++)
			open_gate(&gate, i);
		for (int i = 0; i < WORKERS; i++)
			covey_future_free(f[i]);
	}
	end_pool(pool);
	end_gate(&gate);
}

COVEY_TASK(int, say_pid, covey_queue, says, covey_queue, gate)
{
	int pid = getpid();

	covey_put(says, &pid, COVEY_FOREVER);
	return covey_get(gate, &pid, COVEY_FOREVER);
}

COVEY_TASK(int, say_hello, covey_queue, to)
{
	int n = 0;

	return covey_put(to, &n, COVEY_FOREVER);
}

/* One more is submitted; whether any has run. */
static bool another_runs(covey_pool *pool, covey_queue hellos)
{
	int n;

	covey_future_free(covey_submit(pool, say_hello, hellos));
	return covey_get(hellos, &n, 20) == 0;
}

static void workers_that_are_stopped_are_passed_over(void **state)
{
	enum { WORKERS = 6 };
	covey_pool *pool = open_pool(state, WORKERS);
	struct gate gate = new_gate();
	covey_future *f[WORKERS];
	covey_queue hellos;
	int pids[WORKERS], i;

	assert_int_equal(covey_queue_create(&hellos, NULL), 0);
	for (i = 0; i < WORKERS; i++)
		f[i] = covey_submit(pool, say_pid, gate.says, gate.gate);
	for (i = 0; i < WORKERS; i++)
		assert_int_equal(covey_get(gate.says, &pids[i], COVEY_FOREVER), 0);
	for (i = 0; i < WORKERS; i++)
		open_gate(&gate, 0);
	assert_int_equal(covey_wait(f, WORKERS, COVEY_ALL_DONE, COVEY_FOREVER), WORKERS);
	for (i = 0; i < WORKERS; i++)
		covey_future_free(f[i]);
	for (i = 0; i < WORKERS - 1; i++)
		assert_int_equal(kill(pids[i], SIGSTOP), 0);
	HARNESS_EVENTUALLY(another_runs(pool, hellos));
	for (i = 0; i < WORKERS - 1; i++)
		assert_int_equal(kill(pids[i], SIGCONT), 0);
	end_pool(pool);
	assert_int_equal(covey_queue_destroy(hellos), 0);
	end_gate(&gate);
}

/* ---- priorities */

COVEY_TASK(int, say, covey_queue, to, int, what)
{
	return covey_put(to, &what, COVEY_FOREVER);
}

static void higher_priorities_go_first(void **state)
{
	static const int given[] = {0, 3, -4, 0, 3, 2, -1, 0}, wanted[] = {1, 4, 5, 0, 3, 7, 6, 2};
	enum { N = sizeof given / sizeof *given };
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *busy = covey_submit(pool, wait_for, gate.says, gate.gate);
	covey_queue order;
	int n;

	assert_int_equal(covey_queue_create(&order, NULL), 0);
	at_gate(&gate);
	for (int i = 0; i < N; i++) {
		struct say_covey_args args = {order, i};

		covey_future_free(covey_pool_submit(pool, say_covey_run, &args, sizeof args,
		                                    &(covey_submit_opts){.priority = given[i]}));
	}
	assert_null(covey_pool_submit(pool, echo, NULL, 0, &(covey_submit_opts){.priority = 4}));
	assert_int_equal(covey_errcode(), -EINVAL);
	assert_null(covey_pool_submit(pool, echo, NULL, 0, &(covey_submit_opts){.priority = -5}));
	open_gate(&gate, 0);
	for (int i = 0; i < N; i++) {
		assert_int_equal(covey_get(order, &n, COVEY_FOREVER), 0);
		assert_int_equal(n, wanted[i]);
	}
	covey_future_free(busy);
	end_pool(pool);
	assert_int_equal(covey_queue_destroy(order), 0);
	end_gate(&gate);
}

/* ---- other ends */

static void terminate_workers_asks_by_a_signal(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct gate gate = new_gate();
	covey_future *busy = covey_submit(pool, wait_for, gate.says, gate.gate);
	covey_failure failure;

	at_gate(&gate);
	assert_int_equal(covey_pool_terminate_workers(pool), 0);
	assert_null(covey_submit(pool, square, 1));
	assert_int_equal(covey_wait(&busy, 1, COVEY_ALL_DONE, COVEY_FOREVER), 1);
	assert_int_equal(covey_future_failure(busy, &failure), 0);
	assert_int_equal(failure.kind, COVEY_WORKER_DIED);
	assert_int_equal(failure.signal, SIGTERM);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	covey_future_free(busy);
	end_gate(&gate);
}

static void cancel_leaves_the_pool_open(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *busy = covey_submit(pool, wait_for, gate.says, gate.gate);
	covey_future *f[10], *g;
	uint64_t n;
	int i;

	at_gate(&gate);
	for (i = 0; i < 10; i++)
		f[i] = covey_submit(pool, square, 1);
	assert_int_equal(covey_pool_cancel(pool), 0);
	for (i = 0; i < 10; i++) {
		assert_int_equal(covey_future_cancelled(f[i]), 1);
		covey_future_free(f[i]);
	}
	g = covey_submit(pool, square, 5);
	open_gate(&gate, 1);
	assert_int_equal(covey_result(busy, &i, COVEY_FOREVER), 0);
	assert_int_equal(covey_result(g, &n, COVEY_FOREVER), 0);
	covey_future_free(g);
	covey_future_free(busy);
	end_pool(pool);
	end_gate(&gate);
}

static covey_future *leave_early(const struct flavour *flavour)
{
	COVEY_WITH_POOL(pool, .kind = flavour->kind, .method = flavour->method, .workers = 1)
	return covey_submit(pool, square, 7);
	return NULL;
}

static void a_scoped_pool_is_joined_however_left(void **state)
{
	const struct flavour *flavour = *state;
	covey_future *f = leave_early(flavour);
	int rounds = 0;
	uint64_t n;

	assert_non_null(f);
	assert_int_equal(covey_result(f, &n, 0), 0);
	assert_int_equal(n, 49);
	covey_future_free(f);
	COVEY_WITH_POOL(pool, .kind = flavour->kind, .method = flavour->method, .workers = 1)
	{
		f = covey_submit(pool, square, 8);
		rounds++;
		break;
	}
	assert_int_equal(rounds, 1);
	assert_int_equal(covey_future_done(f), 1);
	covey_future_free(f);
	COVEY_WITH_POOL(pool, .workers = -1)
	rounds++;
	assert_int_equal(rounds, 1);
	assert_int_equal(covey_errcode(), -EINVAL);
}

static const struct harness_test tests[] = {
	BY_ALL(workers_are_initialized_and_finalized_once),
	BY_ALL(workers_have_names),
	BY_ALL(a_failing_initializer_is_told),
	BY_PROCESSES(a_crash_in_the_initializer_is_told),
	BY_ALL(workers_are_renewed),
	BY_PROCESSES(renewed_workers_may_be_killed),
	BY_ALL(a_pool_can_be_resized),
	BY_ALL(those_who_leave_finish_their_task),
	BY_ALL(tasks_go_on_while_it_is_resized),
	BY_ALL(long_tasks_behind_short_ones_have_all_workers),
	BY_PROCESSES(workers_that_are_stopped_are_passed_over),
	BY_ALL(higher_priorities_go_first),
	BY_PROCESSES(terminate_workers_asks_by_a_signal),
	BY_ALL(cancel_leaves_the_pool_open),
	BY_ALL(a_scoped_pool_is_joined_however_left),
};

HARNESS_MAIN(tests)
