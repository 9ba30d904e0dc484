/* SPDX-License-Identifier: MIT */
/* Bytes that are no such object: an error in words, never a crash, never much memory. */
#include "support/harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <covey/schema.h>

#include "sample.h"

/* -EBADMSG with exactly these words, and the object as it was. */
static void assert_bad(const void *bytes, size_t len, const char *words)
{
	sample s, before;

	memset(&s, 0x77, sizeof s);
	before = s;
	assert_int_equal(covey_unpack(sample, bytes, len, &s), -EBADMSG);
	assert_string_equal(covey_errmsg(), words);
	assert_int_equal(covey_errcode(), -EBADMSG);
	assert_memory_equal(&s, &before, sizeof s);
}

#define BAD(bytes, words) assert_bad((bytes), sizeof(bytes) - 1, (words))

static void other_types_are_refused(void **state)
{
	BAD("\xc0", "sample: expected a map, found nil");
	BAD("\x91\xc0", "sample: expected a map, found an array of 1");
	BAD("\x81\x05\xc0", "sample: expected a field's name, found 5");
	BAD("\x81\xa4"
	    "flag\x01",
	    "sample.flag: expected true or false, found 1");
	BAD("\x81\xa3"
	    "i32\xc3",
	    "sample.i32: expected an integer, found true");
	BAD("\x81\xa3"
	    "i32\xca\x3f\x80\x00\x00",
	    "sample.i32: expected an integer, found the float 1");
	BAD("\x81\xa3"
	    "i32\xc0",
	    "sample.i32: expected an integer, found nil");
	BAD("\x81\xa6real64\xa1"
	    "1",
	    "sample.real64: expected a float, found a string of 1 bytes");
	BAD("\x81\xa4name\x92\x01\x02", "sample.name: expected a string, found an array of 2");
	BAD("\x81\xa4name\xc4\x01x", "sample.name: expected a string, found a binary of 1 bytes");
	BAD("\x81\xa4"
	    "code\xc0",
	    "sample.code: expected a string, found nil");
	BAD("\x81\xa6"
	    "digest\xa4"
	    "abcd",
	    "sample.digest: expected a binary, found a string of 4 bytes");
	BAD("\x81\xa4"
	    "blob\x91\x01",
	    "sample.blob: expected a binary, found an array of 1");
	BAD("\x81\xa6values\x80", "sample.values: expected an array, found a map of 0");
	BAD("\x81\xa3"
	    "few\xc0",
	    "sample.few: expected an array, found nil");
	BAD("\x81\xa3tag\x90", "sample.tag: expected a map, found an array of 0");
	BAD("\x81\xa2"
	    "fn\xd4\x66\x01",
	    "sample.fn: expected a function (extension 102 of 16 bytes), found extension 102 of 1 "
	    "bytes");
	BAD("\x81\xa2"
	    "fn\xd8\x05"
	    "0123456789abcdef",
	    "sample.fn: expected a function (extension 102 of 16 bytes), found extension 5 of 16 "
	    "bytes");
}

static void places_are_named_in_full(void **state)
{
	BAD("\x81\xa4tags\x92\x80\x81\xa4text\x05",
	    "sample.tags[1].text: expected a string, found 5");
	BAD("\x81\xa4list\x81\xa4next\x81\xa5value\xa0",
	    "sample.list.next.value: expected an integer, found a string of 0 bytes");
	BAD("\x81\xa5words\x92\xc0\xc2", "sample.words[1]: expected a string, found false");
	BAD("\x81\xa4some\x91\x81\xa4rank\xc3",
	    "sample.some[0].rank: expected an integer, found true");
}

static void integers_out_of_range_are_refused(void **state)
{
	BAD("\x81\xa2"
	    "i8\xcc\x80",
	    "sample.i8: expected an integer from -128 to 127, found 128");
	BAD("\x81\xa2"
	    "i8\xd1\xff\x7f",
	    "sample.i8: expected an integer from -128 to 127, found -129");
	BAD("\x81\xa2u8\xff", "sample.u8: expected an integer from 0 to 255, found -1");
	BAD("\x81\xa2u8\xcd\x01\x00", "sample.u8: expected an integer from 0 to 255, found 256");
	BAD("\x81\xa3u32\xcf\x00\x00\x00\x01\x00\x00\x00\x00",
	    "sample.u32: expected an integer from 0 to 4294967295, found 4294967296");
	BAD("\x81\xa3i64\xcf\x80\x00\x00\x00\x00\x00\x00\x00",
	    "sample.i64: expected an integer from -9223372036854775808 to 9223372036854775807, "
	    "found 9223372036854775808");
	BAD("\x81\xa3u64\xd0\x80",
	    "sample.u64: expected an integer from 0 to 18446744073709551615, found -128");
	BAD("\x81\xa5"
	    "color\xff",
	    "sample.color: expected an integer from 0 to 4294967295, found -1");
}

static void reals_out_of_range_are_refused(void **state)
{
	BAD("\x81\xa6real32\xcb\x7e\xf0\x00\x00\x00\x00\x00\x00",
	    "sample.real32: expected a float of 4 bytes, found the float 2.7430620343968443e+303");
	BAD("\x81\xa6real64\xcf\x00\x20\x00\x00\x00\x00\x00\x01",
	    "sample.real64: expected a float, or an integer exact as such, found "
	    "9007199254740993");
	BAD("\x81\xa6real32\xd2\xfe\xff\xff\xff",
	    "sample.real32: expected a float, or an integer exact as such, found -16777217");
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
	BAD("\x81\xa4"
	    "code\xa8"
	    "12345678",
	    "sample.code: expected a string of less than 8 bytes, found one of 8");
	BAD("\x81\xa6"
	    "digest\xc4\x03"
	    "abc",
	    "sample.digest: expected 4 bytes, found 3");
	BAD("\x81\xa5"
	    "fixed\x92\x01\x02",
	    "sample.fixed: expected an array of 3, found one of 2");
	BAD("\x81\xa3"
	    "few\x95\x01\x02\x03\x04\x05",
	    "sample.few: expected at most 4 elements, found 5");
}

static void a_count_that_overflows_its_field_is_refused(void **state)
{
	char wire[3 + 8 + 200] = "\x81\xa5lines\xdc\x00\x80";

	memset(wire + 10, 0xc0, 128);
	assert_bad(wire, 10 + 128, "sample.lines: expected at most 127 elements, found 128");
	wire[9] = 127;
	sample s;
	assert_int_equal(covey_unpack(sample, wire, 10 + 127, &s), 0);
	assert_int_equal(s.n_lines, 127);
	covey_free_as(sample, &s);
}

/* Else one array would be read past its end by the other's count. */
static void arrays_that_share_a_count_must_agree(void **state)
{
	BAD("\x82\xa2xs\x92\x01\x02\xa2ys\x91\x01",
	    "sample.ys: expected as many as 'xs' has, 2, found 1");
	BAD("\x82\xa2ys\x90\xa2xs\x91\x01", "sample.xs: expected as many as 'ys' has, 0, found 1");
	BAD("\x82\xa2ys\x91\x01\xa2xs\xc0", "sample.xs: expected as many as 'ys' has, 1, found 0");
	BAD("\x81\xa2xs\x91\x01",
	    "sample.ys: missing, where 1 elements were expected, as of others");
}

static void zero_bytes_in_strings_are_refused(void **state)
{
	BAD("\x81\xa4name\xa3"
	    "a\0b",
	    "sample.name: expected a string without zero bytes, found one at byte 1");
	BAD("\x81\xa4"
	    "code\xa1\0",
	    "sample.code: expected a string without zero bytes, found one at byte 0");
}

static void a_field_given_twice_is_refused(void **state)
{
	BAD("\x82\xa4name\xa1"
	    "a\xa4name\xa1"
	    "b",
	    "sample.name: the field is given twice");
}

static void missing_and_spare_bytes_are_refused(void **state)
{
	BAD("", "sample: the message ends at byte 0, too early");
	BAD("\x80\x80\x80", "sample: 2 bytes follow its end at byte 1");
	BAD("\x81\xa4name", "sample: the message ends at byte 6, too early");
	BAD("\x81\xa9name", "sample: byte 1: a string of 9, and 4 bytes left");
	BAD("\x81\xc5\x01", "sample: byte 1: the message ends inside the length of a binary");
	BAD("\x81\xcd\x01", "sample: byte 1: a value of 2, and 1 bytes left");
	BAD("\xc1", "sample: byte 0: 0xc1 is no MessagePack");
}

static void depth_is_bounded(void **state)
{
	static const char words[] = "sample: byte 37: nested deeper than 32 levels";
	size_t n = 1 << 20;
	unsigned char *wire = malloc(n);

	assert_non_null(wire);
	memset(wire, 0x91, n);
	memcpy(wire, "\x81\xa4none", 6); /* an unknown field: skipped, not entered */
	assert_bad(wire, n, words);
	memset(wire + 6 + COVEY_SCHEMA_DEPTH - 1, 0xc0, 1);
	sample s;
	assert_int_equal(covey_unpack(sample, wire, 6 + COVEY_SCHEMA_DEPTH, &s), 0);
	free(wire);
}

/* The most address space that this process has ever had, in KiB. */
static long peak_kib(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	assert_non_null(status);
	while (kib < 0 && fgets(line, sizeof line, status))
		sscanf(line, "VmPeak: %ld", &kib);
	fclose(status);
	assert_true(kib > 0);
	return kib;
}

static void lengths_are_not_believed(void **state)
{
	static const struct {
		const char *wire;
		size_t len;
	} cases[] = {
		{"\x81\xa4name\xdb\xff\xff\xff\xff", 11},
		{"\x81\xa4"
	         "blob\xc6\xff\xff\xff\xff",
	         11},
		{"\x81\xa6values\xdd\xff\xff\xff\xff", 13},
		{"\x81\xa6values\xdd\x0f\xff\xff\xff", 13},
		{"\xdf\xff\xff\xff\xff", 5},
		{"\x81\xa2"
	         "fn\xc9\xff\xff\xff\xff\x66",
	         10},
		{"\x81\xa3???\xdf\x7f\xff\xff\xff\x01", 11},
	};
	long before = peak_kib();

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		sample s;

		assert_int_equal(covey_unpack(sample, cases[i].wire, cases[i].len, &s), -EBADMSG);
	}
	assert_true(peak_kib() - before < 64 << 10);
}

static int handler(int x)
{
	return x;
}

static void a_function_that_is_not_here_is_refused(void **state)
{
	sample s = {.handler = handler};
	covey_fn fn;
	void *bytes;
	size_t len;
	unsigned char *at;

	assert_int_equal(covey_pack(sample, &s, &bytes, &len), 0);
	assert_int_equal(covey_fn_make(&fn, handler), 0);
	at = memmem(bytes, len, "handler\xd8\x66", 9);
	assert_non_null(at);
	at[9] ^= 1;
	assert_int_equal(covey_unpack(sample, bytes, len, &s), -EBADMSG);
	assert_memory_equal(covey_errmsg(), "sample.handler: ", 16);
	at[9] ^= 1;
	assert_int_equal(covey_unpack(sample, bytes, len, &s), 0);
	assert_ptr_equal(s.handler, handler);
	free(bytes);
}

/* ---- every change of one byte, and every cut */

/* Whatever the bytes, an error in words, or an object that packs and frees. */
static void assert_sound(const void *bytes, size_t len)
{
	/* A copy of just that size: a read past it is a read past an allocation. */
	void *copy = malloc(len ? len : 1);
	void *again;
	size_t again_len;
	sample s;
	int rc;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	rc = covey_unpack(sample, copy, len, &s);
	free(copy);
	if (rc < 0) {
		assert_int_equal(rc, -EBADMSG);
		assert_true(strlen(covey_errmsg()) > strlen("sample: "));
		return;
	}
	rc = covey_pack(sample, &s, &again, &again_len);
	/* What cannot be packed again is the value of a function that was changed. */
	if (rc == 0)
		free(again);
	else
		assert_non_null(strstr(covey_errmsg(), "sample.fn: "));
	covey_free_as(sample, &s);
}

static void *make_wire(size_t *len)
{
	sample s = {.flag = true,
	            .i8 = -100,
	            .u16 = 60000,
	            .i32 = -70000,
	            .u64 = UINT64_C(1) << 40,
	            .real32 = 0.5f,
	            .real64 = 0.1,
	            .name = "name",
	            .code = "code",
	            .words = {"w", NULL},
	            .handler = handler,
	            .tag = {"tag", 1},
	            .list = &(struct node){1, &(struct node){2, NULL}},
	            .values = (double[]){1.5},
	            .n_values = 1,
	            .lines = (char *[]){"line", NULL},
	            .n_lines = 2,
	            .tags = (struct tag[]){{"a", 1}, {"b", 2}},
	            .n_tags = 2,
	            .blob = "blob",
	            .n_blob = 4,
	            .few = {1},
	            .n_few = 1,
	            .some = {{"s", 3}},
	            .n_some = 1,
	            .xs = (int[]){1, 2},
	            .ys = (int[]){3, 4},
	            .n_points = 2};
	void *bytes;

	assert_int_equal(covey_fn_make(&s.fn, handler), 0);
	assert_int_equal(covey_pack(sample, &s, &bytes, len), 0);
	return bytes;
}

static void any_change_of_a_byte_is_borne(void **state)
{
	size_t len;
	unsigned char *wire = make_wire(&len);

	for (size_t i = 0; i < len; i++) {
		unsigned char right = wire[i];

		for (int value = 0; value < 256; value++) {
			wire[i] = (unsigned char)value;
			assert_sound(wire, len);
		}
		wire[i] = right;
	}
	free(wire);
}

static void any_cut_is_refused(void **state)
{
	size_t len;
	unsigned char *wire = make_wire(&len);
	sample s;

	for (size_t i = 0; i < len; i++) {
		void *copy = malloc(i ? i : 1);

		assert_non_null(copy);
		memcpy(copy, wire, i);
		assert_int_equal(covey_unpack(sample, copy, i, &s), -EBADMSG);
		free(copy);
	}
	free(wire);
}

static void random_changes_are_borne(void **state)
{
	size_t len;
	unsigned char *wire = make_wire(&len);
	unsigned char *changed = malloc(len);
	uint64_t random = 88172645463325252u;

	assert_non_null(changed);
	for (int round = 0; round < 20000; round++) {
		memcpy(changed, wire, len);
		for (int i = 0; i < 3; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			changed[random % len] = (unsigned char)(random >> 32);
		}
		assert_sound(changed, len - (random >> 40) % 2);
	}
	free(changed);
	free(wire);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(other_types_are_refused),
	HARNESS_TEST(places_are_named_in_full),
	HARNESS_TEST(integers_out_of_range_are_refused),
	HARNESS_TEST(reals_out_of_range_are_refused),
	HARNESS_TEST(sizes_that_do_not_fit_are_refused),
	HARNESS_TEST(a_count_that_overflows_its_field_is_refused),
	HARNESS_TEST(arrays_that_share_a_count_must_agree),
	HARNESS_TEST(zero_bytes_in_strings_are_refused),
	HARNESS_TEST(a_field_given_twice_is_refused),
	HARNESS_TEST(missing_and_spare_bytes_are_refused),
	HARNESS_TEST(depth_is_bounded),
	HARNESS_TEST(lengths_are_not_believed),
	HARNESS_TEST(a_function_that_is_not_here_is_refused),
	HARNESS_TEST(any_change_of_a_byte_is_borne),
	HARNESS_TEST(any_cut_is_refused),
	HARNESS_TEST(random_changes_are_borne),
};

HARNESS_MAIN(tests)
