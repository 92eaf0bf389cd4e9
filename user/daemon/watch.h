/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/watch.h — one watched process, from its PID to its sites going on, and off again. */
#ifndef USER_DAEMON_WATCH_H
#define USER_DAEMON_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "pgd_abi.h"
#include "sample/symbolize.h"
#include "target/discover.h"
#include "target/gcstate.h"
#include "target/probes.h"
#include "target/procfs.h"
#include "target/procmem.h"
#include "target/pyruntime.h"
#include "target/sites.h"
#include "target/window.h"

#define WATCH_ANCESTORS_MAX 16 /* the nearest ones */

enum watch_regime {
	WATCH_ON = 0, /* observed: always, or through windows */
	WATCH_GONE, /* exited, killed or replaced itself: what was seen stays */
	WATCH_REGIME_MAX
};

struct watch {
	pid_t pid;
	int pidfd;
	uint32_t slot;
	uint64_t start_ticks; /* with the PID: which process this is */
	uint64_t stack_start; /* address of its stack: another one after exec */
	enum watch_regime regime;
	char why[192]; /* one sentence: why gone, or a warning; "" */

	struct procmem mem;
	struct pyruntime runtime;
	struct symbolize *symbolize;
	struct sites sites;
	struct window window;
	char *path; /* of the interpreter, as we can open it */
	bool has_gc; /* collections can be counted */
	bool has_gc_gaps; /* its probes were off at times: who freed a block then is not known */
	struct gcstate gcstate;
	uint32_t fulls; /* full collections, as of this tick */
	bool has_glibc; /* blocks over 512 bytes can be followed */

	/* for status */
	char comm[PROCFS_COMM_BYTES];
	char *cmdline, *unit; /* unit may be NULL */
	int64_t uid; /* who may see cmdline: owner of /proc/PID; -1: not known */
	/* for sections about alerts, as in procfs_facts */
	char user[PROCFS_USER_BYTES]; /* who runs it; "": not known */
	char *cgroup, *container; /* may be NULL */
	char *service; /* cgroup of its service or container (procfs_service), or NULL */
	pid_t pid_inside; /* in its own PID namespace, or -1: not known, or the same */
	pid_t ancestors[WATCH_ANCESTORS_MAX]; /* when it was opened; its parent is the first */
	size_t n_ancestors;
	char build_id[72];
	uint64_t lost_here[PGD_COUNTER_MAX]; /* counted by the daemon; the kernel has its own */
	double opened_sec, gone_sec; /* monotonic */
	uint64_t n_windows; /* opened so far */
	double overhead; /* share of its CPU time that went into us; NAN: not known */
	uint64_t last_cpu_ticks, last_hits;
	double coverage_allocs, coverage_frees; /* NAN: not known */
	char coverage_why[128];
	unsigned selftest_tries, selftest_failures;
};

struct watch_options {
	const struct procfs *fs;
	struct procfs_users *users;
	const char *state_dir; /* of the site cache; NULL: no cache */
};

/* Find the interpreter, its layout and its sites; give it a slot. Nothing is attached yet.
 * 0, or -errno with one clear sentence in `why`. */
int watch_open(struct probes *p, pid_t pid, const struct watch_options *o, struct watch **ret,
	       struct strbuf *why);
/* Sites off, slot given back. */
void watch_close(struct probes *p, struct watch *w);

/* These sites on, into w->window, whatever becomes of us meanwhile (shelter.h). 0 or -errno. */
int watch_put_on(struct probes *p, struct watch *w, const struct window_target *t,
		 const struct window_pick *pick);
/* Sites on; and off (idempotent: the slot and what was gathered stay). */
int watch_attach(struct probes *p, struct watch *w, struct strbuf *why);
void watch_detach(struct watch *w);

/* Has it gone, or become another program? Once per tick; sets regime and why, takes the sites off.
 */
void watch_check(struct probes *p, const struct procfs *fs, struct watch *w);
/* Sites passed so far, of all kinds. */
uint64_t watch_hits(const struct probes *p, const struct watch *w);
/* New overhead figure from what happened since the last call. ns_per_hit: of our programs. */
void watch_measure(struct probes *p, const struct procfs *fs, struct watch *w, double ns_per_hit);
/* The first stacks of a process are walked from outside as well: both walks must end in the same
 * outermost frame. */
void watch_selftest(struct watch *w, const struct pgd_stack_event *event);

#endif
