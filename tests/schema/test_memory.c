/* SPDX-License-Identifier: MIT */
/* Every allocation that can fail, failing: -ENOMEM, outputs as they were, nothing lost. */
#include "support/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <covey/schema.h>

#include "sample.h"

/* Allocations until one fails; -1 for never. The linker sends the library's calls here. */
static int left = -1;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool fails(void)
{
	return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

static void make_sample(sample *s)
{
	static char blob[40000];
	static char *lines[] = {"line", NULL, "other"};
	static struct tag tags[] = {{"a", 1}, {"b", 2}};

	*s = (sample){.name = "name",
	              .words = {"one", "two"},
	              .lines = lines,
	              .n_lines = 3,
	              .tags = tags,
	              .n_tags = 2,
	              .blob = blob,
	              .n_blob = sizeof blob,
	              .some = {{"s", 3}},
	              .n_some = 1};
}

static void pack_without_memory_fails_clean(void **state)
{
	void *bytes = (void *)1;
	size_t len = 2;
	int rc = -ENOMEM;
	int failures = 0;
	sample s;

	make_sample(&s);
	while (rc < 0) {
		left = failures;
		rc = covey_pack(sample, &s, &bytes, &len);
		left = -1;
		if (rc < 0) {
			assert_int_equal(rc, -ENOMEM);
			assert_true(bytes == (void *)1 && len == 2);
			failures++;
		}
	}
	assert_int_equal(failures, 2); /* the first buffer, and one that grows */
	free(bytes);
}

static void unpack_without_memory_fails_clean(void **state)
{
	sample in, out, before;
	void *bytes;
	size_t len;
	int rc = -ENOMEM;
	int failures = 0;

	make_sample(&in);
	assert_int_equal(covey_pack(sample, &in, &bytes, &len), 0);
	memset(&out, 0x66, sizeof out);
	before = out;
	while (rc < 0) {
		left = failures;
		rc = covey_unpack(sample, bytes, len, &out);
		left = -1;
		if (rc < 0) {
			assert_int_equal(rc, -ENOMEM);
			assert_memory_equal(&out, &before, sizeof out);
			failures++;
		}
	}
	/* the struct, name, words, lines and two of them, tags and theirs, blob, some's text */
	assert_int_equal(failures, 1 + 1 + 2 + 3 + 3 + 1 + 1);
	assert_string_equal(out.lines[2], "other");
	covey_free_as(sample, &out);
	free(bytes);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(pack_without_memory_fails_clean),
	HARNESS_TEST(unpack_without_memory_fails_clean),
};

HARNESS_MAIN(tests)
