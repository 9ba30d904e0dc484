/* SPDX-License-Identifier: MIT */
/* The arena: regions, the quota, the object table, and what deaths leave of them. */
#include "support/harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covey.h>

#include "arena/arena.h"
#include "arena/layout.h"
#include "limits/filter.h"

/* Words in the arena that own regions: the control block of an object would be such a place. */
static uint64_t *owner_words(uint64_t *region)
{
	covey_usage usage;
	uint64_t *words;

	assert_int_equal(covey_usage_get(&usage), 0);
	/* The process slot's own argument word owns the page of words. */
	words = &cvy_proc(cvy_self())->arg;
	assert_int_equal(*words, 0);
	assert_int_equal(cvy_region_alloc(words, 4096), 0);
	*region = *words;
	words = cvy_at(*region, 4096);
	memset(words, 0, 4096);
	return words;
}

static void give_back_words(void)
{
	cvy_region_free(&cvy_proc(cvy_self())->arg);
}

static uint64_t used(void)
{
	uint64_t bytes, quota;

	cvy_region_usage(&bytes, &quota);
	return bytes;
}

static void regions_do_not_overlap_and_come_back(void **state)
{
	static const uint64_t sizes[] = {1, 4096, 4097, 65536, 100000, 1 << 20, 3 << 20, 0};
	uint64_t page, before;
	uint64_t *words = owner_words(&page);

	before = used();
	for (int round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 64; i++) {
			uint64_t size = sizes[(i + (unsigned)round) % 8];

			assert_int_equal(cvy_region_alloc(&words[i], size), 0);
			assert_true(cvy_region_bytes(words[i]) >= size);
			memset(cvy_at(words[i], size), (int)i, size);
		}
		for (unsigned i = 0; i < 64; i++) {
			uint64_t size = sizes[(i + (unsigned)round) % 8];
			unsigned char *p = cvy_at(words[i], size);

			for (uint64_t b = 0; b < size; b += 509)
				assert_int_equal(p[b], i);
			cvy_region_free(&words[i]);
			assert_int_equal(words[i], 0);
		}
	}
	assert_true(used() < before + (128 << 20));
	give_back_words();
}

static void the_quota_holds_and_warm_memory_yields_to_it(void **state)
{
	uint64_t page, *words;

	assert_int_equal(covey_configure(&(covey_config){.quota = 40 << 20}), 0);
	words = owner_words(&page);
	assert_int_equal(cvy_region_alloc(&words[0], 50 << 20), -ENOMEM);
	assert_non_null(strstr(covey_errmsg(), "quota of 41943040"));
	assert_int_equal(words[0], 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(cvy_region_alloc(&words[i], 4 << 20), 0);
	assert_int_equal(cvy_region_alloc(&words[9], 12 << 20), -ENOMEM);
	for (int i = 0; i < 8; i++)
		cvy_region_free(&words[i]);
	/* The eight are kept warm; what they hold must not stand in the way. */
	assert_int_equal(cvy_region_alloc(&words[9], 36 << 20), 0);
	assert_true(used() <= 40 << 20);
	cvy_region_free(&words[9]);
	give_back_words();
}

static void regions_of_many_gigabytes_cost_address_space_only(void **state)
{
	uint64_t page, before;
	uint64_t *words = owner_words(&page);

	before = used();
	assert_int_equal(cvy_region_reserve(&words[0], UINT64_C(6) << 30, 8192), 0);
	assert_int_equal(used() - before, 8192);
	memset(cvy_at(words[0], 8192), 1, 8192);
	assert_int_equal(cvy_region_back(words[0], 1 << 20), 0);
	assert_int_equal(used() - before, 1 << 20);
	cvy_region_trim(words[0], 4096);
	assert_int_equal(used() - before, 4096);
	cvy_region_free(&words[0]);
	give_back_words();
}

/* A child that allocates and frees until it is killed. */
static void churn(uint64_t *words)
{
	for (unsigned i = 0;; i++) {
		unsigned at = (i * 7) % 64;

		if (words[at])
			cvy_region_free(&words[at]);
		else if (cvy_region_alloc(&words[at], (i % 5) * 30000 + 1) < 0)
			_exit(3);
	}
}

static void killed_allocators_leave_every_region_owned_or_free(void **state)
{
	uint64_t page, before;
	uint64_t *words = owner_words(&page);
	unsigned seed = 7;

	before = used();
	for (int round = 0; round < 200; round++) {
		pid_t pid[2];

		for (int i = 0; i < 2; i++) {
			pid[i] = fork();
			assert_true(pid[i] >= 0);
			if (pid[i] == 0)
				churn(words + 100 + 100 * i);
		}
		seed = seed * 1103515245 + 12345;
		for (unsigned i = 0; i < ((seed >> 16) & 0x3fff); i++)
			cvy_pause();
		for (int i = 0; i < 2; i++) {
			harness_kill(pid[i], SIGKILL);
			assert_int_equal(waitpid(pid[i], NULL, 0), pid[i]);
		}
	}
	for (int i = 0; i < 400; i++)
		cvy_region_free(&words[i]);
	/* All that is still counted is what is kept warm. */
	assert_int_equal(used() - atomic_load(&cvy_header()->warm_bytes), before);
	give_back_words();
}

/* Has a child die where the system is to find memory for `bytes`, of a new region or an old one. */
static void die_while_backing(uint64_t *word, uint64_t bytes)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		die_at(SYS_fallocate);
		_exit((*word ? cvy_region_back(*word, bytes) : cvy_region_alloc(word, bytes)) == 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void a_death_while_memory_is_found_promises_none(void **state)
{
	uint64_t page, before, *words = owner_words(&page);

	before = used();
	die_while_backing(&words[0], 40 << 20);
	assert_int_not_equal(words[0], 0);
	assert_int_equal(cvy_region_bytes(words[0]), 0);
	assert_int_equal(cvy_region_back(words[0], 1 << 20), 0);
	assert_int_equal(cvy_region_bytes(words[0]), 1 << 20);
	die_while_backing(&words[0], 3 << 20);
	assert_int_equal(cvy_region_bytes(words[0]), 1 << 20);
	assert_int_equal(used() - before, 1 << 20);
	cvy_region_free(&words[0]);
	assert_int_equal(used() - atomic_load(&cvy_header()->warm_bytes), before);
	give_back_words();
}

static void killed_makers_of_objects_leave_the_table_sound(void **state)
{
	covey_lock lock;
	covey_queue q;
	unsigned seed = 3;

	assert_int_equal(covey_lock_create(&lock, "first"), 0);
	for (int round = 0; round < 200; round++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			for (;;) {
				covey_lock mine;
				covey_queue queue;

				if (covey_lock_create(&mine, "m") < 0 ||
				    covey_queue_create(&queue, NULL) < 0)
					_exit(3);
				covey_queue_put(queue, "x", 1, 0);
				covey_queue_destroy(queue);
				covey_lock_destroy(mine);
			}
		seed = seed * 1103515245 + 12345;
		for (unsigned i = 0; i < ((seed >> 16) & 0x3fff); i++)
			cvy_pause();
		harness_kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(covey_queue_create(&q, NULL), 0);
		assert_int_equal(covey_queue_put(q, "y", 1, 0), 0);
		assert_int_equal(covey_queue_destroy(q), 0);
	}
	/* At most what each of the killed held when it died. */
	assert_true(cvy_object_live() <= 1 + 2 * 200);
	assert_int_equal(covey_lock_acquire(lock, 0), 0);
	assert_int_equal(covey_lock_release(lock), 0);
	harness_objects_stay();
}

static void little_address_space_makes_a_small_arena(void **state)
{
	struct rlimit limit;
	covey_lock lock;

	if (getenv("HARNESS_SHADOW_MEMORY")) {
		harness_skip("a sanitizer's shadow memory does not fit the limit");
		return;
	}
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = UINT64_C(3) << 30;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	assert_true(cvy_size <= UINT64_C(3) << 30);
	assert_int_equal(covey_lock_acquire(lock, 0), 0);
	assert_int_equal(covey_lock_release(lock), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void a_limit_on_files_makes_a_small_arena(void **state)
{
	struct rlimit limit;
	covey_lock lock;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = UINT64_C(3) << 30;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	assert_int_equal(cvy_size, UINT64_C(2) << 30);
	assert_int_equal(covey_lock_acquire(lock, 0), 0);
	assert_int_equal(covey_lock_release(lock), 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void no_room_for_an_arena_is_an_error_in_words(void **state)
{
	struct rlimit limit;
	covey_lock lock = {7};

	if (getenv("HARNESS_SHADOW_MEMORY")) {
		harness_skip("a sanitizer's shadow memory does not fit the limit");
		return;
	}
	assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
	limit.rlim_cur = 256 << 20;
	assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
	assert_int_equal(covey_lock_create(&lock, NULL), -ENOMEM);
	assert_non_null(strstr(covey_errmsg(), "RLIMIT_AS"));
	assert_int_equal(lock.id, 7);
}

static void a_foreign_file_is_not_attached(void **state)
{
	int fd = memfd_create("other", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(cvy_family_attach(fd), -EBADMSG);
	assert_int_equal(cvy_family_attach(-1), -EBADMSG);
	close(fd);
}

static void a_process_forked_without_covey_joins_the_family(void **state)
{
	covey_lock lock;
	int status;
	pid_t pid;

	assert_int_equal(covey_lock_create(&lock, NULL), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (covey_lock_acquire(lock, 0) != 0 || covey_lock_holder(lock) != getpid())
			_exit(1);
		_exit(covey_lock_release(lock) != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(covey_lock_destroy(lock), 0);
}

static void one_whose_starter_died_before_it_was_there_is_not_counted(void **state)
{
	covey_usage usage;
	uint32_t slot;
	int status;
	pid_t pid;

	assert_int_equal(covey_usage_get(&usage), 0);
	assert_true(cvy_self());
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (cvy_proc_new("never", &slot) < 0 || covey_usage_get(&usage) < 0)
			_exit(1);
		/* This process, its parent, and the one that it is about to start. */
		_exit(usage.processes == 3 ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(covey_usage_get(&usage), 0);
	assert_int_equal(usage.processes, 1);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(regions_do_not_overlap_and_come_back),
	HARNESS_TEST(the_quota_holds_and_warm_memory_yields_to_it),
	HARNESS_TEST(regions_of_many_gigabytes_cost_address_space_only),
	HARNESS_TEST(killed_allocators_leave_every_region_owned_or_free),
	HARNESS_TEST(a_death_while_memory_is_found_promises_none),
	HARNESS_TEST(killed_makers_of_objects_leave_the_table_sound),
	HARNESS_TEST(little_address_space_makes_a_small_arena),
	HARNESS_TEST(a_limit_on_files_makes_a_small_arena),
	HARNESS_TEST(no_room_for_an_arena_is_an_error_in_words),
	HARNESS_TEST(a_foreign_file_is_not_attached),
	HARNESS_TEST(a_process_forked_without_covey_joins_the_family),
	HARNESS_TEST(one_whose_starter_died_before_it_was_there_is_not_counted),
};

HARNESS_MAIN(tests)
