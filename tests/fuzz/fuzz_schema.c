/* SPDX-License-Identifier: MIT */
/*
 * A libFuzzer target: any bytes unpack to an error or to an object; an object
 * that packs again packs to bytes that unpack to the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <covey/schema.h>

#include "schema/sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	sample first, second;
	void *once, *twice;
	size_t once_len, twice_len;
	int rc = covey_unpack(sample, data, size, &first);

	check(rc == 0 || rc == -EBADMSG);
	if (rc < 0)
		return 0;
	if (covey_pack(sample, &first, &once, &once_len) == 0) {
		check(covey_unpack(sample, once, once_len, &second) == 0);
		check(covey_pack(sample, &second, &twice, &twice_len) == 0);
		check(once_len == twice_len && memcmp(once, twice, once_len) == 0);
		covey_free_as(sample, &second);
		free(twice);
		free(once);
	} else {
		check(covey_errcode() == -EINVAL); /* a function that is not here */
	}
	covey_free_as(sample, &first);
	return 0;
}
