/* SPDX-License-Identifier: MIT */
/*
 * The files to read, and how they are dealt into tasks of about the same size:
 * small ones together, big ones in pieces.
 */
#ifndef WORDFREQ_FILES_H
#define WORDFREQ_FILES_H

#include <stddef.h>
#include <stdint.h>

struct file {
	char *path;
	uint64_t size; /* when it was found */
	uint32_t left; /* pieces not yet done */
	int error;     /* the first errno in reading it, 0 for none */
	int read;      /* some of it was read */
};

/* Bytes of one file; the last piece of a file goes to its end, wherever that is. */
struct piece {
	size_t file;
	uint64_t from;
	uint64_t len;
};

/* Pieces first .. first + n - 1. */
struct batch {
	size_t first;
	size_t n;
	uint64_t bytes;
};

struct files {
	struct file *list;
	size_t n, room;
	uint64_t bytes;
	size_t skipped; /* directories and files named on stderr, not in the list */

	struct piece *pieces;
	size_t n_pieces, room_pieces;
	struct batch *batches;
	size_t n_batches, room_batches;
};

/*
 * Adds the file, or all regular files below the directory, of that name; other
 * kinds and symbolic links below are passed over. What cannot be looked into is
 * named on stderr and counted as skipped. 0, or -errno where there is no such
 * file or directory or memory is short.
 */
int files_add(struct files *files, const char *path);

/* Deals them into batches for so many workers. 0 or -ENOMEM. */
int files_deal(struct files *files, int workers);

void files_free(struct files *files);

#endif
