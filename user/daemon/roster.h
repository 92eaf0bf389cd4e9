/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/roster.h — which processes are watched, where nobody has named them?
 *
 *   census: likely Python ─► facts ─► rules ─┬─► pipeline_add ─► watched ─► gone: kept for a minute
 *                                            └─► left out, with the reason, for `status`
 *
 * A process that has not initialised its Python yet is asked again; our own children (coverage.h)
 * are nobody's business. When there are PROBES_TARGETS_MAX, who has gone first makes room; if all
 * are there, a new one is left out until somebody has gone.
 */
#ifndef USER_DAEMON_ROSTER_H
#define USER_DAEMON_ROSTER_H

#include <stdint.h>

#include "daemon/pipeline.h"
#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "target/rules.h"

struct roster;

/* Everybody who is there now is taken on before it returns. `rules` stays the caller's. 0, or
 * -errno with one clear sentence in `why`. */
int roster_open(struct pipeline *p, const struct rules *rules, struct roster **ret,
		struct strbuf *why);
void roster_close(struct roster *r);
DEFINE_CLEANUP(struct roster *, roster_close)

/* What rules say of a process. */
struct rules_verdict roster_judge(const struct rules *rules, const struct procfs_facts *f);

/* Readable when there is news; -1: the kernel tells none here, roster_tick() looks for itself. */
int roster_fd(const struct roster *r);
void roster_events(struct roster *r);
/* Monotonic: when roster_tick() has something to do; UINT64_MAX: not before there is news. */
uint64_t roster_due_ns(const struct roster *r);
void roster_tick(struct roster *r);
/* News of processes that was lost, by this roster's censuses; /proc was searched instead. */
uint64_t roster_lost(const struct roster *r);
/* Other rules from now on: who is out by them goes, who is in comes. */
int roster_set_rules(struct roster *r, const struct rules *rules, struct strbuf *why);

#endif
