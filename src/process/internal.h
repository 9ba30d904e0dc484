/* SPDX-License-Identifier: MIT */
/* What the files of the process layer share among themselves. */
#ifndef CVY_PROCESS_INTERNAL_H
#define CVY_PROCESS_INTERNAL_H

#include "process/process.h"

/* ---- init.c */

/* What COVEY_METHOD_DEFAULT was configured to; children inherit it. */
covey_method cvy_program_method(void);
void cvy_program_method_set(covey_method method);
/* Threads of the program, those of covey not among them, counted up to `enough`. */
int cvy_program_threads(int enough);
/* Has forked children forget what is their parent's: by those below. Called first. */
void cvy_process_hook(void);
void cvy_children_forked(void);
void cvy_forkserver_forked(void);
void cvy_nurseries_forked(void);
void cvy_preload_forked(void);

/* ---- fn.c */

/* Whether a function is the program's own, which every image of it has. */
bool cvy_fn_is_program(covey_fn fn);

/* ---- message.c: between a starter, a nursery and a child, over sockets that keep messages apart
 */

/*
 * What a child tells its starter, once: error 0 when it is about to run its
 * function. Also what a nursery answers.
 */
struct report {
	int32_t error; /* an errno, and words */
	int32_t pid;
	char words[248];
};

enum nursery_order { NURSERY_END, NURSERY_FORK, NURSERY_KILL };

/* What is asked of a nursery, with nfds descriptors. */
struct nursery_request {
	uint32_t order;
	uint32_t slot; /* of the process to fork, or to kill */
	uint32_t generation;
	int32_t method; /* the client's cvy_program_method() */
	uint32_t nfds;
	uint32_t reports; /* the first descriptor is for its report */
};

#define NURSERY_FDS 9
/* One message with up to NURSERY_FDS descriptors. The length or -errno. */
int cvy_send_fds(int sock, const void *data, size_t len, const int *fds, int nfds);
/* One that is there; -EAGAIN for none, -EPIPE at the end. fds has room for NURSERY_FDS. */
int cvy_receive_fds(int sock, void *data, size_t len, int *fds, int *nfds);
/* Sends the words of this thread's last failure. */
void cvy_report_failure(int sock, int error);
/*
 * Waits until a socket has a message or its end, or the process of a pidfd has
 * ended. Whoever forks in another thread may hold the other end open for long.
 */
void cvy_await_message(int sock, int pidfd);

/* ---- child.c: a process of covey from its first instruction there to its last */

/* A function in this process, whose module, of that path, its starter may have loaded late. */
covey_function *cvy_find_function(covey_fn fn, const char *path);
/*
 * In a child: becomes the process of the slot, runs its function, never
 * returns. fn: where it is known, as after a fork. report_fd: -1 for none.
 */
void cvy_child_run(uint32_t slot, uint32_t generation, int report_fd, covey_process_fn *fn)
	__attribute__((noreturn));

/* ---- fds.c: descriptors of the starter that the child gets copies of */

/*
 * Opened by the starter, sent to the child's report socket before it starts, and
 * taken by the child from there under every method.
 *
 * fds     those to send: for stdin, stdout and stderr first, then .fds.
 * opened  which of them were opened for it, as bits.
 * place   of stdin, stdout and stderr among them; or one of the two below.
 */
struct handed {
	int fds[3 + COVEY_FDS_MAX];
	int count;
	int opened;
	int place[3];
};
#define HANDED_NOT (-1)
#define HANDED_OUT (-2) /* the same as stdout */

bool cvy_fds_given(const covey_process_opts *opts);
/* -errno in words that name the option; nothing is open then. */
int cvy_fds_open(struct handed *handed, const covey_process_opts *opts);
void cvy_fds_close(struct handed *handed);
int cvy_fds_send(const struct handed *handed, int sock);
/*
 * In the child: takes count of them, puts each in its place. *sock may be moved
 * out of the way. -errno in words.
 */
int cvy_fds_take(int *sock, int count, const int place[3]);
/* In a child that got none. */
void cvy_fds_none(void);

/* ---- settings.c: what options change in the child, as text */

/* Whether there are any. */
bool cvy_settings_given(const covey_process_opts *opts);
/* *text is the caller's to free. -errno in words that name the option. */
int cvy_settings_pack(const covey_process_opts *opts, const struct handed *handed, char **text,
                      size_t *len);
/*
 * In the child; room: how many bytes can be read at text. *sock: where descriptors come
 * from; it may be moved. -errno in words.
 */
int cvy_settings_apply(const char *text, size_t room, int *sock);

/* ---- reap.c */

/*
 * The pidfd of a child of this process; where somebody has reaped it already, a
 * descriptor that polls readable as a pidfd would. -errno.
 */
int cvy_child_pidfd(pid_t pid);
/*
 * Before a child is made: a descriptor that keeps the place of its pidfd, to be closed
 * once the child is there. -errno where there is no place, or where pidfds cannot be
 * had or waited for (an old kernel, a sandbox): then nothing of a child has run.
 */
int cvy_pidfd_place(void);
/* cvy_proc_reap, waiting so long (in ns) for whoever else may reap it. */
int cvy_proc_reap_within(uint32_t proc, int pidfd, int64_t patience);
/* How long to wait for a nursery's record of an end that has already happened. */
#define RECORD_WAIT (500 * CVY_MS)
/* Kills and reaps a child of this process that has no pidfd. */
void cvy_child_discard(pid_t pid);

/* ---- orphan.c */

/* Ends this process when its parent on record ends. -errno in words. */
int cvy_watch_parent(void);

/* ---- spawn.c: a fresh image of this program */

/* What a fresh image is started as. */
enum role { ROLE_CHILD = 1, ROLE_NURSERY, ROLE_PRELOADING };

/*
 * Starts one in a role. slot: of the process it is to be, or of a nursery's client. fd is
 * handed to it as its report socket or its socket, passed as cvy_passed_fds[0]; -1 for none.
 * *pid out. -errno in words.
 */
int cvy_spawn_image(enum role role, uint32_t slot, int fd, int passed, const char *name,
                    pid_t *pid);
/* In covey_init: whether this image was started as a child; runs it and does not return then. */
void cvy_spawned_image(void);
void cvy_spawn_allowed(const char *argv0);
/* -ENOTSUP, and why. */
int cvy_cannot_spawn(const char *what);

/* ---- preload.c: what a forkserver runs before it serves */

/* Sent to it before it is started. */
struct preload_order {
	covey_fn fn;
	uint64_t arg_len;
	uint64_t path_len; /* of the module that fn is in, with its final zero */
};

/* By its client: puts the order into its socket. 1, 0 where there is none; -errno in words. */
int cvy_preload_send(int sock);
/* By its client, once it is started: waits until it has been run. -errno in words. */
int cvy_preload_await(int sock, int pidfd);
/* In a nursery of ROLE_PRELOADING: takes the order and runs it. Returns where that went well. */
void cvy_preload_run(int sock);

/* ---- nursery.c: the nursery's own side; never returns */
void cvy_nursery_serve(int sock, uint32_t client_slot) __attribute__((noreturn));

/* ---- nursery_client.c */

/* cvy_nursery_fork for a process that reports. */
int cvy_nursery_start(struct cvy_nursery *nursery, uint32_t slot, int report_fd);
pid_t cvy_nursery_pid(const struct cvy_nursery *nursery);
/* Whether the nursery has died. */
bool cvy_nursery_dead(const struct cvy_nursery *nursery);
/* The number of the process that it is now: another after a restart. */
uint64_t cvy_nursery_serial(const struct cvy_nursery *nursery);

/* ---- start.c */

/* Whether the forkserver of a serial lives, to record how its children end. */
bool cvy_forkserver_lives(uint64_t serial);
/* The pid of the forkserver of this process; 0: none runs. */
int cvy_forkserver_runs(void);
/* Where the module of a function was loaded from, in full; "" for the program's own. */
void cvy_module_path(char *path, size_t cap, covey_process_fn *fn, covey_fn value);
/* Ends the forkserver of this process, if it has one. */
void cvy_forkserver_close(void);

/* ---- info.c */

void cvy_describe(struct cvy_proc *proc, covey_process_info *info);
/* Into the place of the n-th in an array of a caller that knows them with size bytes. */
static inline void cvy_answer_nth(covey_process_info *infos, int n, const covey_process_info *info,
                                  size_t size)
{
	cvy_answer((char *)infos + (size_t)n * size, size, info, sizeof *info);
}
/* -EINVAL in words where infos has no place for cap of them. */
int cvy_check_infos(const covey_process_info *infos, int cap);

/* ---- exit.c */

/* Has this process, when it ends by exit, end its children and helpers. */
void cvy_exit_install(void);
/* Does so. */
void cvy_process_end(void);
/* Has a call of exit(3) by this child record its code, for whoever cannot reap it. */
void cvy_exit_record(uint32_t slot);

/* ---- join.c: the list of what this process has started */

/*
 * A handle. incarnation .. name: constant once it is in the list. status, and
 * reaping: under lock. freed, held, next: under the list's lock.
 */
struct covey_process {
	uint32_t incarnation;
	uint32_t slot;
	uint32_t generation;
	pid_t pid;
	int pidfd;
	uint64_t server; /* serial of the forkserver that reaps it, 0 for none */
	bool daemon;
	bool reports; /* under fork, too: its start can fail in the child */
	char name[COVEY_NAME_MAX + 1];
	pthread_mutex_t lock;
	_Atomic int status; /* a wait status, -1 while it runs */
	bool freed;         /* by its user */
	int held;           /* by those who wait for it at the end */
	struct covey_process *next;
};
void cvy_children_add(struct covey_process *p);
/* Frees what is freed by its user and has ended. */
void cvy_children_sweep(void);
/* At exit: ends the daemonic, waits for the others. */
void cvy_children_end(void);

#endif
