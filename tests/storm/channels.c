/* SPDX-License-Identifier: MIT */
/*
 * Messages from many to many, by two queues, a pipe and a list: each whole, each once,
 * those of one sender in their order. A receiver that dies may take up to BATCH along.
 */
#include "storm.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define SIZE_MOST 600
#define BATCH 4

enum { QUEUE, COUNTED, PIPE, LIST };

struct message {
	uint32_t sender, number, len, sum;
	unsigned char body[SIZE_MOST];
};
#define HEAD offsetof(struct message, body)

static uint32_t sum_of(const struct message *m)
{
	uint32_t sum = m->sender * 31 + m->number * 7 + m->len;

	for (uint32_t i = 0; i < m->len; i++)
		sum = sum * 33 + m->body[i];
	return sum;
}

static void compose(struct message *m, uint32_t sender, uint32_t number, struct dice *dice)
{
	m->sender = sender;
	m->number = number;
	m->len = roll(dice, one_in(dice, 4) ? SIZE_MOST : 40);
	for (uint32_t i = 0; i < m->len; i++)
		m->body[i] = (unsigned char)(number + i * sender);
	m->sum = sum_of(m);
}

/* ---- sending */

/* Room in the queue itself. */
static int put_in_place(covey_queue q, const struct message *m, int ms)
{
	covey_message place;
	int rc = covey_queue_reserve(q, HEAD + m->len, &place, ms);

	if (rc < 0)
		return rc;
	memcpy(place.data, m, HEAD + m->len);
	return covey_queue_commit(&place);
}

/* How many of n were put, or an error for all of them. */
static int put(struct self *self, const struct message *m, int n, int ms)
{
	covey_queue q = self->me->about == COUNTED ? self->objects.counted : self->objects.queue;
	struct iovec many[BATCH];
	int rc;

	for (int i = 0; i < n; i++)
		many[i] = (struct iovec){(void *)(uintptr_t)&m[i], HEAD + m[i].len};
	if (self->me->about == PIPE)
		rc = covey_pipe_send(self->objects.pipe[0], m, HEAD + m->len, ms);
	else if (self->me->about == LIST)
		rc = n > 1 ? covey_list_extend(self->objects.list, many, n)
		           : covey_list_append_bytes(self->objects.list, m, HEAD + m->len);
	else if (n > 1)
		return covey_queue_put_many(q, many, n, ms);
	else if (one_in(&self->dice, 3))
		rc = put_in_place(q, m, ms);
	else
		rc = covey_queue_put(q, m, HEAD + m->len, ms);
	return rc < 0 ? rc : self->me->about == PIPE ? 1 : n;
}

void send_all(struct self *self)
{
	uint32_t c = self->me->about, messages = 50 + roll(&self->dice, MESSAGES_MOST - 50 - BATCH);
	uint32_t number = __atomic_fetch_add(&books->channel[c].senders, 1, __ATOMIC_SEQ_CST);
	int ms = one_in(&self->dice, 2) ? COVEY_FOREVER : 500;
	uint32_t haste = 1 + roll(&self->dice, 30); /* messages between two rests */
	struct account *account = &books->channel[c].account[number];
	static struct message m[BATCH];

	if (number >= SENDERS_MOST)
		return;
	for (uint32_t k = 0; k < messages && !books->stop;) {
		int n = one_in(&self->dice, 4) ? 1 + (int)roll(&self->dice, BATCH) : 1, rc;

		for (int i = 0; i < n; i++)
			compose(&m[i], number, k + (uint32_t)i, &self->dice);
		account->begun = k + (uint32_t)n;
		rc = put(self, m, n, ms);
		if (rc > 0)
			k += (uint32_t)rc;
		account->put = account->begun = k; /* those beyond were refused whole */
		if (rc > 0 && one_in(&self->dice, haste))
			usleep(roll(&self->dice, 400));
		if (rc > 0)
			continue;
		/* The root's use of the pipe ends with it. */
		if (rc == -EPIPE && (books->stop || books->root_dies))
			return;
		if (rc != -ETIMEDOUT && !excused(rc))
			wrong("channel %u: put: %s", c, covey_errmsg());
		usleep(500);
	}
}

/* ---- receiving */

static int64_t get_in_place(covey_queue q, struct message *m)
{
	covey_message place;
	int rc = covey_queue_peek(q, &place, COVEY_FOREVER);

	if (rc < 0)
		return rc;
	memcpy(m, place.data, place.len < sizeof *m ? place.len : sizeof *m);
	rc = covey_queue_release(&place);
	return rc < 0 ? rc : (int64_t)place.len;
}

static int get_many(covey_queue q, struct message *m, int64_t *len)
{
	struct iovec many[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++)
		many[i] = (struct iovec){&m[i], sizeof m[i]};
	n = covey_queue_get_many(q, many, BATCH, COVEY_FOREVER);
	for (int i = 0; i < n; i++)
		len[i] = (int64_t)many[i].iov_len;
	return n;
}

/* How many came, with the length of each; 0: none, and later there may be. */
static int get(struct self *self, struct message *m, int64_t *len)
{
	covey_queue q = self->me->about == COUNTED ? self->objects.counted : self->objects.queue;

	if (self->me->about == PIPE) {
		*len = covey_pipe_receive(self->objects.pipe[1], m, sizeof *m, COVEY_FOREVER);
	} else if (self->me->about == LIST) {
		*len = covey_list_pop_bytes(self->objects.list, 0, m, sizeof *m);
		if (*len == -ERANGE)
			return 0;
	} else if (one_in(&self->dice, 3)) {
		return get_many(q, m, len);
	} else if (one_in(&self->dice, 2)) {
		*len = get_in_place(q, m);
	} else {
		*len = covey_queue_get(q, m, sizeof *m, COVEY_FOREVER);
	}
	return *len < 0 ? (int)*len : 1;
}

static void enter(uint32_t c, const struct message *m, int64_t len, int64_t *last)
{
	if (len < (int64_t)HEAD || m->len > SIZE_MOST || len != (int64_t)(HEAD + m->len) ||
	    m->sender >= SENDERS_MOST || m->number >= MESSAGES_MOST || m->sum != sum_of(m)) {
		wrong("channel %u: a message was torn (%d bytes)", c, (int)len);
		return;
	}
	if ((int64_t)m->number <= last[m->sender])
		wrong("channel %u: message %u of sender %u came after %d", c, m->number, m->sender,
		      (int)last[m->sender]);
	last[m->sender] = m->number;
	__atomic_fetch_add(&books->channel[c].account[m->sender].received[m->number], 1,
	                   __ATOMIC_SEQ_CST);
}

void receive_all(struct self *self)
{
	uint32_t c = self->me->about;
	static struct message m[BATCH];
	int64_t last[SENDERS_MOST], len[BATCH];

	memset(last, 0xff, sizeof last);
	for (;;) {
		int n = get(self, m, len);

		for (volatile uint32_t k = n > 0 ? roll(&self->dice, 5000) : 0; k > 0; k--)
			; /* what one receives for; who dies in it takes the messages along */
		for (int i = 0; i < n; i++) {
			enter(c, &m[i], len[i], last);
			if (c == COUNTED && covey_queue_task_done(self->objects.counted) < 0)
				wrong("task_done: %s", covey_errmsg());
		}
		if (n > 0)
			continue;
		if (n == -EPIPE || (n == 0 && books->stop))
			return;
		if (n < 0 && !excused(n)) {
			wrong("channel %u: get: %s", c, covey_errmsg());
			return;
		}
		usleep(500);
	}
}

/* ---- the subject */

static int make(struct self *root)
{
	static const uint64_t bounds[] = {0, 1, 4, 50, 1000};
	covey_queue_opts queue = {.name = "queue", .max_messages = bounds[roll(&root->dice, 5)]};
	covey_queue_opts counted = {.name = "counted",
	                            .max_messages = bounds[roll(&root->dice, 5)],
	                            .max_bytes = one_in(&root->dice, 2) ? 20000 : 0,
	                            .counted = 1};
	covey_pipe_opts pipe = {.name = "pipe", .max_messages = bounds[roll(&root->dice, 5)]};
	int rc = covey_queue_create(&root->objects.queue, &queue);

	for (int i = 0; i < 2; i++)
		root->objects.channel[i] = (uint8_t)roll(&root->dice, CHANNELS);
	if (rc == 0)
		rc = covey_queue_create(&root->objects.counted, &counted);
	if (rc == 0)
		rc = covey_pipe_create(root->objects.pipe, &pipe);
	if (rc == 0)
		rc = covey_list_create(&root->objects.list, "list");
	/* The root uses both ends, so that the stream goes on whoever dies. */
	if (rc == 0 && (covey_pipe_poll(root->objects.pipe[0], 0) != -EAGAIN ||
	                covey_pipe_poll(root->objects.pipe[1], 0) != -EAGAIN))
		rc = covey_errcode();
	return rc;
}

static void settle(struct self *root)
{
	for (int c = QUEUE; c <= PIPE; c++)
		if (one_lives(SENDER, c))
			ensure_one(root, RECEIVER, c);
}

static void close_all(struct self *root)
{
	int64_t lost;

	/* Somebody must take what is left; a parent's death may yet end those seen alive. */
	do {
		for (int c = QUEUE; c <= PIPE; c++)
			ensure_one(root, RECEIVER, c);
		if (covey_list_size(root->objects.list) > 0) /* at its end they go by themselves */
			ensure_one(root, RECEIVER, LIST);
		lost = covey_queue_join(root->objects.counted, 50);
	} while (lost == -ETIMEDOUT || covey_list_size(root->objects.list) > 0 ||
	         covey_queue_size(root->objects.queue) > 0 ||
	         covey_pipe_poll(root->objects.pipe[1], 0) > 0);
	if (lost < 0 || lost > BATCH * (int64_t)dead_of(RECEIVER, COUNTED))
		wrong("counted: %d messages lost: %s", (int)lost, lost < 0 ? covey_errmsg() : "");
	if (covey_queue_close(root->objects.queue) < 0 ||
	    covey_queue_close(root->objects.counted) < 0 ||
	    covey_pipe_close(root->objects.pipe[0]) < 0)
		wrong("close: %s", covey_errmsg());
}

/* An account: what was put was received once, or went with a receiver. */
static void audit(int c, int sender, uint32_t *dead)
{
	const struct account *account = &books->channel[c].account[sender];

	for (uint32_t n = 0; n < MESSAGES_MOST; n++) {
		uint32_t times = account->received[n];

		if (times > 1)
			wrong("channel %d: message %u of sender %d was received %u times", c, n,
			      sender, times);
		if (times && n >= account->begun)
			wrong("channel %d: message %u of sender %d was never sent", c, n, sender);
		/* One that a sender died in was sent if it was received. */
		books->sum.sent += n < account->put || times;
		books->sum.received += times;
		*dead += n < account->put && !times;
	}
}

static void check(struct self *root)
{
	for (int c = 0; c < CHANNELS; c++) {
		uint32_t dead = 0, may = BATCH * dead_of(RECEIVER, c);

		for (int s = 0; s < SENDERS_MOST; s++)
			audit(c, s, &dead);
		books->sum.dead += dead;
		if (dead > may)
			wrong("channel %d: %u messages were lost, of which %u with the dead at "
			      "most",
			      c, dead, may);
	}
	if (covey_list_size(root->objects.list) != 0)
		wrong("list: something is left");
	if (covey_queue_destroy(root->objects.queue) < 0 ||
	    covey_queue_destroy(root->objects.counted) < 0 ||
	    covey_pipe_close(root->objects.pipe[1]) < 0 ||
	    covey_list_destroy(root->objects.list) < 0)
		wrong("channels: destroy: %s", covey_errmsg());
}

const struct subject channel_subject = {"channels", make,  settle,
                                        close_all,  check, {SENDER, RECEIVER, SENDER, RECEIVER}};
