/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out at the n-th allocation, once or from then on: n goes up
 * until each call of the script works. Where no sanitizer watches, the
 * allocations of the C library and of the others count as well.
 */
#include "script.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"

#define NEVER INT64_MAX

/* Allocations until the first that fails, and how many fail from there. */
static _Atomic int64_t left = NEVER, failing;

static bool out_of_memory(void)
{
	if (atomic_load_explicit(&left, memory_order_relaxed) == NEVER ||
	    atomic_fetch_sub(&left, 1) > 0 || atomic_fetch_sub(&failing, 1) <= 0)
		return false;
	errno = ENOMEM;
	return true;
}

#ifdef WRAP_MALLOC /* by the linker: the calls of covey itself */
#define OURS(name) __wrap_##name
#define REAL(name) __real_##name
#else
#define OURS(name) name
#define REAL(name) __libc_##name
#endif
void *OURS(malloc)(size_t size);
void *OURS(calloc)(size_t n, size_t size);
void *OURS(realloc)(void *p, size_t size);
void *REAL(malloc)(size_t size);
void *REAL(calloc)(size_t n, size_t size);
void *REAL(realloc)(void *p, size_t size);

void *OURS(malloc)(size_t size)
{
	return out_of_memory() ? NULL : REAL(malloc)(size);
}

void *OURS(calloc)(size_t n, size_t size)
{
	return out_of_memory() ? NULL : REAL(calloc)(n, size);
}

void *OURS(realloc)(void *p, size_t size)
{
	return out_of_memory() ? NULL : REAL(realloc)(p, size);
}

/* ---- rounds */

struct shortage {
	covey_method method;
	int parts;
	int64_t from, many;
	bool *reached; /* shared: whether it came as far */
};

static void run_short(const void *context)
{
	const struct shortage *shortage = context;
	int failed;

	atomic_store(&failing, shortage->many);
	atomic_store(&left, shortage->from);
	failed = script_run(shortage->method, shortage->parts);
	*shortage->reached = atomic_load(&left) <= 0;
	atomic_store(&left, NEVER);
	if (failed && !*shortage->reached)
		_exit(6);
	script_end(0);
}

static void try_all(covey_method method, int parts, int64_t many)
{
	bool *reached = mmap(NULL, sizeof *reached, PROT_READ | PROT_WRITE,
	                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int64_t n = 0;

	assert_true(reached != MAP_FAILED);
	do {
		struct shortage shortage = {method, parts, n, many, reached};

		run_round(run_short, &shortage, "allocation", (long)n);
	} while (*reached && ++n < 10000);
	assert_false(*reached);
	assert_true(n > 0);
	munmap(reached, sizeof *reached);
}

static void one_allocation_fails(void **state)
{
	try_all(*(const covey_method *)*state, SCRIPT_PROCESS | SCRIPT_POOL, 1);
}

static void all_allocations_fail_from_there(void **state)
{
	try_all(*(const covey_method *)*state, SCRIPT_PROCESS | SCRIPT_POOL, NEVER);
}

static void without_processes(void **state)
{
	const int parts[] = {SCRIPT_QUEUE, SCRIPT_NET, SCRIPT_THREADS};

	for (int i = 0; i < 3; i++) {
		try_all(COVEY_FORK, parts[i], 1);
		try_all(COVEY_FORK, parts[i], NEVER);
	}
}

static const struct harness_test tests[] = {
	HARNESS_TEST_BY_METHODS(one_allocation_fails),
	HARNESS_TEST_BY_METHODS(all_allocations_fail_from_there),
	HARNESS_TEST(without_processes),
};

HARNESS_MAIN(tests)
