/* SPDX-License-Identifier: MIT */
/* A program that does not call covey_init: spawn is refused in words, and main runs once. */
#include <stdio.h>
#include <string.h>

#include <covey.h>

static int nothing(const void *arg, size_t len)
{
	(void)arg;
	(void)len;
	return 0;
}

int main(void)
{
	covey_process *p;

	puts("main runs");
	for (int method = COVEY_SPAWN; method <= COVEY_FORKSERVER; method++)
		if (covey_start(&p, nothing, "x", .method = (covey_method)method) != -ENOTSUP ||
		    !strstr(covey_errmsg(), "covey_init")) {
			printf("1 passed, 1 failed\n");
			return 1;
		}
	if (covey_forkserver_preload(nothing, NULL, 0) != -ENOTSUP)
		return 1;
	if (covey_start(&p, nothing, "x", .method = COVEY_FORK) < 0)
		return 1;
	covey_process_join(p, COVEY_FOREVER);
	covey_process_free(p);
	return 0;
}
