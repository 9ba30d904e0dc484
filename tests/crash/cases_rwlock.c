/* SPDX-License-Identifier: MIT */
/* Readers-writer locks: held for reading and for writing, waited for, told of deaths, destroyed. */
#include "cases.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "watch.h"

/* The words of the processes that ever read, and those of a destroyed one, stay with the slot. */
#define GROWTH 8192

/* How long one waits in vain: until it is seen asleep, at least. */
#define A_WHILE 40 /* ms */

enum way { READ, WRITE };

static covey_rwlock rw;
static pid_t holder;

/* In the board's area. */
struct words {
	volatile int held;    /* the holder beside the victim has it */
	volatile int end;     /* it may end */
	volatile int told;    /* the victim knows of a death */
	volatile int started; /* sleepers, so far or still */
	_Atomic uint32_t go;  /* the victim may go on; a futex */
};
static struct words *words(void)
{
	return (struct words *)(void *)board->area;
}

static int take(enum way way)
{
	return way == READ ? covey_rwlock_acquire_read(rw, COVEY_FOREVER)
	                   : covey_rwlock_acquire_write(rw, COVEY_FOREVER);
}

static void new_rwlock(void)
{
	if (covey_rwlock_create(&rw, "swept") < 0)
		abort();
	holder = 0;
}

/* A process holds it until it is told to end, having released or not. */
static void held(enum way way, bool dies)
{
	new_rwlock();
	holder = fork();
	if (holder == 0) {
		if (take(way) < 0)
			_exit(1);
		words()->held = 1;
		while (!words()->end)
			usleep(100);
		if (!dies)
			covey_rwlock_release(rw);
		_exit(0);
	}
	while (!words()->held)
		usleep(100);
}

static void read_by_another(void)
{
	held(READ, false);
}

static void read_by_one_who_dies(void)
{
	held(READ, true);
}

static void written_by_another(void)
{
	held(WRITE, false);
}

static void written_by_one_who_dies(void)
{
	held(WRITE, true);
}

/* Free, and its last writer has died. */
static void left_by_the_dead(void)
{
	written_by_one_who_dies();
	words()->end = 1;
	waitpid(holder, NULL, 0);
	holder = 0;
}

/* 0 or a negative errno; *told of a death. */
static int hold_briefly(enum way way, uint32_t *told)
{
	int rc = take(way);

	*told = rc == COVEY_OWNER_DIED;
	return rc < 0 ? rc : covey_rwlock_release(rw);
}

static void read_it(void)
{
	uint32_t told;

	hold_briefly(READ, &told);
}

static void read_twice(void)
{
	uint32_t told;

	if (take(READ) >= 0)
		hold_briefly(READ, &told);
	covey_rwlock_release(rw);
}

static void write_it(void)
{
	uint32_t told;

	hold_briefly(WRITE, &told);
}

static void write_in_vain(void)
{
	covey_rwlock_acquire_write(rw, A_WHILE);
}

static void read_and_write(void)
{
	read_it();
	write_it();
}

/* Sleeps until others wait for what it holds. */
static void hold_until_told(enum way way)
{
	take(way);
	while (!words()->go)
		syscall(SYS_futex, &words()->go, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void write_and_release(void)
{
	hold_until_told(WRITE);
	covey_rwlock_release(rw);
}

static void read_and_release(void)
{
	hold_until_told(READ);
	covey_rwlock_release(rw);
}

static void write_and_destroy(void)
{
	hold_until_told(WRITE);
	covey_rwlock_destroy(rw);
}

static int tell_to_go_on(uint32_t *got)
{
	*got = 0;
	words()->go = 1;
	syscall(SYS_futex, &words()->go, FUTEX_WAKE, 1, NULL, NULL, 0);
	return 0;
}

static int leave_it_be(uint32_t *got)
{
	*got = 0;
	return 0;
}

/* The last has the holder end. */
static int reader(uint32_t *got)
{
	int rc;

	__atomic_fetch_add(&words()->started, 1, __ATOMIC_SEQ_CST);
	rc = hold_briefly(READ, got);
	if (__atomic_sub_fetch(&words()->started, 1, __ATOMIC_SEQ_CST) == 0)
		words()->end = 1;
	return rc;
}

/* Sleepers take turns. */
static int reader_or_writer(uint32_t *got)
{
	int mine = __atomic_fetch_add(&words()->started, 1, __ATOMIC_SEQ_CST);

	return hold_briefly(mine % 2 ? WRITE : READ, got);
}

static int writer_or_reader(uint32_t *got)
{
	int mine = __atomic_fetch_add(&words()->started, 1, __ATOMIC_SEQ_CST);

	return hold_briefly(mine % 2 ? READ : WRITE, got);
}

/* Destroyed under who waits: that is an end, too. */
static int either_or_find_it_gone(uint32_t *got)
{
	int rc = reader_or_writer(got);

	return rc == -EBADF ? 0 : rc;
}

static int end_the_holder(uint32_t *got)
{
	*got = 0;
	words()->end = 1;
	while (kill(holder, 0) == 0 && covey_rwlock_writer(rw) == holder)
		usleep(100);
	return 0;
}

/* Nobody holds it for ever: all must go on. */
static int everybody(void)
{
	words()->end = 1;
	return SLEEPERS;
}

/* Readers, though another reads on: the one who wanted to write is dead or has given up. */
static int everybody_beside_the_holder(void)
{
	if (!words()->started)
		words()->end = 1;
	return SLEEPERS;
}

static const char *helpers_fared_well(const struct board *b)
{
	for (int i = 0; i < HELPERS; i++)
		if (b->done[i] && b->rc[i] < 0)
			return "a helper's call failed";
	return NULL;
}

/* What another thread gets while this one holds it. */
static void *try_both(void *arg)
{
	int *rc = arg;

	rc[READ] = covey_rwlock_acquire_read(rw, 0);
	if (rc[READ] >= 0)
		covey_rwlock_release(rw);
	rc[WRITE] = covey_rwlock_acquire_write(rw, 0);
	return NULL;
}

static bool keeps_out(enum way way)
{
	int rc[2] = {1, 1};
	pthread_t thread;

	if (pthread_create(&thread, NULL, try_both, rc) != 0)
		return false;
	pthread_join(thread, NULL);
	return rc[WRITE] == -EAGAIN && rc[READ] == (way == READ ? 0 : -EAGAIN);
}

static const char *works(const struct board *b)
{
	words()->end = 1;
	for (int i = 0; i < 4; i++) {
		enum way way = i % 2 ? WRITE : READ;
		int rc = take(way);

		if (rc < 0 || (i && rc))
			return "acquire failed, or a death was told twice";
		if (i < 2 && !keeps_out(way))
			return "it does not keep out whom it should";
		if (covey_rwlock_release(rw) < 0)
			return "release failed";
		if (covey_rwlock_release(rw) != -EPERM)
			return "it is held by nobody";
	}
	if (covey_rwlock_readers(rw) != 0 || covey_rwlock_writer(rw) != 0 ||
	    covey_rwlock_waiting(rw) != 0)
		return "it is held or waited for by nobody";
	return helpers_fared_well(b);
}

/* By the victim: once it has been told, it need not be told again. */
static void read_what_the_dead_left(void)
{
	words()->told = take(READ) == COVEY_OWNER_DIED;
	covey_rwlock_release(rw);
}

static void write_what_the_dead_left(void)
{
	words()->told = take(WRITE) == COVEY_OWNER_DIED;
	covey_rwlock_release(rw);
}

static const char *the_death_is_told(const struct board *b)
{
	int rc = take(READ);

	if (rc < 0 || covey_rwlock_release(rw) < 0)
		return "acquire or release failed afterwards";
	if (rc != COVEY_OWNER_DIED && !words()->told)
		return "nobody who lived to act on it was told of the death";
	if (b->phase == 2 && (rc || !words()->told))
		return "the first to come was not told of the death, or another again";
	return take(WRITE) == 0 && covey_rwlock_release(rw) == 0 ? works(b)
	                                                         : "a death was told twice";
}

static const char *can_be_made_anew(const struct board *b)
{
	covey_rwlock again;
	int rc;

	words()->end = 1;
	while ((rc = covey_rwlock_destroy(rw)) == -EBUSY)
		usleep(100);
	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	if (covey_rwlock_create(&again, NULL) < 0 || covey_rwlock_acquire_write(again, 0) != 0 ||
	    covey_rwlock_release(again) < 0 || covey_rwlock_acquire_read(again, 0) != 0 ||
	    covey_rwlock_release(again) < 0 || covey_rwlock_destroy(again) < 0)
		return "a new one does not work";
	return helpers_fared_well(b);
}

static void end_rwlock(void)
{
	words()->end = 1;
	end_process(holder);
	covey_rwlock_destroy(rw);
}

#define CASE(name_, setup_, call_, ...)                                                      \
	{                                                                                    \
		.name = (name_), .setup = (setup_), .call = (call_), .teardown = end_rwlock, \
		.may_stay = GROWTH, __VA_ARGS__                                              \
	}
/* The victim sleeps, with so many others behind it, until a waker has it go on. */
#define SLEEPS(behind, sleeper_, waker_) \
	.sleeps = true, .sleepers = (behind), .sleeper = (sleeper_), .waker = (waker_)
#define ALL_GO_ON .awake = everybody, .check = works

static const struct crash_case cases[] = {
	CASE("rwlock: read, alone", new_rwlock, read_twice, .check = works),
	CASE("rwlock: write, alone", new_rwlock, write_it, .check = works),
	CASE("rwlock: read and write, contended", new_rwlock, read_and_write, .contended = true,
             .check = works),
	CASE("rwlock: release of a writer, both kinds asleep", new_rwlock, write_and_release,
             SLEEPS(4, reader_or_writer, tell_to_go_on), ALL_GO_ON),
	CASE("rwlock: release of a reader, both kinds asleep", new_rwlock, read_and_release,
             SLEEPS(4, writer_or_reader, tell_to_go_on), ALL_GO_ON),
	CASE("rwlock: destroyed by its writer, both kinds asleep", new_rwlock, write_and_destroy,
             SLEEPS(4, either_or_find_it_gone, tell_to_go_on), .awake = everybody,
             .check = can_be_made_anew),
	CASE("rwlock: read that slept, others behind", written_by_another, read_it,
             SLEEPS(4, reader_or_writer, end_the_holder), ALL_GO_ON),
	CASE("rwlock: write that slept for a reader, others behind", read_by_another, write_it,
             SLEEPS(4, reader_or_writer, end_the_holder), ALL_GO_ON),
	CASE("rwlock: write in vain, readers behind", read_by_another, write_in_vain,
             SLEEPS(3, reader, leave_it_be), .awake = everybody_beside_the_holder, .check = works,
             .every = 11),
	CASE("rwlock: write that slept for a reader that died", read_by_one_who_dies, write_it,
             SLEEPS(2, writer_or_reader, end_the_holder), ALL_GO_ON),
	CASE("rwlock: read that slept for a writer that died", written_by_one_who_dies, read_it,
             SLEEPS(3, writer_or_reader, end_the_holder), ALL_GO_ON),
	CASE("rwlock: read what a dead writer left", left_by_the_dead, read_what_the_dead_left,
             .check = the_death_is_told),
	CASE("rwlock: write what a dead writer left", left_by_the_dead, write_what_the_dead_left,
             .check = the_death_is_told),
};

CRASH_NOUN(rwlock, cases);
