/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/turn.c — whose turn is it: a window is planned and opened, and its result taken. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/windows_internal.h"
#include "lib/clock.h"
#include "lib/log.h"

#define WALK_OF	       4 /* leaves that are not suspect: one whole stack in this many, */
#define WALK_NS	       2000.0 /* or more of them, where the trap takes its time anyway */
#define COUNT_HITS_MAX 4000
#define LET_OFF_EVERY_NS                                                        \
	30000000 /* of the target's CPU time: it must be running to be measured \
		  */
#define LET_OFF_PART   0.5 /* of what a new target is let off with, that is kept for later */
#define WORK_MIN_NS    20000.0 /* less of the target's work in a window says nothing: carried on */
#define BACKLOG_PART   0.2 /* of the time before windows, that each window stands for */
#define CALM_HEAVY     0.3 /* share of traps in the CPU time of windows: not calm at all */
#define MEASURE_EVERY  8 /* windows; in one of them the kernel takes the time of our programs */
#define COST_NEWS      0.3 /* weight of a measurement */
#define COST_SCALE_MIN 0.5
#define COST_SCALE_MAX 4.0
#define MEASURE_HITS   500 /* hits that such a measurement must have */
#define FAILED_SEC     1.0 /* until a window is tried again that could not be opened */

/* Of leaves that are not suspect one whole stack is walked in so many. That is half of what a hit
 * costs where a trap takes 0.5 µs, and a third where it takes 5. */
static uint32_t walk_of(const struct windows *w)
{
	return (uint32_t)fmin(fmax(round(WALK_NS / probes_trap_ns(w->probes)), 1), WALK_OF);
}

/* ── a window: planning ───────────────────────────────────────────────────────────────────── */

static void start(struct windows *w, struct lens *l, struct shutter_plan *plan)
{
	int r = lens_prepare(l);

	if (r < 0) {
		log_debug(r, "open a window of pid %d, skipping", l->watch->pid);
		windows_pay(w, l, 0, 0);
		return;
	}
	plan->target = always_target(w, l);
	plan->sites = &l->watch->sites;
	plan->skip_chunks = !l->watch->has_glibc;
	plan->n_tids = cpuclock_threads(l->watch->pid, plan->tids);
	plan->walk_of = walk_of(w);
	plan->capture = plan->kind == PGD_GATE_SAMPLE ? capture_run : NULL;
	plan->userdata = w->capture;
	w->capture->liveness = l->capture_liveness;
	sampler_open(w->sampler, l, w->capture);
	w->open = l;
	w->is_measuring = plan->kind == PGD_GATE_SAMPLE && ++w->n_windows % MEASURE_EVERY == 1;
	if (w->is_measuring) {
		probes_measure_runs(w->probes, true);
		for (int i = 0; i < WINDOW_PROG_MAX; i++)
			probes_runs(w->probes, i, &w->runs[i]);
	}
	windows_take_hits(w, l);
	l->opened_cpu_ns = lens_cpu_ns(l);
	shutter_start(w->shutter);
}

static void plan_count(struct shutter_plan *plan, uint64_t hits_max, uint64_t wall_max_ns,
		       uint64_t cpu_max_ns)
{
	plan->kind = PGD_GATE_COUNT;
	plan->hits_max = hits_max;
	plan->wall_max_ns = wall_max_ns;
	plan->cpu_max_ns = cpu_max_ns;
}

static void plan_sample(struct windows *w, struct lens *l, struct shutter_plan *plan,
			const struct budget_window *limits)
{
	uint16_t minute = (uint16_t)(clock_monotonic_sec() / 60);
	struct pace_cost cost = windows_cost(w, l);

	plan->kind = PGD_GATE_SAMPLE;
	plan->hits_max = (uint64_t)((double)limits->loss_max_ns / cost.alloc_ns);
	plan->wall_max_ns = limits->wall_max_ns;
	plan->cpu_max_ns = 0;
	lens_set_odds(l);
	lens_draw_sites(l, plan->on);
	for (size_t i = 0; i < PGD_SUSPECTS_MAX; i++)
		w->shared.suspects[i] = l->suspects[i] > minute;
}

/* Whoever is not understood yet goes first: nothing can be said of it, or at what cost. */
static bool scout_somebody(struct windows *w, struct shutter_plan *plan)
{
	for (size_t i = 0; i < w->n_lenses; i++) {
		struct lens *l = w->lenses[i];
		struct pace_cost cost, always;

		if (l->state != LENS_SCOUTING || windows_is_gone(l) ||
		    clock_monotonic_sec() < l->scout_after_sec)
			continue;
		cost = windows_cost(w, l);
		always = windows_always_cost(w, l);
		if (lens_always_share(l, &always) > w->share)
			lens_scout_no_frees(l);
		if (!lens_scout_plan(l, plan->on)) {
			regime_settle(w, l);
			continue;
		}
		plan_count(plan, lens_scout_hits(&cost), LENS_SCOUT_WALL_NS, 0);
		w->purpose = WINDOWS_SCOUT;
		start(w, l, plan);
		return true;
	}
	return false;
}

/* Has somebody calmed down, so that all its sites could be on? Asked less and less often. */
static bool calm_somebody(struct windows *w, struct shutter_plan *plan)
{
	double now_sec = clock_monotonic_sec();

	for (size_t i = 0; i < w->n_lenses; i++) {
		struct lens *l = w->lenses[i];

		if (l->state != LENS_WINDOWS || windows_is_gone(l) || now_sec < l->calm_due_sec)
			continue;
		l->calm_wait_sec = fmin(2 * l->calm_wait_sec, LENS_CALM_MAX_SEC);
		l->calm_due_sec = now_sec + l->calm_wait_sec;
		if (l->pace.heaviness > CALM_HEAVY && lens_is_running(l, now_sec))
			continue; /* its windows have just said that it has not */
		lens_busy_sites(l, plan->on);
		plan_count(plan, LENS_CALM_HITS, LENS_SCOUT_WALL_NS, 0);
		w->purpose = WINDOWS_CALM;
		start(w, l, plan);
		return true;
	}
	return false;
}

/* Until it is known how fast a target is, nothing can be said of it: what a new one is let off with
 * goes into that first. */
static struct lens *new_lens(const struct windows *w)
{
	for (size_t i = 0; i < w->n_lenses; i++) {
		struct lens *l = w->lenses[i];

		if (l->state == LENS_WINDOWS && !windows_is_gone(l) &&
		    clock_monotonic_sec() >= l->scout_after_sec && pace_is_wanting(&l->pace) &&
		    lens_cpu_ns(l) - l->opened_cpu_ns > LET_OFF_EVERY_NS &&
		    budget_entry_ns(w->budget, l->watch->slot) > LET_OFF_PART * BUDGET_ENTRY_NS)
			return l;
	}
	return NULL;
}

static struct lens *next_lens(struct windows *w, struct budget_window *ret)
{
	struct lens *l = new_lens(w);
	uint32_t slot;

	w->is_let_off = l;
	*ret = (struct budget_window){ BUDGET_LOSS_MAX_NS, BUDGET_WALL_MAX_NS };
	if (l || !budget_next(w->budget, clock_monotonic_ns(), &slot, ret))
		return l;
	l = windows_lens_of_slot(w, slot);
	if (l && l->state == LENS_WINDOWS && !windows_is_gone(l))
		return l;
	budget_window_done(w->budget, slot, clock_monotonic_ns(), 0, 0);
	return NULL;
}

void turn_next(struct windows *w)
{
	struct shutter_plan *plan = shutter_plan(w->shutter);
	struct budget_window limits;
	struct lens *l;

	if (!plan || w->open || scout_somebody(w, plan) || calm_somebody(w, plan))
		return;
	l = next_lens(w, &limits);
	if (!l)
		return;
	lens_busy_sites(l, plan->on);
	if (pace_wants_count(&l->pace, plan->on, l->watch->n_windows)) {
		memcpy(plan->on, l->pace.is_ref[l->pace.turn], sizeof(plan->on));
		plan_count(plan, COUNT_HITS_MAX, limits.wall_max_ns,
			   (uint64_t)pace_count_ns(&l->pace));
		w->purpose = WINDOWS_RATE;
	} else {
		plan_sample(w, l, plan, &limits);
		w->purpose = WINDOWS_SAMPLE;
	}
	start(w, l, plan);
}

/* ── a window: its result ─────────────────────────────────────────────────────────────────── */

/* What our programs take a hit, if the window's hits are most of what was measured. */
static void turn_measure_done(struct windows *w, const struct shutter_result *r)
{
	double trap_ns = probes_trap_ns(w->probes), loss_ns, scale;
	struct probes_runs alloc, frees;
	struct pace_cost cost = w->cost;

	if (!w->is_measuring)
		return;
	w->is_measuring = false;
	probes_measure_runs(w->probes, false);
	if (probes_runs(w->probes, WINDOW_ON_ALLOC, &alloc) < 0 ||
	    probes_runs(w->probes, WINDOW_ON_FREE, &frees) < 0)
		return;
	alloc.n -= w->runs[WINDOW_ON_ALLOC].n;
	frees.n -= w->runs[WINDOW_ON_FREE].n;
	alloc.ns -= w->runs[WINDOW_ON_ALLOC].ns;
	frees.ns -= w->runs[WINDOW_ON_FREE].ns;
	if (r->gate.allocs > MEASURE_HITS && r->gate.allocs > alloc.n / 2)
		cost.alloc_ns = trap_ns + (double)alloc.ns / (double)alloc.n;
	if (r->gate.frees > MEASURE_HITS && r->gate.frees > frees.n / 2)
		cost.free_ns = trap_ns + (double)frees.ns / (double)frees.n;
	/* What a program takes is measured by the clock on the wall, which also runs while somebody
	 * else has the CPU: all hits together cannot have cost more CPU time than was used. */
	loss_ns = (double)r->gate.allocs * cost.alloc_ns + (double)r->gate.frees * cost.free_ns;
	scale = fmin(1, (double)r->cpu_ns / loss_ns);
	if (!(loss_ns > 0) || r->is_late)
		return;
	w->cost.alloc_ns += COST_NEWS * (cost.alloc_ns * scale - w->cost.alloc_ns);
	w->cost.free_ns += COST_NEWS * (cost.free_ns * scale - w->cost.free_ns);
}

/* A window that is nearly all trap says what the traps cost: all that is not work. */
static void learn_cost(const struct windows *w, struct lens *l, const struct shutter_result *r,
		       double work_ns)
{
	double model_ns = windows_loss(w, l, r) / l->cost_scale;
	double scale = ((double)r->cpu_ns - work_ns) / model_ns;

	if (l->pace.heaviness < 0.5 || !(model_ns > 0) || !isfinite(scale) ||
	    isnan(pace_rate(&l->pace)))
		return;
	scale = fmin(fmax(scale, COST_SCALE_MIN), COST_SCALE_MAX);
	l->cost_scale += COST_NEWS * (scale - l->cost_scale);
}

static void take_samples(struct windows *w, struct lens *l, const struct shutter_result *r,
			 const struct pace_window *pw)
{
	struct pace_cost cost = windows_cost(w, l);
	double work_ns = pace_sample(&l->pace, pw, &cost);
	uint64_t cpu_ns = lens_cpu_ns(l);
	double stands_for_ns = (double)(cpu_ns - l->cpu_ns) - l->traps_ns;
	struct lens_window sw = { .walk_of = walk_of(w),
				  .pending = l->pace.pending,
				  .n_walked = r->gate.walked };

	log_debug(
		0,
		"pid %d: %.3f ms of work, standing for %.1f ms; %.0f allocations a second ±%.1f %%",
		l->watch->pid, work_ns / 1e6, stands_for_ns / 1e6, pace_rate(&l->pace),
		pace_error(&l->pace) * 100);
	learn_cost(w, l, r, work_ns);
	l->samples += r->gate.sampled;
	l->gate_sec += (double)r->gate_ns / WINDOWS_NS_PER_SEC;
	if (w->capture->error)
		log_debug(w->capture->error, "look at the blocks of a window of pid %d, skipping",
			  l->watch->pid);
	if (!(work_ns >= WORK_MIN_NS) || !r->gate.sampled || w->capture->error)
		return; /* the next window stands for this time too */
	l->n_samplings++;
	stands_for_ns += l->backlog_ns * BACKLOG_PART;
	l->backlog_ns -= l->backlog_ns * BACKLOG_PART;
	sw.number = l->n_samplings;
	sw.span_ns = stands_for_ns;
	sw.from_cpu_ns = l->cpu_ns;
	sw.to_cpu_ns = cpu_ns;
	sw.weight =
		fmax(stands_for_ns / work_ns * (double)r->gate.allocs / (double)r->gate.sampled, 1);
	sampler_window(w->sampler, l, w->capture, &sw, clock_monotonic_sec());
	lens_window_done(l, shutter_plan(w->shutter)->on, r->site_hits,
			 work_ns / WINDOWS_NS_PER_SEC);
	l->cpu_ns = cpu_ns;
	l->sampled_sec = clock_monotonic_sec();
	l->traps_ns = 0;
}

/* How fast the target was about the last sampling windows is known only now. */
static void take_count(const struct windows *w, struct lens *l, const struct pace_window *pw)
{
	const struct pace_cost cost = windows_cost(w, l);
	struct pace_settlement settlement;

	pace_count(&l->pace, pw, &cost);
	if (pace_settle(&l->pace, &settlement))
		sampler_settle(w->sampler, l, &settlement);
}

static const char *const purpose_name[] = { [WINDOWS_SAMPLE] = "sample",
					    [WINDOWS_RATE] = "count",
					    [WINDOWS_SCOUT] = "scout",
					    [WINDOWS_CALM] = "calm" };

void turn_result(struct windows *w)
{
	const struct shutter_result *r = shutter_take(w->shutter);
	struct lens *l = w->open;
	struct pace_window pw;
	struct pgd_hits hits;
	double loss_ns, all_ns;

	if (!r)
		return;
	turn_measure_done(w, r);
	if (!l)
		return;
	hits = windows_take_hits(w, l);
	/* All hits together cannot have cost more CPU time than was used. */
	loss_ns = fmin(windows_loss(w, l, r), (double)r->cpu_ns);
	all_ns = loss_ns + windows_shut_cost(w, l, r, &hits);
	w->open = NULL;
	l->traps_ns += all_ns;
	l->watch->n_windows++;
	if (r->error && r->error != -ESRCH) {
		l->watch->lost_here[PGD_COUNTER_WINDOW_FAILED]++;
		log_about_full(l->watch->pid, NULL, LOG_LEVEL_ERR, r->error,
			       "open a window of pid %d, skipping", l->watch->pid);
	}
	if (r->error || r->is_late)
		l->scout_after_sec = clock_monotonic_sec() + FAILED_SEC;
	if (r->is_late)
		l->watch->lost_here[PGD_COUNTER_WINDOW_LATE]++;
	log_debug(
		0,
		"pid %d: window %llu, %s: %llu allocs, %llu frees, %llu sampled, %llu walked, cpu "
		"%.2f ms, gate %.2f ms, loss %.2f ms, all %.2f ms, own %.2f ms",
		l->watch->pid, (unsigned long long)r->window, purpose_name[w->purpose],
		(unsigned long long)r->gate.allocs, (unsigned long long)r->gate.frees,
		(unsigned long long)r->gate.sampled, (unsigned long long)r->gate.walked,
		(double)r->cpu_ns / 1e6, (double)r->gate_ns / 1e6, loss_ns / 1e6, all_ns / 1e6,
		(double)r->own_ns / 1e6);
	if (w->purpose == WINDOWS_SCOUT || w->purpose == WINDOWS_CALM) {
		const struct pace_cost cost = windows_cost(w, l);

		windows_pay(w, l, all_ns, (double)r->own_ns);
		if (!r->error && !r->is_late && w->purpose == WINDOWS_SCOUT)
			lens_scout_done(l, shutter_plan(w->shutter)->on, r, &cost);
		else if (!r->error && !r->is_late)
			regime_calm_done(w, l, r);
		turn_next(w);
		return;
	}
	windows_pay(w, l, loss_ns, all_ns - loss_ns + (double)r->own_ns);
	pw = (struct pace_window){ r->gate.allocs, r->gate.frees, r->cpu_ns, r->site_hits };
	if (r->error || r->is_late)
		return;
	if (r->kind == PGD_GATE_COUNT)
		take_count(w, l, &pw);
	else
		take_samples(w, l, r, &pw);
}
