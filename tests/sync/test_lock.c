/* SPDX-License-Identifier: MIT */
/* What a user of lock and rlock relies on, under every start method. */
#include "support/harness.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <covey.h>

static covey_lock new_lock(const char *name)
{
	covey_lock lock;

	assert_int_equal(covey_lock_create(&lock, name), 0);
	return lock;
}

/* A cell that holds a number: got and put back it counts; two at once would find it empty. */
struct counting {
	covey_lock lock;
	covey_rlock rlock;
	covey_queue cell;
	int rounds;
};

static int count_up(const void *arg, size_t len)
{
	const struct counting *c = arg;
	long n;

	for (int i = 0; i < c->rounds; i++) {
		if (covey_lock_acquire(c->lock, COVEY_FOREVER) != 0)
			return 1;
		if (covey_get(c->cell, &n, 0) < 0)
			return 2;
		n++;
		if (covey_put(c->cell, &n, 0) < 0)
			return 3;
		if (covey_lock_release(c->lock) != 0)
			return 4;
	}
	return 0;
}

static int count_up_with(const void *arg, size_t len)
{
	const struct counting *c = arg;
	long n = 0;

	for (int i = 0; i < c->rounds; i++) {
		COVEY_WITH (c->lock) {
			COVEY_WITH (c->rlock) {
				COVEY_WITH (c->rlock) {
					if (covey_get(c->cell, &n, 0) < 0)
						return 2;
					n++;
					covey_put(c->cell, &n, 0);
				}
			}
		}
	}
	return 0;
}

static void count_in_processes(covey_process_fn *fn, covey_method method)
{
	struct counting c = {.lock = new_lock("count"), .rounds = 200};
	covey_process *p[4];
	long n = 0;

	assert_int_equal(covey_rlock_create(&c.rlock, "count"), 0);
	assert_int_equal(covey_queue_create(&c.cell, NULL), 0);
	assert_int_equal(covey_put(c.cell, &n, 0), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(covey_start(&p[i], fn, &c, .method = method), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), 0);
		covey_process_free(p[i]);
	}
	assert_int_equal(covey_get(c.cell, &n, 0), 0);
	assert_int_equal(n, 4 * c.rounds);
	assert_int_equal(covey_lock_destroy(c.lock), 0);
	assert_int_equal(covey_rlock_destroy(c.rlock), 0);
	assert_int_equal(covey_queue_destroy(c.cell), 0);
}

static void processes_never_overlap(void **state)
{
	count_in_processes(count_up, *(covey_method *)*state);
}

static void with_blocks_never_overlap(void **state)
{
	count_in_processes(count_up_with, *(covey_method *)*state);
}

/* A child that holds the lock (twice an rlock), says so, and waits to be killed. */
struct holding {
	covey_lock lock;
	covey_rlock rlock;
	covey_queue says;
};

static int hold(const void *arg, size_t len)
{
	const struct holding *h = arg;
	int rc[3] = {covey_lock_acquire(h->lock, COVEY_FOREVER),
	             covey_rlock_acquire(h->rlock, COVEY_FOREVER),
	             covey_rlock_acquire(h->rlock, COVEY_FOREVER)};

	covey_put(h->says, &rc, COVEY_FOREVER);
	for (;;)
		pause();
	return 0;
}

static struct holding start_holder(covey_process **p, covey_method method)
{
	struct holding h = {.lock = new_lock("ledger")};
	int rc[3];

	assert_int_equal(covey_rlock_create(&h.rlock, "nested"), 0);
	assert_int_equal(covey_queue_create(&h.says, NULL), 0);
	assert_int_equal(covey_start(p, hold, &h, .method = method), 0);
	assert_int_equal(covey_get(h.says, &rc, COVEY_FOREVER), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(rc[i], 0);
	return h;
}

static void end_holder(struct holding *h, covey_process *p)
{
	covey_process_kill(p);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_lock_destroy(h->lock), 0);
	assert_int_equal(covey_rlock_destroy(h->rlock), 0);
	assert_int_equal(covey_queue_destroy(h->says), 0);
}

static void waiting_for_a_held_lock_ends_in_words(void **state)
{
	covey_process *p;
	struct holding h = start_holder(&p, *(covey_method *)*state);
	char pid[32];

	snprintf(pid, sizeof pid, "pid %d", (int)covey_process_pid(p));
	assert_int_equal(covey_lock_acquire(h.lock, 0), -EAGAIN);
	assert_non_null(strstr(covey_errmsg(), "lock 'ledger'"));
	assert_non_null(strstr(covey_errmsg(), pid));
	assert_int_equal(covey_lock_acquire(h.lock, 20), -ETIMEDOUT);
	assert_non_null(strstr(covey_errmsg(), pid));
	assert_int_equal(covey_rlock_acquire(h.rlock, 0), -EAGAIN);
	assert_int_equal(covey_lock_holder(h.lock), covey_process_pid(p));
	assert_int_equal(covey_lock_release(h.lock), -EPERM);
	assert_non_null(strstr(covey_errmsg(), pid));
	assert_int_equal(covey_rlock_release(h.rlock), -EPERM);
	assert_int_equal(covey_lock_destroy(h.lock), -EBUSY);
	/* A stopped holder is alive. */
	covey_process_signal(p, SIGSTOP);
	assert_int_equal(covey_lock_acquire(h.lock, 20), -ETIMEDOUT);
	covey_process_signal(p, SIGCONT);
	end_holder(&h, p);
}

static void death_of_a_holder_is_told_once(void **state)
{
	covey_process *p;
	struct holding h = start_holder(&p, *(covey_method *)*state);

	covey_process_kill(p);
	assert_int_equal(covey_lock_acquire(h.lock, COVEY_FOREVER), COVEY_OWNER_DIED);
	assert_int_equal(covey_lock_release(h.lock), 0);
	assert_int_equal(covey_lock_acquire(h.lock, COVEY_FOREVER), 0);
	assert_int_equal(covey_lock_release(h.lock), 0);
	/* Its depth of two died with it. */
	assert_int_equal(covey_rlock_acquire(h.rlock, COVEY_FOREVER), COVEY_OWNER_DIED);
	assert_int_equal(covey_rlock_release(h.rlock), 0);
	assert_int_equal(covey_rlock_release(h.rlock), -EPERM);
	assert_int_equal(covey_lock_holder(h.lock), 0);
	end_holder(&h, p);
}

static int take_and_leave(const void *arg, size_t len)
{
	const covey_lock *lock = arg;
	int rc = covey_lock_acquire(*lock, COVEY_FOREVER);

	if (rc >= 0)
		covey_lock_release(*lock);
	return rc == 0 ? 0 : rc == COVEY_OWNER_DIED ? 1 : 2;
}

static void death_of_a_waiter_loses_nobodys_turn(void **state)
{
	covey_method method = *(covey_method *)*state;
	covey_lock lock = new_lock("turns");
	covey_process *p[2];

	assert_int_equal(covey_lock_acquire(lock, COVEY_FOREVER), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_start(&p[i], take_and_leave, &lock, .method = method), 0);
		HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[i])));
	}
	covey_process_kill(p[0]);
	assert_int_equal(covey_lock_release(lock), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), i ? 0 : 128 + SIGKILL);
		covey_process_free(p[i]);
	}
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void *take_and_end(void *arg)
{
	covey_lock *lock = arg;

	return (void *)(intptr_t)covey_lock_acquire(*lock, COVEY_FOREVER);
}

static void a_thread_that_ends_holding_counts_as_dead(void **state)
{
	covey_lock lock = new_lock(NULL);
	pthread_t thread;
	void *rc;

	assert_int_equal(pthread_create(&thread, NULL, take_and_end, &lock), 0);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, 0);
	assert_int_equal(covey_lock_acquire(lock, COVEY_FOREVER), COVEY_OWNER_DIED);
	assert_int_equal(covey_lock_release(lock), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void *release_it(void *arg)
{
	covey_lock *lock = arg;

	return (void *)(intptr_t)covey_lock_release(*lock);
}

static void only_the_holding_thread_releases(void **state)
{
	covey_lock lock = new_lock("mine");
	pthread_t thread;
	void *rc;

	assert_int_equal(covey_lock_release(lock), -EPERM);
	assert_non_null(strstr(covey_errmsg(), "nobody holds it"));
	assert_int_equal(covey_lock_acquire(lock, 0), 0);
	assert_int_equal(pthread_create(&thread, NULL, release_it, &lock), 0);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, -EPERM);
	assert_int_equal(covey_lock_acquire(lock, COVEY_FOREVER), -EDEADLK);
	assert_int_equal(covey_lock_acquire(lock, 0), -EDEADLK);
	assert_int_equal(covey_lock_release(lock), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static int try_release(const void *arg, size_t len)
{
	const covey_lock *lock = arg;

	return -covey_lock_release(*lock);
}

static void a_forked_child_does_not_hold_what_its_parent_holds(void **state)
{
	covey_lock lock = new_lock(NULL);
	covey_process *p;

	assert_int_equal(covey_lock_acquire(lock, 0), 0);
	assert_int_equal(covey_start(&p, try_release, &lock, .method = COVEY_FORK), 0);
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	assert_int_equal(covey_process_exit_code(p), EPERM);
	covey_process_free(p);
	assert_int_equal(covey_lock_release(lock), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static int leave_by(covey_lock lock, int way)
{
	int rounds = 0;

	for (int i = 0; i < 2; i++) {
		COVEY_WITH (lock) {
			rounds++;
			if (way == 0)
				return rounds;
			if (way == 1)
				goto out;
			if (way == 2)
				break; /* leaves the block, not the loop */
			if (way == 3)
				continue;
		}
	}
out:
	return rounds;
}

static void with_releases_on_every_way_out(void **state)
{
	static const int rounds[] = {1, 1, 2, 2, 2};
	covey_lock lock = new_lock("with");

	for (int way = 0; way < 5; way++) {
		assert_int_equal(leave_by(lock, way), rounds[way]);
		assert_int_equal(covey_lock_holder(lock), 0);
		assert_int_equal(covey_lock_acquire(lock, 0), 0);
		assert_int_equal(covey_lock_release(lock), 0);
	}
	assert_int_equal(covey_lock_destroy(lock), 0);
	COVEY_WITH (lock)
		fail_msg("the block of a destroyed lock ran");
	assert_int_equal(covey_errcode(), -EBADF);
}

static void *try_rlock(void *arg)
{
	covey_rlock *lock = arg;
	int rc = covey_rlock_acquire(*lock, 0);

	if (rc == 0)
		covey_rlock_release(*lock);
	return (void *)(intptr_t)rc;
}

static int elsewhere(covey_rlock lock)
{
	pthread_t thread;
	void *rc;

	assert_int_equal(pthread_create(&thread, NULL, try_rlock, &lock), 0);
	pthread_join(thread, &rc);
	return (int)(intptr_t)rc;
}

static void an_rlock_is_released_as_often_as_taken(void **state)
{
	covey_rlock lock;

	assert_int_equal(covey_rlock_create(&lock, "deep"), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_rlock_acquire(lock, COVEY_FOREVER), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(elsewhere(lock), -EAGAIN);
		assert_int_equal(covey_rlock_release(lock), 0);
	}
	assert_int_equal(elsewhere(lock), 0);
	assert_int_equal(covey_rlock_release(lock), -EPERM);
	assert_int_equal(covey_rlock_destroy(lock), 0);
}

static void stale_and_foreign_handles_are_errors_in_words(void **state)
{
	covey_lock lock = new_lock("gone"), zero = {0}, wild = {UINT64_MAX}, again;
	covey_rlock wrong_kind = {lock.id};

	assert_int_equal(covey_rlock_acquire(wrong_kind, 0), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "is that of a lock"));
	assert_int_equal(covey_lock_destroy(lock), 0);
	assert_int_equal(covey_lock_acquire(lock, 0), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "destroyed"));
	assert_int_equal(covey_lock_release(lock), -EBADF);
	assert_int_equal(covey_lock_destroy(lock), -EBADF);
	assert_int_equal(covey_lock_holder(lock), -EBADF);
	assert_int_equal(covey_lock_acquire(zero, 0), -EBADF);
	assert_non_null(strstr(covey_errmsg(), "never created"));
	assert_int_equal(covey_lock_acquire(wild, 0), -EBADF);
	/* The slot serves the next lock; the old handle stays stale. */
	again = new_lock("new");
	assert_int_not_equal(again.id, lock.id);
	assert_int_equal(covey_lock_acquire(lock, 0), -EBADF);
	assert_int_equal(covey_lock_acquire(again, 0), 0);
	assert_int_equal(covey_lock_destroy(again), 0); /* by its holder */
}

static int wait_for_it(const void *arg, size_t len)
{
	const covey_lock *lock = arg;

	return -covey_lock_acquire(*lock, COVEY_FOREVER);
}

static void waiters_of_a_destroyed_lock_are_told(void **state)
{
	covey_lock lock = new_lock("doomed");
	covey_process *p[3];

	assert_int_equal(covey_lock_acquire(lock, 0), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
			covey_start(&p[i], wait_for_it, &lock, .method = *(covey_method *)*state),
			0);
		HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[i])));
	}
	assert_int_equal(covey_lock_destroy(lock), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_process_join(p[i], COVEY_FOREVER), 0);
		assert_int_equal(covey_process_exit_code(p[i]), EBADF);
		covey_process_free(p[i]);
	}
}

static void names_have_a_limit(void **state)
{
	char name[COVEY_NAME_MAX + 2];
	covey_lock lock = {7};

	memset(name, 'n', sizeof name);
	name[COVEY_NAME_MAX + 1] = 0;
	assert_int_equal(covey_lock_create(&lock, name), -ENAMETOOLONG);
	assert_int_equal(lock.id, 7);
	name[COVEY_NAME_MAX] = 0;
	assert_int_equal(covey_lock_create(&lock, name), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void slots_are_used_again(void **state)
{
	covey_usage before, after;
	covey_lock lock = new_lock(NULL);

	covey_lock_destroy(lock);
	assert_int_equal(covey_usage_get(&before), 0);
	for (int i = 0; i < 10000; i++) {
		lock = new_lock(NULL);
		assert_int_equal(covey_lock_destroy(lock), 0);
	}
	assert_int_equal(covey_usage_get(&after), 0);
	assert_int_equal(after.objects, before.objects);
	assert_int_equal(after.used, before.used);
}

static covey_method by_fork = COVEY_FORK, by_spawn = COVEY_SPAWN, by_server = COVEY_FORKSERVER;

#define UNDER_EVERY_METHOD(test)                                                                \
	HARNESS_TEST_WITH(test, "fork", &by_fork), HARNESS_TEST_WITH(test, "spawn", &by_spawn), \
		HARNESS_TEST_WITH(test, "forkserver", &by_server)

static const struct harness_test tests[] = {
	UNDER_EVERY_METHOD(processes_never_overlap),
	UNDER_EVERY_METHOD(with_blocks_never_overlap),
	UNDER_EVERY_METHOD(waiting_for_a_held_lock_ends_in_words),
	UNDER_EVERY_METHOD(death_of_a_holder_is_told_once),
	UNDER_EVERY_METHOD(death_of_a_waiter_loses_nobodys_turn),
	UNDER_EVERY_METHOD(waiters_of_a_destroyed_lock_are_told),
	HARNESS_TEST(a_thread_that_ends_holding_counts_as_dead),
	HARNESS_TEST(only_the_holding_thread_releases),
	HARNESS_TEST(a_forked_child_does_not_hold_what_its_parent_holds),
	HARNESS_TEST(with_releases_on_every_way_out),
	HARNESS_TEST(an_rlock_is_released_as_often_as_taken),
	HARNESS_TEST(stale_and_foreign_handles_are_errors_in_words),
	HARNESS_TEST(names_have_a_limit),
	HARNESS_TEST(slots_are_used_again),
};

HARNESS_MAIN(tests)
