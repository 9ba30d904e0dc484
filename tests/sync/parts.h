/* SPDX-License-Identifier: MIT */
/* For tests of readers-writer locks: processes that take one, say so, and wait to be told to go. */
#ifndef TESTS_SYNC_PARTS_H
#define TESTS_SYNC_PARTS_H

#include "support/asleep.h"

/* What those say who have taken it: who, and what acquire returned. */
struct said {
	int number;
	int rc;
};

struct stage {
	covey_rwlock rw;
	covey_queue says;
	covey_semaphore go; /* a token for each that may release */
	covey_method method;
};

enum way { READ, WRITE };

struct part {
	struct stage stage;
	int number;
	enum way way;
};

static inline int take(covey_rwlock rw, enum way way, int timeout_ms)
{
	return way == READ ? covey_rwlock_acquire_read(rw, timeout_ms)
	                   : covey_rwlock_acquire_write(rw, timeout_ms);
}

/* Takes it at once, which is to return `rc`, and releases it. */
static inline void hold_briefly(covey_rwlock rw, enum way way, int rc)
{
	assert_int_equal(take(rw, way, 0), rc);
	assert_int_equal(covey_rwlock_release(rw), 0);
}

static inline int say(const struct stage *stage, int number, int rc)
{
	struct said said = {number, rc};

	return covey_put(stage->says, &said, COVEY_FOREVER);
}

static inline int play(const void *arg, size_t len)
{
	const struct part *p = arg;
	int rc = take(p->stage.rw, p->way, COVEY_FOREVER);

	if (rc < 0)
		return -rc;
	say(&p->stage, p->number, rc);
	covey_semaphore_acquire(p->stage.go, COVEY_FOREVER);
	return -covey_rwlock_release(p->stage.rw);
}

static inline struct stage new_stage(const char *name, void **state)
{
	struct stage stage = {.method = state && *state ? *(covey_method *)*state : COVEY_FORK};

	assert_int_equal(covey_rwlock_create(&stage.rw, name), 0);
	assert_int_equal(covey_queue_create(&stage.says, NULL), 0);
	assert_int_equal(covey_semaphore_create(&stage.go, &(covey_semaphore_opts){.tokens = 1}),
	                 0);
	return stage;
}

static inline void end_stage(const struct stage *stage)
{
	assert_int_equal(covey_rwlock_destroy(stage->rw), 0);
	assert_int_equal(covey_queue_destroy(stage->says), 0);
	assert_int_equal(covey_semaphore_destroy(stage->go), 0);
}

static inline covey_process *start_part(const struct stage *stage, int number, enum way way)
{
	struct part part = {*stage, number, way};
	covey_process *p;

	assert_int_equal(covey_start(&p, play, &part, .method = stage->method), 0);
	return p;
}

/* One that has to wait, and does. */
static inline covey_process *line_up(const struct stage *stage, int number, enum way way)
{
	int64_t waiting = covey_rwlock_waiting(stage->rw);
	covey_process *p = start_part(stage, number, way);

	HARNESS_EVENTUALLY(covey_rwlock_waiting(stage->rw) == waiting + 1 &&
	                   harness_asleep(covey_process_pid(p)));
	return p;
}

/* The next that has taken it; what acquire returned there. */
static inline int next_said(const struct stage *stage, int number)
{
	struct said said;

	assert_int_equal(covey_get(stage->says, &said, COVEY_FOREVER), 0);
	assert_int_equal(said.number, number);
	return said.rc;
}

/* One that has taken it. */
static inline covey_process *start_holder(const struct stage *stage, int number, enum way way)
{
	covey_process *p = start_part(stage, number, way);

	assert_int_equal(next_said(stage, number), 0);
	return p;
}

static inline void let_go(const struct stage *stage, uint32_t n)
{
	assert_int_equal(covey_semaphore_release(stage->go, n), 0);
}

/* All of them, and they end well. */
static inline void let_all_go(const struct stage *stage, covey_process *const *p, uint32_t n)
{
	let_go(stage, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(end_of(p[i]), 0);
}

#endif
