/* SPDX-License-Identifier: MIT */
/* A process of the family: how it is started, and what it plays. */
#include "storm.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	role_fn *play;
} parts[ROLES] = {
	[SENDER] = {"sender", send_all},       [RECEIVER] = {"receiver", receive_all},
	[LOCKER] = {"locker", lock_and_count}, [SITTER] = {"sitter", take_seats},
	[MAKER] = {"maker", make_tokens},      [TAKER] = {"taker", take_tokens},
	[WRITER] = {"writer", write_pairs},    [READER] = {"reader", read_pairs},
	[FILLER] = {"filler", fill_store},     [EMPTIER] = {"emptier", empty_store},
	[PARTY] = {"party", take_part},        [KEEPER] = {"keeper", keep_dict},
	[OWNER] = {"owner", own_pool},         [PARENT] = {"parent", be_parent},
};

static const char *part; /* what this process plays */

/* A crash of covey is not to be taken for one of the storm's kills. */
static void crashed(int signal)
{
	wrong("a %s crashed by signal %d", part, signal);
	_exit(66);
}

static void watch_crashes(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct sigaction action = {.sa_handler = crashed, .sa_flags = (int)SA_RESETHAND};

	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
}

int storm_actor(const void *arg, size_t len)
{
	const struct orders *orders = arg;
	struct self self;

	if (len != sizeof *orders)
		return 3;
	self = orders->self;
	if (!books_open(self.books_owner, self.books_fd))
		return 3; /* the round is over, and its books with it */
	relief();
	self.me = &books->actor[orders->place];
	part = parts[self.me->role].name;
	watch_crashes();
	self.me->pid = getpid();
	hardship(&self.dice);
	parts[self.me->role].play(&self);
	relief();
	self.me->ended = 1;
	return 0;
}

bool heeds_stop(enum role role)
{
	return role != RECEIVER && role != TAKER && role != EMPTIER && role != PARTY &&
	       role != PARENT;
}

static bool take_place(struct orders *orders, const struct self *of, enum role role, uint64_t seed,
                       uint32_t most)
{
	uint32_t place = books->actors;
	struct actor *actor;

	do
		if (place >= most)
			return false;
	while (!__atomic_compare_exchange_n(&books->actors, &place, place + 1, 0, __ATOMIC_SEQ_CST,
	                                    __ATOMIC_SEQ_CST));
	orders->self = *of;
	orders->self.me = NULL;
	orders->self.dice.state = seed;
	orders->place = place;
	actor = &books->actor[place];
	actor->parent = of->me ? (uint8_t)(of->me - books->actor) : ROOT;
	if (role == SENDER || role == RECEIVER)
		actor->about = of->objects.channel[roll(&orders->self.dice, 2)];
	actor->role = (uint8_t)role;
	return true;
}

bool cast(struct orders *orders, const struct self *of, enum role role, uint64_t seed)
{
	return take_place(orders, of, role, seed, ACTORS_MOST - ACTORS_LATE);
}

bool cast_late(struct orders *orders, const struct self *of, enum role role, uint64_t seed)
{
	return take_place(orders, of, role, seed, ACTORS_MOST);
}

bool excused(int64_t rc)
{
	return rc == -ENOMEM || rc == -EMFILE || rc == -EAGAIN || rc == -ENOSPC;
}

covey_process *act_out(struct orders *orders, struct dice *dice)
{
	static const covey_method methods[] = {COVEY_FORK, COVEY_SPAWN, COVEY_FORKSERVER};
	covey_method method = methods[roll(dice, 3)];
	const char *name = parts[books->actor[orders->place].role].name;
	covey_process *p;
	int rc = covey_start(&p, storm_actor, orders, .name = name, .method = method, .daemon = 1);

	if (rc == 0)
		return p;
	if (!excused(rc))
		wrong("start by %s: %s", covey_method_name(method), covey_errmsg());
	return NULL;
}

void join_actor(covey_process *p, uint32_t place)
{
	int code;

	if (covey_process_join(p, COVEY_FOREVER) < 0)
		wrong("join: %s", covey_errmsg());
	code = covey_process_exit_code(p);
	if (code != 0 && !(books->actor[place].killed && code == 128 + SIGKILL))
		wrong("a %s ended with exit code %d%s", covey_process_name(p), code,
		      books->actor[place].killed ? ", and was killed" : "");
	covey_process_free(p);
}
