/* SPDX-License-Identifier: MIT */
/*
 * SipHash-1-3, after the description by Aumasson and Bernstein: a hash that
 * nobody can find collisions of who does not know its key.
 */
#include "shared/dict.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void one_round(struct state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void take_in(struct state *s, uint64_t word)
{
	s->v3 ^= word;
	one_round(s);
	s->v0 ^= word;
}

uint64_t cvy_hash(const uint64_t secret[2], const void *data, size_t len)
{
	struct state s = {
		secret[0] ^ UINT64_C(0x736f6d6570736575),
		secret[1] ^ UINT64_C(0x646f72616e646f6d),
		secret[0] ^ UINT64_C(0x6c7967656e657261),
		secret[1] ^ UINT64_C(0x7465646279746573),
	};
	const unsigned char *bytes = data;
	uint64_t word;
	size_t left;

	for (left = len; left >= sizeof word; left -= sizeof word, bytes += sizeof word) {
		memcpy(&word, bytes, sizeof word);
		take_in(&s, word);
	}
	word = 0;
	if (left)
		memcpy(&word, bytes, left);
	take_in(&s, word | (uint64_t)len << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 3; i++)
		one_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
