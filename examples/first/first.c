#include <stdio.h>
#include <covey.h>

COVEY_TASK(uint64_t, cube, uint64_t, n)
{
	return n * n * n;
}

int main(int argc, char **argv)
{
	uint64_t in[] = {1, 2, 3, 4, 5}, out[5];
	covey_pool *pool;

	covey_init(argc, argv);
	if (covey_pool_open(&pool, NULL) < 0 || covey_map(pool, cube, in, 5, out) < 0)
		return fprintf(stderr, "%s\n", covey_errmsg()), 1;
	for (int i = 0; i < 5; i++)
		printf("%d cubed is %d\n", (int)in[i], (int)out[i]);
	return covey_pool_close(pool) < 0 || covey_pool_join(pool, COVEY_FOREVER) < 0;
}
