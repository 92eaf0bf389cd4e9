/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/drain.h — bring what the kernel has gathered to user space, once per interval.
 *
 * New stacks come as events, as soon as they are seen; sums come as one batch read of all rows.
 */
#ifndef USER_SAMPLE_DRAIN_H
#define USER_SAMPLE_DRAIN_H

#include <stddef.h>

#include "lib/cleanup.h"
#include "pgd_abi.h"

struct drain;

struct drain_sink {
	/* A stack that was never seen before, its n_frames checked against the event's length. */
	void (*stack)(void *userdata, const struct pgd_stack_event *event);
	/* One row of sums. Return non-zero to let the row go: asked for rows that hold no block,
	 * when the map gets full (`may_evict`). */
	int (*total)(void *userdata, const struct pgd_stack_key *key,
		     const struct pgd_stack_total *total, int may_evict);
	void *userdata;
};

/* Map descriptors stay the caller's and must outlive it. */
int drain_open(int stacks_fd, int events_fd, const struct drain_sink *sink, struct drain **ret);
void drain_close(struct drain *d);
DEFINE_CLEANUP(struct drain *, drain_close)

/* Readable when there are events. Owned by `d`. */
int drain_fd(const struct drain *d);
/* All events that are there now. 0 or -errno. */
int drain_events(struct drain *d);
/* All rows. 0, or -errno: what was read before the error has been given to the sink. */
int drain_totals(struct drain *d);

#endif
