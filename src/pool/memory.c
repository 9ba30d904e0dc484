/* SPDX-License-Identifier: MIT */
/* Kills for lack of memory, as the kernel counts them for this process's cgroup. */
#include "pool/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number that follows a word at the start of a line; -1 for none. */
static int64_t number_of(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, word, len) == 0 && line[len] == ' ')
			return strtoll(line + len, NULL, 10);
	}
	return -1;
}

/* Of the cgroup that `key` tells of in /proc/self/cgroup. */
static int64_t kills_in(const char *key, const char *root, const char *file)
{
	char text[4096], path[8192], *group;

	if (cvy_read_text("/proc/self/cgroup", text, sizeof text) < 0)
		return -1;
	group = strstr(text, key);
	if (!group)
		return -1;
	group += strlen(key);
	group[strcspn(group, "\n")] = 0;
	snprintf(path, sizeof path, "%s%s/%s", root, group, file);
	if (cvy_read_text(path, text, sizeof text) < 0)
		return -1;
	return number_of(text, "oom_kill");
}

int64_t cvy_oom_kills(void)
{
	int64_t kills = kills_in("0::", "/sys/fs/cgroup", "memory.events");

	return kills >= 0 ? kills
	                  : kills_in(":memory:", "/sys/fs/cgroup/memory", "memory.oom_control");
}
