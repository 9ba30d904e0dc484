/* SPDX-License-Identifier: MIT */
/* Life words: what tells that a process has died. */
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "support/harness.h"

/* A child in the family, waiting to be killed; its slot and generation. */
struct member {
	pid_t pid;
	uint32_t slot;
	uint32_t generation;
};

static int told[2];

static void make_family(void)
{
	assert_int_equal(cvy_family(), 0);
	assert_int_equal(pipe(told), 0);
}

static void end_family(void)
{
	close(told[0]);
	close(told[1]);
}

static void *join_family(void *arg)
{
	uint32_t slot = cvy_self();

	return write(told[1], &slot, sizeof slot) == sizeof slot ? arg : NULL;
}

static struct member start(bool in_a_thread_that_ends)
{
	struct member m;
	pthread_t thread;

	m.pid = fork();
	if (m.pid == 0) {
		if (in_a_thread_that_ends) {
			pthread_create(&thread, NULL, join_family, NULL);
			pthread_join(thread, NULL);
			if (write(told[1], "", 1) != 1)
				_exit(1);
		} else {
			join_family(NULL);
		}
		for (;;)
			pause();
	}
	assert_int_equal(read(told[0], &m.slot, sizeof m.slot), sizeof m.slot);
	if (in_a_thread_that_ends)
		assert_int_equal(read(told[0], &(char){0}, 1), 1);
	m.generation = cvy_proc(m.slot)->generation;
	return m;
}

static void end(struct member m)
{
	harness_kill(m.pid, SIGKILL);
	waitpid(m.pid, NULL, 0);
}

static void a_death_is_seen_and_wakes_who_sleeps(void **state)
{
	_Atomic uint32_t *word;
	struct member m;
	uint32_t value;

	make_family();
	m = start(false);
	assert_false(cvy_gone(m.slot, m.generation));
	assert_true(cvy_gone(m.slot, m.generation - 1));
	assert_true(cvy_gone(0, 0));
	assert_true(cvy_gone(CVY_PROCS, 0));
	word = cvy_life_watch(m.slot, m.generation, &value);
	assert_non_null(word);
	assert_int_equal(atomic_load(word), value);
	harness_kill(m.pid, SIGKILL);
	while (atomic_load(word) == value)
		cvy_futex_wait(word, value, CVY_NEVER);
	HARNESS_EVENTUALLY(cvy_gone(m.slot, m.generation));
	assert_null(cvy_life_watch(m.slot, m.generation, &value));
	end(m);
	end_family();
}

static void a_slot_has_a_new_life_with_each_process(void **state)
{
	struct member m = {0}, again = {0};
	uint32_t value;

	make_family();
	m = start(false);
	end(m);
	assert_true(cvy_gone(m.slot, m.generation));
	/* A sweep frees the slots of processes forked without covey once all are in use. */
	again.slot = m.slot;
	for (uint32_t i = 0; i < CVY_PROCS && cvy_proc(m.slot)->generation == m.generation; i++)
		assert_int_equal(cvy_proc_new("filler", &again.slot), 0);
	assert_int_equal(again.slot, m.slot);
	again.generation = cvy_proc(m.slot)->generation;
	assert_true(cvy_gone(m.slot, m.generation));
	/* Starting, and as alive as its starter; it cannot be watched yet. */
	assert_false(cvy_gone(again.slot, again.generation));
	assert_null(cvy_life_watch(again.slot, again.generation, &value));
	again.pid = fork();
	if (again.pid == 0) {
		cvy_self_set(again.slot);
		assert_int_equal(write(told[1], "", 1), 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(told[0], &(char){0}, 1), 1);
	assert_false(cvy_gone(again.slot, again.generation));
	assert_true(cvy_gone(m.slot, m.generation));
	assert_null(cvy_life_watch(m.slot, m.generation, &value));
	assert_non_null(cvy_life_watch(again.slot, again.generation, &value));
	end(again);
	assert_true(cvy_gone(again.slot, again.generation));
	end_family();
}

static void a_process_outlives_the_thread_that_took_its_life(void **state)
{
	struct member m;
	uint32_t value;

	make_family();
	m = start(true);
	HARNESS_EVENTUALLY(!cvy_life_watch(m.slot, m.generation, &value));
	assert_false(cvy_gone(m.slot, m.generation));
	end(m);
	assert_true(cvy_gone(m.slot, m.generation));
	end_family();
}

static void *make_family_here(void *arg)
{
	return cvy_family() == 0 ? NULL : arg;
}

static void a_life_is_taken_again_by_who_notices(void **state)
{
	pthread_t thread;
	uint32_t value, self;

	assert_int_equal(pthread_create(&thread, NULL, make_family_here, ""), 0);
	pthread_join(thread, NULL);
	self = cvy_self();
	HARNESS_EVENTUALLY(!cvy_life_watch(self, cvy_proc(self)->generation, &value));
	cvy_life_renew();
	assert_non_null(cvy_life_watch(self, cvy_proc(self)->generation, &value));
	assert_int_equal(value & FUTEX_TID_MASK, getpid());
	cvy_life_renew();
	assert_non_null(cvy_life_watch(self, cvy_proc(self)->generation, &value));
}

static void a_forked_child_has_a_life_of_its_own(void **state)
{
	struct member m;
	uint32_t value, self;

	make_family();
	self = cvy_self();
	m = start(false);
	assert_int_not_equal(m.slot, self);
	end(m);
	/* Its end is not ours. */
	assert_false(cvy_gone(self, cvy_proc(self)->generation));
	assert_non_null(cvy_life_watch(self, cvy_proc(self)->generation, &value));
	assert_int_equal(value & FUTEX_TID_MASK, getpid());
	end_family();
}

static const struct harness_test tests[] = {
	HARNESS_TEST(a_death_is_seen_and_wakes_who_sleeps),
	HARNESS_TEST(a_slot_has_a_new_life_with_each_process),
	HARNESS_TEST(a_process_outlives_the_thread_that_took_its_life),
	HARNESS_TEST(a_life_is_taken_again_by_who_notices),
	HARNESS_TEST(a_forked_child_has_a_life_of_its_own),
};

HARNESS_MAIN(tests)
