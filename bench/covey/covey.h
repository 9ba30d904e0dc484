/* SPDX-License-Identifier: MIT */
/* covey, measured: what its files give to main.c. Only public headers are used. */
#ifndef BENCH_COVEY_H
#define BENCH_COVEY_H

#include "bench.h"

#include <covey.h>

/* Ends the process, saying what covey says, if rc is an error. */
static inline void need(int64_t rc, const char *what)
{
	if (rc < 0)
		bench_fail(covey_errmsg()[0] ? covey_errmsg() : what);
}

/* channel.c */
void *queue_open(const struct plan *plan, int way);
void queue_put(void *channel, const void *data, size_t size);
void queue_get(void *channel, void *data, size_t size);
void place_put(void *channel, const void *data, size_t size);
void place_get(void *channel, void *data, size_t size);
#define BATCH 64
void batch_put(void *channel, const void *data, size_t size);
void batch_get(void *channel, void *data, size_t size);

/* lock.c */
void *lock_make(void);
void lock_take(void *lock);
void lock_give(void *lock);
void *rwlock_make(void);
void rwlock_read(void *rw);
void rwlock_write(void *rw);
void rwlock_give(void *rw);
void *semaphore_make(void);
void semaphore_take(void *s);
void semaphore_give(void *s);
void lock_cost(const struct plan *plan);

/* start.c */
void start_fork(void);
void start_spawn(void);
void start_forkserver(void);
void start_pool(void);
void start_pool_forkserver(void);
void start_bare_spawn(void);

/* pool.c */
void pool_open(const struct plan *plan);
void pool_open_threads(const struct plan *plan);
void pool_many(long n);
void pool_one(void);
void sums(const struct plan *plan);
void largest_sum(const struct plan *plan);

/* hold.c */
void hold(const struct plan *plan);

#endif
