/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/regime.c — from one state of a lens to another, and why; lens.h draws them. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/windows_internal.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "sample/births.h"

#define IMPORT_MAX     8192 /* blocks followed exactly that are kept as samples, the rest by weight */
#define TRIAL_SEC      1.0 /* a target that does little does it every now and then */
#define TRIALS_MAX     3
#define COMING_OFF_SEC 0.4 /* until the last site of many is off, on a busy machine */

static void regime_windows(struct windows *w, struct lens *l)
{
	struct pace_cost cost = windows_cost(w, l);
	uint8_t on[PGD_SITES_MAX];

	log_debug(0, "pid %d: observed through windows", l->watch->pid);
	lens_busy_sites(l, on);
	if (isnan(pace_rate(&l->pace))) /* else it is better known than by scouting */
		pace_prime(&l->pace, on, l->rates, &cost);
	budget_set_pace(w->budget, l->watch->slot, BUDGET_PACE_FULL);
	l->calm_wait_sec = LENS_CALM_FIRST_SEC;
	l->state = LENS_WINDOWS;
	l->began_sec = clock_monotonic_sec();
	l->calm_due_sec = l->began_sec + l->calm_wait_sec;
	l->backlog_ns += (double)(lens_cpu_ns(l) - l->cpu_ns) - l->traps_ns;
	l->cpu_ns = lens_cpu_ns(l);
	l->traps_ns = 0;
	probes_set_mode(w->probes, l->watch->slot, PGD_MODE_WINDOWS);
	probes_remember_codes(w->probes, l->watch->slot, false);
	always_fill(w, l);
}

/* Nobody may have noticed yet. Its memory goes before its PID does, and before its files. */
static bool has_ended(const struct lens *l)
{
	uint64_t word;

	return procmem_u64(&l->watch->mem, l->watch->runtime.runtime, &word) < 0;
}

void regime_go_on(struct windows *w, struct lens *l)
{
	int r = always_put_on_all(w, l);

	if (r == -EBUSY)
		return; /* the next beat tries again */
	l->is_going_on = false;
	if (r == 0)
		return;
	if (!has_ended(l))
		log_about_full(l->watch->pid, NULL, LOG_LEVEL_ERR, r,
			       "attach %zu sites of pid %d, skipping", l->watch->sites.n,
			       l->watch->pid);
	always_take_off(w, l);
	lens_scout_again(l);
}

void regime_always(struct windows *w, struct lens *l)
{
	log_debug(0, "pid %d: every block is followed", l->watch->pid);
	always_take_off(w, l);
	l->state = LENS_ALWAYS;
	budget_set_pace(w->budget, l->watch->slot, BUDGET_PACE_ALWAYS);
	probes_set_mode(w->probes, l->watch->slot, PGD_MODE_EXACT);
	probes_remember_codes(w->probes, l->watch->slot, true);
	always_fill(w, l);
	l->is_going_on = true;
	regime_go_on(w, l);
}

struct import {
	struct windows *w;
	struct lens *of[PGD_TARGETS_MAX]; /* by slot */
	double weights[PGD_TARGETS_MAX];
	uint64_t now_ns;
};

static int import_block(void *userdata, uint32_t slot, uint64_t block, const struct pgd_live *live)
{
	const struct import *i = userdata;
	struct pgd_sample sample = { .block = block,
				     .stack = live->stack,
				     .bytes = live->bytes,
				     .lane = (uint8_t)live->lane };
	double weight = i->weights[slot], born_sec;

	if (live->is_sampled)
		return 0;
	if (weight > 1 && drand48() * weight >= 1)
		return 1;
	born_sec = births_sec(live->born, probes_born_shift(i->w->probes), i->now_ns);
	/* What was held a moment ago is held now. */
	sampler_add(i->w->sampler, i->of[slot], &sample, weight,
		    fmin(born_sec, (double)i->now_ns / WINDOWS_NS_PER_SEC - SAMPLER_SETTLED_SEC));
	return 0;
}

/* Workers that wake up together trip together. Their sites come off one after the other, so none
 * waits for what was followed in another one; and it is read for all of them in one pass. */
void regime_import(struct windows *w)
{
	struct import i = { .w = w, .now_ns = clock_monotonic_ns() };
	bool is_of[PGD_TARGETS_MAX] = { false }, is_any = false;

	for (size_t k = 0; k < w->n_lenses; k++) {
		struct lens *l = w->lenses[k];
		uint32_t slot = l->watch->slot;
		size_t n;

		if (!l->is_to_import)
			continue;
		l->is_to_import = false;
		n = probes_live_count(w->probes, slot);
		is_any = is_of[slot] = true;
		i.of[slot] = l;
		i.weights[slot] = n > IMPORT_MAX ? (double)n / IMPORT_MAX : 1;
	}
	if (!is_any)
		return;
	probes_live_each(w->probes, is_of, import_block, &i);
	probes_stacks_reset(w->probes, is_of);
}

/* From following every block back to finding out which sites are busy. */
static void regime_leave_always(struct windows *w, struct lens *l)
{
	log_debug(0, "pid %d: too busy to follow every block", l->watch->pid);
	probes_set_mode(w->probes, l->watch->slot, PGD_MODE_WINDOWS);
	probes_remember_codes(w->probes, l->watch->slot, false);
	always_take_off(w, l);
	l->is_to_import = true;
	l->cpu_ns = lens_cpu_ns(l);
	l->traps_ns = l->backlog_ns = 0;
	pace_settle_end(&l->pace);
	sampler_settle(w->sampler, l, &pace_as_they_are);
	if (l->is_scouted)
		regime_windows(w, l);
	else
		lens_scout_again(l);
}

/* Of those that were taken for idle it is not known yet, or it has just turned out wrong, and their
 * sites are still coming off. */
static size_t count_on_trial(const struct windows *w)
{
	double now_sec = clock_monotonic_sec();
	size_t n = 0;

	for (size_t i = 0; i < w->n_lenses; i++) {
		const struct lens *l = w->lenses[i];

		n += l->tried_sec > 0 && !windows_is_gone(l) &&
		     (l->is_going_on || now_sec < l->tried_sec + TRIAL_SEC ||
		      now_sec < l->coming_off_sec);
	}
	return n;
}

/* Is it idle? Then all its sites go on at once, and a trip would tell if that was wrong: of who
 * does a little it would be, at five times what scouting costs. Where forty workers wake up
 * together, it is wrong of all of them, each slowed many times until its turn has come: a few at a
 * time, the others wait. */
void regime_look_at_new(struct windows *w, struct lens *l)
{
	double sec = clock_monotonic_sec() - l->began_sec, share;

	if (sec < LENS_NEW_SEC)
		return;
	share = (double)(lens_cpu_ns(l) - l->cpu_ns) / WINDOWS_NS_PER_SEC / sec;
	if (share >= LENS_IDLE_SHARE) {
		lens_scout_again(l);
		l->new_share = share;
		l->was_cut = share >= LENS_BUSY_SHARE;
	} else if (count_on_trial(w) < TRIALS_MAX) {
		l->tried_sec = clock_monotonic_sec();
		regime_always(w, l);
	}
}

/* All of its sites are known. */
void regime_settle(struct windows *w, struct lens *l)
{
	const struct pace_cost always = windows_always_cost(w, l);
	const struct pace_cost rare = { always.alloc_ns + WINDOWS_BIRTH_OWN_NS, always.free_ns, 0 };
	double share = lens_always_share(l, &always), may = w->share;

	if (l->new_share > 0)
		may = fmax(may, WINDOWS_FLOOR_SHARE / l->new_share);
	l->new_share = 0;
	l->is_scouted = true;
	log_debug(0, "pid %d: all sites always on would cost %.1f %% of its CPU time",
		  l->watch->pid, share * 100);
	if (share < may / 2) {
		regime_always(w, l);
		return;
	}
	lens_limit_rare(l, WINDOWS_RARE_SHARE * w->share / 2, &rare);
	regime_windows(w, l);
}

void regime_calm_done(struct windows *w, struct lens *l, const struct shutter_result *r)
{
	const struct pace_cost cost = windows_cost(w, l), always = windows_always_cost(w, l);
	double always_ns = (double)r->gate.allocs * (always.alloc_ns + always.free_ns) / 2;
	double cpu_ns = (double)r->cpu_ns - (double)r->gate.allocs * cost.count_ns;
	double may_ns = fmax(w->share * cpu_ns, WINDOWS_FLOOR_SHARE * (double)r->gate_ns);

	if (r->gate.allocs < LENS_CALM_HITS && always_ns < may_ns / 2)
		regime_always(w, l);
}

void regime_trip(struct windows *w, struct lens *l)
{
	struct pgd_hits hits = windows_take_hits(w, l);

	budget_spend(w->budget, l->watch->slot, clock_monotonic_ns(),
		     (uint64_t)windows_hit_cost(w, l, &hits));
	if (clock_monotonic_sec() < l->coming_off_sec) {
		always_set_trip(w, l);
		return;
	}
	if (l->state == LENS_ALWAYS) {
		regime_leave_always(w, l);
	} else if (l->state == LENS_WINDOWS) {
		double work_ns = (double)(lens_cpu_ns(l) - l->filled_cpu_ns);

		log_debug(0, "pid %d: rare sites are not, %u births", l->watch->pid, l->n_births);
		if (lens_promote_rare(l, always_rare_hits(w, l), work_ns / WINDOWS_NS_PER_SEC,
				      always_rare_may(w, l, work_ns) / 2)) {
			always_take_off_busy(w, l);
		} else {
			always_take_off(w, l);
			lens_scout_again(l);
		}
	}
	l->coming_off_sec = clock_monotonic_sec() + COMING_OFF_SEC;
	always_fill(w, l);
}
