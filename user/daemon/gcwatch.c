/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/gcwatch.c — see gcwatch.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/gcwatch.h"
#include "lib/clock.h"
#include "lib/log.h"

#define LOOK_NS	   1000000000ULL /* while they are off; of one that ends then, so much is lost */
#define NS_PER_SEC 1e9
#define RETRY_NS   5000000000ULL /* after they could not be attached */
#define RUN_NS	   1000.0 /* of our programs, a hit */
/* What a hit costs over trap and program: each empties caches that are filled again when the target
 * goes on. tests/bench/run.sh gc measures it. */
#define COST_SCALE 1.8
/* Both looks at a witness, 165 of it our program's (test-bpf, test_collector prints it), the rest
 * for caches. */
#define WITNESS_NS 200.0

struct gcwatch {
	struct gcwatch_options o;
	struct watch *watch;
	struct pgd_gc_trip *trip; /* shared with the kernel */
	struct window links;
	struct gcbudget budget;
	struct gccount count;
	bool is_ended;
	bool was_off; /* for a time, since the last look */
	int64_t left; /* of trip, when it was read last */
	double looks_ns; /* of our own CPU time, since the last beat */
	uint64_t looked_ns, began_ns, on_ns, on_since_ns, retry_ns;
	/* When a full collection had ended, and how many had by then; a ring. */
	struct {
		uint64_t ended_ns, n;
	} fulls[GCWATCH_FULLS_MAX];
	size_t n_fulls; /* ever written */
};

static double hit_ns(const struct gcwatch *g)
{
	return COST_SCALE * (probes_trap_ns(g->o.probes) + RUN_NS);
}

/* ── looking ──────────────────────────────────────────────────────────────────────────────── */

static int read_stats(const struct gcwatch *g, struct gccount_stats ret[PGD_GENERATIONS])
{
	return procmem_read(&g->watch->mem, g->watch->runtime.gc_stats, ret,
			    PGD_GENERATIONS * sizeof(*ret));
}

static void note_fulls(struct gcwatch *g)
{
	const struct gccount_generation *full = &g->count.generations[PGD_GENERATIONS - 1];
	size_t last = (g->n_fulls + GCWATCH_FULLS_MAX - 1) % GCWATCH_FULLS_MAX;

	if (full->counted.collections == (g->n_fulls ? g->fulls[last].n : 0))
		return;
	g->fulls[g->n_fulls % GCWATCH_FULLS_MAX].ended_ns = full->last_ns;
	g->fulls[g->n_fulls % GCWATCH_FULLS_MAX].n = full->counted.collections;
	g->n_fulls++;
}

static void look(struct gcwatch *g)
{
	uint64_t before_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	struct gccount_stats stats[PGD_GENERATIONS];
	struct pgd_gc gc;

	g->looked_ns = clock_monotonic_ns();
	if (probes_gc(g->o.probes, g->watch->slot, &gc) < 0)
		return;
	gccount_look(&g->count, read_stats(g, stats) == 0 ? stats : NULL, &gc, g->looked_ns,
		     !g->was_off);
	note_fulls(g);
	g->was_off = !g->budget.is_on;
	g->looks_ns += (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - before_ns);
}

/* ── on and off ───────────────────────────────────────────────────────────────────────────── */

/* What hits have cost since the last call. */
static double take_cost(struct gcwatch *g)
{
	int64_t left = __atomic_load_n(&g->trip->left, __ATOMIC_RELAXED), spent = g->left - left;

	g->left = left;
	return (double)spent * hit_ns(g);
}

/* The kernel counts down what is in the bucket. Hits of this very moment are not lost. */
static void fill(struct gcwatch *g)
{
	int64_t more = gcbudget_hits(&g->budget, hit_ns(g)) - g->left;

	__atomic_fetch_add(&g->trip->left, more, __ATOMIC_RELAXED);
	g->left += more;
}

static int attach(struct gcwatch *g, enum window_prog prog)
{
	const struct window_pick pick = { .progs = 1u << prog };
	struct window_target t = { .path = g->watch->path,
				   .pid = g->watch->pid,
				   .slot = g->watch->slot };
	int fd;

	probes_prog_fds(g->o.probes, t.prog_fds);
	guard_order_sites(guard_order(g->o.guard, GUARD_ALWAYS), &t, &g->watch->sites, &pick, prog);
	fd = guard_attach(g->o.guard, GUARD_ALWAYS, UINT64_MAX);
	if (fd < 0)
		return fd;
	if (window_keep(&g->links, fd) < 0)
		return close(fd), -ENOMEM;
	return 0;
}

/* Into the owner's hands; what those do not hold is closed here and now. */
static void give_links(struct gcwatch *g)
{
	for (size_t i = 0; i < g->links.n_fds; i++)
		if (window_keep(g->o.closing, g->links.fds[i]) < 0)
			close(g->links.fds[i]);
	free(g->links.fds);
	g->links = (struct window)WINDOW_INIT;
}

/* 0, -EBUSY: the guard is, or has not taken them off yet; -errno. */
static int go_on(struct gcwatch *g)
{
	uint64_t cpu_ns;
	int r;

	if (g->o.closing->n_fds || guard_is_busy(g->o.guard, GUARD_ALWAYS))
		return -EBUSY;
	cpu_ns = guard_cpu_ns(g->o.guard, GUARD_ALWAYS);
	r = attach(g, WINDOW_ON_GC_START);
	if (r == 0)
		r = attach(g, WINDOW_ON_GC_DONE);
	if (r < 0) {
		give_links(g);
		return r;
	}
	gcbudget_went_on(&g->budget, (double)(guard_cpu_ns(g->o.guard, GUARD_ALWAYS) - cpu_ns));
	g->trip->phase++; /* odd */
	fill(g);
	g->on_since_ns = clock_monotonic_ns();
	return 0;
}

static void come_off(struct gcwatch *g)
{
	if (!g->budget.is_on)
		return;
	look(g);
	g->was_off = g->watch->has_gc_gaps = true;
	__atomic_store_n(&g->trip->phase, g->trip->phase + 1, __ATOMIC_RELEASE); /* even */
	guard_answer(&g->trip->told, &g->trip->answers);
	give_links(g);
	gcbudget_came_off(&g->budget);
	g->on_ns += clock_monotonic_ns() - g->on_since_ns;
}

/* ── contract ─────────────────────────────────────────────────────────────────────────────── */

int gcwatch_new(const struct gcwatch_options *o, struct watch *watch, uint64_t cpu_ns,
		struct gcwatch **ret)
{
	_cleanup_(gcwatch_freep) struct gcwatch *g = calloc(1, sizeof(*g));
	struct gccount_stats stats[PGD_GENERATIONS];
	struct probes_shared shared;
	struct pgd_gc gc;
	int r;

	if (!g)
		return -ENOMEM;
	probes_shared(o->probes, &shared);
	g->o = *o;
	g->watch = watch;
	g->trip = &shared.gc_trips[watch->slot];
	*g->trip = (struct pgd_gc_trip){ .phase = 2, /* even */
					 .witnesses_a_hit =
						 (uint32_t)fmax(hit_ns(g) / WITNESS_NS, 1) };
	g->looked_ns = clock_monotonic_ns();
	gcbudget_init(&g->budget, o->overhead, g->looked_ns, g->looked_ns, cpu_ns);
	r = go_on(g);
	g->began_ns = r == 0 ? g->on_since_ns : g->looked_ns;
	g->was_off = watch->has_gc_gaps = r < 0;
	if (r == -EBUSY || r == -ETIMEDOUT) /* the next beat tries again */
		r = 0;
	if (r == 0)
		r = probes_gc(o->probes, watch->slot, &gc);
	if (r == 0)
		r = read_stats(g, stats);
	if (r < 0)
		return r;
	gccount_begin(&g->count, stats, &gc);
	*ret = TAKE_PTR(g);
	return 0;
}

double gcwatch_beat(struct gcwatch *g, uint64_t cpu_ns, bool may_go_on)
{
	uint64_t now_ns = clock_monotonic_ns();
	double cost_ns = take_cost(g);
	int r = 0;

	if (g->is_ended)
		return cost_ns;
	if (g->was_off && now_ns - g->looked_ns >= LOOK_NS)
		look(g);
	cost_ns += g->looks_ns;
	g->looks_ns = 0;
	gcbudget_earn(&g->budget, now_ns, cpu_ns);
	gcbudget_spend(&g->budget, cost_ns);
	if (gcbudget_must_come_off(&g->budget))
		come_off(g);
	else if (may_go_on && now_ns >= g->retry_ns && gcbudget_may_go_on(&g->budget))
		r = go_on(g);
	if (r < 0 && r != -EBUSY) {
		log_debug(r, "attach the collector's sites of pid %d, skipping", g->watch->pid);
		g->retry_ns = now_ns + RETRY_NS;
	}
	fill(g);
	return cost_ns;
}

void gcwatch_trip(struct gcwatch *g)
{
	if (g->budget.is_on)
		log_debug(0, "pid %d: too many collections to time all", g->watch->pid);
	come_off(g);
}

void gcwatch_set_overhead(struct gcwatch *g, double overhead)
{
	gcbudget_set_overhead(&g->budget, overhead);
}

void gcwatch_end(struct gcwatch *g)
{
	if (g->is_ended)
		return;
	look(g);
	come_off(g);
	g->is_ended = true;
	*g->trip = (struct pgd_gc_trip){ .left = INT64_MAX, .phase = g->trip->phase };
	g->left = INT64_MAX;
}

const struct gccount *gcwatch_count(struct gcwatch *g)
{
	if (!g->is_ended)
		look(g);
	return &g->count;
}

bool gcwatch_is_tight(const struct gcwatch *g)
{
	return g->budget.bucket_ns < GCBUDGET_STRETCH_NS / 2;
}

/* Entries are in order of time: the first that ended later is looked for from the last one on. */
uint32_t gcwatch_fulls_since(const struct gcwatch *g, double monotonic_sec)
{
	size_t n = g->n_fulls < GCWATCH_FULLS_MAX ? g->n_fulls : GCWATCH_FULLS_MAX;
	uint64_t before = 0, all = 0;

	for (size_t back = 1; back <= n; back++) {
		size_t i = (g->n_fulls - back) % GCWATCH_FULLS_MAX;

		if (back == 1)
			all = g->fulls[i].n;
		before = g->fulls[i].n;
		if ((double)g->fulls[i].ended_ns / NS_PER_SEC <= monotonic_sec)
			return (uint32_t)(all - before);
	}
	return (uint32_t)(g->n_fulls > n ? all - before : all);
}

double gcwatch_duty(const struct gcwatch *g)
{
	uint64_t end_ns = g->is_ended ? g->looked_ns : clock_monotonic_ns();
	uint64_t on_ns = g->on_ns + (g->budget.is_on ? end_ns - g->on_since_ns : 0);

	return end_ns > g->began_ns ? (double)on_ns / (double)(end_ns - g->began_ns) : 0;
}

void gcwatch_free(struct gcwatch *g)
{
	if (!g)
		return;
	window_close(&g->links);
	free(g);
}
