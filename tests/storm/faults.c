/* SPDX-License-Identifier: MIT */
/* Faults that strike others than the root's own children. */
#include "storm.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/runner.h"

#define FAMILY_MOST 200

static uint32_t family(covey_process_info *infos)
{
	int n = covey_family_processes(infos, FAMILY_MOST);

	return n < 0 ? 0 : n > FAMILY_MOST ? FAMILY_MOST : (uint32_t)n;
}

static bool is_of_family(pid_t pid)
{
	static covey_process_info infos[FAMILY_MOST];
	uint32_t n = family(infos);

	for (uint32_t i = 0; i < n; i++)
		if (infos[i].pid == pid)
			return true;
	return false;
}

/* A descriptor names the process, and that it is still of the family shows that it is the one
 * meant. */
static int pidfd_of(pid_t pid)
{
	int fd = pid > 1 && pid != getpid() ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd >= 0 && !is_of_family(pid)) {
		close(fd);
		return -1;
	}
	return fd;
}

static void note_killed(pid_t pid)
{
	books->sum.killed++;
	for (uint32_t i = 0; i < books->actors; i++)
		if (books->actor[i].pid == pid && !books->actor[i].ended) {
			books->actor[i].killed = 1;
			return;
		}
	books->sum.workers_killed++;
}

void kill_anyone(struct dice *dice)
{
	static covey_process_info infos[FAMILY_MOST];
	uint32_t n = family(infos), i = n ? roll(dice, n) : 0;
	int fd;

	/* One that has not come to its part yet is none of the books' so far. */
	if (!n || infos[i].age_ms < 100)
		return;
	fd = pidfd_of(infos[i].pid);
	if (fd < 0)
		return;
	note_killed(infos[i].pid);
	syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	close(fd);
}

/* A child of this process by that name, as a descriptor. */
static int nursery(struct dice *dice)
{
	pid_t children[FAMILY_MOST];
	int n = children_of(getpid(), children, FAMILY_MOST), first, fd;
	char name[32];

	first = n > 0 ? (int)roll(dice, (uint32_t)n) : 0;
	for (int i = 0; i < n; i++) {
		pid_t pid = children[(first + i) % n];

		fd = (int)syscall(SYS_pidfd_open, pid, 0);
		name_of(pid, name, sizeof name);
		if (fd >= 0 && strcmp(name, "covey-nursery") == 0)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

void strike_nursery(struct dice *dice)
{
	int fd = nursery(dice);

	if (fd < 0)
		return;
	if (one_in(dice, 2)) {
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		books->sum.killed++;
	} else {
		syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0);
		usleep(roll(dice, 20000));
		syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0);
		books->sum.stopped++;
	}
	close(fd);
}
