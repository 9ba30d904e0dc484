/* SPDX-License-Identifier: MIT */
/* Fields of objects by their descriptors: integers, counts, and freeing all. */
#include "base/base.h"
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

uint64_t cvy_load_uint(const void *at, size_t size)
{
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (size) {
	case 1:
		memcpy(&u8, at, sizeof u8);
		return u8;
	case 2:
		memcpy(&u16, at, sizeof u16);
		return u16;
	case 4:
		memcpy(&u32, at, sizeof u32);
		return u32;
	default:
		memcpy(&u64, at, sizeof u64);
		return u64;
	}
}

int64_t cvy_load_int(const void *at, size_t size)
{
	uint64_t bits = cvy_load_uint(at, size);

	switch (size) {
	case 1:
		return (int8_t)bits;
	case 2:
		return (int16_t)bits;
	case 4:
		return (int32_t)bits;
	default:
		return (int64_t)bits;
	}
}

void cvy_store_uint(void *at, size_t size, uint64_t value)
{
	uint8_t u8 = (uint8_t)value;
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (size) {
	case 1:
		memcpy(at, &u8, sizeof u8);
		break;
	case 2:
		memcpy(at, &u16, sizeof u16);
		break;
	case 4:
		memcpy(at, &u32, sizeof u32);
		break;
	default:
		memcpy(at, &value, sizeof value);
		break;
	}
}

uint64_t cvy_load_count(const covey_field *field, const void *object)
{
	const char *at = (const char *)object + field->count_offset;
	size_t size = field->count_type >> 8;

	if (cvy_kind(field->count_type) == COVEY_KIND_INT && cvy_load_int(at, size) < 0)
		return 0;
	return cvy_load_uint(at, size);
}

int cvy_schema_check(const covey_schema *schema, const struct cvy_path *path)
{
	if (schema->version != COVEY_SCHEMA_VERSION)
		return cvy_refuse(path, EINVAL,
		                  "its schema is of version %u, covey %s knows version %d",
		                  schema->version, covey_version(), COVEY_SCHEMA_VERSION);
	if (schema->count > COVEY_SCHEMA_FIELDS)
		return cvy_refuse(path, EINVAL, "its schema has %u fields, %d are allowed",
		                  schema->count, COVEY_SCHEMA_FIELDS);
	/* A count that a message could set apart from its array would free what is not there. */
	for (uint32_t i = 0; i < schema->count; i++) {
		const covey_field *counted = &schema->fields[i];

		for (uint32_t j = 0; counted->count_type && j < schema->count; j++) {
			const covey_field *other = &schema->fields[j];

			if (counted->count_offset - other->offset < other->size)
				return cvy_refuse(
					path, EINVAL,
					"field '%s' is, or holds, the count of '%s', "
					"which travels with it: take it out of the schema",
					other->name, counted->name);
		}
	}
	return 0;
}

static void free_field(const covey_field *field, void *object)
{
	enum covey_kind kind = cvy_kind(field->type);
	char *at = (char *)object + field->offset;
	char *elements = at;
	uint64_t n = 1;

	switch ((enum covey_shape)field->shape) {
	case COVEY_SHAPE_ONE:
		break;
	case COVEY_SHAPE_FIXED:
		n = cvy_room(field);
		break;
	case COVEY_SHAPE_BOUNDED:
		n = cvy_load_count(field, object);
		if (n > cvy_room(field))
			n = cvy_room(field);
		break;
	case COVEY_SHAPE_COUNTED:
		elements = cvy_load_pointer(at);
		n = elements ? cvy_load_count(field, object) : 0;
		break;
	case COVEY_SHAPE_POINTER:
		elements = cvy_load_pointer(at);
		n = elements ? 1 : 0;
		break;
	}
	for (uint64_t i = 0; i < n && kind == COVEY_KIND_NESTED; i++)
		covey_schema_free(field->schema, elements + i * field->schema->size);
	for (uint64_t i = 0; i < n && kind == COVEY_KIND_STRING; i++) {
		free(cvy_load_pointer(elements + i * sizeof(char *)));
		cvy_store_pointer(elements + i * sizeof(char *), NULL);
	}
	if (field->shape == COVEY_SHAPE_COUNTED || field->shape == COVEY_SHAPE_POINTER) {
		free(elements);
		cvy_store_pointer(at, NULL);
	}
}

void covey_schema_free(const covey_schema *schema, void *object)
{
	if (!object || schema->version != COVEY_SCHEMA_VERSION)
		return;
	for (uint32_t i = 0; i < schema->count; i++)
		free_field(&schema->fields[i], object);
	/* Only now: arrays may share a count. */
	for (uint32_t i = 0; i < schema->count; i++)
		if (schema->fields[i].count_type)
			cvy_store_uint((char *)object + schema->fields[i].count_offset,
			               schema->fields[i].count_type >> 8, 0);
}
