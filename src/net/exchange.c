/* SPDX-License-Identifier: MIT */
/* The handshake on a socket that does not block. */
#include "net/net.h"

#include <unistd.h>

int cvy_exchange_begin(struct cvy_handshake *h, int fd, enum cvy_role role,
                       enum cvy_purpose purpose, struct cvy_key key)
{
	cvy_handshake_begin(h, role, purpose, key);
	return cvy_send_few(fd, h->mine, sizeof h->mine, -1);
}

static int gone(const struct cvy_handshake *h)
{
	return h->role == CVY_CLIENT
	               ? cvy_fail(EPIPE, "handshake: the listener closed the connection")
	               : cvy_fail(EPROTO, "handshake: one who came left during it");
}

int cvy_exchange_go_on(struct cvy_handshake *h, int fd)
{
	unsigned char bytes[CVY_HELLO];
	size_t wants;

	while ((wants = cvy_handshake_wants(h)) > 0) {
		int passed, rc;
		ssize_t n = cvy_receive_few(fd, bytes, wants, &passed);

		if (passed >= 0)
			close(passed);
		if (n == -EAGAIN)
			return 0;
		if (n <= 0)
			return gone(h);
		rc = cvy_handshake_feed(h, bytes, (size_t)n);
		if (rc < 0)
			return rc;
		if (rc == 1 && cvy_send_few(fd, h->proof, sizeof h->proof, -1) < 0)
			return gone(h);
	}
	return 1;
}
