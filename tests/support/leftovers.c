/* SPDX-License-Identifier: MIT */
/* What a test has left: descriptors, files, processes. */
#include "support/runner.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"

/* How long a daemonic process may take to see that its parent has ended. */
#define ORPHAN_MS 2000

/* A growing text, for the lines of a list. */
static FILE *open_lines(char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);

	if (!out) {
		perror("open_memstream");
		exit(2);
	}
	return out;
}

char *list_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	char *text;
	size_t len;
	FILE *out = open_lines(&text, &len);

	while (dir && (entry = readdir(dir))) {
		char path[300], target[256];
		ssize_t n;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
		n = readlink(path, target, sizeof target);
		if (n > 0)
			fprintf(out, "%s %.*s\n", entry->d_name, (int)n, target);
	}
	if (dir)
		closedir(dir);
	fclose(out);
	return text;
}

char *list_files(void)
{
	static const char *const folders[] = {"/dev/shm", "/dev/mqueue", "/tmp"};
	struct dirent *entry;
	char *text;
	size_t len;
	FILE *out = open_lines(&text, &len);

	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		DIR *dir = opendir(folders[i]);

		/* Others use these folders too. */
		while (dir && (entry = readdir(dir)))
			if (strstr(entry->d_name, "covey"))
				fprintf(out, "%s/%s\n", folders[i], entry->d_name);
		if (dir)
			closedir(dir);
	}
	fclose(out);
	return text;
}

static bool has_line(const char *text, const char *line, size_t len)
{
	for (const char *p = text; *p; p += strcspn(p, "\n") + 1)
		if (strncmp(p, line, len) == 0 && p[len] == '\n')
			return true;
	return false;
}

int print_missing(FILE *out, const char *words, const char *lines, const char *other)
{
	size_t len;
	int n = 0;

	for (const char *p = lines; *p; p += len + 1) {
		len = strcspn(p, "\n");
		if (!has_line(other, p, len)) {
			fprintf(out, "%s %.*s\n", words, (int)len, p);
			n++;
		}
	}
	return n;
}

/* How many nurseries this process has: one is the forkserver, which stays. */
static int nurseries(void)
{
	char name[32];
	pid_t pids[64];
	int n = children_of(getpid(), pids, 64), found = 0;

	for (int i = 0; i < n; i++) {
		name_of(pids[i], name, sizeof name);
		found += strcmp(name, "covey-nursery") == 0;
	}
	return found;
}

int print_descriptors(FILE *out, const char *before, const char *after)
{
	int sockets = nurseries() == 1, pidfds = sockets; /* of the forkserver */
	char *text;
	size_t len;
	FILE *excused = open_lines(&text, &len);
	int n;

	fputs(before, excused);
	for (const char *p = after; *p; p += len + 1) {
		char line[300];

		len = strcspn(p, "\n");
		if (has_line(before, p, len))
			continue;
		snprintf(line, sizeof line, "%.*s", (int)len, p);
		if (strstr(line, "/memfd:covey") || (strstr(line, " socket:") && sockets-- > 0) ||
		    (strstr(line, "pidfd") && pidfds-- > 0))
			fprintf(excused, "%s\n", line);
	}
	fclose(excused);
	n = print_missing(out, "left: descriptor", after, text);
	n += print_missing(out, "closed: descriptor", before, after);
	free(text);
	return n;
}

/* Reaps those that have ended; whether others live. */
static bool reap(void)
{
	pid_t pid;

	do
		pid = waitpid(-1, NULL, WNOHANG);
	while (pid > 0);
	return pid == 0;
}

void kill_processes(void)
{
	int64_t until = now_ms() + ORPHAN_MS;
	pid_t pids[64];
	int n;

	/* Each round brings the children of those killed in the last. */
	while (reap() && now_ms() < until) {
		n = children_of(getpid(), pids, 64);
		for (int i = 0; i < n; i++)
			harness_kill(pids[i], SIGKILL);
		usleep(1000);
	}
}

int end_processes(FILE *out)
{
	int64_t until = now_ms() + ORPHAN_MS;
	pid_t pids[64];
	int n;

	while (reap()) {
		if (now_ms() < until) {
			usleep(1000);
			continue;
		}
		n = children_of(getpid(), pids, 64);
		fprintf(out, "left: %d process%s\n", n, n == 1 ? "" : "es");
		for (int i = 0; i < n; i++)
			print_tree(out, pids[i], 1);
		kill_processes();
		return 1;
	}
	return 0;
}
