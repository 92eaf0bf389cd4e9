/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/policy.h — what the config's sections about alerts say: other thresholds for some
 * stacks, and of which ones nobody wants to be told for now.
 *
 *	alert batch {                        suppress issue-17 {
 *		unit = 'batch@*.service'             function = 'Cache.get'
 *		alert-after = 3h                     reason = 'mended in 2.4, which goes out in May'
 *	}                                            until = 2027-05-31
 *	                                     }
 *
 * The first section of a kind that matches decides, in the order of reading, a section that
 * replaces its namesake stands in that one's place. What an alert section does not say is as
 * outside of sections, whatever another one says. A suppression that has ended matches nothing.
 *
 * Limits: POLICY_MAX sections. What a section says of a process is asked once and remembered, of
 * the last POLICY_PROCESSES_MAX processes: a stack costs its globs, and no regular expression.
 * Pure but for memory: time comes in.
 */
#ifndef USER_DAEMON_POLICY_H
#define USER_DAEMON_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "growth/snapshot.h"
#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "report/alert.h"
#include "target/rules.h"

#define POLICY_MAX		256 /* of both kinds together */
#define POLICY_PROCESSES_MAX	64
#define POLICY_REASON_BYTES_MAX 256

/* 0: not set. */
struct policy_thresholds {
	double after_sec; /* wait_sec of struct detect_limits */
	uint64_t min_growth_bytes;
	uint64_t min_rate_bytes; /* a second */
};

struct policy_section {
	struct rule *rule; /* of the kind RULES_ALERT or RULES_SUPPRESS */
	struct policy_thresholds thresholds; /* of an alert section */
	char *reason; /* of a suppression; these two are NULL and 0 until they are set */
	double until_sec; /* Unix time */
	char *where; /* "/etc/pygrowd/pygrowd.conf:17" */
};

void policy_section_done(struct policy_section *s); /* leaves an empty one */

struct policy;

int policy_new(struct policy **ret); /* 0 or -ENOMEM */
void policy_free(struct policy *p);
DEFINE_CLEANUP(struct policy *, policy_free)

/* Takes the section over if it succeeds, and leaves an empty one; it replaces one of the same kind
 * and name. -EINVAL: it has no condition, or lacks what its kind must have; -ENOSPC: POLICY_MAX are
 * there; `why` says so. */
int policy_put(struct policy *p, struct policy_section *s, struct strbuf *why);

/* Of a stack; NULL: no section matches. Good until the policy is freed. A policy that is NULL has
 * no sections. */
const struct policy_thresholds *policy_thresholds(struct policy *p,
						  const struct snapshot_process *process,
						  const struct snapshot_stack *stack);
const struct alert_suppression *policy_suppression(struct policy *p,
						   const struct snapshot_process *process,
						   const struct snapshot_stack *stack,
						   double now_sec);
/* The next suppression that has ended by now; each is told once. NULL: no more. */
const struct policy_section *policy_ended_next(struct policy *p, double now_sec);

#endif
