/* SPDX-License-Identifier: MIT */
/* Senders and receivers, and the books that they keep. */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct message {
	uint32_t sender, number, len, sum;
	unsigned char body[SIZE_MOST];
};
#define HEAD offsetof(struct message, body)

uint32_t roll(struct dice *dice, uint32_t sides)
{
	/* splitmix64 */
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (uint32_t)((z ^ z >> 31) >> 33) % sides;
}

struct books *books_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *books;

	if (fd < 0)
		return NULL;
	books = mmap(NULL, sizeof(struct books), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return books == MAP_FAILED ? NULL : books;
}

static uint32_t sum_of(const struct message *m)
{
	uint32_t sum = m->sender * 31 + m->number * 7 + m->len;

	for (uint32_t i = 0; i < m->len; i++)
		sum = sum * 33 + m->body[i];
	return sum;
}

static void note_odd(struct books *books, const char *what)
{
	if (__atomic_fetch_add(&books->odd, 1, __ATOMIC_SEQ_CST) == 0)
		snprintf(books->words, sizeof books->words, "%s: %s", what, covey_errmsg());
}

int storm_sender(const void *arg, size_t len)
{
	const struct orders *orders = arg;
	struct dice dice = {orders->seed};
	struct books *books = len == sizeof *orders ? books_open(orders->books) : NULL;
	static struct message m;

	if (!books)
		return 3;
	for (uint32_t n = 0; n < orders->messages && !books->stop;) {
		int rc;

		m.sender = orders->number;
		m.number = n;
		m.len = roll(&dice, SIZE_MOST);
		for (uint32_t i = 0; i < m.len; i++)
			m.body[i] = (unsigned char)(n + i * m.sender);
		m.sum = sum_of(&m);
		books->sender[m.sender].began = n + 1;
		rc = covey_queue_put(orders->queue, &m, HEAD + m.len, 500);
		if (rc == 0) {
			books->sender[m.sender].put = ++n;
		} else if (rc == -ENOMEM || rc == -ETIMEDOUT) {
			books->sender[m.sender].began = n; /* it was refused whole */
			usleep(500);
		} else {
			note_odd(books, "put");
			return 4;
		}
	}
	return 0;
}

int storm_receiver(const void *arg, size_t len)
{
	const struct orders *orders = arg;
	struct books *books = len == sizeof *orders ? books_open(orders->books) : NULL;
	static struct message m;
	int64_t last[SENDERS_MOST];

	if (!books)
		return 3;
	memset(last, 0xff, sizeof last);
	for (;;) {
		int64_t n = covey_queue_get(orders->queue, &m, sizeof m, COVEY_FOREVER);

		if (n == -EPIPE)
			return 0;
		if (n < 0) {
			note_odd(books, "get");
			return 4;
		}
		if (n < (int64_t)HEAD || m.len > SIZE_MOST || n != (int64_t)(HEAD + m.len) ||
		    m.sender >= SENDERS_MOST || m.number >= MESSAGES_MOST || m.sum != sum_of(&m)) {
			__atomic_fetch_add(&books->torn, 1, __ATOMIC_SEQ_CST);
			continue;
		}
		if ((int64_t)m.number <= last[m.sender])
			__atomic_fetch_add(&books->order, 1, __ATOMIC_SEQ_CST);
		last[m.sender] = m.number;
		__atomic_fetch_add(&books->sender[m.sender].received[m.number], 1,
		                   __ATOMIC_SEQ_CST);
	}
}

const char *books_balance(const struct books *books, uint32_t killed_receivers, uint32_t *sent,
                          uint32_t *received, uint32_t *died)
{
	*sent = *received = *died = 0;
	if (books->torn)
		return "a message was torn";
	if (books->order)
		return "messages of one sender came out of order";
	if (books->odd)
		return books->words;
	for (uint32_t s = 0; s < SENDERS_MOST; s++) {
		uint32_t put = books->sender[s].put, began = books->sender[s].began;

		for (uint32_t n = 0; n < MESSAGES_MOST; n++) {
			uint32_t times = books->sender[s].received[n];

			if (times > 1)
				return "a message was received twice";
			if (times && n >= began)
				return "a message was received that nobody sent";
			/* One that a sender died in is sent if it was received. */
			*sent += n < put || times;
			*received += times;
			*died += n < put && !times;
		}
	}
	return *died > killed_receivers ? "messages were lost" : NULL;
}
