/* SPDX-License-Identifier: MIT */
/* What the schema layer says where it refuses. */
#include "base/base.h"
#include "schema/schema.h"

#include <inttypes.h>
#include <msgpack.h>
#include <stdarg.h>
#include <stdio.h>

#define PATH_MAX_BYTES 256
#define WORDS_MAX 256

/* Writes at most cap bytes with the final zero; what does not fit ends in "...". */
static void path_text(const struct cvy_path *path, char *text, size_t cap)
{
	const struct cvy_path *steps[2 * COVEY_SCHEMA_DEPTH + 2];
	size_t n = 0;
	size_t used = 0;

	for (; path && n < sizeof steps / sizeof steps[0]; path = path->up)
		steps[n++] = path;
	text[0] = '\0';
	while (n > 0 && used < cap) {
		const struct cvy_path *step = steps[--n];
		int more;

		if (step->name)
			more = snprintf(text + used, cap - used, "%s%s", used ? "." : "",
			                step->name);
		else
			more = snprintf(text + used, cap - used, "[%zu]", step->index);
		used += more > 0 ? (size_t)more : 0;
	}
	if (used >= cap)
		snprintf(text + cap - 4, 4, "...");
}

int cvy_refuse(const struct cvy_path *path, int error, const char *format, ...)
{
	char where[PATH_MAX_BYTES];
	char words[WORDS_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(words, sizeof words, format, args);
	va_end(args);
	path_text(path, where, sizeof where);
	return cvy_fail(error, "%s: %s", where, words);
}

int cvy_refuse_because(const struct cvy_path *path, int error)
{
	return cvy_refuse(path, error, "%s", covey_errmsg());
}

int cvy_refuse_kind(const struct cvy_path *path, int error, enum covey_kind kind)
{
	switch (kind) {
	case COVEY_KIND_LOCK:
		return cvy_refuse(path, error,
		                  "a lock goes to a process as an argument, not in a message");
	case COVEY_KIND_RLOCK:
		return cvy_refuse(path, error,
		                  "an rlock goes to a process as an argument, not in a message");
	case COVEY_KIND_QUEUE:
		return cvy_refuse(path, error,
		                  "a queue goes to a process as an argument, not in a message");
	case COVEY_KIND_PROCESS:
		return cvy_refuse(path, error,
		                  "a process belongs to the one that started it, and does not "
		                  "travel; its pid does");
	case COVEY_KIND_POOL:
		return cvy_refuse(
			path, error,
			"a pool belongs to the process that opened it, and does not travel");
	case COVEY_KIND_FUTURE:
		return cvy_refuse(path, error,
		                  "a future belongs to the process that submitted it, and does not "
		                  "travel; its result does");
	case COVEY_KIND_TASK:
		return cvy_refuse(path, error,
		                  "a task is the running worker's, and does not travel");
	default:
		return cvy_refuse(path, error,
		                  "its kind, %d, is unknown to covey %s: the program was made with "
		                  "a newer header",
		                  (int)kind, covey_version());
	}
}

int cvy_unexpected(const struct cvy_path *path, const char *expected, const msgpack_object *found)
{
	char words[64];

	switch (found->type) {
	case MSGPACK_OBJECT_NIL:
		snprintf(words, sizeof words, "nil");
		break;
	case MSGPACK_OBJECT_BOOLEAN:
		snprintf(words, sizeof words, "%s", found->via.boolean ? "true" : "false");
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		snprintf(words, sizeof words, "%" PRIu64, found->via.u64);
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		snprintf(words, sizeof words, "%" PRId64, found->via.i64);
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		snprintf(words, sizeof words, "the float %.17g", found->via.f64);
		break;
	case MSGPACK_OBJECT_STR:
		snprintf(words, sizeof words, "a string of %u bytes", found->via.str.size);
		break;
	case MSGPACK_OBJECT_BIN:
		snprintf(words, sizeof words, "a binary of %u bytes", found->via.bin.size);
		break;
	case MSGPACK_OBJECT_ARRAY:
		snprintf(words, sizeof words, "an array of %u", found->via.array.size);
		break;
	case MSGPACK_OBJECT_MAP:
		snprintf(words, sizeof words, "a map of %u", found->via.map.size);
		break;
	case MSGPACK_OBJECT_EXT:
		snprintf(words, sizeof words, "extension %d of %u bytes", found->via.ext.type,
		         found->via.ext.size);
		break;
	}
	return cvy_refuse(path, EBADMSG, "expected %s, found %s", expected, words);
}
