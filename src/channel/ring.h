/* SPDX-License-Identifier: MIT */
/*
 * The shared parts of a queue. Private to this layer.
 *
 * Messages are numbered from 0. tail is the number of the next to be put, head
 * of the next to be got; a message exists while head <= n < tail, and one store
 * to tail puts it and one store to head takes it, whatever dies before or
 * after. They lie in a chain of segments, each a ring of slots and a ring of
 * payload bytes. When the last segment is full, senders chain a bigger one to
 * it; receivers free a segment when they leave it. A queue whose receivers keep
 * up stays in one segment and allocates nothing.
 *
 * Senders hold `send_lock`, receivers `receive_lock`. Each side keeps the other
 * side's index as last seen, and looks at the other's cache line only when the
 * ring seems full or empty. All that another process writes has a pair of cache
 * lines of its own.
 */
#ifndef CVY_RING_H
#define CVY_RING_H

#include <covey/queue.h>

#include "arena/arena.h"
#include "channel/notify.h"

/* Payloads up to this size lie in their slot. */
#define INLINE_MAX 32u
#define PAYLOAD_ALIGN UINT64_C(64)
/* A segment's rings grow up to these; a message over SOLO_MIN gets a segment of its own. */
#define SLOTS_MOST 16384u
#define DATA_MOST (UINT64_C(8) << 20)
#define SOLO_MIN (UINT64_C(4) << 20)
#define SLOTS_FIRST 64u
#define DATA_FIRST (UINT64_C(12) << 10)

/* A message. Written by the holder of send_lock before tail passes it; constant until head does. */
struct slot {
	uint64_t len;
	uint64_t sum;   /* bytes of all messages put before this one, and of it */
	uint64_t pos;   /* where its payload begins, counted on without wrapping */
	uint64_t place; /* the same in the ring: pos modulo data_size; IN_SLOT: in the slot */
	unsigned char payload[INLINE_MAX];
};
_Static_assert(sizeof(struct slot) == 64, "a slot is a cache line");
#define IN_SLOT UINT64_MAX

/*
 * A segment, at the start of a region: this header, slots, data.
 * first, first_sum, slots, data, data_size: constant once chained.
 * next, end: by the holder of send_lock, once, before tail passes `end`.
 */
struct segment {
	uint64_t first;     /* number of its first message */
	uint64_t first_sum; /* sum of the message before that */
	uint64_t data;      /* offset of the payload ring in the arena */
	uint64_t data_size;
	uint32_t slots; /* a power of two; 1: made for one message only */
	uint32_t pad;
	uint64_t next;        /* the segment after it, 0 while it is the last */
	_Atomic uint64_t end; /* number of the first message not here, NO_END while last */
	unsigned char fill[128 - 56];
	struct slot slot[];
};
_Static_assert(sizeof(struct segment) == 128, "slots begin at a cache line pair");
#define NO_END UINT64_MAX

enum queue_state { QUEUE_OPEN = 1, QUEUE_CLOSED, QUEUE_DESTROYED };

/* A process that has put, for queues that end with their senders. */
struct sender {
	uint32_t proc; /* 0: none */
	uint32_t generation;
};
#define SENDERS_MAX 256u

/*
 * The control block of a queue: a region of its own, kept with the object slot
 * for the next queue made there, so the locks in it are initialised once.
 *
 * max_*, end_with_senders  constant from creation to destruction.
 * state                    by anyone, only upwards.
 * send_* and senders       by the holder of send_lock.
 * receive_*                by the holder of receive_lock.
 * tail, put_bytes          by the holder of send_lock; read by anyone.
 * head, got_bytes          by the holder of receive_lock; read by anyone.
 * empty_word, full_word    notify words (notify.h): a receiver waits at the
 *                          first for tail, a sender at the second for head.
 */
struct queue {
	uint64_t max_messages;
	uint64_t max_bytes;
	uint64_t max_message;
	uint32_t end_with_senders;
	uint32_t ready; /* the locks are initialised; under the object table's lock */
	_Atomic uint32_t state;

	_Alignas(128) pthread_mutex_t send_lock;
	uint64_t send_segment; /* the last of the chain */
	uint64_t send_growing; /* a segment allocated and not yet chained */
	uint64_t send_pos;     /* where the next payload may begin, and its place in the ring */
	uint64_t send_place;
	uint64_t send_seen_head;
	uint64_t send_seen_got;
	uint64_t send_reserved; /* bytes reserved + 1, while a thread reserves */

	_Alignas(128) pthread_mutex_t receive_lock;
	uint64_t receive_segment; /* where message head is, or the one before it */
	uint64_t receive_leaving; /* a segment being freed */
	uint64_t receive_seen_tail;
	uint32_t receive_peeking; /* a thread peeks */

	_Alignas(128) _Atomic uint64_t tail;
	_Atomic uint64_t put_bytes;
	_Alignas(128) _Atomic uint64_t head;
	_Atomic uint64_t got_bytes;
	_Alignas(128) _Atomic uint32_t empty_word;
	_Alignas(128) _Atomic uint32_t full_word;
	_Alignas(128) struct sender senders[SENDERS_MAX];
};
_Static_assert(sizeof(struct queue) <= 4096, "a queue's control block is a page");

/* A queue in use by this call: its object, its block, and the words for its errors. */
struct queue_ref {
	struct cvy_object *object;
	struct queue *queue;
	uint64_t id;
};

static inline uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static inline struct slot *slot_of(struct segment *segment, uint64_t n)
{
	return &segment->slot[(n - segment->first) & (segment->slots - 1)];
}

/* The segment at an offset, NULL where none can be: what is read from shared memory is checked. */
static inline struct segment *cvy_segment(uint64_t offset)
{
	struct segment *segment = cvy_at(offset, sizeof *segment);

	if (__builtin_expect(!segment || offset % 4096, 0))
		return NULL;
	if (__builtin_expect(!segment->slots || (segment->slots & (segment->slots - 1)) ||
	                             segment->slots > SLOTS_MOST ||
	                             segment->data < offset + sizeof *segment +
	                                                     segment->slots * sizeof(struct slot) ||
	                             !cvy_at(segment->data, segment->data_size),
	                     0))
		return NULL;
	return segment;
}

/* The payload of a message in its segment, NULL where it would reach outside. */
static inline unsigned char *cvy_payload(const struct segment *segment, struct slot *slot)
{
	uint64_t place = slot->place, len = slot->len;

	if (place == IN_SLOT)
		return __builtin_expect(len <= INLINE_MAX, 1) ? slot->payload : NULL;
	if (__builtin_expect(place > segment->data_size || len > segment->data_size - place, 0))
		return NULL;
	return cvy_base + segment->data + place;
}

/*
 * Chains a segment that takes a message of len bytes; slots_full and data_full
 * tell what the last one lacked. By the holder of send_lock.
 */
int cvy_segment_grow(struct queue *q, uint64_t len, bool slots_full, bool data_full);
/* The first segment of a new queue. */
int cvy_segment_first(struct queue *q);
/* Frees all segments of a queue that nobody uses. Again does nothing. */
void cvy_segments_free(struct queue *q);

/* The queue of a handle; -EBADF in words. */
int cvy_queue_ref(covey_queue handle, struct queue_ref *ref);
const char *cvy_queue_title(char to[CVY_TITLE], const struct queue_ref *ref);
int cvy_queue_damaged(const struct queue_ref *ref);

/* Locks a side, mending it where its holder died; -ETIMEDOUT without words, others with. */
int cvy_send_lock(const struct queue_ref *ref, int64_t deadline);
int cvy_receive_lock(const struct queue_ref *ref, int64_t deadline);
static inline void cvy_send_unlock(struct queue *q)
{
	cvy_mutex_unlock(&q->send_lock);
}
static inline void cvy_receive_unlock(struct queue *q)
{
	cvy_mutex_unlock(&q->receive_lock);
}

#endif
