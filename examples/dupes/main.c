/* SPDX-License-Identifier: MIT */
/*
 * dupes: files that are the same, found by a pipeline of processes.
 *
 *     walk --found--> digest, digest, ... --seen--> main
 *
 * One process walks the directories and puts each file's name into a queue;
 * several take names from it, read the files, and put what they saw into
 * another; main sorts that and prints the groups. Both queues are bounded, so
 * that the quick wait for the slow, and memory stays small.
 *
 * A process that digests says which file it is about to read. When it dies of
 * that file, main knows, names the file, and starts another in its place. Once
 * all that walk have ended, main closes their queue: who digests sees its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "entries.h"

#define WORKERS_MOST 64

static const char usage[] =
	"Usage: dupes [OPTION]... DIRECTORY...\n"
	"Prints groups of files below directories that have the same contents.\n"
	"\n"
	"  -w, --workers N  so many processes read files; one for each core if not given\n"
	"  -k, --kill FILE  kill the process that reads FILE; FILE is named and left out\n"
	"  -h, --help       this text\n"
	"\n"
	"The exit status is 0, or 1 where a file could not be read, 2 for a mistake in\n"
	"the arguments.\n";

/* What a process that digests tells: first that it takes a file, then what it saw. */
struct seen {
	const char *path;
	uint64_t size;
	uint64_t hash;
	int32_t error; /* an errno */
	int32_t pid;
	bool done;
};

COVEY_SCHEMA(seen, path, size, hash, error, pid, done)

/* ---- the first stage */

static covey_queue walk_to;

static int walk_file(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	(void)where;
	if (kind != FTW_F || !S_ISREG(info->st_mode) || info->st_size == 0)
		return 0;
	return covey_queue_put(walk_to, path, strlen(path) + 1, COVEY_FOREVER) < 0;
}

struct directory {
	char path[512];
};

COVEY_PROCESS(walk, covey_queue, found, struct directory, directory)
{
	walk_to = found;
	return nftw(directory.path, walk_file, 32, FTW_PHYS) != 0;
}

/* ---- the second stage */

static void digest_file(struct seen *seen)
{
	unsigned char block[64 << 10];
	int fd = open(seen->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n = fd < 0 ? -1 : 0;

	seen->hash = 0xcbf29ce484222325;
	while (n >= 0 && (n = read(fd, block, sizeof block)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			seen->hash = (seen->hash ^ block[i]) * 0x100000001b3;
		seen->size += (uint64_t)n;
	}
	seen->error = n < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
}

COVEY_PROCESS(digest, covey_queue, found, covey_queue, seen_by, struct directory, deadly)
{
	struct seen seen = {0};
	void *path;
	int64_t len;

	while ((len = covey_queue_get_alloc(found, &path, COVEY_FOREVER)) >= 0) {
		seen = (struct seen){.path = path, .pid = getpid()};
		if (covey_queue_put_as(seen_by, seen, &seen, COVEY_FOREVER) < 0)
			return 1;
		if (!strcmp(path, deadly.path))
			raise(SIGKILL);
		digest_file(&seen);
		seen.done = true;
		if (covey_queue_put_as(seen_by, seen, &seen, COVEY_FOREVER) < 0)
			return 1;
		free(path);
	}
	return len != -EPIPE; /* the end: all is found, and all is taken */
}

/* ---- main */

struct run {
	covey_queue found, seen;
	int walkers, workers;
	struct directory deadly;
	covey_process *walker[WORKERS_MOST];  /* NULL once it has ended */
	covey_process *process[WORKERS_MOST]; /* the same */
	char *at[WORKERS_MOST];               /* the file that each is at, NULL for none */
	struct entries entries;
	int status;
};

static int fail(const char *what)
{
	fprintf(stderr, "dupes: %s: %s\n", what, covey_errmsg());
	return 1;
}

static int start_worker(struct run *run, int w)
{
	return covey_start_args(&run->process[w], digest, (run->found, run->seen, run->deadly),
	                        .daemon = 1);
}

static void skip(struct run *run, const char *path, const char *why)
{
	fprintf(stderr, "dupes: %s: %s: left out\n", path, why);
	run->status = 1;
}

static void take(struct run *run, struct seen *seen)
{
	int w = 0;

	while (w < run->workers &&
	       (!run->process[w] || covey_process_pid(run->process[w]) != seen->pid))
		w++;
	if (w < run->workers) {
		free(run->at[w]);
		run->at[w] = seen->done ? NULL : strdup(seen->path);
	}
	if (seen->done && seen->error)
		skip(run, seen->path, strerror(seen->error));
	else if (seen->done)
		run->status |= entries_add(&run->entries, seen->path, seen->size, seen->hash);
}

/* Closes what they put into once all that walk have ended. */
static void look_at_walkers(struct run *run)
{
	int walking = 0;

	for (int i = 0; i < run->walkers; i++) {
		if (!run->walker[i])
			continue;
		if (covey_process_alive(run->walker[i]))
			walking++;
		else if (covey_process_finish(&run->walker[i], 1) != 0)
			run->status |= fail("walking");
	}
	if (walking == 0)
		covey_queue_close(run->found);
}

/* Replaces who has died. How many still work, or -1. */
static int look_at_workers(struct run *run)
{
	int working = 0;

	for (int w = 0; w < run->workers; w++) {
		if (!run->process[w])
			continue;
		working++;
		if (covey_process_alive(run->process[w]) || covey_queue_size(run->seen) > 0)
			continue; /* what it has told comes first */
		if (covey_process_finish(&run->process[w], 1) == 0) {
			working--;
			continue;
		}
		skip(run, run->at[w] ? run->at[w] : "?", "the process that read it died");
		free(run->at[w]);
		run->at[w] = NULL;
		if (start_worker(run, w) < 0)
			return -1;
	}
	return working;
}

/* Waits until something was seen or a process has ended. */
static int await_news(const struct run *run)
{
	covey_waitable news[1 + 2 * WORKERS_MOST] = {COVEY_GET(run->seen)};
	int n = 1;

	for (int i = 0; i < run->walkers; i++)
		if (run->walker[i])
			news[n++] = COVEY_ENDED(run->walker[i]);
	for (int w = 0; w < run->workers; w++)
		if (run->process[w])
			news[n++] = COVEY_ENDED(run->process[w]);
	return covey_select(news, n, COVEY_FOREVER);
}

static int collect(struct run *run)
{
	struct seen seen;
	int working = run->workers, rc;

	while (working > 0) {
		if (await_news(run) < 0)
			return fail("waiting");
		while ((rc = covey_queue_get_as(run->seen, seen, &seen, 0)) == 0) {
			take(run, &seen);
			covey_free_as(seen, &seen);
		}
		if (rc != -EAGAIN)
			return fail("what was seen");
		look_at_walkers(run);
		working = look_at_workers(run);
	}
	return working < 0 ? fail("no other process") : run->status;
}

static int find_all(struct run *run, char **directories, int n)
{
	covey_queue_opts bounded = {.max_messages = 1024};
	struct directory directory;

	bounded.name = "seen";
	if (covey_queue_create(&run->seen, &bounded) < 0)
		return fail("a queue");
	bounded.name = "found";
	if (covey_queue_create(&run->found, &bounded) < 0)
		return fail("a queue");
	for (int i = 0; i < n; i++) {
		snprintf(directory.path, sizeof directory.path, "%s", directories[i]);
		if (covey_start_args(&run->walker[i], walk, (run->found, directory)) < 0)
			return fail(directories[i]);
		run->walkers++;
	}
	for (int w = 0; w < run->workers; w++)
		if (start_worker(run, w) < 0)
			return fail("a process to read files");
	run->status |= collect(run);
	return run->status;
}

static int refuse(const char *what, const char *word)
{
	fprintf(stderr, "dupes: %s '%s'\nTry 'dupes --help'.\n", what, word);
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"workers", required_argument, NULL, 'w'},
		{"kill", required_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct run run = {.workers = 0};
	int option;

	covey_init(argc, argv);
	while ((option = getopt_long(argc, argv, "w:k:h", options, NULL)) != -1) {
		if (option == 'w') {
			run.workers = atoi(optarg);
			if (run.workers < 1 || run.workers > WORKERS_MOST)
				return refuse("not a number of workers from 1 to 64:", optarg);
		} else if (option == 'k') {
			snprintf(run.deadly.path, sizeof run.deadly.path, "%s", optarg);
		} else {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (argc - optind < 1 || argc - optind > WORKERS_MOST)
		return refuse("from 1 to 64 directories are needed, not",
		              argc == optind ? "none" : "more");
	for (int i = optind; i < argc; i++)
		if (access(argv[i], R_OK) < 0 || strlen(argv[i]) >= sizeof(struct directory))
			return refuse("no directory that can be read:", argv[i]);
	if (!run.workers)
		run.workers = covey_cpu_count() < WORKERS_MOST ? covey_cpu_count() : WORKERS_MOST;
	find_all(&run, argv + optind, argc - optind);
	entries_print(&run.entries);
	entries_free(&run.entries);
	return run.status;
}
