/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/gather.h — what all stages know at this moment, as one struct snapshot. */
#ifndef USER_DAEMON_GATHER_H
#define USER_DAEMON_GATHER_H

#include "daemon/pipeline.h"
#include "growth/snapshot.h"

/* A block that is alive and counts as held, or several of one stack that were born at one time. */
struct gather_birth {
	pid_t pid;
	uint64_t stack; /* id */
	double born_sec; /* monotonic */
	double bytes; /* or, of a sample, what it stands for */
};

/* The snapshot points into the pipeline: use it before the next tick. 0 or -ENOMEM. */
int gather(const struct pipeline *p, struct snapshot *ret);
void gather_done(struct snapshot *s);
/* The ages behind what is held, in no order; the array is the caller's. 0 or -ENOMEM. */
int gather_births(const struct pipeline *p, double now_sec, struct gather_birth **ret,
		  size_t *ret_n);

#endif
