/* SPDX-License-Identifier: MIT */
/*
 * Regions: blocks of the size classes.
 *
 * A region is owned by the one word, `dest`, that refers to it, and changes
 * hands under the region lock in this order:
 *
 *     moving_dest, moving_block noted | entry, counters, *dest | note cleared
 *
 * A kill between leaves the note. The next to lock drops what it names: *dest
 * becomes 0 and the block free. For an allocation that undoes it, for a free
 * it completes it, so one rule mends both; the counters are made anew from the
 * entries.
 */
#include "arena/layout.h"

#include <fcntl.h>
#include <string.h>

/* Free blocks kept backed, so that a queue that grows and shrinks does not pay for pages. */
#define WARM_MAX (UINT64_C(64) << 20)

/* Keeps the compiler from reordering stores that a kill must not see reordered. */
#define IN_ORDER() atomic_signal_fence(memory_order_seq_cst)

struct geometry cvy_geometry;

/* block is below cvy_geometry.blocks[class]. */
static _Atomic uint32_t *entry_of(unsigned class, uint32_t block)
{
	return (_Atomic uint32_t *)(cvy_base + cvy_geometry.table[class]) + block;
}

static uint64_t block_offset(unsigned class, uint32_t block)
{
	return (uint64_t)(class + 1) * cvy_geometry.range +
	       (uint64_t)block * cvy_block_bytes(class);
}

/* The class's top, which no damage may put beyond its blocks. */
static uint32_t top_of(const struct arena_header *h, unsigned class)
{
	uint32_t top = __atomic_load_n(&h->classes[class].top, __ATOMIC_RELAXED);

	return top < cvy_geometry.blocks[class] ? top : cvy_geometry.blocks[class];
}

/* Free and backed. One damaged bit makes no block so that is in use. */
static bool is_warm(uint32_t entry)
{
	return (entry & (ENTRY_USED | ENTRY_WARM)) == ENTRY_WARM;
}

/* The class and block of a region's offset; false where no block begins there. */
static bool locate(const struct arena_header *h, uint64_t offset, unsigned *class, uint32_t *block)
{
	uint64_t range = cvy_geometry.range, in_range;

	if (offset < range || offset >= cvy_size)
		return false;
	*class = (unsigned)(offset / range) - 1;
	in_range = offset % range;
	if (*class >= CLASSES || in_range % cvy_block_bytes(*class))
		return false;
	*block = (uint32_t)(in_range / cvy_block_bytes(*class));
	return *block < top_of(h, *class);
}

void cvy_regions_init(struct arena_header *header)
{
	uint64_t table =
		header->objects + (uint64_t)header->object_slots * sizeof(struct cvy_object);

	for (unsigned c = 0; c < CLASSES; c++) {
		struct size_class *class = &header->classes[c];
		uint64_t blocks = c < 40 ? header->range / cvy_block_bytes(c) : 0;

		table = (table + 63) & ~UINT64_C(63);
		class->table = table;
		class->blocks = (uint32_t)blocks;
		table += blocks * sizeof(uint32_t);
	}
}

int cvy_geometry_learn(void)
{
	struct arena_header *h = cvy_header();
	struct geometry g = {.range = cvy_size / RANGES};

	for (unsigned c = 0; c < CLASSES; c++) {
		g.table[c] = h->classes[c].table;
		g.blocks[c] = h->classes[c].blocks;
		if (g.table[c] % sizeof(uint32_t) || g.table[c] > g.range ||
		    g.blocks[c] > g.range / cvy_block_bytes(c) ||
		    g.blocks[c] > (g.range - g.table[c]) / sizeof(uint32_t))
			return cvy_fail(EBADMSG, "memory: the family's header is damaged");
	}
	if (h->object_slots > (g.range - OBJECTS_AT) / sizeof(struct cvy_object))
		return cvy_fail(EBADMSG, "memory: the family's header is damaged");
	cvy_geometry = g;
	return 0;
}

/* Makes hints and counters anew from the entries. */
static void recount(struct arena_header *h)
{
	uint64_t used = HEADER_BYTES + h->object_backed, warm = 0;

	for (unsigned c = 0; c < CLASSES; c++) {
		struct size_class *class = &h->classes[c];

		class->hint = class->warm_hint = top_of(h, c);
		class->warm = 0;
		for (uint32_t b = top_of(h, c); b-- > 0;) {
			uint32_t entry = *entry_of(c, b);

			used += (entry & ENTRY_PAGES) * PAGE;
			if (!entry)
				class->hint = b;
			if (is_warm(entry)) {
				class->warm++;
				class->warm_hint = b;
				warm += (entry & ENTRY_PAGES) * PAGE;
			}
		}
	}
	atomic_store(&h->used, used);
	atomic_store(&h->warm_bytes, warm);
}

/* A holder of the region lock died: drop the region that was moving. */
static void mend(struct arena_header *h)
{
	uint64_t *dest = cvy_at(h->moving_dest, sizeof *dest);
	unsigned class;
	uint32_t block;

	if (locate(h, h->moving_block, &class, &block)) {
		cvy_punch(h->moving_block, cvy_block_bytes(class));
		*entry_of(class, block) = 0;
		if (dest && *dest == h->moving_block)
			*dest = 0;
	}
	recount(h);
	h->moving_block = 0;
	h->moving_dest = 0;
	cvy_mutex_mended(&h->region_lock);
	cvy_log(COVEY_LOG_WARN, "a process died while it allocated memory; mended");
}

static int lock_regions(struct arena_header *h)
{
	int rc = cvy_mutex_lock(&h->region_lock, CVY_NEVER);

	if (rc == 1)
		mend(h);
	else if (rc < 0)
		return cvy_fail(-rc, "memory: the region lock: %s", covey_strerror(rc));
	return 0;
}

/* Gives warm blocks back until `bytes` fit under the quota. */
static void cool(struct arena_header *h, uint64_t bytes)
{
	for (unsigned c = CLASSES; c-- > 0 && h->used + bytes > h->quota;) {
		struct size_class *class = &h->classes[c];
		uint32_t top = top_of(h, c);

		for (uint32_t b = class->warm_hint; class->warm && b < top; b++) {
			uint32_t entry = *entry_of(c, b);

			if (!is_warm(entry))
				continue;
			cvy_punch(block_offset(c, b), (entry & ENTRY_PAGES) * PAGE);
			*entry_of(c, b) = 0;
			class->warm--;
			class->warm_hint = b + 1;
			if (b < class->hint)
				class->hint = b;
			h->warm_bytes -= (entry & ENTRY_PAGES) * PAGE;
			h->used -= (entry & ENTRY_PAGES) * PAGE;
		}
	}
}

/* A block of the class: a warm one, else a free one; -1 for none. */
static int64_t pick(struct arena_header *h, unsigned c)
{
	struct size_class *class = &h->classes[c];
	uint32_t top = top_of(h, c);

	if (class->warm)
		for (uint32_t b = class->warm_hint; b < top; b++)
			if (is_warm(*entry_of(c, b)))
				return b;
	for (uint32_t b = class->hint; b < top; b++)
		if (!*entry_of(c, b)) {
			class->hint = b;
			return b;
		}
	class->hint = top;
	return top < cvy_geometry.blocks[c] ? (int64_t)top : -1;
}

static int over_quota(struct arena_header *h, uint64_t bytes)
{
	return cvy_fail(ENOMEM,
	                "memory: %llu bytes more would pass the family's quota of %llu "
	                "(%llu held)",
	                (unsigned long long)bytes, (unsigned long long)h->quota,
	                (unsigned long long)h->used);
}

/* Sees that so many bytes more fit under the quota. */
static int fit(struct arena_header *h, uint64_t bytes)
{
	if (h->used + bytes > h->quota)
		cool(h, bytes);
	return h->used + bytes > h->quota ? over_quota(h, bytes) : 0;
}

/* Takes a block for dest with the lock held; 0 and what of it was backed already. */
static int take(struct arena_header *h, uint64_t *dest, uint64_t bytes, uint64_t pages,
                uint64_t *was_backed)
{
	unsigned c = 0;
	int64_t block;
	uint32_t entry;

	while (c < CLASSES && cvy_block_bytes(c) < bytes)
		c++;
	while (c < CLASSES && (block = pick(h, c)) < 0)
		c++;
	if (c == CLASSES)
		return cvy_fail(ENOMEM,
		                "memory: no %llu bytes of address space in one piece are "
		                "left in the arena of %llu",
		                (unsigned long long)bytes, (unsigned long long)cvy_size);
	entry = (uint32_t)block < top_of(h, c) ? *entry_of(c, (uint32_t)block) : 0;
	*was_backed = entry & ENTRY_PAGES;
	if (pages < *was_backed)
		pages = *was_backed;
	if (h->used + (pages - *was_backed) * PAGE > h->quota) {
		/* A warm block is already counted; a cold one may need others to cool. */
		cool(h, (pages - *was_backed) * PAGE);
		entry = (uint32_t)block < top_of(h, c) ? *entry_of(c, (uint32_t)block) : 0;
		*was_backed = entry & ENTRY_PAGES;
		if (h->used + (pages - *was_backed) * PAGE > h->quota)
			return over_quota(h, (pages - *was_backed) * PAGE);
	}

	h->moving_dest = cvy_offset(dest);
	h->moving_block = block_offset(c, (uint32_t)block);
	IN_ORDER();
	if ((uint32_t)block == h->classes[c].top)
		__atomic_store_n(&h->classes[c].top, (uint32_t)block + 1, __ATOMIC_RELAXED);
	*entry_of(c, (uint32_t)block) =
		ENTRY_USED | (pages > *was_backed ? ENTRY_MORE : 0) | (uint32_t)*was_backed;
	if (is_warm(entry)) {
		h->classes[c].warm--;
		h->classes[c].warm_hint = (uint32_t)block + 1;
		h->warm_bytes -= *was_backed * PAGE;
	} else {
		h->classes[c].hint = (uint32_t)block + 1;
	}
	*dest = h->moving_block;
	IN_ORDER();
	h->moving_block = 0;
	return 0;
}

/* Counts pages that have been backed, which the quota may not have room for any more. */
static int count_backed(struct arena_header *h, uint64_t offset, uint64_t pages)
{
	uint64_t before, more;
	uint32_t block;
	unsigned class;
	int rc = lock_regions(h);

	if (rc < 0)
		return rc;
	if (!locate(h, offset, &class, &block) || !(*entry_of(class, block) & ENTRY_USED)) {
		cvy_mutex_unlock(&h->region_lock);
		return cvy_fail(EBADMSG, "memory: the family's table of regions is damaged");
	}
	before = *entry_of(class, block) & ENTRY_PAGES;
	more = pages > before ? (pages - before) * PAGE : 0;
	rc = fit(h, more);
	if (rc == 0) {
		*entry_of(class, block) = ENTRY_USED | (uint32_t)(before + more / PAGE);
		h->used += more;
	}
	cvy_mutex_unlock(&h->region_lock);
	return rc;
}

/*
 * Backs the pages of a region behind the first `from`, up to `to`, and only then counts them.
 * Outside the lock, since it takes long for much: their owner has the region already.
 */
static int back_and_count(struct arena_header *h, uint64_t offset, uint64_t from, uint64_t to)
{
	uint64_t bytes = (to - from) * PAGE;
	int rc = cvy_back(offset + from * PAGE, bytes);

	if (rc < 0)
		rc = cvy_fail(ENOMEM, "memory: the system has no %llu bytes more: %s",
		              (unsigned long long)bytes, covey_strerror(rc));
	else
		rc = count_backed(h, offset, to);
	if (rc < 0)
		cvy_punch(offset + from * PAGE, bytes);
	return rc;
}

int cvy_region_reserve(uint64_t *dest, uint64_t bytes, uint64_t backed)
{
	struct arena_header *h = cvy_header();
	uint64_t pages = (backed + PAGE - 1) / PAGE, was_backed = 0;
	int rc;

	if (bytes > cvy_geometry.range || pages > ENTRY_PAGES)
		return cvy_fail(ENOMEM,
		                "memory: %llu bytes in one piece are over the arena's "
		                "limit of %llu",
		                (unsigned long long)bytes, (unsigned long long)cvy_geometry.range);
	do {
		rc = lock_regions(h);
		if (rc < 0)
			return rc;
		rc = take(h, dest, bytes ? bytes : 1, pages, &was_backed);
		cvy_mutex_unlock(&h->region_lock);
	} while (rc == -ENOMEM && cvy_procs_sweep());
	if (rc < 0 || pages <= was_backed)
		return rc;
	rc = back_and_count(h, *dest, was_backed, pages);
	if (rc < 0)
		cvy_region_free(dest);
	return rc;
}

int cvy_region_alloc(uint64_t *dest, uint64_t bytes)
{
	return cvy_region_reserve(dest, bytes, bytes ? bytes : 1);
}

int cvy_region_back(uint64_t offset, uint64_t backed)
{
	struct arena_header *h = cvy_header();
	uint64_t pages = (backed + PAGE - 1) / PAGE, more;
	uint32_t block, entry;
	unsigned class;
	int rc = lock_regions(h);

	if (rc < 0)
		return rc;
	if (!locate(h, offset, &class, &block) || pages * PAGE > cvy_block_bytes(class)) {
		cvy_mutex_unlock(&h->region_lock);
		return cvy_fail(EINVAL, "memory: no region to grow there");
	}
	entry = *entry_of(class, block);
	more = pages > (entry & ENTRY_PAGES) ? pages - (entry & ENTRY_PAGES) : 0;
	rc = fit(h, more * PAGE);
	if (rc == 0 && more)
		*entry_of(class, block) = entry | ENTRY_MORE;
	cvy_mutex_unlock(&h->region_lock);
	return rc < 0 || !more ? rc : back_and_count(h, offset, pages - more, pages);
}

void cvy_region_free(uint64_t *dest)
{
	struct arena_header *h = cvy_header();
	uint64_t offset = *dest, bytes;
	uint32_t block, pages;
	bool more;
	unsigned class;

	if (!offset)
		return;
	bytes = cvy_region_bytes(offset);
	/* What is too much to keep warm is punched while dest still owns it, outside the lock. */
	if (bytes > CVY_WARM_BLOCK)
		cvy_punch(offset, bytes);
	if (lock_regions(h) < 0)
		return;
	if (!locate(h, offset, &class, &block) || !(*entry_of(class, block) & ENTRY_USED)) {
		*dest = 0; /* not a region: forget it rather than harm another */
		cvy_mutex_unlock(&h->region_lock);
		return;
	}
	pages = *entry_of(class, block) & ENTRY_PAGES;
	more = *entry_of(class, block) & ENTRY_MORE;
	bytes = pages * PAGE;

	h->moving_dest = cvy_offset(dest);
	h->moving_block = offset;
	IN_ORDER();
	*dest = 0;
	if (bytes <= CVY_WARM_BLOCK && h->warm_bytes + bytes <= WARM_MAX && pages && !more) {
		*entry_of(class, block) = ENTRY_WARM | pages;
		h->warm_bytes += bytes;
		h->classes[class].warm++;
		if (block < h->classes[class].warm_hint || h->classes[class].warm == 1)
			h->classes[class].warm_hint = block;
	} else {
		if (bytes <= CVY_WARM_BLOCK || more)
			cvy_punch(offset, more ? cvy_block_bytes(class) : bytes);
		*entry_of(class, block) = 0;
		h->used -= bytes;
		if (block < h->classes[class].hint)
			h->classes[class].hint = block;
	}
	IN_ORDER();
	h->moving_block = 0;
	cvy_mutex_unlock(&h->region_lock);
}

void cvy_region_trim(uint64_t offset, uint64_t backed)
{
	struct arena_header *h = cvy_header();
	uint64_t pages = (backed + PAGE - 1) / PAGE, bytes = cvy_region_bytes(offset);
	uint32_t block;
	unsigned class;

	if (bytes <= pages * PAGE)
		return;
	cvy_punch(offset + pages * PAGE, bytes - pages * PAGE);
	if (lock_regions(h) < 0)
		return;
	if (locate(h, offset, &class, &block)) {
		*entry_of(class, block) =
			ENTRY_USED | (*entry_of(class, block) & ENTRY_MORE) | (uint32_t)pages;
		h->used -= bytes - pages * PAGE;
	}
	cvy_mutex_unlock(&h->region_lock);
}

uint64_t cvy_region_bytes(uint64_t offset)
{
	struct arena_header *h = cvy_header();
	uint64_t bytes;
	unsigned class;
	uint32_t block;

	if (!locate(h, offset, &class, &block))
		return 0;
	bytes = (*entry_of(class, block) & ENTRY_PAGES) * PAGE;
	return bytes < cvy_block_bytes(class) ? bytes : cvy_block_bytes(class);
}

int cvy_charge(uint64_t bytes)
{
	struct arena_header *h = cvy_header();
	int rc = lock_regions(h);

	if (rc < 0)
		return rc;
	rc = fit(h, bytes);
	if (rc == 0)
		h->used += bytes;
	cvy_mutex_unlock(&h->region_lock);
	return rc;
}

void cvy_regions_recount(void)
{
	struct arena_header *h = cvy_header();

	if (lock_regions(h) < 0)
		return;
	recount(h);
	cvy_mutex_unlock(&h->region_lock);
}

void cvy_region_usage(uint64_t *used, uint64_t *quota)
{
	struct arena_header *h = cvy_header();

	*used = atomic_load(&h->used);
	*quota = h->quota;
}
