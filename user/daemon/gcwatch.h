/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/gcwatch.h — the collector of one target, within the overhead budget: its probes go on
 * and come off by what they cost (gcbudget.h); what it does meanwhile is read from outside
 * (gccount.h).
 *
 * Not with --exact: there every collection is timed, since only then is it known what it frees.
 */
#ifndef USER_DAEMON_GCWATCH_H
#define USER_DAEMON_GCWATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/watch.h"
#include "lib/cleanup.h"
#include "target/gcbudget.h"
#include "target/gccount.h"
#include "target/guard.h"
#include "target/probes.h"

struct gcwatch;

struct gcwatch_options {
	struct probes *probes;
	struct guard *guard; /* whose GUARD_ALWAYS puts them on */
	struct window *closing; /* where links go that are to be closed, soon, by the owner */
	double overhead; /* the target's whole budget */
};

/* Counts from now on; the probes go on if the guard has time, else with a beat. watch->has_gc.
 * 0 or -errno: they cannot be attached. `o` is copied, `watch` must stay. */
int gcwatch_new(const struct gcwatch_options *o, struct watch *watch, uint64_t cpu_ns,
		struct gcwatch **ret);
void gcwatch_free(struct gcwatch *g);
DEFINE_CLEANUP(struct gcwatch *, gcwatch_free)

/* Some times a second: on, off, and what it has cost since the last time, in ns of traps and of our
 * own looks. cpu_ns: that the target has used so far. may_go_on: now is a good moment (attaching
 * takes 0.5 ms, on a kernel that must wait for a grace period 20). */
double gcwatch_beat(struct gcwatch *g, uint64_t cpu_ns, bool may_go_on);
/* The kernel says that they have cost what they may: they come off. */
void gcwatch_trip(struct gcwatch *g);
void gcwatch_set_overhead(struct gcwatch *g, double overhead);
/* Off for good; what was counted stays. */
void gcwatch_end(struct gcwatch *g);

/* What is known now. */
const struct gccount *gcwatch_count(struct gcwatch *g);
/* Collections cost nearly as much as they may. */
bool gcwatch_is_tight(const struct gcwatch *g);
/* Full collections that have ended since, as far as is known: of more than GCWATCH_FULLS_MAX the
 * last so many, and those that were not timed with the next look. */
uint32_t gcwatch_fulls_since(const struct gcwatch *g, double monotonic_sec);
#define GCWATCH_FULLS_MAX 64
/* Share of the time that they were on. */
double gcwatch_duty(const struct gcwatch *g);

#endif
