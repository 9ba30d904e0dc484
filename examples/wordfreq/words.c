/* SPDX-License-Identifier: MIT */
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_CAPACITY 1024
#define BLOCK_SIZE ((size_t)64 << 10)
#define READ_SIZE ((size_t)256 << 10)

struct block {
	struct block *next;
	size_t used;
	size_t size;
	char letters[];
};

static uint64_t hash_step(uint64_t hash, char letter)
{
	return hash * 31 + (unsigned char)letter;
}

/* Spreads what the steps made to the low bits. */
static uint64_t hash_end(uint64_t hash)
{
	hash *= 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 32;
}

static uint64_t hash_of(const char *letters, size_t len)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < len; i++)
		hash = hash_step(hash, letters[i]);
	return hash_end(hash);
}

static int grow(struct words *words)
{
	size_t capacity = words->capacity ? words->capacity * 2 : FIRST_CAPACITY;
	struct word *slots = calloc(capacity, sizeof *slots);

	if (!slots)
		return -ENOMEM;
	for (size_t i = 0; i < words->capacity; i++) {
		const struct word *word = &words->slots[i];
		size_t at = word->hash & (capacity - 1);

		if (!word->letters)
			continue;
		while (slots[at].letters)
			at = (at + 1) & (capacity - 1);
		slots[at] = *word;
	}
	free(words->slots);
	words->slots = slots;
	words->capacity = capacity;
	return 0;
}

static const char *keep(struct words *words, const char *letters, size_t len)
{
	struct block *block = words->blocks;
	char *kept;

	if (!block || block->size - block->used < len) {
		size_t size = len > BLOCK_SIZE ? len : BLOCK_SIZE;

		block = malloc(sizeof *block + size);
		if (!block)
			return NULL;
		*block = (struct block){.next = words->blocks, .size = size};
		words->blocks = block;
	}
	kept = block->letters + block->used;
	memcpy(kept, letters, len);
	block->used += len;
	return kept;
}

static int add_hashed(struct words *words, const char *letters, size_t len, uint64_t hash,
                      uint64_t count)
{
	struct word *word;
	size_t at;

	if (words->used * 2 >= words->capacity && grow(words) < 0)
		return -ENOMEM;
	for (at = hash & (words->capacity - 1);; at = (at + 1) & (words->capacity - 1)) {
		word = &words->slots[at];
		if (!word->letters)
			break;
		if (word->hash == hash && word->len == len &&
		    !memcmp(word->letters, letters, len)) {
			word->count += count;
			words->total += count;
			return 0;
		}
	}
	letters = keep(words, letters, len);
	if (!letters)
		return -ENOMEM;
	*word = (struct word){letters, len, hash, count};
	words->used++;
	words->total += count;
	return 0;
}

int words_add(struct words *words, const char *letters, size_t len, uint64_t count)
{
	return add_hashed(words, letters, len, hash_of(letters, len), count);
}

/* The lower case of a letter, 0 for any other byte. */
static inline char lower(char c)
{
	unsigned char small = (unsigned char)c | 0x20;

	return small >= 'a' && small <= 'z' ? (char)small : 0;
}

/* The unread part of a file, from where `buffer` begins. */
struct input {
	int fd;
	char *buffer;
	size_t size;   /* of the buffer */
	size_t filled; /* bytes in it */
	uint64_t at;   /* where in the file its first byte is from */
	int ended;
};

/* Keeps the bytes from `from` on, and reads more behind them. 0 or -errno. */
static int input_more(struct input *in, size_t from)
{
	ssize_t n;

	memmove(in->buffer, in->buffer + from, in->filled - from);
	in->at += from;
	in->filled -= from;
	if (in->filled == in->size) { /* one word fills it */
		char *bigger = realloc(in->buffer, in->size * 2);

		if (!bigger)
			return -ENOMEM;
		in->buffer = bigger;
		in->size *= 2;
	}
	do
		n = pread(in->fd, in->buffer + in->filled, in->size - in->filled,
		          (off_t)(in->at + in->filled));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	in->filled += (size_t)n;
	in->ended = n == 0;
	return 0;
}

/*
 * Adds the words of the buffer that begin before `end`, a place in the file.
 * *inside: the buffer begins inside a word that is not to be counted. Sets
 * *rest to the begin of a word that may go on beyond what is there, or to the
 * first byte not looked at. 0 or -ENOMEM.
 */
static int add_buffer(struct words *words, struct input *in, uint64_t end, int *inside,
                      size_t *rest)
{
	size_t filled = in->filled, limit = end - in->at < filled ? (size_t)(end - in->at) : filled;
	char *bytes = in->buffer, c;
	size_t i = 0;

	while (*inside && i < filled)
		if (lower(bytes[i]))
			i++;
		else
			*inside = 0;
	while (i < limit) {
		uint64_t hash = 0;
		size_t start;

		while (i < limit && !lower(bytes[i]))
			i++;
		start = i;
		if (start == limit)
			break;
		for (; i < filled && (c = lower(bytes[i])); i++) {
			bytes[i] = c;
			hash = hash_step(hash, c);
		}
		if (i == filled && !in->ended) {
			i = start;
			break;
		}
		if (add_hashed(words, bytes + start, i - start, hash_end(hash), 1) < 0)
			return -ENOMEM;
	}
	*rest = i;
	return 0;
}

int words_add_file(struct words *words, int fd, uint64_t from, uint64_t len, uint64_t *bytes)
{
	uint64_t end = len > UINT64_MAX - from ? UINT64_MAX : from + len, seen;
	/* The byte before the range tells whether it begins inside a word. */
	struct input in = {.fd = fd, .size = READ_SIZE, .at = from ? from - 1 : 0};
	int inside = from > 0, rc;
	size_t rest = 0;

	in.buffer = malloc(in.size);
	if (!in.buffer)
		return -ENOMEM;
	do {
		rc = input_more(&in, rest);
		if (rc == 0)
			rc = add_buffer(words, &in, end, &inside, &rest);
	} while (rc == 0 && !in.ended && in.at + rest < end);
	seen = in.at + in.filled < end ? in.at + in.filled : end;
	if (seen > from)
		*bytes += seen - from;
	free(in.buffer);
	return rc;
}

/* Packed: for each word its count and its length, 8 bytes each, and its letters. */
size_t words_packed_size(const struct words *words)
{
	size_t size = 0;

	for (size_t i = 0; i < words->capacity; i++)
		if (words->slots[i].letters)
			size += 2 * sizeof(uint64_t) + words->slots[i].len;
	return size;
}

void words_pack(const struct words *words, void *to)
{
	char *at = to;

	for (size_t i = 0; i < words->capacity; i++) {
		const struct word *word = &words->slots[i];
		uint64_t head[2] = {word->count, word->len};

		if (!word->letters)
			continue;
		memcpy(at, head, sizeof head);
		memcpy(at + sizeof head, word->letters, word->len);
		at += sizeof head + word->len;
	}
}

int words_merge(struct words *words, const void *bytes, size_t len)
{
	const char *at = bytes, *end = at + len;
	uint64_t head[2];

	while (at < end) {
		if ((size_t)(end - at) < sizeof head)
			return -EBADMSG;
		memcpy(head, at, sizeof head);
		at += sizeof head;
		if ((size_t)(end - at) < head[1])
			return -EBADMSG;
		if (words_add(words, at, head[1], head[0]) < 0)
			return -ENOMEM;
		at += head[1];
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct word *x = a, *y = b;
	int order;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	order = memcmp(x->letters, y->letters, x->len < y->len ? x->len : y->len);
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

size_t words_top(struct words *words, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < words->capacity; i++)
		if (words->slots[i].letters)
			words->slots[used++] = words->slots[i];
	if (used)
		qsort(words->slots, used, sizeof *words->slots, compare);
	return used < n ? used : n;
}

void words_free(struct words *words)
{
	struct block *next;

	for (struct block *block = words->blocks; block; block = next) {
		next = block->next;
		free(block);
	}
	free(words->slots);
	*words = (struct words){0};
}
