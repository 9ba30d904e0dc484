/* SPDX-License-Identifier: MIT */
/* What the files of the test runner share among themselves. */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* How a test's child ends: 0 passed, 1 failed an assertion, or these. */
#define EXIT_SKIPPED 77
#define EXIT_LEFT 78

/* harness.c */
int64_t now_ms(void);
/* How long a test may take, in ms. */
int64_t test_ms(void);
/* In a test's child: where to say why it is skipped or what it left. */
extern FILE *report;
extern bool objects_stay;

/* procfs.c */

/* A small file as text; false where it cannot be read or is empty. */
bool read_text(const char *path, char *text, size_t cap);
/* R, S, T, Z, ...; 0 for no such process. */
char state_of(pid_t pid);
void name_of(pid_t pid, char *name, size_t cap);
/* Child processes, of all threads; up to cap, returns how many. */
int children_of(pid_t pid, pid_t *pids, int cap);
/* A process and all below it: name, and for each thread its state and system call. */
void print_tree(FILE *out, pid_t pid, int depth);

/* leftovers.c */

/*
 * What is open in this process, and what lies in folders for files with names:
 * one a line, from malloc.
 */
char *list_descriptors(void);
char *list_files(void);
/* Prints the lines of one that the other lacks, each after some words; returns how many. */
int print_missing(FILE *out, const char *words, const char *lines, const char *other);
/* Descriptors that are new, but for the arena's and a forkserver's, or gone; returns how many. */
int print_descriptors(FILE *out, const char *before, const char *after);
/*
 * The calling process is the subreaper of a test that has ended. Gives what the
 * test left time to end by itself; kills and names the rest; 1 where there was any.
 */
int end_processes(FILE *out);
/* Kills all children and what they leave, without a word. */
void kill_processes(void);

#endif
