/* SPDX-License-Identifier: MIT */
/* What valgrind can follow (it lacks pidfd_open): locks, queues and a pool of threads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <covey.h>

COVEY_TASK(uint64_t, square, uint64_t, n)
{
	return n * n;
}

#define MUST(expr)                                                          \
	do {                                                                \
		if ((expr) < 0) {                                           \
			fprintf(stderr, "%s: %s\n", #expr, covey_errmsg()); \
			return 1;                                           \
		}                                                           \
	} while (0)

int main(void)
{
	static unsigned char bytes[100000], back[100000];
	uint64_t in[50], out[50];
	covey_message message;
	covey_rlock rlock;
	covey_pool *pool;
	covey_lock lock;
	covey_queue q;
	void *copy;

	MUST(covey_lock_create(&lock, "lock"));
	MUST(covey_rlock_create(&rlock, "rlock"));
	MUST(covey_queue_create(&q, NULL));
	for (size_t len = 0; len < sizeof bytes; len = len * 3 + 1) {
		memset(bytes, (int)len, len);
		COVEY_WITH (lock)
			COVEY_WITH (rlock)
				MUST(covey_queue_put(q, bytes, len, 0));
		MUST(covey_queue_reserve(q, len, &message, 0));
		memcpy(message.data, bytes, len);
		MUST(covey_queue_commit(&message));
		MUST(covey_queue_get(q, back, sizeof back, 0));
		if (memcmp(bytes, back, len) != 0)
			return 1;
		MUST(covey_queue_get_alloc(q, &copy, 0));
		free(copy);
	}
	MUST(covey_pool_open(&pool, &(covey_pool_opts){.kind = COVEY_THREADS, .workers = 2}));
	for (uint64_t i = 0; i < 50; i++)
		in[i] = i;
	MUST(covey_map(pool, square, in, 50, out));
	covey_future_free(covey_submit(pool, square, 3));
	MUST(covey_pool_close(pool));
	MUST(covey_pool_join(pool, COVEY_FOREVER));
	MUST(covey_queue_destroy(q));
	MUST(covey_rlock_destroy(rlock));
	MUST(covey_lock_destroy(lock));
	return out[49] != 2401;
}
