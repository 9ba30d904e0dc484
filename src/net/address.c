/* SPDX-License-Identifier: MIT */
/* Addresses: reading, writing, and listening at them. */
#include "net/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 128

static int read_tcp(struct cvy_address *address, const char *text, bool listening, const char *what)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&address->at;
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN] = "";
	unsigned long port;
	char *end;

	if (!colon || colon[1] < '0' || colon[1] > '9' || strlen(colon) > 6)
		return cvy_fail(EINVAL, "%s: 'tcp:%.80s' does not end with a port", what, text);
	port = strtoul(colon + 1, &end, 10);
	if (*end || port > 65535 || (!port && !listening))
		return cvy_fail(EINVAL, "%s: '%.20s' is no port", what, colon + 1);
	if ((size_t)(colon - text) < sizeof host)
		memcpy(host, text, (size_t)(colon - text));
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		return cvy_fail(EINVAL, "%s: 'tcp:%.80s': the host must be written 127.0.0.1", what,
		                text);
	if (ntohl(in->sin_addr.s_addr) >> 24 != 127)
		return cvy_fail(EPERM,
		                "%s: 'tcp:%.80s' is not of this machine alone: only 127.0.0.1 is "
		                "allowed, since messages are not encrypted",
		                what, text);
	address->len = sizeof *in;
	address->tcp = true;
	return 0;
}

/* A name that nobody else has. */
static void fresh_name(char to[24])
{
	unsigned char bytes[8];

	randombytes_buf(bytes, sizeof bytes);
	memcpy(to, "covey-", 6);
	sodium_bin2hex(to + 6, 18, bytes, sizeof bytes);
}

static int read_unix(struct cvy_address *address, const char *text, bool listening,
                     const char *what)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&address->at;
	char fresh[25] = "@";
	size_t len;

	if (!*text && listening) {
		fresh_name(fresh + 1);
		text = fresh;
	}
	len = strlen(text);
	if ((*text != '/' && *text != '@') || len < 2)
		return cvy_fail(EINVAL, "%s: 'unix:%.80s' needs an absolute path, or @ and a name",
		                what, text);
	if (len >= sizeof un->sun_path)
		return cvy_fail(ENAMETOOLONG,
		                "%s: 'unix:%.40s...' is %zu bytes, at most %zu are "
		                "possible",
		                what, text, len, sizeof un->sun_path - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, text, len + 1);
	address->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (*text == '@')
		un->sun_path[0] = 0;
	else {
		memcpy(address->path, text, len + 1);
		address->len++;
	}
	return 0;
}

int cvy_address_read(struct cvy_address *address, const char *text, bool listening,
                     const char *what)
{
	memset(address, 0, sizeof *address);
	if (text && strncmp(text, "unix:", 5) == 0)
		return read_unix(address, text + 5, listening, what);
	if (text && strncmp(text, "tcp:", 4) == 0)
		return read_tcp(address, text + 4, listening, what);
	return cvy_fail(EINVAL,
	                "%s: '%.80s' is no address: unix:/path, unix:@name or "
	                "tcp:127.0.0.1:port",
	                what, text ? text : "");
}

void cvy_address_write(char to[CVY_ADDRESS_MAX], const struct cvy_address *address)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&address->at;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&address->at;
	char host[INET_ADDRSTRLEN];

	if (address->tcp)
		snprintf(to, CVY_ADDRESS_MAX, "tcp:%s:%u",
		         inet_ntop(AF_INET, &in->sin_addr, host, sizeof host), ntohs(in->sin_port));
	else if (address->path[0])
		snprintf(to, CVY_ADDRESS_MAX, "unix:%s", address->path);
	else
		snprintf(to, CVY_ADDRESS_MAX, "unix:@%s", un->sun_path + 1);
}

/*
 * Only one at a time may replace what a dead listener left in a folder. The
 * folder's descriptor, or -1 where another has it for a second: then nothing is replaced.
 */
static int lock_folder(const char *path)
{
	char folder[sizeof((struct cvy_address *)0)->path];
	char *slash;
	int fd;

	memcpy(folder, path, strlen(path) + 1);
	slash = strrchr(folder, '/');
	slash[slash == folder] = 0;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int tries = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0; tries++) {
		struct timespec ms10 = {.tv_nsec = 10 * CVY_MS};

		if (tries == 100) {
			close(fd);
			return -1;
		}
		nanosleep(&ms10, NULL);
	}
	return fd;
}

/* Whether the file is a socket of this user's that nobody listens at. */
static bool is_left_over(const struct cvy_address *address)
{
	struct stat st;
	bool refused;
	int fd;

	if (lstat(address->path, &st) < 0 || !S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)&address->at, address->len) < 0 &&
	          errno == ECONNREFUSED;
	close(fd);
	return refused;
}

static int bind_and_listen(int fd, const struct cvy_address *address)
{
	const struct sockaddr *at = (const struct sockaddr *)&address->at;
	int folder = address->path[0] ? lock_folder(address->path) : -1, rc;

	rc = bind(fd, at, address->len) < 0 ? -errno : 0;
	if (rc == -EADDRINUSE && folder >= 0 && is_left_over(address) && unlink(address->path) == 0)
		rc = bind(fd, at, address->len) < 0 ? -errno : 0;
	if (rc == 0)
		rc = listen(fd, BACKLOG) < 0 ? -errno : 0;
	if (folder >= 0)
		close(folder);
	return rc;
}

int cvy_address_listen(struct cvy_address *address)
{
	int fd = socket(address->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	char text[CVY_ADDRESS_MAX];
	socklen_t len = sizeof address->at;
	int one = 1, rc = fd < 0 ? -errno : 0;

	if (rc == 0 && address->tcp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	/* The file is made with the socket's mode. */
	if (rc == 0 && !address->tcp && fchmod(fd, 0600) < 0)
		rc = -errno;
	if (rc == 0)
		rc = bind_and_listen(fd, address);
	if (rc == 0 && address->tcp && getsockname(fd, (struct sockaddr *)&address->at, &len) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	cvy_address_write(text, address);
	return cvy_fail(-rc, "listener: %s: %s", text, strerror(-rc));
}

void cvy_address_remove(const struct cvy_address *address, uint64_t device, uint64_t inode)
{
	struct stat st;

	if (lstat(address->path, &st) == 0 && st.st_dev == device && st.st_ino == inode)
		unlink(address->path);
}
