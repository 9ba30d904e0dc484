/* SPDX-License-Identifier: MIT */
/* What /proc tells of processes. */
#include "support/runner.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool read_text(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, cap - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

/* The state in a stat file; the name before it, in parentheses, may hold anything. */
static char read_state(const char *path)
{
	char text[512], *p;

	if (!read_text(path, text, sizeof text))
		return 0;
	p = strrchr(text, ')');
	return p && p[1] ? p[2] : 0;
}

char state_of(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	return read_state(path);
}

void name_of(pid_t pid, char *name, size_t cap)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	if (!read_text(path, name, cap))
		snprintf(name, cap, "?");
	name[strcspn(name, "\n")] = 0;
}

/* The next entry of a folder whose name is a number; 0 at the end. */
static pid_t next_number(DIR *dir)
{
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (atoi(entry->d_name) > 0)
			return atoi(entry->d_name);
	return 0;
}

int children_of(pid_t pid, pid_t *pids, int cap)
{
	char path[96], text[4096];
	pid_t tid, child;
	DIR *threads;
	int n = 0;

	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while ((tid = next_number(threads))) {
		char *p = text;

		snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)tid);
		if (!read_text(path, text, sizeof text))
			continue;
		while (n < cap && (child = (pid_t)strtol(p, &p, 10)) > 1)
			pids[n++] = child;
	}
	if (threads)
		closedir(threads);
	return n;
}

void print_tree(FILE *out, pid_t pid, int depth)
{
	char path[96], text[256];
	pid_t pids[64], tid;
	DIR *threads;
	int n;

	name_of(pid, text, sizeof text);
	fprintf(out, "%*sprocess %d %s\n", depth * 2, "", (int)pid, text);
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while ((tid = next_number(threads))) {
		snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)tid);
		fprintf(out, "%*sthread %d state %c", depth * 2 + 2, "", (int)tid,
		        read_state(path));
		snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
		if (!read_text(path, text, sizeof text))
			text[0] = 0;
		fprintf(out, " syscall %.*s\n", (int)strcspn(text, "\n"), text);
	}
	if (threads)
		closedir(threads);
	n = depth < 8 ? children_of(pid, pids, 64) : 0;
	for (int i = 0; i < n; i++)
		print_tree(out, pids[i], depth + 1);
}
