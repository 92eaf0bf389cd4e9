/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/windows.c — see windows.h, lens.h for what states there are. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/windows_internal.h"
#include "lib/clock.h"
#include "lib/log.h"

#define BEAT_NS	     100000000ULL
#define ALLOC_RUN_NS 600.0 /* of our programs, until it was measured */
#define FREE_RUN_NS  120.0

static struct lens *lens_of(const struct windows *w, const struct watch *watch)
{
	for (size_t i = 0; i < w->n_lenses; i++)
		if (w->lenses[i]->watch == watch)
			return w->lenses[i];
	return NULL;
}

/* ── what the kernel tells ────────────────────────────────────────────────────────────────── */

static int on_birth(void *userdata, void *data, size_t n_bytes)
{
	struct windows *w = userdata;
	const struct pgd_birth *birth = data;
	struct lens *l;

	if (n_bytes < sizeof(*birth))
		return 0;
	l = windows_lens_of_slot(w, birth->slot);
	if (!l || windows_is_gone(l))
		return 0;
	if (birth->what == PGD_BIRTH_TRIP) {
		regime_trip(w, l);
	} else if (birth->what == PGD_BIRTH_GC_TRIP) {
		always_trip_gc(w, l);
	} else {
		l->samples++;
		l->n_births++;
		sampler_birth(w->sampler, l, birth, clock_monotonic_sec());
	}
	return 0;
}

/* ── the beat ─────────────────────────────────────────────────────────────────────────────── */

static bool has_all_on(const struct lens *l)
{
	return l->always.n_fds > 0;
}

/* At the sites of one binary the kernel asks for all targets that have them on. */
static void count_beside(struct windows *w)
{
	size_t n_on[PGD_TARGETS_MAX] = { 0 };

	for (size_t i = 0; i < w->n_lenses; i++)
		n_on[w->lenses[i]->binary] += has_all_on(w->lenses[i]);
	for (size_t i = 0; i < w->n_lenses; i++) {
		struct lens *l = w->lenses[i];

		l->n_beside = n_on[l->binary] - has_all_on(l);
	}
}

static void beat_one(struct windows *w, struct lens *l)
{
	uint32_t slot = l->watch->slot;
	uint64_t cpu_ns = lens_cpu_ns(l);
	double hits_ns = 0, own_ns, gc_ns, n_births = l->n_births - l->n_births_seen;

	l->n_births_seen = l->n_births;
	if (cpu_ns)
		budget_earn(w->budget, slot, clock_monotonic_ns(), cpu_ns);
	if (w->open != l) {
		struct pgd_hits hits = windows_take_hits(w, l);

		hits_ns = windows_hit_cost(w, l, &hits);
		l->traps_ns += hits_ns;
	}
	gc_ns = always_tend_gc(w, l, cpu_ns);
	l->traps_ns += gc_ns;
	own_ns = (double)sampler_look(w->sampler, l, clock_monotonic_sec()) +
		 n_births * WINDOWS_BIRTH_OWN_NS;
	budget_spend(w->budget, slot, clock_monotonic_ns(), (uint64_t)(hits_ns + own_ns + gc_ns));
	if (!always_tend(w, l, hits_ns + n_births * WINDOWS_BIRTH_OWN_NS))
		regime_trip(w, l);
	if (l->state == LENS_NEW)
		regime_look_at_new(w, l);
	if (l->state == LENS_ALWAYS && l->is_going_on)
		regime_go_on(w, l);
	if (l->state == LENS_WINDOWS && w->open != l && clock_monotonic_sec() >= l->coming_off_sec)
		always_put_on_rare(w, l);
}

void windows_beat(struct windows *w)
{
	ring_buffer__consume(w->births);
	turn_result(w);
	count_beside(w);
	for (size_t i = 0; i < w->n_lenses; i++)
		if (!windows_is_gone(w->lenses[i]))
			beat_one(w, w->lenses[i]);
	always_beat(w);
	regime_import(w);
	turn_next(w);
}

uint64_t windows_wait_ns(const struct windows *w)
{
	uint64_t wait = budget_wait_ns(w->budget, clock_monotonic_ns());

	return wait < BEAT_NS ? wait : BEAT_NS;
}

void windows_estimate(struct windows *w)
{
	for (size_t i = 0; i < w->n_lenses; i++)
		sampler_estimate(w->sampler, w->lenses[i], clock_monotonic_sec());
}

/* ── targets ──────────────────────────────────────────────────────────────────────────────── */

/* Below PGD_TARGETS_MAX, since no more are watched. */
static uint32_t binary_of(const struct windows *w, const struct watch *watch)
{
	bool is_used[PGD_TARGETS_MAX] = { false };
	uint32_t unused = 0;

	for (size_t i = 0; i < w->n_lenses; i++) {
		const struct lens *l = w->lenses[i];

		if (!strcmp(l->watch->build_id, watch->build_id))
			return l->binary;
		is_used[l->binary] = true;
	}
	while (is_used[unused])
		unused++;
	return unused;
}

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
		r = always_put_on_gc(w, l);
	if (r < 0)
		return strbuf_fail(why, r, "pid %d: cannot watch it: %s", watch->pid, strerror(-r));
	l->binary = binary_of(w, watch);
	probes_set_mode(w->probes, watch->slot, PGD_MODE_WINDOWS);
	budget_add(w->budget, watch->slot, clock_monotonic_ns(), lens_cpu_ns(l));
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
	windows_pay(w, l, 0, 0);
}

void windows_end(struct windows *w, const struct watch *watch)
{
	struct lens *l = lens_of(w, watch);

	if (!l)
		return;
	let_go(w, l);
	if (l->gc)
		gcwatch_end(l->gc);
	always_take_off(w, l);
	w->shared.trips[watch->slot] = (struct pgd_trip){ .left = INT64_MAX };
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

void windows_set_growing(struct windows *w, const struct watch *watch, bool is_growing)
{
	const struct lens *l = lens_of(w, watch);

	if (!l || l->state != LENS_WINDOWS || windows_is_gone(l))
		return;
	budget_set_pace(w->budget, watch->slot,
			is_growing || clock_monotonic_sec() - l->began_sec < w->new_sec
				? BUDGET_PACE_FULL
				: BUDGET_PACE_QUIET);
}

void windows_set_shares(struct windows *w, double share, double host_share)
{
	if (budget_set_shares(w->budget, share, host_share) < 0)
		return;
	w->share = share;
	for (size_t i = 0; i < w->n_lenses; i++)
		if (w->lenses[i]->gc)
			gcwatch_set_overhead(w->lenses[i]->gc, share);
}

const struct gccount *windows_gc(const struct windows *w, const struct watch *watch,
				 double *ret_duty)
{
	const struct lens *l = lens_of(w, watch);

	if (!l || !l->gc)
		return NULL;
	*ret_duty = gcwatch_duty(l->gc);
	return gcwatch_count(l->gc);
}

void windows_lost_add(const struct windows *w, const struct watch *watch,
		      uint64_t lost[PGD_COUNTER_MAX])
{
	struct samples_lost s;

	sampler_lost(w->sampler, watch->slot, &s);
	lost[PGD_COUNTER_SAMPLES_LEAVES] += s.leaves;
	lost[PGD_COUNTER_SAMPLES_THINNED] += s.thinned;
}

void windows_status(const struct windows *w, const struct watch *watch, struct windows_status *ret)
{
	const struct lens *l = lens_of(w, watch);
	double age_sec = clock_monotonic_sec() - watch->opened_sec;
	bool is_exact;

	*ret = (struct windows_status){ .regime = "gone", .budget = w->share, .duty = 0 };
	if (!l)
		return;
	ret->samples = l->samples;
	ret->samples_alive = sampler_count(w->sampler, watch->slot);
	ret->windows = watch->n_windows;
	ret->overhead = isnan(l->overhead) ? budget_overhead(w->budget, watch->slot) : l->overhead;
	if (windows_is_gone(l))
		return;
	is_exact = l->state == LENS_ALWAYS && !l->is_going_on;
	ret->regime = is_exact ? "exact" : l->state == LENS_WINDOWS ? "windows" : "waiting";
	ret->duty = is_exact ? 1 : age_sec > 0 ? l->gate_sec / age_sec : 0;
}

int windows_samples(const struct windows *w, uint32_t slot, const struct sample ***ret,
		    size_t *ret_n)
{
	return sampler_list(w->sampler, slot, ret, ret_n);
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
	w->new_sec = o->new_sec > 0 ? o->new_sec : WINDOWS_NEW_SEC;
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
