/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define BAR_MAX 30

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void progress_start(struct progress *p, size_t all_files, uint64_t all_bytes)
{
	*p = (struct progress){
		.shown = isatty(STDERR_FILENO),
		.start = seconds_now(),
		.all_files = all_files,
		.all_bytes = all_bytes,
	};
}

static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

void progress_draw(struct progress *p)
{
	double now = seconds_now(), gone = now - p->start, done;
	char bar[BAR_MAX + 1], text[128];
	int width, full, eta;

	if (!p->shown || now - p->drawn < 0.1)
		return;
	p->drawn = now;
	done = p->all_bytes ? (double)p->bytes / (double)p->all_bytes : 1;
	eta = done > 0 ? (int)(gone / done - gone + 0.5) : 0;
	snprintf(text, sizeof text, "%3.0f%%  %zu/%zu files  %.1f/%.1f MB  %.0f MB/s  ETA %d:%02d",
	         100 * done, p->files, p->all_files, (double)p->bytes / 1e6,
	         (double)p->all_bytes / 1e6, gone > 0 ? (double)p->bytes / 1e6 / gone : 0, eta / 60,
	         eta % 60);
	width = columns() - (int)strlen(text) - 5;
	if (width > BAR_MAX)
		width = BAR_MAX;
	if (width < 5) {
		fprintf(stderr, "\r%.*s\033[K", columns() - 1, text);
		return;
	}
	full = (int)(done * width);
	memset(bar, '.', sizeof bar);
	memset(bar, '#', (size_t)full);
	fprintf(stderr, "\r[%.*s] %s\033[K", width, bar, text);
}

void progress_clear(struct progress *p)
{
	if (p->shown && p->drawn > 0)
		fputs("\r\033[K", stderr);
}
