/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/windows.c — see windows.h, lens.h for what states there are. */
#include <bpf/libbpf.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/lens.h"
#include "daemon/windows.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "target/shutter.h"

#define NS_PER_SEC	1e9
#define BEAT_NS		100000000ULL
#define WALK_OF		4 /* leaves that are not suspect: one whole stack in this many */
#define COUNT_HITS	1200
#define COUNT_WALL_NS	40000000
#define WORK_MIN_NS	20000.0 /* less of the target's work in a window says nothing: carried on */
#define BACKLOG_PART	0.1 /* of the time before windows, that each window stands for */
#define CALM_HEAVY	0.3 /* share of traps in the CPU time of windows: not calm at all */
#define RARE_SHARE	0.1 /* of the budget, for rare sites that are always on */
#define RARE_BATCH	512 /* rare sites that go on at a time: attaching is not free */
#define MEASURE_EVERY	8 /* windows; in one of them the kernel takes the time of our programs */
#define COST_NEWS	0.3 /* weight of a measurement */
#define MEASURE_HITS	500 /* hits that such a measurement must have */
#define ALLOC_RUN_NS	300.0 /* of our programs, until it was measured */
#define FREE_RUN_NS	120.0
#define EXACT_ALLOC_NS	1600.0 /* with the whole stack and the live map; docs/OVERHEAD.md */
#define EXACT_FREE_NS	600.0
#define BIRTH_OWN_NS	6000.0 /* of our own CPU: a block of a rare site, from ring to sample */
#define BURST_NS	20e6 /* that sites which are always on may cost at once, at any budget, */
#define BURST_SEC	0.2 /* or so many seconds' worth of the budget */
#define RARE_BURST_NS	5e6
#define COMING_OFF_SEC	0.4 /* until the last site of many is off, on a busy machine */
#define FLOOR_SHARE	0.001 /* of a core: who allocates so little is followed, however idle it is */
#define IMPORT_MAX	8192 /* blocks followed exactly that are kept as samples, the rest by weight */

/* What a window is for. */
enum purpose {
	PURPOSE_SAMPLE = 0,
	PURPOSE_RATE, /* how fast is the target really? */
	PURPOSE_SCOUT, /* which sites are busy? */
	PURPOSE_CALM, /* are they still? */
};

struct windows {
	struct probes *probes;
	struct probes_shared shared;
	struct sampler *sampler;
	struct budget *budget;
	struct shutter *shutter;
	struct capture *capture;
	struct window closing; /* links that the guard has still to close */
	struct ring_buffer *births;
	struct lens **lenses;
	size_t n_lenses;
	struct pace_cost cost;
	struct lens *open; /* whose window is open; NULL: nobody's, or it was given up meanwhile */
	enum purpose purpose; /* of that window */
	bool is_measuring;
	struct probes_runs runs[WINDOW_PROG_MAX]; /* when it was opened */
	struct pgd_hits hits_before;
	uint64_t n_windows;
	double share;
};

static uint64_t now_ns(void)
{
	return clock_monotonic_ns();
}

static struct lens *lens_of(const struct windows *w, const struct watch *watch)
{
	for (size_t i = 0; i < w->n_lenses; i++)
		if (w->lenses[i]->watch == watch)
			return w->lenses[i];
	return NULL;
}

static struct lens *lens_of_slot(const struct windows *w, uint32_t slot)
{
	for (size_t i = 0; i < w->n_lenses; i++)
		if (w->lenses[i]->watch->slot == slot)
			return w->lenses[i];
	return NULL;
}

static bool is_gone(const struct lens *l)
{
	return l->watch->regime == WATCH_GONE;
}

static double hit_cost(const struct windows *w, const struct lens *l, const struct pgd_hits *hits)
{
	if (l->state == LENS_ALWAYS)
		return (double)hits->alloc * (probes_trap_ns(w->probes) + EXACT_ALLOC_NS) +
		       (double)hits->free * (probes_trap_ns(w->probes) + EXACT_FREE_NS);
	if (w->open != l) /* rare sites: their stacks are walked, too */
		return (double)hits->alloc * (probes_trap_ns(w->probes) + EXACT_ALLOC_NS) +
		       (double)hits->free * w->cost.free_ns;
	return (double)hits->alloc * w->cost.alloc_ns + (double)hits->free * w->cost.free_ns +
	       (double)hits->counted * w->cost.count_ns;
}

/* Hits since the last call. */
static struct pgd_hits take_hits(struct windows *w, struct lens *l)
{
	struct pgd_hits hits = l->hits, was = l->hits;

	if (probes_hits(w->probes, l->watch->slot, &hits) == 0)
		l->hits = hits;
	return (struct pgd_hits){ .alloc = hits.alloc - was.alloc,
				  .free = hits.free - was.free,
				  .counted = hits.counted - was.counted };
}

/* ── sites that are always on ─────────────────────────────────────────────────────────────── */

/* The guard closes what is waiting for that: each link waits for a grace period there. */
static void close_some(struct windows *w)
{
	struct window *from = &w->closing;
	size_t n = from->n_fds < GUARD_CLOSE_MAX ? from->n_fds : GUARD_CLOSE_MAX;

	if (n && guard_close(shutter_guard(w->shutter), GUARD_ALWAYS, from->fds + from->n_fds - n,
			     n) == 0)
		from->n_fds -= n;
}

static void take_off(struct windows *w, struct window *from)
{
	for (size_t i = 0; i < from->n_fds; i++)
		if (window_keep(&w->closing, from->fds[i]) < 0)
			close(from->fds[i]);
	free(from->fds);
	*from = (struct window)WINDOW_INIT;
	close_some(w);
}

static struct window_target window_target(const struct windows *w, const struct lens *l)
{
	struct window_target t = { .path = l->watch->path,
				   .pid = l->watch->pid,
				   .slot = l->watch->slot };

	probes_prog_fds(w->probes, t.prog_fds);
	return t;
}

static int put_on(struct windows *w, struct lens *l, const uint8_t *only, bool is_rare)
{
	const struct window_pick pick = { .progs = 1u << WINDOW_ON_ALLOC | 1u << WINDOW_ON_FREE,
					  .skip_chunks = !l->watch->has_glibc,
					  .is_rare = is_rare,
					  .only = only };
	static const enum window_prog order[] = { WINDOW_ON_FREE, WINDOW_ON_ALLOC };
	struct guard *guard = shutter_guard(w->shutter);
	struct guard_order *o = guard_order(guard, GUARD_ALWAYS);
	struct window_target t = window_target(w, l);
	int fd;

	if (guard_is_busy(guard, GUARD_ALWAYS))
		return -EBUSY;
	o->pid = t.pid;
	snprintf(o->path, sizeof(o->path), "%s", t.path);
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		o->prog_fd = t.prog_fds[order[i]];
		o->n = window_list(&t, &l->watch->sites, &pick, order[i], o->offsets, o->cookies);
		fd = o->n ? guard_attach(guard, GUARD_ALWAYS, UINT64_MAX) : 0;
		if (fd < 0)
			return fd;
		if (o->n && window_keep(&l->always, fd) < 0)
			return close(fd), -ENOMEM;
	}
	return 0;
}

static int put_on_gc(struct windows *w, struct lens *l)
{
	const struct window_pick pick = { .progs = 1u << WINDOW_ON_GC_START |
						   1u << WINDOW_ON_GC_DONE };
	struct window_target t = window_target(w, l);

	return l->watch->has_gc ? window_open(&l->watch->window, probes_method(w->probes), &t,
					      &l->watch->sites, &pick)
				: 0;
}

static double bucket_max(const struct windows *w, const struct lens *l)
{
	return l->state == LENS_ALWAYS ? fmax(BURST_NS, BURST_SEC * NS_PER_SEC * w->share)
				       : RARE_BURST_NS;
}

/* The kernel may count down what is in the bucket. */
static void set_trip(struct windows *w, const struct lens *l)
{
	struct pgd_trip *trip = &w->shared.trips[l->watch->slot];
	double hit_ns = probes_trap_ns(w->probes) + EXACT_ALLOC_NS +
			(l->state == LENS_ALWAYS ? 0 : BIRTH_OWN_NS);

	__atomic_store_n(&trip->left, (int64_t)(fmax(l->bucket_ns, 0) / hit_ns), __ATOMIC_RELAXED);
	__atomic_store_n(&trip->told, 0, __ATOMIC_RELEASE);
}

static uint32_t *rare_hits(const struct windows *w, const struct lens *l)
{
	return w->shared.rare_hits + l->watch->slot * PGD_SITES_MAX;
}

/* Sites that are always on begin with a full bucket. */
static void fill_bucket(struct windows *w, struct lens *l)
{
	l->bucket_ns = bucket_max(w, l);
	l->beat_ns = now_ns();
	l->beat_cpu_ns = lens_cpu_ns(l);
	l->n_births = l->n_births_seen = 0;
	memset(rare_hits(w, l), 0, PGD_SITES_MAX * sizeof(uint32_t));
	set_trip(w, l);
}

/* What it has earned since the last time, less what it has cost. False: it is empty. */
static bool tend_bucket(struct windows *w, struct lens *l, double cost_ns)
{
	uint64_t now = now_ns(), cpu_ns = lens_cpu_ns(l);
	bool is_coming_off = (double)now / NS_PER_SEC < l->coming_off_sec;
	double share = l->state == LENS_ALWAYS ? w->share : RARE_SHARE * w->share;
	double earned = fmax(share * (double)(cpu_ns - l->beat_cpu_ns),
			     (l->state == LENS_ALWAYS ? 1 : RARE_SHARE) * FLOOR_SHARE *
				     (double)(now - l->beat_ns));

	l->beat_ns = now;
	l->beat_cpu_ns = cpu_ns;
	l->bucket_ns = fmin(l->bucket_ns + earned - (is_coming_off ? 0 : cost_ns),
			    bucket_max(w, l));
	set_trip(w, l);
	return l->bucket_ns > 0;
}

/* ── states ───────────────────────────────────────────────────────────────────────────────── */

static void begin_windows(struct windows *w, struct lens *l)
{
	log_debug(0, "pid %d: observed through windows", l->watch->pid);
	lens_set_odds(l);
	budget_set_pace(w->budget, l->watch->slot, BUDGET_PACE_FULL);
	l->calm_wait_sec = LENS_CALM_FIRST_SEC;
	l->calm_due_sec = l->began_sec + l->calm_wait_sec;
	l->state = LENS_WINDOWS;
	l->n_rare_on = 0;
	l->n_samplings = 0;
	l->began_sec = clock_monotonic_sec();
	l->backlog_ns += (double)(lens_cpu_ns(l) - l->cpu_ns) - l->traps_ns;
	l->cpu_ns = lens_cpu_ns(l);
	l->traps_ns = 0;
	probes_set_mode(w->probes, l->watch->slot, PGD_MODE_WINDOWS);
	probes_remember_codes(w->probes, l->watch->slot, false);
	fill_bucket(w, l);
}

static void put_on_all(struct windows *w, struct lens *l)
{
	int r = put_on(w, l, NULL, false);

	if (r == -EBUSY)
		return; /* the next beat tries again */
	l->is_going_on = false;
	if (r == 0)
		return;
	if (r != -ESRCH)
		log_err(r, "attach %zu sites of pid %d, skipping", l->watch->sites.n, l->watch->pid);
	take_off(w, &l->always);
	lens_scout_again(l);
}

static void begin_always(struct windows *w, struct lens *l)
{
	log_debug(0, "pid %d: every block is followed", l->watch->pid);
	take_off(w, &l->always);
	l->state = LENS_ALWAYS;
	budget_set_pace(w->budget, l->watch->slot, BUDGET_PACE_ALWAYS);
	probes_set_mode(w->probes, l->watch->slot, PGD_MODE_EXACT);
	probes_remember_codes(w->probes, l->watch->slot, true);
	fill_bucket(w, l);
	l->is_going_on = true;
	put_on_all(w, l);
}

/* What was followed exactly is sampled from now on: its frees will not be seen any more. */
static int import_block(void *userdata, uint64_t block, const struct pgd_live *live);

struct import {
	struct windows *w;
	struct lens *l;
	double weight, now_sec;
	uint32_t n_left;
};

static int import_block(void *userdata, uint64_t block, const struct pgd_live *live)
{
	struct import *i = userdata;
	struct pgd_sample sample = { .block = block,
				     .stack = live->stack,
				     .bytes = live->bytes,
				     .lane = (uint8_t)live->lane };

	if (live->lane & PGD_LANE_SAMPLED)
		return 0;
	if (i->weight > 1 && drand48() * i->weight >= 1)
		return 1;
	sampler_add(i->w->sampler, i->l, &sample, i->weight, i->now_sec);
	return 0;
}

static void import_blocks(struct windows *w, struct lens *l)
{
	struct import i = { .w = w, .l = l, .now_sec = clock_monotonic_sec() };
	size_t n = probes_live_count(w->probes, l->watch->slot);

	i.weight = n > IMPORT_MAX ? (double)n / IMPORT_MAX : 1;
	probes_live_each(w->probes, l->watch->slot, import_block, &i);
	probes_stacks_reset(w->probes, l->watch->slot);
}

/* From following every block back to finding out which sites are busy. */
static void leave_always(struct windows *w, struct lens *l)
{
	log_debug(0, "pid %d: too busy to follow every block", l->watch->pid);
	probes_set_mode(w->probes, l->watch->slot, PGD_MODE_WINDOWS);
	probes_remember_codes(w->probes, l->watch->slot, false);
	take_off(w, &l->always);
	import_blocks(w, l);
	l->cpu_ns = lens_cpu_ns(l);
	l->traps_ns = l->backlog_ns = 0;
	if (l->is_scouted)
		begin_windows(w, l);
	else
		lens_scout_again(l);
}

/* Is it idle? Then all its sites go on at once, and a trip would tell if that was wrong. */
static void look_at_new(struct windows *w, struct lens *l)
{
	double sec = clock_monotonic_sec() - l->began_sec;

	if (sec < LENS_NEW_SEC)
		return;
	if ((double)(lens_cpu_ns(l) - l->cpu_ns) / NS_PER_SEC < LENS_IDLE_SHARE * sec)
		begin_always(w, l);
	else
		lens_scout_again(l);
}

static void trip(struct windows *w, struct lens *l)
{
	struct pgd_hits hits = take_hits(w, l);

	budget_spend(w->budget, l->watch->slot, now_ns(), (uint64_t)hit_cost(w, l, &hits));
	if (clock_monotonic_sec() < l->coming_off_sec) {
		set_trip(w, l);
		return;
	}
	if (l->state == LENS_ALWAYS) {
		leave_always(w, l);
	} else if (l->state == LENS_WINDOWS) {
		take_off(w, &l->always);
		l->n_rare_on = 0;
		log_debug(0, "pid %d: rare sites are not, %u births", l->watch->pid, l->n_births);
		if (lens_promote_rare(l, rare_hits(w, l)))
			lens_set_odds(l);
		else
			lens_scout_again(l);
	}
	l->coming_off_sec = clock_monotonic_sec() + COMING_OFF_SEC;
	fill_bucket(w, l);
}

/* ── a window: planning ───────────────────────────────────────────────────────────────────── */

static void start(struct windows *w, struct lens *l, struct shutter_plan *plan)
{
	int r = lens_prepare(l);

	if (r < 0) {
		log_debug(r, "open a window of pid %d, skipping", l->watch->pid);
		if (w->purpose == PURPOSE_SAMPLE || w->purpose == PURPOSE_RATE)
			budget_window_done(w->budget, l->watch->slot, now_ns(), 0, 0);
		return;
	}
	plan->target = window_target(w, l);
	plan->sites = &l->watch->sites;
	plan->skip_chunks = !l->watch->has_glibc;
	plan->n_tids = cpuclock_threads(l->watch->pid, plan->tids);
	plan->walk_of = WALK_OF;
	plan->capture = plan->kind == PGD_GATE_SAMPLE ? capture_run : NULL;
	plan->userdata = w->capture;
	w->capture->liveness = l->capture_liveness;
	w->open = l;
	w->is_measuring = plan->kind == PGD_GATE_SAMPLE && ++w->n_windows % MEASURE_EVERY == 1;
	if (w->is_measuring) {
		probes_measure_runs(w->probes, true);
		for (int i = 0; i < WINDOW_PROG_MAX; i++)
			probes_runs(w->probes, i, &w->runs[i]);
	}
	take_hits(w, l);
	shutter_start(w->shutter);
}

static void plan_count(struct shutter_plan *plan, uint64_t hits_max, uint64_t wall_max_ns)
{
	plan->kind = PGD_GATE_COUNT;
	plan->hits_max = hits_max;
	plan->wall_max_ns = wall_max_ns;
}

static void plan_sample(struct windows *w, struct lens *l, struct shutter_plan *plan,
			const struct budget_window *limits)
{
	uint16_t minute = (uint16_t)(clock_monotonic_sec() / 60);

	plan->kind = PGD_GATE_SAMPLE;
	plan->hits_max = (uint64_t)((double)limits->loss_max_ns * 2 /
				    (w->cost.alloc_ns + w->cost.free_ns));
	plan->wall_max_ns = limits->wall_max_ns;
	lens_draw_sites(l, false, plan->on);
	for (size_t i = 0; i < PGD_SUSPECTS_MAX; i++)
		w->shared.suspects[i] = l->suspects[i] > minute;
}

/* All of its sites are known. */
static void settle(struct windows *w, struct lens *l)
{
	double trap_ns = probes_trap_ns(w->probes);
	const struct pace_cost always = { trap_ns + EXACT_ALLOC_NS, trap_ns + EXACT_FREE_NS, 0 };
	const struct pace_cost rare = { always.alloc_ns + BIRTH_OWN_NS, always.free_ns, 0 };
	double share = lens_always_share(l, &always);

	l->is_scouted = true;
	log_debug(0, "pid %d: all sites always on would cost %.1f %% of its CPU time",
		  l->watch->pid, share * 100);
	if (share < w->share / 2) {
		begin_always(w, l);
		return;
	}
	lens_limit_rare(l, RARE_SHARE * w->share / 2, &rare);
	begin_windows(w, l);
}

/* Whoever is not understood yet goes first: nothing can be said of it, or at what cost. */
static bool scout_somebody(struct windows *w, struct shutter_plan *plan)
{
	for (size_t i = 0; i < w->n_lenses; i++) {
		struct lens *l = w->lenses[i];

		if (l->state != LENS_SCOUTING || is_gone(l))
			continue;
		if (!lens_scout_plan(l, plan->on)) {
			settle(w, l);
			continue;
		}
		plan_count(plan, LENS_SCOUT_HITS, LENS_SCOUT_WALL_NS);
		w->purpose = PURPOSE_SCOUT;
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

		if (l->state != LENS_WINDOWS || is_gone(l) || now_sec < l->calm_due_sec)
			continue;
		l->calm_wait_sec = fmin(2 * l->calm_wait_sec, LENS_CALM_MAX_SEC);
		l->calm_due_sec = now_sec + l->calm_wait_sec;
		if (l->pace.heaviness > CALM_HEAVY && lens_is_running(l, now_sec))
			continue; /* its windows have just said that it has not */
		lens_busy_sites(l, plan->on);
		plan_count(plan, LENS_CALM_HITS, LENS_SCOUT_WALL_NS);
		w->purpose = PURPOSE_CALM;
		start(w, l, plan);
		return true;
	}
	return false;
}

static void open_next(struct windows *w)
{
	struct shutter_plan *plan = shutter_plan(w->shutter);
	struct budget_window limits;
	struct lens *l;
	uint32_t slot;

	if (!plan || w->open || scout_somebody(w, plan) || calm_somebody(w, plan) ||
	    !budget_next(w->budget, now_ns(), &slot, &limits))
		return;
	l = lens_of_slot(w, slot);
	if (!l || l->state != LENS_WINDOWS || is_gone(l)) {
		budget_window_done(w->budget, slot, now_ns(), 0, 0);
		return;
	}
	lens_draw_sites(l, true, plan->on);
	if (pace_wants_count(&l->pace, plan->on, l->watch->n_windows)) {
		memcpy(plan->on, l->pace.is_ref[l->pace.turn], sizeof(plan->on));
		plan_count(plan, COUNT_HITS, COUNT_WALL_NS);
		w->purpose = PURPOSE_RATE;
	} else {
		plan_sample(w, l, plan, &limits);
		w->purpose = PURPOSE_SAMPLE;
	}
	start(w, l, plan);
}

/* ── a window: its result ─────────────────────────────────────────────────────────────────── */

/* What our programs take a hit, if the window's hits are most of what was measured. */
static void measure(struct windows *w, const struct shutter_result *r)
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

static void calm_done(struct windows *w, struct lens *l, const struct shutter_result *r)
{
	double trap_ns = probes_trap_ns(w->probes);
	double cost_ns = trap_ns + (EXACT_ALLOC_NS + EXACT_FREE_NS) / 2;
	double cpu_ns = (double)r->cpu_ns - (double)r->gate.allocs * w->cost.count_ns;
	double may_ns = fmax(w->share * cpu_ns, FLOOR_SHARE * (double)r->gate_ns);

	if (r->gate.allocs < LENS_CALM_HITS && (double)r->gate.allocs * cost_ns < may_ns / 2)
		begin_always(w, l);
}

static void take_samples(struct windows *w, struct lens *l, const struct shutter_result *r)
{
	struct pace_window pw = { r->gate.allocs, r->gate.frees, r->cpu_ns, r->site_hits };
	double work_ns = pace_sample(&l->pace, &pw, &w->cost);
	uint64_t cpu_ns = lens_cpu_ns(l);
	double stands_for_ns = (double)(cpu_ns - l->cpu_ns) - l->traps_ns, weight;

	log_debug(0, "pid %d: %.3f ms of work, standing for %.1f ms; %.0f allocations a second ±%.1f %%",
		  l->watch->pid, work_ns / 1e6, stands_for_ns / 1e6, pace_rate(&l->pace),
		  pace_error(&l->pace) * 100);
	l->n_samplings++;
	l->samples += r->gate.sampled;
	l->gate_sec += (double)r->gate_ns / NS_PER_SEC;
	if (w->capture->error)
		log_debug(w->capture->error, "look at the blocks of a window of pid %d, skipping",
			  l->watch->pid);
	if (!(work_ns >= WORK_MIN_NS) || !r->gate.sampled || w->capture->error)
		return; /* the next window stands for this time too */
	stands_for_ns += l->backlog_ns * BACKLOG_PART;
	l->backlog_ns -= l->backlog_ns * BACKLOG_PART;
	weight = stands_for_ns / work_ns * (double)r->gate.allocs / (double)r->gate.sampled;
	sampler_window(w->sampler, l, w->capture, r->window, fmax(weight, 1), WALK_OF,
		       clock_monotonic_sec());
	l->cpu_ns = cpu_ns;
	l->sampled_sec = clock_monotonic_sec();
	l->traps_ns = 0;
}

void windows_result(struct windows *w)
{
	const struct shutter_result *r = shutter_take(w->shutter);
	struct lens *l = w->open;
	struct pace_window pw;
	struct pgd_hits hits;
	double loss_ns, all_ns;

	if (!r)
		return;
	measure(w, r);
	if (!l)
		return;
	hits = take_hits(w, l);
	all_ns = hit_cost(w, l, &hits);
	w->open = NULL;
	l->traps_ns += all_ns;
	l->watch->n_windows++;
	if (r->error && r->error != -ESRCH) {
		l->watch->lost_here[PGD_COUNTER_WINDOW_FAILED]++;
		log_err(r->error, "open a window of pid %d, skipping", l->watch->pid);
	}
	if (r->is_late)
		l->watch->lost_here[PGD_COUNTER_WINDOW_LATE]++;
	if (w->purpose == PURPOSE_SCOUT || w->purpose == PURPOSE_CALM) {
		budget_spend(w->budget, l->watch->slot, now_ns(), (uint64_t)all_ns + r->own_ns);
		if (!r->error && !r->is_late && w->purpose == PURPOSE_SCOUT)
			lens_scout_done(l, shutter_plan(w->shutter)->on, r, &w->cost);
		else if (!r->error && !r->is_late)
			calm_done(w, l, r);
		open_next(w);
		return;
	}
	loss_ns = r->kind == PGD_GATE_COUNT ? (double)r->gate.allocs * w->cost.count_ns
					    : (double)r->gate.allocs * w->cost.alloc_ns +
						      (double)r->gate.frees * w->cost.free_ns;
	loss_ns = fmin(loss_ns, all_ns);
	log_debug(0,
		  "pid %d: window %llu, %s: %llu allocs, %llu frees, %llu sampled, %llu walked, cpu "
		  "%.2f ms, gate %.2f ms, loss %.2f ms, all %.2f ms, own %.2f ms",
		  l->watch->pid, (unsigned long long)r->window,
		  r->kind == PGD_GATE_COUNT ? "count" : "sample",
		  (unsigned long long)r->gate.allocs, (unsigned long long)r->gate.frees,
		  (unsigned long long)r->gate.sampled, (unsigned long long)r->gate.walked,
		  (double)r->cpu_ns / 1e6, (double)r->gate_ns / 1e6, loss_ns / 1e6, all_ns / 1e6,
		  (double)r->own_ns / 1e6);
	budget_window_done(w->budget, l->watch->slot, now_ns(), (uint64_t)loss_ns,
			   (uint64_t)(all_ns - loss_ns) + r->own_ns);
	pw = (struct pace_window){ r->gate.allocs, r->gate.frees, r->cpu_ns, r->site_hits };
	if (r->error || r->is_late)
		return;
	if (r->kind == PGD_GATE_COUNT)
		pace_count(&l->pace, &pw, &w->cost);
	else
		take_samples(w, l, r);
}

/* ── what the kernel tells ────────────────────────────────────────────────────────────────── */

static int on_birth(void *userdata, void *data, size_t n_bytes)
{
	struct windows *w = userdata;
	const struct pgd_birth *birth = data;
	struct lens *l;

	if (n_bytes < sizeof(*birth))
		return 0;
	l = lens_of_slot(w, birth->slot);
	if (!l || is_gone(l))
		return 0;
	if (birth->what == PGD_BIRTH_TRIP) {
		trip(w, l);
	} else {
		l->samples++;
		l->n_births++;
		sampler_add(w->sampler, l, &birth->sample, 1, clock_monotonic_sec());
	}
	return 0;
}

void windows_births(struct windows *w)
{
	ring_buffer__consume(w->births);
}

/* ── the beat ─────────────────────────────────────────────────────────────────────────────── */

/* Rare sites go on a batch at a time. */
static void put_on_rare(struct windows *w, struct lens *l)
{
	uint8_t only[PGD_SITES_MAX] = { 0 };
	size_t from = l->n_rare_on;
	size_t n = l->watch->sites.n < PGD_SITES_MAX ? l->watch->sites.n : PGD_SITES_MAX;
	size_t n_on = 0;
	int r;

	for (; l->n_rare_on < n && n_on < RARE_BATCH; l->n_rare_on++)
		if (l->sites[l->n_rare_on] == LENS_SITE_RARE)
			n_on += only[l->n_rare_on] = 1;
	r = n_on ? put_on(w, l, only, true) : 0;
	if (r == -EBUSY)
		l->n_rare_on = from;
	else if (r < 0)
		log_debug(r, "attach rare sites of pid %d, skipping", l->watch->pid);
}

static void beat_one(struct windows *w, struct lens *l)
{
	uint32_t slot = l->watch->slot;
	uint64_t cpu_ns = lens_cpu_ns(l);
	double hits_ns = 0, own_ns, n_births = l->n_births - l->n_births_seen;

	l->n_births_seen = l->n_births;
	if (cpu_ns)
		budget_earn(w->budget, slot, now_ns(), cpu_ns);
	if (w->open != l) {
		struct pgd_hits hits = take_hits(w, l);

		hits_ns = hit_cost(w, l, &hits);
		l->traps_ns += hits_ns;
	}
	own_ns = (double)sampler_look(w->sampler, l, clock_monotonic_sec()) +
		 n_births * BIRTH_OWN_NS;
	budget_spend(w->budget, slot, now_ns(), (uint64_t)(hits_ns + own_ns));
	if (!tend_bucket(w, l, hits_ns + n_births * BIRTH_OWN_NS))
		trip(w, l);
	if (l->state == LENS_NEW)
		look_at_new(w, l);
	if (l->state == LENS_ALWAYS && l->is_going_on)
		put_on_all(w, l);
	if (l->state == LENS_WINDOWS && w->open != l &&
	    clock_monotonic_sec() >= l->coming_off_sec)
		put_on_rare(w, l);
}

void windows_beat(struct windows *w)
{
	for (size_t i = 0; i < w->n_lenses; i++)
		if (!is_gone(w->lenses[i]))
			beat_one(w, w->lenses[i]);
	close_some(w);
	open_next(w);
}

uint64_t windows_wait_ns(const struct windows *w)
{
	uint64_t wait = budget_wait_ns(w->budget, now_ns());

	return wait < BEAT_NS ? wait : BEAT_NS;
}

void windows_estimate(struct windows *w)
{
	for (size_t i = 0; i < w->n_lenses; i++)
		sampler_estimate(w->sampler, w->lenses[i], clock_monotonic_sec());
}

/* ── targets ──────────────────────────────────────────────────────────────────────────────── */

int windows_add(struct windows *w, struct watch *watch, struct strbuf *why)
{
	_cleanup_(lens_freep) struct lens *l = NULL;
	struct lens **grown = realloc(w->lenses, (w->n_lenses + 1) * sizeof(struct lens *));
	int r;

	if (!grown)
		return -ENOMEM;
	w->lenses = grown;
	r = lens_new(watch, &l);
	if (r == 0)
		r = put_on_gc(w, l);
	if (r < 0)
		return strbuf_fail(why, r, "pid %d: cannot watch it: %s", watch->pid, strerror(-r));
	probes_set_mode(w->probes, watch->slot, PGD_MODE_WINDOWS);
	budget_add(w->budget, watch->slot, now_ns(), lens_cpu_ns(l));
	watch->opened_sec = clock_monotonic_sec();
	w->lenses[w->n_lenses++] = TAKE_PTR(l);
	return 0;
}

static void let_go(struct windows *w, struct lens *l)
{
	if (w->open != l)
		return;
	/* Its window ends by itself, and its result is nobody's; what the plan points to must stay
	 * until then. */
	while (shutter_is_busy(w->shutter))
		usleep(1000);
	shutter_take(w->shutter);
	w->open = NULL;
	if (w->purpose == PURPOSE_SAMPLE || w->purpose == PURPOSE_RATE)
		budget_window_done(w->budget, l->watch->slot, now_ns(), 0, 0);
}

void windows_end(struct windows *w, const struct watch *watch)
{
	struct lens *l = lens_of(w, watch);

	if (!l)
		return;
	let_go(w, l);
	take_off(w, &l->always);
	if (isnan(l->overhead)) {
		l->overhead = budget_overhead(w->budget, watch->slot);
		budget_del(w->budget, watch->slot);
	}
}

void windows_del(struct windows *w, const struct watch *watch)
{
	struct lens *l = lens_of(w, watch);

	if (!l)
		return;
	windows_end(w, watch);
	sampler_forget(w->sampler, l);
	for (size_t i = 0; i < w->n_lenses; i++)
		if (w->lenses[i] == l)
			w->lenses[i] = w->lenses[--w->n_lenses];
	lens_free(l);
}

void windows_status(const struct windows *w, const struct watch *watch, struct windows_status *ret)
{
	const struct lens *l = lens_of(w, watch);
	double age_sec = clock_monotonic_sec() - watch->opened_sec;

	*ret = (struct windows_status){ .regime = "gone", .budget = w->share, .duty = 0 };
	if (!l)
		return;
	ret->samples = l->samples;
	ret->samples_alive = sampler_count(w->sampler, watch->slot);
	ret->windows = watch->n_windows;
	ret->overhead = isnan(l->overhead) ? budget_overhead(w->budget, watch->slot) : l->overhead;
	if (is_gone(l))
		return;
	ret->regime = l->state == LENS_ALWAYS ? "exact" : l->state == LENS_WINDOWS ? "windows"
										    : "waiting";
	ret->duty = l->state == LENS_ALWAYS ? 1 : age_sec > 0 ? l->gate_sec / age_sec : 0;
}

void windows_stop(struct windows *w)
{
	for (size_t i = 0; i < w->n_lenses; i++)
		windows_end(w, w->lenses[i]->watch);
}

/* ── all of it ────────────────────────────────────────────────────────────────────────────── */

int windows_fd(const struct windows *w)
{
	return shutter_fd(w->shutter);
}

int windows_births_fd(const struct windows *w)
{
	return ring_buffer__epoll_fd(w->births);
}

int windows_new(struct probes *p, struct stacktab *t, const struct windows_options *o,
		struct windows **ret, struct strbuf *why)
{
	_cleanup_(windows_freep) struct windows *w = calloc(1, sizeof(*w));
	double trap_ns = probes_trap_ns(p);
	int r;

	if (!w)
		return -ENOMEM;
	w->probes = p;
	w->share = o->budget.share;
	w->cost = (struct pace_cost){ trap_ns + ALLOC_RUN_NS, trap_ns + FREE_RUN_NS, trap_ns };
	probes_shared(p, &w->shared);
	r = shutter_new(p, &w->shutter);
	if (r == -ENOTSUP)
		return strbuf_fail(why, r,
				   "this kernel has no uprobe_multi (6.6), so windows could not be "
				   "closed in time; --exact works, at the price that it says");
	if (r == 0)
		r = sampler_new(p, t, &w->sampler);
	if (r == 0)
		r = budget_new(&o->budget, &w->budget);
	if (r == 0)
		r = capture_new(&w->capture);
	if (r < 0)
		return strbuf_fail(why, r, "cannot set up windows: %s", strerror(-r));
	w->births = ring_buffer__new(probes_births_fd(p), on_birth, w, NULL);
	if (!w->births)
		return strbuf_fail(why, -errno, "cannot map the kernel's ring of births");
	*ret = TAKE_PTR(w);
	return 0;
}

void windows_free(struct windows *w)
{
	if (!w)
		return;
	while (w->n_lenses)
		windows_del(w, w->lenses[0]->watch);
	free(w->lenses);
	shutter_free(w->shutter);
	window_close(&w->closing); /* what no guard has closed yet */
	ring_buffer__free(w->births);
	sampler_free(w->sampler);
	budget_free(w->budget);
	capture_free(w->capture);
	free(w);
}
