/* SPDX-License-Identifier: MIT */
/* Functions as values, and processes whose function is in a module loaded late. */
#include "support/harness.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <covey.h>

static int triple(int n)
{
	return 3 * n;
}

static void a_value_gives_back_its_function(void **state)
{
	void *const functions[] = {(void *)triple, (void *)covey_init, (void *)qsort,
	                           (void *)strlen};
	covey_fn fn, again;

	for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++) {
		assert_int_equal(covey_fn_make(&fn, functions[i]), 0);
		assert_int_equal(covey_fn_make(&again, functions[i]), 0);
		assert_memory_equal(&fn, &again, sizeof fn);
		assert_ptr_equal(covey_fn_pointer(fn), functions[i]);
	}
	assert_int_equal(covey_fn_make(&fn, triple), 0);
	assert_int_equal(covey_fn_as(int (*)(int), fn)(14), 42);
}

/* What another process makes of a function is the same. */
struct asked {
	covey_queue answers;
};

static int answer(const void *arg, size_t len)
{
	void *const functions[] = {(void *)triple, (void *)covey_init, (void *)qsort};
	covey_fn fns[3];

	for (int i = 0; i < 3; i++)
		if (covey_fn_make(&fns[i], functions[i]) < 0)
			return 1;
	return covey_put(((const struct asked *)arg)->answers, &fns, COVEY_FOREVER) < 0;
}

static void a_value_is_the_same_in_every_process(void **state)
{
	void *const functions[] = {(void *)triple, (void *)covey_init, (void *)qsort};
	struct asked asked;
	covey_process *p;
	covey_fn here, there[3];

	assert_int_equal(covey_queue_create(&asked.answers, NULL), 0);
	assert_int_equal(covey_start(&p, answer, &asked, .method = COVEY_SPAWN), 0);
	assert_int_equal(covey_get(asked.answers, &there, COVEY_FOREVER), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(covey_fn_make(&here, functions[i]), 0);
		assert_memory_equal(&here, &there[i], sizeof here);
	}
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	covey_process_free(p);
	assert_int_equal(covey_queue_destroy(asked.answers), 0);
}

static void what_is_no_code_of_a_module_is_refused(void **state)
{
	static const int data = 5;
	char on_the_stack[64] = {0}, *on_the_heap = malloc(64);
	void *made = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	covey_fn fn = {1, 2};

	assert_int_equal(covey_fn_make(&fn, NULL), -EINVAL);
	assert_int_equal(covey_fn_make(&fn, (void *)on_the_stack), -EINVAL);
	assert_non_null(strstr(covey_errmsg(), "nested function"));
	assert_int_equal(covey_fn_make(&fn, (void *)on_the_heap), -EINVAL);
	assert_int_equal(covey_fn_make(&fn, (void *)&data), -EINVAL);
	assert_int_equal(covey_fn_make(&fn, made), -EINVAL);
	assert_int_equal(fn.module, 1);
	assert_int_equal(fn.offset, 2);
	munmap(made, 4096);
	free(on_the_heap);
}

static void a_value_that_means_nothing_here_is_an_error(void **state)
{
	covey_fn fn;

	assert_null(covey_fn_pointer((covey_fn){0, 0}));
	assert_int_equal(covey_errcode(), -EINVAL);
	assert_null(covey_fn_pointer((covey_fn){UINT64_C(0x123456789abcdef0), 64}));
	assert_int_equal(covey_errcode(), -ENOENT);
	assert_non_null(strstr(covey_errmsg(), "123456789abcdef0"));
	assert_int_equal(covey_fn_make(&fn, triple), 0);
	fn.offset += UINT64_C(1) << 32;
	assert_null(covey_fn_pointer(fn));
	assert_int_equal(covey_errcode(), -EINVAL);
	assert_int_equal(covey_fn_make(&fn, qsort), 0);
	fn.offset = 0; /* headers, no code */
	assert_null(covey_fn_pointer(fn));
	assert_int_equal(covey_errcode(), -EINVAL);
}

/* ---- modules loaded late */

static covey_process_fn *load(const char *path, void **module)
{
	covey_process_fn *fn;

	*module = dlopen(path, RTLD_NOW);
	assert_non_null(*module);
	fn = (covey_process_fn *)dlsym(*module, "late_work");
	assert_non_null(fn);
	return fn;
}

static int run(covey_process_fn *fn, const void *arg, size_t len, covey_method method)
{
	covey_process *p;
	int code;
	int rc = covey_process_start(&p, fn, arg, len, &(covey_process_opts){.method = method});

	if (rc < 0)
		return rc;
	assert_int_equal(covey_process_join(p, COVEY_FOREVER), 0);
	code = covey_process_exit_code(p);
	covey_process_free(p);
	return code;
}

static void a_module_loaded_late_is_loaded_in_the_child(void **state)
{
	covey_method method = *(covey_method *)*state;
	covey_process_fn *fn;
	int n = 41;
	void *module;

	/* By a path relative to a folder that is left before the start. */
	assert_int_equal(chdir(TEST_FOLDER), 0);
	fn = load("./late.so", &module);
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(run(fn, &n, sizeof n, method), 42);
	assert_int_equal(run(fn, NULL, 0, method), 99);
	dlclose(module);
}

static void a_module_that_is_gone_is_told_to_the_starter(void **state)
{
	covey_method method = *(covey_method *)*state;
	char to[] = "/tmp/late-XXXXXX";
	covey_process_fn *fn;
	static char bytes[1 << 20];
	void *module;
	ssize_t size;
	int fd, n = 1;

	fd = open(TEST_FOLDER "/late.so", O_RDONLY | O_CLOEXEC);
	size = read(fd, bytes, sizeof bytes);
	close(fd);
	assert_true(size > 0);
	fd = mkostemp(to, O_CLOEXEC);
	assert_int_equal(write(fd, bytes, (size_t)size), size);
	close(fd);
	fn = load(to, &module);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(run(fn, &n, sizeof n, COVEY_FORK), 2); /* a copy has it */
	assert_int_equal(run(fn, &n, sizeof n, method), -ENOENT);
	assert_non_null(strstr(covey_errmsg(), to));
	dlclose(module);
}

static void a_module_without_build_id_can_only_be_forked(void **state)
{
	covey_process_fn *fn;
	covey_fn value;
	void *module;
	int n = 1;

	fn = load(TEST_FOLDER "/anonymous.so", &module);
	assert_int_equal(covey_fn_make(&value, fn), -ENOEXEC);
	assert_int_equal(run(fn, &n, sizeof n, COVEY_SPAWN), -ENOEXEC);
	assert_non_null(strstr(covey_errmsg(), "build-id"));
	assert_int_equal(run(fn, &n, sizeof n, COVEY_FORK), 2);
	dlclose(module);
}

static covey_method by_spawn = COVEY_SPAWN, by_server = COVEY_FORKSERVER;

static const struct harness_test tests[] = {
	HARNESS_TEST(a_value_gives_back_its_function),
	HARNESS_TEST(a_value_is_the_same_in_every_process),
	HARNESS_TEST(what_is_no_code_of_a_module_is_refused),
	HARNESS_TEST(a_value_that_means_nothing_here_is_an_error),
	HARNESS_TEST_WITH(a_module_loaded_late_is_loaded_in_the_child, "spawn", &by_spawn),
	HARNESS_TEST_WITH(a_module_loaded_late_is_loaded_in_the_child, "forkserver", &by_server),
	HARNESS_TEST_WITH(a_module_that_is_gone_is_told_to_the_starter, "spawn", &by_spawn),
	HARNESS_TEST_WITH(a_module_that_is_gone_is_told_to_the_starter, "forkserver", &by_server),
	HARNESS_TEST(a_module_without_build_id_can_only_be_forked),
};

HARNESS_MAIN(tests)
