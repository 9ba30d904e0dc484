/* SPDX-License-Identifier: MIT */
/* What cannot travel is refused by pack, by the field's name and with the reason. */
#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <covey/process.h>
#include <covey/pool.h>
#include <covey/schema.h>

#include "sample.h"

/* Refused with this errno, words that begin so, and outputs as they were. */
#define assert_refused(name, object, error, start)                                      \
	do {                                                                            \
		void *bytes_ = (void *)1;                                               \
		size_t len_ = 2;                                                        \
		assert_int_equal(covey_pack(name, (object), &bytes_, &len_), -(error)); \
		assert_int_equal(covey_errcode(), -(error));                            \
		if (strncmp(covey_errmsg(), (start), strlen(start)) != 0)               \
			assert_string_equal(covey_errmsg(), (start));                   \
		assert_true(bytes_ == (void *)1 && len_ == 2);                          \
	} while (0)

struct chat {
	char *name;
	covey_lock lock;
};
COVEY_SCHEMA(chat, name, lock)

static void a_lock_is_refused_by_name(void **state)
{
	struct chat c = {.name = "ada"};

	assert_refused(chat, &c, EINVAL, "chat.lock: ");
	assert_string_equal(covey_errmsg(),
	                    "chat.lock: a lock goes to a process as an argument, not in a message");
}

struct handles {
	int which;
	covey_rlock rlock;
	covey_queue queue;
	covey_process *process;
	covey_pool *pool;
	covey_future *future;
	covey_lock locks[2];
};
COVEY_SCHEMA_OF(with_rlock, struct handles, which, rlock)
COVEY_SCHEMA_OF(with_queue, struct handles, which, queue)
COVEY_SCHEMA_OF(with_process, struct handles, which, process)
COVEY_SCHEMA_OF(with_pool, struct handles, which, pool)
COVEY_SCHEMA_OF(with_future, struct handles, which, future)
COVEY_SCHEMA_OF(with_locks, struct handles, which, locks)

static void every_shared_object_is_refused(void **state)
{
	struct handles h = {.which = 1};

	assert_refused(
		with_rlock, &h, EINVAL,
		"with_rlock.rlock: an rlock goes to a process as an argument, not in a message");
	assert_refused(
		with_queue, &h, EINVAL,
		"with_queue.queue: a queue goes to a process as an argument, not in a message");
	assert_refused(with_process, &h, EINVAL, "with_process.process: a process belongs to ");
	assert_refused(with_pool, &h, EINVAL, "with_pool.pool: a pool belongs to ");
	assert_refused(with_future, &h, EINVAL, "with_future.future: a future belongs to ");
	assert_refused(with_locks, &h, EINVAL, "with_locks.locks: a lock goes to ");
}

struct room {
	struct chat inner;
	struct chat *items;
	int n;
};
COVEY_SCHEMA_OF(room, struct room, COVEY_NESTED(inner, chat))
COVEY_SCHEMA_OF(rooms, struct room, COVEY_COUNTED_OF(items, n, chat))

static void nested_fields_are_named_in_full(void **state)
{
	struct chat items[1] = {{.name = "x"}};
	struct room r = {.items = items, .n = 1};

	assert_refused(room, &r, EINVAL, "room.inner.lock: a lock goes to ");
	assert_refused(rooms, &r, EINVAL, "rooms.items[0].lock: a lock goes to ");
}

struct call {
	covey_fn fn;
	int (*handler)(int);
};
COVEY_SCHEMA(call, fn, COVEY_FUNCTION(handler))

struct calls {
	struct call *items;
	size_t n;
};
COVEY_SCHEMA(calls, COVEY_COUNTED_OF(items, n, call))

static void a_function_of_no_module_is_refused(void **state)
{
	struct call items[4] = {{.handler = NULL}};
	struct calls c = {items, 4};

	items[3].fn = (covey_fn){.module = 0x1234, .offset = 16};
	assert_refused(calls, &c, EINVAL, "calls.items[3].fn: ");
}

static void a_function_value_past_the_code_is_refused(void **state)
{
	struct call c = {.handler = NULL};

	assert_int_equal(covey_fn_make(&c.fn, a_function_of_no_module_is_refused), 0);
	c.fn.offset = UINT64_C(1) << 40;
	assert_refused(call, &c, EINVAL, "call.fn: ");
}

static void data_is_no_function(void **state)
{
	static int data[16];
	struct call c = {.handler = (int (*)(int))(void *)data};

	assert_refused(call, &c, EINVAL, "call.handler: ");
}

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wtrampolines"
static void a_nested_function_is_refused(void **state)
{
	volatile int more = 3;
	int add(int x)
	{
		return x + more;
	}
	struct call c = {.handler = add};

	assert_int_equal(add(1), 4);
	assert_refused(call, &c, EINVAL, "call.handler: ");
}
#endif

static void a_count_without_elements_is_refused(void **state)
{
	sample s = {.n_values = 3};

	assert_refused(sample, &s, EINVAL, "sample.values: NULL, and its count is 3");
	s = (sample){.n_blob = 1};
	assert_refused(sample, &s, EINVAL, "sample.blob: NULL, and its count is 1");
}

static void a_count_below_zero_is_refused(void **state)
{
	sample s = {.n_lines = -3};

	assert_refused(sample, &s, EINVAL, "sample.lines: its count is -3");
}

static void a_count_over_its_array_is_refused(void **state)
{
	sample s = {.n_few = 5};

	assert_refused(sample, &s, EINVAL, "sample.few: its count is 5, over the 4 ");
}

static void text_without_its_end_is_refused(void **state)
{
	sample s = {.flag = true};

	memset(s.code, 'x', sizeof s.code);
	assert_refused(sample, &s, EINVAL, "sample.code: all 8 bytes are used");
}

static void over_4_gib_is_refused(void **state)
{
	struct {
		char *data;
		size_t len;
	} b = {"only a few", (size_t)1 << 32};
	const covey_field field = {.name = "data",
	                           .offset = 0,
	                           .size = sizeof(char *),
	                           .type = COVEY_TYPE_(COVEY_KIND_BYTE, char),
	                           .shape = COVEY_SHAPE_COUNTED,
	                           .count_offset = sizeof(char *),
	                           .count_type = COVEY_TYPE_(COVEY_KIND_UINT, size_t)};
	const covey_schema big = {.version = COVEY_SCHEMA_VERSION,
	                          .count = 1,
	                          .name = "big",
	                          .size = sizeof b,
	                          .fields = &field};
	void *bytes;
	size_t len;

	assert_int_equal(covey_schema_pack(&big, &b, &bytes, &len), -EMSGSIZE);
	assert_string_equal(covey_errmsg(),
	                    "big.data: 4294967296 bytes, over MessagePack's 4294967295");
}

static void a_cycle_is_refused(void **state)
{
	struct node n = {.value = 1};

	n.next = &n;
	assert_refused(node, &n, EINVAL, "node.next.next.");
	assert_non_null(strstr(covey_errmsg(), "nested deeper than 32"));
}

static void what_packs_at_the_depth_unpacks(void **state)
{
	struct node nodes[COVEY_SCHEMA_DEPTH + 1] = {{.value = 0}}, out;
	void *bytes;
	size_t len;

	for (int i = 0; i + 1 < COVEY_SCHEMA_DEPTH; i++)
		nodes[i].next = &nodes[i + 1];
	assert_int_equal(covey_pack(node, &nodes[0], &bytes, &len), 0);
	assert_int_equal(covey_unpack(node, bytes, len, &out), 0);
	covey_free_as(node, &out);
	free(bytes);
	nodes[COVEY_SCHEMA_DEPTH - 1].next = &nodes[COVEY_SCHEMA_DEPTH];
	assert_refused(node, &nodes[0], EINVAL, "node.next.next.");
}

static void breadth_is_not_depth(void **state)
{
	static struct tag tags[10 * COVEY_SCHEMA_DEPTH];
	sample in = {.tags = tags, .n_tags = sizeof tags / sizeof *tags}, out;
	void *bytes;
	size_t len;

	assert_int_equal(covey_pack(sample, &in, &bytes, &len), 0);
	assert_int_equal(covey_unpack(sample, bytes, len, &out), 0);
	assert_int_equal(out.n_tags, in.n_tags);
	covey_free_as(sample, &out);
	free(bytes);
}

struct counted {
	int *values;
	int n;
};
COVEY_SCHEMA(counted, n, COVEY_COUNTED(values, n))

static void a_count_that_is_listed_is_refused(void **state)
{
	struct counted c = {NULL, 0};

	assert_refused(counted, &c, EINVAL,
	               "counted: field 'n' is, or holds, the count of 'values'");
	assert_int_equal(covey_unpack(counted, "\x80", 1, &c), -EINVAL);
}

static void null_is_refused(void **state)
{
	struct tag t;

	assert_refused(tag, (struct tag *)NULL, EINVAL, "tag: the object to pack is NULL");
	assert_int_equal(covey_unpack(tag, NULL, 3, &t), -EINVAL);
	assert_int_equal(covey_unpack(tag, "\x80", 1, (struct tag *)NULL), -EINVAL);
	assert_int_equal(covey_unpack(tag, NULL, 0, &t), -EBADMSG);
}

static void a_newer_schema_is_refused(void **state)
{
	covey_schema newer = tag_covey_schema;
	struct tag t = {"t", 1};
	void *bytes;
	size_t len;

	newer.version = COVEY_SCHEMA_VERSION + 1;
	assert_int_equal(covey_schema_pack(&newer, &t, &bytes, &len), -EINVAL);
	assert_int_equal(covey_schema_unpack(&newer, "\x80", 1, &t), -EINVAL);
	covey_schema_free(&newer, &t);
	assert_string_equal(t.text, "t");
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_lock_is_refused_by_name),
	HARNESS_TEST(every_shared_object_is_refused),
	HARNESS_TEST(nested_fields_are_named_in_full),
	HARNESS_TEST(a_function_of_no_module_is_refused),
	HARNESS_TEST(a_function_value_past_the_code_is_refused),
	HARNESS_TEST(data_is_no_function),
#ifndef __clang__
	HARNESS_TEST(a_nested_function_is_refused),
#endif
	HARNESS_TEST(a_count_without_elements_is_refused),
	HARNESS_TEST(a_count_below_zero_is_refused),
	HARNESS_TEST(a_count_over_its_array_is_refused),
	HARNESS_TEST(text_without_its_end_is_refused),
	HARNESS_TEST(over_4_gib_is_refused),
	HARNESS_TEST(a_cycle_is_refused),
	HARNESS_TEST(what_packs_at_the_depth_unpacks),
	HARNESS_TEST(breadth_is_not_depth),
	HARNESS_TEST(a_count_that_is_listed_is_refused),
	HARNESS_TEST(null_is_refused),
	HARNESS_TEST(a_newer_schema_is_refused),
};

HARNESS_MAIN(tests)
