/* SPDX-License-Identifier: MIT */
#include "support/harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS 30
#define EXIT_SKIPPED 77
#define EXIT_LEFT 78

static bool objects_stay;
static FILE *report; /* of the test's child, to the runner */

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int patience_s(void)
{
	const char *factor = getenv("HARNESS_TIMEOUT");

	return SECONDS * (factor && atoi(factor) > 0 ? atoi(factor) : 1);
}

bool harness_wait(struct harness_patience *patience)
{
	if (!patience->until)
		patience->until = now_ms() + patience_s() * 1000 / 2;
	usleep(200);
	return now_ms() < patience->until;
}

void harness_kill(pid_t pid, int signal)
{
	if (pid < 2) {
		fprintf(stderr, "harness: refusing kill(%d)\n", (int)pid);
		abort();
	}
	kill(pid, signal);
}

void harness_skip(const char *why)
{
	fprintf(report, "%s\n", why);
	fflush(report);
	_exit(EXIT_SKIPPED);
}

void harness_objects_stay(void)
{
	objects_stay = true;
}

static bool read_text(const char *path, char *text, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, cap - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return n > 0;
}

static char state_of(pid_t pid)
{
	char path[64], text[512], *p;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (!read_text(path, text, sizeof text))
		return 0;
	p = strrchr(text, ')');
	return p && p[1] ? p[2] : 0;
}

bool harness_exists(pid_t pid)
{
	char state = state_of(pid);

	return state && state != 'Z' && state != 'X';
}

bool harness_asleep(pid_t pid)
{
	unsigned long address, op;
	char path[64], text[128];
	long number;

	snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
	if (state_of(pid) != 'S' || !read_text(path, text, sizeof text) ||
	    sscanf(text, "%ld %lx %lx", &number, &address, &op) != 3 || number != SYS_futex)
		return false;
	op &= FUTEX_CMD_MASK;
	return op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET || op == FUTEX_LOCK_PI;
}

/* ---- in the test's child */

/* What descriptors refer to, those of covey's own left out. */
static size_t list_fds(char *text, size_t cap)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	size_t used = 0;

	text[0] = 0;
	while (dir && (entry = readdir(dir))) {
		char path[300], target[256];
		ssize_t n;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir))
			continue;
		snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
		n = readlink(path, target, sizeof target - 1);
		if (n < 0)
			continue;
		target[n] = 0;
		if (strstr(target, "memfd:covey"))
			continue;
		used += (size_t)snprintf(text + used, cap - used, "%s %s\n", entry->d_name, target);
		if (used >= cap)
			break;
	}
	if (dir)
		closedir(dir);
	return used;
}

/* How many descriptors a forkserver of this process keeps: its socket and its pidfd. */
static int long_lived(const char *fds)
{
	int sockets = 0, pidfds = 0;

	for (const char *p = fds; (p = strstr(p, " socket:")); p++)
		sockets++;
	for (const char *p = fds; (p = strstr(p, "[pidfd]")); p++)
		pidfds++;
	return (sockets == 1) + (pidfds == 1);
}

static int lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void run_one(const struct harness_test *test)
{
	static char before[65536], after[65536];
	const struct CMUnitTest unit[] = {
		{test->name, test->run, NULL, NULL, (void *)(uintptr_t)test->parameter}};
	int failed;

	list_fds(before, sizeof before);
	failed = cmocka_run_group_tests_name("", unit, NULL, NULL);
	if (failed)
		_exit(1);
	list_fds(after, sizeof after);
	if (lines(after) - long_lived(after) > lines(before) - long_lived(before)) {
		fprintf(report, "descriptors are left; before:\n%safter:\n%s", before, after);
		fflush(report);
		_exit(EXIT_LEFT);
	}
	if (!objects_stay) {
		covey_usage usage;

		if (covey_usage_get(&usage) == 0 && usage.objects) {
			fprintf(report, "%llu shared objects are left\n",
			        (unsigned long long)usage.objects);
			fflush(report);
			_exit(EXIT_LEFT);
		}
	}
	exit(0); /* runs covey's own end, as a program would */
}

/* ---- in the runner */

/* Children of this process, which is their subreaper: those that a test left. */
static int left_over(pid_t *pids, int cap)
{
	char path[64], text[4096], *p = text;
	int n = 0;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	if (!read_text(path, text, sizeof text))
		return 0;
	while (n < cap && *p) {
		pid_t pid = (pid_t)strtol(p, &p, 10);

		if (pid > 1)
			pids[n++] = pid;
		while (*p == ' ')
			p++;
	}
	return n;
}

static void name_of(pid_t pid, char *name, size_t cap)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	if (!read_text(path, name, cap))
		snprintf(name, cap, "?");
	name[strcspn(name, "\n")] = 0;
}

/* Gives daemonic orphans two seconds to end; kills and names what is left then. */
static int check_processes(FILE *out)
{
	int64_t until = now_ms() + 2000;
	pid_t pids[64];
	int n, found = 0;

	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		n = left_over(pids, 64);
		if (!n || now_ms() > until)
			break;
		usleep(1000);
	}
	for (int i = 0; i < n; i++) {
		char name[64];

		name_of(pids[i], name, sizeof name);
		fprintf(out, "left: process %d %s\n", (int)pids[i], name);
		harness_kill(pids[i], SIGKILL);
		found++;
	}
	for (until = now_ms() + 2000; n && now_ms() < until; usleep(1000)) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		n = left_over(pids, 64);
		for (int i = 0; i < n; i++)
			harness_kill(pids[i], SIGKILL);
	}
	return found;
}

static int names_in(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += strstr(entry->d_name, "covey") != NULL;
	if (dir)
		closedir(dir);
	return n;
}

/* The tree below a process, with what each is blocked in. */
static void dump(FILE *out, pid_t pid, int depth)
{
	char path[64], text[256], name[64];
	pid_t child;
	char *p = text;

	name_of(pid, name, sizeof name);
	snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
	if (!read_text(path, text, sizeof text))
		text[0] = 0;
	text[strcspn(text, "\n")] = 0;
	fprintf(out, "%*s%d %s %c syscall %s\n", depth * 2, "", (int)pid, name, state_of(pid),
	        text);
	snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
	if (depth > 5 || !read_text(path, text, sizeof text))
		return;
	while (*p) {
		child = (pid_t)strtol(p, &p, 10);
		if (child < 2)
			break;
		dump(out, child, depth + 1);
		while (*p == ' ')
			p++;
	}
}

static void kill_tree(pid_t pid)
{
	pid_t pids[64];
	int n;

	harness_kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	n = left_over(pids, 64);
	for (int i = 0; i < n; i++)
		harness_kill(pids[i], SIGKILL);
}

static void full_name(const struct harness_test *test, char *name, size_t cap)
{
	snprintf(name, cap, "%s%s%s", test->name, test->label ? "/" : "",
	         test->label ? test->label : "");
}

static bool wanted(const char *name, char **names, int n)
{
	for (int i = 0; i < n; i++)
		if (strstr(name, names[i]))
			return true;
	return n == 0;
}

enum outcome { PASSED, FAILED, SKIPPED };

static enum outcome run(const struct harness_test *test, const char *name, bool verbose)
{
	int64_t until = now_ms() + patience_s() * 1000;
	FILE *output = tmpfile(), *said = tmpfile();
	int shm = names_in("/dev/shm"), tmp = names_in("/tmp");
	enum outcome outcome = PASSED;
	char line[512];
	bool late = false;
	int status;
	pid_t pid;

	if (!output || !said) {
		perror("tmpfile");
		exit(2);
	}
	fcntl(fileno(output), F_SETFD, FD_CLOEXEC);
	fcntl(fileno(said), F_SETFD, FD_CLOEXEC);
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (pid == 0) {
		report = said;
		dup2(fileno(output), 1);
		dup2(fileno(output), 2);
		run_one(test);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() > until) {
			late = true;
			fprintf(said, "no end after %d s:\n", patience_s());
			dump(said, pid, 1);
			kill_tree(pid);
			break;
		}
		usleep(500);
	}
	if (!late && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
		outcome = SKIPPED;
	else if (late || status)
		outcome = FAILED;
	if (!late && WIFSIGNALED(status))
		fprintf(said, "killed by signal %d (%s)\n", WTERMSIG(status),
		        strsignal(WTERMSIG(status)));
	if (check_processes(said) || names_in("/dev/shm") > shm || names_in("/tmp") > tmp) {
		if (names_in("/dev/shm") > shm || names_in("/tmp") > tmp)
			fprintf(said, "left: a file in /dev/shm or /tmp\n");
		outcome = FAILED;
	}
	if (outcome != PASSED || verbose) {
		printf("%s %s\n",
		       outcome == PASSED   ? "ok  "
		       : outcome == FAILED ? "FAIL"
		                           : "skip",
		       name);
		rewind(said);
		while (fgets(line, sizeof line, said))
			printf("     %s", line);
		rewind(output);
		while (outcome == FAILED && fgets(line, sizeof line, output))
			printf("     | %s", line);
		fflush(stdout);
	}
	fclose(output);
	fclose(said);
	return outcome;
}

int harness_main(int argc, char **argv, const struct harness_test *tests, size_t count)
{
	int outcomes[3] = {0}, at = 1, terminal = isatty(1);
	bool verbose = false;
	char name[256];

	for (; at < argc && argv[at][0] == '-'; at++) {
		if (strcmp(argv[at], "--list") == 0) {
			for (size_t i = 0; i < count; i++) {
				full_name(&tests[i], name, sizeof name);
				puts(name);
			}
			return 0;
		}
		if (strcmp(argv[at], "-v") != 0) {
			fprintf(stderr, "usage: %s [--list] [-v] [NAME...]\n", argv[0]);
			return 2;
		}
		verbose = true;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < count; i++) {
		full_name(&tests[i], name, sizeof name);
		if (!wanted(name, argv + at, argc - at))
			continue;
		if (terminal) {
			printf("\r\033[K%zu/%zu %s", i + 1, count, name);
			fflush(stdout);
		}
		outcomes[run(&tests[i], name, verbose)]++;
	}
	if (terminal)
		printf("\r\033[K");
	if (outcomes[SKIPPED])
		printf("%d passed, %d failed, %d skipped\n", outcomes[PASSED], outcomes[FAILED],
		       outcomes[SKIPPED]);
	else
		printf("%d passed, %d failed\n", outcomes[PASSED], outcomes[FAILED]);
	return outcomes[FAILED] != 0;
}
