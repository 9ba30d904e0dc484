/* SPDX-License-Identifier: MIT */
/*
 * What lies where in the arena. Private to this layer.
 *
 * The arena is cut into 32 ranges of equal size. Range 0 is fixed:
 *
 *     header | process table | lives | object table | region tables
 *
 * Range 1 + c holds the blocks of size class c: 4 KiB << c. A class has its own
 * range of addresses, so blocks are never split or merged, and nothing but one
 * word of its table changes when a block changes hands. Address space is free:
 * a block costs the memory of the pages that are backed, and freed ones are
 * punched back.
 */
#ifndef CVY_LAYOUT_H
#define CVY_LAYOUT_H

#include "arena/arena.h"

#define PAGE UINT64_C(4096)
#define RANGES 32u
#define CLASSES (RANGES - 1)

#define MAGIC UINT64_C(0x30616e6572617663) /* "cvarena0" */
#define LAYOUT_VERSION 2u

/*
 * A size class. All under the region lock.
 *
 * table  offset of its table, one entry a block; constant.
 * blocks blocks in the class; constant.
 * top    no block at or beyond it was ever used; read without the lock.
 * hint   no block below it is free.
 * warm   blocks that are free and still backed; none below warm_hint.
 */
struct size_class {
	uint64_t table;
	uint32_t blocks;
	uint32_t top;
	uint32_t hint;
	uint32_t warm;
	uint32_t warm_hint;
	uint32_t pad;
};

/*
 * An entry of a class's table: 0 free, else pages that are backed and flags.
 * Written under the region lock. These words are the truth; all counters can
 * be made anew from them, and are, when a holder of the lock has died.
 * USED or WARM: in use; free, and backed still. MORE: beside USED, pages beyond those
 * counted may be backed, which is being done, or was when its owner died.
 */
#define ENTRY_USED (UINT32_C(1) << 31)
#define ENTRY_WARM (UINT32_C(1) << 30)
#define ENTRY_MORE (UINT32_C(1) << 29)
#define ENTRY_PAGES (ENTRY_MORE - 1)

/*
 * The header, at offset 0.
 *
 * magic .. object_slots  by the root before anybody else maps it; constant.
 * region_lock guards moving_*, used, warm_bytes, classes and all entries.
 *   moving_dest, moving_block: while a region changes hands, the word that
 *   owns it and its offset; a death then drops the region (region.c).
 * object_lock guards fixed_used' object part, object_top, object_live and the
 *   free lists, and the tags of slots that are not live.
 * proc_lock guards the states FREE and STARTING of the process table, its tree,
 *   and proc_top, the last slot that was ever used.
 */
struct arena_header {
	uint64_t magic;
	uint32_t version;
	uint32_t fingerprint;
	uint64_t size;
	uint64_t range;
	uint64_t quota;
	uint64_t pid_namespace;
	uint64_t procs;   /* offset of the process table */
	uint64_t lives;   /* offset of the life words, see life.c */
	uint64_t objects; /* offset of the object table */
	uint32_t object_slots;
	uint32_t pad;

	_Alignas(128) pthread_mutex_t region_lock;
	uint64_t moving_dest;
	uint64_t moving_block;
	_Atomic uint64_t used; /* bytes */
	_Atomic uint64_t warm_bytes;
	struct size_class classes[CLASSES];

	_Alignas(128) pthread_mutex_t object_lock;
	_Atomic uint64_t object_live;
	uint64_t object_backed;        /* bytes of the object table that are backed */
	uint32_t object_top;           /* slots ever used */
	uint32_t free_head[CVY_KINDS]; /* index + 1; 0: none */

	_Alignas(128) pthread_mutex_t proc_lock;
	uint32_t proc_hint;
	uint32_t proc_top;
};

#define HEADER_BYTES (2 * PAGE)
#define LIVES_AT (HEADER_BYTES + (uint64_t)CVY_PROCS * sizeof(struct cvy_proc))
#define OBJECTS_AT (LIVES_AT + (uint64_t)CVY_PROCS * sizeof(struct life))
_Static_assert(sizeof(struct arena_header) <= HEADER_BYTES, "the header fits its place");

/*
 * Where things lie, as this process learned it when it mapped the arena: the header's
 * constants are not read again, since whoever writes to the arena could change them.
 */
struct geometry {
	uint64_t range;
	uint64_t table[CLASSES];
	uint32_t blocks[CLASSES];
};
extern struct geometry cvy_geometry;

static inline struct arena_header *cvy_header(void)
{
	return (struct arena_header *)cvy_base;
}

static inline uint64_t cvy_block_bytes(unsigned class)
{
	return PAGE << class;
}

/*
 * The life of a process slot: a robust mutex that the slot's process holds for
 * as long as it lives. Made by the slot's first process, held by its present
 * one; the kernel marks it when the thread that took it ends.
 */
struct life {
	pthread_mutex_t mutex;
	uint32_t made;
	uint32_t pad[5];
};
_Static_assert(sizeof(pthread_mutex_t) != 40 || sizeof(struct life) == 64,
               "a life is a cache line");

/* Takes the life of the calling process's slot, by this thread. */
void cvy_life_take(uint32_t slot);

int cvy_lock_procs(struct arena_header *header); /* 0, or -errno in words */
/* The last slot of the process table that was ever used. */
static inline uint32_t cvy_proc_last(void)
{
	uint32_t top = __atomic_load_n(&cvy_header()->proc_top, __ATOMIC_RELAXED);

	return top < CVY_PROCS ? top : CVY_PROCS - 1;
}

/* Backs [offset, offset + bytes) with memory, so that touching it cannot fail. -errno. */
int cvy_back(uint64_t offset, uint64_t bytes);
/* Gives the memory of [offset, offset + bytes) back; it reads as zero afterwards. */
void cvy_punch(uint64_t offset, uint64_t bytes);
/* Fills in a new header's classes. */
void cvy_regions_init(struct arena_header *header);
/* Makes all counters of memory anew. */
void cvy_regions_recount(void);
/* Learns the geometry of the mapped arena; -EBADMSG where its header contradicts it. */
int cvy_geometry_learn(void);
/* Counts bytes of the fixed range against the quota. -ENOMEM in words. */
int cvy_charge(uint64_t bytes);

#endif
