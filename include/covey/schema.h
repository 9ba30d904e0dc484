/* SPDX-License-Identifier: MIT */
/*
 * Schemas: structs with pointers that travel, as MessagePack.
 *
 *     struct chat { char *name; uint32_t tokens; };
 *     COVEY_SCHEMA(chat, name, tokens)                 // at file scope
 *
 *     covey_queue_put_as(q, chat, &c, COVEY_FOREVER);  // here
 *     covey_queue_get_as(q, chat, &c, COVEY_FOREVER);  // in another process
 *     covey_free_as(chat, &c);                         // what the get allocated
 *
 * The compiler finds each field's kind from its type, and checks that &c is a
 * pointer to struct chat. A field may be
 *
 *     name                        bool, any integer or enum, float, double;
 *                                 char * or const char *, NULL too; char[N];
 *                                 covey_fn; a fixed array of these
 *     COVEY_NESTED(f, s)          a struct with a schema s of its own, a fixed
 *                                 array of such, or a pointer to one, or NULL
 *     COVEY_COUNTED(f, n)         a pointer to n elements of the first kinds;
 *                                 or an array that holds up to N, with n used
 *     COVEY_COUNTED_OF(f, n, s)   the same of structs with schema s
 *     COVEY_BYTES(f, n)           n bytes, by a void * or pointer to bytes
 *     COVEY_FUNCTION(f)           a function pointer
 *
 * where n is an integer field of the same struct, which travels by the array's
 * length: do not list it. Arrays may share one n. Fields that are not listed
 * do not travel; they are zero at the other side. Listed fields must not lie
 * in the same memory (two members of a union). A field of any other type is
 * a compile-time error that names it.
 *
 * What cannot travel is refused in the caller, before anything is sent, by the
 * field's full name: "chat.lock: a lock goes to a process as an argument, not
 * in a message", "chat.items[3].handler: ...". So are a lock, rlock or queue;
 * a pointer to a process, pool, future or task; a covey_fn or function that
 * covey_fn_pointer or covey_fn_make does not know; what is nested deeper than
 * COVEY_SCHEMA_DEPTH (a cycle, too).
 *
 * Ownership: decoding allocates strings, counted arrays, bytes and pointed-to
 * structs, each from malloc; a const in the field's type changes nothing.
 * covey_free_as frees them all. To keep one, set its field to NULL first. A
 * struct is written whole and only on success; what it pointed to before is
 * not freed.
 *
 * On the wire a struct is a map from field names to values:
 *
 *     bool                        true, false
 *     integers, char, enums       an integer
 *     float, double               a float of that size; from others an integer
 *                                 too, where it is exact
 *     char *, char[N]             a string, as it is (others expect UTF-8), nil
 *                                 for NULL; a char[N] keeps its final zero
 *     unsigned char, char by n    binary; an unsigned char[N] exactly N bytes
 *     other arrays                an array; a fixed one of exactly N elements
 *     nested structs              a map, nil for a NULL pointer
 *     covey_fn, functions         extension 102: module and offset, big-endian
 *                                 64 bits each; nil for none
 *
 * A reader skips keys that it does not know, and a field that is missing is
 * zero: so fields may be added, and removed, while old programs run. Beyond
 * that nothing is guessed: any other type, an integer out of the field's
 * range, a number of elements that does not fit, a zero byte inside a string,
 * a field given twice, a key that is no string, bytes missing or left over,
 * nesting over COVEY_SCHEMA_DEPTH: all are -EBADMSG, with words like
 * "chat.tokens: expected an integer, found a string of 3 bytes". Decoding bytes
 * from a stranger is safe; it allocates at most some tens of bytes, or one of
 * the field's elements, for each byte that is there. A decoded function
 * is one that the sender chose among those of the program: calling it trusts
 * the sender.
 */
#ifndef COVEY_SCHEMA_H
#define COVEY_SCHEMA_H

#include <covey/base.h>
#include <covey/fn.h>
#include <covey/lock.h>
#include <covey/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most fields of a schema. */
#define COVEY_SCHEMA_FIELDS 32

/* How deep maps and arrays may lie in each other. */
#define COVEY_SCHEMA_DEPTH 32

/* The MessagePack extension type of a function. */
#define COVEY_SCHEMA_EXT_FN 102

/* A schema, as COVEY_SCHEMA makes it; constant, and the program's. */
typedef struct covey_schema covey_schema;

/*
 * Packs an object: *bytes from malloc, the caller's to free, and *len bytes
 * long. The object is only read. Does not block; safe in every thread.
 * -EINVAL: something in it cannot travel, a counted array is NULL with a count
 * that is not 0, a count is negative or over its array, a char[N] lacks its
 * final zero. -EMSGSIZE: a string or array of 4 GiB or more elements.
 * -ENOMEM. Since 0.1.
 */
#define covey_pack(name, object, bytes, len) \
	covey_schema_pack(&name##_covey_schema, COVEY_READ_(name, object), (bytes), (len))
COVEY_API int covey_schema_pack(const covey_schema *schema, const void *object, void **bytes,
                                size_t *len);

/*
 * Unpacks len bytes, from anyone, into an object; what they lie in may be freed
 * or reused after. Does not block; safe in every thread.
 * -EBADMSG: they are no such object, see above, or name a function that this
 * process does not have. -EINVAL: the schema is wrong. -ENOMEM. Since 0.1.
 */
#define covey_unpack(name, bytes, len, object) \
	covey_schema_unpack(&name##_covey_schema, (bytes), (len), COVEY_WRITE_(name, object))
COVEY_API int covey_schema_unpack(const covey_schema *schema, const void *bytes, size_t len,
                                  void *object);

/*
 * Frees all that decoding allocated in an object, and sets those pointers to
 * NULL and their counts to 0: again is harmless. Also for an object made by
 * hand, where all it points to is from malloc. NULL is fine. Since 0.1.
 */
#define covey_free_as(name, object) \
	covey_schema_free(&name##_covey_schema, COVEY_WRITE_(name, object))
COVEY_API void covey_schema_free(const covey_schema *schema, void *object);

/*
 * Puts an object into a queue as one message. 0, or an error of covey_pack or
 * covey_queue_put: then nothing was sent, and the queue is as it was.
 * Since 0.1.
 */
#define covey_queue_put_as(q, name, object, timeout_ms) \
	covey_queue_put_schema((q), &name##_covey_schema, COVEY_READ_(name, object), (timeout_ms))
COVEY_API int covey_queue_put_schema(covey_queue q, const covey_schema *schema, const void *object,
                                     int timeout_ms);

/*
 * Takes the first message of a queue into an object. 0, an error of
 * covey_queue_get, which leaves the message, or an error of covey_unpack. A
 * message that does not unpack is taken all the same, and lost: left there it
 * would stop every receiver after. A receiver that must see such messages
 * gets bytes and calls covey_unpack. Since 0.1.
 */
#define covey_queue_get_as(q, name, object, timeout_ms) \
	covey_queue_get_schema((q), &name##_covey_schema, COVEY_WRITE_(name, object), (timeout_ms))
COVEY_API int covey_queue_get_schema(covey_queue q, const covey_schema *schema, void *object,
                                     int timeout_ms);

/*
 * COVEY_SCHEMA(chat, field, ...) defines the schema `chat` of `struct chat`.
 * COVEY_SCHEMA_OF(name, type, field, ...) does so for a type of another name,
 * a typedef. At file scope, without a semicolon; may be in a header. Up to
 * COVEY_SCHEMA_FIELDS fields. A schema may nest itself by a pointer. C only.
 * Since 0.1.
 */
#define COVEY_SCHEMA(name, ...) COVEY_SCHEMA_OF(name, struct name, __VA_ARGS__)
#define COVEY_NESTED(field, schema) (COVEY_NESTED_, field, schema)
#define COVEY_COUNTED(field, count) (COVEY_COUNTED_, field, count)
#define COVEY_COUNTED_OF(field, count, schema) (COVEY_COUNTED_OF_, field, count, schema)
#define COVEY_BYTES(field, count) (COVEY_BYTES_, field, count)
#define COVEY_FUNCTION(field) (COVEY_FUNCTION_, field)

/* ---- What the macros make. To be read by the library only. */

typedef struct covey_process covey_process;
typedef struct covey_pool covey_pool;
typedef struct covey_future covey_future;
typedef struct covey_task covey_task;

enum covey_kind {
	COVEY_KIND_BOOL = 1,
	COVEY_KIND_INT,
	COVEY_KIND_UINT,
	COVEY_KIND_REAL,
	COVEY_KIND_STRING, /* char * */
	COVEY_KIND_TEXT,   /* char[N] */
	COVEY_KIND_BYTE,   /* of a binary */
	COVEY_KIND_FN,
	COVEY_KIND_FUNCTION,
	COVEY_KIND_NESTED,
	/* From here on: what does not travel, to be refused by name. */
	COVEY_KIND_LOCK,
	COVEY_KIND_RLOCK,
	COVEY_KIND_QUEUE,
	COVEY_KIND_PROCESS,
	COVEY_KIND_POOL,
	COVEY_KIND_FUTURE,
	COVEY_KIND_TASK,
};

enum covey_shape {
	COVEY_SHAPE_ONE = 1,
	COVEY_SHAPE_FIXED,   /* an array in the struct, all of it in use */
	COVEY_SHAPE_BOUNDED, /* an array in the struct, and how much is in use */
	COVEY_SHAPE_COUNTED, /* a pointer, and how many elements it points to */
	COVEY_SHAPE_POINTER, /* to one nested struct, or NULL */
};

/* A type is a kind, and the size of one such value above it. */
#define COVEY_TYPE_(kind, type) ((uint32_t)(kind) | (uint32_t)sizeof(type) << 8)

typedef struct covey_field {
	const char *name;
	size_t offset;              /* in the struct */
	size_t size;                /* of the whole field there, in bytes */
	uint32_t type;              /* of an element */
	uint32_t shape;             /* how elements make the field */
	size_t count_offset;        /* of the field that counts them */
	uint32_t count_type;        /* of that field, 0 for none */
	const covey_schema *schema; /* of a nested struct */
} covey_field;

#define COVEY_SCHEMA_VERSION 1

struct covey_schema {
	uint32_t version; /* COVEY_SCHEMA_VERSION of the header it was made by */
	uint32_t count;   /* of fields */
	const char *name;
	size_t size; /* of the struct */
	const covey_field *fields;
};

#ifndef __cplusplus

#define COVEY_SCHEMA_OF(name_, type_, ...)                                                   \
	typedef type_ name_##_covey_type;                                                    \
	static const covey_schema name_##_covey_schema; /* may nest itself */                \
	static const covey_field name_##_covey_fields[] = {COVEY_EACH_(name_, __VA_ARGS__)}; \
	static const covey_schema name_##_covey_schema COVEY_UNUSED = {                      \
		.version = COVEY_SCHEMA_VERSION,                                             \
		.count = sizeof name_##_covey_fields / sizeof *name_##_covey_fields,         \
		.name = #name_,                                                              \
		.size = sizeof(type_),                                                       \
		.fields = name_##_covey_fields,                                              \
	};

/* An object of a schema, and of no other, or the compiler says so. */
#define COVEY_READ_(name, object) \
	_Generic((object), name##_covey_type * : (object), const name##_covey_type * : (object))
#define COVEY_WRITE_(name, object) _Generic((object), name##_covey_type * : (object))

/*
 * The types that travel, or are refused by name; `s` is what stands behind
 * each: nothing, for a field of that type; `*`, for an array of them, which is
 * seen as a pointer; `const *`. Plain char and unsigned char are left out: they
 * are integers alone, and text or bytes in arrays.
 */
/* clang-format off */
#define COVEY_TYPES_(s)                                                \
	_Bool s: COVEY_TYPE_(COVEY_KIND_BOOL, _Bool),                  \
	signed char s: COVEY_TYPE_(COVEY_KIND_INT, signed char),       \
	short s: COVEY_TYPE_(COVEY_KIND_INT, short),                   \
	unsigned short s: COVEY_TYPE_(COVEY_KIND_UINT, short),         \
	int s: COVEY_TYPE_(COVEY_KIND_INT, int),                       \
	unsigned int s: COVEY_TYPE_(COVEY_KIND_UINT, int),             \
	long s: COVEY_TYPE_(COVEY_KIND_INT, long),                     \
	unsigned long s: COVEY_TYPE_(COVEY_KIND_UINT, long),           \
	long long s: COVEY_TYPE_(COVEY_KIND_INT, long long),           \
	unsigned long long s: COVEY_TYPE_(COVEY_KIND_UINT, long long), \
	float s: COVEY_TYPE_(COVEY_KIND_REAL, float),                  \
	double s: COVEY_TYPE_(COVEY_KIND_REAL, double),                \
	char *s: COVEY_TYPE_(COVEY_KIND_STRING, char *),               \
	const char *s: COVEY_TYPE_(COVEY_KIND_STRING, char *),         \
	covey_fn s: COVEY_TYPE_(COVEY_KIND_FN, covey_fn),              \
	covey_lock s: COVEY_TYPE_(COVEY_KIND_LOCK, covey_lock),        \
	covey_rlock s: COVEY_TYPE_(COVEY_KIND_RLOCK, covey_rlock),     \
	covey_queue s: COVEY_TYPE_(COVEY_KIND_QUEUE, covey_queue),     \
	covey_process *s: COVEY_TYPE_(COVEY_KIND_PROCESS, void *),     \
	covey_pool *s: COVEY_TYPE_(COVEY_KIND_POOL, void *),           \
	covey_future *s: COVEY_TYPE_(COVEY_KIND_FUTURE, void *),       \
	covey_task *s: COVEY_TYPE_(COVEY_KIND_TASK, void *)

/* The type of the elements of a field, 0 for one that cannot travel. */
#define COVEY_TYPE_ALONE_(f)                                                             \
	_Generic((f), COVEY_TYPES_(),                                                    \
		char: COVEY_TYPE_((char)-1 < 0 ? COVEY_KIND_INT : COVEY_KIND_UINT, char), \
		unsigned char: COVEY_TYPE_(COVEY_KIND_UINT, char),                       \
		default: 0u)
#define COVEY_TYPE_IN_ARRAY_(f)                                      \
	_Generic((f), COVEY_TYPES_(*),                               \
		char *: COVEY_TYPE_(COVEY_KIND_TEXT, char),          \
		unsigned char *: COVEY_TYPE_(COVEY_KIND_BYTE, char), \
		default: 0u)
#define COVEY_TYPE_COUNTED_(f) \
	_Generic((f), COVEY_TYPES_(*), COVEY_TYPES_(const *), default: COVEY_TYPE_OF_BYTES_(f))
#define COVEY_TYPE_OF_BYTES_(f)                                                   \
	_Generic((f), char *: COVEY_BYTE_, const char *: COVEY_BYTE_,             \
		unsigned char *: COVEY_BYTE_, const unsigned char *: COVEY_BYTE_, \
		void *: COVEY_BYTE_, const void *: COVEY_BYTE_, default: 0u)
#define COVEY_BYTE_ COVEY_TYPE_(COVEY_KIND_BYTE, char)
/* clang-format on */

/* An array is what changes its type when it is a value. */
#define COVEY_IS_ARRAY_(f) (!__builtin_types_compatible_p(__typeof__(f), __typeof__((void)0, (f))))
#define COVEY_IS_INTEGER_(type) \
	(((type)&0xff) == COVEY_KIND_INT || ((type)&0xff) == COVEY_KIND_UINT)

/* `value`, and the compiler says `words`, only them, where `holds` is false. */
#define COVEY_CHECKED_(value, holds, words)                                               \
	((value) + 0 * sizeof(struct {                                                    \
			   _Static_assert(__builtin_choose_expr(!!(holds), 1, 0), words); \
			   int unused;                                                    \
		   }))

#define COVEY_MEMBER_(s, f) (((s##_covey_type *)0)->f)

#define COVEY_ENTRY_(s, f, ...)                                    \
	{                                                          \
		.name = #f, .offset = offsetof(s##_covey_type, f), \
		.size = sizeof COVEY_MEMBER_(s, f), __VA_ARGS__    \
	}

#define COVEY_PLAIN_(s, f) COVEY_PLAIN_OF_(s, f, COVEY_MEMBER_(s, f))
#define COVEY_PLAIN_OF_(s, f, m)                                                        \
	COVEY_ENTRY_(s, f,                                                              \
	             .type = COVEY_CHECKED_(COVEY_TYPE_PLAIN_(m), COVEY_TYPE_PLAIN_(m), \
	                                    #s "." #f COVEY_CANNOT_TRAVEL_),            \
	             .shape = COVEY_IS_ARRAY_(m) ? COVEY_SHAPE_FIXED : COVEY_SHAPE_ONE)
#define COVEY_TYPE_PLAIN_(m) (COVEY_IS_ARRAY_(m) ? COVEY_TYPE_IN_ARRAY_(m) : COVEY_TYPE_ALONE_(m))
#define COVEY_CANNOT_TRAVEL_                                                                    \
	": this type cannot travel as it is; a struct is COVEY_NESTED, a pointer with a count " \
	"COVEY_COUNTED or COVEY_BYTES, a function pointer COVEY_FUNCTION"

#define COVEY_NESTED_(s, f, n) COVEY_NESTED_OF_(s, f, n, COVEY_MEMBER_(s, f))
#define COVEY_NESTED_OF_(s, f, n, m)                                                      \
	COVEY_ENTRY_(s, f,                                                                \
	             .type = COVEY_CHECKED_(COVEY_KIND_NESTED, COVEY_NESTED_SHAPE_(n, m), \
	                                    #s "." #f ": not a struct of schema " #n),    \
	             .shape = COVEY_NESTED_SHAPE_(n, m), .schema = &n##_covey_schema)
#define COVEY_NESTED_SHAPE_(n, m) \
	_Generic((m), n##_covey_type : COVEY_SHAPE_ONE,                                            \
		n##_covey_type * : COVEY_IS_ARRAY_(m) ? COVEY_SHAPE_FIXED : COVEY_SHAPE_POINTER,   \
		const n##_covey_type * : COVEY_SHAPE_POINTER, default : 0)

#define COVEY_COUNTED_(s, f, c)                                              \
	COVEY_COUNTED_AS_(s, f, c, COVEY_TYPE_COUNTED_(COVEY_MEMBER_(s, f)), \
	                  "not a pointer to elements that can travel", NULL)
#define COVEY_BYTES_(s, f, c)                                                 \
	COVEY_COUNTED_AS_(s, f, c, COVEY_TYPE_OF_BYTES_(COVEY_MEMBER_(s, f)), \
	                  "not a pointer to bytes", NULL)
#define COVEY_COUNTED_OF_(s, f, c, n) \
	COVEY_COUNTED_AS_(s, f, c,                                                                 \
			  _Generic(COVEY_MEMBER_(s, f), n##_covey_type * : COVEY_KIND_NESTED,      \
				const n##_covey_type * : COVEY_KIND_NESTED, default : 0),          \
			  "not a pointer to structs of schema " #n, &n##_covey_schema)
#define COVEY_COUNTED_AS_(s, f, c, t, words, n)                                           \
	COVEY_ENTRY_(s, f, .type = COVEY_CHECKED_(t, t, #s "." #f ": " words),            \
	             .shape = COVEY_IS_ARRAY_(COVEY_MEMBER_(s, f)) ? COVEY_SHAPE_BOUNDED  \
	                                                           : COVEY_SHAPE_COUNTED, \
	             .count_offset = offsetof(s##_covey_type, c),                         \
	             .count_type = COVEY_CHECKED_(                                        \
			     COVEY_TYPE_ALONE_(COVEY_MEMBER_(s, c)),                      \
			     COVEY_IS_INTEGER_(COVEY_TYPE_ALONE_(COVEY_MEMBER_(s, c))),   \
			     #s "." #c ": not an integer, and is to count " #f),          \
	             .schema = n)

/* A function is what stays the same when it is dereferenced. */
#define COVEY_FUNCTION_(s, f)                                                                 \
	COVEY_ENTRY_(s, f,                                                                    \
	             .type = COVEY_CHECKED_(                                                  \
			     COVEY_TYPE_(COVEY_KIND_FUNCTION, covey_function *),              \
			     __builtin_types_compatible_p(__typeof__(*COVEY_MEMBER_(s, f)),   \
	                                                  __typeof__(**COVEY_MEMBER_(s, f))), \
			     #s "." #f ": not a function pointer"),                           \
	             .shape = COVEY_SHAPE_ONE)

/* A field is a name, or in brackets the macro that makes it and its arguments. */
#define COVEY_FIELD_(s, item) COVEY_FIELD_PASTE_(COVEY_IS_TUPLE_(item), s, item)
#define COVEY_FIELD_PASTE_(tuple, s, item) COVEY_FIELD_PASTED_(tuple, s, item)
#define COVEY_FIELD_PASTED_(tuple, s, item) COVEY_FIELD_##tuple(s, item)
#define COVEY_FIELD_0(s, name) COVEY_PLAIN_(s, name)
#define COVEY_FIELD_1(s, tuple) COVEY_FIELD_CALL_(s, COVEY_UNWRAPPED_ tuple)
#define COVEY_FIELD_CALL_(s, ...) COVEY_FIELD_CALLED_(s, __VA_ARGS__)
#define COVEY_FIELD_CALLED_(s, macro, ...) macro(s, __VA_ARGS__)
#define COVEY_UNWRAPPED_(...) __VA_ARGS__
#define COVEY_IS_TUPLE_(item) COVEY_SECOND_(COVEY_PROBE_ item, 0, )
#define COVEY_PROBE_(...) ~, 1
#define COVEY_SECOND_(...) COVEY_SECOND_OF_(__VA_ARGS__)
#define COVEY_SECOND_OF_(first, second, ...) second

/* COVEY_FIELD_(s, item), for each item. With more the compiler misses COVEY_AT_MOST_32_item. */
#define COVEY_EACH_(s, ...)                                                                       \
	COVEY_EACH_FROM_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, \
	                 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, )             \
	(s, __VA_ARGS__)
#define COVEY_EACH_FROM_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
                         a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30,  \
                         a31, a32, n, ...)                                                      \
	COVEY_AT_MOST_32_##n
#define COVEY_AT_MOST_32_1(s, a) COVEY_FIELD_(s, a)
#define COVEY_AT_MOST_32_2(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_1(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_3(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_2(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_4(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_3(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_5(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_4(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_6(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_5(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_7(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_6(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_8(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_7(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_9(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_8(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_10(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_9(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_11(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_10(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_12(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_11(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_13(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_12(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_14(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_13(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_15(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_14(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_16(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_15(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_17(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_16(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_18(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_17(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_19(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_18(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_20(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_19(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_21(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_20(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_22(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_21(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_23(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_22(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_24(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_23(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_25(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_24(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_26(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_25(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_27(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_26(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_28(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_27(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_29(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_28(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_30(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_29(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_31(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_30(s, __VA_ARGS__)
#define COVEY_AT_MOST_32_32(s, a, ...) COVEY_FIELD_(s, a), COVEY_AT_MOST_32_31(s, __VA_ARGS__)

#endif
#ifdef __cplusplus
}
#endif
#endif
