/* SPDX-License-Identifier: MIT */
/* What the files of the process layer share among themselves. */
#ifndef CVY_PROCESS_INTERNAL_H
#define CVY_PROCESS_INTERNAL_H

#include "process/process.h"

/* What a fresh image is started as. */
enum role { ROLE_CHILD = 1, ROLE_NURSERY };

/* child.c: a process of covey from its first instruction there to its last */

/* In a forked child: becomes the process of the slot, runs its function, never returns. */
void cvy_child_run(uint32_t slot, int report_fd) __attribute__((noreturn));

/* spawn.c: a fresh image of this program */

/*
 * Starts one in a role. slot: of the process it is to be, or of a nursery's client. fd is
 * handed to it as its report pipe or its socket, passed as cvy_passed_fds[0]; -1 for none.
 * *pid out. -errno in words.
 */
int cvy_spawn_image(enum role role, uint32_t slot, int fd, int passed, const char *name,
                    pid_t *pid);
/* In covey_init: whether this image was started as a child; runs it and does not return then. */
void cvy_spawned_image(void);
void cvy_spawn_allowed(const char *argv0);

/* nursery.c: the nursery's own side; never returns */
void cvy_nursery_serve(int sock, uint32_t client_slot) __attribute__((noreturn));

/* What is asked of a nursery, with nfds descriptors. */
struct nursery_request {
	uint32_t slot;   /* of the process to fork; 0: end */
	uint32_t report; /* the first descriptor is the report pipe */
};
struct nursery_reply {
	int32_t error; /* 0 and a pidfd, or an errno */
	int32_t pid;
};
#define NURSERY_FDS 9
/* One message with up to NURSERY_FDS descriptors. The length or -errno; -EPIPE at the end. */
int cvy_send_fds(int sock, const void *data, size_t len, const int *fds, int nfds);
int cvy_receive_fds(int sock, void *data, size_t len, int *fds, int *nfds);

/* nursery_client.c: cvy_nursery_fork for a process that reports over a pipe */
int cvy_nursery_start(struct cvy_nursery *nursery, uint32_t slot, int report_fd);

/* fn.c: whether a function is the program's own, which every image of it has */
bool cvy_fn_is_program(covey_fn fn);

/* orphan.c: ends this process when its parent on record ends */
int cvy_watch_parent(void);

/* init.c: threads of the program, those of covey not counted */
int cvy_program_threads(void);

/* exit.c */
void cvy_exit_install(void);

/* join.c: the list of what this process has started */
struct covey_process {
	uint32_t incarnation;
	uint32_t slot;
	uint32_t generation;
	pid_t pid;
	int pidfd;
	bool own;   /* a child of this process, to be reaped by it */
	bool freed; /* by its user, while it ran */
	bool daemon;
	_Atomic int status; /* a wait status, -1 while it runs */
	pthread_mutex_t lock;
	char name[COVEY_NAME_MAX + 1];
	struct covey_process *next; /* under the list's lock */
};
void cvy_children_add(struct covey_process *p);
/* Frees what is freed by its user and has ended. */
void cvy_children_sweep(void);
/* At exit: ends the daemonic, waits for the others. */
void cvy_children_end(void);

#endif
