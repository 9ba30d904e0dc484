/* SPDX-License-Identifier: MIT */
/*
 * A libFuzzer target: whatever one who comes says, in whatever pieces, the
 * handshake takes no more than it wants, and believes nobody without the key.
 */
#include <stdlib.h>
#include <string.h>

#include "net/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* data[0]: our role, and whether there is a key; data[1]: the size of the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char secret[] = "a key that is not in the data";
	struct cvy_handshake h;
	struct cvy_key key = {NULL, 0};
	size_t piece, at = 2;

	if (size < 2)
		return 0;
	if (data[0] & 1)
		key = (struct cvy_key){secret, sizeof secret};
	piece = data[1] ? data[1] : 1;
	cvy_handshake_begin(&h, data[0] & 2 ? CVY_CLIENT : CVY_LISTENER, CVY_CONNECT, key);
	while (at < size) {
		size_t wants = cvy_handshake_wants(&h), n = size - at < piece ? size - at : piece;
		int rc = cvy_handshake_feed(&h, data + at, n);

		check(h.got <= sizeof h.theirs);
		check(rc == 0 || rc == 1 || rc == -EPROTO || rc == -EKEYREJECTED);
		check(n <= wants || rc == -EPROTO);
		if (rc < 0)
			return 0;
		at += n;
	}
	check(!key.bytes || cvy_handshake_wants(&h) > 0);
	return 0;
}
