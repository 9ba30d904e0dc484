/* SPDX-License-Identifier: MIT */
/* What a user of readers-writer locks relies on, while all live, under every start method. */
#include <sys/wait.h>

#include "parts.h"

/* A pair that is whole only where nobody writes, and how many readers were there together. */
struct pair {
	volatile long a, b;
	_Atomic int reading;
	_Atomic int most;
};
struct shift {
	covey_rwlock rw;
	covey_block block;
	int rounds;
};

static int read_pair(struct pair *pair)
{
	int reading = atomic_fetch_add(&pair->reading, 1) + 1, most = atomic_load(&pair->most);
	long a = pair->a, b = pair->b;

	while (reading > most && !atomic_compare_exchange_weak(&pair->most, &most, reading))
		;
	sched_yield();
	if (a != b || pair->a != a || pair->b != b)
		return 3;
	atomic_fetch_sub(&pair->reading, 1);
	return 0;
}

static int write_pair(struct pair *pair)
{
	if (atomic_load(&pair->reading))
		return 4;
	pair->a++;
	sched_yield();
	pair->b++;
	return 0;
}

static int work_a_shift(const void *arg, size_t len)
{
	const struct shift *s = arg;
	struct pair *pair = covey_block_data(s->block);
	int wrong = pair ? 0 : 9;

	for (int i = 0; i < s->rounds && !wrong; i++) {
		if (i % 4 == 0) {
			if (covey_rwlock_acquire_write(s->rw, COVEY_FOREVER) != 0)
				return 1;
			wrong = write_pair(pair);
		} else {
			if (covey_rwlock_acquire_read(s->rw, COVEY_FOREVER) != 0)
				return 2;
			wrong = read_pair(pair);
		}
		if (covey_rwlock_release(s->rw) != 0)
			return 5;
	}
	return wrong;
}

static void writers_are_alone(void **state)
{
	struct shift s = {.rounds = 400};
	struct pair *pair;
	covey_process *p[4];

	assert_int_equal(covey_rwlock_create(&s.rw, "pair"), 0);
	assert_int_equal(covey_block_create(&s.block, sizeof *pair, NULL), 0);
	pair = covey_block_data(s.block);
	for (int i = 0; i < 4; i++)
		assert_int_equal(
			covey_start(&p[i], work_a_shift, &s, .method = *(covey_method *)*state), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(end_of(p[i]), 0);
	assert_int_equal(pair->a, 4 * s.rounds / 4);
	assert_int_equal(pair->b, pair->a);
	assert_int_equal(covey_rwlock_destroy(s.rw), 0);
	assert_int_equal(covey_block_destroy(s.block), 0);
}

static void *work_in_a_thread(void *arg)
{
	return (void *)(intptr_t)work_a_shift(arg, 0);
}

static void threads_are_as_processes(void **state)
{
	struct shift s = {.rounds = 2000};
	struct pair *pair;
	pthread_t thread[4];
	void *rc;

	assert_int_equal(covey_rwlock_create(&s.rw, "pair"), 0);
	assert_int_equal(covey_block_create(&s.block, sizeof *pair, NULL), 0);
	pair = covey_block_data(s.block);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, work_in_a_thread, &s), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(thread[i], &rc);
		assert_int_equal((intptr_t)rc, 0);
	}
	assert_int_equal(pair->a, 4 * s.rounds / 4);
	assert_int_equal(pair->b, pair->a);
	assert_int_equal(covey_rwlock_destroy(s.rw), 0);
	assert_int_equal(covey_block_destroy(s.block), 0);
}

static void many_read_at_once(void **state)
{
	struct stage stage = new_stage("routes", state);
	covey_process *p[3];
	char words[64];

	for (int i = 0; i < 3; i++)
		p[i] = start_holder(&stage, i, READ);
	assert_int_equal(covey_rwlock_acquire_read(stage.rw, 0), 0);
	assert_int_equal(covey_rwlock_readers(stage.rw), 4);
	assert_int_equal(covey_rwlock_writer(stage.rw), 0);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "rwlock 'routes': for reading pid "));
	snprintf(words, sizeof words, "pid %d holds 1", (int)covey_process_pid(p[1]));
	assert_non_null(strstr(covey_errmsg(), words));
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 20), -ETIMEDOUT);
	assert_non_null(strstr(covey_errmsg(), words));
	assert_int_equal(covey_rwlock_destroy(stage.rw), -EBUSY);
	assert_non_null(strstr(covey_errmsg(), words));
	let_all_go(&stage, p, 3);
	hold_briefly(stage.rw, WRITE, 0);
	end_stage(&stage);
}

static void a_writer_keeps_all_out(void **state)
{
	struct stage stage = new_stage("routes", state);
	covey_process *p = start_holder(&stage, 0, WRITE);
	char words[64];

	snprintf(words, sizeof words, "rwlock 'routes': pid %d writes; 0 wait",
	         (int)covey_process_pid(p));
	assert_int_equal(covey_rwlock_writer(stage.rw), covey_process_pid(p));
	assert_int_equal(covey_rwlock_readers(stage.rw), 0);
	assert_int_equal(covey_rwlock_acquire_read(stage.rw, 0), -EAGAIN);
	assert_string_equal(covey_errmsg(), words);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 0), -EAGAIN);
	assert_string_equal(covey_errmsg(), words);
	assert_int_equal(covey_rwlock_acquire_read(stage.rw, 20), -ETIMEDOUT);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 20), -ETIMEDOUT);
	assert_int_equal(covey_rwlock_destroy(stage.rw), -EBUSY);
	assert_int_equal(covey_rwlock_release(stage.rw), -EPERM);
	snprintf(words, sizeof words, "pid %d writes", (int)covey_process_pid(p));
	assert_non_null(strstr(covey_errmsg(), words));
	let_all_go(&stage, &p, 1);
	assert_int_equal(covey_rwlock_writer(stage.rw), 0);
	end_stage(&stage);
}

static void who_waits_is_shown(void **state)
{
	struct stage stage = new_stage("routes", state);
	covey_process_info info;
	covey_process *p[2];

	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 0), 0);
	for (int i = 0; i < 2; i++) {
		p[i] = line_up(&stage, i, i ? WRITE : READ);
		assert_int_equal(covey_process_get_info(p[i], &info), 0);
		assert_string_equal(info.waiting_for, "rwlock 'routes'");
	}
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	let_all_go(&stage, p, 2);
	end_stage(&stage);
}

static void *try_to_read_here(void *arg)
{
	const struct stage *stage = arg;

	return (void *)(intptr_t)covey_rwlock_acquire_read(stage->rw, 0);
}

static void a_waiting_writer_is_not_overtaken(void **state)
{
	struct stage stage = new_stage("routes", state);
	covey_process *writer, *reader;
	pthread_t thread;
	void *rc;

	assert_int_equal(covey_rwlock_acquire_read(stage.rw, 0), 0);
	writer = line_up(&stage, 0, WRITE);
	/* Not by another thread of the process that reads, nor by another process. */
	assert_int_equal(pthread_create(&thread, NULL, try_to_read_here, &stage), 0);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, -EAGAIN);
	reader = line_up(&stage, 1, READ);
	/* Who reads may read again. */
	assert_int_equal(covey_rwlock_acquire_read(stage.rw, COVEY_FOREVER), 0);
	assert_int_equal(covey_rwlock_readers(stage.rw), 1);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	assert_int_equal(covey_queue_size(stage.says), 0);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	assert_int_equal(next_said(&stage, 0), 0);
	assert_int_equal(covey_rwlock_writer(stage.rw), covey_process_pid(writer));
	let_go(&stage, 1);
	assert_int_equal(next_said(&stage, 1), 0);
	let_go(&stage, 1);
	assert_int_equal(end_of(writer), 0);
	assert_int_equal(end_of(reader), 0);
	end_stage(&stage);
}

static void waiters_are_served_in_order(void **state)
{
	struct stage stage = new_stage("turns", state);
	enum way ways[] = {READ, READ, WRITE, READ, WRITE};
	covey_process *p[5];
	struct said said[2];

	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 0), 0);
	for (int i = 0; i < 5; i++)
		p[i] = line_up(&stage, i, ways[i]);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	/* The first two together, and nobody else. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(covey_get(stage.says, &said[i], COVEY_FOREVER), 0);
	assert_int_equal(said[0].number + said[1].number, 1);
	assert_int_equal(covey_rwlock_readers(stage.rw), 2);
	assert_int_equal(covey_rwlock_acquire_read(stage.rw, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "3 wait"));
	let_go(&stage, 2);
	for (int i = 2; i < 5; i++) {
		assert_int_equal(next_said(&stage, i), 0);
		assert_int_equal(covey_queue_size(stage.says), 0);
		assert_int_equal(covey_rwlock_writer(stage.rw),
		                 ways[i] == WRITE ? covey_process_pid(p[i]) : 0);
		let_go(&stage, 1);
	}
	for (int i = 0; i < 5; i++)
		assert_int_equal(end_of(p[i]), 0);
	end_stage(&stage);
}

static void a_writer_that_gives_up_lets_readers_through(void **state)
{
	struct stage stage = new_stage("turns", state);
	covey_process *holder = start_holder(&stage, 0, READ), *p;

	/* We wait to write, it waits behind us to read. */
	p = start_part(&stage, 1, READ);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 30), -ETIMEDOUT);
	assert_int_equal(next_said(&stage, 1), 0);
	assert_int_equal(covey_rwlock_readers(stage.rw), 2);
	hold_briefly(stage.rw, READ, 0);
	let_go(&stage, 2);
	assert_int_equal(end_of(holder), 0);
	assert_int_equal(end_of(p), 0);
	end_stage(&stage);
}

static void what_a_thread_may_not_do_is_refused_in_words(void **state)
{
	struct stage stage = new_stage("mine", NULL);

	assert_int_equal(covey_rwlock_release(stage.rw), -EPERM);
	assert_non_null(strstr(covey_errmsg(), "for reading nobody holds any"));
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 0), 0);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, COVEY_FOREVER), -EDEADLK);
	assert_string_equal(covey_errmsg(), "rwlock 'mine': this thread writes already");
	assert_int_equal(covey_rwlock_acquire_read(stage.rw, COVEY_FOREVER), -EDEADLK);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	assert_int_equal(covey_rwlock_acquire_read(stage.rw, 0), 0);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, COVEY_FOREVER), -EDEADLK);
	assert_non_null(strstr(covey_errmsg(), "this thread reads"));
	assert_int_equal(covey_rwlock_readers(stage.rw), 1);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	assert_int_equal(covey_rwlock_release(stage.rw), -EPERM);
	assert_int_equal(covey_rwlock_create(NULL, "no place"), -EINVAL);
	end_stage(&stage);
}

static void *release_here(void *arg)
{
	covey_rwlock *rw = arg;

	return (void *)(intptr_t)covey_rwlock_release(*rw);
}

static void another_thread_does_not_release(void **state)
{
	struct stage stage = new_stage("mine", NULL);
	pthread_t thread;
	void *rc;

	for (enum way way = READ; way <= WRITE; way++) {
		assert_int_equal(take(stage.rw, way, 0), 0);
		assert_int_equal(pthread_create(&thread, NULL, release_here, &stage.rw), 0);
		pthread_join(thread, &rc);
		assert_int_equal((intptr_t)rc, -EPERM);
		assert_int_equal(covey_rwlock_release(stage.rw), 0);
	}
	end_stage(&stage);
}

static void a_forked_child_holds_nothing(void **state)
{
	struct stage stage = new_stage("mine", NULL);
	int status;
	pid_t pid;

	for (enum way way = READ; way <= WRITE; way++) {
		assert_int_equal(take(stage.rw, way, 0), 0);
		pid = fork();
		if (pid == 0)
			_exit(covey_rwlock_release(stage.rw) != -EPERM ||
			      covey_rwlock_acquire_read(stage.rw, 0) !=
			              (way == READ ? 0 : -EAGAIN));
		waitpid(pid, &status, 0);
		assert_int_equal(status, 0);
		assert_int_equal(covey_rwlock_readers(stage.rw), way == READ);
		assert_int_equal(covey_rwlock_release(stage.rw), 0);
	}
	end_stage(&stage);
}

static void a_thread_may_read_many(void **state)
{
	enum { MANY = 40 };
	covey_rwlock rw[MANY];

	for (int i = 0; i < MANY; i++) {
		assert_int_equal(covey_rwlock_create(&rw[i], NULL), 0);
		for (int depth = 0; depth < 3; depth++)
			assert_int_equal(covey_rwlock_acquire_read(rw[i], 0), 0);
	}
	for (int i = 0; i < MANY; i++) {
		int at = i * 7 % MANY; /* in another order */

		for (int depth = 0; depth < 3; depth++) {
			assert_int_equal(covey_rwlock_readers(rw[at]), 1);
			assert_int_equal(covey_rwlock_release(rw[at]), 0);
		}
		assert_int_equal(covey_rwlock_readers(rw[at]), 0);
		assert_int_equal(covey_rwlock_release(rw[at]), -EPERM);
		assert_int_equal(covey_rwlock_destroy(rw[at]), 0);
	}
}

static int leave_early(covey_rwlock rw, int how)
{
	for (int i = 0; i < 2; i++) {
		COVEY_WITH_READ (rw) {
			COVEY_WITH_READ (rw) {
				if (how == 0)
					return i;
				if (how == 1)
					break;
			}
			if (how == 1)
				continue;
			return 7;
		}
		COVEY_WITH_WRITE (rw) {
			if (covey_rwlock_writer(rw) != getpid())
				return 8;
			if (how == 2)
				return i;
		}
	}
	return 1;
}

static void with_releases_on_every_way_out(void **state)
{
	struct stage stage = new_stage("with", NULL);
	covey_rwlock gone;

	assert_int_equal(leave_early(stage.rw, 0), 0);
	assert_int_equal(leave_early(stage.rw, 1), 1);
	assert_int_equal(leave_early(stage.rw, 2), 7);
	COVEY_WITH_WRITE (stage.rw)
		assert_int_equal(covey_rwlock_writer(stage.rw), getpid());
	COVEY_WITH_READ (stage.rw)
		COVEY_WITH_WRITE (stage.rw)
			fail_msg("a thread that reads wrote");
	assert_int_equal(covey_errcode(), -EDEADLK);
	hold_briefly(stage.rw, WRITE, 0);
	gone = stage.rw;
	end_stage(&stage);
	COVEY_WITH_READ (gone)
		fail_msg("the block of one that was destroyed ran");
	assert_int_equal(covey_errcode(), -EBADF);
}

static void waiters_of_a_destroyed_one_are_told(void **state)
{
	struct stage stage = new_stage("ends", state);
	covey_process *p[4];

	for (enum way way = READ; way <= WRITE; way++) {
		assert_int_equal(take(stage.rw, WRITE, 0), 0);
		for (int i = 0; i < 4; i++)
			p[i] = line_up(&stage, i, i % 2 ? READ : WRITE);
		if (way == READ)
			assert_int_equal(covey_rwlock_destroy(stage.rw), 0);
		else
			end_stage(&stage);
		for (int i = 0; i < 4; i++)
			assert_int_equal(end_of(p[i]), EBADF);
		assert_int_equal(covey_rwlock_release(stage.rw), -EBADF);
		if (way == READ)
			assert_int_equal(covey_rwlock_create(&stage.rw, "again"), 0);
	}
}

static void stale_and_foreign_handles_are_errors_in_words(void **state)
{
	covey_rwlock rw, zero = {0}, wild = {UINT64_MAX}, wrong;
	char name[COVEY_NAME_MAX + 2];
	covey_lock lock;

	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	wrong.id = lock.id;
	assert_int_equal(covey_rwlock_acquire_read(wrong, 0), -EBADF);
	assert_string_equal(covey_errmsg(), "rwlock: the handle is that of a lock");
	assert_int_equal(covey_lock_destroy(lock), 0);
	memset(name, 'n', sizeof name);
	name[COVEY_NAME_MAX + 1] = 0;
	assert_int_equal(covey_rwlock_create(&rw, name), -ENAMETOOLONG);
	assert_int_equal(covey_rwlock_create(&rw, "gone"), 0);
	/* Its only holder may destroy it, whichever way it holds it. */
	assert_int_equal(covey_rwlock_acquire_read(rw, 0), 0);
	assert_int_equal(covey_rwlock_destroy(rw), 0);
	assert_int_equal(covey_rwlock_acquire_read(rw, 0), -EBADF);
	assert_int_equal(covey_rwlock_acquire_write(rw, 0), -EBADF);
	assert_int_equal(covey_rwlock_release(rw), -EBADF);
	assert_int_equal(covey_rwlock_destroy(rw), -EBADF);
	assert_int_equal(covey_rwlock_writer(rw), -EBADF);
	assert_int_equal(covey_rwlock_readers(rw), -EBADF);
	assert_int_equal(covey_rwlock_waiting(rw), -EBADF);
	assert_string_equal(covey_errmsg(), "rwlock: it was destroyed");
	assert_int_equal(covey_rwlock_acquire_read(zero, 0), -EBADF);
	assert_int_equal(covey_rwlock_acquire_write(wild, 0), -EBADF);
	/* The next in its slot begins afresh. */
	assert_int_equal(covey_rwlock_create(&rw, "new"), 0);
	assert_int_equal(covey_rwlock_readers(rw), 0);
	assert_int_equal(covey_rwlock_acquire_write(rw, 0), 0);
	assert_int_equal(covey_rwlock_destroy(rw), 0);
}

static void slots_are_used_again(void **state)
{
	covey_usage before, after;
	covey_rwlock rw;

	for (int i = 0; i < 1001; i++) {
		assert_int_equal(covey_rwlock_create(&rw, NULL), 0);
		assert_int_equal(take(rw, i % 2 ? READ : WRITE, 0), 0);
		if (i % 3)
			assert_int_equal(covey_rwlock_release(rw), 0);
		assert_int_equal(covey_rwlock_destroy(rw), 0);
		if (i == 0)
			assert_int_equal(covey_usage_get(&before), 0);
	}
	assert_int_equal(covey_usage_get(&after), 0);
	assert_int_equal(after.objects, before.objects);
	assert_in_range(after.used, before.used, before.used + 4096); /* the words of readers */
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(writers_are_alone),
	HARNESS_TEST_BY_METHODS(many_read_at_once),
	HARNESS_TEST_BY_METHODS(a_writer_keeps_all_out),
	HARNESS_TEST_BY_METHODS(who_waits_is_shown),
	HARNESS_TEST_BY_METHODS(a_waiting_writer_is_not_overtaken),
	HARNESS_TEST_BY_METHODS(waiters_are_served_in_order),
	HARNESS_TEST_BY_METHODS(a_writer_that_gives_up_lets_readers_through),
	HARNESS_TEST_BY_METHODS(waiters_of_a_destroyed_one_are_told),
	HARNESS_TEST(threads_are_as_processes),
	HARNESS_TEST(what_a_thread_may_not_do_is_refused_in_words),
	HARNESS_TEST(another_thread_does_not_release),
	HARNESS_TEST(a_forked_child_holds_nothing),
	HARNESS_TEST(a_thread_may_read_many),
	HARNESS_TEST(with_releases_on_every_way_out),
	HARNESS_TEST(stale_and_foreign_handles_are_errors_in_words),
	HARNESS_TEST(slots_are_used_again),
};

HARNESS_MAIN(tests)
