/* SPDX-License-Identifier: MIT */
/* Pools: opening, resizing, asking. */
#include "pool/pool.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int init(struct cvy_object *object, const void *context);
static void clear(struct cvy_object *object);
static const struct cvy_kind_ops ops = {.kind = CVY_POOL, .init = init, .clear = clear};

static int init(struct cvy_object *object, const void *context)
{
	const covey_pool *pool = context;
	uint64_t bytes = SHARED_BYTES(pool->workers);
	struct shared *shared;
	int rc = 0;

	if (!object->region)
		rc = cvy_region_reserve(&object->region, SHARED_BYTES(WORKERS_MAX), bytes);
	else if (cvy_region_bytes(object->region) < bytes)
		rc = cvy_region_back(object->region, bytes);
	if (rc < 0)
		return rc;
	shared = cvy_region_at(object->region, SHARED_BYTES(WORKERS_MAX));
	if (!shared)
		return cvy_fail(EBADMSG, "pool: the object table is damaged");
	memset(shared, 0, bytes);
	shared->workers = pool->workers;
	shared->staff = pool->workers;
	shared->owner = cvy_self();
	shared->owner_generation =
		cvy_proc(shared->owner) ? cvy_proc(shared->owner)->generation : 0;
	object->space[0] = 1; /* it is no memory of somebody before: clear may read it */
	return 0;
}

static void clear(struct cvy_object *object)
{
	struct shared *shared = cvy_region_at(object->region, SHARED_BYTES(WORKERS_MAX));

	if (shared && object->space[0])
		cvy_shared_clear(shared);
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

int cvy_pool_own(const covey_pool *pool)
{
	int rc = cvy_pool_check(pool);

	if (rc == 0 && pool->guest)
		rc = cvy_fail(EPERM, "pool: this is for the process that opened it; a task in a "
		                     "worker may submit, and wait");
	return rc;
}

/* ---- opening */

void cvy_pool_dispose(covey_pool *pool)
{
	if (pool->shared)
		cvy_table_close(pool);
	if (pool->object)
		cvy_object_retire(&ops, pool->object);
	cvy_nursery_close(pool->nursery);
	if (pool->notify_fd >= 0)
		close(pool->notify_fd);
	cvy_biased_destroy(&pool->lock);
	free(pool->crew);
	free(pool);
}

/* Ends a worker process that has no supervisor yet. */
static void end_process(struct crew *crew)
{
	struct pollfd poll_fd = {.fd = crew->pidfd, .events = POLLIN};

	cvy_pidfd_signal(crew->pidfd, SIGKILL);
	while (cvy_poll(&poll_fd, 1, -1) < 0 && errno == EINTR)
		;
	cvy_proc_reap(crew->slot, crew->pidfd);
	close(crew->pidfd);
	crew->pidfd = -1;
	cvy_proc_free(crew->slot);
}

/* Ends what was started of a pool that could not be opened. */
static void undo(covey_pool *pool)
{
	if (pool->shared) {
		atomic_store(&pool->shared->closing, 1);
		cvy_wake_all(pool->shared);
	}
	if (pool->kind == COVEY_THREADS) {
		for (;;) {
			uint32_t alive = atomic_load(&pool->alive);

			if (!cvy_anybody(pool))
				break;
			cvy_futex_wait(&pool->alive, alive, cvy_now() + CVY_SLICE);
		}
		cvy_join_threads(pool);
	}
	for (uint32_t i = 0; i < pool->slots; i++)
		if (pool->crew[i].state == CREW_ALIVE)
			end_process(&pool->crew[i]);
	cvy_pools_remove(pool);
	cvy_pool_dispose(pool);
}

static int start_processes(covey_pool *pool)
{
	int rc = 0;

	if (pool->method == COVEY_FORK)
		cvy_crash_prepare();
	if (pool->method != COVEY_SPAWN)
		rc = cvy_nursery_open(&pool->nursery, pool->method);
	if (rc < 0)
		return cvy_fail_in("pool '%s': ", pool->name);
	/* After the fork of the nursery, which shall not keep it. */
	pool->notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (pool->notify_fd < 0)
		return cvy_fail(errno, "pool '%s': an eventfd: %s", pool->name,
		                covey_strerror(errno));
	cvy_pools_add(pool);
	for (uint32_t i = 0; rc == 0 && i < pool->workers; i++)
		rc = cvy_start_worker(pool, i);
	return rc < 0 ? rc : cvy_supervise(pool);
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
	if (opts->worker_arg_len && !opts->worker_arg)
		return cvy_fail(EINVAL, "pool: no worker_arg was given");
	return cvy_name(pool->name, opts->name, "pool");
}

/* The private half, empty; NULL in words. */
static covey_pool *new_pool(const covey_pool_opts *opts)
{
	covey_pool *pool = calloc(1, sizeof *pool);

	if (!pool) {
		cvy_fail(ENOMEM, "pool: no memory");
		return NULL;
	}
	if (check_opts(opts, pool) < 0) {
		free(pool);
		return NULL;
	}
	pool->crew = calloc(WORKERS_MAX, sizeof *pool->crew);
	if (!pool->crew) {
		free(pool);
		cvy_fail(ENOMEM, "pool: no memory");
		return NULL;
	}
	for (uint32_t i = 0; i < WORKERS_MAX; i++)
		pool->crew[i].pidfd = -1;
	pool->slots = pool->workers;
	pool->incarnation = cvy_incarnation();
	pool->notify_fd = -1;
	pool->oom_kills = cvy_oom_kills();
	cvy_biased_init(&pool->lock);
	return pool;
}

/* What is said to workers once, and holds as long as the pool. */
static int instruct(covey_pool *pool, const covey_pool_opts *opts)
{
	struct shared *shared = pool->shared;
	void *to;
	int rc = 0;

	/* As many workers as cores is what one gets who asks for none. */
	shared->cores = opts->workers ? (uint32_t)covey_cpu_count() : pool->workers;
	shared->max_tasks =
		opts->max_tasks_per_worker > 0 ? (uint64_t)opts->max_tasks_per_worker : 0;
	if (opts->initializer)
		rc = covey_fn_make(&shared->initializer, opts->initializer);
	if (rc == 0 && opts->finalizer)
		rc = covey_fn_make(&shared->finalizer, opts->finalizer);
	if (rc == 0 && opts->worker_arg_len)
		rc = cvy_region_alloc(&shared->own_arg, opts->worker_arg_len);
	if (rc < 0)
		return cvy_fail_in("pool '%s': ", pool->name);
	shared->arg_len = opts->worker_arg_len;
	if (!opts->worker_arg_len)
		return 0;
	to = cvy_at(__atomic_load_n(&shared->own_arg, __ATOMIC_RELAXED), opts->worker_arg_len);
	if (!to)
		return cvy_fail(EBADMSG, "pool '%s': the arena is damaged", pool->name);
	memcpy(to, opts->worker_arg, opts->worker_arg_len);
	return 0;
}

static int start_threads(covey_pool *pool)
{
	int rc;

	cvy_pools_add(pool);
	cvy_biased_lock(&pool->lock);
	rc = cvy_recruit(pool);
	if (rc == 0)
		rc = cvy_start_threads(pool);
	cvy_biased_unlock(&pool->lock);
	return rc;
}

int cvy_pool_new(covey_pool **out, const covey_pool_opts *opts)
{
	covey_pool *pool;
	int rc = cvy_family();

	if (rc < 0)
		return rc;
	cvy_pools_bury(&ops);
	pool = new_pool(opts);
	if (!pool)
		return covey_errcode();
	rc = cvy_object_create(&ops, opts->name, pool, &pool->id);
	if (rc == 0) {
		pool->object = cvy_object(pool->id, CVY_POOL);
		pool->shared = pool->object ? cvy_region_at(pool->object->region,
		                                            SHARED_BYTES(WORKERS_MAX))
		                            : NULL;
		if (pool->shared)
			pool->shared->heavy_fences = cvy_heavy_fence_prepare(false);
		rc = pool->shared ? cvy_table_open(pool)
		                  : cvy_fail(EBADMSG, "pool: the object table is damaged");
	}
	if (rc < 0) {
		undo(pool);
		return rc;
	}
	*out = pool;
	return 0;
}

int covey_pool_open_v(covey_pool **out, const covey_pool_opts *given, size_t size)
{
	covey_pool_opts opts;
	covey_pool *pool;
	int rc = cvy_options(&opts, sizeof opts, given, size, "pool");

	if (rc < 0)
		return rc;
	if (!out)
		return cvy_fail(EINVAL, "pool: no place for it was given");
	rc = cvy_pool_new(&pool, &opts);
	if (rc < 0)
		return rc;
	rc = instruct(pool, &opts);
	if (rc == 0)
		rc = pool->kind == COVEY_THREADS ? start_threads(pool) : start_processes(pool);
	if (rc < 0) {
		undo(pool);
		return rc;
	}
	*out = pool;
	return 0;
}

/* ---- more workers, and fewer */

int covey_pool_resize(covey_pool *pool, int workers)
{
	uint32_t before;
	int rc = cvy_pool_own(pool);

	if (rc < 0)
		return rc;
	if (workers < 1 || workers > WORKERS_MAX)
		return cvy_fail(EINVAL, "pool '%s': %d workers, which must be 1 to %d", pool->name,
		                workers, WORKERS_MAX);
	cvy_biased_lock(&pool->lock);
	before = pool->workers;
	if (pool->failed || pool->closed) {
		rc = cvy_fail(ESHUTDOWN, "pool '%s': not resized, since it %s", pool->name,
		              pool->failed ? "has failed" : "is closed");
	} else {
		pool->workers = (uint32_t)workers;
		rc = cvy_recruit(pool);
		if (rc == 0 && pool->kind == COVEY_THREADS)
			rc = cvy_start_threads(pool);
		if (rc < 0)
			pool->workers = before;
		atomic_store(&pool->shared->staff, pool->workers);
		cvy_thin_out(pool);
	}
	cvy_biased_unlock(&pool->lock);
	cvy_kick(pool);
	return rc;
}

/* ---- asking */

int covey_pool_workers(covey_pool *pool)
{
	int rc = cvy_pool_own(pool);

	return rc < 0 ? rc : (int)atomic_load(&pool->alive);
}

int64_t covey_pool_pending(covey_pool *pool)
{
	int64_t n = cvy_pool_own(pool);

	if (n < 0)
		return n;
	cvy_biased_lock(&pool->lock);
	cvy_drain(pool);
	n = pool->pending;
	cvy_biased_unlock(&pool->lock);
	return n;
}
