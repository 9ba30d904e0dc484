/* SPDX-License-Identifier: MIT */
/* The C library's locks between processes: mutexes, robust and not, semaphores, rwlocks. */
#include "bench.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

static void *make(int robustness)
{
	pthread_mutex_t *mutex = bench_shared(sizeof *mutex);
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, robustness);
	pthread_mutex_init(mutex, &attr);
	return mutex;
}

static void *make_robust(void)
{
	return make(PTHREAD_MUTEX_ROBUST);
}

static void *make_shared(void)
{
	return make(PTHREAD_MUTEX_STALLED);
}

static void take(void *lock)
{
	if (pthread_mutex_lock(lock))
		bench_fail("pthread_mutex_lock");
}

static void give(void *lock)
{
	if (pthread_mutex_unlock(lock))
		bench_fail("pthread_mutex_unlock");
}

static void *make_semaphore(void)
{
	sem_t *semaphore = bench_shared(sizeof *semaphore);

	sem_init(semaphore, 1, 1);
	return semaphore;
}

static void take_semaphore(void *lock)
{
	if (sem_wait(lock))
		bench_fail("sem_wait");
}

static void give_semaphore(void *lock)
{
	if (sem_post(lock))
		bench_fail("sem_post");
}

static void *make_rwlock(void)
{
	pthread_rwlock_t *rw = bench_shared(sizeof *rw);
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_rwlock_init(rw, &attr);
	return rw;
}

static void take_to_read(void *rw)
{
	if (pthread_rwlock_rdlock(rw))
		bench_fail("pthread_rwlock_rdlock");
}

static void take_to_write(void *rw)
{
	if (pthread_rwlock_wrlock(rw))
		bench_fail("pthread_rwlock_wrlock");
}

static void give_rwlock(void *rw)
{
	if (pthread_rwlock_unlock(rw))
		bench_fail("pthread_rwlock_unlock");
}

static void version(void)
{
	printf("glibc %s\n", gnu_get_libc_version());
}

const struct peer peer = {
	.version = version,
	.locks = {{"robust", make_robust, take, give},
                  {"shared", make_shared, take, give},
                  {"semaphore", make_semaphore, take_semaphore, give_semaphore},
                  {"read", make_rwlock, take_to_read, give_rwlock},
                  {"write", make_rwlock, take_to_write, give_rwlock}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
