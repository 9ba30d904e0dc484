/* SPDX-License-Identifier: MIT */
/*
 * The thread that turns words into descriptors. It sleeps at the words of all
 * that is watched and not told yet, and at one of its own, `changes`. A thing
 * that is ready it tells by writing to the eventfd, and then lets it be until
 * a receiver of this process has found nothing there (or until a select ends).
 * So the descriptor costs a put or get nothing: only who finds a queue empty
 * looks whether it is watched.
 *
 * Things are looked at under the lock, which is taken by who found a queue
 * empty with that queue's lock held; a look takes no lock of a queue.
 */
#include "wait/wait.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/notify.h"
#include "process/process.h"

/*
 * told    fd was written to, and the thing is left alone.
 * own_fd  fd is ours, made for a user.
 * A thing of no kind is a future, which tells by itself.
 */
struct watch {
	struct watch *next;
	covey_waitable thing;
	int64_t number;
	int fd;
	bool told;
	bool own_fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct watch *watches;
static int64_t last_number;
static bool running;
static _Atomic uint32_t changes;

static void change(void)
{
	atomic_fetch_add(&changes, 1);
	cvy_futex_wake(&changes, INT_MAX);
}

static void tell(struct watch *w)
{
	uint64_t one = 1;

	w->told = true;
	while (write(w->fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

static void untell(struct watch *w)
{
	uint64_t count;

	w->told = false;
	while (read(w->fd, &count, sizeof count) < 0 && errno == EINTR)
		;
}

/*
 * Tells what is ready, and gathers where to sleep for the rest: up to `most`,
 * and how many there would be.
 */
static int look(struct cvy_sleep *sleeps, int most)
{
	struct cvy_sleep at;
	int n = 0;

	for (struct watch *w = watches; w; w = w->next) {
		int rc;

		if (w->told || w->thing.kind == COVEY_WAIT_NOTHING)
			continue;
		rc = cvy_thing_arm(&w->thing, &at);
		if (rc != 0) {
			tell(w);
			if (rc > 0)
				cvy_thing_pass_on(&w->thing);
		} else if (n++ < most) {
			sleeps[n - 1] = at;
		}
	}
	return n;
}

static void *watch_things(void *arg)
{
	struct cvy_sleep sleeps[CVY_WORDS_MOST];
	struct cvy_wait wait = CVY_WAIT(COVEY_FOREVER);

	cvy_own_thread(1);
	for (;;) {
		int n, known;

		pthread_mutex_lock(&lock);
		sleeps[0] = (struct cvy_sleep){.word = &changes, .value = atomic_load(&changes)};
		n = 1 + look(sleeps + 1, CVY_WORDS_MOST - 1);
		pthread_mutex_unlock(&lock);
		known = n < CVY_WORDS_MOST ? n : CVY_WORDS_MOST;
		cvy_sleep_on(sleeps, n, n == 1 ? CVY_NEVER : cvy_sleep_end(sleeps, known, &wait));
	}
	return arg;
}

static void found_empty(uint64_t id)
{
	bool any = false;

	pthread_mutex_lock(&lock);
	for (struct watch *w = watches; w; w = w->next) {
		if (!w->told || !w->own_fd || w->thing.kind == COVEY_WAIT_NOTHING ||
		    w->thing.of.queue.id != id)
			continue;
		untell(w);
		any = true;
	}
	if (any)
		change();
	pthread_mutex_unlock(&lock);
}

/* The eventfds are the parent's too: this process leaves them alone. */
static void in_forked_child(void)
{
	pthread_mutex_init(&lock, NULL);
	running = false;
	while (watches) {
		struct watch *w = watches;

		watches = w->next;
		close(w->fd);
		free(w);
	}
}

static int start(void)
{
	static bool hooked;
	pthread_t thread;
	int error;

	if (running)
		return 0;
	if (!hooked)
		cvy_at_fork_child(in_forked_child);
	hooked = true;
	error = cvy_thread_start(&thread, true, watch_things, NULL);
	if (error)
		return cvy_fail(error, "the thread that watches for descriptors: %s",
		                strerror(error));
	pthread_detach(thread);
	running = true;
	atomic_store_explicit(&cvy_found_empty, found_empty, memory_order_release);
	return 0;
}

static int64_t add(const covey_waitable *thing, int fd, bool own_fd)
{
	struct watch *w = malloc(sizeof *w);
	int64_t number;
	int rc;

	if (!w)
		return cvy_fail(ENOMEM, "no memory to watch one thing more");
	pthread_mutex_lock(&lock);
	rc = start();
	if (rc < 0) {
		pthread_mutex_unlock(&lock);
		free(w);
		return rc;
	}
	number = ++last_number;
	*w = (struct watch){watches, *thing, number, fd, false, own_fd};
	watches = w;
	change();
	pthread_mutex_unlock(&lock);
	return number;
}

/* Takes a watch off the list and frees it; its descriptor, or -1 where there is none such. */
static int take_off(int64_t number, int fd)
{
	struct watch **at = &watches, *w;
	int found = -1;

	pthread_mutex_lock(&lock);
	while (*at && ((*at)->number != number && ((*at)->fd != fd || !(*at)->own_fd)))
		at = &(*at)->next;
	w = *at;
	if (w) {
		found = w->fd;
		*at = w->next;
		change();
	}
	pthread_mutex_unlock(&lock);
	free(w);
	return found;
}

int64_t cvy_watch(const covey_waitable *thing, int fd)
{
	return add(thing, fd, false);
}

void cvy_unwatch(int64_t watch)
{
	take_off(watch, -1);
}

/* ---- descriptors of users */

static int make_fd(const covey_waitable *thing, int64_t *watch)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return cvy_fail(errno, "a descriptor to watch by: %s", covey_strerror(errno));
	*watch = add(thing, fd, true);
	if (*watch < 0) {
		close(fd);
		return (int)*watch;
	}
	return fd;
}

static int make_fd_of(const covey_waitable *thing)
{
	int rc = cvy_thing_ready(thing);
	int64_t watch;

	return rc < 0 ? rc : make_fd(thing, &watch);
}

int covey_queue_fd(covey_queue q)
{
	return make_fd_of(&(covey_waitable){.kind = COVEY_WAIT_GET, .of.queue = q});
}

int covey_pipe_fd(covey_pipe end)
{
	return make_fd_of(&(covey_waitable){.kind = COVEY_WAIT_RECEIVE, .of.pipe = end});
}

static void tell_done(covey_future *f, void *context)
{
	pthread_mutex_lock(&lock);
	for (struct watch *w = watches; w; w = w->next)
		if (w->number == (int64_t)(intptr_t)context)
			tell(w);
	pthread_mutex_unlock(&lock);
}

/* The future may be freed before it is done: so it tells us, and we do not look at it. */
int covey_future_fd(covey_future *f)
{
	int fd, rc = covey_future_done(f);
	int64_t watch = 0;

	if (rc < 0)
		return rc;
	fd = make_fd(&(covey_waitable){.kind = COVEY_WAIT_NOTHING}, &watch);
	if (fd < 0)
		return fd;
	rc = covey_future_on_done(f, tell_done, (void *)(intptr_t)watch);
	if (rc < 0) {
		covey_fd_close(fd);
		return rc;
	}
	return fd;
}

int covey_fd_close(int fd)
{
	if (fd < 0 || take_off(0, fd) < 0)
		return cvy_fail(EBADF, "descriptor %d is not one that covey made to watch by", fd);
	close(fd);
	return 0;
}
