/* SPDX-License-Identifier: MIT */
/* Single values of MessagePack, each checked against the field that it is for. */
#include "base/base.h"
#include "schema/schema.h"

#include <endian.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

static int decode_integer(uint32_t type, const msgpack_object *value, char *at,
                          const struct cvy_path *path)
{
	bool is_signed = cvy_kind(type) == COVEY_KIND_INT;
	uint64_t bits;

	if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= cvy_max(type)) {
		bits = value->via.u64;
	} else if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && is_signed &&
	           value->via.i64 >= cvy_min(type)) {
		bits = (uint64_t)value->via.i64;
	} else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ||
	           value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
		char range[80];

		snprintf(range, sizeof range, "an integer from %lld to %llu",
		         is_signed ? (long long)cvy_min(type) : 0,
		         (unsigned long long)cvy_max(type));
		return cvy_unexpected(path, range, value);
	} else {
		return cvy_unexpected(path, "an integer", value);
	}
	cvy_store_uint(at, type >> 8, bits);
	return 0;
}

static int decode_real(size_t size, const msgpack_object *value, char *at,
                       const struct cvy_path *path)
{
	uint64_t exact = UINT64_C(1) << (size == sizeof(float) ? FLT_MANT_DIG : DBL_MANT_DIG);
	double real;
	float small;

	switch (value->type) {
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		real = value->via.f64;
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		if (value->via.u64 > exact)
			return cvy_unexpected(path, "a float, or an integer exact as such", value);
		real = (double)value->via.u64;
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		if (value->via.i64 < -(int64_t)exact)
			return cvy_unexpected(path, "a float, or an integer exact as such", value);
		real = (double)value->via.i64;
		break;
	default:
		return cvy_unexpected(path, "a float", value);
	}
	if (size == sizeof real) {
		memcpy(at, &real, sizeof real);
		return 0;
	}
	if (isfinite(real) && fabs(real) > FLT_MAX)
		return cvy_unexpected(path, "a float of 4 bytes", value);
	small = (float)real;
	memcpy(at, &small, sizeof small);
	return 0;
}

/* That a value is a string without zero bytes, and fits into room with one. */
static int check_text(const msgpack_object *value, size_t room, const struct cvy_path *path)
{
	const char *text = value->via.str.ptr;
	const char *zero;

	if (value->type != MSGPACK_OBJECT_STR)
		return cvy_unexpected(path, "a string", value);
	if (value->via.str.size >= room)
		return cvy_refuse(path, EBADMSG,
		                  "expected a string of less than %zu bytes, found one of %u", room,
		                  value->via.str.size);
	zero = value->via.str.size ? memchr(text, 0, value->via.str.size) : NULL;
	if (zero)
		return cvy_refuse(path, EBADMSG,
		                  "expected a string without zero bytes, found one at byte %zu",
		                  (size_t)(zero - text));
	return 0;
}

int cvy_decode_text(const msgpack_object *value, char *at, size_t room, const struct cvy_path *path)
{
	int rc = check_text(value, room, path);

	if (rc == 0 && value->via.str.size)
		memcpy(at, value->via.str.ptr, value->via.str.size);
	return rc;
}

static int decode_string(const msgpack_object *value, char *at, const struct cvy_path *path)
{
	char *text;
	int rc;

	if (value->type == MSGPACK_OBJECT_NIL)
		return 0;
	rc = check_text(value, SIZE_MAX, path);
	if (rc < 0)
		return rc;
	text = malloc((size_t)value->via.str.size + 1);
	if (!text)
		return cvy_refuse(path, ENOMEM, "no memory for a string of %u bytes",
		                  value->via.str.size);
	if (value->via.str.size)
		memcpy(text, value->via.str.ptr, value->via.str.size);
	text[value->via.str.size] = '\0';
	cvy_store_pointer(at, text);
	return 0;
}

static int decode_fn(const covey_field *field, const msgpack_object *value, char *at,
                     const struct cvy_path *path)
{
	uint64_t wire[2];
	covey_fn fn;
	covey_function *function;

	if (value->type == MSGPACK_OBJECT_NIL)
		return 0;
	if (value->type != MSGPACK_OBJECT_EXT || value->via.ext.type != COVEY_SCHEMA_EXT_FN ||
	    value->via.ext.size != sizeof wire)
		return cvy_unexpected(path, "a function (extension 102 of 16 bytes)", value);
	memcpy(wire, value->via.ext.ptr, sizeof wire);
	fn = (covey_fn){.module = be64toh(wire[0]), .offset = be64toh(wire[1])};
	if (cvy_kind(field->type) == COVEY_KIND_FN) {
		memcpy(at, &fn, sizeof fn);
		return 0;
	}
	function = covey_fn_pointer(fn);
	if (!function)
		return cvy_refuse_because(path, EBADMSG);
	memcpy(at, &function, sizeof function);
	return 0;
}

int cvy_decode_scalar(const covey_field *field, const msgpack_object *value, char *at,
                      const struct cvy_path *path)
{
	switch (cvy_kind(field->type)) {
	case COVEY_KIND_BOOL:
		if (value->type != MSGPACK_OBJECT_BOOLEAN)
			return cvy_unexpected(path, "true or false", value);
		cvy_store_uint(at, cvy_element_size(field), value->via.boolean);
		return 0;
	case COVEY_KIND_INT:
	case COVEY_KIND_UINT:
		return decode_integer(field->type, value, at, path);
	case COVEY_KIND_REAL:
		return decode_real(cvy_element_size(field), value, at, path);
	case COVEY_KIND_STRING:
		return decode_string(value, at, path);
	case COVEY_KIND_FN:
	case COVEY_KIND_FUNCTION:
		return decode_fn(field, value, at, path);
	default:
		return cvy_refuse_kind(path, EBADMSG, cvy_kind(field->type));
	}
}
