/* SPDX-License-Identifier: MIT */
/*
 * Areas. A region reserves address space for the largest size at once, so the
 * bytes never move; memory is backed for as much as is in use. What is published
 * is `size`: it is raised once the bytes are there and zero, and lowered before
 * their memory goes.
 */
#include "shared/shared.h"

int cvy_area_init(struct cvy_area *area, uint64_t size, uint64_t max)
{
	int rc;

	cvy_area_clear(area);
	rc = cvy_region_reserve(&area->region, max, 0);
	if (rc < 0)
		return rc;
	cvy_region_trim(area->region, 0); /* a region used before may still be warm, and not zero */
	area->max = max;
	return size > CVY_WARM_BLOCK ? 0 : cvy_area_resize(area, size);
}

void cvy_area_clear(struct cvy_area *area)
{
	atomic_store(&area->size, 0);
	cvy_region_free(&area->region);
}

int cvy_area_resize(struct cvy_area *area, uint64_t size)
{
	uint64_t now = atomic_load(&area->size), backed, region;
	unsigned char *bytes;
	int rc;

	if (size < now) {
		atomic_store(&area->size, size);
		cvy_region_trim(area->region, size);
		return 0;
	}
	region = __atomic_load_n(&area->region, __ATOMIC_RELAXED);
	backed = cvy_region_bytes(region);
	if (size > backed) {
		rc = cvy_region_back(region, size);
		if (rc < 0) {
			cvy_region_trim(region, now);
			return rc;
		}
	} else {
		backed = size;
	}
	bytes = cvy_region_at(region, backed);
	if (!bytes)
		return cvy_fail(EBADMSG, "memory: no region to grow there");
	/* Left of an earlier, larger size. */
	if (backed > now)
		memset(bytes + now, 0, backed - now);
	atomic_store_explicit(&area->size, size, memory_order_release);
	return 0;
}

void *cvy_area_data(const struct cvy_area *area)
{
	uint64_t region = __atomic_load_n(&area->region, __ATOMIC_RELAXED);

	return cvy_region_at(region, atomic_load_explicit(&area->size, memory_order_acquire));
}
