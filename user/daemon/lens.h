/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/lens.h — how one target is observed within the budget: which of its sites are on
 * when.
 *
 *             scouting                        are the busy sites few hits?
 *   UNKNOWN ────────────► RARE  always on ◄──────── yes: ALWAYS, every block followed, exact
 *                    ├──► BUSY  in windows ◄─────── no:  WINDOWS, blocks sampled
 *                    └──► OFF   never: hits that say next to nothing
 *
 *   NEW ──► ALWAYS ◄──► WINDOWS ◄── SCOUTING ◄── NEW, or a trip (load jumps) the first time
 */
#ifndef USER_DAEMON_LENS_H
#define USER_DAEMON_LENS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "daemon/gcwatch.h"
#include "daemon/watch.h"
#include "pgd_abi.h"
#include "sample/liveness.h"
#include "target/pace.h"
#include "target/shutter.h"
#include "target/window.h"

enum lens_site {
	LENS_SITE_UNKNOWN = 0,
	LENS_SITE_RARE,
	LENS_SITE_BUSY,
	LENS_SITE_OFF,
	LENS_SITE_MAX
};

enum lens_state {
	LENS_NEW = 0, /* is it idle? seen by its CPU clock, for LENS_NEW_SEC */
	LENS_SCOUTING, /* counting windows, some sites at a time */
	LENS_ALWAYS,
	LENS_WINDOWS,
	LENS_STATE_MAX
};

#define LENS_RARE_GROUPS 32 /* beyond, what comes off stays off */

struct lens {
	struct watch *watch;
	enum lens_state state;
	uint8_t sites[PGD_SITES_MAX]; /* enum lens_site */
	float rates[PGD_SITES_MAX]; /* hits a second of CPU time, where known */
	float odds[PGD_SITES_MAX]; /* of a busy site: to be on in a window */
	struct window always; /* the links of all its sites, if they are always on */
	struct gcwatch *gc; /* NULL: its collector's sites were not found */
	bool is_going_on; /* ALWAYS, but its sites are not on yet */
	bool is_to_import; /* it has left ALWAYS, with blocks that are followed: regime_import() */
	double tried_sec; /* monotonic: when it was put into ALWAYS without being scouted; 0: never
			   */
	double new_share; /* of a core, used while it was new; 0: it is no more */
	bool was_cut; /* the last scouting window was, by its hits */
	bool is_scouted; /* sites[] is known, from now or from before */
	/* Rare sites go on by groups, each with links of its own: one that turns busy takes no
	 * others off. */
	struct window rare[LENS_RARE_GROUPS];
	uint8_t rare_group[PGD_SITES_MAX]; /* of a site that is on: from 1; 0: it is not */
	/* Of a rare site that turned busy and came off: the target's CPU clock at the last window
	 * before. It is on in the next one for certain, and its samples there stand for all the
	 * time between, as those of other sites do, which can be more than one window's: what
	 * begins to grow is taken at such sites. 0: it has been on in a window. */
	uint64_t came_off_cpu_ns[PGD_SITES_MAX];
	clockid_t cpu_clock; /* of the target */
	uint32_t binary; /* a number that targets of the same binary have in common */
	size_t n_beside; /* others of them that have all sites on now */
	/* What sites that are always on may still cost: a bucket that fills by the budget. When it
	 * is empty they come off. */
	double bucket_ns;
	double scout_after_sec; /* monotonic: a window failed, not at once again */
	double coming_off_sec; /* monotonic: sites that were taken off may still be hit until then
				*/
	uint64_t beat_ns, beat_cpu_ns; /* when it was filled last; the target's CPU clock then */
	uint32_t n_births, n_births_seen; /* blocks of rare sites */
	/* Made when they are needed first: half a MiB each. The second is the shutter's thread's.
	 */
	struct liveness *liveness, *capture_liveness;
	struct pace pace;
	uint64_t n_samplings; /* windows that sampled; the number of the last one */
	double began_sec; /* when WINDOWS began; monotonic */
	uint64_t opened_cpu_ns; /* the target's CPU clock when its last window was opened */
	uint64_t filled_cpu_ns; /* the target's CPU clock when the rare sites' hits were last 0 */
	/* CPU time without windows before the first one (scouting, after a trip): windows to come
	 * stand for it, a part each, so that no single one weighs too much. */
	double backlog_ns;
	/* What hits really cost here, over what was measured of them: caches and branch predictors
	 * of a busy program suffer. From windows that are nearly all trap, once the pace is known.
	 */
	double cost_scale;
	/* Since the last sampling window: what this one stands for. */
	uint64_t cpu_ns; /* the target's CPU clock then */
	double sampled_sec; /* when that was; monotonic */
	double traps_ns; /* of it, in our traps */
	struct pgd_hits hits; /* when last asked */
	uint64_t samples; /* blocks sampled, all windows */
	uint32_t n_fulls_looked; /* pgd_gc_trip.n_fulls at the last look at all samples, */
	double look_all_sec; /* and when the next may be; monotonic */
	double calm_due_sec, calm_wait_sec; /* when to see whether it has calmed down; monotonic */
	double overhead; /* when it ended; NAN before */
	double gate_sec; /* time with the gate open, all windows; for the duty */
	uint16_t suspects[PGD_SUSPECTS_MAX]; /* by leaf: minute until which it is suspect; 0: not */
};

int lens_new(struct watch *w, struct lens **ret);
void lens_free(struct lens *l);
DEFINE_CLEANUP(struct lens *, lens_free)

/* See that both liveness are there. 0 or -ENOMEM. */
int lens_prepare(struct lens *l);
/* Did it use much CPU time since the last sampling window, or was there one just now? */
bool lens_is_running(const struct lens *l, double now_sec);
void lens_busy_sites(const struct lens *l, uint8_t on[PGD_SITES_MAX]);
/* CPU time that the target has used so far; 0: it is gone. */
uint64_t lens_cpu_ns(const struct lens *l);

#define LENS_NEW_SEC	0.3
#define LENS_IDLE_SHARE 0.001 /* of a core, and all its sites go on to see whether it is */
#define LENS_BUSY_SHARE 0.05

/* ── scouting ─── */
/* Sites that are busy may be no more: a counting window with them on, now and then, tells. */
#define LENS_CALM_FIRST_SEC 10.0
#define LENS_CALM_MAX_SEC   600.0

#define LENS_SCOUT_SITES   256 /* at a time */
#define LENS_SCOUT_HITS	   8000 /* at most: lens_scout_hits() */
#define LENS_CALM_HITS	   2500
#define LENS_SCOUT_WALL_NS 100000000

/* After so many hits a scouting window is over: a request that meets it waits no longer than in any
 * other window. It has told the sites that are busiest, and the next one goes on without them. */
uint64_t lens_scout_hits(const struct pace_cost *cost);
/* It is too busy for all sites to be on, whatever else there is: then where pool blocks are freed
 * is off, and need not be scouted. */
void lens_scout_no_frees(struct lens *l);
/* Put the next sites to scout into on[]; false: none is unknown any more. */
bool lens_scout_plan(const struct lens *l, uint8_t on[PGD_SITES_MAX]);
/* What a counting window with these sites on has shown. */
void lens_scout_done(struct lens *l, const uint8_t on[PGD_SITES_MAX],
		     const struct shutter_result *r, const struct pace_cost *cost);
/* Everything is to be scouted again. */
void lens_scout_again(struct lens *l);

/* Share of the target's CPU time that it would cost to have all sites on, every block followed. */
double lens_always_share(const struct lens *l, const struct pace_cost *cost);
/* Rare sites have cost too much: those with most of these hits, in so much of the target's CPU
 * time, become busy ones, one at least, until the others have no more than they may. False: none
 * was hit. */
bool lens_promote_rare(struct lens *l, const uint32_t hits[PGD_SITES_MAX], double work_sec,
		       double hits_may);
/* Of the rare sites, those that are hit most become busy ones, until the rest costs this share. */
void lens_limit_rare(struct lens *l, double share, const struct pace_cost *cost);
/* What the odds of busy sites are from now on. Every site that goes on costs a window some 0.08 ms
 * of our CPU, as much as 40 hits, and most of them make next to no allocations: those go on now and
 * then, and their samples weigh more. Sites where libc's blocks go are on in every window, and
 * those that pace counts by. */
void lens_set_odds(struct lens *l);
/* Draw the sites of the next window. */
void lens_draw_sites(const struct lens *l, uint8_t on[PGD_SITES_MAX]);

/* A window, and what its blocks stand for. */
struct lens_window {
	uint64_t number;
	double weight; /* of one block, the walk's chance not counted */
	double span_ns; /* of the target's time */
	uint64_t from_cpu_ns, to_cpu_ns; /* the target's CPU clock then, our traps included */
	uint8_t pending; /* enum pace_pending, of the weight */
	uint32_t walk_of;
	uint64_t n_walked; /* struct pgd_walked: of all that were taken in it */
};

/* What one block of it stands for, the walk's chance and its site's included. */
double lens_weight(const struct lens *l, const struct lens_window *w, uint32_t site, uint32_t walk);
/* All blocks of a window with these sites on have their weight. Hits by site, in so much of the
 * target's work: what scouting said of a site, or how often it was hit as long as it was rare, is
 * of another time. */
void lens_window_done(struct lens *l, const uint8_t on[PGD_SITES_MAX],
		      const uint32_t hits[PGD_SITES_MAX], double work_sec);

#endif
