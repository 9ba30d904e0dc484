/* SPDX-License-Identifier: MIT */
/*
 * Counts of words: a hash table, what fills it from files, and its bytes form.
 *
 * A word is a run of the letters A-Z and a-z, as long as can be, taken as lower
 * case; any other byte ends it, and so does the end of the file.
 */
#ifndef WORDFREQ_WORDS_H
#define WORDFREQ_WORDS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct word {
	const char *letters; /* lower case, no final zero; NULL for a free slot */
	size_t len;
	uint64_t hash;
	uint64_t count;
};

/* Open addressing, at most half full; the letters lie in blocks of their own. */
struct words {
	struct word *slots;
	size_t capacity; /* a power of two, or 0 */
	size_t used;
	struct block *blocks;
	uint64_t total; /* the sum of all counts */
};

/* Adds `count` of a word in lower case. 0, or -ENOMEM. */
int words_add(struct words *words, const char *letters, size_t len, uint64_t count);

/*
 * Adds the words that begin in [from, from + len) of an open file; len over
 * what the file has means to its end. A word that begins there is read on
 * beyond. *bytes grows by what of the range was there. 0, or -errno of the read:
 * then the words before it have been added.
 */
int words_add_file(struct words *words, int fd, uint64_t from, uint64_t len, uint64_t *bytes);

/* Bytes that words_pack will write. */
size_t words_packed_size(const struct words *words);

/* Writes all words and counts; words_merge adds them. */
void words_pack(const struct words *words, void *to);

/* 0, -EBADMSG where the bytes are not from words_pack, or -ENOMEM. */
int words_merge(struct words *words, const void *bytes, size_t len);

/*
 * Sorts the table: slots[0] is the most frequent word, words of the same count
 * go by the alphabet. Returns how many there are, up to n. Afterwards the table
 * can only be read so, and freed.
 */
size_t words_top(struct words *words, size_t n);

void words_free(struct words *words);

#endif
