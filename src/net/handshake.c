/* SPDX-License-Identifier: MIT */
/* The handshake, as bytes in and bytes out. */
#include "net/net.h"

#include <sodium.h>
#include <string.h>

/* Where what is in a hello; the rest is zero. */
#define MAGIC "covey/1\n"
#define MAGIC_LEN 8
#define ROLE 8
#define KEYED 9
#define PURPOSE 10
#define SPARE 11
#define NONCE 16

static const char *who(const struct cvy_handshake *h)
{
	return h->role == CVY_CLIENT ? "the listener" : "one who came";
}

void cvy_handshake_begin(struct cvy_handshake *h, enum cvy_role role, enum cvy_purpose purpose,
                         struct cvy_key key)
{
	memset(h, 0, sizeof *h);
	h->role = role;
	h->key = key;
	memcpy(h->mine, MAGIC, MAGIC_LEN);
	h->mine[ROLE] = (unsigned char)role;
	h->mine[KEYED] = key.bytes != NULL;
	h->mine[PURPOSE] = (unsigned char)purpose;
	randombytes_buf(h->mine + NONCE, CVY_HELLO - NONCE);
}

size_t cvy_handshake_wants(const struct cvy_handshake *h)
{
	if (h->got < CVY_HELLO)
		return CVY_HELLO - h->got;
	return h->key.bytes ? CVY_HELLO + CVY_PROOF - h->got : 0;
}

enum cvy_purpose cvy_handshake_purpose(const struct cvy_handshake *h)
{
	return (enum cvy_purpose)h->theirs[PURPOSE];
}

/* What the side of that role has to show. */
static void prove(const struct cvy_handshake *h, enum cvy_role role, unsigned char to[CVY_PROOF])
{
	static const unsigned char words[2][16] = {"covey client   ", "covey listener "};
	bool mine_first = h->role == CVY_CLIENT;
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, h->key.bytes, h->key.len);
	crypto_auth_hmacsha256_update(&state, words[role == CVY_LISTENER], 16);
	crypto_auth_hmacsha256_update(&state, mine_first ? h->mine : h->theirs, CVY_HELLO);
	crypto_auth_hmacsha256_update(&state, mine_first ? h->theirs : h->mine, CVY_HELLO);
	crypto_auth_hmacsha256_final(&state, to);
	sodium_memzero(&state, sizeof state);
}

/* Whether the bytes of a hello that came so far can be one. */
static int check_hello(const struct cvy_handshake *h)
{
	size_t begun = h->got < MAGIC_LEN ? h->got : MAGIC_LEN;
	const unsigned char *hello = h->theirs;

	if (memcmp(hello, MAGIC, begun) != 0)
		return cvy_fail(EPROTO,
		                "handshake: %s does not speak as this version of covey does",
		                who(h));
	if (h->got < CVY_HELLO)
		return 0;
	if (hello[ROLE] != (h->role == CVY_CLIENT ? CVY_LISTENER : CVY_CLIENT) ||
	    hello[KEYED] > 1 || (hello[PURPOSE] != CVY_CONNECT && hello[PURPOSE] != CVY_JOIN) ||
	    !sodium_is_zero(hello + SPARE, NONCE - SPARE))
		return cvy_fail(EPROTO, "handshake: what %s says makes no sense", who(h));
	if (hello[KEYED] && !h->key.bytes)
		return cvy_fail(EKEYREJECTED,
		                "handshake: %s asks for a key, and none was given here", who(h));
	if (!hello[KEYED] && h->key.bytes)
		return cvy_fail(EKEYREJECTED, "handshake: %s has no key", who(h));
	return 0;
}

static int check_proof(const struct cvy_handshake *h)
{
	unsigned char expected[CVY_PROOF];
	int rc;

	prove(h, h->role == CVY_CLIENT ? CVY_LISTENER : CVY_CLIENT, expected);
	rc = sodium_memcmp(expected, h->theirs + CVY_HELLO, CVY_PROOF);
	sodium_memzero(expected, sizeof expected);
	return rc == 0 ? 0 : cvy_fail(EKEYREJECTED, "handshake: %s has another key", who(h));
}

int cvy_handshake_feed(struct cvy_handshake *h, const unsigned char *bytes, size_t n)
{
	bool hello = h->got < CVY_HELLO;
	int rc;

	if (n > cvy_handshake_wants(h))
		return cvy_fail(EPROTO, "handshake: %s says too much", who(h));
	memcpy(h->theirs + h->got, bytes, n);
	h->got += n;
	if (hello) {
		rc = check_hello(h);
		if (rc < 0 || h->got < CVY_HELLO || !h->key.bytes)
			return rc;
		prove(h, h->role, h->proof);
		return 1;
	}
	return n && cvy_handshake_wants(h) == 0 ? check_proof(h) : 0;
}
