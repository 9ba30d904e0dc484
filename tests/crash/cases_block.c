/* SPDX-License-Identifier: MIT */
/* Blocks: made, resized, destroyed. */
#include "cases.h"

#include <stdlib.h>

#define SMALL 5000
#define LARGE 50000

static covey_block block;

static void no_block(void)
{
	block.id = 0;
}

static void a_block(void)
{
	unsigned char *data;

	if (covey_block_create(&block, SMALL, &(covey_block_opts){.max_size = LARGE}) < 0)
		abort();
	data = covey_block_data(block);
	for (int i = 0; i < SMALL; i++)
		data[i] = 9;
}

static void a_large_block(void)
{
	unsigned char *data;

	a_block();
	if (covey_block_resize(block, LARGE) < 0)
		abort();
	data = covey_block_data(block);
	for (int i = SMALL; i < LARGE; i++)
		data[i] = 9;
}

static void make_block(void)
{
	covey_block_create(&block, SMALL, NULL);
}

static void grow(void)
{
	covey_block_resize(block, LARGE);
}

static void shrink(void)
{
	covey_block_resize(block, SMALL);
}

static void unmake_block(void)
{
	covey_block_destroy(block);
}

static const char *new_blocks_work(const struct board *b)
{
	(void)b;
	for (int i = 0; i < 3; i++) {
		covey_block made;
		unsigned char *data;

		if (covey_block_create(&made, SMALL, NULL) < 0)
			return "create failed afterwards";
		data = covey_block_data(made);
		for (int j = 0; j < SMALL; j++) {
			if (data[j])
				return "a new block is not zero";
			data[j] = 1;
		}
		if (covey_block_destroy(made) < 0)
			return "destroy failed afterwards";
	}
	return NULL;
}

static const char *has_a_size(const struct board *b)
{
	int64_t size = covey_block_size(block);
	unsigned char *data = covey_block_data(block);

	(void)b;
	if (size != SMALL && size != LARGE)
		return "neither the old size nor the new one";
	for (int i = 0; i < SMALL; i++)
		if (data[i] != 9)
			return "bytes were lost";
	if (covey_block_resize(block, SMALL) < 0 || covey_block_resize(block, LARGE) < 0)
		return "resize failed afterwards";
	for (int i = 0; i < LARGE; i++)
		if (data[i] != (i < SMALL ? 9 : 0))
			return "bytes are not what they should be";
	return NULL;
}

static const char *is_gone_or_goes(const struct board *b)
{
	int rc = covey_block_destroy(block);

	if (rc < 0 && rc != -EBADF)
		return "what was half destroyed cannot be destroyed";
	return new_blocks_work(b);
}

static void end_block(void)
{
	covey_block_destroy(block);
}

static void leave(void)
{
}

static const struct crash_case cases[] = {
	{.name = "create a block",
         .setup = no_block,
         .call = make_block,
         .check = new_blocks_work,
         .teardown = leave,
         .may_stay = 8192},
	{.name = "grow a block",
         .setup = a_block,
         .call = grow,
         .check = has_a_size,
         .teardown = end_block},
	{.name = "grow a block, contended",
         .setup = a_block,
         .call = grow,
         .contended = true,
         .check = has_a_size,
         .teardown = end_block},
	{.name = "shrink a block",
         .setup = a_large_block,
         .call = shrink,
         .check = has_a_size,
         .teardown = end_block},
	{.name = "destroy a block",
         .setup = a_large_block,
         .call = unmake_block,
         .check = is_gone_or_goes,
         .teardown = leave},
};

CRASH_NOUN(block, cases);
