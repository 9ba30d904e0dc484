/* SPDX-License-Identifier: MIT */
/*
 * The storm: families of many processes, some of which are killed or stopped at
 * any time, while memory and descriptors are scarce. What a round consists of, and
 * which faults come in which order, follows from its seed alone; where they strike
 * is the machine's. README.md says what must hold.
 */
#ifndef STORM_H
#define STORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <covey.h>

#define ACTORS_MOST 128
#define ACTORS_LATE 32 /* places kept for the round's end */
#define ROOT 255       /* in place of a place in the books */
#define CHANNELS 4
#define SENDERS_MOST 20
#define MESSAGES_MOST 3000
#define SEATS_MOST 6

/* A generator of numbers, the same for the same seed. */
struct dice {
	uint64_t state;
};
uint32_t roll(struct dice *dice, uint32_t sides);
static inline bool one_in(struct dice *dice, uint32_t n)
{
	return roll(dice, n) == 0;
}

/* ---- the books */

/* What a process of the family has come to: by itself. */
struct actor {
	volatile pid_t pid;
	volatile uint8_t role;
	volatile uint8_t ended;  /* it has returned from its part */
	volatile uint8_t killed; /* by the root, or about to be */
	volatile uint8_t about;  /* of a sender or receiver: the channel */
	volatile uint8_t parent; /* its place, ROOT for the root's own children */
	/* Changes it has surely made, and those it may have made: the second before, the first
	 * after each. What they count is the role's. */
	volatile uint32_t done[3], begun[3];
};

/* A sender's messages: begun and put by itself, received by whoever did, added up. */
struct account {
	volatile uint32_t begun, put;
	volatile uint8_t received[MESSAGES_MOST];
};

/*
 * The books of a round, in memory that all map and that is none of covey's, so
 * that they hold whatever becomes of the arena.
 */
struct books {
	volatile uint32_t stop;  /* nothing new is begun */
	volatile uint32_t wrong; /* how many things were; the first is told in words */
	char words[400];
	struct {
		volatile uint32_t sent, received, dead; /* messages; dead: with the dead */
		volatile uint32_t tasks, killed, stopped, workers_killed;
	} sum;
	volatile uint32_t actors; /* places taken */
	struct actor actor[ACTORS_MOST];
	struct {
		volatile uint32_t senders; /* accounts taken */
		struct account account[SENDERS_MOST];
	} channel[CHANNELS];
	volatile int32_t seat[SEATS_MOST]; /* pids of those with units of the semaphore */
	volatile uint32_t root_dies;       /* the round ends with the root's death */
	volatile int32_t holder, let_go;   /* pid of the worker that runs `hold`; that it may end */
	char doing[128];                   /* what the root waits for, at the end */
	volatile uint32_t told;            /* `state` is complete */
	char state[8192];                  /* who waits where, as covey knows it */
};

extern struct books *books; /* of this process */
/* Maps the books that process `owner` holds as a descriptor. */
bool books_open(pid_t owner, int fd);
/* Notes what the root is about to wait for. */
void doing(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Notes that something is wrong. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether a process has ended, reaped or not. */
bool is_dead(pid_t pid);
/* How many of a role have died; whether one lives. about: -1 for whatever. */
uint32_t dead_of(int role, int about);
bool one_lives(int role, int about);

/*
 * Balances what a role's processes have counted, in column `column`, against what there is: each of
 * the dead may have made one change more than it could note. `sign` turns what they took into what
 * they gave.
 */
struct span {
	int64_t least, most;
};
void span_add(struct span *span, int role, int column, int sign);

/* ---- the parts */

/* What all know of: made by the subjects before the first process is started. */
struct objects {
	covey_queue queue, counted;
	covey_pipe pipe[2];
	covey_list list;
	covey_lock lock;
	covey_rlock rlock;
	covey_semaphore units, tokens;
	covey_rwlock rwlock;
	covey_lock store_lock;
	covey_condition more, fewer;
	covey_barrier barrier;
	covey_dict dict;
	covey_block block;
	uint32_t seats, parties;
	uint8_t channel[2]; /* those that this round's messages take */
};

/* What lies in the block: guarded by the objects whose names they have. */
struct guarded {
	struct pair {
		volatile uint64_t a, b;
		volatile int32_t inside; /* pid of who is in there */
		volatile uint32_t told;  /* a reader was told of a death, and has not mended yet */
	} lock, rlock, rwlock;
	struct {
		volatile int64_t stored;
		volatile uint32_t over; /* nothing will be stored any more */
	} store;
};

enum role {
	SENDER = 1,
	RECEIVER,
	LOCKER,
	SITTER, /* takes units of a semaphore */
	MAKER,  /* of tokens */
	TAKER,  /* of tokens */
	WRITER, /* of what a readers-writer lock guards */
	READER,
	FILLER, /* of a store with conditions */
	EMPTIER,
	PARTY,  /* of a barrier */
	KEEPER, /* changes a dict */
	OWNER,  /* of a pool */
	PARENT,
	ROLES
};

/* A process of the family: what it was told, and what it has. */
struct self {
	struct objects objects;
	struct dice dice;
	struct actor *me; /* NULL: the root */
	pid_t books_owner;
	int books_fd;
};

/* The argument of every process. */
struct orders {
	struct self self;
	uint32_t place; /* in books->actor */
};
int storm_actor(const void *arg, size_t len);
/* Whether those of a role end once books->stop is set; the others, once things are closed. */
bool heeds_stop(enum role role);
/* Takes a place in the books for a role; false: there is none left. */
bool cast(struct orders *orders, const struct self *of, enum role role, uint64_t seed);
/* The same from places that are kept for the round's end. */
bool cast_late(struct orders *orders, const struct self *of, enum role role, uint64_t seed);
/* Starts it by a method that the dice choose. NULL: no; what a shortage excuses is not wrong. */
covey_process *act_out(struct orders *orders, struct dice *dice);
/* Whether a failure is one that scarce memory, descriptors or allocations excuse. */
bool excused(int64_t rc);
/* Joins and frees it. Its exit code must be 0, or SIGKILL's where it was killed. */
void join_actor(covey_process *p, uint32_t place);

/* How a role is played: returns when books->stop is set, or what it waits for is at its end. */
typedef void role_fn(struct self *self);
role_fn send_all, receive_all, lock_and_count, take_seats, make_tokens, take_tokens, write_pairs,
	read_pairs, fill_store, empty_store, take_part, keep_dict, own_pool, be_parent;

/*
 * A subject of the round. make: its objects. settle: once nothing new is begun, see that those who
 * wait for one another come to an end. close: those who still wait are sent home. check: all have
 * ended; what there is must balance; and ends its objects. Any may be NULL.
 */
struct subject {
	const char *name;
	int (*make)(struct self *root);
	void (*settle)(struct self *root);
	void (*close)(struct self *root);
	void (*check)(struct self *root);
	uint8_t roles[4]; /* 0 at the end */
};
extern const struct subject channel_subject, lock_subject, rwlock_subject, semaphore_subject,
	store_subject, barrier_subject, dict_subject;

/* ---- the round */

/* Starts one more of a role as the root's child. */
bool start_member(const struct self *root, enum role role, struct dice *dice);
/* Where nobody of a role lives, starts one, however long that takes. */
void ensure_one(const struct self *root, enum role role, int about);
void join_members(void);
/* Kills up to n of them at once; one, with all below it; stops one for a while. */
void kill_members(struct dice *dice, uint32_t n);
void kill_tree(struct dice *dice);
void stop_member(struct dice *dice);
/* Kills any process of the family: a worker of a pool, a grandchild. */
void kill_anyone(struct dice *dice);
/* Kills, or stops for a while, a helper that forks for the root. */
void strike_nursery(struct dice *dice);

/* Pools of the root. */
void pools_open(struct self *root);
void pools_submit(struct dice *dice);
void pools_kill_worker(const struct self *root, struct dice *dice);
void pools_end(void);

/* A process that some hardship befalls: allocations fail, address space or descriptors run out. */
void hardship(struct dice *dice);
/* The same for the root, for a while: until relief(). */
void shortage(struct dice *dice);
void relief(void);
/* Plays a round as the root of a family; what came of it is in the books. */
void storm_round(uint64_t seed, pid_t books_owner, int books_fd);

#endif
