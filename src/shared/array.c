/* SPDX-License-Identifier: MIT */
/* Arrays: an area of elements of one size, and the slot's lock. */
#include <covey/array.h>

#include "shared/shared.h"

/* element, length: never changed while the array lives. The area: see it; of fixed size. */
struct array {
	struct cvy_guard guard;
	struct cvy_area area;
	uint64_t element;
	uint64_t length;
};
_Static_assert(sizeof(struct array) <= sizeof((struct cvy_object *)0)->space, "it fits the slot");

struct shape {
	uint64_t element;
	uint64_t length;
};

static struct array *array_of(struct cvy_object *object)
{
	return (struct array *)object->space;
}

static int init(struct cvy_object *object, const void *context)
{
	const struct shape *shape = context;
	struct array *a = array_of(object);

	cvy_guard_init(object);
	a->element = shape->element;
	a->length = shape->length;
	return cvy_area_init(&a->area, shape->element * shape->length,
	                     shape->element * shape->length);
}

static void clear(struct cvy_object *object)
{
	cvy_area_clear(&array_of(object)->area);
}

static const struct cvy_kind_ops ops = {.kind = CVY_ARRAY, .init = init, .clear = clear};

/* Locks an array; its slot, or NULL with words. */
static struct cvy_object *lock_array(covey_array handle)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_ARRAY);

	if (!object)
		cvy_stale(handle.id, CVY_ARRAY);
	else if (cvy_guard_enter(object, handle.id, CVY_ARRAY) < 0)
		object = NULL;
	return object;
}

int covey_array_create_bytes(covey_array *handle, size_t element, uint64_t length, const char *name)
{
	struct shape shape = {element, length};
	struct cvy_object *object;
	covey_array made;
	uint64_t bytes;
	int rc;

	if (!handle || !element)
		return cvy_fail(EINVAL, "array: %s",
		                handle ? "elements of no bytes"
		                       : "no place for the handle was given");
	if (__builtin_mul_overflow((uint64_t)element, length, &bytes) || bytes > INT64_MAX)
		return cvy_fail(EOVERFLOW, "array: %llu elements of %zu bytes",
		                (unsigned long long)length, element);
	rc = cvy_object_create(&ops, name, &shape, &made.id);
	if (rc < 0)
		return rc;
	if (bytes > CVY_WARM_BLOCK) {
		object = lock_array(made);
		if (!object)
			return covey_errcode();
		rc = cvy_area_resize(&array_of(object)->area, bytes);
		cvy_guard_leave(object);
	}
	if (rc < 0) {
		covey_array_destroy(made);
		return rc;
	}
	*handle = made;
	return 0;
}

int covey_array_destroy(covey_array handle)
{
	struct cvy_object *object = lock_array(handle);

	if (!object)
		return covey_errcode();
	/* Much memory is given back here, outside the lock of the table of objects. */
	if (atomic_load(&array_of(object)->area.size) > CVY_WARM_BLOCK)
		cvy_area_resize(&array_of(object)->area, 0);
	return cvy_guard_destroy(handle.id, &ops);
}

int64_t covey_array_length(covey_array handle)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_ARRAY);

	return object ? (int64_t)array_of(object)->length : cvy_stale(handle.id, CVY_ARRAY);
}

static int other_size(struct cvy_object *object, size_t size)
{
	char title[CVY_TITLE];

	return cvy_fail(EMSGSIZE, "%s: its elements have %llu bytes, not %zu",
	                cvy_title(title, object, CVY_ARRAY),
	                (unsigned long long)array_of(object)->element, size);
}

void *covey_array_data_bytes(covey_array handle, size_t element)
{
	struct cvy_object *object = cvy_object(handle.id, CVY_ARRAY);
	void *data = object ? cvy_area_data(&array_of(object)->area) : NULL;

	if (data && array_of(object)->element != element) {
		other_size(object, element);
		return NULL;
	}
	if (!data || !cvy_object_is(object, handle.id, CVY_ARRAY)) {
		cvy_stale(handle.id, CVY_ARRAY);
		return NULL;
	}
	return data;
}

/* The place of an element, with the lock held; NULL with words. */
static void *place_of(struct cvy_object *object, int64_t index, size_t size)
{
	struct array *a = array_of(object);
	char title[CVY_TITLE];
	uint64_t length = __atomic_load_n(&a->length, __ATOMIC_RELAXED), end;
	uint64_t at = (uint64_t)index + (index < 0 ? length : 0);
	unsigned char *bytes;

	if (a->element != size) {
		other_size(object, size);
		return NULL;
	}
	if (at >= length) {
		cvy_fail(ERANGE, "%s: no element %lld, it has %llu",
		         cvy_title(title, object, CVY_ARRAY), (long long)index,
		         (unsigned long long)length);
		return NULL;
	}
	bytes = __builtin_mul_overflow(at + 1, size, &end) || end > atomic_load(&a->area.size)
	                ? NULL
	                : cvy_region_at(__atomic_load_n(&a->area.region, __ATOMIC_RELAXED), end);
	if (!bytes) {
		cvy_fail(EBADMSG, "%s: its memory is damaged, or it is half destroyed",
		         cvy_title(title, object, CVY_ARRAY));
		return NULL;
	}
	return bytes + end - size;
}

/* One store where the size is that of a register, so that a death does not tear it. */
static void store(void *to, const void *from, size_t size)
{
	union {
		uint8_t one;
		uint16_t two;
		uint32_t four;
		uint64_t eight;
	} word;

	if (size <= sizeof word)
		memcpy(&word, from, size);
	if (size == 1)
		__atomic_store_n((uint8_t *)to, word.one, __ATOMIC_RELAXED);
	else if (size == 2)
		__atomic_store_n((uint16_t *)to, word.two, __ATOMIC_RELAXED);
	else if (size == 4)
		__atomic_store_n((uint32_t *)to, word.four, __ATOMIC_RELAXED);
	else if (size == 8)
		__atomic_store_n((uint64_t *)to, word.eight, __ATOMIC_RELAXED);
	else
		memcpy(to, from, size);
}

int covey_array_get_bytes(covey_array handle, int64_t index, void *to, size_t size)
{
	struct cvy_object *object = lock_array(handle);
	void *place;

	if (!object)
		return covey_errcode();
	place = place_of(object, index, size);
	if (place)
		memcpy(to, place, size);
	cvy_guard_leave(object);
	return place ? 0 : covey_errcode();
}

int covey_array_set_bytes(covey_array handle, int64_t index, const void *from, size_t size)
{
	struct cvy_object *object = lock_array(handle);
	void *place;

	if (!object)
		return covey_errcode();
	place = place_of(object, index, size);
	if (place)
		store(place, from, size);
	cvy_guard_leave(object);
	return place ? 0 : covey_errcode();
}
