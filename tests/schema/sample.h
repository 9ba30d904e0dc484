/* SPDX-License-Identifier: MIT */
/* One struct with a field of each kind and shape, for tests and for the fuzzer. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include <covey/schema.h>

enum color { COLOR_RED, COLOR_BLUE = 70000 };

struct tag {
	char *text;
	int32_t rank;
};
COVEY_SCHEMA(tag, text, rank)

struct node {
	int value;
	struct node *next;
};
COVEY_SCHEMA(node, value, COVEY_NESTED(next, node))

typedef struct sample {
	bool flag;
	char letter;
	int8_t i8;
	uint8_t u8;
	int16_t i16;
	uint16_t u16;
	int32_t i32;
	uint32_t u32;
	long i64;
	unsigned long long u64;
	enum color color;
	float real32;
	double real64;
	char *name;
	const char *note;
	char code[8];
	unsigned char digest[4];
	int fixed[3];
	char *words[2];
	covey_fn fn;
	int (*handler)(int);
	struct tag tag;
	struct tag pair[2];
	struct node *list;
	double *values;
	size_t n_values;
	char **lines;
	int8_t n_lines;
	struct tag *tags;
	uint16_t n_tags;
	void *blob;
	uint32_t n_blob;
	short few[4];
	uint8_t n_few;
	struct tag some[3];
	int n_some;
	int *xs, *ys;
	unsigned int n_points;
	int unlisted;
} sample;

COVEY_SCHEMA_OF(sample, sample, flag, letter, i8, u8, i16, u16, i32, u32, i64, u64, color, real32,
                real64, name, note, code, digest, fixed, words, fn, COVEY_FUNCTION(handler),
                COVEY_NESTED(tag, tag), COVEY_NESTED(pair, tag), COVEY_NESTED(list, node),
                COVEY_COUNTED(values, n_values), COVEY_COUNTED(lines, n_lines),
                COVEY_COUNTED_OF(tags, n_tags, tag), COVEY_BYTES(blob, n_blob),
                COVEY_COUNTED(few, n_few), COVEY_COUNTED_OF(some, n_some, tag),
                COVEY_COUNTED(xs, n_points), COVEY_COUNTED(ys, n_points))

#endif
