/* SPDX-License-Identifier: MIT */
/* The robust mutex: exclusion between processes, and what the death of a holder leaves. */
#include "base/base.h"
#include "base/shared.h"

/* In shared memory. step: how far the child has come, by the child. */
struct scene {
	pthread_mutex_t mutex;
	_Atomic int step;
};

static struct scene *set_scene(void)
{
	struct scene *scene = share(sizeof *scene);

	assert_int_equal(cvy_mutex_init(&scene->mutex), 0);
	return scene;
}

/* Locked, and nobody's death told. */
static void lock_and_unlock(struct scene *scene)
{
	assert_int_equal(cvy_mutex_lock(&scene->mutex, 0), 0);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
}

static int unlock_what_is_not_held(struct scene *scene)
{
	if (CVY_THREAD_SANITIZER)
		return -EPERM; /* it would take the attempt for a mistake */
	return cvy_mutex_unlock(&scene->mutex);
}

static int try_and_wait_a_little(void *arg)
{
	struct scene *scene = arg;

	return cvy_mutex_lock(&scene->mutex, 0) != -ETIMEDOUT ||
	       cvy_mutex_lock(&scene->mutex, cvy_now() + CVY_MS) != -ETIMEDOUT ||
	       unlock_what_is_not_held(scene) != -EPERM;
}

static void *try_in_thread(void *arg)
{
	return (void *)(intptr_t)try_and_wait_a_little(arg);
}

static void one_holds_it(void **state)
{
	struct scene *scene = set_scene();
	pthread_t thread;
	void *wrong;

	assert_int_equal(unlock_what_is_not_held(scene), -EPERM);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 0);
	assert_int_equal(end_of(start(try_and_wait_a_little, scene)), 0);
	assert_int_equal(pthread_create(&thread, NULL, try_in_thread, scene), 0);
	assert_int_equal(pthread_join(thread, &wrong), 0);
	assert_false((intptr_t)wrong);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), -EDEADLK);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, 0), -EDEADLK);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
	assert_int_equal(unlock_what_is_not_held(scene), -EPERM);
	lock_and_unlock(scene);
}

static int lock_then_exit(void *arg)
{
	struct scene *scene = arg;

	return cvy_mutex_lock(&scene->mutex, CVY_NEVER);
}

static int lock_then_hang(void *arg)
{
	struct scene *scene = arg;

	if (cvy_mutex_lock(&scene->mutex, CVY_NEVER) != 0)
		return 1;
	atomic_store(&scene->step, 1);
	for (;;)
		pause();
}

static void a_dead_holder_is_told_once(void **state)
{
	struct scene *scene = set_scene();

	assert_int_equal(end_of(start(lock_then_exit, scene)), 0);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 1);
	cvy_mutex_mended(&scene->mutex);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
	lock_and_unlock(scene);

	/* A try learns of it as well. */
	assert_int_equal(end_of(start(lock_then_exit, scene)), 0);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, 0), 1);
	cvy_mutex_mended(&scene->mutex);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
}

static int lock_mend_exit(void *arg)
{
	struct scene *scene = arg;

	if (cvy_mutex_lock(&scene->mutex, CVY_NEVER) != 1)
		return 1;
	cvy_mutex_mended(&scene->mutex);
	return 0;
}

static int lock_dead(void *arg)
{
	struct scene *scene = arg;

	return cvy_mutex_lock(&scene->mutex, CVY_NEVER) != 1;
}

/* One that dies before it has mended leaves that to the next, and so does one that dies after. */
static void who_mends_may_die_too(void **state)
{
	struct scene *scene = set_scene();

	assert_int_equal(end_of(start(lock_then_exit, scene)), 0);
	assert_int_equal(end_of(start(lock_dead, scene)), 0);
	assert_int_equal(end_of(start(lock_mend_exit, scene)), 0);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 1);
	cvy_mutex_mended(&scene->mutex);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
	lock_and_unlock(scene);
}

static void what_is_not_mended_is_lost(void **state)
{
	struct scene *scene = set_scene();

	assert_int_equal(end_of(start(lock_then_exit, scene)), 0);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 1);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), -ENOTRECOVERABLE);
}

static int lock_dead_or_free(void *arg)
{
	struct scene *scene = arg;
	int rc = cvy_mutex_lock(&scene->mutex, CVY_NEVER);

	if (rc == 1)
		cvy_mutex_mended(&scene->mutex);
	return cvy_mutex_unlock(&scene->mutex) == 0 ? 10 + rc : 1;
}

static void a_death_wakes_who_sleeps(void **state)
{
	struct scene *scene = set_scene();
	pid_t holder = start(lock_then_hang, scene), waiter;

	HARNESS_EVENTUALLY(atomic_load(&scene->step) == 1);
	waiter = start(lock_dead_or_free, scene);
	HARNESS_EVENTUALLY(harness_asleep(waiter));
	end_by_kill(holder);
	assert_int_equal(end_of(waiter), 11);
}

static void an_unlock_wakes_who_sleeps(void **state)
{
	struct scene *scene = set_scene();
	pid_t waiter[2];

	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 0);
	for (int i = 0; i < 2; i++) {
		waiter[i] = start(lock_dead_or_free, scene);
		HARNESS_EVENTUALLY(harness_asleep(waiter[i]));
	}
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(end_of(waiter[i]), 10);
}

static void the_death_of_a_waiter_takes_nobodys_turn(void **state)
{
	struct scene *scene = set_scene();
	pid_t waiter[2];

	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 0);
	for (int i = 0; i < 2; i++) {
		waiter[i] = start(lock_dead_or_free, scene);
		HARNESS_EVENTUALLY(harness_asleep(waiter[i]));
	}
	end_by_kill(waiter[0]);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
	assert_int_equal(end_of(waiter[1]), 10);
}

static void *lock_in_thread(void *arg)
{
	struct scene *scene = arg;

	return (void *)(intptr_t)cvy_mutex_lock(&scene->mutex, CVY_NEVER);
}

static void the_end_of_a_thread_counts_as_a_death(void **state)
{
	struct scene *scene = set_scene();
	pthread_t thread;
	void *rc;

	assert_int_equal(pthread_create(&thread, NULL, lock_in_thread, scene), 0);
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_int_equal((intptr_t)rc, 0);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 1);
	cvy_mutex_mended(&scene->mutex);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
}

static int lock_then_exec(void *arg)
{
	struct scene *scene = arg;

	if (cvy_mutex_lock(&scene->mutex, CVY_NEVER) != 0)
		return 1;
	atomic_store(&scene->step, 1);
	execlp("sleep", "sleep", "1000", NULL);
	return 2;
}

static void an_exec_counts_as_a_death(void **state)
{
	struct scene *scene = set_scene();
	pid_t pid = start(lock_then_exec, scene);

	HARNESS_EVENTUALLY(atomic_load(&scene->step) == 1);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 1);
	assert_true(harness_exists(pid));
	cvy_mutex_mended(&scene->mutex);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
	end_by_kill(pid);
}

static void a_stopped_holder_is_alive(void **state)
{
	struct scene *scene = set_scene();
	pid_t pid = start(lock_then_hang, scene);
	int status;

	HARNESS_EVENTUALLY(atomic_load(&scene->step) == 1);
	harness_kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, cvy_now() + 2 * CVY_MS), -ETIMEDOUT);
	end_by_kill(pid);
	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 1);
	cvy_mutex_mended(&scene->mutex);
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
}

static void catch (int signal)
{
}

static int lock_with_signals(void *arg)
{
	struct sigaction action = {.sa_handler = catch};

	sigaction(SIGUSR1, &action, NULL);
	return lock_dead_or_free(arg);
}

static void signals_do_not_end_a_wait(void **state)
{
	struct scene *scene = set_scene();
	pid_t waiter;

	assert_int_equal(cvy_mutex_lock(&scene->mutex, CVY_NEVER), 0);
	waiter = start(lock_with_signals, scene);
	for (int i = 0; i < 5; i++) {
		HARNESS_EVENTUALLY(harness_asleep(waiter));
		harness_kill(waiter, SIGUSR1);
	}
	HARNESS_EVENTUALLY(harness_asleep(waiter));
	assert_int_equal(cvy_mutex_unlock(&scene->mutex), 0);
	assert_int_equal(end_of(waiter), 10);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(one_holds_it),
	HARNESS_TEST(a_dead_holder_is_told_once),
	HARNESS_TEST(who_mends_may_die_too),
	HARNESS_TEST(what_is_not_mended_is_lost),
	HARNESS_TEST(a_death_wakes_who_sleeps),
	HARNESS_TEST(an_unlock_wakes_who_sleeps),
	HARNESS_TEST(the_death_of_a_waiter_takes_nobodys_turn),
	HARNESS_TEST(the_end_of_a_thread_counts_as_a_death),
	HARNESS_TEST(an_exec_counts_as_a_death),
	HARNESS_TEST(a_stopped_holder_is_alive),
	HARNESS_TEST(signals_do_not_end_a_wait),
};

HARNESS_MAIN(tests)
