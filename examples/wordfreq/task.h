/* SPDX-License-Identifier: MIT */
/*
 * The task of the workers: the words of a batch of files. Its argument and its
 * result are bytes, so that it can run in a process started in any way.
 */
#ifndef WORDFREQ_TASK_H
#define WORDFREQ_TASK_H

#include <covey.h>

#include "files.h"
#include "words.h"

/* For --kill: who takes the token of `tokens` says so in `deaths`, and dies. */
struct killing {
	covey_queue tokens;
	covey_queue deaths;
};

/* A piece of the batch that could not be read, or not to its end. */
struct trouble {
	uint32_t piece;  /* of the batch */
	int32_t error;   /* an errno */
	uint64_t before; /* bytes read before, whose words are counted */
};

/* Submits the words of a batch; killing may be NULL. Errors of covey_pool_submit. */
covey_future *task_submit(covey_pool *pool, const struct files *files, const struct batch *batch,
                          const struct killing *killing);

/* What a batch came to; all pointers are into the result's bytes. */
struct counted {
	uint64_t bytes;
	const struct trouble *troubles;
	size_t n_troubles;
	const void *words; /* for words_merge */
	size_t words_len;
};

/* 0, or -EBADMSG where the bytes are no result of a task. */
int task_result(struct counted *counted, const void *bytes, size_t len);

#endif
