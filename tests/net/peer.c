/* SPDX-License-Identifier: MIT */
/* The other program of the tests: `peer MODE ADDRESS [KEY]`. Ends with the error's number. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <covey.h>

static int failed(int rc)
{
	fprintf(stderr, "peer: %s\n", covey_errmsg());
	return -rc;
}

/* Sends back what comes until the end. */
static int echo(covey_connection *c)
{
	for (;;) {
		void *data;
		int64_t len = covey_connection_receive_alloc(c, &data, COVEY_FOREVER);
		int rc;

		if (len == -EPIPE)
			return 0;
		if (len < 0)
			return failed((int)len);
		rc = covey_connection_send(c, data, (size_t)len, COVEY_FOREVER);
		free(data);
		if (rc < 0)
			return failed(rc);
	}
}

/* Sends one message and half of another, and is killed. */
static int die(covey_connection *c)
{
	unsigned char half[8 + 50] = {100};
	ssize_t n;

	covey_connection_send(c, "whole", 5, COVEY_FOREVER);
	n = write(covey_connection_fd(c), half, sizeof half);
	raise(n == sizeof half ? SIGKILL : SIGTERM);
	return 0;
}

/* Uses the queue and the lock that it is sent, from a child of its own too. */
static int use(const void *arg, size_t len)
{
	covey_queue q = *(const covey_queue *)arg;
	pid_t pid = getpid();

	return covey_put(q, &pid, COVEY_FOREVER) < 0 ? -covey_errcode() : 0;
}

static int join(const char *address, int die_with_it)
{
	struct {
		covey_queue q;
		covey_lock lock;
	} both;
	covey_connection *c;
	covey_process *p;
	int rc = covey_join_family(&c, address, NULL, COVEY_FOREVER);
	int64_t len;

	if (rc < 0)
		return failed(rc);
	len = covey_connection_receive(c, &both, sizeof both, COVEY_FOREVER);
	if (len != sizeof both)
		return failed((int)len);
	rc = covey_lock_acquire(both.lock, COVEY_FOREVER);
	if (rc < 0)
		return failed(rc);
	use(&both.q, sizeof both.q);
	if (die_with_it)
		raise(SIGKILL);
	covey_lock_release(both.lock);
	rc = covey_process_start(&p, use, &both.q, sizeof both.q, NULL);
	if (rc < 0)
		return failed(rc);
	covey_process_join(p, COVEY_FOREVER);
	rc = covey_process_exit_code(p);
	covey_process_free(p);
	if (covey_join_family(&c, address, NULL, COVEY_FOREVER) != -EEXIST)
		return 99;
	covey_connection_close(c);
	return rc;
}

static int listen_and_die(const char *address)
{
	covey_listener *l;
	int rc = covey_listener_open(&l, address, NULL);

	if (rc < 0)
		return failed(rc);
	raise(SIGKILL);
	return 0;
}

int main(int argc, char **argv)
{
	covey_connect_opts opts = {0};
	covey_connection *c;
	int rc;

	covey_init(argc, argv);
	if (argc < 3)
		return 98;
	if (strcmp(argv[1], "join") == 0)
		return join(argv[2], 0);
	if (strcmp(argv[1], "join-die") == 0)
		return join(argv[2], 1);
	if (strcmp(argv[1], "listen-die") == 0)
		return listen_and_die(argv[2]);
	if (argc > 3) {
		opts.key = argv[3];
		opts.key_len = strlen(argv[3]);
	}
	rc = covey_connect(&c, argv[2], &opts, COVEY_FOREVER);
	if (rc < 0)
		return -rc;
	rc = strcmp(argv[1], "die") == 0 ? die(c) : echo(c);
	covey_connection_close(c);
	return rc;
}
