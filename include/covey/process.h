/* SPDX-License-Identifier: MIT */
/*
 * Processes: start, wait for, signal, ask.
 *
 *     COVEY_PROCESS(work, int, number, covey_lock, lock)
 *     {
 *         COVEY_WITH (lock)
 *             printf("number %d\n", number);
 *         return 0;                                  // the exit code
 *     }
 *
 *     covey_process *p[4];
 *     for (int i = 0; i < 4; i++)
 *         covey_start_args(&p[i], work, (i, lock), .method = COVEY_SPAWN);
 *     int failed = covey_process_finish(p, 4);       // waits, and frees
 *
 * The arguments are bytes, copied to the child; handles and covey_fn values in
 * them mean the same there under every method; pointers do not. The child runs
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
#include <covey/task.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct covey_process covey_process;

/* What a process runs; its return value, modulo 256, is the exit code. */
typedef int covey_process_fn(const void *arg, size_t len);

/* A resource limit, as of setrlimit(2); RLIM_INFINITY for none. */
typedef struct covey_limit {
	int resource; /* RLIMIT_AS and the like */
	uint64_t soft;
	uint64_t hard;
} covey_limit;

/* Of which kind a covey_stdio is. */
enum covey_stdio_kind {
	COVEY_STDIO_INHERIT = 0,
	COVEY_STDIO_NULL,
	COVEY_STDIO_FD,
	COVEY_STDIO_FILE,
	COVEY_STDIO_APPEND,
	COVEY_STDIO_OUT,
};

/*
 * What a child has as its standard input, output or error: as the caller (under
 * forkserver, as the caller had it when it started its helper), or one of those below.
 *
 *     .in = COVEY_NULL_DEVICE, .out = COVEY_FILE("log"), .err = COVEY_TO_OUT
 */
typedef struct covey_stdio {
	enum covey_stdio_kind kind;
	int fd;
	const char *path;
} covey_stdio;

/* /dev/null. C only, as those below. */
#define COVEY_NULL_DEVICE ((covey_stdio){COVEY_STDIO_NULL, -1, NULL})
/* A copy of a descriptor of the caller, which keeps it. */
#define COVEY_FD(fd) ((covey_stdio){COVEY_STDIO_FD, (fd), NULL})
/*
 * A file, whose path is relative to the caller's folder: it is read as input; as
 * output it is made, or emptied, and written.
 */
#define COVEY_FILE(path) ((covey_stdio){COVEY_STDIO_FILE, -1, (path)})
/* A file that is made where it is not there, and appended to. Not for .in. */
#define COVEY_APPEND(path) ((covey_stdio){COVEY_STDIO_APPEND, -1, (path)})
/* For .err: what .out is. */
#define COVEY_TO_OUT ((covey_stdio){COVEY_STDIO_OUT, -1, NULL})

/* Most descriptors in .fds. */
#define COVEY_FDS_MAX 64

/*
 * The name is what ps and top show as the command's name (the first 15 bytes).
 * The command line that ps -f shows is, after spawn, the program's name and
 * "[NAME]"; after fork the starter's own, after forkserver that of its helper, the
 * program's name and "[nursery]".
 *
 * Beyond the first three, what the child changes in itself before its function
 * runs, the same under every method. What cannot be had is an error of the
 * start, whose words name the option, and the function does not run.
 */
typedef struct covey_process_opts {
	const char *name;    /* NULL: "process-N" */
	covey_method method; /* 0: covey_default_method() */
	int daemon;          /* not 0: it ends when its parent ends */

	const char *cwd;           /* working directory; relative to the caller's */
	const char *const *env;    /* "NAME=VALUE" to add or replace; NULL at the end */
	int empty_env;             /* not 0: nothing but env is in the environment */
	int niceness;              /* added to the caller's, as by nice(2) */
	int new_group;             /* not 0: leads a process group of its own */
	const covey_limit *limits; /* resource limits, set in this order */
	int limits_count;
	const int *cpus; /* the only cores it may run on, numbered from 0 */
	int cpus_count;  /* 0: no change */

	covey_stdio in, out, err; /* descriptors 0, 1 and 2 */
	const int *fds;           /* the caller's, of which the child gets copies: see
	                             covey_process_passed_fd */
	int fds_count;            /* up to COVEY_FDS_MAX */
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
 * does not have the function's module. -EREMOTEIO: what the forkserver was to
 * preload failed. -ENOEXEC, -EACCES and others of exec.
 * -EPIPE: the child died before it reached covey. Of options: -ENOENT, -ENOTDIR,
 * -EACCES for cwd; -EINVAL for env without '='; -EACCES for a niceness, -EPERM for
 * a limit that takes more rights; -EINVAL for an unknown limit, a core that it
 * cannot have, a kind of stdio that is none there, too many descriptors; -EBADF for
 * one that is not open; -ENOENT, -EACCES and others of open(2) for a path; -EMFILE:
 * the child may not open as many. Since 0.1.
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
 * Has each forkserver helper that this process starts from now on run fn once,
 * before it forks any child: what fn loads, opens or reckons is there in all of
 * those children at once, and costs them nothing. For its forkserver, for pools
 * with .method = COVEY_FORKSERVER, and for a helper that takes the place of one
 * that has died, where fn runs again.
 *
 *     static int load(const void *arg, size_t len) { return read_tables(arg); }
 *     covey_forkserver_preload(load, "/usr/share/tables", 18);
 *
 * The argument is copied, and stays readable in the children where fn found it. fn may
 * open shared libraries (by dlopen; its own is, where it is not the program's),
 * files, whose descriptors the children have too, and use covey. It returns 0, with
 * no thread of its own left; stdio is flushed after it. Where it returns
 * anything else, leaves threads or dies, the start that needed it fails with
 * -EREMOTEIO in words, and so does each later one, after one more run of fn; a pool
 * that has lost its helper gives up in these words once its last worker has ended.
 *
 * fn NULL: nothing any more. It holds in processes that fork or forkserver start
 * from this one, too. Does not block, but where another thread starts the forkserver.
 * -EBUSY: this process's forkserver runs already. -ENOTSUP: covey_init was not
 * called. -EINVAL, -ENOEXEC: fn cannot travel. -ENOMEM. Since 0.1.
 */
COVEY_API int covey_forkserver_preload(covey_process_fn *fn, const void *arg, size_t len);

/*
 * Defines a process function of up to six arguments, written as pairs of type
 * and name, `void` for none; what follows in braces is its body, which returns
 * the exit code:
 *
 *     COVEY_PROCESS(work, int, number, covey_lock, lock) { ... return 0; }
 *
 * Types are those that a plain copy carries: numbers, handles, structs of
 * them; an array goes in a struct. `work` stays a static function that can be
 * called. C only. Since 0.1.
 */
#define COVEY_PROCESS(fname, ...)                                                                \
	static int fname(COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__));                          \
	struct fname##_covey_args {                                                              \
		COVEY_TASK_EACH_(COVEY_MEMBERS_, __VA_ARGS__)                                    \
	};                                                                                       \
	static COVEY_UNUSED struct fname##_covey_args fname##_covey_pack(                        \
		COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__))                                    \
	{                                                                                        \
		struct fname##_covey_args in = {COVEY_TASK_EACH_(COVEY_NAMES_, __VA_ARGS__)};    \
                                                                                                 \
		return in;                                                                       \
	}                                                                                        \
	static COVEY_UNUSED int fname##_covey_run(const void *arg, size_t len)                   \
	{                                                                                        \
		const struct fname##_covey_args *in = (const struct fname##_covey_args *)arg;    \
                                                                                                 \
		(void)in;                                                                        \
		(void)len;                                                                       \
		return fname(COVEY_TASK_EACH_(COVEY_UNPACK_, __VA_ARGS__));                      \
	}                                                                                        \
	static COVEY_UNUSED int fname##_covey_start(                                             \
		covey_process **p, struct fname##_covey_args in, const covey_process_opts *opts) \
	{                                                                                        \
		return covey_process_start(p, fname##_covey_run, &in, sizeof in, opts);          \
	}                                                                                        \
	static int fname(COVEY_TASK_EACH_(COVEY_PARAMS_, __VA_ARGS__))

/*
 * Starts a process that runs a function made by COVEY_PROCESS, with arguments
 * in parentheses, checked by the compiler, and options as .name = value:
 *
 *     covey_start_args(&p, work, (3, lock), .name = "third", .daemon = 1)
 *
 * Errors as of covey_process_start. C only. Since 0.1.
 */
#define covey_start_args(p, process, args, ...) \
	process##_covey_start((p), process##_covey_pack args, &(covey_process_opts){__VA_ARGS__})

/*
 * Waits until it has ended, up to timeout_ms. 0: it has; again is 0 at once.
 * -ETIMEDOUT, -EAGAIN: still running. -ECHILD: not this process's to join.
 * Since 0.1.
 */
COVEY_API int covey_process_join(covey_process *p, int timeout_ms);

/*
 * The same for n processes: 0 once all have ended, whatever their exit codes.
 * -ETIMEDOUT, -EAGAIN: one is still running; the words name it. -EINVAL: n is
 * negative. NULL among them is passed over. Since 0.1.
 */
COVEY_API int covey_process_join_all(covey_process *const *processes, int n, int timeout_ms);

/*
 * Waits for n processes, however long, then frees them and sets them to NULL.
 * Returns how many ended otherwise than with exit code 0. On failure (-ECHILD,
 * -EINVAL) none is freed. Since 0.1.
 */
COVEY_API int covey_process_finish(covey_process **processes, int n);

/*
 * Ends it and frees it: SIGTERM; if it has not ended after grace_ms, SIGKILL;
 * then waits. With grace_ms 0 it is killed at once. Returns its exit code, as
 * covey_process_exit_code does. NULL is 0. On failure (-ECHILD; -EPERM: it
 * runs as another user now) it is not freed. Since 0.1.
 */
COVEY_API int covey_process_end(covey_process *p, int grace_ms);

/*
 * How it ended: its exit code, or 128 + the signal that killed it. -EAGAIN:
 * still running. Of one that a signal killed after its forkserver was killed, only the kernel
 * knows: before Linux 6.15 not once it is reaped; then SIGKILL is reported, and the log
 * says that it is not known. Since 0.1.
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

/* Sends SIGINT, SIGTERM, SIGKILL, any signal; to that process only, never to one that
 * got its pid later. 0 also when it has ended already. Since 0.1. */
COVEY_API int covey_process_interrupt(covey_process *p);
COVEY_API int covey_process_terminate(covey_process *p);
COVEY_API int covey_process_kill(covey_process *p);
COVEY_API int covey_process_signal(covey_process *p, int signal);

/*
 * Sends a signal to a process and to all of the family that descend from it: what
 * it has started through covey, what that has, workers of pools too, whatever
 * group they are in, and also where it or others between have ended. Those
 * that are begun meanwhile get it, too: once it has returned from SIGKILL, for which
 * it waits up to some seconds, all have ended, and one that was still on
 * its way ends before its function. What one of them forked
 * without covey is reached if it has used covey. Returns how many got it, each
 * once. -EINVAL: no signal. -EPERM: one runs as another user now, the others got
 * it. -EMFILE, -ENOMEM. -ECHILD. Since 0.1.
 */
COVEY_API int covey_process_signal_tree(covey_process *p, int signal);

/*
 * Frees the handle; NULL is fine. A process still running runs on, and is
 * waited for at exit like the others. Since 0.1.
 */
COVEY_API void covey_process_free(covey_process *p);

/*
 * In a process that was started with .fds: its descriptor for .fds[i], close-on-exec,
 * and its own to close. It is not one of 0, 1 and 2. -EBADF: i is negative, or
 * not below the .fds_count that it was started with. Does not block; safe in
 * every thread and in signal handlers. Since 0.1.
 */
COVEY_API int covey_process_passed_fd(int i);

/*
 * A process of the family, as far as others may know it. It may grow: its size travels with
 * each call, and those that fill in several lay them out by it.
 */
typedef struct covey_process_info {
	pid_t pid;
	char name[COVEY_NAME_MAX + 1];
	covey_method method; /* how it was started; 0 for the root */
	int daemon;
	int64_t age_ms;  /* since it reached covey, in steps of 10 ms or so */
	int exit_code;   /* as covey_process_exit_code; -EAGAIN while it runs */
	int exit_signal; /* as covey_process_exit_signal */
	/*
	 * The shared object at which one of its threads sleeps now: "lock 'ledger'",
	 * or "lock" where it has no name; "" for none. In covey_select it is the first of
	 * the queues and pipes among the things.
	 */
	char waiting_for[COVEY_NAME_MAX + 25];
} covey_process_info;

/*
 * What is known of a process that the caller has started, also after it has ended.
 * Does not block. -EINVAL. -ECHILD. Since 0.1.
 */
COVEY_API int covey_process_get_info_v(covey_process *p, covey_process_info *info, size_t size);
static inline COVEY_UNUSED int covey_process_get_info(covey_process *p, covey_process_info *info)
{
	return covey_process_get_info_v(p, info, sizeof *info);
}

/*
 * The calling process; the process that started it (-ENOENT for the root,
 * which is named "main"). Since 0.1.
 */
COVEY_API int covey_current_process_v(covey_process_info *info, size_t size);
COVEY_API int covey_parent_process_v(covey_process_info *info, size_t size);
static inline COVEY_UNUSED int covey_current_process(covey_process_info *info)
{
	return covey_current_process_v(info, sizeof *info);
}
static inline COVEY_UNUSED int covey_parent_process(covey_process_info *info)
{
	return covey_parent_process_v(info, sizeof *info);
}

/*
 * The calling process's children by covey that are alive: writes up to cap of
 * them and returns how many there are. Since 0.1.
 */
COVEY_API int covey_active_children_v(covey_process_info *infos, int cap, size_t size);
static inline COVEY_UNUSED int covey_active_children(covey_process_info *infos, int cap)
{
	return covey_active_children_v(infos, cap, sizeof *infos);
}

/*
 * All processes of the family that run, whoever started them, the caller and
 * workers of pools among them: writes up to cap and returns how many there are,
 * as of a moment during the call. -EINVAL. Since 0.1.
 */
COVEY_API int covey_family_processes_v(covey_process_info *infos, int cap, size_t size);
static inline COVEY_UNUSED int covey_family_processes(covey_process_info *infos, int cap)
{
	return covey_family_processes_v(infos, cap, sizeof *infos);
}

#ifdef __cplusplus
}
#endif
#endif
