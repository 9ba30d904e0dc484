/* SPDX-License-Identifier: MIT */
/* The biased lock: whoever it favours, one thread is inside at a time, and all come in. */
#include "base/fence.h"
#include "support/harness.h"

#include <sched.h>

#define ROUNDS 100000
#define VISITS 40

/* Under the lock. */
struct scene {
	struct cvy_biased lock;
	uint64_t first, second; /* always alike outside */
	uint64_t wrong;
	_Atomic uint64_t favoured; /* by the favourite: its rounds */
};

static void visit(struct scene *scene)
{
	cvy_biased_lock(&scene->lock);
	scene->wrong += scene->first != scene->second;
	scene->first++;
	for (int i = 0; i < 20; i++)
		cvy_pause();
	scene->second++;
	cvy_biased_unlock(&scene->lock);
}

/* Comes now and then, while another one comes all the time. */
static void *come_now_and_then(void *arg)
{
	struct scene *scene = arg;

	for (int i = 0; i < VISITS; i++) {
		uint64_t since = atomic_load(&scene->favoured);

		while (atomic_load(&scene->favoured) < since + ROUNDS / VISITS / 2 &&
		       atomic_load(&scene->favoured) < ROUNDS)
			sched_yield();
		visit(scene);
	}
	return NULL;
}

static void one_is_inside_at_a_time(void **state)
{
	static struct scene scene;
	pthread_t others[2];

	cvy_biased_init(&scene.lock);
	cvy_heavy_fence_prepare(true);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&others[i], NULL, come_now_and_then, &scene), 0);
	for (int i = 0; i < ROUNDS; i++) {
		visit(&scene);
		atomic_fetch_add(&scene.favoured, 1);
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(others[i], NULL), 0);
	assert_int_equal(scene.wrong, 0);
	assert_int_equal(scene.first, ROUNDS + 2 * VISITS);
	assert_int_equal(scene.second, ROUNDS + 2 * VISITS);
	cvy_biased_destroy(&scene.lock);
}

static void who_comes_often_is_favoured(void **state)
{
	struct cvy_biased lock;
	bool may = cvy_heavy_fence_prepare(true);

	cvy_biased_init(&lock);
	for (int i = 0; i < 1000; i++) {
		cvy_biased_lock(&lock);
		cvy_biased_unlock(&lock);
	}
	cvy_biased_lock(&lock);
	assert_int_equal(lock.favoured, may);
	cvy_biased_unlock(&lock);
	cvy_biased_destroy(&lock);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(one_is_inside_at_a_time),
	HARNESS_TEST(who_comes_often_is_favoured),
};

HARNESS_MAIN(tests)
