/* SPDX-License-Identifier: MIT */
/*
 * Pipes. An end is an object with a queue of its own, its inbox, which holds
 * what the other end sends to it. So each end knows the other by its id, and a
 * closed end is one whose object is gone. Who sends to an inbox and who uses the
 * other end are the same processes, so the inbox's senders are noted by every
 * call on the other end.
 */
#include <covey/pipe.h>

#include "channel/ready.h"
#include "channel/ring.h"

#include <string.h>

/*
 * Of an end, in its object's space: by its maker before anybody has the handle.
 */
struct end {
	uint64_t peer;
	uint32_t sends;
	uint32_t receives;
};

static int init(struct cvy_object *object, const void *context)
{
	const covey_pipe_opts *opts = context;

	memset(object->space, 0, sizeof object->space);
	return cvy_queue_init(object, &(covey_queue_opts){.max_messages = opts->max_messages,
	                                                  .max_bytes = opts->max_bytes,
	                                                  .end_with_senders = 1});
}

static const struct cvy_kind_ops ops = {.kind = CVY_PIPE, .init = init, .clear = cvy_queue_clear};

static struct end *end_of(const struct queue_ref *ref)
{
	return (struct end *)(void *)ref->object->space;
}

static int make_end(covey_pipe *end, const covey_pipe_opts *opts, struct queue_ref *ref)
{
	int rc = cvy_object_create(&ops, opts->name, opts, &end->id);

	return rc < 0 ? rc : cvy_queue_ref(end->id, CVY_PIPE, ref);
}

int covey_pipe_create_v(covey_pipe ends[2], const covey_pipe_opts *given, size_t size)
{
	covey_pipe_opts opts;
	struct queue_ref ref[2];
	covey_pipe made[2];
	int rc = cvy_options(&opts, sizeof opts, given, size, "pipe");

	if (rc < 0)
		return rc;
	if (!ends)
		return cvy_fail(EINVAL, "pipe: no place for the ends was given");
	rc = make_end(&made[0], &opts, &ref[0]);
	if (rc < 0)
		return rc;
	rc = make_end(&made[1], &opts, &ref[1]);
	if (rc < 0) {
		cvy_queue_end(&ref[0], &ops);
		return rc;
	}
	*end_of(&ref[0]) = (struct end){made[1].id, !opts.one_way, 1};
	*end_of(&ref[1]) = (struct end){made[0].id, 1, !opts.one_way};
	ends[0] = made[0];
	ends[1] = made[1];
	return 0;
}

/* An end, and its other end where that is still open (else peer->object is NULL). */
static int refer(covey_pipe end, struct queue_ref *own, struct queue_ref *peer)
{
	uint64_t other;
	int rc = cvy_queue_ref(end.id, CVY_PIPE, own);

	if (rc < 0)
		return rc;
	other = end_of(own)->peer;
	peer->object = NULL;
	if (cvy_object(other, CVY_PIPE))
		rc = cvy_queue_ref(other, CVY_PIPE, peer);
	return rc == -EBADF ? 0 : rc;
}

/* The same, by a process that uses the end from now on. */
static int use(covey_pipe end, struct queue_ref *own, struct queue_ref *peer)
{
	int rc = refer(end, own, peer);

	if (rc == 0 && peer->object)
		rc = cvy_senders_note(peer->queue, own);
	return rc;
}

static int other_end_closed(const struct queue_ref *own)
{
	char title[CVY_TITLE];

	return cvy_fail(EPIPE, "%s: its other end was closed", cvy_queue_title(title, own));
}

int covey_pipe_send(covey_pipe end, const void *data, size_t len, int timeout_ms)
{
	struct queue_ref own, peer;
	char title[CVY_TITLE];
	int rc = use(end, &own, &peer);

	if (rc < 0)
		return rc;
	if (!end_of(&own)->sends)
		return cvy_fail(EPERM, "%s: this end of it only receives",
		                cvy_queue_title(title, &own));
	if (!peer.object)
		return other_end_closed(&own);
	peer.receivers = &own.queue->senders;
	if (cvy_users_seem_ended(peer.receivers))
		return cvy_fail(EPIPE, "%s: all who used its other end have ended",
		                cvy_queue_title(title, &own));
	rc = cvy_send(&peer, data, len, timeout_ms);
	if (rc != -EBADF && rc != -EPIPE)
		return rc;
	/* One of the two was closed meanwhile. */
	if (!cvy_object(end.id, CVY_PIPE))
		return cvy_stale(end.id, CVY_PIPE);
	return rc == -EBADF ? other_end_closed(&own) : rc;
}

/* Uses an end that can receive. */
static int use_to_receive(covey_pipe end, struct queue_ref *own)
{
	struct queue_ref peer;
	char title[CVY_TITLE];
	int rc = use(end, own, &peer);

	if (rc == 0 && !end_of(own)->receives)
		rc = cvy_fail(EPERM, "%s: this end of it only sends", cvy_queue_title(title, own));
	return rc;
}

int cvy_pipe_side(uint64_t end, bool sends, struct queue_ref *ref)
{
	struct queue_ref own, peer;
	char title[CVY_TITLE];
	int rc = use((covey_pipe){end}, &own, &peer);

	if (rc < 0)
		return rc;
	if (!(sends ? end_of(&own)->sends : end_of(&own)->receives))
		return cvy_fail(EPERM, "%s: this end of it only %s", cvy_queue_title(title, &own),
		                sends ? "receives" : "sends");
	if (sends && !peer.object)
		return 1;
	*ref = sends ? peer : own;
	if (sends)
		ref->receivers = &own.queue->senders;
	return 0;
}

int64_t covey_pipe_receive(covey_pipe end, void *buf, size_t cap, int timeout_ms)
{
	struct queue_ref own;
	int rc = use_to_receive(end, &own);

	return rc < 0 ? rc : cvy_receive(&own, buf, cap, timeout_ms);
}

int covey_pipe_receive_exactly(covey_pipe end, void *object, size_t size, int timeout_ms)
{
	struct queue_ref own;
	int rc = use_to_receive(end, &own);

	return rc < 0 ? rc : cvy_receive_exactly(&own, object, size, timeout_ms);
}

int64_t covey_pipe_receive_alloc(covey_pipe end, void **data, int timeout_ms)
{
	struct queue_ref own;
	int rc = use_to_receive(end, &own);

	return rc < 0 ? rc : cvy_receive_alloc(&own, data, timeout_ms);
}

int covey_pipe_poll(covey_pipe end, int timeout_ms)
{
	struct queue_ref own;
	int rc = use_to_receive(end, &own);

	return rc < 0 ? rc : cvy_receive_ready(&own, timeout_ms);
}

int covey_pipe_close(covey_pipe end)
{
	struct queue_ref own, peer;
	int rc = refer(end, &own, &peer);

	if (rc < 0)
		return rc;
	/* The stream to the other end first: whoever dies between the two has ended it. */
	if (peer.object)
		cvy_queue_close(&peer);
	return cvy_queue_end(&own, &ops);
}
