/* SPDX-License-Identifier: MIT */
/* What a user of a queue relies on within a process and between processes of every method. */
#include "support/harness.h"
#include "support/asleep.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <covey.h>

static covey_queue new_queue(const covey_queue_opts *opts)
{
	covey_queue q;

	assert_int_equal(covey_queue_create(&q, opts), 0);
	return q;
}

static void end_queue(covey_queue q)
{
	assert_int_equal(covey_queue_destroy(q), 0);
}

/* A message of len bytes that tells its number at every place. */
static void write_message(unsigned char *to, size_t len, unsigned n)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (unsigned char)(n * 31 + i * 7 + (i >> 8));
}

static int message_is(const unsigned char *from, size_t len, unsigned n)
{
	for (size_t i = 0; i < len; i++)
		if (from[i] != (unsigned char)(n * 31 + i * 7 + (i >> 8)))
			return 0;
	return 1;
}

static void messages_of_any_size_come_whole_and_in_order(void **state)
{
	static const size_t sizes[] = {
		0,    1,     8,     31,     32,      33,   63, 64,      65,       4095, 4096,
		4097, 12288, 65536, 100001, 1 << 20, 5000, 0,  9 << 20, 17 << 20, 3,    4 << 20};
	enum { N = sizeof sizes / sizeof *sizes };
	unsigned char *buf = malloc((17 << 20) + 1);
	covey_queue q = new_queue(NULL);

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < N; i++) {
			write_message(buf, sizes[i], i + round);
			assert_int_equal(covey_queue_put(q, buf, sizes[i], 0), 0);
		}
		assert_int_equal(covey_queue_size(q), N);
		for (unsigned i = 0; i < N; i++) {
			memset(buf, 0xee, sizes[i] + 1);
			assert_int_equal(covey_queue_get(q, buf, 17 << 20, 0), sizes[i]);
			assert_true(message_is(buf, sizes[i], i + round));
			if (sizes[i] < 17 << 20)
				assert_int_equal(buf[sizes[i]], 0xee);
		}
	}
	assert_int_equal(covey_queue_size(q), 0);
	assert_int_equal(covey_queue_bytes(q), 0);
	assert_int_equal(covey_queue_get(q, buf, 1, 0), -EAGAIN);
	end_queue(q);
	free(buf);
}

static void messages_come_into_memory_of_their_own(void **state)
{
	static const size_t sizes[] = {0, 1, 32, 33, 5000, 9 << 20};
	unsigned char *data, *buf = malloc(9 << 20);
	covey_queue q = new_queue(NULL);

	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		write_message(buf, sizes[i], i);
		assert_int_equal(covey_queue_put(q, buf, sizes[i], 0), 0);
		data = NULL;
		assert_int_equal(covey_queue_get_alloc(q, (void **)&data, 0), sizes[i]);
		assert_true(message_is(data, sizes[i], i));
		assert_int_equal(data[sizes[i]], 0);
		free(data);
	}
	data = buf;
	assert_int_equal(covey_queue_get_alloc(q, (void **)&data, 0), -EAGAIN);
	assert_ptr_equal(data, buf);
	assert_int_equal(covey_queue_get_alloc(q, (void **)&data, 1), -ETIMEDOUT);
	end_queue(q);
	free(buf);
}

/* Puts and gets in every mixture that a seeded walk makes, against a plain array. */
static void a_random_walk_keeps_every_message(void **state)
{
	enum { MOST = 4000 };
	static unsigned numbers[MOST];
	static size_t lens[MOST];
	static unsigned char buf[20000];
	unsigned seed = 12345, put = 0, got = 0;
	covey_queue q = new_queue(&(covey_queue_opts){.max_messages = 300, .max_bytes = 400000});
	uint64_t bytes = 0;

	while (got < MOST) {
		seed = seed * 1103515245 + 12345;
		if (put < MOST && (seed >> 16) % 5 < (put % 1000 < 500 ? 3 : 2)) {
			size_t len = (seed >> 8) % 7 ? (seed >> 10) % 90 : (seed >> 4) % sizeof buf;
			int rc;

			write_message(buf, len, put);
			rc = covey_queue_put(q, buf, len, 0);
			if (put - got >= 300 || bytes + len > 400000) {
				assert_int_equal(rc, -EAGAIN);
				continue;
			}
			assert_int_equal(rc, 0);
			numbers[put] = put;
			lens[put++] = len;
			bytes += len;
		} else if (got < put) {
			assert_int_equal(covey_queue_get(q, buf, sizeof buf, 0), lens[got]);
			assert_true(message_is(buf, lens[got], numbers[got]));
			bytes -= lens[got++];
		} else {
			assert_int_equal(covey_queue_get(q, buf, sizeof buf, 0), -EAGAIN);
			if (put == MOST)
				break;
		}
		assert_int_equal(covey_queue_size(q), put - got);
		assert_int_equal(covey_queue_bytes(q), bytes);
	}
	end_queue(q);
}

static void a_short_buffer_is_told_the_size_and_leaves_the_message(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){.name = "jobs"});
	char buf[16];
	long n;

	assert_int_equal(covey_queue_put(q, "hello, world", 12, 0), 0);
	assert_int_equal(covey_queue_get(q, buf, 5, 0), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "queue 'jobs'"));
	assert_non_null(strstr(covey_errmsg(), "12 bytes"));
	assert_int_equal(covey_get(q, &n, 0), -EMSGSIZE);
	assert_int_equal(covey_queue_size(q), 1);
	assert_int_equal(covey_queue_get(q, buf, sizeof buf, 0), 12);
	assert_memory_equal(buf, "hello, world", 12);
	end_queue(q);
}

static void limits_are_refused_in_words_and_lose_nothing(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){
		.name = "small", .max_messages = 2, .max_bytes = 10, .max_message = 8});
	covey_queue bad = {7};
	char buf[16] = {0};

	assert_int_equal(covey_queue_put(q, buf, 9, 0), -EMSGSIZE);
	assert_non_null(strstr(covey_errmsg(), "over max_message 8"));
	assert_int_equal(covey_queue_put(q, buf, 8, 0), 0);
	assert_int_equal(covey_queue_put(q, buf, 3, 0), -EAGAIN);
	assert_int_equal(covey_queue_put(q, buf, 3, 20), -ETIMEDOUT);
	assert_int_equal(covey_queue_put(q, buf, 2, 0), 0);
	assert_int_equal(covey_queue_put(q, NULL, 0, 0), -EAGAIN);
	assert_int_equal(covey_queue_get(q, buf, 16, 0), 8);
	assert_int_equal(covey_queue_put(q, NULL, 0, 0), 0);
	end_queue(q);
	assert_int_equal(
		covey_queue_create(&bad, &(covey_queue_opts){.max_bytes = 5, .max_message = 6}),
		-EINVAL);
	assert_int_equal(bad.id, 7);
}

static void the_quota_is_an_error_and_what_is_queued_stays(void **state)
{
	unsigned char *buf = malloc(1 << 20);
	covey_queue q;
	unsigned put = 0;
	int rc;

	assert_int_equal(covey_configure(&(covey_config){.quota = 64 << 20}), 0);
	q = new_queue(&(covey_queue_opts){.name = "big"});
	do {
		write_message(buf, 1 << 20, put);
		rc = covey_queue_put(q, buf, 1 << 20, 0);
	} while (rc == 0 && ++put < 100);
	assert_non_null(strstr(covey_errmsg(), "queue 'big'"));
	assert_non_null(strstr(covey_errmsg(), "quota"));
	assert_true(put > 40);
	assert_int_equal(rc, -ENOMEM);
	for (unsigned i = 0; i < put; i++) {
		assert_int_equal(covey_queue_get(q, buf, 1 << 20, 0), 1 << 20);
		assert_true(message_is(buf, 1 << 20, i));
	}
	end_queue(q);
	free(buf);
}

static void batches_go_and_come_together(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){.max_messages = 100});
	struct iovec in[150], out[150];
	static unsigned char data[150][64], back[150][64];
	int n, got = 0;

	for (int i = 0; i < 150; i++) {
		write_message(data[i], 64, (unsigned)i);
		in[i] = (struct iovec){data[i], (size_t)i % 65};
	}
	assert_int_equal(covey_queue_put_many(q, in, 0, 0), 0);
	assert_int_equal(covey_queue_put_many(q, in, 150, 0), 100);
	assert_int_equal(covey_queue_put_many(q, in + 100, 50, 0), -EAGAIN);
	while (got < 100) {
		for (int i = 0; i < 150; i++)
			out[i] = (struct iovec){back[i], 64};
		n = covey_queue_get_many(q, out, 150, 0);
		assert_true(n > 0);
		for (int i = 0; i < n; i++, got++) {
			assert_int_equal(out[i].iov_len, got % 65);
			assert_true(message_is(out[i].iov_base, out[i].iov_len, (unsigned)got));
		}
	}
	assert_int_equal(covey_queue_get_many(q, out, 1, 0), -EAGAIN);
	/* Stops before one that is longer than its buffer, and leaves it. */
	assert_int_equal(covey_queue_put_many(q, in + 9, 2, 0), 2);
	out[0] = (struct iovec){back[0], 9};
	out[1] = (struct iovec){back[1], 9};
	assert_int_equal(covey_queue_get_many(q, out, 2, 0), 1);
	assert_int_equal(covey_queue_get_many(q, out + 1, 1, 0), -EMSGSIZE);
	assert_int_equal(covey_queue_size(q), 1);
	end_queue(q);
}

static void a_batch_bigger_than_the_ring_makes_it_grow(void **state)
{
	covey_queue q = new_queue(NULL);
	enum { N = 5000 };
	static struct iovec in[N];
	static uint32_t values[N];
	uint32_t value;

	for (uint32_t i = 0; i < N; i++) {
		values[i] = i;
		in[i] = (struct iovec){&values[i], sizeof values[i]};
	}
	assert_int_equal(covey_queue_put_many(q, in, N, 0), N);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(covey_get(q, &value, 0), 0);
		assert_int_equal(value, i);
	}
	end_queue(q);
}

static void messages_are_written_and_read_in_place(void **state)
{
	covey_queue q = new_queue(NULL);
	covey_message m, other;
	char buf[8];

	for (size_t len = 0; len < 3000; len += 97) {
		assert_int_equal(covey_queue_reserve(q, len, &m, 0), 0);
		assert_int_equal((uintptr_t)m.data % (len > 32 ? 64 : 32), 0);
		assert_int_equal(covey_queue_put(q, "x", 1, 0), -EDEADLK);
		assert_int_equal(covey_queue_destroy(q), -EBUSY);
		write_message(m.data, len, 5);
		m.len = len + 1;
		assert_int_equal(covey_queue_commit(&m), -EINVAL);
		m.len = len / 2;
		assert_int_equal(covey_queue_commit(&m), 0);
		assert_int_equal(covey_queue_commit(&m), -EINVAL);

		assert_int_equal(covey_queue_peek(q, &m, 0), 0);
		assert_int_equal(m.len, len / 2);
		assert_true(message_is(m.data, m.len, 5));
		assert_int_equal(covey_queue_get(q, buf, 8, 0), -EDEADLK);
		assert_int_equal(covey_queue_keep(&m), 0);
		assert_int_equal(covey_queue_size(q), 1);
		assert_int_equal(covey_queue_peek(q, &m, 0), 0);
		assert_int_equal(covey_queue_release(&m), 0);
		assert_int_equal(covey_queue_release(&m), -EINVAL);
		assert_int_equal(covey_queue_size(q), 0);
	}
	assert_int_equal(covey_queue_reserve(q, 100, &m, 0), 0);
	assert_int_equal(covey_queue_abandon(&m), 0);
	assert_int_equal(covey_queue_peek(q, &other, 0), -EAGAIN);
	end_queue(q);
}

static void close_ends_the_stream_after_what_is_left(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){.name = "tail"});
	int n = 1;

	assert_int_equal(covey_put(q, &n, 0), 0);
	assert_int_equal(covey_queue_close(q), 0);
	assert_int_equal(covey_queue_close(q), 0);
	assert_int_equal(covey_put(q, &n, COVEY_FOREVER), -EPIPE);
	assert_int_equal(covey_get(q, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_get(q, &n, COVEY_FOREVER), -EPIPE);
	assert_non_null(strstr(covey_errmsg(), "queue 'tail'"));
	end_queue(q);
	assert_int_equal(covey_put(q, &n, 0), -EBADF);
	assert_int_equal(covey_get(q, &n, 0), -EBADF);
	assert_int_equal(covey_queue_close(q), -EBADF);
	assert_int_equal(covey_queue_size(q), -EBADF);
	assert_int_equal(covey_queue_destroy(q), -EBADF);
}

/* ---- between processes */

struct stream {
	covey_queue q;
	uint32_t count;
	uint32_t len;
	uint32_t who;
};

static int send_stream(const void *arg, size_t len)
{
	const struct stream *s = arg;
	unsigned char *buf = malloc(s->len + 8);

	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t head[2] = {s->who, i};

		memcpy(buf, head, 8);
		write_message(buf + 8, s->len, i + s->who);
		if (covey_queue_put(s->q, buf, s->len + 8, COVEY_FOREVER) < 0)
			return 1;
	}
	free(buf);
	return 0;
}

/* Gets until the queue is closed; each sender's messages must come whole and in order. */
static int receive_stream(const void *arg, size_t len)
{
	const struct stream *s = arg;
	unsigned char *buf = malloc(s->len + 8);
	uint32_t next[8] = {0}, head[2], total = 0;
	int64_t n;

	while ((n = covey_queue_get(s->q, buf, s->len + 8, COVEY_FOREVER)) >= 0) {
		memcpy(head, buf, 8);
		if (n != s->len + 8 || head[0] >= 8 || head[1] < next[head[0]] ||
		    !message_is(buf + 8, s->len, head[0] + head[1]))
			return 250;
		next[head[0]] = head[1] + 1;
		total++;
	}
	free(buf);
	return n == -EPIPE ? (int)(total % 200) : 251;
}

static void traffic(covey_method method, int senders, int receivers, uint32_t count, uint32_t len,
                    uint64_t bound)
{
	covey_queue q = new_queue(&(covey_queue_opts){.max_messages = bound});
	covey_process *s[4], *r[4];
	struct stream stream = {q, count, len, 0};
	int got = 0;

	for (int i = 0; i < receivers; i++)
		assert_int_equal(covey_start(&r[i], receive_stream, &stream, .method = method), 0);
	for (int i = 0; i < senders; i++) {
		stream.who = (uint32_t)i;
		assert_int_equal(covey_start(&s[i], send_stream, &stream, .method = method), 0);
	}
	for (int i = 0; i < senders; i++) {
		assert_int_equal(covey_process_join(s[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(s[i]), 0);
		covey_process_free(s[i]);
	}
	assert_int_equal(covey_queue_close(q), 0);
	for (int i = 0; i < receivers; i++) {
		assert_int_equal(covey_process_join(r[i], COVEY_FOREVER), 0);
		assert_true(covey_process_exit_code(r[i]) < 200);
		got += covey_process_exit_code(r[i]);
		covey_process_free(r[i]);
	}
	assert_int_equal(got % 200, (int)(count * (uint32_t)senders % 200));
	end_queue(q);
}

static void streams_arrive_once_whole_and_in_order(void **state)
{
	covey_method method = *(covey_method *)*state;

	traffic(method, 1, 1, 5000, 0, 4);
	traffic(method, 1, 1, 5000, 56, 0);
	traffic(method, 3, 2, 2000, 100, 1);
	traffic(method, 2, 3, 300, 70000, 16);
	traffic(method, 2, 1, 6, 5 << 20, 2);
}

struct pair {
	covey_queue q;
	covey_queue says;
};

static int get_one(const void *arg, size_t len)
{
	const struct pair *pair = arg;
	int n;
	int rc = covey_get(pair->q, &n, COVEY_FOREVER);

	return rc < 0 ? -rc : n;
}

static void a_killed_reader_leaves_the_queue_working(void **state)
{
	covey_method method = *(covey_method *)*state;
	struct pair pair = {.q = new_queue(NULL)};
	covey_process *p[3];
	int n = 42;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_start(&p[i], get_one, &pair, .method = method), 0);
		HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[i])));
	}
	/* One sleeps for the message, the others for their turn: whichever dies, others get on. */
	covey_process_kill(p[0]);
	assert_int_equal(covey_put(pair.q, &n, 0), 0);
	n = 43;
	assert_int_equal(covey_put(pair.q, &n, 0), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p[0]), 128 + SIGKILL);
	assert_int_equal(covey_process_exit_code(p[1]) + covey_process_exit_code(p[2]), 42 + 43);
	for (int i = 0; i < 3; i++)
		covey_process_free(p[i]);
	end_queue(pair.q);
}

static int reserve_and_hang(const void *arg, size_t len)
{
	const struct pair *pair = arg;
	covey_message m;
	int n = 0;

	if (covey_queue_reserve(pair->q, 1000, &m, COVEY_FOREVER) < 0)
		return 1;
	memset(m.data, 0xff, 1000);
	covey_put(pair->says, &n, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static int peek_and_hang(const void *arg, size_t len)
{
	const struct pair *pair = arg;
	covey_message m;
	int n = 0;

	if (covey_queue_peek(pair->q, &m, COVEY_FOREVER) < 0)
		return 1;
	covey_put(pair->says, &n, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static void death_between_two_halves_leaves_all_or_nothing(void **state)
{
	covey_method method = *(covey_method *)*state;
	struct pair pair = {new_queue(NULL), new_queue(NULL)};
	covey_process *sender, *receiver;
	int n, one = 1;

	assert_int_equal(covey_put(pair.q, &one, 0), 0);
	assert_int_equal(covey_start(&sender, reserve_and_hang, &pair, .method = method), 0);
	assert_int_equal(covey_get(pair.says, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_start(&receiver, peek_and_hang, &pair, .method = method), 0);
	assert_int_equal(covey_get(pair.says, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_put(pair.q, &n, 0), -EAGAIN);
	assert_int_equal(covey_get(pair.q, &n, 0), -EAGAIN);
	covey_process_kill(sender);
	covey_process_kill(receiver);
	n = 2;
	assert_int_equal(covey_put(pair.q, &n, COVEY_FOREVER), 0);
	assert_int_equal(covey_get(pair.q, &n, COVEY_FOREVER), 0);
	assert_int_equal(n, 1);
	assert_int_equal(covey_get(pair.q, &n, COVEY_FOREVER), 0);
	assert_int_equal(n, 2);
	assert_int_equal(covey_get(pair.q, &n, 0), -EAGAIN);
	covey_process_join(sender, COVEY_FOREVER);
	covey_process_join(receiver, COVEY_FOREVER);
	covey_process_free(sender);
	covey_process_free(receiver);
	end_queue(pair.q);
	end_queue(pair.says);
}

static void waiters_of_a_destroyed_queue_are_told(void **state)
{
	covey_method method = *(covey_method *)*state;
	struct pair pair = {.q = new_queue(NULL)};
	covey_process *p[2];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_start(&p[i], get_one, &pair, .method = method), 0);
		HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[i])));
	}
	end_queue(pair.q);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), EBADF);
		covey_process_free(p[i]);
	}
}

/* Puts one, waits until it is told that the others have put too, puts two more, and is killed. */
static int put_three(const void *arg, size_t len)
{
	const struct pair *pair = arg;

	for (int i = 0; i < 3; i++) {
		if (covey_put(pair->q, &i, COVEY_FOREVER) < 0)
			return 1;
		if (i == 0 && covey_get(pair->says, &i, COVEY_FOREVER) < 0)
			return 2;
	}
	raise(SIGKILL);
	return 0;
}

static void the_stream_ends_with_its_senders(void **state)
{
	covey_method method = *(covey_method *)*state;
	struct pair pair = {.q = new_queue(&(covey_queue_opts){.end_with_senders = 1}),
	                    .says = new_queue(NULL)};
	covey_process *p[2];
	int n = 0, got = 0;

	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_start(&p[i], put_three, &pair, .method = method), 0);
	HARNESS_EVENTUALLY(covey_queue_size(pair.q) == 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_put(pair.says, &n, 0), 0);
	while (covey_get(pair.q, &n, COVEY_FOREVER) == 0)
		got++;
	assert_int_equal(covey_errcode(), -EPIPE);
	assert_int_equal(got, 6);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		covey_process_free(p[i]);
	}
	end_queue(pair.q);
	end_queue(pair.says);
}

/* Puts one, and sleeps. */
static int put_one_and_sleep(const void *arg, size_t len)
{
	int n = 1;

	if (covey_put(*(const covey_queue *)arg, &n, COVEY_FOREVER) < 0)
		return 1;
	sleep_for_good();
	return 0;
}

static void one_that_sleeps_is_told_that_the_last_sender_has_died(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){.end_with_senders = 1});
	covey_process *p[2];
	struct once_asleep killer;
	int n;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_start(&p[i], put_one_and_sleep, &q,
		                             .method = *(covey_method *)*state),
		                 0);
		assert_int_equal(covey_get(q, &n, COVEY_FOREVER), 0);
	}
	assert_int_equal(killed(p[0]), 128 + SIGKILL);
	once_asleep(&killer, kill_it, p[1]);
	assert_int_equal(covey_get(q, &n, COVEY_FOREVER), -EPIPE);
	once_asleep_done(&killer);
	assert_int_equal(end_of(p[1]), 128 + SIGKILL);
	end_queue(q);
}

static void random_kills_tear_and_wedge_nothing(void **state)
{
	covey_queue q = new_queue(&(covey_queue_opts){.max_messages = 64});
	struct stream stream = {q, UINT32_MAX, 900, 0};
	unsigned char buf[1000];
	covey_process *p[3];
	uint32_t head[2];
	unsigned seed = 99;

	for (int i = 0; i < 3; i++) {
		stream.who = (uint32_t)i;
		assert_int_equal(covey_start(&p[i], send_stream, &stream, .method = COVEY_FORK), 0);
	}
	for (int round = 0; round < 300; round++) {
		int victim = (int)((seed = seed * 1103515245 + 12345) >> 16) % 3;

		for (unsigned i = 0; i < (seed >> 8) % 97; i++) {
			assert_int_equal(covey_queue_get(q, buf, sizeof buf, COVEY_FOREVER), 908);
			memcpy(head, buf, 8);
			assert_true(message_is(buf + 8, 900, head[0] + head[1]));
		}
		covey_process_kill(p[victim]);
		assert_int_equal(covey_process_join(p[victim], COVEY_FOREVER), 0);
		covey_process_free(p[victim]);
		stream.who = (uint32_t)victim;
		assert_int_equal(
			covey_start(&p[victim], send_stream, &stream, .method = COVEY_FORK), 0);
	}
	for (int i = 0; i < 3; i++) {
		covey_process_kill(p[i]);
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		covey_process_free(p[i]);
	}
	while (covey_queue_get(q, buf, sizeof buf, 0) > 0) {
		memcpy(head, buf, 8);
		assert_true(message_is(buf + 8, 900, head[0] + head[1]));
	}
	assert_int_equal(covey_queue_put(q, buf, 1, 0), 0);
	end_queue(q);
}

static void memory_of_large_messages_is_given_back(void **state)
{
	covey_queue q = new_queue(NULL);
	covey_usage before, after;
	unsigned char *big = malloc(64 << 20);

	write_message(big, 64 << 20, 3);
	assert_int_equal(covey_usage_get(&before), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_queue_put(q, big, 64 << 20, 0), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_queue_get(q, big, 64 << 20, 0), 64 << 20);
		assert_true(message_is(big, 64 << 20, 3));
	}
	assert_int_equal(covey_usage_get(&after), 0);
	assert_true(after.used < before.used + (1 << 20));
	end_queue(q);
	free(big);
}

static covey_method by_fork = COVEY_FORK, by_spawn = COVEY_SPAWN, by_server = COVEY_FORKSERVER;

#define UNDER_EVERY_METHOD(test)                                                                \
	HARNESS_TEST_WITH(test, "fork", &by_fork), HARNESS_TEST_WITH(test, "spawn", &by_spawn), \
		HARNESS_TEST_WITH(test, "forkserver", &by_server)

static const struct harness_test tests[] = {
	HARNESS_TEST(messages_of_any_size_come_whole_and_in_order),
	HARNESS_TEST(messages_come_into_memory_of_their_own),
	HARNESS_TEST(a_random_walk_keeps_every_message),
	HARNESS_TEST(a_short_buffer_is_told_the_size_and_leaves_the_message),
	HARNESS_TEST(limits_are_refused_in_words_and_lose_nothing),
	HARNESS_TEST(the_quota_is_an_error_and_what_is_queued_stays),
	HARNESS_TEST(batches_go_and_come_together),
	HARNESS_TEST(a_batch_bigger_than_the_ring_makes_it_grow),
	HARNESS_TEST(messages_are_written_and_read_in_place),
	HARNESS_TEST(close_ends_the_stream_after_what_is_left),
	UNDER_EVERY_METHOD(streams_arrive_once_whole_and_in_order),
	UNDER_EVERY_METHOD(a_killed_reader_leaves_the_queue_working),
	UNDER_EVERY_METHOD(death_between_two_halves_leaves_all_or_nothing),
	UNDER_EVERY_METHOD(waiters_of_a_destroyed_queue_are_told),
	UNDER_EVERY_METHOD(the_stream_ends_with_its_senders),
	HARNESS_TEST_BY_METHODS(one_that_sleeps_is_told_that_the_last_sender_has_died),
	HARNESS_TEST(random_kills_tear_and_wedge_nothing),
	HARNESS_TEST(memory_of_large_messages_is_given_back),
};

HARNESS_MAIN(tests)
