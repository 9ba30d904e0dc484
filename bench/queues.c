/* SPDX-License-Identifier: MIT */
/* Messages from one process to one, beside Boost.Interprocess and a SEQPACKET socket. */
#include "bench.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE_MOST (1 << 20)

static unsigned char out[SIZE_MOST], in[SIZE_MOST];

struct stream {
	covey_queue q;
	void *peer;
	int socket;
	size_t size;
	int count;
};

static int count_of(size_t size)
{
	int n = size <= 64 ? 2000000 : size <= 1024 ? 1000000 : size <= 65536 ? 40000 : 4000;

	return bench_quick ? n / 10 : n;
}

static int depth_of(size_t size)
{
	return size <= 1024 ? 1024 : size <= 65536 ? 32 : 8;
}

static void covey_sender(void *context)
{
	struct stream *s = context;

	for (int i = 0; i < s->count; i++)
		covey_queue_put(s->q, out, s->size, COVEY_FOREVER);
}

static double covey_stream(size_t size)
{
	struct stream s = {.size = size, .count = count_of(size)};
	double since;
	int pid;

	if (covey_queue_create(&s.q,
	                       &(covey_queue_opts){.max_messages = (uint64_t)depth_of(size)}) < 0)
		bench_fail("queue");
	since = bench_now();
	pid = bench_beside(covey_sender, &s);
	for (int i = 0; i < s.count; i++)
		if (covey_queue_get(s.q, in, sizeof in, COVEY_FOREVER) != (int64_t)size)
			bench_fail("get");
	since = bench_now() - since;
	bench_end(pid);
	covey_queue_destroy(s.q);
	return s.count / since / 1e6;
}

#ifdef HAVE_BOOST
static void boost_sender(void *context)
{
	struct stream *s = context;

	for (int i = 0; i < s->count; i++)
		boost_put(s->peer, out, s->size);
}

static double boost_stream(size_t size)
{
	struct stream s = {.size = size, .count = count_of(size)};
	double since;
	int pid;

	s.peer = boost_queue(size, (size_t)depth_of(size));
	if (!s.peer)
		bench_fail("Boost's queue");
	since = bench_now();
	pid = bench_beside(boost_sender, &s);
	for (int i = 0; i < s.count; i++)
		boost_get(s.peer, in, size);
	since = bench_now() - since;
	bench_end(pid);
	boost_end(s.peer);
	return s.count / since / 1e6;
}
#define BOOST_NAME "Boost.Interprocess"
#else
#define boost_stream NULL
#define BOOST_NAME "Boost.Interprocess (not installed)"
#endif

static void socket_sender(void *context)
{
	struct stream *s = context;

	for (int i = 0; i < s->count; i++)
		if (send(s->socket, out, s->size, 0) < 0)
			return;
}

static double socket_stream(size_t size)
{
	struct stream s = {.size = size, .count = count_of(size)};
	int ends[2], room = 4 << 20, pid;
	double since;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		bench_fail("socketpair");
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
	s.socket = ends[0];
	since = bench_now();
	pid = bench_beside(socket_sender, &s);
	for (int i = 0; i < s.count; i++)
		if (recv(ends[1], in, sizeof in, 0) != (ssize_t)size)
			bench_fail("recv");
	since = bench_now() - since;
	bench_end(pid);
	close(ends[0]);
	close(ends[1]);
	return s.count / since / 1e6;
}

struct pair {
	covey_queue there, back;
	int count;
};

static void covey_echo(void *context)
{
	struct pair *p = context;

	for (int i = 0; i < p->count; i++) {
		covey_queue_get(p->there, in, sizeof in, COVEY_FOREVER);
		covey_queue_put(p->back, in, 64, COVEY_FOREVER);
	}
}

static double covey_round_trip(size_t size)
{
	struct pair p = {.count = bench_quick ? 5000 : 50000};
	double since;
	int pid;

	if (covey_queue_create(&p.there, NULL) < 0 || covey_queue_create(&p.back, NULL) < 0)
		bench_fail("queue");
	pid = bench_beside(covey_echo, &p);
	since = bench_now();
	for (int i = 0; i < p.count; i++) {
		covey_queue_put(p.there, out, size, COVEY_FOREVER);
		covey_queue_get(p.back, in, sizeof in, COVEY_FOREVER);
	}
	since = bench_now() - since;
	bench_end(pid);
	covey_queue_destroy(p.there);
	covey_queue_destroy(p.back);
	return since / p.count * 1e6;
}

struct ends {
	int fd;
	int count;
};

static void socket_echo(void *context)
{
	struct ends *e = context;

	for (int i = 0; i < e->count; i++)
		if (recv(e->fd, in, sizeof in, 0) != 64 || send(e->fd, in, 64, 0) != 64)
			return;
}

static double socket_round_trip(size_t size)
{
	struct ends e = {.count = bench_quick ? 2000 : 10000};
	int ends[2], pid;
	double since;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
		bench_fail("socketpair");
	e.fd = ends[1];
	pid = bench_beside(socket_echo, &e);
	since = bench_now();
	for (int i = 0; i < e.count; i++)
		if (send(ends[0], out, size, 0) < 0 || recv(ends[0], in, sizeof in, 0) < 0)
			bench_fail("socket");
	since = bench_now() - since;
	bench_end(pid);
	close(ends[0]);
	close(ends[1]);
	return since / e.count * 1e6;
}

const struct bench_case queue_cases[] = {
	{"queue", "8 B, one to one", "M/s", 1, 8, covey_stream, BOOST_NAME, boost_stream},
	{"queue", "64 B, one to one", "M/s", 1, 64, covey_stream, BOOST_NAME, boost_stream},
	{"queue", "1 KiB, one to one", "M/s", 1, 1024, covey_stream, BOOST_NAME, boost_stream},
	{"queue", "64 KiB, one to one", "M/s", 1, 65536, covey_stream, BOOST_NAME, boost_stream},
	{"queue", "1 MiB, one to one", "M/s", 1, 1 << 20, covey_stream, "SEQPACKET socket",
         socket_stream},
	{"queue", "64 B, there and back", "us", 0, 64, covey_round_trip, "SEQPACKET socket",
         socket_round_trip},
};
const int queue_count = sizeof queue_cases / sizeof *queue_cases;
