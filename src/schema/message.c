/* SPDX-License-Identifier: MIT */
/* Objects through queues. */
#include "base/base.h"
#include "schema/schema.h"

#include <stdlib.h>

int covey_queue_put_schema(covey_queue q, const covey_schema *schema, const void *object,
                           int timeout_ms)
{
	void *bytes;
	size_t len;
	int rc = covey_schema_pack(schema, object, &bytes, &len);

	if (rc < 0)
		return rc;
	rc = covey_queue_put(q, bytes, len, timeout_ms);
	free(bytes);
	return rc;
}

/*
 * The message is copied out before it is read: decoding it in the queue's own
 * memory would trust every process of the family not to change it meanwhile.
 */
int covey_queue_get_schema(covey_queue q, const covey_schema *schema, void *object, int timeout_ms)
{
	void *bytes;
	int64_t len = covey_queue_get_alloc(q, &bytes, timeout_ms);
	int rc;

	if (len < 0)
		return (int)len;
	rc = covey_schema_unpack(schema, bytes, (size_t)len, object);
	free(bytes);
	return rc;
}
