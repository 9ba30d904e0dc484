/* SPDX-License-Identifier: MIT */
/* Flipping bits of the live arena. */
#include "fuzz_arena.h"

#include "arena/layout.h"
#include "channel/ring.h"

/* The parts of the arena that a flip can choose among. */
enum part { HEADER, CLASS_TABLES, PROCESSES, LIVES, OBJECTS, REGIONS, PARTS };

#define SPARED_MOST 64
static struct {
	uint64_t block; /* of a queue */
} spared[SPARED_MOST];
static unsigned spared_count;

#define MUTEX sizeof(pthread_mutex_t)

void fuzz_spare_mutexes(void)
{
	uint32_t top = cvy_object_top();

	spared_count = 0;
	for (uint32_t i = 0; i < top; i++) {
		uint64_t kind = atomic_load(&cvy_objects[i].tag) & 0xff;

		if ((kind == CVY_QUEUE || kind == CVY_PIPE) && spared_count < SPARED_MOST)
			spared[spared_count++].block = cvy_objects[i].region;
	}
}

static bool within(uint64_t at, uint64_t from)
{
	return at >= from && at < from + MUTEX;
}

/* Whether a byte belongs to a mutex, of which the C library believes what it reads. */
static bool is_mutex(uint64_t at)
{
	if (at < HEADER_BYTES)
		return within(at, offsetof(struct arena_header, region_lock)) ||
		       within(at, offsetof(struct arena_header, object_lock)) ||
		       within(at, offsetof(struct arena_header, proc_lock));
	if (at >= LIVES_AT && at < OBJECTS_AT)
		return (at - LIVES_AT) % sizeof(struct life) < MUTEX;
	if (at >= OBJECTS_AT && at < cvy_geometry.table[0])
		return within((at - OBJECTS_AT) % sizeof(struct cvy_object),
		              offsetof(struct cvy_object, mutex));
	for (unsigned i = 0; i < spared_count; i++)
		if (within(at, spared[i].block + offsetof(struct queue, send_lock)) ||
		    within(at, spared[i].block + offsetof(struct queue, receive_lock)))
			return true;
	return false;
}

/* The n-th region in use, counted round; its bytes, 0 for none. */
static uint64_t region(unsigned n, uint64_t *at)
{
	uint64_t found[256], bytes[256];
	unsigned count = 0;

	for (unsigned c = 0; c < CLASSES; c++) {
		const _Atomic uint32_t *entry = (void *)(cvy_base + cvy_geometry.table[c]);

		for (uint32_t b = 0; b < 128 && b < cvy_geometry.blocks[c] && count < 256; b++) {
			uint64_t pages = entry[b] & ENTRY_PAGES;

			if (!(entry[b] & ENTRY_USED) || !pages)
				continue;
			found[count] = (uint64_t)(c + 1) * cvy_geometry.range +
			               (uint64_t)b * cvy_block_bytes(c);
			bytes[count++] = pages * PAGE < cvy_block_bytes(c) ? pages * PAGE
			                                                   : cvy_block_bytes(c);
		}
	}
	if (!count)
		return 0;
	*at = found[n % count];
	return bytes[n % count];
}

/* Where a part lies; its bytes. */
static uint64_t extent(enum part part, uint8_t which, uint64_t *at)
{
	switch (part) {
	case HEADER:
		*at = 0;
		return sizeof(struct arena_header);
	case CLASS_TABLES:
		*at = cvy_geometry.table[which % CLASSES];
		return 16 * sizeof(uint32_t);
	case PROCESSES:
		*at = HEADER_BYTES + (1 + which % 6) * sizeof(struct cvy_proc);
		return sizeof(struct cvy_proc);
	case LIVES:
		*at = LIVES_AT + (1 + which % 6) * sizeof(struct life);
		return sizeof(struct life);
	case OBJECTS:
		*at = OBJECTS_AT + (which % 32) * sizeof(struct cvy_object);
		return sizeof(struct cvy_object);
	default:
		return region(which, at);
	}
}

/* what, b: the part and which of its kind; c, d: the byte and the bits. */
void fuzz_flip(const struct step *step)
{
	enum part part = (step->what - FLIP) % (PARTS + 3); /* regions are the most */
	uint8_t bits = (uint8_t)(step->d < 192 ? 1u << (step->d & 7) : step->d);
	uint64_t at, bytes = extent(part, step->a, &at);

	if (!bytes)
		return;
	/* who chooses the page of a large region. */
	at += ((uint64_t)step->c << 8 | step->b | (uint64_t)(step->who >> 1) << 16) % bytes;
	if (!is_mutex(at))
		__atomic_fetch_xor(cvy_base + at, bits, __ATOMIC_SEQ_CST);
}
