/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/always.c — sites that are always on: the rare ones of a target in windows, all of one
 * that allocates little. See windows_internal.h.
 *
 * Their bucket fills by the budget and is emptied by hits; the kernel counts down what is in it and
 * says when nothing is left, since a target that wakes up would else be slowed 40 times until the
 * next beat.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/windows_internal.h"
#include "lib/clock.h"
#include "lib/log.h"

#define BURST_NS      20e6 /* that sites which are always on may cost at once, at any budget, */
#define BURST_SEC     0.2 /* or so many seconds' worth of the budget */
#define RARE_BURST_NS 5e6
#define RARE_GROUP    128 /* rare sites that go on, and come off, at a time: neither is free */

/* The guard closes what is waiting for that: each link waits for a grace period there. */
static void close_some(struct windows *w)
{
	struct window *from = &w->closing;
	size_t n = from->n_fds < GUARD_CLOSE_MAX ? from->n_fds : GUARD_CLOSE_MAX;

	if (n && guard_close(shutter_guard(w->shutter), GUARD_ALWAYS, from->fds + from->n_fds - n,
			     n) == 0)
		from->n_fds -= n;
}

/* What the guard's work has cost is its target's, like all else that is done for it. */
static void bill(struct windows *w)
{
	uint64_t cpu_ns = guard_cpu_ns(shutter_guard(w->shutter), GUARD_ALWAYS);

	if (w->always_cpu_ns) /* else it has only been started, for nobody */
		budget_spend(w->budget, w->always_slot, clock_monotonic_ns(),
			     cpu_ns - w->always_cpu_ns);
	w->always_cpu_ns = cpu_ns;
}

void always_beat(struct windows *w)
{
	bill(w);
	close_some(w);
}

static void take_off(struct windows *w, struct window *from)
{
	for (size_t i = 0; i < from->n_fds; i++)
		if (window_keep(&w->closing, from->fds[i]) < 0)
			close(from->fds[i]);
	free(from->fds);
	*from = (struct window)WINDOW_INIT;
}

void always_take_off(struct windows *w, struct lens *l)
{
	w->always_slot = l->watch->slot;
	take_off(w, &l->always);
	for (size_t k = 0; k < LENS_RARE_GROUPS; k++)
		take_off(w, &l->rare[k]);
	memset(l->rare_group, 0, sizeof(l->rare_group));
	close_some(w);
}

void always_take_off_busy(struct windows *w, struct lens *l)
{
	bool is_off[LENS_RARE_GROUPS + 1] = { false };

	w->always_slot = l->watch->slot;
	for (size_t i = 0; i < PGD_SITES_MAX; i++)
		is_off[l->rare_group[i]] |= l->sites[i] != LENS_SITE_RARE;
	for (size_t k = 1; k <= LENS_RARE_GROUPS; k++)
		if (is_off[k])
			take_off(w, &l->rare[k - 1]);
	for (size_t i = 0; i < PGD_SITES_MAX; i++)
		if (is_off[l->rare_group[i]])
			l->rare_group[i] = 0;
	close_some(w);
}

struct window_target always_target(const struct windows *w, const struct lens *l)
{
	struct window_target t = { .path = l->watch->path,
				   .pid = l->watch->pid,
				   .slot = l->watch->slot };

	probes_prog_fds(w->probes, t.prog_fds);
	return t;
}

static int put_on(struct windows *w, struct lens *l, const uint8_t *only, bool is_rare,
		  struct window *ret)
{
	const struct window_pick pick = { .progs = 1u << WINDOW_ON_ALLOC | 1u << WINDOW_ON_FREE,
					  .skip_chunks = !l->watch->has_glibc,
					  .is_rare = is_rare,
					  .only = only };
	static const enum window_prog order[] = { WINDOW_ON_FREE, WINDOW_ON_ALLOC };
	struct guard *guard = shutter_guard(w->shutter);
	struct guard_order *o = guard_order(guard, GUARD_ALWAYS);
	struct window_target t = always_target(w, l);
	int fd;

	if (guard_is_busy(guard, GUARD_ALWAYS))
		return -EBUSY;
	w->always_slot = l->watch->slot;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if (!guard_order_sites(o, &t, &l->watch->sites, &pick, order[i]))
			continue;
		fd = guard_attach(guard, GUARD_ALWAYS, UINT64_MAX);
		if (fd < 0)
			return fd;
		if (window_keep(ret, fd) < 0)
			return close(fd), -ENOMEM;
	}
	return 0;
}

int always_put_on_gc(struct windows *w, struct lens *l)
{
	const struct gcwatch_options o = { .probes = w->probes,
					   .guard = shutter_guard(w->shutter),
					   .closing = &w->closing,
					   .overhead = w->share };

	if (!l->watch->has_gc)
		return 0;
	bill(w);
	w->always_slot = l->watch->slot;
	return gcwatch_new(&o, l->watch, lens_cpu_ns(l), &l->gc);
}

double always_tend_gc(struct windows *w, struct lens *l, uint64_t cpu_ns)
{
	size_t n_closing = w->closing.n_fds;
	double cost_ns;

	if (!l->gc)
		return 0;
	bill(w);
	cost_ns = gcwatch_beat(l->gc, cpu_ns, !w->open);
	if (w->closing.n_fds != n_closing ||
	    guard_cpu_ns(shutter_guard(w->shutter), GUARD_ALWAYS) != w->always_cpu_ns)
		w->always_slot = l->watch->slot;
	return cost_ns;
}

void always_trip_gc(struct windows *w, struct lens *l)
{
	if (!l->gc)
		return;
	bill(w);
	w->always_slot = l->watch->slot;
	gcwatch_trip(l->gc);
	close_some(w);
}

/* The next rare sites to go on, those that were seen to be hit before those that were not: the
 * first are the likelier to be no rare ones after all, and come off together. */
static size_t next_rare(const struct lens *l, uint8_t only[PGD_SITES_MAX])
{
	size_t n = l->watch->sites.n < PGD_SITES_MAX ? l->watch->sites.n : PGD_SITES_MAX;
	size_t n_on = 0;

	for (int is_hit = 1; is_hit >= 0 && !n_on; is_hit--)
		for (size_t i = 0; i < n && n_on < RARE_GROUP; i++)
			if (l->sites[i] == LENS_SITE_RARE && !l->rare_group[i] &&
			    (l->rates[i] > 0) == is_hit)
				n_on += only[i] = 1;
	return n_on;
}

/* Rare sites go on a group at a time, while there is credit. */
void always_put_on_rare(struct windows *w, struct lens *l)
{
	uint8_t only[PGD_SITES_MAX] = { 0 };
	size_t k = 0;
	int r;

	if (budget_is_in_debt(w->budget, l->watch->slot))
		return;
	while (k < LENS_RARE_GROUPS && l->rare[k].n_fds)
		k++;
	if (k == LENS_RARE_GROUPS || !next_rare(l, only))
		return;
	r = put_on(w, l, only, true, &l->rare[k]);
	if (r == -EBUSY)
		return;
	for (size_t i = 0; i < PGD_SITES_MAX; i++)
		if (only[i])
			l->rare_group[i] = (uint8_t)(k + 1);
	if (r < 0)
		log_debug(r, "attach rare sites of pid %d, skipping", l->watch->pid);
}

int always_put_on_all(struct windows *w, struct lens *l)
{
	return put_on(w, l, NULL, false, &l->always);
}

static double bucket_max(const struct windows *w, const struct lens *l)
{
	return l->state == LENS_ALWAYS ? fmax(BURST_NS, BURST_SEC * WINDOWS_NS_PER_SEC * w->share)
				       : RARE_BURST_NS;
}

/* Of one hit, and of what we do about it. */
static double hit_cost(const struct windows *w, const struct lens *l)
{
	return windows_always_cost(w, l).alloc_ns +
	       (l->state == LENS_ALWAYS ? 0 : WINDOWS_BIRTH_OWN_NS);
}

double always_rare_may(const struct windows *w, const struct lens *l, double work_ns)
{
	return WINDOWS_RARE_SHARE * w->share * work_ns / hit_cost(w, l);
}

/* The kernel may count down what is in the bucket. */
void always_set_trip(struct windows *w, const struct lens *l)
{
	struct pgd_trip *trip = &w->shared.trips[l->watch->slot];
	double hit_ns = hit_cost(w, l);

	/* Closing a link takes a grace period, and there are some of them. */
	trip->is_off = clock_monotonic_sec() < l->coming_off_sec;
	__atomic_store_n(&trip->left, (int64_t)(fmax(l->bucket_ns, 0) / hit_ns), __ATOMIC_RELAXED);
	guard_answer(&trip->told, &trip->answers);
}

uint32_t *always_rare_hits(const struct windows *w, const struct lens *l)
{
	return w->shared.rare_hits + l->watch->slot * PGD_SITES_MAX;
}

/* Sites that are always on begin with a full bucket. */
void always_fill(struct windows *w, struct lens *l)
{
	l->bucket_ns = bucket_max(w, l);
	l->beat_ns = clock_monotonic_ns();
	l->filled_cpu_ns = l->beat_cpu_ns = lens_cpu_ns(l);
	l->n_births = l->n_births_seen = 0;
	memset(always_rare_hits(w, l), 0, PGD_SITES_MAX * sizeof(uint32_t));
	always_set_trip(w, l);
}

/* What it has earned since the last time, less what it has cost. False: it is empty. */
bool always_tend(struct windows *w, struct lens *l, double cost_ns)
{
	uint64_t now = clock_monotonic_ns(), cpu_ns = lens_cpu_ns(l);
	bool is_coming_off = (double)now / WINDOWS_NS_PER_SEC < l->coming_off_sec;
	double share = l->state == LENS_ALWAYS ? w->share : WINDOWS_RARE_SHARE * w->share;
	double earned = fmax(share * (double)(cpu_ns - l->beat_cpu_ns),
			     (l->state == LENS_ALWAYS ? 1 : WINDOWS_RARE_SHARE) *
				     WINDOWS_FLOOR_SHARE * (double)(now - l->beat_ns));

	l->beat_ns = now;
	l->beat_cpu_ns = cpu_ns;
	l->bucket_ns =
		fmin(l->bucket_ns + earned - (is_coming_off ? 0 : cost_ns), bucket_max(w, l));
	always_set_trip(w, l);
	return l->bucket_ns > 0;
}
