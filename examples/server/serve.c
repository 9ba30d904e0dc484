/* SPDX-License-Identifier: MIT */
/* The worker: HTTP/1.0, GET alone, one connection at a time. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "serve.h"

/* How long a client may take over its request, in ms; over the answer, in s. */
#define PATIENCE 5000
#define PATIENCE_SEND 5

struct worker {
	int signals; /* readable once it is to end */
	int place;
	struct shared shared;
};

struct request {
	char text[8192];
	size_t len;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Whether fd can be read within ms; not where the worker is to end first. */
static bool readable(const struct worker *w, int fd, int ms, bool unless_to_end)
{
	struct pollfd two[] = {{.fd = fd, .events = POLLIN},
	                       {.fd = unless_to_end ? w->signals : -1, .events = POLLIN}};

	return poll(two, 2, ms) > 0 && two[1].revents == 0;
}

/* Reads up to the empty line. A client that has sent nothing yet does not hold up the end. */
static bool receive(const struct worker *w, int client, struct request *r)
{
	int64_t until = now_ms() + PATIENCE;

	r->len = 0;
	while (r->len < sizeof r->text - 1) {
		int64_t left = until - now_ms();
		ssize_t n;

		if (left <= 0 || !readable(w, client, (int)left, r->len == 0))
			return false;
		n = recv(client, r->text + r->len, sizeof r->text - 1 - r->len, 0);
		if (n <= 0)
			return false;
		r->len += (size_t)n;
		r->text[r->len] = '\0';
		if (strstr(r->text, "\r\n\r\n") || strstr(r->text, "\n\n"))
			return true;
	}
	return true; /* longer than it may be, as respond() sees */
}

static void send_all(int client, const char *text)
{
	size_t len = strlen(text);

	while (len > 0) {
		ssize_t n = send(client, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* the client has gone, or does not read */
		text += n;
		len -= (size_t)n;
	}
}

static void answer(int client, const char *status, const char *body)
{
	char head[256];

	snprintf(head, sizeof head,
	         "HTTP/1.0 %s\r\nContent-Type: text/plain; charset=utf-8\r\n"
	         "Content-Length: %zu\r\nConnection: close\r\n\r\n",
	         status, strlen(body));
	send_all(client, head);
	send_all(client, body);
}

/* ---- what the server is for; begin here to make it another */

struct greeting {
	char text[128];
};

static struct greeting greeting(const struct worker *w)
{
	struct greeting g;
	int64_t nth = 0;

	covey_value_add(w->shared.answered, 1, &nth);
	snprintf(g.text, sizeof g.text, "request %" PRId64 ", worker %d, process %d\n", nth,
	         w->place, (int)getpid());
	return g;
}

/* As long as it takes: the answer ends where the connection does. */
static void answer_slowly(const struct worker *w, int client)
{
	send_all(client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
	                 "Connection: close\r\n\r\none moment\n");
	sleep(1);
	send_all(client, greeting(w).text);
}

static void respond(const struct worker *w, int client, struct request *r)
{
	char *path = r->text + 4;
	struct at at = {""};

	if (r->len == sizeof r->text - 1) {
		answer(client, "431 Request Header Fields Too Large", "too long\n");
		return;
	}
	if (strncmp(r->text, "GET ", 4) != 0) {
		answer(client, "501 Not Implemented", "GET alone\n");
		return;
	}
	path[strcspn(path, " \r\n")] = '\0';
	snprintf(at.request, sizeof at.request, "GET %s", path);
	covey_array_set(w->shared.at, w->place, &at);
	if (!strcmp(path, "/")) {
		answer(client, "200 OK", greeting(w).text);
	} else if (!strcmp(path, "/slow")) {
		answer_slowly(w, client);
	} else if (!strcmp(path, "/crash")) {
		abort();
	} else {
		answer(client, "404 Not Found", "there are /, /slow and /crash\n");
	}
	covey_array_set(w->shared.at, w->place, &(struct at){""});
}

/* ---- the loop */

static void take(const struct worker *w, int listener)
{
	struct timeval patience = {.tv_sec = PATIENCE_SEND};
	struct request request;
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (client < 0) {
		/* Another worker was quicker; or no descriptors are left, for now. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			poll(NULL, 0, 100);
		return;
	}
	setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (receive(w, client, &request))
		respond(w, client, &request);
	close(client);
}

int serve(int listener, int place, struct shared shared)
{
	struct worker w = {.place = place, .shared = shared};
	sigset_t end;

	/* The terminal's SIGINT goes to all; it is the parent that acts on it. */
	signal(SIGINT, SIG_IGN);
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigprocmask(SIG_BLOCK, &end, NULL);
	w.signals = signalfd(-1, &end, SFD_CLOEXEC);
	if (listener < 0 || w.signals < 0)
		return 1;
	for (;;) {
		struct pollfd two[] = {{.fd = listener, .events = POLLIN},
		                       {.fd = w.signals, .events = POLLIN}};

		if (poll(two, 2, -1) < 0 && errno != EINTR)
			return 1;
		if (two[1].revents)
			return 0;
		if (two[0].revents)
			take(&w, listener);
	}
}
