/* SPDX-License-Identifier: MIT */
/*
 * No peer but the bounds: what the machine and the kernel give when nothing is promised. One
 * sender and one receiver, who never die.
 */
#include "bench.h"

#include <limits.h>
#include <linux/futex.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE 64

/* A word that counts messages, and room for one. */
struct cell {
	_Alignas(LINE) _Atomic uint32_t count;
	uint32_t seen; /* the receiver's */
	_Alignas(LINE) unsigned char data[4096];
};

static void *cell_open(const struct plan *plan, int way)
{
	(void)way;
	return plan->size <= 4096 ? bench_shared(sizeof(struct cell)) : NULL;
}

static void spin_put(void *channel, const void *data, size_t size)
{
	struct cell *cell = channel;

	memcpy(cell->data, data, size);
	/* Nobody else writes it. */
	atomic_store_explicit(&cell->count,
	                      atomic_load_explicit(&cell->count, memory_order_relaxed) + 1,
	                      memory_order_release);
}

static void spin_get(void *channel, void *data, size_t size)
{
	struct cell *cell = channel;

	while (atomic_load_explicit(&cell->count, memory_order_acquire) == cell->seen)
		__builtin_ia32_pause();
	cell->seen++;
	memcpy(data, cell->data, size);
}

static void futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
	syscall(SYS_futex, word, operation, value, NULL, NULL, 0);
}

static void futex_put(void *channel, const void *data, size_t size)
{
	struct cell *cell = channel;

	spin_put(channel, data, size);
	futex(&cell->count, FUTEX_WAKE, 1);
}

static void futex_get(void *channel, void *data, size_t size)
{
	struct cell *cell = channel;

	while (atomic_load_explicit(&cell->count, memory_order_acquire) == cell->seen)
		futex(&cell->count, FUTEX_WAIT, cell->seen);
	spin_get(channel, data, size);
}

/*
 * A ring for one sender and one receiver without locks or sleep: each side keeps the other's index
 * as it last saw it. A place is a length and the message.
 */
struct ring {
	_Alignas(2 * LINE) _Atomic uint64_t tail;
	uint64_t head_seen;
	_Alignas(2 * LINE) _Atomic uint64_t head;
	uint64_t tail_seen;
	_Alignas(2 * LINE) uint64_t places;
	size_t stride;
	unsigned char data[];
};

static void *ring_open(const struct plan *plan, int way)
{
	/* A place that straddles no line where it fits into one. */
	size_t stride =
		plan->size + 8 <= 16 ? 16 : (plan->size + 8 + LINE - 1) & ~(size_t)(LINE - 1);
	struct ring *ring = bench_shared(sizeof(struct ring) + stride * plan->depth);

	(void)way;
	ring->places = plan->depth;
	ring->stride = stride;
	return ring;
}

static unsigned char *place(struct ring *ring, uint64_t index)
{
	return ring->data + (index & (ring->places - 1)) * ring->stride;
}

static void ring_put(void *channel, const void *data, size_t size)
{
	struct ring *ring = channel;
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	unsigned char *to = place(ring, tail);

	while (tail - ring->head_seen == ring->places) {
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
		__builtin_ia32_pause();
	}
	*(uint64_t *)(void *)to = size;
	memcpy(to + 8, data, size);
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

static void ring_get(void *channel, void *data, size_t size)
{
	struct ring *ring = channel;
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	unsigned char *from = place(ring, head);

	(void)size;
	while (ring->tail_seen == head) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		__builtin_ia32_pause();
	}
	memcpy(data, from + 8, *(uint64_t *)(void *)from);
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

/* One copy of a message into `depth` places in turn. */
static void copy(const struct plan *plan)
{
	unsigned char *to = bench_shared(plan->size * plan->depth);
	unsigned char *from = bench_shared(plan->size);
	double since, now;
	long n = 0;

	memset(to, 1, plan->size * plan->depth);
	memset(from, 2, plan->size);
	for (since = now = bench_now(); now < since + plan->window; now = bench_now(), n++)
		memcpy(to + (size_t)n % plan->depth * plan->size, from, plan->size);
	bench_say(1, (double)n / (now - since));
}

static void fork_once(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		bench_fail("fork");
}

/* The clock's own cost is in it: some 20 ns. */
static void lines(const struct plan *plan)
{
	const struct channel spin = {.open = cell_open, .put = spin_put, .get = spin_get};

	bench_trip(plan, &spin);
}

static void wake(const struct plan *plan)
{
	const struct channel sleep = {.open = cell_open, .put = futex_put, .get = futex_get};

	bench_asleep(plan, &sleep);
}

static void version(void)
{
	struct utsname names;

	uname(&names);
	printf("Linux %s\n", names.release);
}

const struct peer peer = {
	.version = version,
	.channels = {{"spin", 0, cell_open, NULL, spin_put, spin_get},
                     {"futex", 0, cell_open, NULL, futex_put, futex_get},
                     {"ring", 0, ring_open, NULL, ring_put, ring_get}},
	.starts = {{"fork", fork_once}},
	.commands = {{"copy", copy}, {"lines", lines}, {"wake", wake}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
