/* SPDX-License-Identifier: MIT */
/* The pool that all parts of a program may share: opened at first use, joined at its end. */
#include "pool/pool.h"

pthread_mutex_t cvy_default_lock = PTHREAD_MUTEX_INITIALIZER;
static covey_pool *shared_pool;

/* Of this process; NULL for none. */
static covey_pool *existing(void)
{
	if (shared_pool && shared_pool->incarnation != cvy_incarnation())
		shared_pool = NULL; /* the parent's */
	return shared_pool;
}

static void join_at_end(void)
{
	covey_pool *pool;

	pthread_mutex_lock(&cvy_default_lock);
	pool = existing();
	pthread_mutex_unlock(&cvy_default_lock);
	if (!pool)
		return;
	covey_pool_close(pool);
	covey_pool_join(pool, COVEY_FOREVER);
}

covey_pool *covey_default_pool(void)
{
	covey_pool *pool;

	pthread_mutex_lock(&cvy_default_lock);
	pool = existing();
	pthread_mutex_unlock(&cvy_default_lock);
	if (pool)
		return pool;
	/* Without the lock: opening it may fork. */
	if (covey_pool_open(&pool, &(covey_pool_opts){.name = "default"}) < 0)
		return NULL;
	cvy_at_process_end(join_at_end);
	pthread_mutex_lock(&cvy_default_lock);
	if (!existing()) {
		shared_pool = pool;
		pthread_mutex_unlock(&cvy_default_lock);
		return pool;
	}
	pthread_mutex_unlock(&cvy_default_lock);
	/* Another thread was quicker. */
	covey_pool_close(pool);
	covey_pool_join(pool, COVEY_FOREVER);
	return covey_default_pool();
}

void cvy_default_forget(const covey_pool *pool)
{
	pthread_mutex_lock(&cvy_default_lock);
	if (shared_pool == pool)
		shared_pool = NULL;
	pthread_mutex_unlock(&cvy_default_lock);
}
