/* SPDX-License-Identifier: MIT */
/* The root's own children. */
#include "storm.h"

#include <signal.h>
#include <unistd.h>

static struct member {
	covey_process *process; /* NULL: joined */
	uint32_t place;
} member[ACTORS_MOST];
static uint32_t members;

bool start_member(const struct self *root, enum role role, struct dice *dice)
{
	struct orders orders;
	covey_process *p;

	if (!cast(&orders, root, role, dice->state) || !(p = act_out(&orders, dice)))
		return false;
	member[members++] = (struct member){p, orders.place};
	return true;
}

void ensure_one(const struct self *root, enum role role, int about)
{
	struct dice dice = {root->dice.state + role};
	struct orders orders;

	while (!one_lives(role, about)) {
		covey_process *p = NULL;

		/* The last places are kept for this. */
		if (!cast_late(&orders, root, role, roll(&dice, 1000000)))
			return wrong("no place is left in the books");
		if (about >= 0)
			books->actor[orders.place].about = (uint8_t)about;
		while (!p && !books->wrong && !(p = act_out(&orders, &dice))) {
			doing("cannot start one more: %s", covey_errmsg());
			usleep(5000);
		}
		if (!p)
			return;
		member[members++] = (struct member){p, orders.place};
		while (!books->actor[orders.place].pid && covey_process_alive(p) == 1)
			usleep(50);
	}
}

void join_members(void)
{
	for (uint32_t i = 0; i < members; i++)
		join_actor(member[i].process, member[i].place);
	members = 0;
}

static void mark_killed(uint32_t place)
{
	books->actor[place].killed = 1;
	books->sum.killed++;
}

/* All that descend from it, as far as they are known; more may be on their way. */
static void mark_below(uint32_t place)
{
	for (uint32_t i = 0; i < books->actors; i++)
		if (books->actor[i].parent == place && !books->actor[i].killed) {
			books->actor[i].killed = 1;
			mark_below(i);
		}
}

/* One that lives, or NULL. */
static struct member *pick(struct dice *dice)
{
	uint32_t first = members ? roll(dice, members) : 0;

	for (uint32_t i = 0; i < members; i++) {
		struct member *m = &member[(first + i) % members];

		if (covey_process_alive(m->process) == 1)
			return m;
	}
	return NULL;
}

void kill_members(struct dice *dice, uint32_t n)
{
	struct member *victim[4];
	uint32_t found = 0;

	for (uint32_t i = 0; i < n; i++)
		if ((victim[found] = pick(dice)))
			mark_killed(victim[found++]->place);
	for (uint32_t i = 0; i < found; i++)
		covey_process_kill(victim[i]->process);
}

void kill_tree(struct dice *dice)
{
	struct member *m = pick(dice);
	int n;

	if (!m)
		return;
	mark_killed(m->place);
	mark_below(m->place);
	n = covey_process_signal_tree(m->process, SIGKILL);
	if (n < 0 && !excused(n))
		wrong("signal_tree: %s", covey_errmsg());
	mark_below(m->place);
	/* Workers of its pools are among them. */
	if (n > 1)
		books->sum.workers_killed += (uint32_t)n - 1;
	covey_process_kill(m->process);
}

void stop_member(struct dice *dice)
{
	struct member *m = pick(dice);

	if (!m)
		return;
	covey_process_signal(m->process, SIGSTOP);
	usleep(roll(dice, 20000));
	covey_process_signal(m->process, SIGCONT);
	books->sum.stopped++;
}
