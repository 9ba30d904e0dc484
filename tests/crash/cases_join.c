/* SPDX-License-Identifier: MIT */
/*
 * Joining a family by invitation: an unrelated program, killed from its
 * covey_init to its end, and the process that invites. The program is this one,
 * run anew with --join.
 */
#include "cases.h"

#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* So long at most until one who accepts looks whether the victim is dead. */
#define A_WHILE 20 /* ms */

static covey_queue q;

static void have_queue(void)
{
	if (covey_queue_create(&q, NULL) < 0)
		abort();
}

static void end_queue(void)
{
	covey_queue_destroy(q);
}

/* ---- the program that joins */

int join_as_told(const char *address)
{
	covey_connection *c;
	covey_queue told;
	pid_t self = getpid();

	if (covey_join_family(&c, address, NULL, COVEY_FOREVER) < 0)
		return 1;
	if (covey_connection_receive(c, &told, sizeof told, COVEY_FOREVER) != sizeof told)
		return 2;
	if (covey_put(told, &self, COVEY_FOREVER) < 0)
		return 3;
	covey_connection_close(c);
	return 0;
}

static pid_t start_joiner(const char *address)
{
	char *const argv[] = {(char *)"covey-crash", (char *)"--join", (char *)(uintptr_t)address,
	                      NULL};
	pid_t pid;

	return posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) == 0 ? pid : -1;
}

/* ---- those who invite */

static covey_listener *invite(void)
{
	covey_listener *l = NULL;

	covey_listener_open(&l, "unix:", &(covey_listener_opts){.invite = 1});
	return l;
}

/* Accepts the one that comes and sends it the queue. NULL, or what is wrong. */
static const char *let_in(covey_listener *l, bool may_die)
{
	covey_connection *c = NULL;
	int rc;

	do
		rc = covey_listener_accept(l, &c, A_WHILE);
	while (rc == -ETIMEDOUT && !(may_die && board->dead));
	if (rc < 0)
		return may_die ? NULL : "one who was invited does not get in";
	rc = covey_connection_send(c, &q, sizeof q, COVEY_FOREVER);
	covey_connection_close(c);
	return rc < 0 && !may_die ? "it is not told of the queue" : NULL;
}

/* That one has put its id. */
static const char *hear_of(pid_t pid, bool may_die)
{
	pid_t said = 0;
	int rc;

	do
		rc = covey_get(q, &said, A_WHILE);
	while (rc == -ETIMEDOUT && !(may_die && board->dead));
	if (rc < 0)
		return may_die ? NULL : "who joined cannot put";
	return said == pid ? NULL : "another put";
}

/* All of it, from its start to its end. */
static const char *host(covey_listener *l, bool may_die)
{
	pid_t pid = start_joiner(covey_listener_address(l));
	const char *why;
	int status = 0;

	if (pid < 0)
		return "setup: the program that joins does not start";
	why = let_in(l, may_die);
	if (!why)
		why = hear_of(pid, may_die);
	if (why)
		kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return !why && status && !may_die ? "who joined does not end well" : why;
}

/* ---- the scenes */

static const char *joiner(void)
{
	covey_listener *l = invite();
	const char *why;

	if (!l)
		return "setup: nobody listens";
	board->victim = getpid();
	scene_ready();
	why = host(l, true);
	scene_settled();
	if (!why)
		why = host(l, false);
	covey_listener_close(l);
	return why;
}

/* By the victim: invites, says where, lets one in. */
static void invite_one(void)
{
	covey_listener *l = invite();

	if (!l)
		_exit(1);
	strcpy((char *)board->area, covey_listener_address(l));
	let_in(l, false);
	covey_listener_close(l);
	for (;;)
		pause();
}

static const char *inviter(void)
{
	pid_t host_pid = fork(), pid;
	covey_listener *l;
	const char *why;
	pid_t said;

	if (host_pid == 0)
		invite_one();
	while (!((volatile char *)board->area)[0])
		usleep(50);
	board->victim = host_pid;
	scene_ready();
	pid = start_joiner((const char *)board->area);
	/* Let in or sent away, it must not wait for the dead. */
	waitpid(pid, NULL, 0);
	scene_settled();
	waitpid(host_pid, NULL, 0);
	while (covey_get(q, &said, 0) == 0)
		;
	l = invite();
	why = l ? host(l, false) : "nobody listens afterwards";
	covey_listener_close(l);
	return why;
}

static const struct crash_case cases[] = {
	{.name = "join: the program that joins",
         .setup = have_queue,
         .scene = joiner,
         .victim = VICTIM_IMAGE,
         .teardown = end_queue},
	{.name = "join: the process that invites",
         .setup = have_queue,
         .scene = inviter,
         .teardown = end_queue},
};

CRASH_NOUN(join, cases);
