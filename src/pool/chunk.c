/* SPDX-License-Identifier: MIT */
/*
 * Chunks of items as tasks, for map and imap. The argument of a chunk is a header and
 * its items; its result is a report, the items' results in order, and their codes. The
 * worker keeps the report up to date, so that where it dies the pool's process sees how
 * far it got: the item that it died of fails or is tried again, those before it
 * have their results, and those behind it become a chunk of their own.
 */
#include "pool/chunk.h"

#include <stdlib.h>
#include <string.h>

struct chunk {
	covey_fn fn;
	uint64_t count;
	uint64_t item_size;
	uint64_t result_size;
	uint64_t pad;
	unsigned char items[];
};

/* By the worker; read once it has ended the chunk or died. At first all zero. */
struct report {
	_Atomic uint64_t done; /* items whose results are there, or that have failed */
	uint64_t failed;       /* the first item that failed, + 1 */
	int64_t misfit;        /* it had a result of this size, -1 where that was not why */
	char words[128];       /* of that one */
	uint64_t pad;
	unsigned char results[]; /* and, behind them, an int32_t an item: 0, or its code */
};
_Static_assert(offsetof(struct chunk, items) % 16 == 0, "items are aligned as arguments are");
_Static_assert(offsetof(struct report, results) % 16 == 0, "and results");
_Static_assert(sizeof(struct report) > RESULT_INLINE, "a report always has room of its own");

static size_t codes_at(size_t count, size_t result_size)
{
	return (count * result_size + 3) & ~(size_t)3;
}

static size_t report_bytes(size_t count, size_t result_size)
{
	return sizeof(struct report) + codes_at(count, result_size) + count * sizeof(int32_t);
}

/* ---- in the worker */

/* A copy where an item of the chunk would not be aligned as an argument is. */
static const void *aligned(const unsigned char *item, size_t size, unsigned char **copy)
{
	if ((uintptr_t)item % 16 == 0)
		return item;
	if (!*copy)
		*copy = aligned_alloc(64, (size + 63) & ~(size_t)63);
	if (!*copy)
		return item;
	memcpy(*copy, item, size);
	return *copy;
}

static int run_chunk(covey_task *task, const void *arg, size_t len)
{
	const struct chunk *chunk = arg;
	unsigned char *copy = NULL;
	uint64_t count, item, result, most;
	struct report *report;
	covey_task_fn *fn;
	int32_t *codes;

	if (len < sizeof *chunk)
		return covey_task_fail(EBADMSG, "map: a damaged chunk");
	count = __atomic_load_n(&chunk->count, __ATOMIC_RELAXED);
	item = __atomic_load_n(&chunk->item_size, __ATOMIC_RELAXED);
	result = __atomic_load_n(&chunk->result_size, __ATOMIC_RELAXED);
	if (__builtin_mul_overflow(count, item, &most) || most > len - sizeof *chunk ||
	    __builtin_mul_overflow(count, result, &most) || most > cvy_size || count > cvy_size)
		return covey_task_fail(EBADMSG, "map: a damaged chunk");
	fn = (covey_task_fn *)covey_fn_pointer(chunk->fn);
	if (!fn)
		return covey_task_fail(ENOENT, "%s", covey_errmsg());
	report = covey_task_result(task, report_bytes(count, result));
	if (!report)
		return covey_task_fail(ENOMEM, "%s", covey_errmsg());
	codes = (int32_t *)(void *)(report->results + codes_at(count, result));
	for (uint64_t i = 0; i < count; i++) {
		unsigned char *to = report->results + i * result;
		size_t size = 0;
		int code = cvy_run_item(fn, aligned(chunk->items + i * item, item, &copy), item, to,
		                        result, &size);
		bool misfit = size != result && (!code || size > result);

		if (!report->failed && (code || misfit)) {
			report->misfit = misfit ? (int64_t)size : -1;
			memcpy(report->words, cvy_item_words(), sizeof report->words);
			report->failed = i + 1;
		}
		codes[i] = misfit ? INT32_MIN : code;
		atomic_store_explicit(&report->done, i + 1, memory_order_release);
	}
	free(copy);
	return 0;
}

/* ---- in the pool's process */

void cvy_part_submit(const struct chunks *chunks, struct part *part)
{
	struct chunk head = {chunks->fn, part->count, chunks->item_size, chunks->result_size, 0};
	struct submission what = {.head = &head,
	                          .head_len = sizeof head,
	                          .body = part->items,
	                          .body_len = part->count * chunks->item_size,
	                          .name = chunks->name,
	                          .result_size = report_bytes(part->count, chunks->result_size),
	                          .cleared = sizeof(struct report),
	                          .retries = -1, /* not the chunk: the item that it died of */
	                          .priority = chunks->priority,
	                          .group = chunks->group};

	part->f = covey_fn_make(&what.fn, run_chunk) < 0 ? NULL : cvy_submit(chunks->pool, &what);
	if (part->f)
		covey_future_set_data(part->f, part);
}

/* Tells of an item whose words are set. */
static void tell(const struct chunks *chunks, size_t item, int rc)
{
	chunks->failed(chunks->context, item, rc);
}

/* Tells of the items that failed among the first `done`. */
static void tell_failures(const struct chunks *chunks, const struct part *part,
                          const struct report *report, size_t done)
{
	const int32_t *codes =
		(const void *)(report->results + codes_at(part->count, chunks->result_size));

	for (size_t i = 0; i < done; i++) {
		if (!codes[i])
			continue;
		if (i + 1 != report->failed)
			cvy_fail(codes[i] == INT32_MIN ? EMSGSIZE : EREMOTEIO,
			         codes[i] == INT32_MIN ? "its result has another size"
			                               : "it failed with code %d",
			         codes[i]);
		else if (report->misfit >= 0)
			cvy_fail(EMSGSIZE, "its result has %lld bytes, not %zu",
			         (long long)report->misfit, chunks->result_size);
		else
			cvy_fail(EREMOTEIO, "%.*s", (int)sizeof report->words, report->words);
		tell(chunks, part->first + i, covey_errcode());
	}
}

/* Takes what a chunk has come to, or had when its worker died; how many items are done. */
static size_t take(const struct chunks *chunks, const struct part *part)
{
	const struct report *report = (const void *)cvy_result_at(
		cvy_task_of(part->f), report_bytes(part->count, chunks->result_size));
	uint64_t done;

	if (!report)
		return 0;
	done = atomic_load_explicit(&report->done, memory_order_acquire);
	if (done > part->count)
		done = part->count;
	if (part->results && done && chunks->result_size)
		memcpy(part->results, report->results, done * chunks->result_size);
	if (report->failed && report->failed <= done)
		tell_failures(chunks, part, report, done);
	return done;
}

/* So many items of the part are over. */
static void advance(const struct chunks *chunks, struct part *part, size_t items)
{
	part->first += items;
	part->count -= items;
	part->items += items * chunks->item_size;
	if (part->results)
		part->results += items * chunks->result_size;
	if (items)
		part->tries = chunks->retries;
}

bool cvy_part_settle(const struct chunks *chunks, struct part *part)
{
	const void *data;
	size_t done = 0;
	int64_t rc = covey_errcode();
	bool died = false;

	if (part->f) {
		rc = covey_future_view(part->f, &data, 0);
		died = rc == -EOWNERDEAD && part->f->pid; /* else no worker has ever run it */
		if (rc >= 0 || died)
			done = take(chunks, part);
		if (rc < 0)
			rc = covey_future_view(part->f, &data, 0); /* take() changes the words */
		else if (done < part->count)
			rc = cvy_fail(EBADMSG, "its chunk's report is damaged");
	}
	advance(chunks, part, done);
	if (part->count && died && part->tries-- <= 0) {
		tell(chunks, part->first, (int)rc);
		advance(chunks, part, 1);
	}
	while (part->count && !died) {
		tell(chunks, part->first, (int)rc);
		advance(chunks, part, 1);
	}
	covey_future_free(part->f);
	part->f = NULL;
	if (part->count == 0)
		return true;
	cvy_part_submit(chunks, part);
	return part->f ? false : cvy_part_settle(chunks, part);
}

void cvy_part_drop(struct part *part)
{
	if (part->f)
		covey_future_cancel(part->f);
	covey_future_free(part->f);
	part->f = NULL;
}
