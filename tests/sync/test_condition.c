/* SPDX-License-Identifier: MIT */
/* What a user of conditions relies on, under every start method. */
#include "support/asleep.h"

/* A number guarded by a lock; who waits takes one away. */
struct shared {
	covey_lock lock;
	covey_condition more;
	covey_value number;
	int dies; /* once it has the lock again */
};

static int64_t number(const struct shared *s)
{
	int64_t n;

	assert_int_equal(covey_value_get(s->number, &n), 0);
	return n;
}

static struct shared new_shared(void)
{
	struct shared s = {0};
	int64_t none = 0;

	assert_int_equal(covey_lock_create(&s.lock, "ledger"), 0);
	assert_int_equal(covey_condition_create(&s.more, s.lock, "more"), 0);
	assert_int_equal(covey_value_create(&s.number, &none, "number"), 0);
	return s;
}

static void end_shared(struct shared *s)
{
	assert_int_equal(covey_condition_destroy(s->more), 0);
	assert_int_equal(covey_lock_destroy(s->lock), 0);
	assert_int_equal(covey_value_destroy(s->number), 0);
}

static int there_is_one(void *context)
{
	return number(context) > 0;
}

static int take_one(const void *arg, size_t len)
{
	struct shared s = *(const struct shared *)arg;
	int rc;

	if (covey_lock_acquire(s.lock, COVEY_FOREVER) < 0)
		return 100;
	rc = covey_condition_wait_for(s.more, there_is_one, &s, COVEY_FOREVER);
	if (s.dies)
		raise(SIGKILL);
	if (rc == 0)
		covey_value_add(s.number, -1, NULL);
	return covey_lock_release(s.lock) < 0 ? 101 : rc < 0 ? -rc : rc;
}

static void start_takers(covey_process **p, int n, const struct shared *s, covey_method method)
{
	for (int i = 0; i < n; i++) {
		assert_int_equal(covey_start(&p[i], take_one, s, .method = method), 0);
		HARNESS_EVENTUALLY(harness_asleep(covey_process_pid(p[i])));
	}
}

static void add(struct shared *s, int n)
{
	assert_int_equal(covey_lock_acquire(s->lock, COVEY_FOREVER), 0);
	covey_value_add(s->number, n, NULL);
	assert_int_equal(covey_condition_notify(s->more, (uint32_t)n), n);
	assert_int_equal(covey_lock_release(s->lock), 0);
}

static void as_many_as_are_notified_go_on(void **state)
{
	struct shared s = new_shared();
	covey_process *p[4];

	start_takers(p, 4, &s, *(covey_method *)*state);
	add(&s, 1);
	assert_int_equal(end_of(p[0]), 0);
	add(&s, 2);
	assert_int_equal(end_of(p[1]), 0);
	assert_int_equal(end_of(p[2]), 0);
	assert_int_equal(covey_lock_acquire(s.lock, COVEY_FOREVER), 0);
	covey_value_add(s.number, 1, NULL);
	assert_int_equal(covey_condition_notify_all(s.more), 1);
	assert_int_equal(covey_lock_release(s.lock), 0);
	assert_int_equal(end_of(p[3]), 0);
	assert_int_equal(number(&s), 0);
	assert_int_equal(covey_condition_notify_all(s.more), 0);
	end_shared(&s);
}

static void the_dead_take_no_notification_along(void **state)
{
	struct shared s = new_shared();
	covey_process *p[4];

	start_takers(p, 4, &s, *(covey_method *)*state);
	/* Dead before it is notified. */
	assert_int_equal(killed(p[0]), 128 + SIGKILL);
	add(&s, 1);
	assert_int_equal(end_of(p[1]), 0);
	/* Notified, and killed before it has the lock again. */
	assert_int_equal(covey_lock_acquire(s.lock, COVEY_FOREVER), 0);
	covey_value_add(s.number, 1, NULL);
	assert_int_equal(covey_condition_notify(s.more, 1), 1);
	assert_int_equal(killed(p[2]), 128 + SIGKILL);
	assert_int_equal(covey_lock_release(s.lock), 0);
	assert_int_equal(end_of(p[3]), 0);
	assert_int_equal(number(&s), 0);
	end_shared(&s);
}

static void a_death_with_the_lock_is_told(void **state)
{
	struct shared s = new_shared(), dies = s;
	covey_process *p[2];

	dies.dies = 1;
	start_takers(&p[0], 1, &dies, *(covey_method *)*state);
	start_takers(&p[1], 1, &s, *(covey_method *)*state);
	add(&s, 1);
	assert_int_equal(end_of(p[0]), 128 + SIGKILL);
	/* Not by one who takes the lock: the waiter is to be told. */
	assert_int_equal(covey_condition_notify(s.more, 1), 1);
	assert_int_equal(end_of(p[1]), COVEY_OWNER_DIED);
	assert_int_equal(number(&s), 1);
	end_shared(&s);
}

static void waiters_of_a_destroyed_condition_are_told(void **state)
{
	struct shared s = new_shared();
	covey_process *p[3];

	start_takers(p, 3, &s, *(covey_method *)*state);
	assert_int_equal(covey_condition_destroy(s.more), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(end_of(p[i]), EBADF);
	assert_int_equal(covey_lock_destroy(s.lock), 0);
	assert_int_equal(covey_value_destroy(s.number), 0);
}

struct deep {
	covey_rlock lock;
	covey_condition c;
};

static void look_and_notify(void *arg)
{
	struct deep *d = arg;

	/* Free, however often the other has taken it. */
	assert_int_equal(covey_rlock_acquire(d->lock, COVEY_FOREVER), 0);
	assert_int_equal(covey_condition_notify(d->c, 7), 1);
	assert_int_equal(covey_rlock_release(d->lock), 0);
}

static void wait_three_deep(struct deep *d)
{
	struct once_asleep o;

	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_rlock_acquire(d->lock, 0), 0);
	once_asleep(&o, look_and_notify, d);
	assert_int_equal(covey_condition_wait(d->c, COVEY_FOREVER), 0);
	once_asleep_done(&o);
	assert_int_equal(covey_condition_wait(d->c, 20), -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(covey_rlock_release(d->lock), 0);
	assert_int_equal(covey_rlock_release(d->lock), -EPERM);
}

static void an_rlock_is_given_back_entirely(void **state)
{
	struct deep d;
	covey_value v;
	int n = 0;

	assert_int_equal(covey_rlock_create(&d.lock, NULL), 0);
	assert_int_equal(covey_condition_create_rlock(&d.c, d.lock, NULL), 0);
	wait_three_deep(&d);
	assert_int_equal(covey_condition_destroy(d.c), 0);
	assert_int_equal(covey_rlock_destroy(d.lock), 0);
	assert_int_equal(covey_value_create(&v, &n, NULL), 0);
	d.lock = covey_value_lock(v);
	assert_int_equal(covey_condition_create_rlock(&d.c, d.lock, NULL), 0);
	wait_three_deep(&d);
	assert_int_equal(covey_condition_destroy(d.c), 0);
	assert_int_equal(covey_value_destroy(v), 0);
}

static int refuse(void *context)
{
	return -ENOSPC;
}

static void an_old_kernel_serves_too(void **state)
{
	struct shared s = new_shared();
	covey_process *p[2];

	cvy_line_slices = true;
	start_takers(p, 2, &s, COVEY_FORK);
	assert_int_equal(covey_lock_acquire(s.lock, COVEY_FOREVER), 0);
	covey_value_add(s.number, 1, NULL);
	assert_int_equal(covey_condition_notify(s.more, 1), 1);
	assert_int_equal(killed(p[0]), 128 + SIGKILL);
	assert_int_equal(covey_lock_release(s.lock), 0);
	assert_int_equal(end_of(p[1]), 0);
	end_shared(&s);
}

static void errors_leave_the_lock_held(void **state)
{
	struct shared s = new_shared();
	covey_condition c = {7};

	assert_int_equal(covey_condition_create(NULL, s.lock, NULL), -EINVAL);
	assert_int_equal(covey_condition_create(&c, (covey_lock){0}, NULL), -EBADF);
	assert_int_equal(covey_condition_create_rlock(&c, (covey_rlock){s.lock.id}, NULL), -EBADF);
	assert_int_equal(c.id, 7);
	assert_int_equal(covey_condition_wait(s.more, 0), -EPERM);
	assert_non_null(strstr(covey_errmsg(), "condition 'more'"));
	assert_int_equal(covey_condition_wait_for(s.more, there_is_one, &s, 0), -EPERM);
	assert_int_equal(covey_lock_acquire(s.lock, 0), 0);
	assert_int_equal(covey_condition_wait(s.more, 0), -EAGAIN);
	assert_int_equal(covey_condition_wait(s.more, 10), -ETIMEDOUT);
	assert_int_equal(covey_condition_wait_for(s.more, there_is_one, &s, 0), -EAGAIN);
	assert_int_equal(covey_condition_wait_for(s.more, there_is_one, &s, 10), -ETIMEDOUT);
	assert_int_equal(covey_condition_wait_for(s.more, refuse, NULL, COVEY_FOREVER), -ENOSPC);
	assert_int_equal(covey_condition_notify(s.more, 0), 0);
	assert_int_equal(covey_lock_release(s.lock), 0);
	end_shared(&s);
	assert_int_equal(covey_condition_wait(s.more, 0), -EBADF);
	assert_int_equal(covey_condition_wait_for(s.more, refuse, NULL, 0), -EBADF);
	assert_int_equal(covey_condition_notify(s.more, 1), -EBADF);
	assert_int_equal(covey_condition_notify_all(s.more), -EBADF);
	assert_int_equal(covey_condition_destroy(s.more), -EBADF);
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(as_many_as_are_notified_go_on),
	HARNESS_TEST_BY_METHODS(the_dead_take_no_notification_along),
	HARNESS_TEST_BY_METHODS(a_death_with_the_lock_is_told),
	HARNESS_TEST_BY_METHODS(waiters_of_a_destroyed_condition_are_told),
	HARNESS_TEST(an_rlock_is_given_back_entirely),
	HARNESS_TEST(an_old_kernel_serves_too),
	HARNESS_TEST(errors_leave_the_lock_held),
};

HARNESS_MAIN(tests)
