/* SPDX-License-Identifier: MIT */
/* The end of a block that holds something. */
#include <covey/with.h>

void covey_with_end(struct covey_with *with)
{
	if (!with->held)
		return;
	switch (with->what) {
	case COVEY_WITH_LOCK:
		covey_lock_release((covey_lock){with->id});
		break;
	case COVEY_WITH_RLOCK:
		covey_rlock_release((covey_rlock){with->id});
		break;
	case COVEY_WITH_SEMAPHORE:
		covey_semaphore_release((covey_semaphore){with->id}, 1);
		break;
	case COVEY_WITH_RWLOCK:
		covey_rwlock_release((covey_rwlock){with->id});
		break;
	}
}
