/* SPDX-License-Identifier: MIT */
/*
 * Calls that the tests of their objects make in one process: here in a child of each start
 * method, on objects that its parent has made. `tests/docs/test_methods.py` sees that none is
 * forgotten.
 */
#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct things {
	covey_array array;
	covey_block block;
	covey_rlock rlock;
	covey_condition condition;
	covey_dict dict;
	covey_list list;
	covey_pipe end[2];
	covey_queue queue;
	covey_fn fn;
};

struct point {
	int x;
	const char *name;
};

COVEY_SCHEMA(point, x, name)

#define CHECK(expr)                                                                            \
	do {                                                                                   \
		if (!(expr)) {                                                                 \
			fprintf(stderr, "line %d: %s: %s\n", __LINE__, #expr, covey_errmsg()); \
			return 1;                                                              \
		}                                                                              \
	} while (0)

static int thirteen(void)
{
	return 13;
}

static int shared_data(const struct things *t)
{
	int one = 1, two = 2, n = 0;
	struct iovec both[2] = {{&one, sizeof one}, {&two, sizeof two}};
	void *copy;

	CHECK(covey_array_length(t->array) == 7);
	CHECK(covey_block_max_size(t->block) >= 4096);
	CHECK(covey_dict_set(t->dict, "key", &one) == 1);
	CHECK(covey_dict_contains(t->dict, "key") == 1);
	CHECK(covey_dict_contains(t->dict, "other") == 0);
	CHECK(covey_dict_get_alloc(t->dict, "key", &copy) == sizeof n && *(int *)copy == 1);
	free(copy);
	CHECK(covey_dict_pop(t->dict, "key", &n) == 0 && n == 1);
	CHECK(covey_dict_set(t->dict, "key", &two) == 1);
	CHECK(covey_dict_pop_bytes(t->dict, "key", COVEY_TEXT, &n, sizeof n) == sizeof n && n == 2);
	CHECK(covey_list_extend(t->list, both, 2) == 0);
	CHECK(covey_list_get_alloc(t->list, 1, &copy) == sizeof n && *(int *)copy == 2);
	free(copy);
	CHECK(covey_list_pop(t->list, 0, &n) == 0 && n == 1);
	CHECK(covey_list_pop_bytes(t->list, -1, &n, sizeof n) == sizeof n && n == 2);
	CHECK(covey_list_extend(t->list, both, 2) == 0 && covey_list_clear(t->list) == 0);
	CHECK(covey_list_size(t->list) == 0);
	return 0;
}

static int messages_in_place(const struct things *t)
{
	covey_message message;
	int n = 0;

	CHECK(covey_queue_reserve(t->queue, sizeof n, &message, COVEY_FOREVER) == 0);
	CHECK(covey_queue_abandon(&message) == 0);
	CHECK(covey_queue_reserve(t->queue, sizeof n, &message, COVEY_FOREVER) == 0);
	*(int *)message.data = 5;
	CHECK(covey_queue_commit(&message) == 0);
	CHECK(covey_queue_peek(t->queue, &message, COVEY_FOREVER) == 0);
	CHECK(covey_queue_keep(&message) == 0);
	CHECK(covey_queue_peek(t->queue, &message, COVEY_FOREVER) == 0);
	CHECK(*(int *)message.data == 5);
	CHECK(covey_queue_release(&message) == 0);
	CHECK(covey_queue_get(t->queue, &n, sizeof n, 0) == -EAGAIN);
	return 0;
}

static int messages(const struct things *t)
{
	char first[8] = "first", second[8] = "second", a[8], b[8];
	struct iovec put[2] = {{first, 6}, {second, 7}}, got[2] = {{a, sizeof a}, {b, sizeof b}};
	struct point point = {3, "here"}, same = {0, NULL};
	void *data;

	CHECK(covey_queue_put_many(t->queue, put, 2, COVEY_FOREVER) == 2);
	CHECK(covey_queue_get_many(t->queue, got, 2, COVEY_FOREVER) == 2);
	CHECK(!strcmp(a, first) && !strcmp(b, second) && got[1].iov_len == 7);
	CHECK(covey_queue_put(t->queue, first, 6, COVEY_FOREVER) == 0);
	CHECK(covey_queue_bytes(t->queue) == 6);
	CHECK(covey_queue_get_alloc(t->queue, &data, COVEY_FOREVER) == 6 && !strcmp(data, first));
	free(data);
	CHECK(covey_queue_put_as(t->queue, point, &point, COVEY_FOREVER) == 0);
	CHECK(covey_queue_get_as(t->queue, point, &same, COVEY_FOREVER) == 0);
	CHECK(same.x == 3 && !strcmp(same.name, "here"));
	covey_free_as(point, &same);
	CHECK(covey_pipe_send(t->end[0], first, 6, COVEY_FOREVER) == 0);
	CHECK(covey_pipe_receive(t->end[1], a, sizeof a, COVEY_FOREVER) == 6);
	CHECK(covey_pipe_send(t->end[1], second, 7, COVEY_FOREVER) == 0);
	CHECK(covey_pipe_receive_alloc(t->end[0], &data, COVEY_FOREVER) == 7);
	free(data);
	CHECK(covey_send(t->end[0], &point.x, COVEY_FOREVER) == 0);
	CHECK(covey_receive(t->end[1], &same.x, COVEY_FOREVER) == 0 && same.x == 3);
	return 0;
}

static int waiting(const struct things *t)
{
	covey_condition condition;

	CHECK(covey_rlock_acquire(t->rlock, COVEY_FOREVER) == 0);
	CHECK(covey_condition_wait(t->condition, 1) == -ETIMEDOUT);
	CHECK(covey_condition_create_rlock(&condition, t->rlock, "the child's") == 0);
	CHECK(covey_condition_wait(condition, 1) == -ETIMEDOUT);
	CHECK(covey_condition_destroy(condition) == 0);
	CHECK(covey_rlock_release(t->rlock) == 0);
	return 0;
}

static void note_log(void *context, int level, const char *text)
{
	(void)level;
	*(bool *)context = text != NULL;
}

static int this_process(const struct things *t)
{
	struct point point = {4, "there"}, same = {0, NULL};
	covey_future *f = covey_future_create("by hand");
	bool logged = false;
	void *bytes;
	size_t len;

	CHECK(covey_fn_as(int (*)(void), t->fn)() == 13);
	CHECK(covey_pack(point, &point, &bytes, &len) == 0);
	CHECK(covey_unpack(point, bytes, len, &same) == 0 && same.x == 4);
	covey_free_as(point, &same);
	free(bytes);
	CHECK(f && covey_future_set_running(f) == 0);
	CHECK(covey_future_set_failure(f, 9, "no %s", "luck") == 0);
	CHECK(covey_future_done(f) == 1);
	covey_future_free(f);
	CHECK(*covey_version() && *covey_strerror(-EPIPE));
	covey_set_log(note_log, &logged);
	covey_set_log(NULL, NULL);
	return logged;
}

static int call_all(const void *arg, size_t len)
{
	const struct things *t = arg;

	return shared_data(t) || messages_in_place(t) || messages(t) || waiting(t) ||
	       this_process(t);
}

static void what_one_process_can_do_a_child_can(void **state)
{
	struct things t;
	covey_process *p;

	assert_int_equal(covey_array_create(&t.array, int, 7, NULL), 0);
	assert_int_equal(covey_block_create(&t.block, 4096, NULL), 0);
	assert_int_equal(covey_rlock_create(&t.rlock, NULL), 0);
	assert_int_equal(covey_condition_create_rlock(&t.condition, t.rlock, NULL), 0);
	assert_int_equal(covey_dict_create(&t.dict, NULL), 0);
	assert_int_equal(covey_list_create(&t.list, NULL), 0);
	assert_int_equal(covey_pipe_create(t.end, NULL), 0);
	assert_int_equal(covey_queue_create(&t.queue, NULL), 0);
	assert_int_equal(covey_fn_make(&t.fn, thirteen), 0);
	assert_int_equal(covey_start(&p, call_all, &t, .method = *(covey_method *)*state), 0);
	assert_int_equal(covey_process_finish(&p, 1), 0);
	assert_int_equal(covey_queue_destroy(t.queue), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_pipe_close(t.end[i]), 0);
	assert_int_equal(covey_list_destroy(t.list), 0);
	assert_int_equal(covey_dict_destroy(t.dict), 0);
	assert_int_equal(covey_condition_destroy(t.condition), 0);
	assert_int_equal(covey_rlock_destroy(t.rlock), 0);
	assert_int_equal(covey_block_destroy(t.block), 0);
	assert_int_equal(covey_array_destroy(t.array), 0);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(what_one_process_can_do_a_child_can),
};

HARNESS_MAIN(tests)
