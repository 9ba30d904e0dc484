/* SPDX-License-Identifier: MIT */
/*
 * Blocks: plain memory that every process of the family sees.
 *
 *     struct image { int width, height; unsigned char pixels[]; };
 *
 *     covey_block b;
 *     covey_block_create(&b, sizeof(struct image) + 640 * 480, NULL);
 *     struct image *image = covey_block_data(b);     // here
 *     ...
 *     struct image *image = covey_block_data(b);     // there: the handle travelled
 *
 * There is nothing to attach and nothing to detach: the block lies in memory
 * that every process has mapped already. The pointer stays the same in a
 * process as long as the block lives, also when it is resized; in another
 * process it may be another, so keep offsets in a block, not pointers, unless
 * all who use it are forked from where the pointer was had. It is aligned to
 * 4,096 bytes. New bytes are zero.
 *
 * Who writes what and when is the program's: use a lock, or the atomics of C11.
 *
 * Death: a block does not care who dies. Bytes written stay as they are.
 * A process killed inside resize leaves the old size or the new one, inside
 * destroy of more than 16 MiB perhaps a block of no bytes.
 *
 * A pointer kept after destroy, or to bytes given back by resize, must not be
 * used. Using it crashes nobody: it reads zeros, or what another object of the
 * family has there by now, and writing then harms that one.
 */
#ifndef COVEY_BLOCK_H
#define COVEY_BLOCK_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_block {
	uint64_t id;
} covey_block;

typedef struct covey_block_opts {
	const char *name;  /* for errors and tools; NULL for none */
	uint64_t max_size; /* bytes it may grow to; costs address space only; 0: its first size */
} covey_block_opts;

/*
 * Makes a block of size bytes, all zero; opts may be NULL. It lives until
 * destroyed or until the family has ended. Memory counts against the family's
 * quota for its size, not its max_size, both rounded up to 4,096.
 * -ENOMEM: the quota or the system's memory is used up, or max_size is over
 * what the arena has in one piece (64 GiB). -EINVAL: size is over max_size.
 * -ENAMETOOLONG, -ENOSPC as for a lock. Since 0.1.
 */
COVEY_API int covey_block_create_v(covey_block *b, uint64_t bytes, const covey_block_opts *opts,
                                   size_t size);
static inline COVEY_UNUSED int covey_block_create(covey_block *b, uint64_t bytes,
                                                  const covey_block_opts *opts)
{
	return covey_block_create_v(b, bytes, opts, sizeof *opts);
}

/* Ends a block and gives its memory back. Later calls on it answer -EBADF. Since 0.1. */
COVEY_API int covey_block_destroy(covey_block b);

/*
 * Where its bytes are in this process. Does not block. A block of no bytes has
 * a pointer too. NULL: not a live block. Since 0.1.
 */
COVEY_API void *covey_block_data(covey_block b);

/* Its bytes now, and the most it may have. Do not block. -EBADF. Since 0.1. */
COVEY_API int64_t covey_block_size(covey_block b);
COVEY_API int64_t covey_block_max_size(covey_block b);

/*
 * Makes it larger, by zeros, or smaller; the rest stays, where it is. Whoever
 * holds a pointer sees the new bytes at once and must leave those alone that
 * are gone. Waits for a resize of another.
 * -ENOSPC: over max_size. -ENOMEM: no memory. -EBADF. Nothing changed then.
 * Since 0.1.
 */
COVEY_API int covey_block_resize(covey_block b, uint64_t size);

#ifdef __cplusplus
}
#endif
#endif
