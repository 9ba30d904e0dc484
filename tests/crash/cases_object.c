/* SPDX-License-Identifier: MIT */
/*
 * The object table: objects of each kind that it alone keeps, made and destroyed with
 * nobody at them. Where somebody waits as one is destroyed is in the noun's own cases.
 */
#include "cases.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/layout.h"

#define SMALL 64

/* Handles are an id each; use: NULL, or what does not work; fill: before it is destroyed. */
struct kind {
	int (*make)(uint64_t *id);
	const char *(*use)(uint64_t id);
	int (*unmake)(uint64_t id);
	void (*fill)(uint64_t id);
};

static const struct kind *kind;
static uint64_t id;
static uint32_t round_of; /* each has other messages */

/* Whether another process, which ends with what it holds, finds that all is well. */
static bool well_elsewhere(bool (*look)(uint64_t), uint64_t of)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(look(of) ? 0 : 1);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0;
}

/* ---- the kinds */

#define MADE_BY(noun, ...)                                            \
	static int make_##noun(uint64_t *made)                        \
	{                                                             \
		covey_##noun handle = {0};                            \
		int rc = covey_##noun##_create(&handle, __VA_ARGS__); \
                                                                      \
		*made = handle.id;                                    \
		return rc;                                            \
	}                                                             \
	static int unmake_##noun(uint64_t of)                         \
	{                                                             \
		return covey_##noun##_destroy((covey_##noun){of});    \
	}

MADE_BY(lock, "swept")
MADE_BY(rlock, "swept")
MADE_BY(rwlock, "swept")
MADE_BY(semaphore, &(covey_semaphore_opts){.name = "swept", .value = 2})
MADE_BY(event, "swept")
MADE_BY(barrier, &(covey_barrier_opts){.name = "swept", .parties = 1})
MADE_BY(queue, &(covey_queue_opts){.name = "swept"})

static const char *use_lock(uint64_t of)
{
	covey_lock lock = {of};

	if (covey_lock_acquire(lock, COVEY_FOREVER) != 0 || covey_lock_release(lock) != 0)
		return "a new lock does not work";
	return NULL;
}

static const char *use_rlock(uint64_t of)
{
	covey_rlock lock = {of};

	for (int i = 0; i < 2; i++)
		if (covey_rlock_acquire(lock, COVEY_FOREVER) != 0)
			return "a new rlock cannot be taken";
	for (int i = 0; i < 2; i++)
		if (covey_rlock_release(lock) != 0)
			return "a new rlock cannot be released";
	return covey_rlock_release(lock) == -EPERM ? NULL : "a new rlock is held by nobody";
}

/* While another process reads. */
static bool reads_too(uint64_t of)
{
	covey_rwlock lock = {of};

	return covey_rwlock_acquire_read(lock, COVEY_FOREVER) == 0 &&
	       covey_rwlock_readers(lock) == 2 && covey_rwlock_release(lock) == 0 &&
	       covey_rwlock_readers(lock) == 1 && covey_rwlock_acquire_read(lock, 0) == 0;
}

static const char *use_rwlock(uint64_t of)
{
	covey_rwlock lock = {of};

	if (covey_rwlock_acquire_read(lock, COVEY_FOREVER) != 0 || !well_elsewhere(reads_too, of) ||
	    covey_rwlock_release(lock) != 0)
		return "a new rwlock cannot be read";
	if (covey_rwlock_acquire_write(lock, COVEY_FOREVER) != 0 || covey_rwlock_release(lock) != 0)
		return "a new rwlock cannot be written";
	return NULL;
}

/* While another process holds the other unit. */
static bool holds_the_last(uint64_t of)
{
	covey_semaphore s = {of};

	return covey_semaphore_acquire(s, COVEY_FOREVER) == 0 &&
	       covey_semaphore_acquire(s, 0) == -EAGAIN && covey_semaphore_value(s) == 0;
}

static const char *use_semaphore(uint64_t of)
{
	covey_semaphore s = {of};

	if (covey_semaphore_acquire(s, COVEY_FOREVER) != 0)
		return "a new semaphore has no unit";
	if (!well_elsewhere(holds_the_last, of) || covey_semaphore_value(s) != 1)
		return "the units of a new semaphore are miscounted";
	return covey_semaphore_release(s, 1) == 0 ? NULL : "a new semaphore takes nothing back";
}

static const char *use_event(uint64_t of)
{
	covey_event e = {of};

	if (covey_event_wait(e, 0) != -EAGAIN)
		return "a new event is set";
	if (covey_event_set(e) != 0 || covey_event_wait(e, COVEY_FOREVER) != 0)
		return "a new event cannot be set";
	return NULL;
}

static const char *use_barrier(uint64_t of)
{
	covey_barrier b = {of};

	for (int i = 0; i < 2; i++)
		if (covey_barrier_wait(b, COVEY_FOREVER) != 0)
			return "a new barrier does not work";
	return NULL;
}

static covey_lock lock; /* of conditions */

static int make_condition(uint64_t *made)
{
	covey_condition handle = {0};
	int rc = covey_condition_create(&handle, lock, "swept");

	*made = handle.id;
	return rc;
}

static int unmake_condition(uint64_t of)
{
	return covey_condition_destroy((covey_condition){of});
}

static const char *use_condition(uint64_t of)
{
	covey_condition c = {of};

	if (covey_lock_acquire(lock, COVEY_FOREVER) < 0)
		return "acquire failed afterwards";
	if (covey_condition_wait(c, 0) != -EAGAIN || covey_condition_notify(c, 1) != 0)
		return "a new condition does not work";
	return covey_lock_release(lock) == 0 ? NULL : "release failed afterwards";
}

static void put(uint64_t of, int n)
{
	unsigned char buf[SMALL];

	make_message(buf, SMALL, round_of);
	while (n-- > 0)
		if (covey_queue_put((covey_queue){of}, buf, SMALL, COVEY_FOREVER) < 0)
			abort();
}

static void get(uint64_t of, int n)
{
	unsigned char buf[SMALL];

	while (n-- > 0)
		if (covey_queue_get((covey_queue){of}, buf, SMALL, 0) != SMALL)
			abort();
}

/* Two segments: the first is all taken. */
static void lengthen(uint64_t of)
{
	put(of, 66);
	get(of, 64);
}

static const char *use_queue(uint64_t of)
{
	covey_queue q = {of};
	unsigned char buf[SMALL];
	uint32_t got;

	round_of++;
	if (covey_queue_size(q) != 0)
		return "a new queue is not empty";
	make_message(buf, SMALL, round_of);
	if (covey_queue_put(q, buf, SMALL, COVEY_FOREVER) < 0 ||
	    covey_queue_get(q, buf, SMALL, COVEY_FOREVER) != SMALL ||
	    !whole_message(buf, SMALL, &got) || got != round_of)
		return "a new queue does not work";
	return NULL;
}

static int make_counted(uint64_t *made)
{
	covey_queue handle = {0};
	int rc = covey_queue_create(&handle, &(covey_queue_opts){.name = "swept", .counted = 1});

	*made = handle.id;
	return rc;
}

/* One is got and not marked. */
static void have_unmarked(uint64_t of)
{
	put(of, 2);
	get(of, 1);
}

static const char *use_counted(uint64_t of)
{
	const char *why = use_queue(of);
	covey_queue q = {of};

	if (why)
		return why;
	if (covey_queue_join(q, 0) != -EAGAIN || covey_queue_task_done(q) < 0)
		return "a new counted queue does not count";
	return covey_queue_join(q, COVEY_FOREVER) == 0 ? NULL : "a new counted queue counts on";
}

/* ---- what is done with them */

static void of_kind(const struct kind *the_kind)
{
	kind = the_kind;
	id = 0;
	round_of += 100;
	if (!lock.id && covey_lock_create(&lock, "swept") < 0)
		abort();
}

/* Memory of such sizes that somebody has written to, for the next who needs some. */
static void leave_dirty(size_t size, size_t most)
{
	covey_block block;

	if (covey_block_create(&block, size, &(covey_block_opts){.max_size = most}) < 0)
		abort();
	memset(covey_block_data(block), 0x5b, size);
	covey_block_destroy(block);
}

/* The next one gets a slot and memory that none of its kind had before. */
static void next_of_kind(const struct kind *the_kind)
{
	uint64_t kept;

	of_kind(the_kind);
	if (kind->make(&kept) < 0)
		abort();
	for (size_t size = 4096; size <= 32768; size *= 2)
		leave_dirty(size, size);
	for (size_t most = 65536; most <= (16u << 20); most *= 2)
		leave_dirty(4096, most);
}

static void one_of_kind(const struct kind *the_kind)
{
	of_kind(the_kind);
	if (kind->make(&id) < 0)
		abort();
	if (kind->fill)
		kind->fill(id);
}

static void make(void)
{
	kind->make(&id);
}

static void unmake(void)
{
	kind->unmake(id);
}

static const char *new_one_works(const struct kind *of)
{
	uint64_t made;
	const char *why;

	if (of->make(&made) < 0)
		return "create failed afterwards";
	why = of->use(made);
	if (!why && of->unmake(made) < 0)
		why = "destroy failed afterwards";
	return why;
}

static void leave(void)
{
}

/* A kind and its setups. */
#define KIND(noun, ...)                                                                \
	static const struct kind kind_##noun = {make_##noun, use_##noun, __VA_ARGS__}; \
	static void to_make_##noun(void)                                               \
	{                                                                              \
		next_of_kind(&kind_##noun);                                            \
	}                                                                              \
	static void a_##noun(void)                                                     \
	{                                                                              \
		one_of_kind(&kind_##noun);                                             \
	}

KIND(lock, unmake_lock, NULL)
KIND(rlock, unmake_rlock, NULL)
KIND(rwlock, unmake_rwlock, NULL)
KIND(semaphore, unmake_semaphore, NULL)
KIND(event, unmake_event, NULL)
KIND(barrier, unmake_barrier, NULL)
KIND(condition, unmake_condition, NULL)
KIND(queue, unmake_queue, lengthen)
KIND(counted, unmake_queue, have_unmarked)

/* All slots that are there have been used. */
static void a_full_table(void)
{
	uint64_t kept;

	of_kind(&kind_lock);
	while (cvy_header()->object_top * sizeof(struct cvy_object) < cvy_header()->object_backed)
		if (kind->make(&kept) < 0)
			abort();
}

/* What was to be destroyed is so wholly, or can be now; new ones work, of other kinds too. */
static const char *table_works(const struct board *b)
{
	int rc = id ? kind->unmake(id) : 0;
	const char *why = NULL;

	(void)b;
	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	for (int i = 0; i < 2 && !why; i++) {
		why = new_one_works(kind);
		why = why ? why : new_one_works(&kind_lock);
		why = why ? why : new_one_works(&kind_queue);
	}
	return why;
}

/* memory: what two hold: one that was made by the dead, of whom nobody knows, and the next. */
#define CASES(noun, words, memory)                                                                 \
	{.name = "create " words,                                                                  \
	 .setup = to_make_##noun,                                                                  \
	 .call = make,                                                                             \
	 .check = table_works,                                                                     \
	 .teardown = leave,                                                                        \
	 .may_stay = (memory)},                                                                    \
	{                                                                                          \
		.name = "destroy " words, .setup = a_##noun, .call = unmake, .check = table_works, \
		.teardown = leave,                                                                 \
	}

static const struct crash_case cases[] = {
	CASES(lock, "a lock", 0),
	{.name = "create a lock that lengthens the table",
         .setup = a_full_table,
         .call = make,
         .check = table_works,
         .teardown = leave},
	CASES(rlock, "an rlock", 0),
	CASES(rwlock, "a rwlock", 24576),
	CASES(semaphore, "a semaphore", 24576),
	CASES(event, "an event", 0),
	CASES(barrier, "a barrier", 24576),
	CASES(condition, "a condition", 16384),
	CASES(queue, "a queue", 73728),
	CASES(counted, "a counted queue", 131072),
};

CRASH_NOUN(object, cases);
