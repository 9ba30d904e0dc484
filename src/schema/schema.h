/* SPDX-License-Identifier: MIT */
/*
 * The schema layer: structs to MessagePack and back. It uses base, function
 * values and, in message.c alone, the public calls of queues.
 *
 * Objects are read and written by memcpy, since a struct may be packed.
 */
#ifndef CVY_SCHEMA_H
#define CVY_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include <covey/schema.h>

struct msgpack_object;

/* ---- where in an object we are, for errors (words.c) */

/* A step on the way: a field, or an element where name is NULL. */
struct cvy_path {
	const struct cvy_path *up;
	const char *name;
	size_t index;
};

/* cvy_fail with "chat.items[3].name: " in front. */
int cvy_refuse(const struct cvy_path *path, int error, const char *format, ...) COVEY_PRINTF(3, 4);

/* cvy_fail_in, likewise: in front of this thread's words, with another error. */
int cvy_refuse_because(const struct cvy_path *path, int error);

/* -error: why a field of a kind of handle or pointer does not travel. */
int cvy_refuse_kind(const struct cvy_path *path, int error, enum covey_kind kind);

/* -EBADMSG: "expected a string, found an array of 3". */
int cvy_unexpected(const struct cvy_path *path, const char *expected,
                   const struct msgpack_object *found);

/* ---- fields by their descriptors (fields.c) */

static inline enum covey_kind cvy_kind(uint32_t type)
{
	return (enum covey_kind)(type & 0xff);
}

/* Bytes of one element of a field. */
static inline size_t cvy_element_size(const covey_field *field)
{
	return field->schema ? field->schema->size : field->type >> 8;
}

/* Elements that a field has room for in the struct itself. */
static inline size_t cvy_room(const covey_field *field)
{
	return field->size / cvy_element_size(field);
}

static inline bool cvy_travels(enum covey_kind kind)
{
	return kind >= COVEY_KIND_BOOL && kind <= COVEY_KIND_NESTED;
}

static inline void *cvy_load_pointer(const void *at)
{
	void *pointer;

	__builtin_memcpy(&pointer, at, sizeof pointer);
	return pointer;
}

static inline void cvy_store_pointer(void *at, const void *pointer)
{
	__builtin_memcpy(at, &pointer, sizeof pointer);
}

int64_t cvy_load_int(const void *at, size_t size);
uint64_t cvy_load_uint(const void *at, size_t size);
/* Of 1, 2, 4 or 8 bytes; the value must be in range. */
void cvy_store_uint(void *at, size_t size, uint64_t value);

/* The greatest value of an integer type, and the least of a signed one. */
static inline uint64_t cvy_max(uint32_t type)
{
	return UINT64_MAX >> (64 - 8 * (type >> 8) + (cvy_kind(type) == COVEY_KIND_INT));
}

static inline int64_t cvy_min(uint32_t type)
{
	return -(int64_t)cvy_max(type) - 1;
}

/* The count that belongs to a field; a negative one is 0. */
uint64_t cvy_load_count(const covey_field *field, const void *object);

/* -EINVAL where the library cannot work with a schema. Not for those nested in it. */
int cvy_schema_check(const covey_schema *schema, const struct cvy_path *path);

/* ---- MessagePack (scan.c, scalar.c) */

/*
 * Proves that bytes are exactly one well-formed value, nested no deeper than
 * COVEY_SCHEMA_DEPTH, with every length within them; else -EBADMSG.
 */
int cvy_scan(const struct cvy_path *path, const void *bytes, size_t len);

/*
 * A parsed value to one element of a field, at `at`, which is zero: of any kind
 * but text, bytes and nested structs. -EBADMSG where it does not fit; -ENOMEM.
 */
int cvy_decode_scalar(const covey_field *field, const struct msgpack_object *value, char *at,
                      const struct cvy_path *path);

/* A string to a char[room], which is zero. */
int cvy_decode_text(const struct msgpack_object *value, char *at, size_t room,
                    const struct cvy_path *path);

#endif
