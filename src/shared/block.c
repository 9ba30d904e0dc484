/* SPDX-License-Identifier: MIT */
/* Blocks: memory of the family, by handle. */
#include <covey/block.h>

#include "shared/shared.h"

/* Under the slot's mutex, which only create, resize and destroy take. */
struct block {
	struct cvy_area area;
};
_Static_assert(sizeof(struct block) <= sizeof((struct cvy_object *)0)->space, "it fits the slot");

static struct block *block_of(struct cvy_object *object)
{
	return (struct block *)object->space;
}

struct extent {
	uint64_t size;
	uint64_t max;
};

static int init(struct cvy_object *object, const void *context)
{
	const struct extent *extent = context;
	int rc = cvy_mutex_lock(&object->mutex, 0);

	/* The destroyer of the slot's last block may have died with it. */
	if (rc == 1)
		cvy_mutex_mended(&object->mutex);
	if (rc >= 0)
		cvy_mutex_unlock(&object->mutex);
	return cvy_area_init(&block_of(object)->area, extent->size, extent->max);
}

static void clear(struct cvy_object *object)
{
	cvy_area_clear(&block_of(object)->area);
}

static const struct cvy_kind_ops ops = {.kind = CVY_BLOCK, .init = init, .clear = clear};

/* Locks the block of a handle; its slot, or NULL with words. */
static struct cvy_object *lock_block(covey_block b)
{
	struct cvy_object *object = cvy_object(b.id, CVY_BLOCK);
	char title[CVY_TITLE];
	int rc;

	if (!object) {
		cvy_stale(b.id, CVY_BLOCK);
		return NULL;
	}
	rc = cvy_mutex_lock(&object->mutex, CVY_NEVER);
	if (rc == 1)
		cvy_mutex_mended(&object->mutex);
	if (rc < 0) {
		cvy_fail(-rc, "%s: %s", cvy_title(title, object, CVY_BLOCK), covey_strerror(rc));
		return NULL;
	}
	if (!cvy_object_is(object, b.id, CVY_BLOCK)) {
		cvy_mutex_unlock(&object->mutex);
		cvy_stale(b.id, CVY_BLOCK);
		return NULL;
	}
	return object;
}

int covey_block_create_v(covey_block *b, uint64_t bytes, const covey_block_opts *given, size_t size)
{
	covey_block_opts opts;
	struct extent extent;
	covey_block made;
	int rc = cvy_options(&opts, sizeof opts, given, size, "block");

	if (rc < 0)
		return rc;
	if (!b)
		return cvy_fail(EINVAL, "block: no place for the handle was given");
	if (opts.max_size && bytes > opts.max_size)
		return cvy_fail(EINVAL, "block: its %llu bytes are over its max_size of %llu",
		                (unsigned long long)bytes, (unsigned long long)opts.max_size);
	extent = (struct extent){bytes, opts.max_size ? opts.max_size : bytes};
	rc = cvy_object_create(&ops, opts.name, &extent, &made.id);
	if (rc < 0)
		return rc;
	if (bytes > CVY_WARM_BLOCK)
		rc = covey_block_resize(made, bytes);
	if (rc < 0) {
		covey_block_destroy(made);
		return rc;
	}
	*b = made;
	return 0;
}

int covey_block_destroy(covey_block b)
{
	struct cvy_object *object = lock_block(b);
	struct block *block;

	if (!object)
		return covey_errcode();
	block = block_of(object);
	/* Much memory is given back here, outside the lock of the table of objects. */
	if (atomic_load(&block->area.size) > CVY_WARM_BLOCK)
		cvy_area_resize(&block->area, 0);
	cvy_object_retire(&ops, object);
	cvy_mutex_unlock(&object->mutex);
	return 0;
}

void *covey_block_data(covey_block b)
{
	struct cvy_object *object = cvy_object(b.id, CVY_BLOCK);
	void *data = object ? cvy_area_data(&block_of(object)->area) : NULL;

	if (!data || !cvy_object_is(object, b.id, CVY_BLOCK)) {
		cvy_stale(b.id, CVY_BLOCK);
		return NULL;
	}
	return data;
}

int64_t covey_block_size(covey_block b)
{
	struct cvy_object *object = cvy_object(b.id, CVY_BLOCK);

	if (!object)
		return cvy_stale(b.id, CVY_BLOCK);
	return (int64_t)atomic_load_explicit(&block_of(object)->area.size, memory_order_acquire);
}

int64_t covey_block_max_size(covey_block b)
{
	struct cvy_object *object = cvy_object(b.id, CVY_BLOCK);

	return object ? (int64_t)block_of(object)->area.max : cvy_stale(b.id, CVY_BLOCK);
}

int covey_block_resize(covey_block b, uint64_t size)
{
	struct cvy_object *object = lock_block(b);
	char title[CVY_TITLE];
	struct block *block;
	int rc;

	if (!object)
		return covey_errcode();
	block = block_of(object);
	if (size > block->area.max)
		rc = cvy_fail(ENOSPC, "%s: %llu bytes are over its max_size of %llu",
		              cvy_title(title, object, CVY_BLOCK), (unsigned long long)size,
		              (unsigned long long)block->area.max);
	else
		rc = cvy_area_resize(&block->area, size);
	cvy_mutex_unlock(&object->mutex);
	return rc;
}
