/* SPDX-License-Identifier: MIT */
/* What is packed comes back, and how it looks on the wire. */
#include "support/harness.h"

#include <endian.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <covey/schema.h>

#include "sample.h"

static int twice(int x)
{
	return 2 * x;
}

static int thrice(int x)
{
	return 3 * x;
}

static void make_sample(sample *s)
{
	static double values[] = {0.1, -0.0, INFINITY};
	static char *lines[] = {"first", NULL, ""};
	static struct tag tags[] = {{"t0", 0}, {NULL, -1}};
	static struct node last = {3, NULL}, middle = {2, &last}, first = {1, &middle};
	static int xs[] = {1, 2}, ys[] = {-1, -2};

	memset(s, 0x5a, sizeof *s);
	s->flag = true;
	s->letter = 'x';
	s->i8 = INT8_MIN;
	s->u8 = UINT8_MAX;
	s->i16 = INT16_MIN;
	s->u16 = UINT16_MAX;
	s->i32 = INT32_MIN;
	s->u32 = UINT32_MAX;
	s->i64 = LONG_MIN;
	s->u64 = ULLONG_MAX;
	s->color = COLOR_BLUE;
	s->real32 = FLT_MAX;
	s->real64 = DBL_MIN;
	s->name = "Ada \xc3\xa9";
	s->note = NULL;
	memcpy(s->code, "1234567", 8);
	memcpy(s->digest, "\0\xff\0\x7f", 4);
	memcpy(s->fixed, (int[]){-1, INT_MAX, INT_MIN}, sizeof s->fixed);
	s->words[0] = "one";
	s->words[1] = NULL;
	assert_int_equal(covey_fn_make(&s->fn, twice), 0);
	s->handler = thrice;
	s->tag = (struct tag){"tag", 7};
	s->pair[0] = (struct tag){"left", 1};
	s->pair[1] = (struct tag){"right", 2};
	s->list = &first;
	s->values = values;
	s->n_values = 3;
	s->lines = lines;
	s->n_lines = 3;
	s->tags = tags;
	s->n_tags = 2;
	s->blob = "\0bytes";
	s->n_blob = 6;
	memcpy(s->few, (short[]){1, 2, 3, 4}, sizeof s->few);
	s->n_few = 2;
	s->some[0] = (struct tag){"some", 9};
	s->n_some = 1;
	s->xs = xs;
	s->ys = ys;
	s->n_points = 2;
}

static void every_kind_comes_back(void **state)
{
	sample in, out;
	void *bytes;
	size_t len;

	make_sample(&in);
	assert_int_equal(covey_pack(sample, &in, &bytes, &len), 0);
	assert_int_equal(covey_unpack(sample, bytes, len, &out), 0);
	memset(bytes, 0, len); /* nothing may point into it */
	free(bytes);

	assert_true(out.flag == in.flag && out.letter == in.letter && out.color == in.color);
	assert_true(out.i8 == in.i8 && out.u8 == in.u8 && out.i16 == in.i16 && out.u16 == in.u16);
	assert_true(out.i32 == in.i32 && out.u32 == in.u32 && out.i64 == in.i64);
	assert_true(out.u64 == in.u64 && out.real32 == in.real32 && out.real64 == in.real64);
	assert_string_equal(out.name, in.name);
	assert_null(out.note);
	assert_memory_equal(out.code, in.code, sizeof in.code);
	assert_memory_equal(out.digest, in.digest, sizeof in.digest);
	assert_memory_equal(out.fixed, in.fixed, sizeof in.fixed);
	assert_string_equal(out.words[0], "one");
	assert_null(out.words[1]);
	assert_int_equal(covey_fn_as(int (*)(int), out.fn)(21), 42);
	assert_int_equal(out.handler(5), 15);
	assert_string_equal(out.tag.text, "tag");
	assert_int_equal(out.tag.rank, 7);
	assert_string_equal(out.pair[1].text, "right");
	assert_int_equal(out.pair[1].rank, 2);
	assert_int_equal(out.list->value, 1);
	assert_int_equal(out.list->next->value, 2);
	assert_int_equal(out.list->next->next->value, 3);
	assert_null(out.list->next->next->next);
	assert_int_equal(out.n_values, 3);
	assert_memory_equal(out.values, in.values, 3 * sizeof *in.values);
	assert_int_equal(out.n_lines, 3);
	assert_string_equal(out.lines[0], "first");
	assert_null(out.lines[1]);
	assert_string_equal(out.lines[2], "");
	assert_int_equal(out.n_tags, 2);
	assert_string_equal(out.tags[0].text, "t0");
	assert_null(out.tags[1].text);
	assert_int_equal(out.tags[1].rank, -1);
	assert_int_equal(out.n_blob, 6);
	assert_memory_equal(out.blob, "\0bytes", 6);
	assert_int_equal(out.n_few, 2);
	assert_memory_equal(out.few, ((short[]){1, 2, 0, 0}), sizeof out.few);
	assert_int_equal(out.n_some, 1);
	assert_string_equal(out.some[0].text, "some");
	assert_null(out.some[1].text);
	assert_int_equal(out.n_points, 2);
	assert_memory_equal(out.xs, in.xs, 2 * sizeof *in.xs);
	assert_memory_equal(out.ys, in.ys, 2 * sizeof *in.ys);
	assert_int_equal(out.unlisted, 0);
	covey_free_as(sample, &out);
}

static void zeros_come_back(void **state)
{
	sample in = {.flag = false}, out;
	void *bytes;
	size_t len;

	memset(&out, 0xff, sizeof out);
	assert_int_equal(covey_pack(sample, &in, &bytes, &len), 0);
	assert_int_equal(covey_unpack(sample, bytes, len, &out), 0);
	memset(&in, 0, sizeof in);
	assert_memory_equal(&in, &out, sizeof in);
	free(bytes);
}

static void special_reals_come_back(void **state)
{
	sample in = {.real32 = -INFINITY, .real64 = NAN}, out;
	void *bytes;
	size_t len;

	assert_int_equal(covey_pack(sample, &in, &bytes, &len), 0);
	assert_int_equal(covey_unpack(sample, bytes, len, &out), 0);
	assert_true(out.real32 == -INFINITY && isnan(out.real64));
	free(bytes);
}

static void free_as_is_harmless_again(void **state)
{
	sample in, out;
	void *bytes;
	size_t len;

	make_sample(&in);
	assert_int_equal(covey_pack(sample, &in, &bytes, &len), 0);
	assert_int_equal(covey_unpack(sample, bytes, len, &out), 0);
	free(bytes);
	covey_free_as(sample, &out);
	assert_null(out.name);
	assert_null(out.list);
	assert_null(out.tags);
	assert_null(out.xs);
	assert_null(out.ys);
	assert_null(out.some[0].text);
	assert_int_equal(out.n_tags, 0);
	assert_int_equal(out.n_points, 0);
	assert_int_equal(out.u8, UINT8_MAX);
	covey_free_as(sample, &out);
	covey_free_as(sample, (sample *)NULL);
}

static void a_field_can_be_kept_from_the_free(void **state)
{
	struct tag in = {"kept", 1}, out;
	void *bytes;
	size_t len;
	char *kept;

	assert_int_equal(covey_pack(tag, &in, &bytes, &len), 0);
	assert_int_equal(covey_unpack(tag, bytes, len, &out), 0);
	free(bytes);
	kept = out.text;
	out.text = NULL;
	covey_free_as(tag, &out);
	assert_string_equal(kept, "kept");
	free(kept);
}

/* ---- the wire */

struct chat {
	char *name;
	uint32_t tokens;
};
COVEY_SCHEMA(chat, name, tokens)

static void a_struct_is_a_map_by_names(void **state)
{
	static const char wire[] = "\x82\xa4name\xa3"
				   "ada\xa6tokens\xcd\x01\x2c";
	const struct chat c = {"ada", 300};
	void *bytes;
	size_t len;

	assert_int_equal(covey_pack(chat, &c, &bytes, &len), 0);
	assert_int_equal(len, sizeof wire - 1);
	assert_memory_equal(bytes, wire, len);
	free(bytes);
}

struct shapes {
	bool yes;
	char text[4];
	unsigned char raw[2];
	int numbers[2];
	char *none;
	unsigned char *data;
	size_t len;
	struct chat *chats;
	size_t n;
	float real;
	covey_fn fn;
	int (*handler)(int);
};
COVEY_SCHEMA(shapes, yes, text, raw, numbers, none, COVEY_COUNTED(data, len),
             COVEY_COUNTED_OF(chats, n, chat), real, fn, COVEY_FUNCTION(handler))

static void shapes_look_as_documented(void **state)
{
	static const char head[] = "\x8a\xa3yes\xc3"
				   "\xa4text\xa2hi"
				   "\xa3raw\xc4\x02\x01\x02"
				   "\xa7numbers\x92\xff\x05"
				   "\xa4none\xc0"
				   "\xa4"
				   "data\xc4\x01z"
				   "\xa5"
				   "chats\x91\x82\xa4name\xc0\xa6tokens\x01"
				   "\xa4real\xca\x3f\x80\x00\x00"
				   "\xa2"
				   "fn\xd8\x66";
	struct shapes s = {.yes = true,
	                   .text = "hi",
	                   .raw = {1, 2},
	                   .numbers = {-1, 5},
	                   .data = (unsigned char *)"z",
	                   .len = 1,
	                   .chats = &(struct chat){NULL, 1},
	                   .n = 1,
	                   .real = 1};
	void *bytes;
	size_t len;
	const char *handler;
	uint64_t module;

	assert_int_equal(covey_fn_make(&s.fn, twice), 0);
	assert_int_equal(covey_pack(shapes, &s, &bytes, &len), 0);
	assert_int_equal(len, sizeof head - 1 + 16 + 9);
	assert_memory_equal(bytes, head, sizeof head - 1);
	memcpy(&module, (char *)bytes + sizeof head - 1, sizeof module);
	assert_true(be64toh(module) == s.fn.module);
	handler = (char *)bytes + sizeof head - 1 + 16;
	assert_memory_equal(handler, "\xa7handler\xc0", 9);
	free(bytes);
}

static void unknown_fields_are_skipped_and_missing_ones_zero(void **state)
{
	static const char wire[] =
		"\x83\xa3new\x92\x81\xa1x\x90\xc7\x00\x05\xa6tokens\x05\xa3old\xc0";
	struct chat c = {"before", 1};

	assert_int_equal(covey_unpack(chat, wire, sizeof wire - 1, &c), 0);
	assert_null(c.name);
	assert_int_equal(c.tokens, 5);
	assert_int_equal(covey_unpack(chat, "\x80", 1, &c), 0);
	assert_int_equal(c.tokens, 0);
}

static void integers_of_any_width_are_read(void **state)
{
	static const char wire[] = "\x81\xa6tokens\xd3\x00\x00\x00\x00\x00\x00\x00\x09";
	struct chat c;

	assert_int_equal(covey_unpack(chat, wire, sizeof wire - 1, &c), 0);
	assert_int_equal(c.tokens, 9);
}

static void integers_are_read_as_reals_where_exact(void **state)
{
	static const char wire[] =
		"\x82\xa6real32\xff\xa6real64\xcf\x00\x20\x00\x00\x00\x00\x00\x00";
	sample s;

	assert_int_equal(covey_unpack(sample, wire, sizeof wire - 1, &s), 0);
	assert_true(s.real32 == -1.0f && s.real64 == 0x1p53);
}

static void nil_is_an_empty_array(void **state)
{
	static const char wire[] = "\x82\xa6values\xc0\xa4"
				   "blob\xc0";
	sample s;

	assert_int_equal(covey_unpack(sample, wire, sizeof wire - 1, &s), 0);
	assert_null(s.values);
	assert_null(s.blob);
}

struct __attribute__((packed)) tight {
	char a;
	double b;
	char *c;
	uint16_t n;
	uint64_t *v;
};
COVEY_SCHEMA(tight, a, b, c, COVEY_COUNTED(v, n))

static void packed_structs_travel(void **state)
{
	struct tight in = {'a', 1.5, "see", 1, (uint64_t[]){7}}, out;
	void *bytes;
	size_t len;

	assert_int_equal(covey_pack(tight, &in, &bytes, &len), 0);
	assert_int_equal(covey_unpack(tight, bytes, len, &out), 0);
	free(bytes);
	assert_true(out.b == 1.5 && out.n == 1 && out.v[0] == 7);
	assert_string_equal(out.c, "see");
	covey_free_as(tight, &out);
}

static void large_messages_travel(void **state)
{
	const size_t n = 3 << 20;
	sample in = {.n_blob = (uint32_t)n, .n_values = 100000}, out;
	void *bytes;
	size_t len;

	in.blob = malloc(n);
	in.values = calloc(in.n_values, sizeof *in.values);
	assert_non_null(in.blob);
	assert_non_null(in.values);
	memset(in.blob, 7, n);
	in.values[99999] = 0.5;
	assert_int_equal(covey_pack(sample, &in, &bytes, &len), 0);
	assert_int_equal(covey_unpack(sample, bytes, len, &out), 0);
	free(bytes);
	assert_int_equal(out.n_blob, n);
	assert_memory_equal(out.blob, in.blob, n);
	assert_int_equal(out.n_values, in.n_values);
	assert_true(out.values[99999] == 0.5);
	covey_free_as(sample, &out);
	covey_free_as(sample, &in);
}

static const struct harness_test tests[] = {
	HARNESS_TEST(every_kind_comes_back),
	HARNESS_TEST(zeros_come_back),
	HARNESS_TEST(special_reals_come_back),
	HARNESS_TEST(free_as_is_harmless_again),
	HARNESS_TEST(a_field_can_be_kept_from_the_free),
	HARNESS_TEST(a_struct_is_a_map_by_names),
	HARNESS_TEST(shapes_look_as_documented),
	HARNESS_TEST(unknown_fields_are_skipped_and_missing_ones_zero),
	HARNESS_TEST(integers_of_any_width_are_read),
	HARNESS_TEST(integers_are_read_as_reals_where_exact),
	HARNESS_TEST(nil_is_an_empty_array),
	HARNESS_TEST(packed_structs_travel),
	HARNESS_TEST(large_messages_travel),
};

HARNESS_MAIN(tests)
