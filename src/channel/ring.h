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

#include <string.h>

#include <covey/queue.h>

#include "arena/arena.h"
#include "base/notify.h"
#include "base/pace.h"

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

/*
 * The processes that have used the sending side, for what ends with them. An entry
 * is a process slot, with its generation above it: taken by the process itself by
 * a CAS, from none or from one that has ended, and never given back.
 * latest  the last that came, or another that was found alive. Whoever waits while there
 *         are none sleeps at its low half as well: the first to come is news.
 */
#define USERS_MAX 256u
struct users {
	_Atomic uint64_t latest;
	_Atomic uint64_t entry[USERS_MAX - 1];
};

/*
 * Who has got how much of a counted queue and has not marked it done. Kept for
 * the next counted queue made in its place: a process may come late with a mark.
 *
 * user  as in struct users: by the holder of receive_lock.
 * got   messages: by the holder of receive_lock, before head passes them.
 * done  of them: by the user's threads, by a CAS.
 * lost  of those got, by users before this one: by the holder of receive_lock,
 *       before it sets the user.
 */
struct taker {
	_Atomic uint64_t user;
	_Atomic uint64_t got;
	_Atomic uint64_t done;
	_Atomic uint64_t lost;
};
#define TAKERS_MAX 255u
/*
 * word  a notify word, at which those who join wait for `marks`.
 * marks one up at each message marked done; by whoever marked it.
 */
struct counts {
	_Atomic uint64_t marks;
	_Atomic uint32_t word;
	_Alignas(128) struct taker taker[TAKERS_MAX];
};

/*
 * A receiver's note of what it is about to take, for who mends it: until head is
 * at `head`, its taker has got `got`.
 * taker  index + 1 of the receiver; noted: the same while the note holds.
 */
struct taking {
	uint32_t taker;
	uint32_t noted;
	uint64_t head;
	uint64_t got;
};

/*
 * The control block of a queue: a region of its own, kept with the object slot
 * for the next queue made there, so the locks in it are initialised once.
 *
 * max_*, end_with_senders  constant from creation to destruction.
 * state                    by anyone, only upwards.
 * send_*                   by the holder of send_lock.
 * senders                  by each sender, see struct users.
 * receive_*                by the holder of receive_lock.
 * counts                   of a counted queue, see struct counts; else 0. Constant
 *                          from creation to destruction, as its region is from then on.
 * tail, put_bytes          by the holder of send_lock; read by anyone.
 * head, got_bytes          by the holder of receive_lock; read by anyone.
 * empty_word, full_word    notify words (notify.h): a receiver waits at the
 *                          first for tail, a sender at the second for head.
 * *_watched                set by who watches the word, for good (ready.h).
 */
struct queue {
	uint64_t max_messages;
	uint64_t max_bytes;
	uint64_t max_message;
	uint32_t end_with_senders;
	uint32_t ready; /* QUEUE_READY: the locks are initialised; under the object table's lock */
	_Atomic uint32_t state;

	_Alignas(128) pthread_mutex_t send_lock;
	uint64_t send_segment; /* the last of the chain */
	uint64_t send_growing; /* a segment allocated and not yet chained */
	uint64_t send_pos;     /* where the next payload may begin, and its place in the ring */
	uint64_t send_place;
	uint64_t send_seen_head;
	uint64_t send_seen_got;
	uint64_t send_reserved; /* bytes reserved + 1, while a thread reserves */
	struct pace send_pace;

	_Alignas(128) pthread_mutex_t receive_lock;
	uint64_t receive_segment; /* where message head is, or the one before it */
	uint64_t receive_leaving; /* a segment being freed */
	uint64_t receive_seen_tail;
	uint32_t receive_peeking; /* a thread peeks */
	struct pace receive_pace;
	uint64_t counts;
	struct taking receive_taking;

	_Alignas(128) _Atomic uint64_t tail;
	_Atomic uint64_t put_bytes;
	_Alignas(128) _Atomic uint64_t head;
	_Atomic uint64_t got_bytes;
	_Alignas(128) _Atomic uint32_t empty_word;
	_Atomic uint32_t empty_watched;
	_Alignas(128) _Atomic uint32_t full_word;
	_Atomic uint32_t full_watched;
	_Alignas(128) struct users senders;
	uint64_t counts_region; /* kept, as the control block is */
};
_Static_assert(sizeof(struct queue) <= 4096, "a queue's control block is a page");
#define QUEUE_READY UINT32_C(0x51756575) /* no other page is taken for a control block */

/*
 * A queue in use by this call: its object, which is a queue or the end of a pipe
 * whose messages it holds, and its block.
 * receivers  those who receive from it, where a send must not outlive them, else NULL.
 */
struct queue_ref {
	struct cvy_object *object;
	struct queue *queue;
	uint64_t id;
	enum cvy_kind kind;
	struct users *receivers;
};

static inline uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static inline struct slot *slot_of(struct segment *segment, uint64_t n)
{
	/* However many slots it has by now, it does not lead out of the arena. */
	return &segment->slot[(n - segment->first) & (segment->slots - 1) & (SLOTS_MOST - 1)];
}

/*
 * Copies a payload. A large one goes in pieces: the C library copies what is
 * well over a page in other ways, which suit memory that another core's cache
 * holds less.
 */
#define COPY_PIECE UINT64_C(8192)
static inline void cvy_copy(unsigned char *to, const unsigned char *from, uint64_t len)
{
	while (__builtin_expect(len > 16 * COPY_PIECE, 0)) {
		memcpy(to, from, COPY_PIECE);
		to += COPY_PIECE;
		from += COPY_PIECE;
		len -= COPY_PIECE;
	}
	if (len)
		memcpy(to, from, len);
}

/*
 * The segment at an offset, NULL where none can be: what is read from shared memory is checked.
 * Its rings lie in its own block, so that no damage leads to what belongs to others.
 */
static inline struct segment *cvy_segment(uint64_t offset)
{
	struct segment *segment = (struct segment *)(cvy_base + offset);
	uint64_t block = cvy_block_at(offset), rings, slots;

	if (__builtin_expect(!block, 0))
		return NULL;
	slots = segment->slots;
	rings = segment->data - offset; /* huge, where data lies before it */
	if (__builtin_expect(!slots || (slots & (slots - 1)) || slots > SLOTS_MOST ||
	                             rings < sizeof *segment + slots * sizeof(struct slot) ||
	                             rings > block || segment->data_size > block - rings,
	                     0))
		return NULL;
	return segment;
}

/* The one chained to it; NULL where that does not come after it: chains have an end. */
static inline struct segment *cvy_segment_next(const struct segment *segment)
{
	struct segment *next = cvy_segment(segment->next);

	return next && next != segment && next->first == atomic_load(&segment->end) &&
	                       next->first >= segment->first
	               ? next
	               : NULL;
}

/*
 * Where a message of len bytes has its payload in its segment, NULL where that would reach
 * outside. len is the caller's, who copies so much: what lies in the slot may change meanwhile.
 */
static inline unsigned char *cvy_payload(const struct segment *segment, struct slot *slot,
                                         uint64_t len)
{
	uint64_t place = __atomic_load_n(&slot->place, __ATOMIC_RELAXED);
	uint64_t data = __atomic_load_n(&segment->data, __ATOMIC_RELAXED);
	uint64_t size = __atomic_load_n(&segment->data_size, __ATOMIC_RELAXED);

	if (place == IN_SLOT)
		return __builtin_expect(len <= INLINE_MAX, 1) ? slot->payload : NULL;
	if (__builtin_expect(place > size || len > size - place, 0))
		return NULL;
	return cvy_at(data + place, len);
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
int cvy_queue_ref(uint64_t id, enum cvy_kind kind, struct queue_ref *ref);
const char *cvy_queue_title(char to[CVY_TITLE], const struct queue_ref *ref);
int cvy_queue_damaged(const struct queue_ref *ref);

/* Notes that this process is one of those who send into it. -ENOSPC in words. */
int cvy_senders_note(struct queue *q, const struct queue_ref *ref);
/* Whether there were any and all have ended. */
bool cvy_users_ended(struct users *users);
/* The same for a few instructions, which overlooks ends that nobody has recorded yet. */
bool cvy_users_seem_ended(struct users *users);
/* This process as a user; 0 in words where it cannot be one. And whether a user is alive. */
uint64_t cvy_user_self(void);
bool cvy_user_alive(uint64_t user);

/*
 * Has *life tell of the end of one of them that lives, or of the first that comes, after which
 * one looks again. True: that may come without a word; then sleep until cvy_blind(), no longer.
 */
bool cvy_users_watch(struct users *users, struct cvy_life *life);
/* The same of one user. */
bool cvy_user_watch(uint64_t user, struct cvy_life *life);

/* What makes an object with a queue: see queue.c. */
int cvy_queue_init(struct cvy_object *object, const covey_queue_opts *opts);
void cvy_queue_clear(struct cvy_object *object);
/* Lets no more messages in, wakes all who wait. */
void cvy_queue_close(const struct queue_ref *ref);
/* Has all who are inside leave, and frees the object. */
int cvy_queue_end(const struct queue_ref *ref, const struct cvy_kind_ops *ops);

/* The calls of covey/queue.h on what a ref names. */
int cvy_send(const struct queue_ref *ref, const void *data, size_t len, int timeout_ms);
int64_t cvy_receive(const struct queue_ref *ref, void *buf, size_t cap, int timeout_ms);
int cvy_receive_exactly(const struct queue_ref *ref, void *object, size_t size, int timeout_ms);
int64_t cvy_receive_alloc(const struct queue_ref *ref, void **data, int timeout_ms);
/* 1 once a receive need not wait, or an error of receive. */
int cvy_receive_ready(const struct queue_ref *ref, int timeout_ms);

/* ---- counted.c: all with receive_lock held */

int cvy_counts_init(struct queue *q, bool counted);
/* Notes who is about to receive. -ENOSPC in words. */
int cvy_counts_enter(const struct queue_ref *ref);
/* Before head is set to `head`, and after it. */
void cvy_counts_take(struct queue *q, uint64_t head);
static inline void cvy_counts_taken(struct queue *q)
{
	q->receive_taking.noted = 0;
}
void cvy_counts_mend(struct queue *q);
/* Wakes those who join a queue that has ended. */
void cvy_counts_end(const struct queue *q);

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
