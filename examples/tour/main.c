/* SPDX-License-Identifier: MIT */
/*
 * covey-tour: all that Python's multiprocessing shows, in C, on real processes,
 * one chapter for each thing. Each chapter is a file of its own, to be read.
 */
#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>

#include "output.h"

static const struct tour_chapter *const chapters[] = {
	&tour01_methods,
	&tour02_start_join,
	&tour03_one_by_one,
	&tour04_own_run,
	&tour05_pool,
	&tour06_lock,
	&tour07_with,
	&tour08_rlock,
	&tour09_queue,
	&tour10_struct,
	&tour11_struct_with_lock,
	&tour12_function,
	&tour13_as_completed,
	&tour14_timing,
	&tour15_threads_processes,
};

#define CHAPTERS ((int)(sizeof chapters / sizeof *chapters))

static const char usage[] =
	"Usage: covey-tour [OPTION]... [CHAPTER]...\n"
	"Shows, chapter by chapter, what covey does. A CHAPTER is a number or a name;\n"
	"without any, all are run.\n"
	"\n"
	"  -l, --list               list the chapters\n"
	"  -m, --start-method WHAT  start processes by fork, spawn or forkserver\n"
	"  -w, --workers N          workers of a pool, 3 if not given\n"
	"  -p, --pace X             1 naps for up to 5 seconds where a chapter sleeps,\n"
	"                           0 not at all; 0.02 if not given\n"
	"  -h, --help               this text\n"
	"\n"
	"The exit status is 0 when all that the chapters claim has held, 1 when not,\n"
	"2 for a mistake in the arguments.\n";

static int refuse(const char *format, ...) COVEY_PRINTF(1, 2);
static int refuse(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("covey-tour: ", stderr);
	vfprintf(stderr, format, args);
	fputs("\nTry 'covey-tour --help'.\n", stderr);
	va_end(args);
	return 2;
}

/* The index of a chapter by its number or name, or -1. */
static int find_chapter(const char *word)
{
	char *end;
	long number = strtol(word, &end, 10);

	if (isdigit((unsigned char)*word) && !*end)
		return number >= 1 && number <= CHAPTERS ? (int)number - 1 : -1;
	for (int i = 0; i < CHAPTERS; i++)
		if (!strcmp(word, chapters[i]->name))
			return i;
	return -1;
}

static covey_method find_method(const char *word)
{
	for (int m = COVEY_FORK; m <= COVEY_FORKSERVER; m++)
		if (!strcmp(word, covey_method_name((covey_method)m)))
			return (covey_method)m;
	return COVEY_METHOD_DEFAULT;
}

static void list(void)
{
	for (int i = 0; i < CHAPTERS; i++)
		printf("%2d  %-18s  %s\n", i + 1, chapters[i]->name, chapters[i]->title);
}

static int run(int first, int *chosen)
{
	double start = tour_now();
	int count = 0;

	for (int i = 0; i < CHAPTERS; i++) {
		int failed = output.failed;

		if (first >= 0 && !chosen[i])
			continue;
		tour_title(i + 1, chapters[i]->title);
		if (chapters[i]->run() < 0 && output.failed == failed)
			tour_check(0, "the chapter came to its end");
		puts("");
		count++;
	}
	printf("%d chapter%s by %s, %d check%s, %d failed, in %.1f seconds.\n", count,
	       count == 1 ? "" : "s", covey_method_name(covey_default_method()), output.checks,
	       output.checks == 1 ? "" : "s", output.failed, tour_now() - start);
	return output.failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"list", no_argument, NULL, 'l'},
		{"start-method", required_argument, NULL, 'm'},
		{"workers", required_argument, NULL, 'w'},
		{"pace", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	covey_config config = {0};
	const char *pace = "0.02";
	int chosen[CHAPTERS] = {0}, first = -1, option;
	long number;
	char *end;

	covey_init(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	output.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");

	while ((option = getopt_long(argc, argv, "lm:w:p:h", options, NULL)) != -1) {
		switch (option) {
		case 'l':
			list();
			return 0;
		case 'm':
			config.method = find_method(optarg);
			if (!config.method)
				return refuse("'%s' is no start method: they are fork, spawn and "
				              "forkserver",
				              optarg);
			break;
		case 'w':
			number = strtol(optarg, &end, 10);
			if (*end || end == optarg || number < 1 || number > 1024)
				return refuse("'%s' workers: a number from 1 to 1024 is needed",
				              optarg);
			tour_workers = (int)number;
			break;
		case 'p':
			pace = optarg;
			/* Also false for what is not a number. */
			if (!(strtod(pace, &end) >= 0 && strtod(pace, NULL) <= 100) || *end ||
			    end == pace)
				return refuse("pace '%s': a number from 0 to 100 is needed", pace);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs("Try 'covey-tour --help'.\n", stderr);
			return 2;
		}
	}
	for (; optind < argc; optind++) {
		first = find_chapter(argv[optind]);
		if (first < 0)
			return refuse("there is no chapter '%s': --list shows those there are",
			              argv[optind]);
		chosen[first] = 1;
	}
	setenv(TOUR_PACE, pace, 1);
	if (covey_configure(&config) < 0) {
		fprintf(stderr, "covey-tour: %s\n", covey_errmsg());
		return 1;
	}
	return run(first, chosen);
}
