/* SPDX-License-Identifier: MIT */
/*
 * A libFuzzer target: bits of a family's live arena are flipped while its healthy processes
 * work. Their calls may fail; no process may crash, read or write outside the arena, or
 * be in a call for ever.
 *
 * Each input is played by a forked family, so that the fuzzer sees how it ends. What the
 * family has reached of the program it tells by the board, and the fuzzer counts that as
 * its own.
 */
#include "fuzz_arena.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* All calls have limits of some ms, and what is at its end has some seconds: more is a hang. */
#define PATIENCE 120
/* Around the arena nothing is mapped, so that a step outside it is seen. */
#define MOAT (UINT64_C(64) << 30)
#define ARENA_LEAST (UINT64_C(1) << 30)

struct board *fuzz_board;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);
void __sanitizer_set_death_callback(void (*callback)(void));
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);

const char *__asan_default_options(void)
{
	return "handle_abort=1:allocator_may_return_null=1:detect_leaks=0";
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	unsigned char *room;

	if (size < ARENA_LEAST || at || !(flags & MAP_SHARED))
		return __real_mmap(at, size, prot, flags, fd, offset);
	room = __real_mmap(NULL, size + 2 * MOAT, PROT_NONE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return room;
	return __real_mmap(room + MOAT, size, prot, flags | MAP_FIXED, fd, offset);
}

static void note_crash(void)
{
	fuzz_board->crashed = 1;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	fuzz_board = mmap(NULL, sizeof *fuzz_board, PROT_READ | PROT_WRITE,
	                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fuzz_board == MAP_FAILED) {
		perror("fuzz_arena");
		exit(2);
	}
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Waits for the root, and for the other's steps; false where it does not end. */
static bool ended(pid_t root, int *status)
{
	double since = now();
	bool over = false;

	while (!over || (fuzz_board->peer && !fuzz_board->crashed)) {
		over |= waitpid(root, status, WNOHANG) > 0;
		if (now() - since > PATIENCE)
			return false;
		usleep(200);
	}
	return true;
}

/* Ends all of the family that is left: they are in the root's group. */
static void clear_away(pid_t root)
{
	pid_t pid;

	do {
		kill(-root, SIGKILL);
		pid = waitpid(-root, NULL, 0);
	} while (pid > 0 || errno == EINTR);
}

static void finding(const char *what, int status)
{
	fprintf(stderr, "fuzz_arena: %s (status %x, root at step %u, peer at %u)\n", what,
	        (unsigned)status, fuzz_board->step[0], fuzz_board->step[1]);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int status = 0;
	bool over;
	pid_t root;

	memset(fuzz_board, 0, sizeof *fuzz_board);
	root = fork();
	if (root < 0)
		return 0;
	if (root == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		__sanitizer_set_death_callback(note_crash);
		fuzz_family(data, size);
		fuzz_tell_reached();
		_exit(0);
	}
	setpgid(root, root);
	over = ended(root, &status);
	if (!over && getenv("FUZZ_WAIT")) /* to look at it with a debugger */
		pause();
	clear_away(root);
	if (fuzz_board->crashed)
		finding("a process crashed", status);
	if (!over)
		finding("a call does not return", status);
	if (status)
		finding("a process did not end as it should", status);
	fuzz_take_reached();
	return 0;
}
