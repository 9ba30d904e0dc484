/* SPDX-License-Identifier: MIT */
/* A round: what there is, what befalls it, and how it ends. */
#include "storm.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/runner.h"

static const struct subject *const subjects[] = {
	&channel_subject, &lock_subject, &rwlock_subject,  &semaphore_subject,
	&store_subject,   &dict_subject, &barrier_subject,
};
#define MEMBERS_FIRST 10
#define SUBJECTS (sizeof subjects / sizeof *subjects)

static struct self root;
static uint8_t stage[4 * SUBJECTS + 8]; /* the roles of this round, more often played ones twice */
static uint32_t stages;

/* Tells main() who waits where, when a round does not end: from whatever this process is in. */
static void tell_state(int signal)
{
	static covey_process_info infos[ACTORS_MOST];
	int n = covey_family_processes(infos, ACTORS_MOST), at = 0;

	(void)signal;
	books->state[0] = 0;
	for (int i = 0; i < n && i < ACTORS_MOST && at < (int)sizeof books->state - 100; i++)
		at += snprintf(books->state + at, sizeof books->state - (size_t)at, "  %d %s%s%s\n",
		               (int)infos[i].pid, infos[i].name,
		               infos[i].waiting_for[0] ? " waits for " : "", infos[i].waiting_for);
	books->told = 1;
}

static void add_role(enum role role)
{
	stage[stages++] = (uint8_t)role;
}

/* A dice of its own for each step: what one does of what it rolls changes no other. */
static struct dice dice_of(uint64_t seed, uint32_t step)
{
	struct dice dice = {seed};

	dice.state = ((uint64_t)roll(&dice, 1u << 30) << 32) + step * UINT64_C(0x632be59bd9b4e019);
	return dice;
}

static bool set_up(void)
{
	struct rlimit files = {100 + roll(&root.dice, 200), 1024};
	covey_config config = {.quota = (24u << 20) + roll(&root.dice, 48u << 20)};
	uint32_t without = roll(&root.dice, 1u << SUBJECTS);

	setrlimit(RLIMIT_NOFILE, &files);
	if (covey_configure(&config) < 0 ||
	    covey_block_create(&root.objects.block, sizeof(struct guarded), NULL) < 0) {
		wrong("set up: %s", covey_errmsg());
		return false;
	}
	for (uint32_t i = 0; i < SUBJECTS; i++) {
		if (subjects[i]->make(&root) < 0) {
			wrong("set up %s: %s", subjects[i]->name, covey_errmsg());
			return false;
		}
		/* Those left out are there, so that what is given to all is the same. */
		for (const uint8_t *role = subjects[i]->roles;
		     *role && role < subjects[i]->roles + 4; role++)
			if (!(without & 1u << i) || subjects[i] == &channel_subject)
				add_role(*role);
	}
	add_role(PARENT);
	add_role(OWNER);
	pools_open(&root);
	return !books->wrong;
}

/* Parties must all have come, or none is waited for. */
static void start_parties(void)
{
	for (uint32_t i = 0; i < root.objects.parties; i++)
		if (!start_member(&root, PARTY, &root.dice)) {
			covey_barrier_abort(root.objects.barrier);
			return;
		}
}

/* One of the things that happen. */
static void happen(struct dice *dice)
{
	uint32_t what = roll(dice, 24);

	if (what < 10)
		start_member(&root, stage[roll(dice, stages)], dice);
	else if (what < 13)
		kill_members(dice, 1);
	else if (what < 15)
		kill_members(dice, 2 + roll(dice, 3));
	else if (what == 15)
		stop_member(dice);
	else if (what == 16)
		pools_kill_worker(&root, dice);
	else if (what == 17)
		kill_tree(dice);
	else if (what == 18)
		kill_anyone(dice);
	else if (what == 19)
		strike_nursery(dice);
	else
		pools_submit(dice);
}

static void step(struct dice *dice)
{
	bool scarce = one_in(dice, 10);

	if (scarce)
		shortage(dice);
	happen(dice);
	if (scarce) {
		happen(dice);
		relief();
	}
	usleep(roll(dice, 6000));
}

/* Whether any lives: of all, or of those that end by themselves; whoever started them. */
static bool any_lives(bool all)
{
	for (int role = 1; role < ROLES; role++)
		if ((all || heeds_stop(role)) && one_lives(role, -1))
			return true;
	return false;
}

/* Nothing new is begun; all that are at something finish it. */
static void settle(void)
{
	struct rlimit files;

	/* Whatever is started now is needed. */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	books->stop = 1;
	doing("waits for those who heed the stop");
	while (any_lives(false)) {
		for (uint32_t i = 0; i < SUBJECTS; i++)
			if (subjects[i]->settle)
				subjects[i]->settle(&root);
		usleep(5000);
	}
}

/* What the family holds: memory of dead pools is given back when the next one is opened. */
static void look_for_leaks(void)
{
	int64_t until = now_ms() + 20000; /* for orphans, which end by themselves */
	covey_usage usage = {0};
	covey_pool *pool;

	if (covey_pool_open(&pool, &(covey_pool_opts){.workers = 1}) < 0 ||
	    covey_pool_close(pool) < 0 || covey_pool_join(pool, COVEY_FOREVER) < 0)
		wrong("a pool at the end: %s", covey_errmsg());
	while (covey_usage_get(&usage) == 0 && usage.processes != 1 && now_ms() < until)
		usleep(5000);
	if (usage.objects || usage.processes != 1) {
		tell_state(0);
		wrong("left: %llu objects, %llu processes; there are:\n%s",
		      (unsigned long long)usage.objects, (unsigned long long)usage.processes - 1,
		      books->state);
	}
}

static void end(void)
{
	settle();
	doing("ends its pools");
	pools_end();
	for (uint32_t i = 0; i < SUBJECTS; i++)
		if (subjects[i]->close) {
			doing("closes %s", subjects[i]->name);
			subjects[i]->close(&root);
		}
	doing("joins its children");
	join_members();
	while (any_lives(true))
		usleep(5000);
	for (uint32_t i = 0; i < SUBJECTS; i++)
		subjects[i]->check(&root);
	covey_block_destroy(root.objects.block);
	look_for_leaks();
}

void storm_round(uint64_t seed, pid_t books_owner, int books_fd)
{
	char *before = list_descriptors();
	uint32_t steps, last;

	signal(SIGUSR1, tell_state);
	root = (struct self){.dice = dice_of(seed, 0), .books_owner = books_owner};
	root.books_fd = books_fd;
	steps = 20 + roll(&root.dice, 100);
	last = one_in(&root.dice, 8) ? roll(&root.dice, steps) : steps; /* the root's last */
	if (!books_open(books_owner, books_fd) || !set_up())
		return;
	start_parties();
	for (uint32_t i = 1; i <= MEMBERS_FIRST; i++) {
		struct dice dice = dice_of(seed, steps + i);

		start_member(&root, stage[roll(&dice, stages)], &dice);
	}
	for (uint32_t i = 1; i <= steps && !books->wrong; i++) {
		struct dice dice = dice_of(seed, i);

		if (i > last) {
			books->root_dies = 1;
			kill(getpid(), SIGKILL);
		}
		step(&dice);
	}
	if (!books->wrong) {
		char *after;

		end();
		after = list_descriptors();
		if (print_descriptors(stdout, before, after))
			wrong("descriptors are left");
		free(after);
	}
	free(before);
}
