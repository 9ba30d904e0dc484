/* SPDX-License-Identifier: MIT */
/* A round: a family, and what befalls it. */
#include "storm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TASKS_MOST 400

static const covey_method methods[] = {COVEY_FORK, COVEY_SPAWN, COVEY_FORKSERVER};

struct member {
	covey_process *process; /* NULL: none */
	struct orders orders;
	bool killed, receives;
};

static struct round {
	struct dice dice;
	struct books *books;
	struct orders orders;
	struct member member[SENDERS_MOST + RECEIVERS_MOST];
	uint32_t members, senders, receivers, killed_receivers;
	covey_pool *pool;
	covey_future *future[TASKS_MOST];
	uint32_t tasks, worker_kills;
	struct outcome *outcome;
} r;

static int64_t ms_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void fault(const char *why)
{
	if (!r.outcome->why[0])
		snprintf(r.outcome->why, sizeof r.outcome->why, "%s (%s)", why, covey_errmsg());
}

/* ---- the pool */

COVEY_TASK(uint64_t, storm_task, uint64_t, n, uint32_t, work)
{
	uint64_t sum = n;

	for (uint32_t i = 0; i < work; i++)
		sum = sum * 6364136223846793005u + 1442695040888963407u;
	return sum;
}

/* Tells its pid, and runs on once it may. */
static int hold(covey_task *task, const void *arg, size_t len)
{
	const struct orders *orders = arg;
	struct books *books = len == sizeof *orders ? books_open(orders->books) : NULL;

	(void)task;
	if (!books)
		return covey_task_fail(1, "no books");
	books->holder = getpid();
	while (!books->let_go)
		usleep(50);
	munmap(books, sizeof *books);
	return 0;
}

static void submit_some(void)
{
	for (uint32_t n = roll(&r.dice, 8); n > 0 && r.tasks < TASKS_MOST; n--) {
		r.future[r.tasks] =
			covey_submit(r.pool, storm_task, r.tasks, r.tasks * 997 % 200000);
		if (r.future[r.tasks])
			r.tasks++;
		else if (covey_errcode() != -ENOMEM)
			fault("submit");
	}
}

/* Kills a worker somewhere in what it does next: by a descriptor, got while it surely was there. */
static void kill_worker(void)
{
	covey_future *f;
	int fd = -1;

	r.books->holder = r.books->let_go = 0;
	f = covey_pool_submit(r.pool, hold, &r.orders, sizeof r.orders, NULL);
	while (f && !r.books->holder && covey_future_done(f) == 0)
		usleep(50);
	if (f && r.books->holder)
		fd = (int)syscall(SYS_pidfd_open, r.books->holder, 0);
	submit_some();
	r.books->let_go = 1;
	usleep(roll(&r.dice, 400));
	if (fd >= 0) {
		syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
		close(fd);
		r.worker_kills++;
		r.outcome->killed++;
	}
	covey_future_free(f);
}

static void end_pool(void)
{
	for (uint32_t i = 0; i < r.tasks; i++) {
		uint64_t sum;
		int rc = covey_result(r.future[i], &sum, COVEY_FOREVER);

		if (rc == -EOWNERDEAD)
			r.outcome->tasks_died++;
		else if (rc < 0)
			fault("a task");
		else if (sum != storm_task(i, i * 997 % 200000))
			fault("a task's result is wrong");
		covey_future_free(r.future[i]);
	}
	r.outcome->tasks = r.tasks;
	if (r.outcome->tasks_died > r.worker_kills)
		fault("more tasks died than workers were killed");
	if (covey_pool_close(r.pool) < 0 || covey_pool_join(r.pool, COVEY_FOREVER) < 0)
		fault("the pool does not end");
}

/* ---- senders and receivers */

static void start(bool receives)
{
	struct member *m = &r.member[r.members];
	uint32_t *count = receives ? &r.receivers : &r.senders;
	covey_method method = methods[roll(&r.dice, 3)];

	if (*count == (receives ? RECEIVERS_MOST : SENDERS_MOST))
		return;
	*m = (struct member){.orders = r.orders, .receives = receives};
	m->orders.number = *count;
	m->orders.seed = r.orders.seed + r.members;
	m->orders.messages = 50 + roll(&r.dice, MESSAGES_MOST - 50);
	if (covey_process_start(&m->process, receives ? storm_receiver : storm_sender, &m->orders,
	                        sizeof m->orders,
	                        &(covey_process_opts){.method = method, .daemon = 1}) < 0) {
		if (covey_errcode() != -EMFILE && covey_errcode() != -ENOMEM)
			fault("start");
		return;
	}
	++*count;
	r.members++;
}

static void kill_member(struct member *m)
{
	if (covey_process_alive(m->process) != 1)
		return;
	covey_process_kill(m->process);
	m->killed = true;
	r.killed_receivers += m->receives;
	r.outcome->killed++;
}

static void stop_member(struct member *m)
{
	covey_process_signal(m->process, SIGSTOP);
	usleep(roll(&r.dice, 20000));
	covey_process_signal(m->process, SIGCONT);
	r.outcome->stopped++;
}

static void join(bool receivers)
{
	for (uint32_t i = 0; i < r.members; i++) {
		struct member *m = &r.member[i];
		int code;

		if (m->receives != receivers)
			continue;
		if (covey_process_join(m->process, COVEY_FOREVER) < 0)
			fault("join");
		code = covey_process_exit_code(m->process);
		if (code != 0 && !(m->killed && code == 128 + SIGKILL))
			fault(r.books->words[0] ? r.books->words : "a wrong exit code");
		covey_process_free(m->process);
	}
}

/* ---- the round */

static void set_up(uint64_t seed)
{
	static const uint64_t bounds[] = {0, 1, 4, 50, 1000};
	struct rlimit files = {64 + roll(&r.dice, 200), 1024};
	covey_queue_opts opts = {.max_messages = bounds[roll(&r.dice, 5)]};
	covey_pool_opts pool = {.workers = 1 + (int)roll(&r.dice, 4),
	                        .max_tasks_per_worker = roll(&r.dice, 2) ? 10 : 0,
	                        .retries = (int)roll(&r.dice, 2),
	                        .method = methods[roll(&r.dice, 3)]};
	int fd;

	snprintf(r.orders.books, sizeof r.orders.books, "/tmp/covey-storm-XXXXXX");
	fd = mkostemp(r.orders.books, O_CLOEXEC);
	if (fd < 0 || ftruncate(fd, sizeof(struct books)) < 0 ||
	    !(r.books = books_open(r.orders.books))) {
		fault("setup: the books");
		return;
	}
	close(fd);
	r.orders.seed = seed;
	covey_configure(&(covey_config){.quota = (16u << 20) + roll(&r.dice, 32u << 20)});
	setrlimit(RLIMIT_NOFILE, &files);
	if (covey_queue_create(&r.orders.queue, &opts) < 0 || covey_pool_open(&r.pool, &pool) < 0)
		fault("setup");
}

/* One of the things that happen. */
static void happen(void)
{
	struct member *m = r.members ? &r.member[roll(&r.dice, r.members)] : NULL;

	switch (roll(&r.dice, 8)) {
	case 0:
	case 1:
		start(false);
		break;
	case 2:
		start(true);
		break;
	case 3:
		if (m)
			kill_member(m);
		break;
	case 4:
		if (m)
			stop_member(m);
		break;
	case 5:
		kill_worker();
		break;
	default:
		submit_some();
	}
	usleep(roll(&r.dice, 4000));
}

void storm_round(uint64_t seed, int ms, struct outcome *outcome)
{
	int64_t until = ms_now() + ms;
	const char *why;

	r.dice.state = seed;
	r.outcome = outcome;
	set_up(seed);
	for (int i = 0; i < 3 && !outcome->why[0]; i++) {
		start(false);
		start(true);
	}
	while (ms_now() < until && !outcome->why[0])
		happen();
	if (!outcome->why[0]) {
		end_pool();
		r.books->stop = 1;
		start(true); /* that at least one receiver lives: senders may sleep at a full queue
		              */
		for (int i = 0; i < 20 && r.receivers == r.killed_receivers; i++)
			start(true);
		join(false);
		covey_queue_close(r.orders.queue);
		join(true);
		why = books_balance(r.books, r.killed_receivers, &outcome->sent, &outcome->received,
		                    &outcome->died);
		if (why)
			fault(why);
	}
	unlink(r.orders.books);
}
