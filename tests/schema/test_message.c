/* SPDX-License-Identifier: MIT */
/* Objects through queues. */
#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <covey/process.h>
#include <covey/queue.h>
#include <covey/schema.h>

struct chat {
	char *name;
	uint32_t tokens;
};
COVEY_SCHEMA(chat, name, tokens)

struct locked {
	char *name;
	covey_lock lock;
};
COVEY_SCHEMA(locked, name, lock)

static covey_queue make_queue(uint64_t max_messages, uint64_t max_message)
{
	covey_queue q;
	const covey_queue_opts opts = {
		.name = "chats", .max_messages = max_messages, .max_message = max_message};

	assert_int_equal(covey_queue_create(&q, &opts), 0);
	return q;
}

static void a_struct_goes_through(void **state)
{
	covey_queue q = make_queue(0, 0);
	const struct chat in = {"ada", 5};
	struct chat out = {NULL, 0};

	assert_int_equal(covey_queue_put_as(q, chat, &in, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_size(q), 1);
	assert_int_equal(covey_queue_get_as(q, chat, &out, COVEY_FOREVER), 0);
	assert_string_equal(out.name, "ada");
	assert_int_equal(out.tokens, 5);
	assert_int_equal(covey_queue_size(q), 0);
	covey_free_as(chat, &out);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static int put_three(const void *arg, size_t len)
{
	const covey_queue *q = arg;
	char name[] = "chat-0";

	for (uint32_t i = 0; i < 3; i++) {
		name[5] = (char)('0' + i);
		if (covey_queue_put_as(*q, chat, &((struct chat){name, i}), COVEY_FOREVER) < 0)
			return 1;
	}
	return 0;
}

static void structs_come_from_another_process(void **state)
{
	covey_queue q = make_queue(0, 0);
	covey_process *p;
	struct chat c;

	assert_int_equal(covey_start(&p, put_three, &q, .method = COVEY_FORK), 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(covey_queue_get_as(q, chat, &c, COVEY_FOREVER), 0);
		assert_int_equal(c.tokens, i);
		assert_int_equal(c.name[5], '0' + i);
		covey_free_as(chat, &c);
	}
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), 0);
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void a_refusal_sends_nothing_and_the_queue_works_on(void **state)
{
	covey_queue q = make_queue(0, 0);
	struct locked l = {.name = "x"};
	struct chat c = {"after", 1};

	assert_int_equal(covey_lock_create(&l.lock, "mine"), 0);
	assert_int_equal(covey_queue_put_as(q, locked, &l, COVEY_FOREVER), -EINVAL);
	assert_string_equal(
		covey_errmsg(),
		"locked.lock: a lock goes to a process as an argument, not in a message");
	assert_int_equal(covey_queue_size(q), 0);
	assert_int_equal(covey_queue_put_as(q, chat, &c, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_get_as(q, chat, &c, COVEY_FOREVER), 0);
	assert_string_equal(c.name, "after");
	covey_free_as(chat, &c);
	assert_int_equal(covey_lock_destroy(l.lock), 0);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void what_does_not_unpack_is_taken(void **state)
{
	covey_queue q = make_queue(0, 0);
	struct chat c = {"next", 2}, out = {"untouched", 9};

	assert_int_equal(covey_queue_put(q, "\x81\xa4name\x07", 7, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_put(q, "", 0, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_put_as(q, chat, &c, COVEY_FOREVER), 0);
	assert_int_equal(covey_queue_get_as(q, chat, &out, COVEY_FOREVER), -EBADMSG);
	assert_string_equal(covey_errmsg(), "chat.name: expected a string, found 7");
	assert_string_equal(out.name, "untouched");
	assert_int_equal(covey_queue_size(q), 2);
	assert_int_equal(covey_queue_get_as(q, chat, &out, COVEY_FOREVER), -EBADMSG);
	assert_int_equal(covey_queue_get_as(q, chat, &out, COVEY_FOREVER), 0);
	assert_string_equal(out.name, "next");
	covey_free_as(chat, &out);
	assert_int_equal(covey_queue_destroy(q), 0);
}

static void errors_of_the_queue_come_through(void **state)
{
	covey_queue q = make_queue(1, 64);
	char longer[100];
	struct chat c = {"a", 1}, big = {longer, 1}, out;

	memset(longer, 'x', sizeof longer);
	longer[sizeof longer - 1] = '\0';
	assert_int_equal(covey_queue_get_as(q, chat, &out, 0), -EAGAIN);
	assert_int_equal(covey_queue_put_as(q, chat, &big, COVEY_FOREVER), -EMSGSIZE);
	assert_int_equal(covey_queue_put_as(q, chat, &c, 0), 0);
	assert_int_equal(covey_queue_put_as(q, chat, &c, 0), -EAGAIN);
	assert_int_equal(covey_queue_put_as(q, chat, &c, 1), -ETIMEDOUT);
	assert_int_equal(covey_queue_close(q), 0);
	assert_int_equal(covey_queue_put_as(q, chat, &c, COVEY_FOREVER), -EPIPE);
	assert_int_equal(covey_queue_get_as(q, chat, &out, COVEY_FOREVER), 0);
	covey_free_as(chat, &out);
	assert_int_equal(covey_queue_get_as(q, chat, &out, COVEY_FOREVER), -EPIPE);
	assert_int_equal(covey_queue_destroy(q), 0);
	assert_int_equal(covey_queue_get_as(q, chat, &out, 0), -EBADF);
	assert_int_equal(covey_queue_put_as(q, chat, &c, 0), -EBADF);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_struct_goes_through),
	HARNESS_TEST(structs_come_from_another_process),
	HARNESS_TEST(a_refusal_sends_nothing_and_the_queue_works_on),
	HARNESS_TEST(what_does_not_unpack_is_taken),
	HARNESS_TEST(errors_of_the_queue_come_through),
};

HARNESS_MAIN(tests)
