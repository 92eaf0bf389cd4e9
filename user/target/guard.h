/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/guard.h — take the sites of a window off even if this process cannot.
 *
 *   pygrowd ──┬── thread that closes the window at its end        (shutter.c: the first guard)
 *             ├── process "pygrowd-guard": closes it when that is late
 *             └── process "pygrowd-guard": the same for the other program's link
 *
 * A process that is stopped (SIGSTOP), swapped out or starved runs none of its threads. The guards
 * are processes of their own that share our table of file descriptors (CLONE_FILES) and one page:
 * closing a descriptor there takes the sites off. When we die (PR_SET_PDEATHSIG) they close the
 * window's links at once and end; then the kernel closes everything else. Two, because closing one link waits for a grace period of the kernel's,
 * in which the other one's sites would stay on.
 */
#ifndef USER_TARGET_GUARD_H
#define USER_TARGET_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "target/probes.h"

#define GUARD_LINKS 2

struct guard;

/* Before any thread is started. Every guard also kills this process if it has not answered a trip
 * (pgd_trip.told) for GUARD_TRIP_SEC: its sites would go on slowing the target. */
#define GUARD_TRIP_SEC 3
int guard_new(const struct probes *p, struct guard **ret);
void guard_free(struct guard *g);
DEFINE_CLEANUP(struct guard *, guard_free)

/* From now on this descriptor is to be closed at due_ns (CLOCK_MONOTONIC) at the latest. */
void guard_set(struct guard *g, unsigned link, int fd, uint64_t due_ns);
/* Whoever gets it closes it: the descriptor, or -1: a guard was faster. */
int guard_take(struct guard *g, unsigned link);

#endif
