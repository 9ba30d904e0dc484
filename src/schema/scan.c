/* SPDX-License-Identifier: MIT */
/*
 * One pass over bytes of unknown origin before msgpack-c sees them: it allocates
 * what a length prefix asks for, whatever is really there, adds 1 to the length
 * of an extension in 32 bits, and answers "no memory" for what lies too deep.
 * After this pass an array has no more elements than the message has bytes.
 */
#include "base/base.h"
#include "schema/schema.h"

enum form {
	RESERVED,
	PLAIN,  /* a value of a fixed size */
	STRING, /* these have a length: */
	BINARY,
	EXTENSION, /* and a byte for its type */
	ARRAY,
	MAP,
};

/* The first bytes 0xc0 to 0xdf: the form, and bytes of the value, or of its length. */
static const struct {
	uint8_t form;
	uint8_t bytes;
} firsts[32] =
	{
		/* clang-format off */
	{PLAIN, 0}, {RESERVED, 0}, {PLAIN, 0}, {PLAIN, 0}, /* nil, -, false, true */
	{BINARY, 1}, {BINARY, 2}, {BINARY, 4},
	{EXTENSION, 1}, {EXTENSION, 2}, {EXTENSION, 4},
	{PLAIN, 4}, {PLAIN, 8},                            /* float, double */
	{PLAIN, 1}, {PLAIN, 2}, {PLAIN, 4}, {PLAIN, 8},    /* unsigned */
	{PLAIN, 1}, {PLAIN, 2}, {PLAIN, 4}, {PLAIN, 8},    /* signed */
	{PLAIN, 2}, {PLAIN, 3}, {PLAIN, 5}, {PLAIN, 9}, {PLAIN, 17}, /* extensions of 1 to 16 */
	{STRING, 1}, {STRING, 2}, {STRING, 4},
	{ARRAY, 2}, {ARRAY, 4},
	{MAP, 2}, {MAP, 4},
		/* clang-format on */
};

static const char *const names[] = {
	[PLAIN] = "a value",          [STRING] = "a string", [BINARY] = "a binary",
	[EXTENSION] = "an extension", [ARRAY] = "an array",  [MAP] = "a map",
};

struct head {
	enum form form;
	size_t size;    /* of the head itself */
	uint64_t units; /* bytes that follow, or elements of an array, entries of a map */
};

/* Reads the head of a value; false where the bytes, at least one, end inside it. */
static bool read_head(const uint8_t *at, size_t left, struct head *head)
{
	uint8_t first = at[0];
	uint8_t bytes;

	*head = (struct head){.form = PLAIN, .size = 1};
	if (first <= 0x7f || first >= 0xe0)
		return true;
	if (first <= 0x8f) {
		head->form = MAP;
		head->units = first & 0x0f;
		return true;
	}
	if (first <= 0x9f) {
		head->form = ARRAY;
		head->units = first & 0x0f;
		return true;
	}
	if (first <= 0xbf) {
		head->form = STRING;
		head->units = first & 0x1f;
		return true;
	}
	head->form = firsts[first - 0xc0].form;
	bytes = firsts[first - 0xc0].bytes;
	if (head->form == PLAIN || head->form == RESERVED) {
		head->units = bytes;
		return true;
	}
	head->size += bytes;
	if (head->size > left)
		return false;
	for (uint8_t i = 1; i <= bytes; i++)
		head->units = head->units << 8 | at[i];
	if (head->form == EXTENSION)
		head->units++;
	return true;
}

int cvy_scan(const struct cvy_path *path, const void *bytes, size_t len)
{
	const uint8_t *data = bytes;
	uint64_t open[COVEY_SCHEMA_DEPTH]; /* values still to come, of each array or map around */
	unsigned int depth = 0;
	size_t at = 0;
	struct head head;

	do {
		if (at == len)
			return cvy_refuse(path, EBADMSG, "the message ends at byte %zu, too early",
			                  at);
		if (!read_head(data + at, len - at, &head))
			return cvy_refuse(path, EBADMSG,
			                  "byte %zu: the message ends inside the length of %s", at,
			                  names[head.form]);
		if (head.form == RESERVED)
			return cvy_refuse(path, EBADMSG, "byte %zu: 0xc1 is no MessagePack", at);
		if (head.units > len - at - head.size || head.units > UINT32_MAX)
			return cvy_refuse(path, EBADMSG, "byte %zu: %s of %llu, and %zu bytes left",
			                  at, names[head.form], (unsigned long long)head.units,
			                  len - at - head.size);
		at += head.size;
		if (depth > 0)
			open[depth - 1]--;
		if (head.form == ARRAY || head.form == MAP) {
			if (depth == COVEY_SCHEMA_DEPTH)
				return cvy_refuse(path, EBADMSG,
				                  "byte %zu: nested deeper than %d levels",
				                  at - head.size, COVEY_SCHEMA_DEPTH);
			open[depth++] = head.form == MAP ? 2 * head.units : head.units;
		} else {
			at += head.units;
		}
		while (depth > 0 && open[depth - 1] == 0)
			depth--;
	} while (depth > 0);
	if (at != len)
		return cvy_refuse(path, EBADMSG, "%zu bytes follow its end at byte %zu", len - at,
		                  at);
	return 0;
}
