/* SPDX-License-Identifier: MIT */
/* Pools: opening, closing, joining, terminating. */
#include "pool/pool.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int init(struct cvy_object *object, const void *context);
static const struct cvy_kind_ops ops = {.kind = CVY_POOL, .init = init};

/* Of this process, so that a fork finds no pool's lock taken. */
static pthread_mutex_t pools_lock = PTHREAD_MUTEX_INITIALIZER;
static covey_pool *pools;

/* The supervisor forks with the lock held when it restarts a nursery. */
static bool held_by_us(covey_pool *pool)
{
	return atomic_load(&pool->forking) == cvy_tid();
}

static void before_fork(void)
{
	pthread_mutex_lock(&pools_lock);
	for (covey_pool *pool = pools; pool; pool = pool->next)
		if (!held_by_us(pool))
			pthread_mutex_lock(&pool->lock);
}

static void after_fork(void)
{
	for (covey_pool *pool = pools; pool; pool = pool->next)
		if (!held_by_us(pool))
			pthread_mutex_unlock(&pool->lock);
	pthread_mutex_unlock(&pools_lock);
}

static void in_forked_child(void)
{
	/* The descriptors are close-on-exec only: a child must not keep the parent's workers'. */
	for (covey_pool *pool = pools; pool; pool = pool->next)
		for (uint32_t i = 0; i < pool->workers; i++)
			if (pool->kind == COVEY_PROCESSES && pool->crew[i].pidfd >= 0)
				close(pool->crew[i].pidfd);
	for (covey_pool *pool = pools; pool; pool = pool->next)
		pthread_mutex_unlock(&pool->lock);
	pthread_mutex_unlock(&pools_lock);
	pools = NULL;
}

static int init(struct cvy_object *object, const void *context)
{
	const covey_pool *pool = context;
	uint64_t bytes = sizeof(struct shared) + pool->workers * sizeof(struct worker);
	struct shared *shared;
	int rc;

	if (object->region && cvy_region_bytes(object->region) < bytes)
		cvy_region_free(&object->region);
	if (!object->region) {
		rc = cvy_region_alloc(&object->region, bytes);
		if (rc < 0)
			return rc;
	}
	shared = cvy_at(object->region, bytes);
	memset(shared, 0, bytes);
	shared->workers = pool->workers;
	return 0;
}

int cvy_pool_check(const covey_pool *pool)
{
	if (!pool)
		return cvy_fail(EINVAL, "pool: none was given");
	if (pool->incarnation != cvy_incarnation())
		return cvy_fail(ECHILD,
		                "pool '%s': it belongs to the parent of this process, which "
		                "opened it",
		                pool->name);
	return 0;
}

/* Frees all but the workers, which have ended or were never there. */
static void dispose(covey_pool *pool)
{
	if (pool->shared)
		cvy_table_close(pool);
	if (pool->object)
		cvy_object_retire(&ops, pool->object);
	cvy_nursery_close(pool->nursery);
	if (pool->notify_fd >= 0)
		close(pool->notify_fd);
	pthread_mutex_destroy(&pool->lock);
	free(pool->crew);
	free(pool);
}

void cvy_pool_unlock_or_free(covey_pool *pool)
{
	bool last = pool->joined && pool->futures == 0;

	pthread_mutex_unlock(&pool->lock);
	if (last)
		dispose(pool);
}

struct thread_arg {
	covey_pool *pool;
	uint32_t index;
};

static void *thread_worker(void *context)
{
	struct thread_arg arg = *(struct thread_arg *)context;

	free(context);
	cvy_worker_loop(arg.pool->shared, arg.index, arg.pool, -1);
	atomic_fetch_sub(&arg.pool->alive, 1);
	cvy_futex_wake((_Atomic uint32_t *)&arg.pool->alive, INT_MAX);
	return NULL;
}

static int start_threads(covey_pool *pool)
{
	for (uint32_t i = 0; i < pool->workers; i++) {
		struct thread_arg *arg = malloc(sizeof *arg);
		int rc = ENOMEM;

		if (arg) {
			*arg = (struct thread_arg){pool, i};
			atomic_fetch_add(&pool->alive, 1);
			rc = pthread_create(&pool->crew[i].thread, NULL, thread_worker, arg);
		}
		if (rc) {
			if (arg)
				atomic_fetch_sub(&pool->alive, 1);
			free(arg);
			return cvy_fail(rc, "pool '%s': thread %u: %s", pool->name, i,
			                covey_strerror(rc));
		}
		pool->crew[i].pid = getpid();
		pool->crew[i].alive = true;
	}
	return 0;
}

static int start_processes(covey_pool *pool)
{
	int rc = 0;

	pool->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->notify_fd < 0)
		return cvy_fail(errno, "pool '%s': an eventfd: %s", pool->name,
		                covey_strerror(errno));
	if (pool->method != COVEY_SPAWN)
		rc = cvy_nursery_open(&pool->nursery, pool->method);
	for (uint32_t i = 0; rc == 0 && i < pool->workers; i++)
		rc = cvy_start_worker(pool, i);
	return rc < 0 ? rc : cvy_supervise(pool);
}

/* Ends what was started of a pool that could not be opened. */
static void undo(covey_pool *pool)
{
	if (pool->shared) {
		atomic_store(&pool->shared->closing, 1);
		for (uint32_t i = 0; i < pool->workers; i++) {
			struct crew *crew = &pool->crew[i];

			cvy_wake_worker(pool->shared);
			if (!crew->alive)
				continue;
			if (pool->kind == COVEY_THREADS) {
				pthread_join(crew->thread, NULL);
			} else {
				cvy_pidfd_signal(crew->pidfd, SIGKILL);
				while (!cvy_pidfd_ended(crew->pidfd))
					usleep(100);
				cvy_proc_reap(crew->slot, crew->pidfd);
				close(crew->pidfd);
				cvy_proc_free(crew->slot);
			}
		}
	}
	dispose(pool);
}

static int check_opts(const covey_pool_opts *opts, covey_pool *pool)
{
	int workers = opts->workers ? opts->workers : covey_cpu_count();

	if (opts->kind != COVEY_PROCESSES && opts->kind != COVEY_THREADS)
		return cvy_fail(EINVAL, "pool: %d is no kind of pool", (int)opts->kind);
	if (workers < 1 || workers > WORKERS_MAX)
		return cvy_fail(EINVAL, "pool: %d workers, which must be 1 to %d", workers,
		                WORKERS_MAX);
	pool->method = opts->method ? opts->method : covey_default_method();
	if (pool->method < COVEY_FORK || pool->method > COVEY_FORKSERVER)
		return cvy_fail(EINVAL, "pool: %d is no start method", (int)pool->method);
	if (opts->kind == COVEY_PROCESSES && pool->method != COVEY_FORK && !cvy_can_spawn())
		return cvy_fail(ENOTSUP,
		                "pool: %s needs covey_init(argc, argv) as the first call in "
		                "main",
		                covey_method_name(pool->method));
	pool->kind = opts->kind;
	pool->workers = (uint32_t)workers;
	pool->retries = opts->retries > 0 ? opts->retries : 0;
	return cvy_name(pool->name, opts->name, "pool");
}

static void install(void)
{
	pthread_atfork(before_fork, after_fork, in_forked_child);
}

int covey_pool_open_v(covey_pool **out, const covey_pool_opts *given, size_t size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	covey_pool_opts opts;
	covey_pool *pool;
	int rc = cvy_options(&opts, sizeof opts, given, size, "pool");

	if (rc < 0)
		return rc;
	if (!out)
		return cvy_fail(EINVAL, "pool: no place for it was given");
	rc = cvy_family();
	if (rc < 0)
		return rc;
	pthread_once(&once, install);
	pool = calloc(1, sizeof *pool);
	if (!pool)
		return cvy_fail(ENOMEM, "pool: no memory");
	rc = check_opts(&opts, pool);
	if (rc < 0) {
		free(pool);
		return rc;
	}
	pool->incarnation = cvy_incarnation();
	pool->notify_fd = -1;
	pthread_mutex_init(&pool->lock, NULL);
	pool->crew = calloc(pool->workers, sizeof *pool->crew);
	for (uint32_t i = 0; pool->crew && i < pool->workers; i++)
		pool->crew[i].pidfd = -1;
	rc = pool->crew ? cvy_object_create(&ops, opts.name, pool, &pool->id)
	                : cvy_fail(ENOMEM, "pool: no memory");
	if (rc == 0) {
		pool->object = cvy_object(pool->id, CVY_POOL);
		pool->shared = cvy_at(pool->object->region, sizeof(struct shared));
		rc = cvy_table_open(pool);
	}
	if (rc == 0)
		rc = pool->kind == COVEY_THREADS ? start_threads(pool) : start_processes(pool);
	if (rc < 0) {
		undo(pool);
		return rc;
	}
	pthread_mutex_lock(&pools_lock);
	pool->next = pools;
	pools = pool;
	pthread_mutex_unlock(&pools_lock);
	*out = pool;
	return 0;
}

int covey_pool_close(covey_pool *pool)
{
	int rc = cvy_pool_check(pool);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&pool->lock);
	pool->closed = true;
	pthread_mutex_unlock(&pool->lock);
	return 0;
}

/* Waits until nothing is pending; with no lock. 0 or -ETIMEDOUT. */
static int wait_done(covey_pool *pool, struct cvy_wait *wait)
{
	struct shared *shared = pool->shared;

	for (;;) {
		int64_t pending;

		pthread_mutex_lock(&pool->lock);
		cvy_drain(pool);
		pending = pool->pending;
		pthread_mutex_unlock(&pool->lock);
		if (pending == 0)
			return 0;
		if (wait->timeout_ms == 0 || cvy_now() >= cvy_until(wait))
			return -ETIMEDOUT;
		atomic_store(&shared->root_waits, 1);
		atomic_thread_fence(memory_order_seq_cst);
		if (!atomic_load(&shared->done)) {
			int64_t until = cvy_now() + CVY_SLICE;

			cvy_futex_wait(&shared->root_waits, 1,
			               until < wait->deadline ? until : wait->deadline);
		}
	}
}

int covey_pool_join(covey_pool *pool, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	int rc = cvy_pool_check(pool);
	uint32_t alive;

	if (rc < 0)
		return rc;
	if (!pool->closed)
		return cvy_fail(EINVAL, "pool '%s': close it before joining it", pool->name);
	if (cvy_in_worker_of(pool) || cvy_in_callback_of(pool))
		return cvy_fail(EDEADLK, "pool '%s': joined by a task or callback of its own",
		                pool->name);
	rc = wait_done(pool, &wait);
	if (rc < 0)
		return cvy_timed_out(timeout_ms, "pool '%s': still at work on %lld tasks",
		                     pool->name, (long long)pool->pending);
	atomic_store(&pool->shared->closing, 1);
	for (uint32_t i = 0; i < pool->workers; i++)
		cvy_wake_worker(pool->shared);
	while ((alive = atomic_load(&pool->alive)) > 0) {
		/* All tasks are done: workers end at once, whatever the timeout was. */
		cvy_wake_worker(pool->shared);
		cvy_futex_wait(&pool->alive, alive, cvy_now() + 100 * CVY_MS);
	}
	if (pool->supervised) {
		cvy_kick(pool);
		pthread_join(pool->supervisor, NULL);
		cvy_own_thread(-1);
	}
	for (uint32_t i = 0; pool->kind == COVEY_THREADS && i < pool->workers; i++)
		pthread_join(pool->crew[i].thread, NULL);
	cvy_call_back(pool);
	pthread_mutex_lock(&pools_lock);
	for (covey_pool **at = &pools; *at; at = &(*at)->next)
		if (*at == pool) {
			*at = pool->next;
			break;
		}
	pthread_mutex_unlock(&pools_lock);
	cvy_nursery_close(pool->nursery);
	pool->nursery = NULL;
	if (pool->notify_fd >= 0)
		close(pool->notify_fd);
	pool->notify_fd = -1;
	pthread_mutex_lock(&pool->lock);
	pool->joined = true;
	cvy_pool_unlock_or_free(pool);
	return 0;
}

int covey_pool_terminate(covey_pool *pool)
{
	int rc = cvy_pool_check(pool);

	if (rc < 0)
		return rc;
	pthread_mutex_lock(&pool->lock);
	pool->closed = pool->terminated = true;
	cvy_end_pending(pool, TASK_CANCELLED);
	for (uint32_t i = 0; pool->kind == COVEY_PROCESSES && i < pool->workers; i++)
		if (pool->crew[i].alive)
			cvy_pidfd_signal(pool->crew[i].pidfd, SIGKILL);
	pthread_mutex_unlock(&pool->lock);
	cvy_call_back(pool);
	return 0;
}

int covey_pool_workers(covey_pool *pool)
{
	int rc = cvy_pool_check(pool);

	return rc < 0 ? rc : (int)atomic_load(&pool->alive);
}

int64_t covey_pool_pending(covey_pool *pool)
{
	int64_t n = cvy_pool_check(pool);

	if (n < 0)
		return n;
	pthread_mutex_lock(&pool->lock);
	cvy_drain(pool);
	n = pool->pending;
	pthread_mutex_unlock(&pool->lock);
	return n;
}
