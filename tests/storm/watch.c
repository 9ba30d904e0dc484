/* SPDX-License-Identifier: MIT */
/* A round seen from outside: whether it ends, and what it leaves. */
#include "storm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/runner.h"
#include "watch.h"

/* Counted in looks, not in time: one that gets no core looks less often, as they do less. */
#define LOOK 200        /* ms between two */
#define ASLEEP 50       /* looks at which all must be asleep before they are believed stuck */
#define AWAKE 8         /* looks by which each at which one is awake puts that off */
#define STILL 200       /* looks between which nothing may be done, though some look round */
#define PATIENCE 300000 /* ms that a round may take in any case, on a machine that is busy */
#define ENDS 20000      /* ms that all may take to end after the root */

/* All below this process, as text; from malloc. */
static char *describe(void)
{
	pid_t children[64];
	int n = children_of(getpid(), children, 64);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	for (int i = 0; i < n; i++)
		print_tree(out, children[i], 1);
	fclose(out);
	return text;
}

static bool all_asleep(void)
{
	char *text = describe();
	bool awake = strstr(text, "state R") || strstr(text, "state D");

	free(text);
	return !awake;
}

/* A number that changes as long as something is done. */
static uint64_t progress(void)
{
	uint64_t n = books->actors + books->sum.tasks + books->sum.killed + books->sum.stopped;

	for (int i = 0; i < ACTORS_MOST; i++)
		for (int k = 0; k < 3; k++)
			n = n * 31 + books->actor[i].done[k] + books->actor[i].ended;
	for (int c = 0; c < CHANNELS; c++)
		for (int i = 0; i < SENDERS_MOST; i++)
			n = n * 31 + books->channel[c].account[i].put;
	for (const char *p = books->doing; *p; p++)
		n = n * 31 + (unsigned char)*p;
	return n;
}

/* Where they are: as the kernel sees it, and as covey does, if the root can still say. */
static void tell_hung(pid_t root, uint64_t seed, bool leave)
{
	int64_t until = now_ms() + 2000;
	char *text = describe();

	kill(root, SIGUSR1);
	while (!books->told && now_ms() < until)
		usleep(1000);
	printf("\nround %llu hangs; the root: %s\n%s%s%s", (unsigned long long)seed, books->doing,
	       text, books->told ? " as covey sees it:\n" : "", books->told ? books->state : "");
	free(text);
	if (leave) {
		printf("left as it is, below process %d\n", (int)root);
		fflush(stdout);
		pause();
	}
}

/* Waits for the root; false where it hangs. */
static bool root_ends(pid_t root, int *status)
{
	int64_t since = now_ms(), looked = since;
	uint64_t before = 0;
	int asleep = 0, still = 0;

	while (waitpid(root, status, WNOHANG) == 0) {
		int64_t now = now_ms();

		usleep(1000);
		if (now - looked < LOOK)
			continue;
		looked = now;
		/* One that looks round now and then, as the root does, may be seen awake. */
		if (all_asleep())
			asleep++;
		else
			asleep = asleep > AWAKE ? asleep - AWAKE : 0;
		still = progress() == before ? still + 1 : 0;
		before = progress();
		if (asleep > ASLEEP || still > STILL || now - since > PATIENCE)
			return false;
	}
	return true;
}

/* Reaps all that come here as orphans; false where some stay, which are then named and killed. */
static bool all_end(void)
{
	int64_t until = now_ms() + ENDS;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0) {
		if (pid > 0)
			continue;
		if (now_ms() > until) {
			char *text = describe();

			printf("left:\n%s", text);
			free(text);
			kill_processes();
			return false;
		}
		usleep(500);
	}
	return true;
}

bool watch_round(uint64_t seed, struct books *told, bool leave)
{
	int fd = memfd_create("storm-books", MFD_CLOEXEC), status = 0;
	pid_t self = getpid(), root;
	char *before = list_files(), *after;

	if (fd < 0 || ftruncate(fd, sizeof *books) < 0 || !books_open(self, fd) ||
	    (root = fork()) < 0) {
		perror("covey-storm");
		exit(2);
	}
	if (root == 0) {
		close(fd);
		storm_round(seed, self, fd);
		exit(0);
	}
	if (!root_ends(root, &status)) {
		tell_hung(root, seed, leave);
		wrong("it does not end");
		kill(root, SIGKILL);
		waitpid(root, &status, 0);
	} else if (status && !books->root_dies) {
		wrong("the root ended with status %x", (unsigned)status);
	}
	if (!all_end())
		wrong("processes are left");
	after = list_files();
	if (print_missing(stdout, "left:", after, before))
		wrong("files are left");
	free(before);
	free(after);
	*told = *books;
	munmap(books, sizeof *books);
	books = NULL;
	close(fd);
	return !told->wrong;
}
