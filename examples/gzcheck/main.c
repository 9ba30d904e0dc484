/* SPDX-License-Identifier: MIT */
/*
 * gzcheck: are the compressed files below directories whole?
 *
 * Each file is a task of a pool of processes, with a time limit. A file that
 * hangs the decompressor, or crashes it, costs that file and no other: its worker
 * is killed or has died, is replaced, and the file is named.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include <covey.h>

static const char usage[] =
	"Usage: gzcheck [OPTION]... DIRECTORY...\n"
	"Decompresses every .gz file below directories, and names those that are damaged.\n"
	"\n"
	"  -w, --workers N     so many worker processes; one for each core if not given\n"
	"  -t, --timeout MS    how long one file may take; 10000 if not given\n"
	"  -q, --quiet         no summary\n"
	"  -h, --help          this text\n"
	"\n"
	"The exit status is 0 where all are whole, 1 where not, 2 for a mistake in the\n"
	"arguments.\n";

struct file {
	char path[1024];
};

/* The size of a file's contents; fails in words where it is damaged. */
COVEY_TASK(uint64_t, unpacked_size, struct file, file)
{
	static char block[64 << 10];
	gzFile in = gzopen(file.path, "rb");
	uint64_t size = 0;
	int n, error;

	if (!in) {
		covey_task_fail(errno ? errno : ENOMEM, "%s", strerror(errno ? errno : ENOMEM));
		return 0;
	}
	while ((n = gzread(in, block, sizeof block)) > 0)
		size += (uint64_t)n;
	if (n < 0)
		covey_task_fail(EBADMSG, "%s", gzerror(in, &error));
	/* What ends too early is told at the end. */
	else if (gzclose(in) != Z_OK)
		covey_task_fail(EBADMSG, "it ends too early");
	return size;
}

/* ---- finding files: nftw has no room for an argument */

static struct files {
	char **path;
	size_t n, room;
} files;

static int note_file(const char *path, const struct stat *info, int kind, struct FTW *where)
{
	size_t len = strlen(path);

	(void)where;
	if (kind != FTW_F || len < 4 || strcmp(path + len - 3, ".gz") != 0 ||
	    (!S_ISREG(info->st_mode) && !S_ISFIFO(info->st_mode)))
		return 0;
	if (files.n == files.room) {
		files.room = files.room ? 2 * files.room : 256;
		files.path = realloc(files.path, files.room * sizeof *files.path);
	}
	if (!files.path || !(files.path[files.n] = strdup(path)))
		return 1;
	files.n++;
	return 0;
}

/* ---- the pool */

struct run {
	covey_pool *pool;
	int timeout;
	size_t whole, bad;
	uint64_t bytes;
};

static int submit(struct run *run, char *path)
{
	covey_submit_opts opts = {.name = "file", .time_limit = run->timeout};
	struct file file;
	covey_future *f;

	if (snprintf(file.path, sizeof file.path, "%s", path) >= (int)sizeof file.path) {
		printf("%s: its name is too long\n", path);
		run->bad++;
		return 0;
	}
	f = covey_submit_with(run->pool, &opts, unpacked_size, file);
	if (!f)
		return -1;
	covey_future_set_data(f, path);
	return 0;
}

static void take(struct run *run, covey_future *f)
{
	uint64_t size;

	if (covey_result(f, &size, 0) == 0) {
		run->whole++;
		run->bytes += size;
	} else {
		printf("%s: %s\n", (const char *)covey_future_data(f), covey_errmsg());
		run->bad++;
	}
	covey_future_free(f);
}

static void show(const struct run *run)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%zu of %zu files", run->whole + run->bad, files.n);
}

static int check_all(struct run *run)
{
	covey_future *f;

	for (size_t i = 0; i < files.n; i++)
		if (submit(run, files.path[i]) < 0)
			return -1;
	while ((f = covey_as_completed(run->pool, COVEY_FOREVER))) {
		take(run, f);
		show(run);
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	return covey_errcode() == -ENOENT ? 0 : -1;
}

static int number(const char *word, int most)
{
	char *end;
	long n = strtol(word, &end, 10);

	return *end || n < 1 || n > most ? 0 : (int)n;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"workers", required_argument, NULL, 'w'},
		{"timeout", required_argument, NULL, 't'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct run run = {.timeout = 10000};
	covey_pool_opts opts = {.name = "gzcheck"};
	int option, quiet = 0;

	covey_init(argc, argv);
	while ((option = getopt_long(argc, argv, "w:t:qh", options, NULL)) != -1) {
		if (option == 'w' && (opts.workers = number(optarg, 1024)))
			continue;
		if (option == 't' && (run.timeout = number(optarg, 1000000000)))
			continue;
		if (option == 'q' && (quiet = 1))
			continue;
		fputs(usage, option == 'h' ? stdout : stderr);
		return option == 'h' ? 0 : 2;
	}
	if (optind == argc) {
		fputs(usage, stderr);
		return 2;
	}
	for (int i = optind; i < argc; i++)
		if (nftw(argv[i], note_file, 32, FTW_PHYS) != 0) {
			fprintf(stderr, "gzcheck: %s: %s\n", argv[i], strerror(errno));
			return 2;
		}
	if (covey_pool_open(&run.pool, &opts) < 0 || check_all(&run) < 0) {
		fprintf(stderr, "gzcheck: %s\n", covey_errmsg());
		return 2;
	}
	covey_pool_close(run.pool);
	covey_pool_join(run.pool, COVEY_FOREVER);
	if (!quiet)
		fprintf(stderr, "%zu whole with %llu bytes, %zu not\n", run.whole,
		        (unsigned long long)run.bytes, run.bad);
	for (size_t i = 0; i < files.n; i++)
		free(files.path[i]);
	free(files.path);
	return run.bad != 0;
}
