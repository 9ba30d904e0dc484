/* SPDX-License-Identifier: MIT */
/* What becomes of readers-writer locks when those who hold them or wait for them die. */
#include <sys/wait.h>

#include "parts.h"

static void a_writers_death_is_told_once(void **state)
{
	struct stage stage = new_stage("ledger", state);

	for (enum way way = READ; way <= WRITE; way++) {
		assert_int_equal(killed(start_holder(&stage, 0, WRITE)), 128 + SIGKILL);
		assert_int_equal(covey_rwlock_writer(stage.rw), 0);
		assert_int_equal(take(stage.rw, way, 0), COVEY_OWNER_DIED);
		if (way == READ) {
			/* Others read meanwhile, and are not told. */
			covey_process *p = start_holder(&stage, 1, READ);

			let_all_go(&stage, &p, 1);
		}
		assert_int_equal(covey_rwlock_release(stage.rw), 0);
		hold_briefly(stage.rw, READ, 0);
		hold_briefly(stage.rw, WRITE, 0);
	}
	end_stage(&stage);
}

static void a_writers_death_wakes_who_waits(enum way way, void **state)
{
	struct stage stage = new_stage("ledger", state);
	covey_process *p = start_holder(&stage, 0, WRITE);
	struct once_asleep o;

	once_asleep(&o, kill_it, p);
	assert_int_equal(take(stage.rw, way, COVEY_FOREVER), COVEY_OWNER_DIED);
	once_asleep_done(&o);
	assert_int_equal(end_of(p), 128 + SIGKILL);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	hold_briefly(stage.rw, way, 0);
	end_stage(&stage);
}

static void a_writers_death_wakes_a_reader(void **state)
{
	a_writers_death_wakes_who_waits(READ, state);
}

static void a_writers_death_wakes_a_writer(void **state)
{
	a_writers_death_wakes_who_waits(WRITE, state);
}

static void a_writers_death_is_noticed_in_slices(void **state)
{
	cvy_line_slices = true;
	a_writers_death_wakes_who_waits(WRITE, state);
	a_writers_death_wakes_who_waits(READ, state);
}

static void of_those_asleep_one_is_told(void **state)
{
	struct stage stage = new_stage("ledger", state);
	covey_process *writer = start_holder(&stage, 0, WRITE), *p[3];
	struct said said;
	int told = 0;

	for (int i = 0; i < 3; i++)
		p[i] = line_up(&stage, i + 1, READ);
	assert_int_equal(killed(writer), 128 + SIGKILL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_get(stage.says, &said, COVEY_FOREVER), 0);
		told += said.rc == COVEY_OWNER_DIED;
	}
	assert_int_equal(told, 1);
	let_all_go(&stage, p, 3);
	hold_briefly(stage.rw, WRITE, 0);
	end_stage(&stage);
}

static void news_that_died_with_who_was_told_is_told_again(void **state)
{
	struct stage stage = new_stage("ledger", state);
	covey_process *p;

	for (enum way way = READ; way <= WRITE; way++) {
		assert_int_equal(killed(start_holder(&stage, 0, WRITE)), 128 + SIGKILL);
		p = start_part(&stage, 1, way);
		assert_int_equal(next_said(&stage, 1), COVEY_OWNER_DIED);
		assert_int_equal(killed(p), 128 + SIGKILL);
		hold_briefly(stage.rw, READ, COVEY_OWNER_DIED);
		hold_briefly(stage.rw, READ, 0);
	}
	end_stage(&stage);
}

static void a_dead_reader_reads_no_more(void **state)
{
	struct stage stage = new_stage("routes", state);
	covey_process *p[2] = {start_holder(&stage, 0, READ), start_holder(&stage, 1, READ)};

	assert_int_equal(covey_rwlock_readers(stage.rw), 2);
	assert_int_equal(killed(p[0]), 128 + SIGKILL);
	assert_int_equal(covey_rwlock_readers(stage.rw), 1);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 0), -EAGAIN);
	assert_int_equal(killed(p[1]), 128 + SIGKILL);
	hold_briefly(stage.rw, WRITE, 0);
	end_stage(&stage);
}

static void a_readers_death_wakes_a_writer(void **state)
{
	struct stage stage = new_stage("routes", state);
	covey_process *p = start_holder(&stage, 0, READ);
	struct once_asleep o;

	once_asleep(&o, kill_it, p);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, COVEY_FOREVER), 0);
	once_asleep_done(&o);
	assert_int_equal(end_of(p), 128 + SIGKILL);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	end_stage(&stage);
}

static void a_readers_death_is_noticed_in_slices(void **state)
{
	cvy_line_slices = true;
	a_readers_death_wakes_a_writer(state);
}

static void a_stopped_holder_is_alive(void **state)
{
	struct stage stage = new_stage("routes", state);
	covey_process *p;

	for (enum way way = READ; way <= WRITE; way++) {
		p = start_holder(&stage, 0, way);
		covey_process_signal(p, SIGSTOP);
		assert_int_equal(covey_rwlock_acquire_write(stage.rw, 20), -ETIMEDOUT);
		assert_int_equal(killed(p), 128 + SIGKILL);
		assert_int_equal(covey_rwlock_acquire_write(stage.rw, 0),
		                 way == WRITE ? COVEY_OWNER_DIED : 0);
		assert_int_equal(covey_rwlock_release(stage.rw), 0);
	}
	end_stage(&stage);
}

static void death_of_a_waiter_loses_nobodys_turn(void **state)
{
	struct stage stage = new_stage("turns", state);
	enum way ways[] = {WRITE, READ, WRITE, READ, WRITE};
	covey_process *p[5];

	assert_int_equal(covey_rwlock_acquire_read(stage.rw, 0), 0);
	for (int i = 0; i < 5; i++)
		p[i] = line_up(&stage, i, ways[i]);
	/* A writer in the middle, then the first: the readers behind it come in at once. */
	assert_int_equal(killed(p[2]), 128 + SIGKILL);
	assert_int_equal(killed(p[0]), 128 + SIGKILL);
	HARNESS_EVENTUALLY(covey_rwlock_readers(stage.rw) == 3);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	let_go(&stage, 3);
	assert_int_equal(end_of(p[1]), 0);
	assert_int_equal(end_of(p[3]), 0);
	assert_int_equal(end_of(p[4]), 0);
	end_stage(&stage);
}

static void the_last_in_line_sees_deaths_of_all_before_it(void **state)
{
	struct stage stage = new_stage("turns", state);
	covey_process *holder = start_holder(&stage, 0, WRITE), *p[3];

	for (int i = 0; i < 3; i++)
		p[i] = line_up(&stage, i + 1, i == 1 ? READ : WRITE);
	covey_process_kill(holder);
	covey_process_kill(p[0]);
	covey_process_kill(p[1]);
	let_go(&stage, 3);
	/* The first two may have had their turn before they died. */
	assert_int_equal(end_of(p[2]), 0);
	end_of(holder);
	end_of(p[0]);
	end_of(p[1]);
	assert_int_equal(covey_rwlock_waiting(stage.rw), 0);
	end_stage(&stage);
}

/* ---- threads that end */

struct ending {
	struct stage *stage;
	enum way way;
	int rc;
};

static void *take_and_end(void *arg)
{
	struct ending *e = arg;

	e->rc = take(e->stage->rw, e->way, COVEY_FOREVER);
	/* Then until it is told, or at once. */
	covey_semaphore_acquire(e->stage->go, COVEY_FOREVER);
	return NULL;
}

static void tell_to_end(void *stage)
{
	let_go(stage, 1);
}

static void a_thread_that_ends_gives_back(void **state)
{
	struct stage stage = new_stage("threads", NULL);
	struct once_asleep o;

	for (enum way way = READ; way <= WRITE; way++) {
		struct ending e = {&stage, way, 1};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, take_and_end, &e), 0);
		HARNESS_EVENTUALLY(way == READ ? covey_rwlock_readers(stage.rw) == 1
		                               : covey_rwlock_writer(stage.rw) == getpid());
		once_asleep(&o, tell_to_end, &stage);
		/* A writer that ends has died; a reader has released. */
		assert_int_equal(covey_rwlock_acquire_write(stage.rw, COVEY_FOREVER),
		                 way == WRITE ? COVEY_OWNER_DIED : 0);
		once_asleep_done(&o);
		pthread_join(thread, NULL);
		assert_int_equal(e.rc, 0);
		assert_int_equal(covey_rwlock_release(stage.rw), 0);
	}
	end_stage(&stage);
}

static void news_that_ended_with_a_thread_is_told_again(void **state)
{
	struct stage stage = new_stage("threads", NULL);
	struct ending e = {&stage, READ, -1};
	pthread_t thread;

	assert_int_equal(killed(start_holder(&stage, 0, WRITE)), 128 + SIGKILL);
	let_go(&stage, 1);
	assert_int_equal(pthread_create(&thread, NULL, take_and_end, &e), 0);
	pthread_join(thread, NULL);
	assert_int_equal(e.rc, COVEY_OWNER_DIED);
	assert_int_equal(covey_rwlock_readers(stage.rw), 0);
	hold_briefly(stage.rw, WRITE, COVEY_OWNER_DIED);
	end_stage(&stage);
}

static void exec_by_a_writer_is_its_death(void **state)
{
	struct stage stage = new_stage("exec", NULL);
	pid_t pid = fork();

	if (pid == 0) {
		if (covey_rwlock_acquire_write(stage.rw, 0) < 0 || say(&stage, 1, 0) < 0)
			_exit(1);
		execlp("sleep", "sleep", "1000", (char *)NULL);
		_exit(2);
	}
	assert_int_equal(next_said(&stage, 1), 0);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, COVEY_FOREVER), COVEY_OWNER_DIED);
	assert_true(harness_exists(pid));
	harness_kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	end_stage(&stage);
}

static void *read_and_end(void *arg)
{
	struct stage *stage = arg;

	take(stage->rw, READ, COVEY_FOREVER);
	return NULL;
}

/* Its life was taken by a thread that has ended: its death wakes nobody, and is found. */
static void a_process_outlives_the_thread_that_took_its_life(void **state)
{
	struct stage stage = new_stage("outlived", NULL);
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t thread;

		pthread_create(&thread, NULL, read_and_end, &stage);
		pthread_join(thread, NULL);
		if (take(stage.rw, READ, 0) < 0 || say(&stage, 1, 0) < 0)
			_exit(1);
		sleep_for_good();
	}
	assert_int_equal(next_said(&stage, 1), 0);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, 120), -ETIMEDOUT);
	harness_kill(pid, SIGKILL);
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, COVEY_FOREVER), 0);
	waitpid(pid, NULL, 0);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	end_stage(&stage);
}

static void more_readers_than_can_be_slept_for_at_once(void **state)
{
	enum { READERS = CVY_WATCH_MOST + 4 };
	struct stage stage = new_stage("many", NULL);
	pid_t pid[READERS];

	for (int i = 0; i < READERS; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			if (covey_rwlock_acquire_read(stage.rw, 0) < 0)
				_exit(1);
			sleep_for_good();
		}
	}
	HARNESS_EVENTUALLY(covey_rwlock_readers(stage.rw) == READERS);
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(covey_rwlock_acquire_write(stage.rw, 0), -EAGAIN);
		harness_kill(pid[i], SIGKILL);
		if (i < READERS - 1)
			waitpid(pid[i], NULL, 0);
	}
	assert_int_equal(covey_rwlock_acquire_write(stage.rw, COVEY_FOREVER), 0);
	waitpid(pid[READERS - 1], NULL, 0);
	assert_int_equal(covey_rwlock_release(stage.rw), 0);
	end_stage(&stage);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(a_writers_death_is_told_once),
	HARNESS_TEST_BY_METHODS(a_writers_death_wakes_a_reader),
	HARNESS_TEST_BY_METHODS(a_writers_death_wakes_a_writer),
	HARNESS_TEST_BY_METHODS(a_writers_death_is_noticed_in_slices),
	HARNESS_TEST_BY_METHODS(of_those_asleep_one_is_told),
	HARNESS_TEST_BY_METHODS(news_that_died_with_who_was_told_is_told_again),
	HARNESS_TEST_BY_METHODS(a_dead_reader_reads_no_more),
	HARNESS_TEST_BY_METHODS(a_readers_death_wakes_a_writer),
	HARNESS_TEST_BY_METHODS(a_readers_death_is_noticed_in_slices),
	HARNESS_TEST_BY_METHODS(a_stopped_holder_is_alive),
	HARNESS_TEST_BY_METHODS(death_of_a_waiter_loses_nobodys_turn),
	HARNESS_TEST_BY_METHODS(the_last_in_line_sees_deaths_of_all_before_it),
	HARNESS_TEST(a_thread_that_ends_gives_back),
	HARNESS_TEST(news_that_ended_with_a_thread_is_told_again),
	HARNESS_TEST(exec_by_a_writer_is_its_death),
	HARNESS_TEST(a_process_outlives_the_thread_that_took_its_life),
	HARNESS_TEST(more_readers_than_can_be_slept_for_at_once),
};

HARNESS_MAIN(tests)
