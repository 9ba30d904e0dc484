/* SPDX-License-Identifier: MIT */
#include "covey.h"

#include <stdio.h>
#include <string.h>

static void version(void)
{
	printf("covey %s\n", covey_version());
}

const struct peer peer = {
	.version = version,
	.channels = {{"queue", 0, queue_open, NULL, queue_put, queue_get},
                     {"in-place", 0, queue_open, NULL, place_put, place_get},
                     {"batches", BATCH, queue_open, NULL, batch_put, batch_get}},
	.locks = {{"lock", lock_make, lock_take, lock_give},
                  {"read", rwlock_make, rwlock_read, rwlock_give},
                  {"write", rwlock_make, rwlock_write, rwlock_give},
                  {"semaphore", semaphore_make, semaphore_take, semaphore_give}},
	.starts = {{"fork", start_fork},
                   {"spawn", start_spawn},
                   {"forkserver", start_forkserver},
                   {"pool", start_pool},
                   {"pool-forkserver", start_pool_forkserver},
                   {"posix_spawn", start_bare_spawn}},
	.pools = {{"processes", pool_open, pool_many, pool_one},
                  {"threads", pool_open_threads, pool_many, pool_one}},
	.commands = {{"lock-cost", lock_cost},
                     {"sums", sums},
                     {"largest-sum", largest_sum},
                     {"hold", hold}},
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "nothing") == 0)
		return 0; /* what start_bare_spawn runs */
	covey_init(argc, argv);
	return bench_main(argc, argv);
}
