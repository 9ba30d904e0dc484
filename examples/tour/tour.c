/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <sys/random.h>
#include <time.h>

#include "output.h"

int tour_workers = 3;
struct output output;

static const char *style(const char *code)
{
	return output.colour ? code : "";
}

/* Prints text with every line indented, in one write where it is a line. */
static void print_indented(int columns, const char *text)
{
	char line[1024];

	while (*text) {
		size_t len = strcspn(text, "\n");

		snprintf(line, sizeof line, "%*s%.*s\n", len ? columns : 0, "", (int)len, text);
		fputs(line, stdout);
		fflush(stdout);
		text += len + (text[len] == '\n');
	}
}

void tour_title(int number, const char *title)
{
	printf("%s%d. %s%s\n\n", style("\033[1;36m"), number, title, style("\033[0m"));
}

void tour_note(const char *format, ...)
{
	char text[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	print_indented(3, text);
	puts("");
}

void tour_say(const char *format, ...)
{
	char text[1000];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	print_indented(6, text);
}

/* Breaks the lines of text between words, none longer than columns where that can be. */
static void wrap(char *text, size_t columns)
{
	char *line = text, *blank = NULL;

	for (char *at = text; *at; at++) {
		if (*at == ' ')
			blank = at;
		if (*at == '\n' || ((size_t)(at - line) >= columns && blank)) {
			if (*at != '\n')
				*blank = '\n';
			line = *at == '\n' ? at + 1 : blank + 1;
			blank = NULL;
		}
	}
}

void tour_check(int holds, const char *format, ...)
{
	char text[1000];
	size_t first;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	output.checks++;
	output.failed += !holds;
	wrap(text, 80);
	first = strcspn(text, "\n");
	printf("   %s%s%s %.*s\n", style(holds ? "\033[32m" : "\033[1;31m"),
	       holds ? "[ok]" : "[FAILED]", style("\033[0m"), (int)first, text);
	if (text[first])
		print_indented(8, text + first + 1);
}

int tour_broken(const char *file, int line, const char *call)
{
	const char *slash = strrchr(file, '/');

	output.checks++;
	output.failed++;
	printf("   %s[FAILED]%s %s:%d: %s: %s\n", style("\033[1;31m"), style("\033[0m"),
	       slash ? slash + 1 : file, line, call, covey_errmsg());
	fflush(stdout);
	return -1;
}

double tour_nap(void)
{
	/* The environment reaches children of every start method. */
	const char *pace = getenv(TOUR_PACE);
	uint32_t random = 0;
	double seconds;
	struct timespec left;

	(void)!getrandom(&random, sizeof random, 0);
	seconds = 5 * (pace ? strtod(pace, NULL) : 0) * (random / 4294967296.0);
	left.tv_sec = (time_t)seconds;
	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	return seconds;
}

double tour_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double tour_median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof *values, compare);
	return values[n / 2];
}

struct turn_record {
	int number;
	int inside;
};

int tour_goes_in(covey_queue record, int number)
{
	tour_say("%d: %d is running", number, (int)getpid());
	return covey_put(record, (&(struct turn_record){number, 1}), COVEY_FOREVER);
}

int tour_goes_out(covey_queue record, int number)
{
	tour_say("%d: %d is done", number, (int)getpid());
	return covey_put(record, (&(struct turn_record){number, 0}), COVEY_FOREVER);
}

void tour_check_turns(covey_queue record, int turns)
{
	struct turn_record in, out;
	int seen[100] = {0}, good = 0;

	while (covey_get(record, &in, 0) == 0 && covey_get(record, &out, 0) == 0)
		if (in.inside && !out.inside && in.number == out.number && !seen[in.number % 100]++)
			good++;
	tour_check(good == turns, "%d turns, and never two at once", turns);
}
