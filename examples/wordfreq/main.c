/* SPDX-License-Identifier: MIT */
/*
 * wordfreq: the most frequent words of many files, counted by a pool.
 *
 * The files are dealt into tasks of about the same size; each task counts the
 * words of its files in a table and gives the table back as bytes; here they
 * are merged as they come.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "task.h"

static const char usage[] =
	"Usage: wordfreq [OPTION]... [FILE|DIRECTORY]...\n"
	"Counts the words of files, and of all regular files below directories, and\n"
	"prints the most frequent. Without any: /usr/include and /usr/share/doc.\n"
	"\n"
	"  -n, --top N              print N words, 20 if not given\n"
	"  -w, --workers N          so many workers; one for each core if not given\n"
	"  -t, --threads            the workers are threads, not processes\n"
	"  -m, --start-method WHAT  start processes by fork, spawn or forkserver\n"
	"  -k, --kill               kill a worker in the middle; its files are done again\n"
	"  -h, --help               this text\n"
	"\n"
	"A word is a run of the letters A-Z and a-z, in lower case; it ends with its\n"
	"file. Files are read as they are, also those that hold no text. What cannot\n"
	"be read is named and skipped. The exit status is 0 when all else was counted,\n"
	"1 when not, 2 for a mistake in the arguments.\n";

struct run {
	size_t top;
	covey_pool_opts pool;
	int kill;
	struct killing killing;
	struct files files;
	struct words words;
	uint64_t bytes; /* read */
	struct progress progress;
	int status;
};

static int refuse(const char *format, ...) COVEY_PRINTF(1, 2);
static int refuse(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("wordfreq: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\nTry 'wordfreq --help'.\n", stderr);
	va_end(args);
	return 2;
}

/* Says why it cannot go on. */
static int fail(const char *what)
{
	fprintf(stderr, "wordfreq: %s: %s\n", what, covey_errmsg());
	return 1;
}

static covey_method find_method(const char *word)
{
	for (int m = COVEY_FORK; m <= COVEY_FORKSERVER; m++)
		if (!strcmp(word, covey_method_name((covey_method)m)))
			return (covey_method)m;
	return COVEY_METHOD_DEFAULT;
}

/* A number from 1 to most, or 0. */
static long find_number(const char *word, long most)
{
	char *end;
	long number = strtol(word, &end, 10);

	return end != word && !*end && number <= most && number > 0 ? number : 0;
}

/* 0 to go on, 2 for a mistake, -1 when all is done. */
static int read_options(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{"top", required_argument, NULL, 'n'},
		{"workers", required_argument, NULL, 'w'},
		{"threads", no_argument, NULL, 't'},
		{"start-method", required_argument, NULL, 'm'},
		{"kill", no_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "n:w:tm:kh", options, NULL)) != -1) {
		switch (option) {
		case 'n':
			run->top = (size_t)find_number(optarg, 1000000000);
			if (!run->top)
				return refuse("top '%s': a number of at least 1 is needed", optarg);
			break;
		case 'w':
			run->pool.workers = (int)find_number(optarg, 1024);
			if (!run->pool.workers)
				return refuse("'%s' workers: a number from 1 to 1024 is needed",
				              optarg);
			break;
		case 't':
			run->pool.kind = COVEY_THREADS;
			break;
		case 'm':
			run->pool.method = find_method(optarg);
			if (!run->pool.method)
				return refuse("'%s' is no start method: they are fork, spawn and "
				              "forkserver",
				              optarg);
			break;
		case 'k':
			run->kill = 1;
			break;
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			fputs("Try 'wordfreq --help'.\n", stderr);
			return 2;
		}
	}
	if (run->kill && run->pool.kind == COVEY_THREADS)
		return refuse("--kill needs processes: a thread cannot be killed alone");
	return 0;
}

/* Finds the files. 0 or 1. */
static int find_files(struct run *run, int n, char **paths)
{
	static const char *const defaults[] = {"/usr/include", "/usr/share/doc"};
	int found = 0;

	for (int i = 0; i < (n ? n : 2); i++) {
		const char *path = n ? paths[i] : defaults[i];
		int rc = files_add(&run->files, path);

		if (rc < 0 && (n || rc != -ENOENT)) {
			fprintf(stderr, "wordfreq: %s: %s\n", path, strerror(-rc));
			return 1;
		}
		found += rc == 0;
	}
	if (found)
		return 0;
	fprintf(stderr, "wordfreq: neither %s nor %s is there: name files or directories\n",
	        defaults[0], defaults[1]);
	return 1;
}

/* Notes for each file of a batch whether it was read. */
static void note_files(struct run *run, const struct batch *batch, const struct counted *counted)
{
	const struct trouble *t = counted->troubles, *end = t + counted->n_troubles;

	for (size_t i = 0; i < batch->n; i++) {
		struct file *file = &run->files.list[run->files.pieces[batch->first + i].file];
		int troubled = t < end && t->piece == i;

		if (troubled && !file->error)
			file->error = t->error;
		file->read |= !troubled || t->before;
		t += troubled;
	}
}

/* The same where the whole task failed. */
static void note_failed(struct run *run, const struct batch *batch, int error)
{
	for (size_t i = 0; i < batch->n; i++)
		run->files.list[run->files.pieces[batch->first + i].file].error = error;
}

/* Takes in what a task came to. */
static void take(struct run *run, covey_future *future)
{
	const struct batch *batch = covey_future_data(future);
	struct counted counted;
	const void *bytes;
	int64_t len = covey_future_view(future, &bytes, 0);
	int rc = len < 0 ? (int)len : task_result(&counted, bytes, (size_t)len);

	if (rc == 0)
		rc = words_merge(&run->words, counted.words, counted.words_len);
	if (rc < 0) {
		progress_clear(&run->progress);
		fprintf(stderr, "wordfreq: a task of %zu files failed: %s\n", batch->n,
		        len < 0 ? covey_errmsg() : strerror(-rc));
		note_failed(run, batch, -rc);
		run->status = 1;
	} else {
		note_files(run, batch, &counted);
		run->bytes += counted.bytes;
	}
	for (size_t i = 0; i < batch->n; i++)
		run->progress.files +=
			--run->files.list[run->files.pieces[batch->first + i].file].left == 0;
	run->progress.bytes += batch->bytes;
}

/* Prepares that one worker dies in the middle. */
static int prepare_kill(struct run *run)
{
	char token = 0;

	if (covey_queue_create(&run->killing.tokens, NULL) < 0 ||
	    covey_queue_create(&run->killing.deaths, NULL) < 0 ||
	    covey_put(run->killing.tokens, &token, 0) < 0)
		return fail("--kill");
	return 0;
}

static int submit(struct run *run, covey_pool *pool)
{
	struct files *files = &run->files;

	for (size_t i = 0; i < files->n_batches; i++) {
		const struct killing *killing =
			run->kill && i == files->n_batches / 2 ? &run->killing : NULL;
		covey_future *future = task_submit(pool, files, &files->batches[i], killing);

		if (!future)
			return fail("no more tasks");
		covey_future_set_data(future, &files->batches[i]);
	}
	return 0;
}

/* All files to all counts. 0 or 1. */
static int count(struct run *run)
{
	covey_future *future;
	covey_pool *pool;

	if (files_deal(&run->files, run->pool.workers) < 0) {
		fputs("wordfreq: out of memory\n", stderr);
		return 1;
	}
	if (run->kill && prepare_kill(run))
		return 1;
	if (covey_pool_open(&pool, &run->pool) < 0)
		return fail("no pool");
	run->status = submit(run, pool);
	covey_pool_close(pool);
	progress_start(&run->progress, run->files.n, run->files.bytes);
	do {
		future = covey_as_completed(pool, 100);
		if (future)
			take(run, future);
		covey_future_free(future);
		progress_draw(&run->progress);
	} while (future || covey_errcode() == -ETIMEDOUT);
	progress_clear(&run->progress);
	if (covey_errcode() != -ENOENT)
		return fail("the pool");
	if (covey_pool_join(pool, COVEY_FOREVER) < 0)
		return fail("the pool");
	return run->status;
}

/* Names the files that were not read, and returns how many. */
static size_t tell_skipped(const struct files *files)
{
	size_t skipped = 0;

	for (size_t i = 0; i < files->n; i++) {
		const struct file *file = &files->list[i];

		if (!file->error)
			continue;
		skipped++;
		fprintf(stderr, "wordfreq: %s: %s: %s\n", file->path, strerror(file->error),
		        file->read ? "read in part" : "skipped");
	}
	return skipped;
}

static void print_top(struct run *run)
{
	size_t top = words_top(&run->words, run->top);

	for (size_t i = 0; i < top; i++) {
		const struct word *word = &run->words.slots[i];

		printf("%7llu ", (unsigned long long)word->count);
		fwrite(word->letters, 1, word->len, stdout);
		putchar('\n');
	}
}

static void print_summary(struct run *run, double seconds)
{
	size_t skipped = tell_skipped(&run->files);
	pid_t pid;

	if (run->kill && covey_get(run->killing.deaths, &pid, 0) == 0)
		fprintf(stderr,
		        "worker %d was killed in the middle of a task, which was done again\n",
		        (int)pid);
	fprintf(stderr, "%zu files, %llu bytes, %llu words (%zu different) in %.3f s: ",
	        run->files.n - skipped, (unsigned long long)run->bytes,
	        (unsigned long long)run->words.total, run->words.used, seconds);
	fprintf(stderr, "%.1f MB/s by %d %s%s", (double)run->bytes / 1e6 / seconds,
	        run->pool.workers, run->pool.kind == COVEY_THREADS ? "thread" : "process",
	        run->pool.workers == 1            ? ""
	        : run->pool.kind == COVEY_THREADS ? "s"
	                                          : "es");
	skipped += run->files.skipped;
	if (skipped)
		fprintf(stderr, "; %zu skipped", skipped);
	fputs("\n", stderr);
}

int main(int argc, char **argv)
{
	struct run run = {.top = 20, .pool = {.name = "wordfreq", .retries = 2}};
	double start;
	int rc;

	covey_init(argc, argv);
	start = seconds_now();
	rc = read_options(&run, argc, argv);
	if (rc)
		return rc < 0 ? 0 : rc;
	if (!run.pool.workers)
		run.pool.workers = covey_cpu_count();
	rc = find_files(&run, argc - optind, argv + optind);
	if (rc == 0)
		rc = count(&run);
	if (rc == 0) {
		double seconds = seconds_now() - start;

		print_top(&run);
		if (fflush(stdout) || ferror(stdout)) {
			fprintf(stderr, "wordfreq: standard output: %s\n", strerror(errno));
			rc = 1;
		}
		print_summary(&run, seconds);
	}
	words_free(&run.words);
	files_free(&run.files);
	return rc;
}
