/* SPDX-License-Identifier: MIT */
/*
 * Readers-writer locks between processes, and threads, that survive the death
 * of whoever holds them: many read at a time, or one writes.
 *
 *     covey_rwlock rw;
 *     covey_rwlock_create(&rw, "routes");
 *     COVEY_WITH_READ (rw) {
 *         ...                     // others may read meanwhile, nobody writes
 *     }
 *     COVEY_WITH_WRITE (rw) {
 *         ...                     // nobody else reads or writes
 *     }
 *
 * It belongs to threads, as a covey_lock does: who acquired releases.
 *
 * Order: who finds neither a writer nor anyone waiting comes in. Whoever has to
 * wait is served first come, first served, readers that stand side by side
 * together; and who comes while others wait, waits behind them, a reader too.
 * So new readers do not starve a writer, nor do writers starve readers.
 *
 * Again: a thread that reads may acquire for reading again, to be released as
 * often. That never waits, whoever waits meanwhile, so it cannot deadlock with a
 * waiting writer; nor does it keep a writer waiting longer. Other threads of
 * its process are others. A thread that reads cannot go on to write, nor one
 * that writes acquire again: -EDEADLK. Release, then acquire for writing, and
 * look again at what may have changed in between.
 *
 * Death: when a writer dies, its process or only its thread, the next to
 * acquire, for reading or for writing, holds it with COVEY_OWNER_DIED; the
 * others after it are not told. What the lock guards may be half changed: a
 * reader that is told should release, acquire for writing and mend. If it dies
 * before it has released, the next is told. What a process reads is released at
 * once when it ends, killed or not, and who waits for that goes on at once; a
 * thread that ends while it reads has released. A waiter that dies loses
 * nobody's turn. A stopped holder is alive: others wait.
 *
 * Fork: a child holds nothing of what its parent holds. exec by a writer counts
 * as its death; what a process reads at exec it keeps until it ends.
 *
 * Cost: reading takes no lock that all readers share. Each process has a word
 * of its own, and a writer looks at those of all.
 */
#ifndef COVEY_RWLOCK_H
#define COVEY_RWLOCK_H

#include <covey/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_rwlock {
	uint64_t id;
} covey_rwlock;

/*
 * Makes a readers-writer lock, free, named in errors and tools; name may be
 * NULL. It lives until destroyed or until the family has ended.
 * -EINVAL: no place for the handle. -ENAMETOOLONG, -ENOMEM, -ENOSPC as for a
 * lock. Since 0.1.
 */
COVEY_API int covey_rwlock_create(covey_rwlock *rw, const char *name);

/*
 * Ends it, also where the caller alone holds it. Later calls on it, and those
 * now waiting, answer -EBADF. -EBUSY: another reads or writes; nothing happened.
 * -EBADF: not a live one. Since 0.1.
 */
COVEY_API int covey_rwlock_destroy(covey_rwlock rw);

/*
 * Takes it for reading, or for writing, waiting up to timeout_ms.
 * 0 or COVEY_OWNER_DIED: the calling thread holds it.
 * -ETIMEDOUT, -EAGAIN: another writes; for a writer also: others read; or
 * others wait. The words say who. -EDEADLK: this thread writes, or reads and
 * asks to write. -EOVERFLOW: acquired for reading four billion times by this
 * thread. -ENOMEM: no memory to wait in, or to count in. -EBADF: not a live
 * one, or destroyed while waiting. Since 0.1.
 */
COVEY_API int covey_rwlock_acquire_read(covey_rwlock rw, int timeout_ms);
COVEY_API int covey_rwlock_acquire_write(covey_rwlock rw, int timeout_ms);

/*
 * Gives it back, whichever way the calling thread holds it: it cannot hold it
 * both ways. Once for each acquire. Does not block.
 * -EPERM: this thread does not hold it; the words say who does.
 * -EBADF: not a live one. Since 0.1.
 */
COVEY_API int covey_rwlock_release(covey_rwlock rw);

/*
 * The process id of the writer, 0 where nobody writes; how many threads read;
 * how many wait. Gone out of date as they are returned. -EBADF. Since 0.1.
 */
COVEY_API int covey_rwlock_writer(covey_rwlock rw);
COVEY_API int64_t covey_rwlock_readers(covey_rwlock rw);
COVEY_API int64_t covey_rwlock_waiting(covey_rwlock rw);

#ifdef __cplusplus
}
#endif

#include <covey/with.h>

#endif
