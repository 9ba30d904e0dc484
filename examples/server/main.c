/* SPDX-License-Identifier: MIT */
/*
 * server: processes that answer requests at one socket.
 *
 * The parent binds the socket, starts the workers and passes it to them; each
 * accepts for itself, so no request goes through the parent. It sleeps, until a
 * worker dies, in whose place it starts another, or a signal ends the server.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "workers.h"

static const char usage[] =
	"Usage: server [OPTION]...\n"
	"Answers GET requests at http://127.0.0.1:PORT/ by several processes.\n"
	"\n"
	"  -p, --port PORT            where; 0 for any that is free; 8080 if not given\n"
	"  -w, --workers N            so many processes; one for each core if not given\n"
	"  -m, --start-method METHOD  fork, spawn or forkserver\n"
	"  -h, --help                 this text\n"
	"\n"
	"GET / answers at once, /slow after a second, /crash not at all: the process\n"
	"crashes, and another takes its place. SIGINT and SIGTERM end the server once what\n"
	"is being answered is answered.\n";

static int refuse(const char *what, const char *word)
{
	fprintf(stderr, "server: %s '%s'\nTry 'server --help'.\n", what, word);
	return 2;
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "server: %s: %s\n", what, why);
	return 1;
}

/* A number from least to most, or -1. */
static int number(const char *word, int least, int most)
{
	char *end;
	long n = strtol(word, &end, 10);

	return end == word || *end || n < least || n > most ? -1 : (int)n;
}

/* Listens on loopback; *port becomes the one it is. A descriptor, or -1. */
static int listen_at(int *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
	socklen_t len = sizeof address;
	int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(fd, (struct sockaddr *)&address, len) < 0 || listen(fd, SOMAXCONN) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	*port = ntohs(address.sin_port);
	return fd;
}

/* A descriptor that is readable once the server is to end, or -1. */
static int signals_that_end(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int run(struct workers *workers, int port)
{
	int64_t answered = 0;
	int signals = signals_that_end(), killed;

	if (signals < 0)
		return fail("signals", strerror(errno));
	if (covey_value_create(&workers->shared.answered, &answered, "answered") < 0 ||
	    covey_array_create(&workers->shared.at, struct at, workers->count, "at") < 0)
		return fail("shared memory", covey_errmsg());
	workers->listener = listen_at(&port);
	if (workers->listener < 0)
		return fail("listening", strerror(errno));
	if (workers_start(workers) < 0)
		return 1;
	printf("http://127.0.0.1:%d/ by %d workers\n", port, workers->count);
	fflush(stdout);
	workers_watch(workers, signals);
	close(workers->listener); /* who comes now is refused, once the workers have ended */
	killed = workers_end(workers);
	covey_value_get(workers->shared.answered, &answered);
	printf("%" PRId64 " requests answered, %d workers replaced, %d killed at the end\n",
	       answered, workers->replaced, killed);
	return killed > 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"port", required_argument, NULL, 'p'},
		{"workers", required_argument, NULL, 'w'},
		{"start-method", required_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct workers workers = {.count = 0};
	int port = 8080, option;

	covey_init(argc, argv);
	while ((option = getopt_long(argc, argv, "p:w:m:h", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			port = number(optarg, 0, 65535);
			if (port < 0)
				return refuse("not a port:", optarg);
			break;
		case 'w':
			workers.count = number(optarg, 1, WORKERS_MOST);
			if (workers.count < 0)
				return refuse("not a number of workers from 1 to 64:", optarg);
			break;
		case 'm':
			workers.method = COVEY_FORK;
			while (workers.method <= COVEY_FORKSERVER &&
			       strcmp(optarg, covey_method_name(workers.method)) != 0)
				workers.method++;
			if (workers.method > COVEY_FORKSERVER)
				return refuse("no start method:", optarg);
			break;
		default:
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (optind < argc)
		return refuse("no argument is needed, not", argv[optind]);
	if (!workers.count)
		workers.count = covey_cpu_count() < WORKERS_MOST ? covey_cpu_count() : WORKERS_MOST;
	return run(&workers, port);
}
