/* SPDX-License-Identifier: MIT */
/* What the files of the process layer share among themselves. */
#ifndef CVY_PROCESS_INTERNAL_H
#define CVY_PROCESS_INTERNAL_H

#include "process/process.h"

/* ---- init.c */

/* What COVEY_METHOD_DEFAULT was configured to; children inherit it. */
covey_method cvy_program_method(void);
void cvy_program_method_set(covey_method method);
/* Threads of the program, those of covey not counted. */
int cvy_program_threads(void);
/* Has forked children forget what is their parent's: by the three below. Called first. */
void cvy_process_hook(void);
void cvy_children_forked(void);
void cvy_forkserver_forked(void);
void cvy_nurseries_forked(void);

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

/*
 * In a child: becomes the process of the slot, runs its function, never
 * returns. fn: where it is known, as after a fork. report_fd: -1 for none.
 */
void cvy_child_run(uint32_t slot, uint32_t generation, int report_fd, covey_process_fn *fn)
	__attribute__((noreturn));

/* ---- reap.c */

/*
 * The pidfd of a child of this process; where somebody has reaped it already, a
 * descriptor that polls readable as a pidfd would. -errno.
 */
int cvy_child_pidfd(pid_t pid);
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
enum role { ROLE_CHILD = 1, ROLE_NURSERY };

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

/* ---- nursery.c: the nursery's own side; never returns */
void cvy_nursery_serve(int sock, uint32_t client_slot) __attribute__((noreturn));

/* ---- nursery_client.c */

/* cvy_nursery_fork for a process that reports. */
int cvy_nursery_start(struct cvy_nursery *nursery, uint32_t slot, int report_fd);
/* Whether the nursery has died. */
bool cvy_nursery_dead(const struct cvy_nursery *nursery);
/* The number of the process that it is now: another after a restart. */
uint64_t cvy_nursery_serial(const struct cvy_nursery *nursery);

/* ---- start.c */

/* Whether the forkserver of a serial lives, to record how its children end. */
bool cvy_forkserver_lives(uint64_t serial);
/* Ends the forkserver of this process, if it has one. */
void cvy_forkserver_close(void);

/* ---- exit.c */

/* Has this process, when it ends by exit, end its children and helpers. */
void cvy_exit_install(void);
/* Does so. */
void cvy_process_end(void);

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
