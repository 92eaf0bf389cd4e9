/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/judge.h — brings growth/detect.h to life: one detector for each stack that holds
 * something, and one for each process, fed once an interval.
 *
 *   gather ─► snapshot ─┐                      ┌─► judge_put     verdicts into a snapshot
 *         └─► births ───┴─► judge_tick: points ┴─► judge_causes  ─► report/alert.h
 *
 * Ages come from samples and from the kernel's rows of followed blocks. Where every block is
 * followed the kernel counts what a stack has taken, too.
 *
 * Thresholds are a stack's own: whoever made the judge says which (judge_limits_t), when a stack is
 * new, and again after judge_set_limits. A stack whose thresholds change then begins anew, and no
 * other.
 *
 * A process that ends gives its memory back, but a service that leaks is restarted, and that must
 * not end the alert: a detector that says "growing" waits for settle_sec for a stack of the same
 * id in a process of the same service (elsewhere: command line) and interpreter, and goes on there.
 * What is quiet is forgotten with its process.
 *
 * Limits: a stack is judged once it holds JUDGE_BYTES_MIN, and JUDGE_STACKS_MAX at a time (2.4 KiB
 * each). Beyond that one takes the place of a quiet one that holds less than half as much, or is
 * not judged, which is counted. Time comes in as an argument.
 */
#ifndef USER_DAEMON_JUDGE_H
#define USER_DAEMON_JUDGE_H

#include "daemon/gather.h"
#include "growth/detect.h"
#include "growth/snapshot.h"
#include "report/alert.h"

#define JUDGE_STACKS_MAX 4096
#define JUDGE_BYTES_MIN	 8192

struct judge;

/* The limits of a stack: those of the judge, but for wait_sec, min_growth_bytes and
 * min_bytes_per_sec. They must pass detect_limits_check. */
typedef struct detect_limits (*judge_limits_t)(void *userdata, const struct snapshot_process *p,
					       const struct snapshot_stack *s);

/* limits must pass detect_limits_check. 0 or -ENOMEM. */
int judge_new(const struct detect_limits *limits, struct judge **ret);
void judge_free(struct judge *j);
DEFINE_CLEANUP(struct judge *, judge_free)
/* Who is asked for the limits of a stack; NULL: all have those of the judge. */
void judge_set_rules(struct judge *j, judge_limits_t limits_of, void *userdata);
/* Limits or rules are others: of stacks whose limits change by that, histories are forgotten,
 * verdicts "growing" stay (detect_restart). */
void judge_set_limits(struct judge *j, const struct detect_limits *limits);

/* Several points a bin are enough: has it been long enough since the last judge_tick? */
bool judge_is_due(const struct judge *j, double now_sec);
/* now_sec: monotonic, of the moment that the snapshot was taken at. births are sorted here. Out of
 * memory: what could not be judged is counted. */
void judge_tick(struct judge *j, const struct snapshot *s, struct gather_birth *births,
		size_t n_births, double now_sec);
/* is_judged and verdict of each stack that is. */
void judge_put(const struct judge *j, struct snapshot *s);
/* Every stack that grows or has settled, of a snapshot after judge_put; the array is the caller's,
 * and good as long as snapshot and judge stay as they are. 0 or -ENOMEM. */
int judge_causes(const struct judge *j, const struct snapshot *s, struct alert_cause **ret,
		 size_t *ret_n);
/* What grows, as a list for the next daemon (judge_keep.c), the caller's; NULL: out of memory.
 * to_unix_sec: what is to be added to monotonic time. */
json_object *judge_keep_new(const struct judge *j, double now_sec, double to_unix_sec);
/* Of such a list, before the first tick: each waits, as if its process had ended now, and goes on
 * in the stack that comes; none comes: it has stopped, or its process has ended. How many there
 * are; *ret_bad grows by what makes no sense, or has no room. */
size_t judge_keep_load(struct judge *j, json_object *list, double now_sec, double to_unix_sec,
		       uint64_t *ret_bad);
/* Another number when something has begun to grow, does not grow any more, or waits. */
uint64_t judge_keep_mark(const struct judge *j);
/* So often a stack was not judged in an interval, for want of room. */
uint64_t judge_lost(const struct judge *j);

#endif
