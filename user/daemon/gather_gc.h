/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/gather_gc.h — what is known of a process's collector, for the snapshot. */
#ifndef USER_DAEMON_GATHER_GC_H
#define USER_DAEMON_GATHER_GC_H

#include "daemon/pipeline.h"
#include "growth/snapshot.h"

/* is_followed: each block of the process is, so it is known what the collector frees. */
void gather_gc(const struct pipeline *p, struct watch *w, bool is_followed,
	       struct snapshot_gc *ret);
/* … and of one of its stacks; gc: what gather_gc() said. */
void gather_cycles(const struct watch *w, const struct snapshot_gc *gc, const struct stack *from,
		   struct snapshot_cycles *ret);

#endif
