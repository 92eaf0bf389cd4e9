/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/budget.c — see budget.h. A window of a target comes after two waits:
 *
 *   done ──► credit grows to what a window needs ──► random delay ──► due ──► its turn ──► window
 *            (by CPU time used)                       (0..1 periods)          (host's credit)
 *
 * A period is the time in which the target earns one window. Credit goes on growing in the delay,
 * so that the mean time between windows is one period all the same, and windows fall evenly on all
 * moments. The surprising decision: the delay passes at the pace of the CPU use of the last ten
 * seconds, smoothed, not at that of the credit. CPU time is seen ten times a second; with the
 * credit alone every window of a service of short requests came just after a request, never in one.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/splitmix.h"
#include "target/budget.h"

#define MEMORY_NS     10e9 /* time constant of all averages */
#define WAIT_MAX_NS   100e6
#define PREDICT_NS    200e6 /* credit is foreseen for as long; then budget_earn() is overdue */
#define DEBT_NS	      30e9 /* debts beyond what is earned in this time are forgiven; see forgiven() */
#define CPUS_MAX      1024 /* more CPU time than this many cores have is a measuring accident */
#define EXTRA_NS      3e6 /* a guess, until a window was measured: 2 to 4 ms here */
#define LEARN_WINDOWS 4 /* that what is learned is of */
#define EXTRA_MAX_NS  1e9
#define LOSS_TIMES    1.6 /* what a window costs beyond its loss, that may be */
#define LOSS_MIN_NS   2e6
#define WALL_MIN_NS   50e6
#define HOST_CAP_NS   25e6 /* three windows */
#define ENTRY_PART    0.5 /* of what it earns, that it gets besides from what it is let off with */
#define CAP_WINDOWS   2 /* credit: one for the window, one to grow in the delay */

struct target {
	bool is_used;
	bool is_open; /* its window is */
	enum budget_pace pace;
	uint64_t seen_ns, seen_cpu_ns, ran_ns; /* the last budget_earn(); the last with CPU time */
	double cpus, cpus_weight; /* CPU time per time, decaying; how much of that is known, 0..1 */
	double credit_ns, entry_ns;
	double loss_scale; /* of what one window may cost, by the budget */
	unsigned n_learned; /* windows, up to LEARN_WINDOWS */
	double extra_ns; /* what a window costs beyond its loss_max_ns, learnt */
	double cost_ns, cpu_ns; /* decaying alike, for budget_overhead() */
	/* The next window, as planned at plan_ns: credit suffices after short_ns, then `delay`
	 * periods pass. due_ns stays when it has passed: who has waited longest is first. */
	uint64_t plan_ns, due_ns;
	double short_ns, period_ns, delay;
};

struct host {
	bool is_seen;
	uint64_t seen_ns;
	double credit_ns, cost_ns, time_ns; /* the last two decay */
	double delay; /* the host's turns are random too, in windows' worth of credit */
};

struct budget {
	struct budget_options o;
	uint64_t random;
	bool is_open; /* some window is */
	struct host host;
	struct target targets[PGD_TARGETS_MAX];
};

static const double pace_share[] = {
	[BUDGET_PACE_ALWAYS] = 1,
	[BUDGET_PACE_QUIET] = 0.25,
	[BUDGET_PACE_FULL] = 1,
};
_Static_assert(ARRAY_SIZE(pace_share) == BUDGET_PACE_MAX, "a share for each pace");

/* ── small arithmetic ─────────────────────────────────────────────────────────────────────── */

static double since(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? (double)(now_ns - then_ns) : 0;
}

/* UINT64_MAX: never. */
static uint64_t after(uint64_t now_ns, double wait_ns)
{
	return wait_ns < 1e18 && now_ns < UINT64_MAX / 2 ? now_ns + (uint64_t)wait_ns : UINT64_MAX;
}

static double clamp(double x, double min, double max)
{
	return fmin(fmax(x, min), max);
}

/* As strchr() does: const in, not const out. */
static struct target *target_get(const struct budget *b, uint32_t slot)
{
	if (slot >= PGD_TARGETS_MAX || !b->targets[slot].is_used)
		return NULL;
	return (struct target *)&b->targets[slot];
}

/* ── one target's credit and plan ─────────────────────────────────────────────────────────── */

/* Not shorter than what comes with it, or most of the budget goes to attaching. */
static double loss_max(const struct target *t)
{
	return clamp(LOSS_TIMES * t->extra_ns, LOSS_MIN_NS, BUDGET_LOSS_MAX_NS) * t->loss_scale;
}

static double window_cost(const struct target *t)
{
	return loss_max(t) + t->extra_ns;
}

/* Credit per CPU time. */
static double aim(const struct budget *b, const struct target *t)
{
	return BUDGET_AIM * b->o.share * pace_share[t->pace];
}

static double cpus(const struct target *t)
{
	return t->cpus_weight > 0 ? t->cpus / t->cpus_weight : 0;
}

/* After any change of credit, pace or CPU use: how much of the old plan has passed, and a new one.
 */
static void plan(const struct budget *b, struct target *t, uint64_t now_ns)
{
	double rate = aim(b, t) * cpus(t);
	double delayed = fmax(0, since(now_ns, t->plan_ns) - t->short_ns);
	double unseen_ns = rate * fmin(since(now_ns, t->seen_ns), PREDICT_NS);
	bool was_due = t->due_ns <= now_ns;

	t->delay = fmax(0, t->delay - delayed / t->period_ns);
	t->plan_ns = now_ns;
	t->period_ns = rate > 0 ? window_cost(t) / rate : INFINITY;
	t->short_ns =
		rate > 0 ? fmax(0, window_cost(t) - t->credit_ns - unseen_ns) / rate : INFINITY;
	if (was_due && t->short_ns <= 0 && t->delay <= 0)
		return;
	t->due_ns = after(now_ns, t->short_ns + t->delay * t->period_ns);
}

static void pay(const struct budget *b, struct target *t, double cost_ns)
{
	double debt_max = fmax(DEBT_NS * aim(b, t) * cpus(t), CAP_WINDOWS * window_cost(t));

	t->cost_ns += cost_ns;
	t->credit_ns = fmax(t->credit_ns - cost_ns, -debt_max);
}

/* Who is idle earns nothing, and would owe for hours what a busy moment has cost: while in debt it
 * earns at least a window, or its debt, in DEBT_NS. That is never more than what it earns if it is
 * as busy as when pay() limited its debt: who goes on pays all. */
static double forgiven(const struct target *t, double dt)
{
	double debt_ns = fmax(0, -t->credit_ns);

	return fmin(debt_ns, fmax(debt_ns, window_cost(t)) * dt / DEBT_NS);
}

/* So much of what it is let off with, if there is so much. */
static double let_off(struct target *t, double ns)
{
	ns = fmin(t->entry_ns, ns);
	t->entry_ns -= ns;
	return ns;
}

/* A single bad measurement must not make windows rare: it counts for twice the usual at most. The
 * first ones count for more, since the guess they replace is another machine's. */
static void learn(struct target *t, double loss_ns, double extra_ns)
{
	double seen = extra_ns + fmax(0, loss_ns - loss_max(t));

	if (extra_ns > 0) {
		t->n_learned += t->n_learned < LEARN_WINDOWS;
		t->extra_ns += (fmin(seen, 2 * t->extra_ns) - t->extra_ns) / t->n_learned;
	}
	t->extra_ns = clamp(t->extra_ns, EXTRA_NS / 10, EXTRA_MAX_NS);
}

static bool is_due(const struct target *t, uint64_t now_ns)
{
	if (!t->is_used || t->pace == BUDGET_PACE_ALWAYS)
		return false;
	if (t->due_ns > now_ns || t->due_ns == UINT64_MAX)
		return false;
	if (t->short_ns > 0 && (now_ns < t->seen_ns || since(now_ns, t->seen_ns) > PREDICT_NS))
		return false;
	return since(now_ns, t->ran_ns) <= MEMORY_NS;
}

static double waited(const struct target *t, uint64_t now_ns)
{
	return since(now_ns, t->due_ns) * pace_share[t->pace];
}

/* ── the host ─────────────────────────────────────────────────────────────────────────────── */

static double host_aim(const struct budget *b)
{
	return BUDGET_AIM * b->o.host_share;
}

/* Pure, since budget_wait_ns() must not change anything. */
static struct host host_at(const struct budget *b, uint64_t now_ns)
{
	struct host h = b->host;
	double dt = h.is_seen ? since(now_ns, h.seen_ns) : 0;
	double keep = exp(-dt / MEMORY_NS);

	h.is_seen = true;
	h.seen_ns = now_ns;
	h.cost_ns *= keep;
	h.time_ns = h.time_ns * keep + MEMORY_NS * (1 - keep);
	h.credit_ns = fmin(h.credit_ns + dt * host_aim(b), fmax(HOST_CAP_NS, 1e9 * host_aim(b)));
	return h;
}

static void host_pay(struct budget *b, uint64_t now_ns, double cost_ns)
{
	b->host = host_at(b, now_ns);
	b->host.cost_ns += cost_ns;
	b->host.credit_ns = fmax(b->host.credit_ns - cost_ns, -DEBT_NS * host_aim(b));
}

static double host_need(const struct budget *b, const struct target *t)
{
	return fmin(window_cost(t) * (1 + b->host.delay), HOST_CAP_NS);
}

/* ── contract ─────────────────────────────────────────────────────────────────────────────── */

static double loss_scale(double share)
{
	return clamp(share / BUDGET_LOSS_SHARE, 1, BUDGET_LOSS_SCALE_MAX);
}

int budget_set_shares(struct budget *b, double share, double host_share)
{
	if (!(share >= 0 && share <= 1 && host_share >= 0 && host_share <= 1))
		return -EINVAL;
	b->o.share = share;
	b->o.host_share = host_share;
	for (size_t i = 0; i < PGD_TARGETS_MAX; i++)
		b->targets[i].loss_scale = loss_scale(share);
	return 0;
}

int budget_new(const struct budget_options *o, struct budget **ret)
{
	struct budget *b;

	if (!(o->share >= 0 && o->share <= 1 && o->host_share >= 0 && o->host_share <= 1))
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->o = *o;
	b->random = o->seed;
	*ret = b;
	return 0;
}

void budget_free(struct budget *b)
{
	free(b);
}

void budget_add(struct budget *b, uint32_t slot, uint64_t now_ns, uint64_t cpu_ns)
{
	if (slot >= PGD_TARGETS_MAX)
		return;
	b->host = host_at(b, now_ns); /* whose time starts with the first target at the latest */
	b->targets[slot] = (struct target){
		.is_used = true,
		.pace = BUDGET_PACE_FULL,
		.seen_ns = now_ns,
		.seen_cpu_ns = cpu_ns,
		.ran_ns = now_ns,
		.entry_ns = BUDGET_ENTRY_NS,
		.loss_scale = loss_scale(b->o.share),
		.extra_ns = EXTRA_NS,
		.due_ns = UINT64_MAX,
		.plan_ns = now_ns,
		.short_ns = INFINITY,
		.period_ns = INFINITY,
		.delay = splitmix_uniform(&b->random),
	};
}

void budget_del(struct budget *b, uint32_t slot)
{
	struct target *t = target_get(b, slot);

	if (t)
		t->is_used = false;
}

void budget_set_pace(struct budget *b, uint32_t slot, enum budget_pace pace)
{
	struct target *t = target_get(b, slot);

	if (t && pace < BUDGET_PACE_MAX)
		t->pace = pace;
}

bool budget_is_in_debt(const struct budget *b, uint32_t slot)
{
	const struct target *t = target_get(b, slot);

	return t && t->credit_ns < 0;
}

double budget_entry_ns(const struct budget *b, uint32_t slot)
{
	const struct target *t = target_get(b, slot);

	return t ? t->entry_ns : 0;
}

void budget_earn(struct budget *b, uint32_t slot, uint64_t now_ns, uint64_t cpu_ns)
{
	struct target *t = target_get(b, slot);
	double dt, cpu, keep, fade, earned;

	if (!t || now_ns == t->seen_ns)
		return;
	dt = since(now_ns, t->seen_ns);
	cpu = fmin(since(cpu_ns, t->seen_cpu_ns), CPUS_MAX * dt);
	keep = exp(-dt / MEMORY_NS);
	t->cpus = t->cpus * keep + (dt > 0 ? cpu / dt : 0) * (1 - keep);
	t->cpus_weight = t->cpus_weight * keep + (1 - keep);

	/* The CPU time was used all along dt: what was long ago has faded too. */
	fade = fmin(dt / MEMORY_NS, cpu * BUDGET_AIM * b->o.share / window_cost(t) / 3);
	t->cost_ns *= exp(-fade);
	t->cpu_ns = t->cpu_ns * exp(-fade) + cpu * (fade > 0 ? -expm1(-fade) / fade : 1);

	earned = fmax(aim(b, t) * cpu, forgiven(t, dt));
	if (t->entry_ns < BUDGET_ENTRY_NS && t->pace == BUDGET_PACE_FULL) /* it is being met */
		earned += let_off(t, ENTRY_PART * aim(b, t) * cpu);
	t->credit_ns = fmin(t->credit_ns + earned, CAP_WINDOWS * window_cost(t));
	/* It has slept: not all its windows shall be in the moment when it wakes up. */
	if (cpu > 0 && since(now_ns, t->ran_ns) > MEMORY_NS)
		t->delay = splitmix_uniform(&b->random);
	if (cpu > 0 || now_ns < t->ran_ns)
		t->ran_ns = now_ns;
	t->seen_ns = now_ns;
	t->seen_cpu_ns = cpu_ns;
	plan(b, t, now_ns);
}

void budget_spend(struct budget *b, uint32_t slot, uint64_t now_ns, uint64_t cost_ns)
{
	struct target *t = target_get(b, slot);
	double entry_ns;

	host_pay(b, now_ns, (double)cost_ns);
	if (!t)
		return;
	entry_ns = let_off(t, (double)cost_ns);
	t->cost_ns += entry_ns;
	pay(b, t, (double)cost_ns - entry_ns);
	plan(b, t, now_ns);
}

/* The one that has waited longest; NULL if nobody's turn has come. */
static const struct target *first_due(const struct budget *b, uint64_t now_ns, size_t *ret_n)
{
	const struct target *first = NULL;

	*ret_n = 0;
	for (size_t i = 0; i < PGD_TARGETS_MAX; i++) {
		const struct target *t = &b->targets[i];

		if (!is_due(t, now_ns))
			continue;
		(*ret_n)++;
		if (!first || waited(t, now_ns) > waited(first, now_ns))
			first = t;
	}
	return first;
}

bool budget_next(struct budget *b, uint64_t now_ns, uint32_t *ret_slot, struct budget_window *ret)
{
	const struct target *first;
	size_t n;

	b->host = host_at(b, now_ns);
	if (b->is_open)
		return false;
	first = first_due(b, now_ns, &n);
	if (!first || b->host.credit_ns < host_need(b, first))
		return false;
	b->is_open = true;
	*ret_slot = (uint32_t)(first - b->targets);
	b->targets[*ret_slot].is_open = true;
	ret->loss_max_ns = (uint64_t)loss_max(first);
	/* Alone it may take its time; while others wait, shorter windows. */
	ret->wall_max_ns = (uint64_t)fmax(WALL_MIN_NS, BUDGET_WALL_MAX_NS / (double)n);
	return true;
}

uint64_t budget_wait_ns(const struct budget *b, uint64_t now_ns)
{
	struct host h = host_at(b, now_ns);
	const struct target *first;
	double wait_ns = WAIT_MAX_NS;
	size_t n;

	if (b->is_open)
		return (uint64_t)WAIT_MAX_NS;
	first = first_due(b, now_ns, &n);
	if (first) {
		double missing = fmax(0, host_need(b, first) - h.credit_ns);

		wait_ns = missing > 0 ? missing / host_aim(b) + 1 : 0;
		return (uint64_t)fmin(wait_ns, WAIT_MAX_NS);
	}
	for (size_t i = 0; i < PGD_TARGETS_MAX; i++) {
		const struct target *t = &b->targets[i];

		if (t->is_used && t->due_ns > now_ns)
			wait_ns = fmin(wait_ns, since(t->due_ns, now_ns));
	}
	return (uint64_t)wait_ns;
}

void budget_window_done(struct budget *b, uint32_t slot, uint64_t now_ns, uint64_t loss_ns,
			uint64_t extra_ns)
{
	struct target *t = target_get(b, slot);

	host_pay(b, now_ns, (double)loss_ns + (double)extra_ns);
	b->host.delay = splitmix_uniform(&b->random);
	b->is_open = false;
	/* It may have gone meanwhile, and another process come into its slot. */
	if (!t || !t->is_open)
		return;
	t->is_open = false;
	pay(b, t, (double)loss_ns + (double)extra_ns);
	learn(t, (double)loss_ns, (double)extra_ns);
	t->delay = splitmix_uniform(&b->random);
	t->due_ns = UINT64_MAX;
	t->plan_ns = now_ns;
	plan(b, t, now_ns);
}

double budget_overhead(const struct budget *b, uint32_t slot)
{
	const struct target *t = target_get(b, slot);

	return t && t->cpu_ns > 0 ? t->cost_ns / t->cpu_ns : NAN;
}

double budget_host_overhead(const struct budget *b, uint64_t now_ns)
{
	struct host h = host_at(b, now_ns);

	return h.time_ns > 0 ? h.cost_ns / h.time_ns : NAN;
}
