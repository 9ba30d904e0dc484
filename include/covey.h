/* SPDX-License-Identifier: MIT */
/*
 * covey: process parallelism for C on Linux.
 *
 *     #include <covey.h>
 *
 *     COVEY_TASK(uint64_t, square, uint64_t, n) { return n * n; }
 *
 *     int main(int argc, char **argv)
 *     {
 *         covey_pool *pool;
 *         uint64_t nine;
 *
 *         covey_init(argc, argv);
 *         if (covey_pool_open(&pool, NULL) < 0)
 *             return 1;
 *         covey_future *f = covey_submit(pool, square, 3);
 *         covey_result(f, &nine, COVEY_FOREVER);
 *         covey_future_free(f);
 *         covey_pool_close(pool);
 *         return covey_pool_join(pool, COVEY_FOREVER) < 0;
 *     }
 *
 * One noun, one header; this one includes them all. Conventions that hold for
 * every call are in covey/base.h.
 */
#ifndef COVEY_H
#define COVEY_H

#include <covey/base.h>
#include <covey/family.h>
#include <covey/fn.h>
#include <covey/lock.h>
#include <covey/rwlock.h>
#include <covey/semaphore.h>
#include <covey/event.h>
#include <covey/barrier.h>
#include <covey/condition.h>
#include <covey/with.h>
#include <covey/queue.h>
#include <covey/pipe.h>
#include <covey/block.h>
#include <covey/value.h>
#include <covey/array.h>
#include <covey/dict.h>
#include <covey/list.h>
#include <covey/process.h>
#include <covey/pool.h>
#include <covey/map.h>
#include <covey/future.h>
#include <covey/select.h>
#include <covey/listener.h>
#include <covey/schema.h>

#endif
