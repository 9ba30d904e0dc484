/* SPDX-License-Identifier: MIT */
/* What the cases of pools work on: a pool, its tasks, and whether pools work afterwards. */
#ifndef CRASH_SWEPT_POOL_H
#define CRASH_SWEPT_POOL_H

#include "stepper.h"
#include "pool/pool.h"

#define LARGE 5000

extern covey_pool *pool;
extern covey_future *future;

/* Tasks: they return result_of() their argument, or LARGE of them, or fail with 9. */
uint64_t result_of(uint64_t n);
int work(covey_task *task, const void *arg, size_t len);
int work_large(covey_task *task, const void *arg, size_t len);
int fail(covey_task *task, const void *arg, size_t len);

void open_pool(int workers, int retries);
void open_pool_with(covey_pool_opts opts);
void await_idle(void);
/* Open, with two workers that wait. */
void two_idle(void);
covey_future *submit(covey_task_fn *fn, uint64_t n);
/* NULL, or that it does not end. */
const char *end_pool(void);

/* Another process opens a pool and uses it. */
const char *pools_work(const struct board *b);

#endif
