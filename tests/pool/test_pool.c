/* SPDX-License-Identifier: MIT */
/* Pools: submitting, closing, joining; one contract, every kind of pool and start method. */
#include "pool_tests.h"

COVEY_TASK(double, mix, char, a, short, b, int, c, long, d, float, e, double, f)
{
	return a + b + c + (double)d + (double)e + f;
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

/* Writes the numbers from 1 on in place, so many bytes; the first room is given back. */
static int count_up(covey_task *task, const void *arg, size_t len)
{
	size_t bytes = *(const size_t *)arg;
	unsigned char *result = covey_task_result(task, 5);

	if (!result)
		return covey_errcode();
	result[0] = 77;
	result = covey_task_result(task, bytes);
	if (!result || (uintptr_t)result % 16)
		return covey_errcode();
	for (size_t i = 0; i < bytes; i++)
		result[i] = (unsigned char)(i + 1);
	return 0;
}

static void results_are_made_in_place(void **state)
{
	covey_pool *pool = open_pool(state, 2);

	for (size_t bytes = 1; bytes < 1 << 20; bytes = 7 * bytes + 3) {
		covey_future *f = covey_pool_submit(pool, count_up, &bytes, sizeof bytes, NULL);
		unsigned char *result = malloc(bytes);

		assert_int_equal(covey_future_result(f, result, bytes, COVEY_FOREVER), bytes);
		for (size_t i = 0; i < bytes; i++)
			assert_int_equal(result[i], (unsigned char)(i + 1));
		covey_future_free(f);
		free(result);
	}
	end_pool(pool);
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

	for (uint64_t i = 0; i < N; i++) {
		f[i] = covey_submit(pool, square, i);
		assert_non_null(f[i]);
	}
	assert_int_equal(squares_died(f, N), 0);
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

static const struct harness_test tests[] = {
	BY_ALL(typed_tasks_return_their_results),   BY_ALL(arguments_and_results_of_any_size),
	BY_ALL(results_are_made_in_place),          BY_ALL(failures_come_with_code_and_words),
	BY_ALL(close_and_join_have_their_order),    BY_ALL(a_hundred_thousand_tasks),
	BY_ALL(threads_may_submit_together),        BY_ALL(terminate_cancels_what_has_not_run),
	BY_ALL(a_forked_child_cannot_use_the_pool), BY_ALL(bad_options_are_refused_in_words),
};

HARNESS_MAIN(tests)
