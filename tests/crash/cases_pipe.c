/* SPDX-License-Identifier: MIT */
/* Pipes: send, receive, close, and making one. Queues' cases cover the rings. */
#include "cases.h"

#include <stdlib.h>

#include "arena/arena.h"

#define SMALL 64

static covey_pipe ends[2];
static unsigned char victims[SMALL];

/* With this process, which lives on, using both ends. */
static void new_pipe(void)
{
	make_message(victims, SMALL, 50);
	if (covey_pipe_create(ends, &(covey_pipe_opts){.name = "swept", .max_messages = 2}) < 0)
		abort();
	for (int i = 0; i < 2; i++)
		if (covey_pipe_poll(ends[i], 0) != -EAGAIN)
			abort();
}

static void full_pipe(void)
{
	new_pipe();
	for (int i = 0; i < 2; i++)
		if (covey_pipe_send(ends[0], victims, SMALL, 0) < 0)
			abort();
}

static void close_ends(void)
{
	covey_pipe_close(ends[0]);
	covey_pipe_close(ends[1]);
}

static void send_one(void)
{
	covey_pipe_send(ends[0], victims, SMALL, COVEY_FOREVER);
}

static void receive_one(void)
{
	covey_pipe_receive(ends[1], victims, SMALL, COVEY_FOREVER);
}

static int receiver(uint32_t *got)
{
	unsigned char buf[SMALL];
	int64_t n = covey_pipe_receive(ends[1], buf, SMALL, COVEY_FOREVER);

	if (n == SMALL && !whole_message(buf, SMALL, got))
		board->torn = 1;
	return n < 0 ? (int)n : 0;
}

static int sender(uint32_t *got)
{
	unsigned char buf[SMALL];

	(void)got;
	make_message(buf, SMALL, 70);
	return covey_pipe_send(ends[0], buf, SMALL, COVEY_FOREVER);
}

static int asleep_or_done(void)
{
	int done = 0;

	for (int i = 0; i < SLEEPERS; i++)
		done += board->done[i];
	return done;
}

/* A receiver that sleeps must go on where the message is there. */
static int messages_now(void)
{
	return asleep_or_done() + (covey_pipe_poll(ends[1], 0) == 1);
}

/* A sender that sleeps must go on where there is room. */
static int room_now(void)
{
	int done = asleep_or_done();

	if (done)
		return done;
	return covey_pipe_send(ends[0], victims, SMALL, 0) == 0;
}

/* Where the stream to it has ended, a receiver must go on. */
static int ended_now(void)
{
	int rc = covey_pipe_send(ends[0], victims, 0, 0);

	return rc == -EPIPE || rc == -EBADF ? SLEEPERS : asleep_or_done();
}

static const char *works(const struct board *b)
{
	unsigned char buf[SMALL];
	uint32_t id;

	for (int i = 0; i < SLEEPERS; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	while (covey_pipe_receive(ends[1], buf, SMALL, 0) >= 0)
		if (!whole_message(buf, SMALL, &id))
			return "a torn message";
	if (covey_errcode() != -EAGAIN)
		return "receive failed";
	for (uint32_t i = 0; i < 8; i++) {
		covey_pipe from = ends[i % 2], to = ends[1 - i % 2];

		make_message(buf, SMALL, i);
		if (covey_pipe_send(from, buf, SMALL, COVEY_FOREVER) < 0)
			return "send failed afterwards";
		if (covey_pipe_receive(to, buf, SMALL, COVEY_FOREVER) != SMALL)
			return "receive failed afterwards";
		if (!whole_message(buf, SMALL, &id) || id != i)
			return "another message came than was sent";
	}
	return NULL;
}

/* A pipe to which nobody sends but the victim. */
static void pipe_of_others(void)
{
	make_message(victims, SMALL, 50);
	if (covey_pipe_create(ends, NULL) < 0)
		abort();
}

static void be_a_sender(void)
{
	covey_pipe_poll(ends[0], 0);
}

/* Whatever came of its message, the stream has ended with the victim. */
static int all_now(void)
{
	return SLEEPERS;
}

static const char *has_ended(const struct board *b)
{
	unsigned char buf[SMALL];
	uint32_t id;
	int got = 0;

	for (int i = 0; i < SLEEPERS; i++) {
		if (b->done[i] && b->rc[i] != -EPIPE && b->rc[i] != 0)
			return "a receiver was told another thing than the end";
		got += b->done[i] && b->rc[i] == 0;
	}
	while (covey_pipe_receive(ends[1], buf, SMALL, COVEY_FOREVER) >= 0) {
		if (!whole_message(buf, SMALL, &id))
			return "a torn message";
		got++;
	}
	if (covey_errcode() != -EPIPE)
		return "no end of the stream";
	return got > 1 ? "one message came twice" : NULL;
}

static void close_it(void)
{
	covey_pipe_close(ends[0]);
}

static const char *can_be_closed(const struct board *b)
{
	unsigned char buf[SMALL];
	int rc = covey_pipe_close(ends[0]);

	if (rc < 0 && rc != -EBADF)
		return "what was half closed cannot be closed";
	for (int i = 0; i < SLEEPERS; i++)
		if (b->done[i] && b->rc[i] != -EPIPE && b->rc[i] != 0)
			return "a receiver was told another thing than the end";
	while (covey_pipe_receive(ends[1], buf, SMALL, COVEY_FOREVER) >= 0)
		;
	if (covey_errcode() != -EPIPE)
		return "no end of the stream";
	if (covey_pipe_send(ends[1], buf, SMALL, COVEY_FOREVER) != -EPIPE)
		return "it sends to an end that was closed";
	return covey_pipe_close(ends[1]) < 0 ? "close failed afterwards" : NULL;
}

static void nothing(void)
{
}

static void make_it(void)
{
	covey_pipe_create(ends, NULL);
}

/* Closes what the dead had made and told nobody. */
static void close_all(void)
{
	for (uint32_t i = 0; i < cvy_object_capacity; i++) {
		uint64_t tag = atomic_load(&cvy_objects[i].tag);
		covey_pipe end = {(tag & ~UINT64_C(0xffffffff)) | (i + 1)};

		if (!tag)
			break;
		if (cvy_object(end.id, CVY_PIPE))
			covey_pipe_close(end);
	}
}

static const char *another_works(const struct board *b)
{
	const char *why;

	new_pipe();
	why = works(b);
	close_ends();
	return why;
}

static const struct crash_case cases[] = {
	{.name = "send, receiver asleep",
         .setup = new_pipe,
         .call = send_one,
         .sleepers = 1,
         .sleeper = receiver,
         .awake = messages_now,
         .check = works,
         .teardown = close_ends},
	{.name = "send by the only sender, two receivers asleep",
         .setup = pipe_of_others,
         .prepare = be_a_sender,
         .call = send_one,
         .sleepers = 2,
         .sleeper = receiver,
         .awake = all_now,
         .check = has_ended,
         .teardown = close_ends},
	{.name = "receive, sender asleep",
         .setup = full_pipe,
         .call = receive_one,
         .sleepers = 1,
         .sleeper = sender,
         .awake = room_now,
         .check = works,
         .teardown = close_ends},
	{.name = "receive that slept, another asleep",
         .setup = new_pipe,
         .call = receive_one,
         .sleeps = true,
         .sleepers = 1,
         .sleeper = receiver,
         .waker = sender,
         .awake = messages_now,
         .check = works,
         .teardown = close_ends},
	{.name = "close of an end, two receivers asleep",
         .setup = new_pipe,
         .call = close_it,
         .sleepers = 2,
         .sleeper = receiver,
         .awake = ended_now,
         .check = can_be_closed,
         .teardown = close_ends},
	{.name = "close of an end, nobody asleep",
         .setup = full_pipe,
         .call = close_it,
         .check = can_be_closed,
         .teardown = close_ends},
	{.name = "create a pipe",
         .setup = nothing,
         .call = make_it,
         .check = another_works,
         .teardown = close_all},
};

CRASH_NOUN(pipe, cases);
