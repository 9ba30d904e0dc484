/* SPDX-License-Identifier: MIT */
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * An argument is a head, then for each piece its place in the file and the
 * file's name with a final zero.
 */
struct argument_head {
	uint64_t pieces;
	struct killing killing; /* all zero for none */
};

struct place {
	uint64_t from;
	uint64_t len;
};

/* A result is a head, the troubles, and packed words. */
struct result_head {
	uint64_t bytes;
	uint64_t troubles;
};

/* Adds a piece's words. 0 or -errno. */
static int count_piece(struct words *words, const char *path, struct place place, uint64_t *bytes)
{
	/* Not to hang at what has become a fifo since it was found. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return -errno;
	rc = words_add_file(words, fd, place.from, place.len, bytes);
	close(fd);
	return rc;
}

/* The first to come here dies in the middle of its task. */
static void die_once(const struct killing *killing)
{
	pid_t pid = getpid();
	char token;

	if (!killing->tokens.id || covey_get(killing->tokens, &token, 0) < 0)
		return;
	covey_put(killing->deaths, &pid, 0);
	raise(SIGKILL);
}

static int give_back(covey_task *task, const struct words *words, uint64_t bytes,
                     const struct trouble *troubles, uint64_t n_troubles)
{
	struct result_head head = {bytes, n_troubles};
	size_t troubles_len = n_troubles * sizeof *troubles;
	char *to = covey_task_result(task, sizeof head + troubles_len + words_packed_size(words));

	if (!to)
		return covey_task_fail(ENOMEM, "%s", covey_errmsg());
	memcpy(to, &head, sizeof head);
	if (n_troubles)
		memcpy(to + sizeof head, troubles, troubles_len);
	words_pack(words, to + sizeof head + troubles_len);
	return 0;
}

static int count_batch(covey_task *task, const void *arg, size_t len)
{
	const struct argument_head *head = arg;
	const char *at = (const char *)arg + sizeof *head;
	struct trouble *troubles = calloc(head->pieces + 1, sizeof *troubles);
	uint64_t bytes = 0, n_troubles = 0;
	struct words words = {0};
	int rc = troubles ? 0 : -ENOMEM;

	for (uint64_t i = 0; rc == 0 && i < head->pieces; i++) {
		uint64_t before = 0;
		struct place place;

		if (i == head->pieces / 2)
			die_once(&head->killing);
		memcpy(&place, at, sizeof place);
		at += sizeof place;
		rc = count_piece(&words, at, place, &before);
		at += strlen(at) + 1;
		bytes += before;
		if (rc < 0 && rc != -ENOMEM) {
			troubles[n_troubles++] = (struct trouble){(uint32_t)i, -rc, before};
			rc = 0;
		}
	}
	if (rc < 0)
		rc = covey_task_fail(ENOMEM, "out of memory after %llu bytes of text",
		                     (unsigned long long)bytes);
	else
		rc = give_back(task, &words, bytes, troubles, n_troubles);
	words_free(&words);
	free(troubles);
	return rc;
}

covey_future *task_submit(covey_pool *pool, const struct files *files, const struct batch *batch,
                          const struct killing *killing)
{
	const struct piece *pieces = files->pieces + batch->first;
	struct argument_head head = {.pieces = batch->n};
	size_t len = sizeof head;
	covey_future *future;
	char *arg, *at;

	if (killing)
		head.killing = *killing;
	for (size_t i = 0; i < batch->n; i++)
		len += sizeof(struct place) + strlen(files->list[pieces[i].file].path) + 1;
	arg = malloc(len);
	if (!arg)
		return NULL;
	memcpy(arg, &head, sizeof head);
	at = arg + sizeof head;
	for (size_t i = 0; i < batch->n; i++) {
		struct place place = {pieces[i].from, pieces[i].len};

		memcpy(at, &place, sizeof place);
		at = stpcpy(at + sizeof place, files->list[pieces[i].file].path) + 1;
	}
	future = covey_pool_submit(
		pool, count_batch, arg, len,
		&(covey_submit_opts){.name = "count", .result_size = batch->bytes / 8});
	free(arg);
	return future;
}

int task_result(struct counted *counted, const void *bytes, size_t len)
{
	const struct result_head *head = bytes;
	size_t room = len - sizeof *head;

	if (len < sizeof *head || head->troubles > room / sizeof(struct trouble))
		return -EBADMSG;
	counted->bytes = head->bytes;
	counted->troubles = (const void *)(head + 1);
	counted->n_troubles = head->troubles;
	counted->words = counted->troubles + head->troubles;
	counted->words_len = room - head->troubles * sizeof(struct trouble);
	return 0;
}
