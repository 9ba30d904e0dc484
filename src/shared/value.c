/* SPDX-License-Identifier: MIT */
/*
 * Values. Two copies, and a count of sets whose lowest bit says which copy
 * holds: a set writes the other one and then raises the count, which is the one
 * store that publishes. A reader has read well if the count is the same
 * afterwards, since the copy that holds is written only after the next raise.
 */
#include <covey/value.h>

#include "shared/shared.h"

#define IN_SLOT 2 /* words of a copy that has its place in the slot */

/*
 * size    never changed while the value lives.
 * region  holds both copies where they are over IN_SLOT words; by create and destroy.
 * sets, copies: by the holder of the slot's mutex; read by anyone.
 */
struct value {
	struct cvy_guard guard;
	uint64_t size;
	_Atomic uint64_t sets;
	uint64_t region;
	uint64_t copies[2][IN_SLOT];
};
_Static_assert(sizeof(struct value) <= sizeof((struct cvy_object *)0)->space, "it fits the slot");

/* Reads that a setter disturbed before a reader takes the lock. */
#define TRIES 64

static struct value *value_of(struct cvy_object *object)
{
	return (struct value *)object->space;
}

static uint64_t words(uint64_t size)
{
	return (size + 7) / 8;
}

/* A copy of a value of size bytes; NULL where the value is gone. */
static uint64_t *copy_of(struct value *v, uint64_t size, uint64_t which)
{
	unsigned char *both;

	if (words(size) <= IN_SLOT)
		return v->copies[which & 1];
	both = cvy_region_at(__atomic_load_n(&v->region, __ATOMIC_RELAXED), words(size) * 16);
	return both ? (uint64_t *)(void *)(both + (which & 1) * words(size) * 8) : NULL;
}

struct initial {
	const void *bytes;
	size_t size;
};

static void clear(struct cvy_object *object)
{
	cvy_region_free(&value_of(object)->region);
}

static int init(struct cvy_object *object, const void *context)
{
	const struct initial *initial = context;
	struct value *v = value_of(object);
	uint64_t *to;
	int rc = 0;

	clear(object);
	cvy_guard_init(object);
	if (words(initial->size) > IN_SLOT)
		rc = cvy_region_alloc(&v->region, words(initial->size) * 16);
	if (rc < 0)
		return rc;
	v->size = initial->size;
	to = copy_of(v, initial->size, atomic_load(&v->sets));
	if (!to)
		return cvy_fail(EBADMSG, "value: the object table is damaged");
	cvy_words_store(to, initial->bytes, initial->size);
	return 0;
}

static const struct cvy_kind_ops ops = {.kind = CVY_VALUE, .init = init, .clear = clear};

static int other_size(struct cvy_object *object, size_t size)
{
	char title[CVY_TITLE];

	return cvy_fail(EMSGSIZE, "%s: it holds %llu bytes, the object given has %zu",
	                cvy_title(title, object, CVY_VALUE),
	                (unsigned long long)value_of(object)->size, size);
}

/* Locks a value of size bytes; its slot, or NULL with words. */
static struct cvy_object *lock_value(covey_value handle, size_t size)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_VALUE);

	if (!object) {
		cvy_stale(handle.id, CVY_VALUE);
		return NULL;
	}
	if (cvy_guard_enter(object, handle.id, CVY_VALUE) < 0)
		return NULL;
	if (value_of(object)->size != size)
		other_size(object, size);
	else if (!copy_of(value_of(object), size, 1))
		cvy_fail(EBADMSG, "value: its memory is damaged");
	else
		return object;
	cvy_guard_leave(object);
	return NULL;
}

/* With the lock held: the copy that holds, and the one to write before publish(). */
static uint64_t *current(struct value *v, size_t size)
{
	return copy_of(v, size, atomic_load_explicit(&v->sets, memory_order_relaxed));
}

static int damaged(void)
{
	return cvy_fail(EBADMSG, "value: its memory is damaged");
}

static int publish(struct value *v, const void *bytes, size_t size)
{
	uint64_t sets = atomic_load_explicit(&v->sets, memory_order_relaxed);
	uint64_t *to = copy_of(v, size, sets + 1);

	if (!to)
		return damaged();
	/* Pairs with the fence of a reader: who sees these words sees the raise before them. */
	atomic_thread_fence(memory_order_release);
	cvy_words_store(to, bytes, size);
	atomic_store_explicit(&v->sets, sets + 1, memory_order_release);
	return 0;
}

int covey_value_create_bytes(covey_value *v, const void *initial, size_t size, const char *name)
{
	struct initial context = {initial, size};

	if (!v || !initial)
		return cvy_fail(EINVAL, "value: no %s was given",
		                v ? "initial object" : "place for the handle");
	if (!size || size > UINT64_MAX / 32)
		return cvy_fail(EINVAL, "value: an object of %zu bytes", size);
	return cvy_object_create(&ops, name, &context, &v->id);
}

int covey_value_destroy(covey_value v)
{
	return cvy_guard_destroy(v.id, &ops);
}

/* One try without the lock; false where a setter disturbed it. */
static bool read_once(struct value *v, void *to, size_t size)
{
	uint64_t sets = atomic_load_explicit(&v->sets, memory_order_acquire);
	const uint64_t *from = copy_of(v, size, sets);

	if (!from)
		return false;
	cvy_words_load(to, from, size);
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&v->sets, memory_order_relaxed) == sets;
}

int covey_value_get_bytes(covey_value handle, void *to, size_t size)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_VALUE);
	const uint64_t *from;
	struct value *v;

	if (!object)
		return cvy_stale(handle.id, CVY_VALUE);
	v = value_of(object);
	if (v->size != size)
		return other_size(object, size);
	for (int i = 0; i < TRIES; i++)
		if (read_once(v, to, size))
			return cvy_object_is(object, handle.id, CVY_VALUE)
			               ? 0
			               : cvy_stale(handle.id, CVY_VALUE);
	object = lock_value(handle, size);
	if (!object)
		return covey_errcode();
	from = current(v, size);
	if (from)
		cvy_words_load(to, from, size);
	cvy_guard_leave(object);
	return from ? 0 : damaged();
}

int covey_value_set_bytes(covey_value handle, const void *from, size_t size)
{
	struct cvy_object *object = lock_value(handle, size);

	int rc;

	if (!object)
		return covey_errcode();
	rc = publish(value_of(object), from, size);
	cvy_guard_leave(object);
	return rc;
}

int covey_value_add(covey_value handle, int64_t by, int64_t *now)
{
	struct cvy_object *object = lock_value(handle, sizeof by);
	uint64_t sum; /* of eight bytes: its copies lie in the slot */
	int rc;

	if (!object)
		return covey_errcode();
	sum = *current(value_of(object), sizeof sum) + (uint64_t)by;
	rc = publish(value_of(object), &sum, sizeof sum);
	cvy_guard_leave(object);
	if (now && rc == 0)
		memcpy(now, &sum, sizeof sum);
	return rc;
}

int covey_value_compare_set_bytes(covey_value handle, void *expected, const void *desired,
                                  size_t size)
{
	struct cvy_object *object = lock_value(handle, size);
	const uint64_t *from;
	int rc;

	if (!object)
		return covey_errcode();
	from = current(value_of(object), size);
	if (!from)
		rc = damaged();
	else if (memcmp(from, expected, size) == 0)
		rc = publish(value_of(object), desired, size);
	else
		rc = 1;
	if (rc == 1)
		cvy_words_load(expected, from, size);
	cvy_guard_leave(object);
	return rc < 0 ? rc : !rc;
}
