/* SPDX-License-Identifier: MIT */
/* What a worker does: it answers requests, until it is asked to end. */
#ifndef SERVE_H
#define SERVE_H

#include <covey.h>

/* What a worker is at, as the parent reads it after a death; "" for nothing. */
struct at {
	char request[64];
};

/* What all processes of the server share. */
struct shared {
	covey_value answered; /* int64_t: requests, by all workers */
	covey_array at;       /* struct at, one for each place */
};

/* Accepts connections and answers until SIGTERM. Returns the exit code. */
int serve(int listener, int place, struct shared shared);

#endif
