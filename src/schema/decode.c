/* SPDX-License-Identifier: MIT */
/*
 * MessagePack to an object. The bytes may come from anyone: cvy_scan has proved
 * their structure before msgpack-c parses them, and here each value is checked
 * against its field.
 *
 * At any moment the object under construction can be freed by its schema: an
 * array's pointer and count are set before its elements are read, and memory
 * starts as zero. The caller's object is written once all is well.
 */
#include "base/base.h"
#include "schema/schema.h"

#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

static int decode_struct(const covey_schema *schema, const msgpack_object *value, char *object,
                         const struct cvy_path *path);

static int allocate(void **memory, size_t n, size_t size, const struct cvy_path *path)
{
	*memory = calloc(n, size);
	if (!*memory)
		return cvy_refuse(path, ENOMEM, "no memory for %zu times %zu bytes", n, size);
	return 0;
}

/* One element; at is zero. */
static int decode_value(const covey_field *field, const msgpack_object *value, char *at,
                        const struct cvy_path *path)
{
	if (cvy_kind(field->type) == COVEY_KIND_NESTED)
		return decode_struct(field->schema, value, at, path);
	return cvy_decode_scalar(field, value, at, path);
}

static int decode_elements(const covey_field *field, const msgpack_object_array *array,
                           char *elements, const struct cvy_path *path)
{
	int rc = 0;

	for (uint32_t i = 0; i < array->size && rc == 0; i++)
		rc = decode_value(field, &array->ptr[i], elements + i * cvy_element_size(field),
		                  &(struct cvy_path){.up = path, .index = i});
	return rc;
}

static int decode_fixed(const covey_field *field, const msgpack_object *value, char *at,
                        const struct cvy_path *path)
{
	switch (cvy_kind(field->type)) {
	case COVEY_KIND_TEXT:
		return cvy_decode_text(value, at, field->size, path);
	case COVEY_KIND_BYTE:
		if (value->type != MSGPACK_OBJECT_BIN)
			return cvy_unexpected(path, "a binary", value);
		if (value->via.bin.size != field->size)
			return cvy_refuse(path, EBADMSG, "expected %zu bytes, found %u",
			                  field->size, value->via.bin.size);
		memcpy(at, value->via.bin.ptr, field->size);
		return 0;
	default:
		if (value->type != MSGPACK_OBJECT_ARRAY)
			return cvy_unexpected(path, "an array", value);
		if (value->via.array.size != cvy_room(field))
			return cvy_refuse(path, EBADMSG,
			                  "expected an array of %zu, found one of %u",
			                  cvy_room(field), value->via.array.size);
		return decode_elements(field, &value->via.array, at, path);
	}
}

/*
 * Sets the count of a field, which other fields may share: the first that is
 * there sets it, the others must agree.
 */
static int decode_count(const covey_schema *schema, const covey_field *field, uint64_t seen,
                        uint32_t n, char *object, const struct cvy_path *path)
{
	for (uint32_t i = 0; i < schema->count; i++) {
		const covey_field *other = &schema->fields[i];

		if (seen >> i & 1 && other != field && other->count_type &&
		    other->count_offset == field->count_offset &&
		    cvy_load_count(field, object) != n)
			return cvy_refuse(
				path, EBADMSG, "expected as many as '%s' has, %llu, found %u",
				other->name, (unsigned long long)cvy_load_count(field, object), n);
	}
	if (n > cvy_max(field->count_type))
		return cvy_refuse(path, EBADMSG, "expected at most %llu elements, found %u",
		                  (unsigned long long)cvy_max(field->count_type), n);
	if (field->shape == COVEY_SHAPE_BOUNDED && n > cvy_room(field))
		return cvy_refuse(path, EBADMSG, "expected at most %zu elements, found %u",
		                  cvy_room(field), n);
	cvy_store_uint(object + field->count_offset, field->count_type >> 8, n);
	return 0;
}

static int decode_counted(const covey_schema *schema, const covey_field *field, uint64_t seen,
                          const msgpack_object *value, char *object, const struct cvy_path *path)
{
	bool is_bytes = cvy_kind(field->type) == COVEY_KIND_BYTE;
	char *at = object + field->offset;
	uint32_t n;
	void *elements = at;
	int rc;

	if (value->type == MSGPACK_OBJECT_NIL && field->shape == COVEY_SHAPE_COUNTED)
		n = 0;
	else if (is_bytes && value->type == MSGPACK_OBJECT_BIN)
		n = value->via.bin.size;
	else if (!is_bytes && value->type == MSGPACK_OBJECT_ARRAY)
		n = value->via.array.size;
	else
		return cvy_unexpected(path, is_bytes ? "a binary" : "an array", value);
	rc = decode_count(schema, field, seen, n, object, path);
	if (rc < 0 || n == 0)
		return rc;
	if (field->shape == COVEY_SHAPE_COUNTED) {
		rc = allocate(&elements, n, cvy_element_size(field), path);
		if (rc < 0)
			return rc;
		cvy_store_pointer(at, elements);
	}
	if (!is_bytes)
		return decode_elements(field, &value->via.array, elements, path);
	memcpy(elements, value->via.bin.ptr, n);
	return 0;
}

static int decode_pointer(const covey_field *field, const msgpack_object *value, char *at,
                          const struct cvy_path *path)
{
	void *object;
	int rc;

	if (value->type == MSGPACK_OBJECT_NIL)
		return 0;
	rc = allocate(&object, 1, cvy_element_size(field), path);
	if (rc < 0)
		return rc;
	cvy_store_pointer(at, object);
	return decode_struct(field->schema, value, object, path);
}

static int decode_field(const covey_schema *schema, const covey_field *field, uint64_t seen,
                        const msgpack_object *value, char *object, const struct cvy_path *path)
{
	int rc;

	if (!cvy_travels(cvy_kind(field->type)))
		return cvy_refuse_kind(path, EBADMSG, cvy_kind(field->type));
	if (field->schema && (rc = cvy_schema_check(field->schema, path)) < 0)
		return rc;
	switch ((enum covey_shape)field->shape) {
	case COVEY_SHAPE_ONE:
		return decode_value(field, value, object + field->offset, path);
	case COVEY_SHAPE_FIXED:
		return decode_fixed(field, value, object + field->offset, path);
	case COVEY_SHAPE_BOUNDED:
	case COVEY_SHAPE_COUNTED:
		return decode_counted(schema, field, seen, value, object, path);
	case COVEY_SHAPE_POINTER:
		return decode_pointer(field, value, object + field->offset, path);
	}
	return cvy_refuse(path, EINVAL, "its shape, %u, is unknown", field->shape);
}

/* The index of the field of that name, schema->count for none; looks at `likely` first. */
static uint32_t find_field(const covey_schema *schema, const msgpack_object_str *key,
                           uint32_t likely)
{
	for (uint32_t k = 0; k < schema->count; k++) {
		uint32_t i = (likely + k) % schema->count;
		const char *name = schema->fields[i].name;

		if (strlen(name) == key->size && memcmp(name, key->ptr, key->size) == 0)
			return i;
	}
	return schema->count;
}

static int decode_struct(const covey_schema *schema, const msgpack_object *value, char *object,
                         const struct cvy_path *path)
{
	uint64_t seen = 0;
	uint32_t likely = 0;

	if (value->type != MSGPACK_OBJECT_MAP)
		return cvy_unexpected(path, "a map", value);
	for (uint32_t i = 0; i < value->via.map.size; i++) {
		const msgpack_object_kv *entry = &value->via.map.ptr[i];
		uint32_t at;
		struct cvy_path here;
		int rc;

		if (entry->key.type != MSGPACK_OBJECT_STR)
			return cvy_unexpected(path, "a field's name", &entry->key);
		at = find_field(schema, &entry->key.via.str, likely);
		if (at == schema->count)
			continue;
		here = (struct cvy_path){.up = path, .name = schema->fields[at].name};
		if (seen >> at & 1)
			return cvy_refuse(&here, EBADMSG, "the field is given twice");
		rc = decode_field(schema, &schema->fields[at], seen, &entry->val, object, &here);
		if (rc < 0)
			return rc;
		seen |= UINT64_C(1) << at;
		likely = at + 1;
	}
	for (uint32_t i = 0; i < schema->count; i++) {
		const covey_field *field = &schema->fields[i];

		if (field->count_type && !(seen >> i & 1) && cvy_load_count(field, object) > 0)
			return cvy_refuse(
				&(struct cvy_path){.up = path, .name = field->name}, EBADMSG,
				"missing, where %llu elements were expected, as of others",
				(unsigned long long)cvy_load_count(field, object));
	}
	return 0;
}

static int decode(const covey_schema *schema, const msgpack_object *value, void *object,
                  const struct cvy_path *root)
{
	void *made;
	int rc = allocate(&made, 1, schema->size, root);

	if (rc < 0)
		return rc;
	rc = decode_struct(schema, value, made, root);
	if (rc == 0)
		memcpy(object, made, schema->size);
	else
		covey_schema_free(schema, made);
	free(made);
	return rc;
}

int covey_schema_unpack(const covey_schema *schema, const void *bytes, size_t len, void *object)
{
	const struct cvy_path root = {.name = schema->name};
	msgpack_unpacked unpacked;
	size_t parsed = 0;
	int rc;

	if (!object || (!bytes && len))
		return cvy_refuse(&root, EINVAL, "the %s NULL",
		                  object ? "bytes to unpack are" : "object to unpack into is");
	rc = cvy_schema_check(schema, &root);
	if (rc == 0)
		rc = cvy_scan(&root, bytes, len);
	if (rc < 0)
		return rc;
	msgpack_unpacked_init(&unpacked);
	switch (msgpack_unpack_next(&unpacked, bytes, len, &parsed)) {
	case MSGPACK_UNPACK_SUCCESS:
		rc = decode(schema, &unpacked.data, object, &root);
		break;
	case MSGPACK_UNPACK_NOMEM_ERROR:
		rc = cvy_refuse(&root, ENOMEM, "no memory to parse %zu bytes", len);
		break;
	default:
		rc = cvy_refuse(&root, EBADMSG, "msgpack-c does not parse it at byte %zu", parsed);
		break;
	}
	msgpack_unpacked_destroy(&unpacked);
	return rc;
}
