/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/budgetsim.h — a budget, and targets that live under it, simulated millisecond by
 * millisecond with costs as measured: a trap 1.2 us, attaching 15 ms of wall time and 2 to 4 ms of
 * CPU time. Set PGD_TEST_VERBOSE to see the numbers.
 */
#ifndef TESTS_HARNESS_BUDGETSIM_H
#define TESTS_HARNESS_BUDGETSIM_H

#include <math.h>
#include <stdbool.h>

#include "lib/cleanup.h"
#include "target/budget.h"
#include "test.h"

#define MS    1000000ull
#define SEC   (1000 * MS)
#define START (1000 * SEC)

DEFINE_CLEANUP(struct budget *, budget_free)

static inline struct budget *new_budget(double share, double host_share)
{
	struct budget_options o = { .share = share, .host_share = host_share, .seed = 1 };
	struct budget *b = NULL;

	assert_ok(budget_new(&o, &b));
	return b;
}

static inline void say(const char *what, double a, double b, double c)
{
	if (getenv("PGD_TEST_VERBOSE"))
		printf("             %-48s %9.3f %9.3f %9.3f\n", what, a, b, c);
}

#define SIM_TARGETS_MAX 64
#define TRAP_US		1.2

/* What a target would do without us: in each period first it is busy, then idle. */
struct load {
	double busy_cpus, idle_cpus;
	double busy_hits, idle_hits; /* per microsecond of its CPU time */
	uint64_t period_ms, busy_ms; /* 0: always busy */
};

struct sim_target {
	struct load load;
	uint64_t cpu_ns; /* used, traps included */
	double cpu_part_ns;
	double cost_ns; /* what it has truly cost, seen or not */
	int windows;
};

struct sim {
	struct budget *b;
	uint64_t now_ns, timer_ns, random;
	size_t n;
	struct sim_target targets[SIM_TARGETS_MAX];
	/* The open window. */
	bool is_open;
	uint32_t slot;
	struct budget_window limits;
	uint64_t gate_ns;
	double loss_ns;
	void (*on_window)(struct sim *s, void *arg);
	void *arg;
	/* Accidents and costs. */
	double overshoot; /* of the next window, times loss_max_ns; then 0 again */
	uint64_t asked;
};

static inline double uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(*seed >> 11) * 0x1p-53;
}

static inline void sim_init(struct sim *s, struct budget *b, size_t n, const struct load *load)
{
	*s = (struct sim){ .b = b, .now_ns = START, .random = 20260101, .n = n };
	for (uint32_t i = 0; i < n; i++) {
		s->targets[i].load = *load;
		budget_add(b, i, s->now_ns, 0);
	}
}

static inline bool is_busy(const struct sim *s, const struct load *l)
{
	return !l->period_ms || s->now_ns / MS % l->period_ms < l->busy_ms;
}

/* One millisecond: traps make it slower by the factor 1 + slow. It works off what it has to do, as
 * long as there is a core. Returns what the traps cost. */
static inline double target_ms(struct sim *s, struct sim_target *t, double trapped)
{
	const struct load *l = &t->load;
	double cpus = is_busy(s, l) ? l->busy_cpus : l->idle_cpus;
	double slow = (is_busy(s, l) ? l->busy_hits : l->idle_hits) * TRAP_US * trapped;
	double used = fmin(cpus * (1 + slow), fmax(cpus, l->busy_cpus)) * (double)MS;

	t->cpu_part_ns += used;
	t->cpu_ns = (uint64_t)t->cpu_part_ns;
	return used * slow / (1 + slow);
}

/* What the daemon does ten times a second. */
static inline void sim_look(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		budget_earn(s->b, i, s->now_ns, s->targets[i].cpu_ns);
}

static inline void sim_window(struct sim *s)
{
	struct sim_target *t = &s->targets[s->slot];
	double loss_max_ns = (double)s->limits.loss_max_ns;
	double extra_ns;

	if (s->loss_ns < loss_max_ns && s->now_ns < s->gate_ns + s->limits.wall_max_ns)
		return;
	if (s->loss_ns > loss_max_ns) /* it closes within a step */
		s->loss_ns = loss_max_ns * (1 + 0.1 * uniform(&s->random));
	if (s->overshoot > 0)
		s->loss_ns = loss_max_ns * s->overshoot;
	s->overshoot = 0;
	extra_ns = 2e6 + 2e6 * uniform(&s->random);
	t->cost_ns += s->loss_ns + extra_ns;
	t->windows++;
	budget_window_done(s->b, s->slot, s->now_ns, (uint64_t)s->loss_ns, (uint64_t)extra_ns);
	s->is_open = false;
	s->timer_ns = s->now_ns + 20 * MS; /* detaching */
}

static inline void sim_ask(struct sim *s)
{
	s->asked++;
	if (budget_next(s->b, s->now_ns, &s->slot, &s->limits)) {
		s->is_open = true;
		s->gate_ns = s->now_ns + 15 * MS;
		s->loss_ns = 0;
		if (s->on_window)
			s->on_window(s, s->arg);
		return;
	}
	s->timer_ns = s->now_ns + budget_wait_ns(s->b, s->now_ns);
}

static inline void sim_run(struct sim *s, double sec)
{
	for (uint64_t end_ns = s->now_ns + (uint64_t)(sec * 1e9); s->now_ns < end_ns;) {
		s->now_ns += MS;
		for (uint32_t i = 0; i < s->n; i++) {
			bool is_gate = s->is_open && s->slot == i && s->now_ns > s->gate_ns;

			s->loss_ns += target_ms(s, &s->targets[i], is_gate);
		}
		if (s->now_ns % (100 * MS) == 0)
			sim_look(s);
		if (s->is_open)
			sim_window(s);
		else if (s->now_ns >= s->timer_ns)
			sim_ask(s);
	}
}

/* True costs since `before`, over CPU time since then. */
static inline double sim_overhead(const struct sim *s, const struct sim *before, uint32_t i)
{
	return (s->targets[i].cost_ns - before->targets[i].cost_ns) /
	       (double)(s->targets[i].cpu_ns - before->targets[i].cpu_ns);
}

static inline double sim_host_overhead(const struct sim *s, const struct sim *before)
{
	double cost_ns = 0;

	for (uint32_t i = 0; i < s->n; i++)
		cost_ns += s->targets[i].cost_ns - before->targets[i].cost_ns;
	return cost_ns / (double)(s->now_ns - before->now_ns);
}

static const struct load saturated = { .busy_cpus = 1, .busy_hits = 12 };

#endif
