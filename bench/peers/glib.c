/* SPDX-License-Identifier: MIT */
/* GLib's GThreadPool, its threads its own. */
#include "bench.h"

#include <glib.h>
#include <stdio.h>

struct job {
	long in, out;
};

static GThreadPool *pool;
static struct job *jobs;
static GMutex mutex;
static GCond finished;
static gint left;

static void same(gpointer data, gpointer unused)
{
	struct job *job = data;

	(void)unused;
	job->out = job->in;
	if (!g_atomic_int_dec_and_test(&left))
		return;
	g_mutex_lock(&mutex);
	g_cond_signal(&finished);
	g_mutex_unlock(&mutex);
}

static void open_pool(const struct plan *plan)
{
	pool = g_thread_pool_new(same, NULL, plan->workers, TRUE, NULL);
	jobs = g_new0(struct job, plan->tasks);
}

static void many(long n)
{
	g_atomic_int_set(&left, (gint)n);
	for (long i = 0; i < n; i++) {
		jobs[i].in = i;
		g_thread_pool_push(pool, &jobs[i], NULL);
	}
	g_mutex_lock(&mutex);
	while (g_atomic_int_get(&left) > 0)
		g_cond_wait(&finished, &mutex);
	g_mutex_unlock(&mutex);
	for (long i = 0; i < n; i++)
		if (jobs[i].out != i)
			bench_fail("GLib: a result");
}

static void one(void)
{
	many(1);
}

static void version(void)
{
	printf("GLib %u.%u.%u\n", glib_major_version, glib_minor_version, glib_micro_version);
}

const struct peer peer = {
	.version = version,
	.pools = {{"GThreadPool", open_pool, many, one}},
};

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
