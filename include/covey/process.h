/* SPDX-License-Identifier: MIT */
/*
 * Processes: start, wait for, signal, ask.
 *
 *     struct job { covey_lock lock; char name[16]; };
 *
 *     static int work(const void *arg, size_t len)
 *     {
 *         const struct job *job = arg;
 *         ...
 *         return 0;                                  // the exit code
 *     }
 *
 *     covey_process *p;
 *     covey_start(&p, work, &job, .name = "process-0", .method = COVEY_SPAWN);
 *     covey_process_join(p, COVEY_FOREVER);
 *     covey_process_free(p);
 *
 * The argument is bytes, copied to the child; handles and covey_fn values in
 * it mean the same there under every method; pointers do not. The child runs
 * the function, flushes stdio, and ends with _exit: what the parent registered
 * by atexit does not run in it. The parent's stdio is flushed before a fork,
 * so nothing is printed twice or lost.
 *
 * When a program ends by exit or return from main, covey ends its daemonic
 * children and waits for the others. When it is killed, its daemonic
 * descendants end by themselves at once, the others live on.
 *
 * A covey_process belongs to the process that started it; in a forked child
 * its calls are -ECHILD.
 */
#ifndef COVEY_PROCESS_H
#define COVEY_PROCESS_H

#include <sys/types.h>

#include <covey/base.h>
#include <covey/family.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_process covey_process;

/* What a process runs; its return value, modulo 256, is the exit code. */
typedef int covey_process_fn(const void *arg, size_t len);

typedef struct covey_process_opts {
	const char *name;    /* NULL: "process-N" */
	covey_method method; /* 0: covey_default_method() */
	int daemon;          /* not 0: it ends when its parent ends */
} covey_process_opts;

/*
 * Starts a process that runs fn on a copy of len bytes of arg. On success the
 * child has reached covey and found its function; what hinders it before that
 * is the caller's error here. opts may be NULL. *p is the caller's, to be
 * freed; with p NULL the process is started and left to itself, and waited for
 * at exit. Blocks while the child comes up.
 * -ENOTSUP: spawn or forkserver without covey_init. -EINVAL: fn cannot travel,
 * unknown method. -ENAMETOOLONG. -ENOMEM: quota. -EAGAIN: no more processes
 * allowed (RLIMIT_NPROC, pids cgroup). -EMFILE, -ENFILE. -ENOENT: the child
 * does not have the function's module. -ENOEXEC, -EACCES and others of exec.
 * -EPIPE: the child died before it reached covey. Since 0.1.
 */
COVEY_API int covey_process_start_v(covey_process **p, covey_process_fn *fn, const void *arg,
                                    size_t len, const covey_process_opts *opts, size_t size);
static inline COVEY_UNUSED int covey_process_start(covey_process **p, covey_process_fn *fn,
                                                   const void *arg, size_t len,
                                                   const covey_process_opts *opts)
{
	return covey_process_start_v(p, fn, arg, len, opts, sizeof *opts);
}

/* The same with *arg as the argument and options as .name = value. C only. */
#define covey_start(p, fn, arg, ...)                                                               \
	covey_process_start_v((p), (fn), (arg), sizeof *(arg), &(covey_process_opts){__VA_ARGS__}, \
	                      sizeof(covey_process_opts))

/*
 * Waits until it has ended, up to timeout_ms. 0: it has; again is 0 at once.
 * -ETIMEDOUT, -EAGAIN: still running. -ECHILD: not this process's to join.
 * Since 0.1.
 */
COVEY_API int covey_process_join(covey_process *p, int timeout_ms);

/*
 * How it ended: its exit code, or 128 + the signal that killed it. -EAGAIN:
 * still running. Since 0.1.
 */
COVEY_API int covey_process_exit_code(covey_process *p);

/* The signal that killed it, 0 for none or still running. Since 0.1. */
COVEY_API int covey_process_exit_signal(covey_process *p);

/* 1 while it runs, 0 after. Since 0.1. */
COVEY_API int covey_process_alive(covey_process *p);

/* Its process id (in the caller's namespace). Since 0.1. */
COVEY_API pid_t covey_process_pid(const covey_process *p);

/* Its name, valid as long as p. Since 0.1. */
COVEY_API const char *covey_process_name(const covey_process *p);

/*
 * A descriptor (a pidfd) that polls readable once it has ended, for event
 * loops. It is p's: do not close it. Since 0.1.
 */
COVEY_API int covey_process_fd(const covey_process *p);

/* Sends SIGTERM, SIGKILL, any signal; to that process only, never to one that
 * got its pid later. 0 also when it has ended already. Since 0.1. */
COVEY_API int covey_process_terminate(covey_process *p);
COVEY_API int covey_process_kill(covey_process *p);
COVEY_API int covey_process_signal(covey_process *p, int signal);

/*
 * Frees the handle; NULL is fine. A process still running runs on, and is
 * waited for at exit like the others. Since 0.1.
 */
COVEY_API void covey_process_free(covey_process *p);

/* A process of the family, as far as others may know it. */
typedef struct covey_process_info {
	pid_t pid;
	char name[COVEY_NAME_MAX + 1];
	covey_method method; /* how it was started; 0 for the root */
	int daemon;
} covey_process_info;

/*
 * The calling process; the process that started it (-ENOENT for the root,
 * which is named "main"). Since 0.1.
 */
COVEY_API int covey_current_process(covey_process_info *info);
COVEY_API int covey_parent_process(covey_process_info *info);

/*
 * The calling process's children by covey that are alive: writes up to cap of
 * them and returns how many there are. Since 0.1.
 */
COVEY_API int covey_active_children(covey_process_info *infos, int cap);

#ifdef __cplusplus
}
#endif
#endif
