/* SPDX-License-Identifier: MIT */
#include "files.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Batches for each worker, so that all end at about the same time. */
#define BATCHES_EACH 8
#define BATCH_MIN ((uint64_t)64 << 10)
#define BATCH_MAX ((uint64_t)8 << 20)
/* Files are cut into pieces no smaller than this. */
#define PIECE_MIN ((uint64_t)1 << 20)
/* What opening a file costs, in bytes read in that time. */
#define OPEN_COST 8192

/* Makes room for one more element of an array. 0 or -ENOMEM. */
static int reserve(void **array, size_t n, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 256;
	void *bigger;

	if (n < *room)
		return 0;
	bigger = reallocarray(*array, more, size);
	if (!bigger)
		return -ENOMEM;
	*array = bigger;
	*room = more;
	return 0;
}

static int add(struct files *files, const char *path, uint64_t size)
{
	void *list = files->list;
	char *copy;

	if (reserve(&list, files->n, &files->room, sizeof *files->list) < 0)
		return -ENOMEM;
	files->list = list;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	files->list[files->n++] = (struct file){.path = copy, .size = size};
	files->bytes += size;
	return 0;
}

/* nftw has no pointer of the caller's to hand on. */
static struct files *walking;

static int visit(const char *path, const struct stat *st, int type, struct FTW *where)
{
	switch (type) {
	case FTW_F:
		return S_ISREG(st->st_mode) ? add(walking, path, (uint64_t)st->st_size) : 0;
	case FTW_DNR:
	case FTW_NS:
		fprintf(stderr, "wordfreq: %s: %s: skipped\n", path, strerror(errno));
		walking->skipped++;
		return 0;
	default:
		return 0;
	}
}

int files_add(struct files *files, const char *path)
{
	/* A link given by name is followed, those found below are not. */
	char *real = realpath(path, NULL);
	int rc;

	if (!real)
		return -errno;
	walking = files;
	rc = nftw(real, visit, 32, FTW_PHYS);
	if (rc == -1)
		rc = -errno;
	free(real);
	return rc;
}

static int add_piece(struct files *files, struct piece piece)
{
	void *pieces = files->pieces;

	if (reserve(&pieces, files->n_pieces, &files->room_pieces, sizeof *files->pieces) < 0)
		return -ENOMEM;
	files->pieces = pieces;
	files->pieces[files->n_pieces++] = piece;
	files->list[piece.file].left++;
	return 0;
}

static int cut(struct files *files, size_t file, uint64_t unit)
{
	uint64_t size = files->list[file].size, from = 0;
	int rc = 0;

	for (; rc == 0 && size - from > unit + unit / 2; from += unit)
		rc = add_piece(files, (struct piece){file, from, unit});
	return rc ? rc : add_piece(files, (struct piece){file, from, UINT64_MAX});
}

static int add_batch(struct files *files, struct batch batch)
{
	void *batches = files->batches;

	if (reserve(&batches, files->n_batches, &files->room_batches, sizeof *files->batches) < 0)
		return -ENOMEM;
	files->batches = batches;
	files->batches[files->n_batches++] = batch;
	return 0;
}

/* Of the bytes that the file had when it was found. */
static uint64_t piece_bytes(const struct files *files, const struct piece *piece)
{
	uint64_t left = files->list[piece->file].size - piece->from;

	return piece->len < left ? piece->len : left;
}

int files_deal(struct files *files, int workers)
{
	uint64_t all = files->bytes + files->n * OPEN_COST;
	uint64_t share = all / ((uint64_t)workers * BATCHES_EACH);
	uint64_t target = share < BATCH_MIN ? BATCH_MIN : share > BATCH_MAX ? BATCH_MAX : share;
	uint64_t cost = 0;
	struct batch batch = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < files->n; i++)
		rc = cut(files, i, target > PIECE_MIN ? target : PIECE_MIN);
	for (size_t i = 0; rc == 0 && i < files->n_pieces; i++) {
		uint64_t bytes = piece_bytes(files, &files->pieces[i]);

		batch.n++;
		batch.bytes += bytes;
		cost += bytes + OPEN_COST;
		if (cost >= target || i + 1 == files->n_pieces) {
			rc = add_batch(files, batch);
			batch = (struct batch){.first = i + 1};
			cost = 0;
		}
	}
	return rc;
}

void files_free(struct files *files)
{
	for (size_t i = 0; i < files->n; i++)
		free(files->list[i].path);
	free(files->list);
	free(files->pieces);
	free(files->batches);
	*files = (struct files){0};
}
