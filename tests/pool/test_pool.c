/* SPDX-License-Identifier: MIT */
/* The conformance suite of pools: one contract, every kind of pool and start method. */
#include "support/harness.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covey.h>

struct flavour {
	covey_pool_kind kind;
	covey_method method;
};

static covey_pool *open_pool(void **state, int workers)
{
	const struct flavour *flavour = *state;
	covey_pool *pool;

	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.name = "test",
	                                                           .kind = flavour->kind,
	                                                           .method = flavour->method,
	                                                           .workers = workers}),
	                 0);
	return pool;
}

static void end_pool(covey_pool *pool)
{
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
}

COVEY_TASK(uint64_t, square, uint64_t, n)
{
	return n * n;
}

COVEY_TASK(double, mix, char, a, short, b, int, c, long, d, float, e, double, f)
{
	return a + b + c + (double)d + (double)e + f;
}

COVEY_TASK(int, fail_with, int, code)
{
	if (code)
		covey_task_fail(code, "no luck with %d", code);
	return code;
}

static int echo(covey_task *task, const void *arg, size_t len)
{
	return covey_task_return(task, arg, len);
}

static int give_back_77(covey_task *task, const void *arg, size_t len)
{
	return 77;
}

static void typed_tasks_return_their_results(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	covey_future *f = covey_submit(pool, square, 12), *g;
	covey_failure failure;
	uint64_t n = 0;
	double d = 0;
	int i;

	assert_non_null(f);
	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), 0);
	assert_int_equal(n, 144);
	assert_int_equal(covey_result(f, &n, 0), 0);
	assert_int_equal(covey_result(f, &i, 0), -EMSGSIZE);
	assert_int_equal(covey_future_done(f), 1);
	assert_int_equal(covey_future_running(f), 0);
	assert_int_equal(covey_future_cancelled(f), 0);
	assert_int_equal(covey_future_failure(f, &failure), 0);
	assert_int_equal(failure.kind, COVEY_NOT_FAILED);
	g = covey_submit(pool, mix, 1, 2, 3, 4, 5.5f, 6.25);
	assert_int_equal(covey_result(g, &d, COVEY_FOREVER), 0);
	assert_true(d == 21.75);
	covey_future_free(f);
	covey_future_free(g);
	covey_future_free(NULL);
	end_pool(pool);
}

static void arguments_and_results_of_any_size(void **state)
{
	static const size_t sizes[] = {0,    1,    47,    48,     49,      128,      129,
	                               4096, 5000, 65536, 131073, 1 << 20, 40 << 20, 64};
	covey_pool *pool = open_pool(state, 2);
	unsigned char *in = malloc(40 << 20), *out = malloc(40 << 20);

	for (size_t i = 0; i < 40 << 20; i++)
		in[i] = (unsigned char)(i * 7 + (i >> 9));
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (int hint = 0; hint < 2; hint++) {
			covey_future *f = covey_pool_submit(
				pool, echo, in, sizes[i],
				&(covey_submit_opts){.result_size = hint ? sizes[i] : 0});
			const void *view;

			assert_non_null(f);
			memset(out, 0, sizes[i]);
			assert_int_equal(covey_future_result(f, out, 40 << 20, COVEY_FOREVER),
			                 sizes[i]);
			assert_memory_equal(in, out, sizes[i]);
			assert_int_equal(covey_future_view(f, &view, 0), sizes[i]);
			assert_int_equal((uintptr_t)view % 16, 0);
			if (sizes[i])
				assert_int_equal(covey_future_result(f, out, sizes[i] - 1, 0),
				                 -EMSGSIZE);
			covey_future_free(f);
		}
	end_pool(pool);
	free(in);
	free(out);
}

static void failures_come_with_code_and_words(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_future *f = covey_submit(pool, fail_with, 7);
	covey_future *g = covey_pool_submit(pool, give_back_77, NULL, 0, NULL);
	covey_failure failure;
	int n;

	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), -EREMOTEIO);
	assert_non_null(strstr(covey_errmsg(), "task 'fail_with': no luck with 7"));
	assert_int_equal(covey_future_failure(f, &failure), 0);
	assert_int_equal(failure.kind, COVEY_TASK_FAILED);
	assert_int_equal(failure.code, 7);
	assert_true(failure.pid > 0);
	assert_int_equal(covey_result(g, &n, COVEY_FOREVER), -EREMOTEIO);
	assert_int_equal(covey_future_failure(g, &failure), 0);
	assert_int_equal(failure.code, 77);
	covey_future_free(f);
	covey_future_free(g);
	end_pool(pool);
}

/* A task that waits for a message; so that a worker is busy for as long as a test wants. */
COVEY_TASK(int, wait_for, covey_queue, says, covey_queue, gate)
{
	int n = 0;

	covey_put(says, &n, COVEY_FOREVER);
	return covey_get(gate, &n, COVEY_FOREVER) < 0 ? -1 : n;
}

struct gate {
	covey_queue says, gate;
};

static struct gate new_gate(void)
{
	struct gate g;

	assert_int_equal(covey_queue_create(&g.says, NULL), 0);
	assert_int_equal(covey_queue_create(&g.gate, NULL), 0);
	return g;
}

static void open_gate(struct gate *g, int n)
{
	assert_int_equal(covey_put(g->gate, &n, COVEY_FOREVER), 0);
}

static void at_gate(struct gate *g)
{
	int n;

	assert_int_equal(covey_get(g->says, &n, COVEY_FOREVER), 0);
}

static void end_gate(struct gate *g)
{
	assert_int_equal(covey_queue_destroy(g->says), 0);
	assert_int_equal(covey_queue_destroy(g->gate), 0);
}

static void what_has_not_started_can_be_cancelled(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *busy = covey_submit(pool, wait_for, gate.says, gate.gate);
	covey_future *waiting = covey_submit(pool, square, 3),
		     *last = covey_submit(pool, square, 4);
	covey_failure failure;
	uint64_t n;
	int i;

	at_gate(&gate);
	assert_int_equal(covey_future_running(busy), 1);
	assert_int_equal(covey_future_done(waiting), 0);
	assert_int_equal(covey_result(waiting, &n, 0), -EAGAIN);
	assert_int_equal(covey_result(waiting, &n, 10), -ETIMEDOUT);
	assert_int_equal(covey_future_failure(waiting, &failure), -EAGAIN);
	assert_int_equal(covey_future_cancel(busy), -EBUSY);
	assert_int_equal(covey_future_cancel(waiting), 0);
	assert_int_equal(covey_future_cancel(waiting), 0);
	assert_int_equal(covey_future_cancelled(waiting), 1);
	assert_int_equal(covey_result(waiting, &n, 0), -ECANCELED);
	open_gate(&gate, 5);
	assert_int_equal(covey_result(busy, &i, COVEY_FOREVER), 0);
	assert_int_equal(i, 5);
	assert_int_equal(covey_result(last, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_future_cancel(last), -EBUSY);
	covey_future_free(busy);
	covey_future_free(waiting);
	covey_future_free(last);
	end_pool(pool);
	end_gate(&gate);
}

static _Atomic int calls;
static void count_call(covey_future *f, void *context)
{
	assert_int_equal(covey_future_done(f), 1);
	atomic_fetch_add(&calls, *(int *)context);
}

static void callbacks_are_called_once_each(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct gate gate = new_gate();
	covey_future *f = covey_submit(pool, wait_for, gate.says, gate.gate), *g;
	int one = 1, ten = 10, hundred = 100;
	uint64_t n;

	atomic_store(&calls, 0);
	at_gate(&gate);
	assert_int_equal(covey_future_on_done(f, count_call, &one), 0);
	assert_int_equal(covey_future_on_done(f, count_call, &ten), 0);
	assert_int_equal(atomic_load(&calls), 0);
	open_gate(&gate, 0);
	HARNESS_EVENTUALLY(atomic_load(&calls) == 11);
	g = covey_submit(pool, square, 1);
	assert_int_equal(covey_result(g, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_future_on_done(g, count_call, &hundred), 0);
	HARNESS_EVENTUALLY(atomic_load(&calls) == 111);
	/* Of one that is cancelled, too. */
	covey_future *busy[2] = {covey_submit(pool, wait_for, gate.says, gate.gate),
	                         covey_submit(pool, wait_for, gate.says, gate.gate)};
	covey_future *c = covey_submit(pool, square, 1);

	at_gate(&gate);
	at_gate(&gate);
	assert_int_equal(covey_future_on_done(c, count_call, &one), 0);
	assert_int_equal(covey_future_cancel(c), 0);
	assert_int_equal(atomic_load(&calls), 112);
	open_gate(&gate, 0);
	open_gate(&gate, 0);
	covey_future_free(f);
	covey_future_free(g);
	covey_future_free(c);
	covey_future_free(busy[0]);
	covey_future_free(busy[1]);
	end_pool(pool);
	end_gate(&gate);
}

static void as_completed_hands_out_each_once(void **state)
{
	covey_pool *pool = open_pool(state, 3);
	uint64_t sum = 0, n;
	covey_future *f;
	int count = 0;

	assert_null(covey_as_completed(pool, COVEY_FOREVER));
	assert_int_equal(covey_errcode(), -ENOENT);
	for (uint64_t i = 1; i <= 100; i++) {
		f = covey_submit(pool, square, i);
		covey_future_set_data(f, (void *)(uintptr_t)i);
	}
	while ((f = covey_as_completed(pool, COVEY_FOREVER))) {
		assert_int_equal(covey_result(f, &n, 0), 0);
		assert_int_equal(n,
		                 (uintptr_t)covey_future_data(f) * (uintptr_t)covey_future_data(f));
		sum += n;
		count++;
		covey_future_free(f);
	}
	assert_int_equal(covey_errcode(), -ENOENT);
	assert_int_equal(count, 100);
	assert_int_equal(sum, 338350);
	end_pool(pool);
}

static void waiting_for_several(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct gate gate = new_gate();
	covey_future *f[4] = {covey_submit(pool, wait_for, gate.says, gate.gate), NULL,
	                      covey_submit(pool, square, 3), covey_submit(pool, fail_with, 9)};

	assert_true(covey_wait(f, 4, COVEY_FIRST_DONE, COVEY_FOREVER) >= 1);
	assert_true(covey_wait(f, 4, COVEY_FIRST_FAILED, COVEY_FOREVER) >= 1);
	assert_int_equal(covey_wait(f, 4, COVEY_ALL_DONE, 10), -ETIMEDOUT);
	assert_int_equal(covey_wait(f, 4, COVEY_ALL_DONE, 0), -EAGAIN);
	open_gate(&gate, 1);
	assert_int_equal(covey_wait(f, 4, COVEY_ALL_DONE, COVEY_FOREVER), 3);
	assert_int_equal(covey_wait(f, 0, COVEY_ALL_DONE, 0), 0);
	for (int i = 0; i < 4; i++)
		covey_future_free(f[i]);
	end_pool(pool);
	end_gate(&gate);
}

COVEY_TASK(int, odd_fails, int, n)
{
	if (n % 2)
		return covey_task_fail(n, "odd");
	return n / 2;
}

static void map_keeps_the_order(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	enum { N = 1000 };
	static uint64_t in[N], out[N];
	int evens[] = {0, 2, 4, 7, 6, 9}, halves[6] = {0};
	unsigned char small[4] = {1, 2, 3, 4}, back[4] = {0};

	for (uint64_t i = 0; i < N; i++)
		in[i] = i;
	for (size_t chunk = 0; chunk <= N + 1; chunk += chunk < 3 ? 1 : N / 2 - 1) {
		memset(out, 0, sizeof out);
		assert_int_equal(covey_pool_map(pool, square_covey_run, in, N, sizeof *in, out,
		                                sizeof *out, &(covey_map_opts){.chunk = chunk}),
		                 0);
		for (uint64_t i = 0; i < N; i++)
			assert_int_equal(out[i], i * i);
	}
	assert_int_equal(covey_map(pool, square, in, 0, out), 0);
	assert_int_equal(covey_map(pool, odd_fails, evens, 6, halves), -EREMOTEIO);
	assert_non_null(strstr(covey_errmsg(), "item 3: odd"));
	assert_int_equal(halves[4], 3);
	assert_int_equal(covey_pool_map(pool, echo, small, 4, 1, back, 1, NULL), 0);
	assert_memory_equal(small, back, 4);
	assert_int_equal(covey_pool_map(pool, echo, small, 4, 1, out, 8, NULL), -EMSGSIZE);
	assert_null(covey_as_completed(pool, 0));
	assert_int_equal(covey_errcode(), -ENOENT);
	end_pool(pool);
}

static void close_and_join_have_their_order(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *busy = covey_submit(pool, wait_for, gate.says, gate.gate), *next;
	uint64_t n;

	next = covey_submit(pool, square, 6);
	assert_int_equal(covey_pool_join(pool, 0), -EINVAL);
	assert_non_null(strstr(covey_errmsg(), "pool 'test': close it"));
	assert_int_equal(covey_pool_close(pool), 0);
	assert_int_equal(covey_pool_close(pool), 0);
	assert_null(covey_submit(pool, square, 1));
	assert_int_equal(covey_errcode(), -ESHUTDOWN);
	assert_int_equal(covey_pool_join(pool, 0), -EAGAIN);
	assert_int_equal(covey_pool_join(pool, 10), -ETIMEDOUT);
	assert_int_equal(covey_pool_pending(pool), 2);
	open_gate(&gate, 1);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	/* Futures outlive the pool, with their results. */
	assert_int_equal(covey_result(next, &n, 0), 0);
	assert_int_equal(n, 36);
	covey_future_free(busy);
	covey_future_free(next);
	end_gate(&gate);
}

static void a_hundred_thousand_tasks(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	enum { N = 100000 };
	covey_future **f = malloc(N * sizeof *f);
	uint64_t n;

	for (uint64_t i = 0; i < N; i++) {
		f[i] = covey_submit(pool, square, i);
		assert_non_null(f[i]);
	}
	for (uint64_t i = 0; i < N; i++) {
		assert_int_equal(covey_result(f[i], &n, COVEY_FOREVER), 0);
		assert_int_equal(n, i * i);
		covey_future_free(f[i]);
	}
	free(f);
	end_pool(pool);
}

struct submitter {
	covey_pool *pool;
	uint64_t from;
	int wrong;
};

static void *submit_some(void *arg)
{
	struct submitter *s = arg;

	for (uint64_t i = s->from; i < s->from + 5000; i++) {
		covey_future *f = covey_submit(s->pool, square, i);
		uint64_t n = 0;

		if (!f || covey_result(f, &n, COVEY_FOREVER) < 0 || n != i * i)
			s->wrong++;
		covey_future_free(f);
	}
	return NULL;
}

static void threads_may_submit_together(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	struct submitter s[3];
	pthread_t t[3];

	for (int i = 0; i < 3; i++) {
		s[i] = (struct submitter){pool, (uint64_t)i * 10000, 0};
		assert_int_equal(pthread_create(&t[i], NULL, submit_some, &s[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(s[i].wrong, 0);
	}
	end_pool(pool);
}

static void futures_dropped_early_are_no_loss(void **state)
{
	covey_pool *pool = open_pool(state, 2);

	for (uint64_t i = 0; i < 20000; i++)
		covey_future_free(covey_submit(pool, square, i));
	end_pool(pool);
}

static void terminate_cancels_what_has_not_run(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	struct gate gate = new_gate();
	covey_future *busy = covey_submit(pool, wait_for, gate.says, gate.gate);
	covey_future *f = covey_submit(pool, square, 2);
	const struct flavour *flavour = *state;
	uint64_t n;
	int i;

	at_gate(&gate);
	assert_int_equal(covey_pool_terminate(pool), 0);
	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), -ECANCELED);
	if (flavour->kind == COVEY_THREADS)
		open_gate(&gate, 1);
	assert_int_equal(covey_result(busy, &i, COVEY_FOREVER),
	                 flavour->kind == COVEY_THREADS ? 0 : -EOWNERDEAD);
	assert_int_equal(covey_pool_join(pool, COVEY_FOREVER), 0);
	covey_future_free(busy);
	covey_future_free(f);
	end_gate(&gate);
}

static void a_forked_child_cannot_use_the_pool(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_future *f = covey_submit(pool, square, 2);
	uint64_t n;
	int status;
	pid_t pid;

	assert_int_equal(covey_result(f, &n, COVEY_FOREVER), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (covey_submit(pool, square, 1) || covey_errcode() != -ECHILD ||
		    covey_result(f, &n, 0) != -ECHILD || covey_pool_close(pool) != -ECHILD)
			_exit(1);
		covey_future_free(f);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	covey_future_free(f);
	end_pool(pool);
}

static void bad_options_are_refused_in_words(void **state)
{
	covey_pool *pool = NULL;
	int nested(void);

	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.workers = 5000}), -EINVAL);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.workers = -1}), -EINVAL);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.kind = 9}), -EINVAL);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.method = 9}), -EINVAL);
	assert_null(pool);
	pool = open_pool(state, 0);
	assert_int_equal(covey_pool_workers(pool), covey_cpu_count());
	assert_null(covey_pool_submit(pool, (covey_task_fn *)(void *)&pool, NULL, 0, NULL));
	assert_int_equal(covey_errcode(), -EINVAL);
	end_pool(pool);
}

/* ---- deaths, of worker processes */

COVEY_TASK(int, die_by, int, number)
{
	if (!number)
		exit(3);
	signal(number, SIG_DFL); /* the test library's handler would catch it in a forked worker */
	raise(number);
	return 0;
}

COVEY_TASK(int, pid_of_worker, int, unused)
{
	(void)unused;
	return getpid();
}

static void a_crash_costs_the_one_task(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	covey_future *f[60];
	covey_failure failure;
	uint64_t n;
	int i;

	for (i = 0; i < 60; i++)
		f[i] = i % 10 == 5 ? covey_submit(pool, die_by,
		                                  i == 5    ? SIGKILL
		                                  : i == 15 ? 0
		                                            : SIGSEGV)
		                   : covey_submit(pool, square, (uint64_t)i);
	for (i = 0; i < 60; i++) {
		if (i % 10 != 5) {
			assert_int_equal(covey_result(f[i], &n, COVEY_FOREVER), 0);
			assert_int_equal(n, i * i);
		} else {
			assert_int_equal(covey_result(f[i], &n, COVEY_FOREVER), -EOWNERDEAD);
			assert_int_equal(covey_future_failure(f[i], &failure), 0);
			assert_int_equal(failure.kind, COVEY_WORKER_DIED);
			assert_int_equal(failure.signal, i == 5 ? SIGKILL : i == 15 ? 0 : SIGSEGV);
			assert_int_equal(failure.code, i == 15 ? 3 : 0);
			assert_true(failure.pid > 1);
			assert_non_null(strstr(failure.words, "task 'die_by': worker 'test-"));
		}
		covey_future_free(f[i]);
	}
	end_pool(pool);
}

COVEY_TASK(int, die_once, covey_queue, lives)
{
	int n;

	if (covey_get(lives, &n, 0) == 0)
		raise(SIGKILL);
	return 42;
}

static void a_task_is_retried_where_asked(void **state)
{
	const struct flavour *flavour = *state;
	covey_queue lives;
	covey_pool *pool;
	covey_future *f;
	int n = 0;

	assert_int_equal(covey_queue_create(&lives, NULL), 0);
	assert_int_equal(covey_pool_open(&pool, &(covey_pool_opts){.method = flavour->method,
	                                                           .workers = 1,
	                                                           .retries = 2}),
	                 0);
	for (int deaths = 0; deaths <= 3; deaths++) {
		for (int i = 0; i < deaths; i++)
			assert_int_equal(covey_put(lives, &n, 0), 0);
		f = covey_submit(pool, die_once, lives);
		assert_int_equal(covey_result(f, &n, COVEY_FOREVER), deaths <= 2 ? 0 : -EOWNERDEAD);
		covey_future_free(f);
	}
	end_pool(pool);
	assert_int_equal(covey_queue_destroy(lives), 0);
}

static void random_kills_lose_no_task(void **state)
{
	const struct flavour *flavour = *state;
	enum { N = 20000 };
	covey_future **f = malloc(N * sizeof *f);
	unsigned seed = 11;
	covey_pool *pool;
	uint64_t n;
	int died = 0;

	assert_int_equal(
		covey_pool_open(&pool, &(covey_pool_opts){.method = flavour->method, .workers = 2}),
		0);
	for (uint64_t i = 0; i < N; i++) {
		f[i] = covey_submit(pool, square, i);
		assert_non_null(f[i]);
		if (i % 500 == 499) {
			/* A worker tells its pid, and is killed in the middle of what it does then.
			 */
			covey_future *who = covey_submit(pool, pid_of_worker, 0);
			int pid;

			if (covey_result(who, &pid, COVEY_FOREVER) == 0) {
				seed = seed * 1103515245 + 12345;
				for (unsigned spin = 0; spin < ((seed >> 16) & 0x3ff); spin++)
					__asm__ volatile("");
				harness_kill(pid, SIGKILL);
			}
			covey_future_free(who);
		}
	}
	for (uint64_t i = 0; i < N; i++) {
		int rc = covey_result(f[i], &n, COVEY_FOREVER);

		assert_true(rc == 0 || rc == -EOWNERDEAD);
		if (rc == 0)
			assert_int_equal(n, i * i);
		died += rc < 0;
		covey_future_free(f[i]);
	}
	assert_true(died <= N / 500);
	free(f);
	end_pool(pool);
}

static void idle_workers_are_replaced_too(void **state)
{
	covey_pool *pool = open_pool(state, 1);
	covey_future *f;
	int pid, again;

	f = covey_submit(pool, pid_of_worker, 0);
	assert_int_equal(covey_result(f, &pid, COVEY_FOREVER), 0);
	covey_future_free(f);
	HARNESS_EVENTUALLY(harness_asleep(pid));
	harness_kill(pid, SIGKILL);
	f = covey_submit(pool, pid_of_worker, 0);
	assert_int_equal(covey_result(f, &again, COVEY_FOREVER), 0);
	assert_int_not_equal(pid, again);
	covey_future_free(f);
	end_pool(pool);
}

COVEY_TASK(int, die_if_thirteen, int, n)
{
	if (n == 13)
		raise(SIGKILL);
	return n * 2;
}

static void a_crash_in_a_map_costs_the_one_item(void **state)
{
	covey_pool *pool = open_pool(state, 2);
	int in[40], out[40] = {0};

	for (int i = 0; i < 40; i++)
		in[i] = i;
	assert_int_equal(covey_pool_map(pool, die_if_thirteen_covey_run, in, 40, sizeof *in, out,
	                                sizeof *out, &(covey_map_opts){.chunk = 10}),
	                 -EOWNERDEAD);
	assert_non_null(strstr(covey_errmsg(), "item 13"));
	for (int i = 0; i < 40; i++)
		if (i != 13)
			assert_int_equal(out[i], 2 * i);
	end_pool(pool);
}

/* ---- in a process of its own, which is killed */

static int keep_a_pool(const void *arg, size_t len)
{
	const struct gate *gate = arg;
	covey_pool *pool;
	covey_future *f;
	int pid = 0;

	if (covey_pool_open(&pool, &(covey_pool_opts){.workers = 2}) < 0)
		return 1;
	f = covey_submit(pool, pid_of_worker, 0);
	covey_result(f, &pid, COVEY_FOREVER);
	covey_put(gate->says, &pid, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static void workers_end_with_the_pools_process(void **state)
{
	const struct flavour *flavour = *state;
	struct gate gate = new_gate();
	covey_process *p;
	int pid;

	assert_int_equal(covey_start(&p, keep_a_pool, &gate, .method = flavour->method), 0);
	assert_int_equal(covey_get(gate.says, &pid, COVEY_FOREVER), 0);
	assert_true(harness_exists(pid));
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	HARNESS_EVENTUALLY(!harness_exists(pid));
	covey_process_free(p);
	harness_objects_stay(); /* the killed process's pool */
}

static struct flavour by_threads = {COVEY_THREADS, 0}, by_fork = {COVEY_PROCESSES, COVEY_FORK},
		      by_spawn = {COVEY_PROCESSES, COVEY_SPAWN},
		      by_server = {COVEY_PROCESSES, COVEY_FORKSERVER};

#define BY_PROCESSES(test)                                                                      \
	HARNESS_TEST_WITH(test, "fork", &by_fork), HARNESS_TEST_WITH(test, "spawn", &by_spawn), \
		HARNESS_TEST_WITH(test, "forkserver", &by_server)
#define BY_ALL(test) HARNESS_TEST_WITH(test, "threads", &by_threads), BY_PROCESSES(test)

static const struct harness_test tests[] = {
	BY_ALL(typed_tasks_return_their_results),
	BY_ALL(arguments_and_results_of_any_size),
	BY_ALL(failures_come_with_code_and_words),
	BY_ALL(what_has_not_started_can_be_cancelled),
	BY_ALL(callbacks_are_called_once_each),
	BY_ALL(as_completed_hands_out_each_once),
	BY_ALL(waiting_for_several),
	BY_ALL(map_keeps_the_order),
	BY_ALL(close_and_join_have_their_order),
	BY_ALL(a_hundred_thousand_tasks),
	BY_ALL(threads_may_submit_together),
	BY_ALL(futures_dropped_early_are_no_loss),
	BY_ALL(terminate_cancels_what_has_not_run),
	BY_ALL(a_forked_child_cannot_use_the_pool),
	BY_ALL(bad_options_are_refused_in_words),
	BY_PROCESSES(a_crash_costs_the_one_task),
	BY_PROCESSES(a_task_is_retried_where_asked),
	BY_PROCESSES(random_kills_lose_no_task),
	BY_PROCESSES(idle_workers_are_replaced_too),
	BY_PROCESSES(a_crash_in_a_map_costs_the_one_item),
	BY_PROCESSES(workers_end_with_the_pools_process),
};

HARNESS_MAIN(tests)
