/* SPDX-License-Identifier: MIT */
/*
 * Pools where their process forks: their locks are free in the child, and the
 * child keeps none of their descriptors. The list's lock comes before those of
 * pools, and nobody forks with one of them held.
 */
#include "pool/pool.h"

#include <unistd.h>

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static covey_pool *list;

static void before_fork(void)
{
	pthread_mutex_lock(&cvy_default_lock);
	pthread_mutex_lock(&cvy_hall_lock);
	pthread_mutex_lock(&list_lock);
	for (covey_pool *pool = list; pool; pool = pool->next)
		cvy_biased_lock(&pool->lock);
}

static void unlock_all(void)
{
	pthread_mutex_unlock(&list_lock);
	pthread_mutex_unlock(&cvy_hall_lock);
	pthread_mutex_unlock(&cvy_default_lock);
}

static void after_fork(void)
{
	for (covey_pool *pool = list; pool; pool = pool->next)
		cvy_biased_unlock(&pool->lock);
	unlock_all();
}

static void in_forked_child(void)
{
	/* They close on exec only. */
	for (covey_pool *pool = list; pool; pool = pool->next) {
		for (uint32_t i = 0; i < pool->slots; i++)
			if (pool->crew[i].pidfd >= 0)
				close(pool->crew[i].pidfd);
		if (pool->notify_fd >= 0)
			close(pool->notify_fd);
		cvy_biased_unlock(&pool->lock);
	}
	list = NULL;
	unlock_all();
}

static void install(void)
{
	pthread_atfork(before_fork, after_fork, in_forked_child);
}

void cvy_pools_add(covey_pool *pool)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, install);
	pthread_mutex_lock(&list_lock);
	pool->next = list;
	list = pool;
	pthread_mutex_unlock(&list_lock);
}

void cvy_pools_remove(covey_pool *pool)
{
	pthread_mutex_lock(&list_lock);
	for (covey_pool **at = &list; *at; at = &(*at)->next)
		if (*at == pool) {
			*at = pool->next;
			break;
		}
	pthread_mutex_unlock(&list_lock);
}
