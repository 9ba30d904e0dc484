/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: a thread of the pool's process that sees workers and the
 * nursery die, settles what they leave, and has them replaced. It also runs
 * callbacks. It owns pidfds; everything else it shares under the pool's lock.
 */
#include "pool/pool.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* So many workers in a row may die before they have run anything. */
#define STRIKES_MOST 8

void cvy_kick(covey_pool *pool)
{
	uint64_t one = 1;

	if (pool->notify_fd >= 0 && write(pool->notify_fd, &one, sizeof one) < 0)
		return; /* it is full of kicks already */
}

/* Starts worker `index`. With the lock. */
int cvy_start_worker(covey_pool *pool, uint32_t index)
{
	struct crew *crew = &pool->crew[index];
	struct worker_arg arg = {.shared = cvy_offset(pool->shared), .index = index};
	char name[COVEY_NAME_MAX + 1];
	struct cvy_proc *proc;
	covey_fn fn;
	uint32_t slot = 0;
	int rc;

	snprintf(name, sizeof name, "%.*s-%u", COVEY_NAME_MAX - 6,
	         pool->name[0] ? pool->name : "worker", index);
	rc = covey_fn_make(&fn, cvy_worker_process);
	if (rc == 0)
		rc = cvy_proc_new(name, &slot);
	if (rc < 0)
		return rc;
	proc = cvy_proc(slot);
	proc->fn = fn;
	proc->method = (uint8_t)pool->method;
	proc->daemon = 1;
	proc->arg_len = sizeof arg;
	memcpy(proc->inline_arg, &arg, sizeof arg);
	/* Before it is there: it claims as soon as it is. */
	atomic_store(&pool->shared->worker[index].current, 0);
	if (pool->method == COVEY_SPAWN) {
		rc = cvy_spawn_process(slot, pool->notify_fd, &crew->pid);
	} else {
		rc = cvy_nursery_fork(pool->nursery, slot, &pool->notify_fd, 1);
		if (rc == -EPIPE && cvy_nursery_restart(pool->nursery) == 0)
			rc = cvy_nursery_fork(pool->nursery, slot, &pool->notify_fd, 1);
		crew->pid = atomic_load(&proc->pid);
	}
	if (rc < 0) {
		cvy_proc_free(slot);
		return cvy_fail_in("pool '%s': worker %u: ", pool->name, index);
	}
	crew->pidfd = rc;
	crew->slot = slot;
	crew->generation = proc->generation;
	crew->alive = true;
	atomic_fetch_add(&pool->alive, 1);
	return 0;
}

void cvy_end_pending(covey_pool *pool, enum status status)
{
	for (uint32_t i = 0; i < pool->made; i++) {
		covey_future *f = cvy_future_at(pool, i);
		uint64_t pending = STATE_OF(TASK_PENDING, 0, f->generation);
		struct task *task = cvy_task_of(f);
		uint64_t end = STATE_OF(status, 0, f->generation);

		if (!f->used || f->drained)
			continue;
		if (atomic_compare_exchange_strong(&task->state, &pending, end) ||
		    (pending == (STATE_OF(TASK_PENDING, 0, f->generation) | STATE_WAITED) &&
		     atomic_compare_exchange_strong(&task->state, &pending, end)))
			cvy_end_task(pool, f, status);
	}
}

/* What the dead worker was at. With the lock. */
static void settle_task(covey_pool *pool, uint32_t index, int status)
{
	uint32_t current = atomic_load(&pool->shared->worker[index].current);
	covey_future *f;
	uint64_t state;

	atomic_store(&pool->shared->worker[index].current, 0);
	cvy_drain(pool);
	if (!current || current > pool->made)
		return;
	f = cvy_future_at(pool, current - 1);
	state = atomic_load(&cvy_task_of(f)->state);
	if (!f->used || f->drained || STATE_WORKER(state) != index + 1 ||
	    STATE_GENERATION(state) != f->generation)
		return;
	f->pid = pool->crew[index].pid;
	f->worker = index;
	f->wait_status = status;
	if (STATUS(state) != TASK_RUNNING) {
		cvy_end_task(pool, f, STATUS(state)); /* done, and not yet told */
	} else if (f->retries > 0 && !pool->terminated) {
		f->retries--;
		f->generation++; /* the old entry in the ring is of the past */
		cvy_region_free(&cvy_task_of(f)->result);
		atomic_store(&cvy_task_of(f)->state, STATE_OF(TASK_PENDING, 0, f->generation));
		cvy_futex_wake(cvy_state_word(cvy_task_of(f)), INT_MAX);
		if (cvy_enqueue(pool, f) < 0)
			cvy_end_task(pool, f, TASK_DIED);
	} else {
		cvy_end_task(pool, f, TASK_DIED);
	}
}

static void tell_root(struct shared *shared)
{
	atomic_store(&shared->root_waits, 0);
	cvy_futex_wake(&shared->root_waits, INT_MAX);
}

/* Worker `index` has ended. */
static void worker_ended(covey_pool *pool, uint32_t index)
{
	struct crew *crew = &pool->crew[index];
	struct shared *shared = pool->shared;
	int status = cvy_proc_reap(crew->slot, crew->pidfd);
	uint32_t spinner = index + 1;
	bool ran;

	pthread_mutex_lock(&pool->lock);
	atomic_store(&pool->forking, cvy_tid());
	ran = atomic_exchange(&shared->worker[index].ran, 0) > 0 ||
	      atomic_load(&shared->worker[index].current) != 0;
	cvy_log(status == 0 ? COVEY_LOG_INFO : COVEY_LOG_WARN,
	        "pool '%s': worker %u (pid %d) ended with status %#x", pool->name, index,
	        (int)crew->pid, (unsigned)status);
	settle_task(pool, index, status == -1 ? SIGKILL : status);
	atomic_fetch_and(&shared->idle[index / 64], ~(UINT64_C(1) << (index % 64)));
	atomic_compare_exchange_strong(&shared->spinner, &spinner, 0);
	close(crew->pidfd);
	cvy_proc_free(crew->slot);
	crew->alive = false;
	crew->pidfd = -1;
	pool->strikes = ran || status == 0 ? 0 : pool->strikes + 1;
	if (pool->strikes >= STRIKES_MOST && !pool->failed) {
		pool->failed = true;
		cvy_log(COVEY_LOG_ERROR,
		        "pool '%s': %d workers in a row died before they had run "
		        "anything; it gives up",
		        pool->name, pool->strikes);
	}
	if (!pool->failed && !pool->terminated && (!pool->closed || pool->pending > 0) &&
	    cvy_start_worker(pool, index) < 0) {
		cvy_log(COVEY_LOG_ERROR, "%s", covey_errmsg());
		if (atomic_load(&pool->alive) == 1)
			pool->failed = true; /* nobody is left to run anything */
	}
	if (pool->failed)
		cvy_end_pending(pool, TASK_DIED);
	atomic_store(&pool->forking, 0);
	pthread_mutex_unlock(&pool->lock);
	/* Whoever it was to have woken, or was to take what it was woken for. */
	if (atomic_load(&shared->head) < atomic_load(&shared->tail))
		cvy_wake_worker(shared);
	cvy_call_back(pool);
	atomic_fetch_sub(&pool->alive, 1);
	cvy_futex_wake((_Atomic uint32_t *)&pool->alive, INT_MAX);
	tell_root(shared);
}

static void *supervise(void *context)
{
	covey_pool *pool = context;
	struct pollfd *poll_fds = calloc(pool->workers + 2, sizeof *poll_fds);
	uint64_t kicks;

	while (poll_fds && atomic_load(&pool->alive) > 0) {
		poll_fds[0] = (struct pollfd){.fd = pool->notify_fd, .events = POLLIN};
		poll_fds[1] =
			(struct pollfd){.fd = pool->nursery ? cvy_nursery_pidfd(pool->nursery) : -1,
		                        .events = POLLIN};
		for (uint32_t i = 0; i < pool->workers; i++)
			poll_fds[2 + i] = (struct pollfd){
				.fd = pool->crew[i].alive ? pool->crew[i].pidfd : -1,
				.events = POLLIN};
		if (poll(poll_fds, pool->workers + 2, -1) < 0)
			continue;
		if (poll_fds[0].revents &&
		    read(pool->notify_fd, &kicks, sizeof kicks) == sizeof kicks)
			cvy_call_back(pool);
		if (poll_fds[1].revents) {
			pthread_mutex_lock(&pool->lock);
			atomic_store(&pool->forking, cvy_tid());
			if (cvy_nursery_restart(pool->nursery) < 0)
				cvy_log(COVEY_LOG_ERROR, "pool '%s': %s", pool->name,
				        covey_errmsg());
			atomic_store(&pool->forking, 0);
			pthread_mutex_unlock(&pool->lock);
		}
		for (uint32_t i = 0; i < pool->workers; i++)
			if (poll_fds[2 + i].revents)
				worker_ended(pool, i);
	}
	free(poll_fds);
	return NULL;
}

int cvy_supervise(covey_pool *pool)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&pool->supervisor, NULL, supervise, pool);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc)
		return cvy_fail(rc, "pool '%s': its supervisor: %s", pool->name,
		                covey_strerror(rc));
	cvy_own_thread(1);
	pool->supervised = true;
	return 0;
}
