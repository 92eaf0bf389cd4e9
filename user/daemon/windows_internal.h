/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/windows_internal.h — what the files behind windows.h share.
 *
 *   windows.c       targets come and go, the beat, what is said of them
 *   turn.c          whose turn is it: a window is planned, opened, and its result taken
 *   regime.c        from one state of a lens to another, and why
 *   always.c        sites that are always on, and what they may cost
 *   windows_cost.c  what hits cost, and what the budget pays
 */
#ifndef USER_DAEMON_WINDOWS_INTERNAL_H
#define USER_DAEMON_WINDOWS_INTERNAL_H

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/lens.h"
#include "daemon/windows.h"
#include "target/shutter.h"

#define WINDOWS_NS_PER_SEC     1e9
/* Nanoseconds of our programs where every block is followed, with its whole stack and the live map;
 * docs/OVERHEAD.md measures them. */
#define WINDOWS_EXACT_ALLOC_NS 1600.0
#define WINDOWS_EXACT_FREE_NS  600.0
/* At a site that other targets of the same binary have on as well, the kernel asks for each of them
 * at every trap whether it is meant. Nearly all of it is waiting for memory: docs/OVERHEAD.md. */
#define WINDOWS_BESIDE_NS      50.0
#define WINDOWS_BIRTH_OWN_NS   6000.0 /* of our own CPU: a rare site's block, from ring to sample */
#define WINDOWS_RARE_SHARE     0.1 /* of the budget, for rare sites that are always on */
#define WINDOWS_FLOOR_SHARE    0.001 /* of a core: who allocates so little is followed */

/* What a window is for. */
enum windows_purpose {
	WINDOWS_SAMPLE = 0,
	WINDOWS_RATE, /* how fast is the target really? */
	WINDOWS_SCOUT, /* which sites are busy? */
	WINDOWS_CALM, /* are they still? */
};

struct windows {
	struct probes *probes;
	struct probes_shared shared;
	struct sampler *sampler;
	struct budget *budget;
	struct shutter *shutter;
	struct capture *capture;
	struct window closing; /* links that the guard has still to close */
	uint32_t always_slot; /* whose links the guard for what is always on had to do with last, */
	uint64_t always_cpu_ns; /* and what CPU time it had used when it was asked last */
	struct ring_buffer *births;
	struct lens **lenses;
	size_t n_lenses;
	struct pace_cost cost; /* of a hit where no other target is asked for */
	struct lens *open; /* whose window is open; NULL: nobody's, or it was given up meanwhile */
	enum windows_purpose purpose; /* of that window */
	bool is_let_off; /* it is no turn of the budget's: a new target's */
	bool is_measuring;
	struct probes_runs runs[WINDOW_PROG_MAX]; /* when it was opened */
	uint64_t n_windows;
	double share, new_sec;
};

static inline bool windows_is_gone(const struct lens *l)
{
	return l->watch->regime == WATCH_GONE;
}

static inline struct lens *windows_lens_of_slot(const struct windows *w, uint32_t slot)
{
	for (size_t i = 0; i < w->n_lenses; i++)
		if (w->lenses[i]->watch->slot == slot)
			return w->lenses[i];
	return NULL;
}

/* ── windows_cost.c ─── */
/* What hits in windows of this target cost, each. */
struct pace_cost windows_cost(const struct windows *w, const struct lens *l);
/* If its every block were followed. */
struct pace_cost windows_always_cost(const struct windows *w, const struct lens *l);
/* These hits without a window: whose every block is followed, or at rare sites, whose stacks are
 * walked, too. */
double windows_hit_cost(const struct windows *w, const struct lens *l, const struct pgd_hits *hits);
/* Hits of a window: with its gate open; and of all of these those that met it shut, as sites went
 * on or came off, which do little more than trap. */
double windows_loss(const struct windows *w, const struct lens *l, const struct shutter_result *r);
double windows_shut_cost(const struct windows *w, const struct lens *l,
			 const struct shutter_result *r, const struct pgd_hits *hits);
/* Hits since the last call. */
struct pgd_hits windows_take_hits(struct windows *w, struct lens *l);
/* The open window is over: what its traps have cost, and all else. */
void windows_pay(struct windows *w, const struct lens *l, double loss_ns, double extra_ns);

/* ── always.c ─── */
/* All links that are always on come off: the guard closes them, a part at each always_beat(). */
void always_take_off(struct windows *w, struct lens *l);
/* Those whose rare sites are not all rare any more. */
void always_take_off_busy(struct windows *w, struct lens *l);
void always_beat(struct windows *w);
struct window_target always_target(const struct windows *w, const struct lens *l);
/* The collector's sites: on for the first time; what they have cost since the last beat, and on or
 * off by that; they have cost too much. */
int always_put_on_gc(struct windows *w, struct lens *l);
double always_tend_gc(struct windows *w, struct lens *l, uint64_t cpu_ns);
void always_trip_gc(struct windows *w, struct lens *l);
/* Rare sites, a group at a time; all sites: 0, -EBUSY: the guard is; -errno. */
void always_put_on_rare(struct windows *w, struct lens *l);
int always_put_on_all(struct windows *w, struct lens *l);
/* The bucket: full; and what it has earned since the last time, less what was spent. False: empty.
 */
void always_fill(struct windows *w, struct lens *l);
bool always_tend(struct windows *w, struct lens *l, double cost_ns);
/* What is in it now, for the kernel to count down. */
void always_set_trip(struct windows *w, const struct lens *l);
/* Hits that rare sites may have in so much of the target's CPU time. */
double always_rare_may(const struct windows *w, const struct lens *l, double work_ns);
uint32_t *always_rare_hits(const struct windows *w, const struct lens *l);

/* ── regime.c ─── */
void regime_look_at_new(struct windows *w, struct lens *l);
void regime_always(struct windows *w, struct lens *l);
/* ALWAYS: its sites go on, now that the guard has time. */
void regime_go_on(struct windows *w, struct lens *l);
void regime_settle(struct windows *w, struct lens *l);
void regime_trip(struct windows *w, struct lens *l);
/* What was followed in those that have left ALWAYS becomes samples. */
void regime_import(struct windows *w);
/* A counting window with all busy sites on: could they be on always? */
void regime_calm_done(struct windows *w, struct lens *l, const struct shutter_result *r);

/* ── turn.c ─── */
void turn_next(struct windows *w);
/* The window that is over, if one is. */
void turn_result(struct windows *w);

#endif
