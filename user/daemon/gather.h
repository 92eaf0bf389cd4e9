/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/gather.h — what all stages know at this moment, as one struct snapshot. */
#ifndef USER_DAEMON_GATHER_H
#define USER_DAEMON_GATHER_H

#include "daemon/pipeline.h"
#include "growth/snapshot.h"

/* The snapshot points into the pipeline: use it before the next tick. 0 or -ENOMEM. */
int gather(const struct pipeline *p, struct snapshot *ret);
void gather_done(struct snapshot *s);

#endif
