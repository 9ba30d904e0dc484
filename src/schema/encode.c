/* SPDX-License-Identifier: MIT */
/*
 * An object to MessagePack. Everything is packed into a buffer before anyone
 * sees a byte of it, so that a refusal leaves nothing half sent.
 */
#include "base/base.h"
#include "schema/schema.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

struct encoder {
	msgpack_packer packer;
	msgpack_sbuffer buffer;
	unsigned int depth; /* maps and arrays around */
	bool no_memory;     /* a write failed: all after it is in vain */
};

static int encode_struct(struct encoder *e, const covey_schema *schema, const char *object,
                         const struct cvy_path *path);

static void packed(struct encoder *e, int rc)
{
	if (rc != 0)
		e->no_memory = true;
}

/* Goes one map or array deeper; to be taken back by e->depth--. */
static int enter(struct encoder *e, const struct cvy_path *path)
{
	if (e->no_memory)
		return cvy_refuse(path, ENOMEM, "no memory for a message of over %zu bytes",
		                  e->buffer.size);
	if (e->depth == COVEY_SCHEMA_DEPTH)
		return cvy_refuse(path, EINVAL, "nested deeper than %d levels, or in itself",
		                  COVEY_SCHEMA_DEPTH);
	e->depth++;
	return 0;
}

static int check_length(const struct cvy_path *path, uint64_t n, const char *units)
{
	if (n <= UINT32_MAX)
		return 0;
	return cvy_refuse(path, EMSGSIZE, "%llu %s, over MessagePack's %u", (unsigned long long)n,
	                  units, UINT32_MAX);
}

static int encode_string(struct encoder *e, const char *text, size_t len,
                         const struct cvy_path *path)
{
	int rc = check_length(path, len, "bytes");

	if (rc < 0)
		return rc;
	packed(e, msgpack_pack_str(&e->packer, len));
	packed(e, msgpack_pack_str_body(&e->packer, text, len));
	return 0;
}

static int encode_bytes(struct encoder *e, const char *bytes, uint64_t len,
                        const struct cvy_path *path)
{
	int rc = check_length(path, len, "bytes");

	if (rc < 0)
		return rc;
	packed(e, msgpack_pack_bin(&e->packer, len));
	packed(e, msgpack_pack_bin_body(&e->packer, len ? bytes : "", len));
	return 0;
}

static void encode_fn(struct encoder *e, covey_fn fn)
{
	uint64_t wire[2] = {htobe64(fn.module), htobe64(fn.offset)};

	packed(e, msgpack_pack_ext(&e->packer, sizeof wire, COVEY_SCHEMA_EXT_FN));
	packed(e, msgpack_pack_ext_body(&e->packer, wire, sizeof wire));
}

/* One element, of any kind but text, which is always a field of its own. */
static int encode_value(struct encoder *e, const covey_field *field, const char *at,
                        const struct cvy_path *path)
{
	size_t size = cvy_element_size(field);
	const char *text;
	covey_fn fn;
	double real;
	float small;

	switch (cvy_kind(field->type)) {
	case COVEY_KIND_BOOL:
		packed(e, cvy_load_uint(at, size) ? msgpack_pack_true(&e->packer)
		                                  : msgpack_pack_false(&e->packer));
		return 0;
	case COVEY_KIND_INT:
		packed(e, msgpack_pack_int64(&e->packer, cvy_load_int(at, size)));
		return 0;
	case COVEY_KIND_UINT:
		packed(e, msgpack_pack_uint64(&e->packer, cvy_load_uint(at, size)));
		return 0;
	case COVEY_KIND_REAL:
		if (size == sizeof small) {
			memcpy(&small, at, sizeof small);
			packed(e, msgpack_pack_float(&e->packer, small));
		} else {
			memcpy(&real, at, sizeof real);
			packed(e, msgpack_pack_double(&e->packer, real));
		}
		return 0;
	case COVEY_KIND_STRING:
		text = cvy_load_pointer(at);
		if (text)
			return encode_string(e, text, strlen(text), path);
		packed(e, msgpack_pack_nil(&e->packer));
		return 0;
	case COVEY_KIND_FN:
		memcpy(&fn, at, sizeof fn);
		if (fn.module == 0 && fn.offset == 0)
			packed(e, msgpack_pack_nil(&e->packer));
		else if (!covey_fn_pointer(fn))
			return cvy_refuse_because(path, EINVAL);
		else
			encode_fn(e, fn);
		return 0;
	case COVEY_KIND_FUNCTION:
		if (!cvy_load_pointer(at)) {
			packed(e, msgpack_pack_nil(&e->packer));
			return 0;
		}
		if (covey_fn_make(&fn, (covey_function *)cvy_load_pointer(at)) < 0)
			return cvy_refuse_because(path, EINVAL);
		encode_fn(e, fn);
		return 0;
	case COVEY_KIND_NESTED:
		return encode_struct(e, field->schema, at, path);
	default:
		return cvy_refuse_kind(path, EINVAL, cvy_kind(field->type));
	}
}

static int encode_array(struct encoder *e, const covey_field *field, const char *elements,
                        uint64_t n, const struct cvy_path *path)
{
	size_t size = cvy_element_size(field);
	int rc = check_length(path, n, "elements");

	if (rc == 0)
		rc = enter(e, path);
	if (rc < 0)
		return rc;
	packed(e, msgpack_pack_array(&e->packer, n));
	for (uint64_t i = 0; i < n && rc == 0 && !e->no_memory; i++)
		rc = encode_value(e, field, elements + i * size,
		                  &(struct cvy_path){.up = path, .index = i});
	e->depth--;
	return rc;
}

static int encode_text(struct encoder *e, const covey_field *field, const char *at,
                       const struct cvy_path *path)
{
	size_t len = strnlen(at, field->size);

	if (len == field->size)
		return cvy_refuse(path, EINVAL, "all %zu bytes are used, and none is its end, zero",
		                  len);
	return encode_string(e, at, len, path);
}

/* A field whose elements something else counts. */
static int encode_counted(struct encoder *e, const covey_field *field, const char *object,
                          const struct cvy_path *path)
{
	const char *at = object + field->offset;
	const char *elements = field->shape == COVEY_SHAPE_COUNTED ? cvy_load_pointer(at) : at;
	const char *count_at = object + field->count_offset;
	uint64_t n = cvy_load_count(field, object);

	if (cvy_kind(field->count_type) == COVEY_KIND_INT &&
	    cvy_load_int(count_at, field->count_type >> 8) < 0)
		return cvy_refuse(path, EINVAL, "its count is %lld",
		                  (long long)cvy_load_int(count_at, field->count_type >> 8));
	if (field->shape == COVEY_SHAPE_BOUNDED && n > cvy_room(field))
		return cvy_refuse(path, EINVAL, "its count is %llu, over the %zu that it can hold",
		                  (unsigned long long)n, cvy_room(field));
	if (!elements && n > 0)
		return cvy_refuse(path, EINVAL, "NULL, and its count is %llu",
		                  (unsigned long long)n);
	if (cvy_kind(field->type) == COVEY_KIND_BYTE)
		return encode_bytes(e, elements, n, path);
	return encode_array(e, field, elements, n, path);
}

static int encode_field(struct encoder *e, const covey_field *field, const char *object,
                        const struct cvy_path *path)
{
	const char *at = object + field->offset;
	int rc;

	if (!cvy_travels(cvy_kind(field->type)))
		return cvy_refuse_kind(path, EINVAL, cvy_kind(field->type));
	if (field->schema && (rc = cvy_schema_check(field->schema, path)) < 0)
		return rc;
	switch ((enum covey_shape)field->shape) {
	case COVEY_SHAPE_ONE:
		return encode_value(e, field, at, path);
	case COVEY_SHAPE_FIXED:
		if (cvy_kind(field->type) == COVEY_KIND_TEXT)
			return encode_text(e, field, at, path);
		if (cvy_kind(field->type) == COVEY_KIND_BYTE)
			return encode_bytes(e, at, field->size, path);
		return encode_array(e, field, at, cvy_room(field), path);
	case COVEY_SHAPE_BOUNDED:
	case COVEY_SHAPE_COUNTED:
		return encode_counted(e, field, object, path);
	case COVEY_SHAPE_POINTER:
		at = cvy_load_pointer(at);
		if (at)
			return encode_struct(e, field->schema, at, path);
		packed(e, msgpack_pack_nil(&e->packer));
		return 0;
	}
	return cvy_refuse(path, EINVAL, "its shape, %u, is unknown", field->shape);
}

static int encode_struct(struct encoder *e, const covey_schema *schema, const char *object,
                         const struct cvy_path *path)
{
	int rc = enter(e, path);

	if (rc < 0)
		return rc;
	packed(e, msgpack_pack_map(&e->packer, schema->count));
	for (uint32_t i = 0; i < schema->count && rc == 0; i++) {
		const covey_field *field = &schema->fields[i];
		const struct cvy_path here = {.up = path, .name = field->name};

		rc = encode_string(e, field->name, strlen(field->name), &here);
		if (rc == 0)
			rc = encode_field(e, field, object, &here);
	}
	e->depth--;
	return rc;
}

int covey_schema_pack(const covey_schema *schema, const void *object, void **bytes, size_t *len)
{
	const struct cvy_path root = {.name = schema->name};
	struct encoder e = {.depth = 0};
	int rc;

	if (!object)
		return cvy_refuse(&root, EINVAL, "the object to pack is NULL");
	rc = cvy_schema_check(schema, &root);
	if (rc < 0)
		return rc;
	msgpack_sbuffer_init(&e.buffer);
	msgpack_packer_init(&e.packer, &e.buffer, msgpack_sbuffer_write);
	rc = encode_struct(&e, schema, object, &root);
	if (rc == 0 && e.no_memory)
		rc = cvy_refuse(&root, ENOMEM, "no memory for a message of over %zu bytes",
		                e.buffer.size);
	if (rc < 0) {
		msgpack_sbuffer_destroy(&e.buffer);
		return rc;
	}
	*len = e.buffer.size;
	*bytes = msgpack_sbuffer_release(&e.buffer);
	return 0;
}
