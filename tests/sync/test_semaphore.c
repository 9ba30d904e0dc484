/* SPDX-License-Identifier: MIT */
/* What a user of semaphores relies on, under every start method. */
#include <sys/resource.h>
#include <sys/wait.h>

#include "support/asleep.h"

static covey_semaphore new_semaphore(const char *name, uint32_t value)
{
	covey_semaphore s;

	assert_int_equal(
		covey_semaphore_create(&s, &(covey_semaphore_opts){.name = name, .value = value}),
		0);
	return s;
}

static covey_semaphore new_tokens(uint32_t value, uint32_t max)
{
	covey_semaphore s;

	assert_int_equal(covey_semaphore_create(&s, &(covey_semaphore_opts){.name = "tokens",
	                                                                    .value = value,
	                                                                    .max = max,
	                                                                    .tokens = 1}),
	                 0);
	return s;
}

/* Some processes inside at a time; how many, and the most there were. */
struct crowd {
	covey_semaphore s;
	covey_queue cell;
	int rounds;
};
struct tally {
	int inside;
	int most;
};

static void count(const struct crowd *c, int by)
{
	struct tally t;

	if (covey_get(c->cell, &t, COVEY_FOREVER) < 0)
		_exit(9);
	t.inside += by;
	if (t.inside > t.most)
		t.most = t.inside;
	if (covey_put(c->cell, &t, COVEY_FOREVER) < 0)
		_exit(9);
}

static int come_and_go(const void *arg, size_t len)
{
	const struct crowd *c = arg;

	for (int i = 0; i < c->rounds; i++) {
		if (i % 2) {
			if (covey_semaphore_acquire(c->s, COVEY_FOREVER) != 0)
				return 1;
			count(c, 1);
			count(c, -1);
			if (covey_semaphore_release(c->s, 1) != 0)
				return 2;
		} else {
			COVEY_WITH (c->s) {
				count(c, 1);
				count(c, -1);
			}
		}
	}
	return 0;
}

static void no_more_are_inside_than_there_are_units(void **state)
{
	struct crowd c = {.s = new_semaphore("crowd", 2), .rounds = 100};
	struct tally t = {0};
	covey_process *p[5];

	assert_int_equal(covey_queue_create(&c.cell, NULL), 0);
	assert_int_equal(covey_put(c.cell, &t, 0), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			covey_start(&p[i], come_and_go, &c, .method = *(covey_method *)*state), 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(end_of(p[i]), 0);
	assert_int_equal(covey_get(c.cell, &t, 0), 0);
	assert_int_equal(t.inside, 0);
	assert_in_range(t.most, 1, 2);
	assert_int_equal(covey_semaphore_value(c.s), 2);
	assert_int_equal(covey_semaphore_destroy(c.s), 0);
	assert_int_equal(covey_queue_destroy(c.cell), 0);
}

/* A child that takes some units, says so, and ends or waits to be killed. */
struct holding {
	covey_semaphore s;
	covey_semaphore says;
	uint32_t n;
	int ends;
};

static int hold(const void *arg, size_t len)
{
	const struct holding *h = arg;
	int rc = covey_semaphore_acquire_many(h->s, h->n, COVEY_FOREVER);

	if (rc < 0 || covey_semaphore_release(h->says, 1) < 0)
		return 1;
	if (!h->ends)
		sleep_for_good();
	return 0;
}

static covey_process *start_holder(covey_semaphore s, uint32_t n, int ends, covey_method method)
{
	struct holding h = {s, new_tokens(0, 0), n, ends};
	covey_process *p;

	assert_int_equal(covey_start(&p, hold, &h, .method = method), 0);
	assert_int_equal(covey_semaphore_acquire(h.says, COVEY_FOREVER), 0);
	assert_int_equal(covey_semaphore_destroy(h.says), 0);
	return p;
}

static void units_of_a_killed_process_come_back_to_who_sleeps(covey_method method)
{
	covey_semaphore s = new_semaphore("held", 3);
	covey_process *p = start_holder(s, 3, 0, method);
	struct once_asleep o;

	once_asleep(&o, kill_it, p);
	assert_int_equal(covey_semaphore_acquire_many(s, 2, COVEY_FOREVER), 0);
	once_asleep_done(&o);
	assert_int_equal(covey_semaphore_value(s), 1);
	assert_int_equal(end_of(p), 128 + SIGKILL);
	assert_int_equal(covey_semaphore_release(s, 2), 0);
	assert_int_equal(covey_semaphore_value(s), 3);
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

static void a_killed_holder_gives_its_units_back(void **state)
{
	units_of_a_killed_process_come_back_to_who_sleeps(*(covey_method *)*state);
}

static void a_killed_holder_is_noticed_in_slices(void **state)
{
	cvy_line_slices = true;
	units_of_a_killed_process_come_back_to_who_sleeps(*(covey_method *)*state);
}

static void a_death_is_seen_where_no_descriptor_is_left(void **state)
{
	covey_semaphore s;
	covey_process *p;
	struct rlimit before, none;

	if (CVY_THREAD_SANITIZER)
		harness_skip("the thread sanitizer knows no process that shares its memory");
	s = new_semaphore("held", 1);
	p = start_holder(s, 1, 0, *(covey_method *)*state);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){1, before.rlim_max}; /* 0 is open */
	covey_process_kill(p);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(dup(0), -1);
	assert_int_equal(covey_semaphore_acquire(s, COVEY_FOREVER), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(end_of(p), 128 + SIGKILL);
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

static void an_ended_holder_gives_its_units_back(void **state)
{
	covey_semaphore s = new_semaphore("held", 3);
	covey_process *p = start_holder(s, 3, 1, *(covey_method *)*state);

	assert_int_equal(covey_semaphore_acquire_many(s, 3, COVEY_FOREVER), 0);
	assert_int_equal(end_of(p), 0);
	assert_int_equal(covey_semaphore_release(s, 3), 0);
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

static void too_few_units_are_told_in_words(void **state)
{
	covey_semaphore s = new_semaphore("gpus", 3);
	covey_process *p = start_holder(s, 2, 0, *(covey_method *)*state);
	char pid[48];

	snprintf(pid, sizeof pid, "pid %d holds 2", (int)covey_process_pid(p));
	assert_int_equal(covey_semaphore_value(s), 1);
	assert_int_equal(covey_semaphore_acquire_many(s, 2, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "semaphore 'gpus': 1 of the 2 units"));
	assert_non_null(strstr(covey_errmsg(), pid));
	assert_int_equal(covey_semaphore_acquire_many(s, 2, 20), -ETIMEDOUT);
	assert_non_null(strstr(covey_errmsg(), pid));
	assert_int_equal(covey_semaphore_acquire_many(s, 4, COVEY_FOREVER), -EINVAL);
	assert_non_null(strstr(covey_errmsg(), "never more than 3"));
	/* What others hold is not ours to release. */
	assert_int_equal(covey_semaphore_release(s, 1), -EPERM);
	assert_non_null(strstr(covey_errmsg(), pid));
	assert_int_equal(covey_semaphore_acquire(s, 0), 0);
	assert_int_equal(covey_semaphore_release(s, 2), -EPERM);
	assert_int_equal(covey_semaphore_release(s, 1), 0);
	assert_int_equal(covey_semaphore_destroy(s), -EBUSY);
	assert_non_null(strstr(covey_errmsg(), pid));
	/* A stopped holder is alive. */
	covey_process_signal(p, SIGSTOP);
	assert_int_equal(covey_semaphore_acquire_many(s, 3, 20), -ETIMEDOUT);
	assert_int_equal(killed(p), 128 + SIGKILL);
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

/* Children that wait in line, take what they want, say which they are and give it back. */
struct turn {
	covey_semaphore s;
	covey_queue says;
	uint32_t n;
	int number;
};

static int take_turn(const void *arg, size_t len)
{
	const struct turn *t = arg;
	int rc = covey_semaphore_acquire_many(t->s, t->n, COVEY_FOREVER);

	if (rc < 0)
		return -rc;
	covey_put(t->says, &t->number, COVEY_FOREVER);
	return -covey_semaphore_release(t->s, t->n);
}

static covey_process *line_up(struct turn *t, int number, uint32_t n, covey_method method)
{
	covey_process *p;

	t->number = number;
	t->n = n;
	assert_int_equal(covey_start(&p, take_turn, t, .method = method), 0);
	HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p)));
	return p;
}

static struct turn new_turns(uint32_t value)
{
	struct turn t = {.s = new_semaphore("turns", value)};

	assert_int_equal(covey_queue_create(&t.says, NULL), 0);
	assert_int_equal(covey_semaphore_acquire_many(t.s, value, 0), 0);
	return t;
}

static void expect_turns(struct turn *t, const int *numbers, int n)
{
	int number;

	for (int i = 0; i < n; i++) {
		assert_int_equal(covey_get(t->says, &number, COVEY_FOREVER), 0);
		assert_int_equal(number, numbers[i]);
	}
}

static void end_turns(struct turn *t)
{
	assert_int_equal(covey_semaphore_destroy(t->s), 0);
	assert_int_equal(covey_queue_destroy(t->says), 0);
}

static void waiters_are_served_in_order(void **state)
{
	struct turn t = new_turns(2);
	covey_process *p[4];

	/* The first wants both: those behind, who want one, do not overtake it. */
	for (int i = 0; i < 4; i++)
		p[i] = line_up(&t, i, i ? 1 : 2, *(covey_method *)*state);
	assert_int_equal(covey_semaphore_release(t.s, 1), 0);
	assert_int_equal(covey_semaphore_acquire(t.s, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "4 wait"));
	assert_int_equal(covey_queue_size(t.says), 0);
	assert_int_equal(covey_semaphore_release(t.s, 1), 0);
	expect_turns(&t, (int[]){0}, 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(end_of(p[i]), 0);
	end_turns(&t);
}

static void death_of_a_waiter_loses_nobodys_turn(void **state)
{
	struct turn t = new_turns(1);
	covey_process *p[4];

	for (int i = 0; i < 4; i++)
		p[i] = line_up(&t, i, 1, *(covey_method *)*state);
	/* One in the middle, then the first. */
	assert_int_equal(killed(p[1]), 128 + SIGKILL);
	covey_process_kill(p[0]);
	assert_int_equal(covey_semaphore_release(t.s, 1), 0);
	expect_turns(&t, (int[]){2, 3}, 2);
	assert_int_equal(end_of(p[0]), 128 + SIGKILL);
	assert_int_equal(end_of(p[2]), 0);
	assert_int_equal(end_of(p[3]), 0);
	end_turns(&t);
}

static void the_last_in_line_sees_deaths_of_all_before_it(void **state)
{
	covey_method method = *(covey_method *)*state;
	struct turn t = {.s = new_semaphore("turns", 1)};
	covey_process *holder, *p[3];

	assert_int_equal(covey_queue_create(&t.says, NULL), 0);
	holder = start_holder(t.s, 1, 0, method);
	for (int i = 0; i < 3; i++)
		p[i] = line_up(&t, i, 1, method);
	covey_process_kill(holder);
	covey_process_kill(p[0]);
	covey_process_kill(p[1]);
	/* The first two may have had their turn before they died. */
	assert_int_equal(end_of(p[2]), 0);
	end_of(holder);
	end_of(p[0]);
	end_of(p[1]);
	assert_int_equal(covey_semaphore_value(t.s), 1);
	end_turns(&t);
}

static void one_who_gives_up_waiting_lets_the_next_through(void **state)
{
	struct turn t = new_turns(2);
	covey_process *p;

	assert_int_equal(covey_semaphore_release(t.s, 1), 0);
	/* We wait for two, it waits behind us for one. */
	t.n = 1;
	t.number = 7;
	assert_int_equal(covey_start(&p, take_turn, &t), 0);
	assert_int_equal(covey_semaphore_acquire_many(t.s, 2, 30), -ETIMEDOUT);
	expect_turns(&t, (int[]){7}, 1);
	assert_int_equal(end_of(p), 0);
	assert_int_equal(covey_semaphore_release(t.s, 1), 0);
	end_turns(&t);
}

static void waiters_of_a_destroyed_semaphore_are_told(void **state)
{
	struct turn t = new_turns(1);
	covey_process *p[3];

	for (int i = 0; i < 3; i++)
		p[i] = line_up(&t, i, 1, *(covey_method *)*state);
	assert_int_equal(covey_semaphore_destroy(t.s), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(end_of(p[i]), EBADF);
	assert_int_equal(covey_queue_destroy(t.says), 0);
}

static int make_tokens(const void *arg, size_t len)
{
	const covey_semaphore *s = arg;

	return -covey_semaphore_release(*s, 3);
}

static void tokens_are_a_signal(void **state)
{
	covey_semaphore s = new_tokens(0, 4);
	covey_process *p;

	assert_int_equal(covey_semaphore_value(s), 0);
	assert_int_equal(covey_semaphore_acquire(s, 0), -EAGAIN);
	assert_int_equal(covey_start(&p, make_tokens, &s, .method = *(covey_method *)*state), 0);
	assert_int_equal(covey_semaphore_acquire_many(s, 2, COVEY_FOREVER), 0);
	assert_int_equal(end_of(p), 0);
	/* What its maker left stays, what was taken does not come back. */
	assert_int_equal(covey_semaphore_value(s), 1);
	p = start_holder(s, 1, 0, *(covey_method *)*state);
	assert_int_equal(killed(p), 128 + SIGKILL);
	assert_int_equal(covey_semaphore_value(s), 0);
	assert_int_equal(covey_semaphore_release(s, 4), 0);
	assert_int_equal(covey_semaphore_release(s, 1), -EOVERFLOW);
	assert_non_null(strstr(covey_errmsg(), "max of 4"));
	assert_int_equal(covey_semaphore_acquire_many(s, 5, 0), -EINVAL);
	assert_int_equal(covey_semaphore_value(s), 4);
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

/* A process forked without covey, whose life was taken by a thread that has ended. */
static void *take_all_and_end(void *arg)
{
	covey_semaphore *s = arg;

	return (void *)(intptr_t)covey_semaphore_acquire_many(*s, 2, COVEY_FOREVER);
}

static void a_process_outlives_the_thread_that_took_its_life(void **state)
{
	covey_semaphore s = new_semaphore("outlived", 2), told = new_tokens(0, 0);
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t thread;
		void *rc = NULL;

		pthread_create(&thread, NULL, take_all_and_end, &s);
		pthread_join(thread, &rc);
		covey_semaphore_release(told, 1);
		if (rc)
			_exit(1);
		sleep_for_good();
	}
	assert_int_equal(covey_semaphore_acquire(told, COVEY_FOREVER), 0);
	assert_int_equal(covey_semaphore_acquire(s, 0), -EAGAIN);
	assert_int_equal(covey_semaphore_acquire(s, 120), -ETIMEDOUT);
	harness_kill(pid, SIGKILL);
	assert_int_equal(covey_semaphore_acquire_many(s, 2, COVEY_FOREVER), 0);
	waitpid(pid, NULL, 0);
	assert_int_equal(covey_semaphore_destroy(s), 0);
	assert_int_equal(covey_semaphore_destroy(told), 0);
}

static void more_holders_than_can_be_slept_for_at_once(void **state)
{
	enum { HOLDERS = CVY_WATCH_MOST + 4 };
	covey_semaphore s = new_semaphore("many", HOLDERS);
	pid_t pid[HOLDERS];
	struct once_asleep o;

	for (int i = 0; i < HOLDERS; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			if (covey_semaphore_acquire(s, 0) < 0)
				_exit(1);
			sleep_for_good();
		}
	}
	HARNESS_EVENTUALLY(covey_semaphore_value(s) == 0);
	/* The last are beyond what is watched. */
	harness_kill(pid[HOLDERS - 1], SIGKILL);
	assert_int_equal(covey_semaphore_acquire(s, COVEY_FOREVER), 0);
	for (int i = 0; i < HOLDERS; i++) {
		harness_kill(pid[i], SIGKILL);
		waitpid(pid[i], NULL, 0);
	}
	(void)o;
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

static void *take_one(void *arg)
{
	covey_semaphore *s = arg;

	return (void *)(intptr_t)covey_semaphore_acquire(*s, COVEY_FOREVER);
}

static void *give_one(void *arg)
{
	covey_semaphore *s = arg;

	return (void *)(intptr_t)covey_semaphore_release(*s, 1);
}

static void threads_share_what_their_process_holds(void **state)
{
	enum { THREADS = 200 }; /* more than a page of places */
	covey_semaphore s = new_semaphore("threads", 1);
	pthread_t thread[THREADS];
	void *rc;

	assert_int_equal(covey_semaphore_acquire(s, 0), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, take_one, &s), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_t other;

		assert_int_equal(pthread_create(&other, NULL, give_one, &s), 0);
		pthread_join(other, &rc);
		assert_int_equal((intptr_t)rc, 0);
		/* Until one of them has it. */
		HARNESS_EVENTUALLY(covey_semaphore_value(s) == 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &rc);
		assert_int_equal((intptr_t)rc, 0);
	}
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

static void a_forked_child_holds_nothing(void **state)
{
	covey_semaphore s = new_semaphore("mine", 2);
	pid_t pid;
	int status;

	assert_int_equal(covey_semaphore_acquire(s, 0), 0);
	pid = fork();
	if (pid == 0) {
		int rc = covey_semaphore_release(s, 1);

		_exit(rc == -EPERM && covey_semaphore_acquire(s, 0) == 0 ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(covey_semaphore_value(s), 1);
	assert_int_equal(covey_semaphore_release(s, 1), 0);
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

static void options_are_checked(void **state)
{
	covey_semaphore s = {7};
	char name[COVEY_NAME_MAX + 2];

	memset(name, 'n', sizeof name);
	name[COVEY_NAME_MAX + 1] = 0;
	assert_int_equal(covey_semaphore_create(&s, &(covey_semaphore_opts){.name = name}),
	                 -ENAMETOOLONG);
	assert_int_equal(covey_semaphore_create(&s, &(covey_semaphore_opts){.value = 3, .max = 2}),
	                 -EINVAL);
	assert_int_equal(covey_semaphore_create(&s, &(covey_semaphore_opts){.value = 2, .max = 3}),
	                 -EINVAL);
	assert_non_null(strstr(covey_errmsg(), ".tokens"));
	assert_int_equal(covey_semaphore_create(NULL, NULL), -EINVAL);
	assert_int_equal(s.id, 7);
	assert_int_equal(covey_semaphore_create(&s, NULL), 0);
	assert_int_equal(covey_semaphore_value(s), 1);
	assert_int_equal(covey_semaphore_acquire_many(s, 0, 0), 0);
	assert_int_equal(covey_semaphore_release(s, 0), 0);
	assert_int_equal(covey_semaphore_value(s), 1);
	assert_int_equal(covey_semaphore_destroy(s), 0);
}

static void stale_and_foreign_handles_are_errors_in_words(void **state)
{
	covey_semaphore s = new_semaphore("gone", 1), zero = {0}, wild = {UINT64_MAX}, again;
	covey_semaphore wrong_kind;
	covey_lock lock;

	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	wrong_kind.id = lock.id;
	assert_int_equal(covey_semaphore_acquire(wrong_kind, 0), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "is that of a lock"));
	assert_int_equal(covey_lock_destroy(lock), 0);
	assert_int_equal(covey_semaphore_destroy(s), 0);
	assert_int_equal(covey_semaphore_acquire(s, 0), -EBADF);
	assert_int_equal(covey_semaphore_release(s, 1), -EBADF);
	assert_int_equal(covey_semaphore_value(s), -EBADF);
	assert_int_equal(covey_semaphore_destroy(s), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "destroyed"));
	assert_int_equal(covey_semaphore_acquire(zero, 0), -EBADF);
	assert_int_equal(covey_semaphore_acquire(wild, 0), -EBADF);
	/* The next in its slot begins afresh, whatever was held. */
	again = new_semaphore("new", 2);
	assert_int_equal(covey_semaphore_acquire_many(again, 2, 0), 0);
	assert_int_equal(covey_semaphore_destroy(again), 0);
	again = new_semaphore("new", 2);
	assert_int_equal(covey_semaphore_value(again), 2);
	COVEY_WITH (again)
		assert_int_equal(covey_semaphore_value(again), 1);
	assert_int_equal(covey_semaphore_value(again), 2);
	assert_int_equal(covey_semaphore_destroy(again), 0);
	COVEY_WITH (again)
		fail_msg("the block of a destroyed semaphore ran");
	assert_int_equal(covey_errcode(), -EBADF);
}

static void slots_are_used_again(void **state)
{
	covey_usage before, after;
	covey_semaphore s = new_semaphore(NULL, 1);

	covey_semaphore_destroy(s);
	assert_int_equal(covey_usage_get(&before), 0);
	for (int i = 0; i < 1000; i++) {
		s = new_semaphore(NULL, 5);
		assert_int_equal(covey_semaphore_acquire_many(s, 3, 0), 0);
		assert_int_equal(covey_semaphore_destroy(s), 0);
	}
	assert_int_equal(covey_usage_get(&after), 0);
	assert_int_equal(after.objects, before.objects);
	assert_int_equal(after.used, before.used);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(no_more_are_inside_than_there_are_units),
	HARNESS_TEST_BY_METHODS(a_killed_holder_gives_its_units_back),
	HARNESS_TEST_BY_METHODS(a_killed_holder_is_noticed_in_slices),
	HARNESS_TEST_BY_METHODS(a_death_is_seen_where_no_descriptor_is_left),
	HARNESS_TEST_BY_METHODS(an_ended_holder_gives_its_units_back),
	HARNESS_TEST_BY_METHODS(too_few_units_are_told_in_words),
	HARNESS_TEST_BY_METHODS(waiters_are_served_in_order),
	HARNESS_TEST_BY_METHODS(death_of_a_waiter_loses_nobodys_turn),
	HARNESS_TEST_BY_METHODS(the_last_in_line_sees_deaths_of_all_before_it),
	HARNESS_TEST_BY_METHODS(waiters_of_a_destroyed_semaphore_are_told),
	HARNESS_TEST_BY_METHODS(tokens_are_a_signal),
	HARNESS_TEST(one_who_gives_up_waiting_lets_the_next_through),
	HARNESS_TEST(a_process_outlives_the_thread_that_took_its_life),
	HARNESS_TEST(more_holders_than_can_be_slept_for_at_once),
	HARNESS_TEST(threads_share_what_their_process_holds),
	HARNESS_TEST(a_forked_child_holds_nothing),
	HARNESS_TEST(options_are_checked),
	HARNESS_TEST(stale_and_foreign_handles_are_errors_in_words),
	HARNESS_TEST(slots_are_used_again),
};

HARNESS_MAIN(tests)
