/* SPDX-License-Identifier: MIT */
/*
 * covey_select. Where all that is waited for is told at words, the caller sleeps
 * at the words itself; where descriptors are among it, it sleeps in poll, and
 * the thread of watch.c tells it of the words by an eventfd.
 */
#include "wait/wait.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/notify.h"

/* A select under way; arrays of n, n + 1 and n. */
struct selection {
	covey_waitable *things;
	struct cvy_sleep *sleeps;
	struct pollfd *fds;
	int64_t *watches;
	int n;
	int words;       /* things with a word */
	int descriptors; /* things with a descriptor */
	int event;       /* by which words are told while in poll, else -1 */
};

static int check(const covey_waitable *thing)
{
	switch (thing->kind) {
	case COVEY_WAIT_ENDED:
		return covey_process_alive(thing->of.process) < 0 ? covey_errcode() : 0;
	case COVEY_WAIT_DONE:
		return covey_future_done(thing->of.future) < 0 ? covey_errcode() : 0;
	case COVEY_WAIT_READABLE:
	case COVEY_WAIT_WRITABLE:
		return thing->of.fd < 0
		               ? cvy_fail(EBADF, "select: %d is no descriptor", thing->of.fd)
		               : 0;
	case COVEY_WAIT_NOTHING:
		return 0;
	default:
		return cvy_has_word(thing->kind) ? 0
		                                 : cvy_fail(EINVAL,
		                                            "select: %d is no kind of "
		                                            "thing",
		                                            (int)thing->kind);
	}
}

/* Fills in what poll is to look at; count things by how they are waited for. */
static int sort_out(struct selection *s)
{
	for (int i = 0; i < s->n; i++) {
		const covey_waitable *thing = &s->things[i];
		int rc = check(thing), fd = -1;
		short events = thing->kind == COVEY_WAIT_WRITABLE ? POLLOUT : POLLIN;

		if (rc < 0)
			return rc;
		if (thing->kind == COVEY_WAIT_ENDED)
			fd = covey_process_fd(thing->of.process);
		else if (thing->kind == COVEY_WAIT_READABLE || thing->kind == COVEY_WAIT_WRITABLE)
			fd = thing->of.fd;
		s->fds[i] = (struct pollfd){.fd = fd, .events = events};
		s->descriptors += fd >= 0;
		s->words += cvy_has_word(thing->kind);
	}
	return 0;
}

/* Things whose descriptor poll found, or that were ready at a look; how many, or an error. */
static int mark(struct selection *s, bool pass_on)
{
	int ready = 0;

	for (int i = 0; i < s->n; i++) {
		covey_waitable *thing = &s->things[i];
		int rc = s->fds[i].fd >= 0 && s->fds[i].revents;

		if (s->fds[i].revents & POLLNVAL)
			return cvy_fail(EBADF, "select: descriptor %d is not open", s->fds[i].fd);
		if (cvy_has_word(thing->kind))
			rc = cvy_thing_ready(thing);
		if (rc < 0)
			return rc;
		thing->ready = rc;
		ready += rc;
		if (rc && pass_on)
			cvy_thing_pass_on(thing);
	}
	return ready;
}

static int poll_now(struct selection *s, int ms)
{
	int rc;

	if (!s->descriptors && s->event < 0)
		return 0;
	s->fds[s->n] = (struct pollfd){.fd = s->event, .events = POLLIN};
	rc = cvy_poll(s->fds, (nfds_t)s->n + 1, ms);
	if (rc < 0 && errno != EINTR)
		return cvy_fail(errno, "select: poll: %s", covey_strerror(errno));
	if (rc < 0)
		for (int i = 0; i < s->n; i++)
			s->fds[i].revents = 0;
	return 0;
}

/* One sleep at the words. */
static int sleep_at_words(struct selection *s, struct cvy_wait *wait)
{
	int n = 0;

	for (int i = 0; i < s->n; i++) {
		int rc;

		if (!cvy_has_word(s->things[i].kind))
			continue;
		rc = cvy_thing_arm(&s->things[i], &s->sleeps[n]);
		if (rc != 0)
			return rc < 0 ? rc : 0;
		n++;
	}
	cvy_sleep_on(s->sleeps, n, cvy_sooner(cvy_sleep_end(s->sleeps, n, wait), cvy_until(wait)));
	return 0;
}

static void stop_watching(struct selection *s)
{
	if (s->event < 0)
		return;
	for (int i = 0; i < s->n; i++)
		if (s->watches[i] > 0)
			cvy_unwatch(s->watches[i]);
	close(s->event);
	s->event = -1;
}

/* Has the words told by a descriptor; begun anew after each time that it was written to. */
static int start_watching(struct selection *s)
{
	int rc = 0;

	stop_watching(s);
	s->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->event < 0)
		return cvy_fail(errno, "select: a descriptor to wait by: %s",
		                covey_strerror(errno));
	for (int i = 0; i < s->n; i++) {
		s->watches[i] = 0;
		if (rc < 0 || !cvy_has_word(s->things[i].kind))
			continue;
		s->watches[i] = cvy_watch(&s->things[i], s->event);
		if (s->watches[i] < 0)
			rc = (int)s->watches[i];
	}
	return rc;
}

/* The first queue or pipe among them, for tools; 0: none. */
static uint64_t first_object(const struct selection *s)
{
	for (int i = 0; i < s->n; i++)
		switch (s->things[i].kind) {
		case COVEY_WAIT_GET:
		case COVEY_WAIT_PUT:
			return s->things[i].of.queue.id;
		case COVEY_WAIT_RECEIVE:
		case COVEY_WAIT_SEND:
			return s->things[i].of.pipe.id;
		default:
			break;
		}
	return 0;
}

/* Says in the process table what is waited for. */
static void say_waiting(uint64_t id)
{
	if (cvy_family_exists())
		cvy_sleeps_on(id);
}

static int wait_until_ready(struct selection *s, int timeout_ms)
{
	struct cvy_wait wait = CVY_WAIT(timeout_ms);
	bool slept = false;

	for (;;) {
		bool in_poll = slept && s->descriptors;
		int rc = poll_now(s, in_poll ? cvy_poll_ms(cvy_until(&wait)) : 0);

		if (rc == 0)
			rc = mark(s, slept);
		if (rc != 0)
			return rc;
		if (timeout_ms == 0 || cvy_now() >= cvy_until(&wait))
			return cvy_timed_out(timeout_ms, "select: none of %d things is ready",
			                     s->n);
		if (!s->descriptors)
			rc = sleep_at_words(s, &wait);
		else if (s->words && (s->event < 0 || s->fds[s->n].revents))
			rc = start_watching(s);
		if (rc < 0)
			return rc;
		slept = true;
	}
}

int covey_select(covey_waitable *things, int n, int timeout_ms)
{
	struct robust_list_head *head = cvy_robust();
	struct robust_list *outer = head->list_op_pending;
	struct selection s = {.things = things, .n = n, .event = -1};
	uint64_t object;
	int rc;

	if (n <= 0 || !things)
		return cvy_fail(EINVAL, "select: no things were given");
	s.sleeps = calloc((size_t)n, sizeof *s.sleeps);
	s.fds = calloc((size_t)n + 1, sizeof *s.fds);
	s.watches = calloc((size_t)n, sizeof *s.watches);
	if (!s.sleeps || !s.fds || !s.watches)
		rc = cvy_fail(ENOMEM, "select: no memory for %d things", n);
	else
		rc = sort_out(&s);
	if (rc == 0 && !s.words && !s.descriptors)
		rc = cvy_fail(EINVAL, "select: no things were given");
	if (rc == 0) {
		object = timeout_ms == 0 ? 0 : first_object(&s);
		if (object)
			say_waiting(object);
		rc = wait_until_ready(&s, timeout_ms);
		if (object)
			say_waiting(0);
	}
	head->list_op_pending = outer;
	stop_watching(&s);
	free(s.sleeps);
	free(s.fds);
	free(s.watches);
	return rc;
}
