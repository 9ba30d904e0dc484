/* SPDX-License-Identifier: MIT */
/*
 * Listeners and connections. Private to this layer, which uses arena and base.
 */
#ifndef CVY_NET_H
#define CVY_NET_H

#include <sys/socket.h>

#include <covey/listener.h>

#include "base/base.h"

/* ---- address.c */

#define CVY_ADDRESS_MAX 128

struct cvy_address {
	struct sockaddr_storage at;
	socklen_t len;
	bool tcp;
	char path[109]; /* of a unix address with a file, else "" */
};

/* Reads an address; what: who asks, for the words. "unix:" and port 0 only where listening. */
int cvy_address_read(struct cvy_address *address, const char *text, bool listening,
                     const char *what);
/* Writes it as text. */
void cvy_address_write(char to[CVY_ADDRESS_MAX], const struct cvy_address *address);
/* A socket bound to it and listening, *address being where. */
int cvy_address_listen(struct cvy_address *address);
/* Removes the file, if it is still the one that this listener made. */
void cvy_address_remove(const struct cvy_address *address, uint64_t device, uint64_t inode);

/* ---- handshake.c: who the other is. It does no input or output. */

/*
 * Each side sends a hello: 8 bytes that tell the protocol, its role, whether
 * it has a key, what it comes for, and 32 random bytes. Where both have a key, each then
 * sends the HMAC-SHA-256 of a word for its role and of both hellos. So no proof
 * can be sent back to its maker, or be used a second time. Last the listener
 * sends one byte, its verdict. No length comes from the other side.
 */
enum cvy_role {
	CVY_CLIENT = 'c',
	CVY_LISTENER = 'l',
};
enum cvy_purpose {
	CVY_CONNECT = 'c',
	CVY_JOIN = 'j',
};
enum cvy_verdict {
	CVY_WELCOME = 'w',
	CVY_FAMILY = 'f', /* welcome, and the family's memory comes with this byte */
	CVY_UNINVITED = 'u',
	CVY_TROUBLE = 't', /* the listener could not give what was asked for */
};

#define CVY_HELLO 48
#define CVY_PROOF 32

struct cvy_key {
	unsigned char *bytes; /* NULL: none */
	size_t len;
};

struct cvy_handshake {
	enum cvy_role role;
	struct cvy_key key;
	unsigned char mine[CVY_HELLO];
	unsigned char theirs[CVY_HELLO + CVY_PROOF];
	unsigned char proof[CVY_PROOF]; /* mine */
	size_t got;
};

/* Makes mine. */
void cvy_handshake_begin(struct cvy_handshake *h, enum cvy_role role, enum cvy_purpose purpose,
                         struct cvy_key key);
/* How many bytes to read next: 0 when the other has shown who it is. */
size_t cvy_handshake_wants(const struct cvy_handshake *h);
/*
 * Takes n bytes of the other, at most as many as are wanted. 1: the hello is
 * complete now, and a proof is to be sent. 0. -EPROTO, -EKEYREJECTED in words.
 */
int cvy_handshake_feed(struct cvy_handshake *h, const unsigned char *bytes, size_t n);
/* What the client came for, once its hello is there. */
enum cvy_purpose cvy_handshake_purpose(const struct cvy_handshake *h);

/* ---- exchange.c: the handshake on a socket */

/* Begins it by sending the hello. -errno without words. */
int cvy_exchange_begin(struct cvy_handshake *h, int fd, enum cvy_role role,
                       enum cvy_purpose purpose, struct cvy_key key);
/*
 * Goes on as far as what has come allows. 1: the other has shown who it is. 0: more has to
 * come. -EPROTO, -EKEYREJECTED; in a client -EPIPE where the listener closed; in words.
 */
int cvy_exchange_go_on(struct cvy_handshake *h, int fd);

/* ---- connection.c */

/*
 * What this process has open, so that a forked child can close it. Changed
 * under a lock, each change one store, so that a fork at any time finds a sane list.
 */
struct cvy_open {
	struct cvy_open *_Atomic next;
	uint32_t incarnation;
	int fds[2]; /* -1: none */
};
void cvy_open_add(struct cvy_open *open);
/* Takes it out and closes it; nothing but that in a forked child. */
void cvy_open_close(struct cvy_open *open);
/* -ECHILD in words in a forked child, -EINVAL for none. */
int cvy_open_mine(const struct cvy_open *open, const char *what);

/*
 * in_lock: of those who receive; guards what is below it. out_lock: of those who send.
 */
struct covey_connection {
	struct cvy_open open;
	uint64_t max_message;
	pthread_mutex_t out_lock;
	bool out_broken; /* a message was sent in part */
	pthread_mutex_t in_lock;
	unsigned char head[8]; /* the length of the next message, as far as it came */
	unsigned head_got;
	unsigned char *kept; /* of the next message, what a receive had when its time ran out */
	uint64_t kept_len;
	bool in_broken;
};
/* Takes over the socket, which it closes where it fails. */
int cvy_connection_new(covey_connection **connection, int fd, bool tcp, uint64_t max_message);

/* ---- socket.c: sockets as this layer uses them */

/* Waits for events at fd: 0, or -ETIMEDOUT without words. */
int cvy_wait_fd(int fd, short events, int64_t deadline);
/* Takes a lock of this process: 0 or -ETIMEDOUT, without words. */
int cvy_lock_within(pthread_mutex_t *lock, struct cvy_wait *wait);
/* -EACCES where the other end of a unix socket is another user's; *pid out. */
int cvy_same_user(int fd, const char *what);
/* Sends all of a few bytes at once, with a descriptor where that is not -1. -errno. */
int cvy_send_few(int fd, const void *bytes, size_t n, int pass);
/* Reads up to n bytes: how many, 0 at the end, -EAGAIN, -errno; *passed: a descriptor that
 * came, or -1. */
ssize_t cvy_receive_few(int fd, void *bytes, size_t n, int *passed);
/* Copies a key; -EINVAL, -ENOKEY, -ENOMEM in words. */
int cvy_key_copy(struct cvy_key *to, const void *key, size_t len, bool tcp, const char *what);
void cvy_key_free(struct cvy_key *key);

#define CVY_HANDSHAKE_MS 10000

#endif
