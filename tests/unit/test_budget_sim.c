/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/budget.c over minutes of simulated targets: what do its rules cost, and whom do they
 * leave out? test_budget.c has the rules.
 */
#include <time.h>

#include "budgetsim.h"

static void budget__a_saturated_target_costs_half_to_all_of_the_budget(void **state)
{
	static const struct row {
		double share, hits, windows_min, windows_max; /* per second */
	} rows[] = {
		{ 0.01, 12, 0.7, 1.2 },	   { 0.01, 0.5, 0.7, 1.2 },  { 0.02, 12, 1.4, 2.4 },
		{ 0.05, 12, 1.8, 3.4 },	   { 0.05, 0.5, 1.8, 3.4 },  { 0.01, 0.01, 0.7, 3 },
		{ 0.001, 12, 0.07, 0.12 }, { 0.0001, 12, 0, 0.016 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(rows[i].share, 0.5);
		struct load load = saturated;
		struct sim before, s;
		double overhead, rate, sec = rows[i].share < 0.01 ? 600 : 100;

		load.busy_hits = rows[i].hits;
		sim_init(&s, b, 1, &load);
		sim_run(&s, 5);
		before = s;
		sim_run(&s, sec);
		overhead = sim_overhead(&s, &before, 0);
		rate = (s.targets[0].windows - before.targets[0].windows) / sec;
		say("saturated: share, overhead/share, windows/s", rows[i].share,
		    overhead / rows[i].share, rate);
		assert_true(overhead <= rows[i].share && overhead >= 0.5 * rows[i].share);
		assert_true(rate >= rows[i].windows_min && rate <= rows[i].windows_max);
		if (rows[i].share > 0.0001)
			assert_true(fabs(budget_overhead(b, 0) / overhead - 1) < 0.5);
	}
}

static void budget__four_on_two_cores_share_fairly(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.02);
	struct load half = saturated;
	struct sim before, s;
	double host;

	(void)state;
	half.busy_cpus = 0.5;
	sim_init(&s, b, 4, &half);
	sim_run(&s, 5);
	before = s;
	sim_run(&s, 120);
	for (uint32_t i = 0; i < 4; i++) {
		double overhead = sim_overhead(&s, &before, i);

		say("four of half a core: overhead, windows/s", overhead,
		    (s.targets[i].windows - before.targets[i].windows) / 120.0, 0);
		assert_true(overhead >= 0.005 && overhead <= 0.01);
	}
	host = sim_host_overhead(&s, &before);
	say("  host", host, budget_host_overhead(b, s.now_ns), 0);
	assert_true(host <= 0.02 && budget_host_overhead(b, s.now_ns) <= 0.02);
}

/* Idle, saturated, idle, …: measured from five seconds after each step for the rest of the half
 * minute, all costs are within 1.5 times the budget; so is what budget_overhead() says. */
static void budget__steps_of_load_are_over_after_five_seconds(void **state)
{
	static const struct row {
		double share, idle_cpus;
	} rows[] = {
		{ 0.01, 0.1 }, { 0.01, 0.05 }, { 0.01, 0 }, { 0.05, 0.05 }, { 0.01, 0.3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(rows[i].share, 0.5);
		struct load idle = { .busy_cpus = rows[i].idle_cpus, .busy_hits = 12 };
		double worst = 0, worst_said = 0, least = INFINITY, start_ms = 0;
		struct sim before, s;

		sim_init(&s, b, 1, &idle);
		sim_run(&s, 30);
		for (int step = 0; step < 12; step++) {
			bool is_busy_step = step % 2 == 0;
			double overhead;

			s.targets[0].load = is_busy_step ? saturated : idle;
			before = s;
			sim_run(&s, 5);
			start_ms = fmax(start_ms,
					(s.targets[0].cost_ns - before.targets[0].cost_ns) / 1e6);
			before = s;
			sim_run(&s, 25);
			overhead = s.targets[0].cpu_ns > before.targets[0].cpu_ns
					   ? sim_overhead(&s, &before, 0)
					   : 0;
			worst = fmax(worst, overhead);
			if (is_busy_step)
				least = fmin(least, overhead);
			worst_said = fmax(worst_said, budget_overhead(b, 0));
		}
		say("steps: worst, said, least busy (shares)", worst / rows[i].share,
		    worst_said / rows[i].share, least / rows[i].share);
		say("   ms lost in the first 5 s, windows", start_ms, s.targets[0].windows, 0);
		assert_true(worst <= 1.5 * rows[i].share);
		assert_true(worst_said <= 1.5 * rows[i].share);
		assert_true(least >= 0.5 * rows[i].share); /* we are not blind */
	}
}

/* Idle and saturated by turns, a second each. */
static void budget__hasty_steps_are_paid_too(void **state)
{
	static const struct load hasty = { 1, 0.05, 12, 12, 2000, 1000 };
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct sim before, s;
	double overhead;

	(void)state;
	sim_init(&s, b, 1, &hasty);
	sim_run(&s, 30);
	before = s;
	sim_run(&s, 100);
	overhead = sim_overhead(&s, &before, 0);
	say("hasty steps: overhead", overhead, 0, 0);
	assert_true(overhead <= 0.01);
}

static void budget__idle_targets_are_left_alone(void **state)
{
	static const struct row {
		double cpus;
		int windows_max; /* of all, in two minutes */
	} rows[] = { { 0, 0 }, { 0.0001, 0 }, { 0.001, 12 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.02);
		struct load idle = { .busy_cpus = rows[i].cpus, .busy_hits = 12 };
		struct sim s;
		int windows = 0;

		sim_init(&s, b, 50, &idle);
		sim_run(&s, 20);
		for (uint32_t k = 0; k < s.n; k++)
			windows += s.targets[k].windows;
		say("50 idle: CPUs each, windows, asked/s", rows[i].cpus, windows,
		    (double)s.asked / 20);
		assert_in_range(windows, 0, rows[i].windows_max);
		assert_true(s.asked <= 20 * 15);
	}
}

static void budget__asking_is_cheap(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.02);
	struct timespec from, to;
	struct budget_window w;
	uint64_t now_ns = START;
	uint32_t slot;
	double us;

	(void)state;
	for (uint32_t i = 0; i < PGD_TARGETS_MAX; i++)
		budget_add(b, i, now_ns, 0);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (uint64_t i = 1; i <= 200; i++) {
		now_ns += 100 * MS;
		for (uint32_t k = 0; k < PGD_TARGETS_MAX; k++)
			budget_earn(b, k, now_ns, i * 10000);
		budget_next(b, now_ns, &slot, &w);
		budget_wait_ns(b, now_ns);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	us = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) /
	     200e3;
	say("128 targets: us a look", us, 0, 0);
	assert_true(us < 500); /* 0.05 % of a core in 10 looks a second, with sanitizers */
}

static void budget__suspects_get_four_times_the_windows(void **state)
{
	static const struct row {
		double host_share;
		size_t n;
		double min, max;
	} rows[] = {
		{ 0.5, 8, 3.3, 4.7 },
		{ 0.01, 8, 3.0, 5.0 }, /* also where the host's budget is what is short */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(0.01, rows[i].host_share);
		double windows[2] = { 0 };
		struct sim s;

		sim_init(&s, b, rows[i].n, &saturated);
		for (uint32_t k = 0; k < s.n; k += 2)
			budget_set_pace(b, k, BUDGET_PACE_QUIET);
		sim_run(&s, 200);
		for (uint32_t k = 0; k < s.n; k++)
			windows[k % 2] += s.targets[k].windows;
		say("quiet, suspects, ratio", windows[0], windows[1], windows[1] / windows[0]);
		assert_true(windows[1] / windows[0] >= rows[i].min);
		assert_true(windows[1] / windows[0] <= rows[i].max);
	}
}

#define PHASES 10

struct phases {
	uint64_t period_ns;
	int n, counts[PHASES];
};

static void phases_add(struct sim *s, void *arg)
{
	struct phases *p = arg;

	p->counts[s->now_ns % p->period_ns * PHASES / p->period_ns]++;
	p->n++;
}

/* Nothing periodic is always seen, or never: neither what burns CPU time evenly nor what works in a
 * part of its period, whether the period is that of the looks or that of the windows. Not quite
 * evenly only where a target gets several windows within one of its own periods, and earns them all
 * in one part of it (the last row). */
static void budget__windows_start_at_all_phases(void **state)
{
	static const struct row {
		double share;
		struct load load;
		uint64_t period_ms;
		double sec, chi_max; /* 27.9: 0.1 % of honest draws exceed it */
	} rows[] = {
		{ 0.01, { 1, 1, 12, 12, 0, 0 }, 100, 600, 27.9 },
		{ 0.02, { 1, 1, 12, 12, 0, 0 }, 100, 600, 27.9 },
		{ 0.01, { 1, 1, 12, 12, 0, 0 }, 880, 600, 27.9 },
		{ 0.01, { 1, 1, 12, 12, 0, 0 }, 1000, 600, 27.9 },
		{ 0.01, { 1, 0.1, 12, 12, 500, 250 }, 500, 600, 27.9 },
		{ 0.02, { 1, 0.02, 12, 12, 700, 20 }, 700, 2400, 27.9 },
		{ 0.01, { 1, 0, 12, 0, 1000, 300 }, 1000, 600, 27.9 },
		{ 0.02, { 1, 0.1, 12, 12, 500, 250 }, 500, 600, INFINITY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(rows[i].share, 0.5);
		struct phases p = { .period_ns = rows[i].period_ms * MS };
		double chi = 0, least = INFINITY;
		struct sim s;

		sim_init(&s, b, 1, &rows[i].load);
		s.on_window = phases_add;
		s.arg = &p;
		sim_run(&s, rows[i].sec);
		for (int k = 0; k < PHASES; k++) {
			double mean = p.n / (double)PHASES;

			chi += pow(p.counts[k] - mean, 2) / mean;
			least = fmin(least, p.counts[k] / mean);
		}
		say("phases: windows, chi2 (9), least phase/mean", p.n, chi, least);
		assert_true(p.n >= 100 && chi <= rows[i].chi_max && least >= 0.4);
	}
}

static void budget__a_dear_accident_is_paid_back(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct sim before, s;
	double overhead;
	int windows;

	(void)state;
	sim_init(&s, b, 1, &saturated);
	sim_run(&s, 20);
	before = s;
	s.overshoot = 10;
	sim_run(&s, 30);
	overhead = sim_overhead(&s, &before, 0);
	windows = s.targets[0].windows;
	before = s;
	sim_run(&s, 10);
	say("accident: overhead of 30 s, windows of next 10 s", overhead,
	    s.targets[0].windows - windows, sim_overhead(&s, &before, 0));
	assert_true(overhead <= 0.01 && overhead >= 0.005);
	assert_true(s.targets[0].windows - windows >= 6);
}

static void budget__the_host_has_a_cap(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.05);
	int least = INT32_MAX, most = 0;
	struct sim before, s;
	double host;

	(void)state;
	sim_init(&s, b, 60, &saturated);
	sim_run(&s, 10);
	before = s;
	sim_run(&s, 40);
	host = sim_host_overhead(&s, &before);
	for (uint32_t i = 0; i < s.n; i++) {
		int n = s.targets[i].windows - before.targets[i].windows;

		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	say("60 saturated: host, least, most windows in 40 s", host, least, most);
	assert_true(host <= 0.05 && host >= 0.025);
	assert_true(budget_host_overhead(b, s.now_ns) <= 0.05);
	assert_true(least >= 1 && most <= least + 2);
}

/* Where the host's credit is what is short, its turns are at random moments as well. */
static void budget__turns_of_the_host_are_not_a_beat(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.01);
	double gap_ms, least_ms = INFINITY, most_ms = 0;
	uint64_t now_ns = START, last_ns = 0;
	struct budget_window w;
	uint32_t slot;

	(void)state;
	for (uint32_t i = 0; i < 8; i++)
		budget_add(b, i, now_ns, 0);
	for (int n = 0; n < 100;) {
		now_ns += budget_wait_ns(b, now_ns) + 1;
		for (uint32_t i = 0; i < 8; i++)
			budget_earn(b, i, now_ns, now_ns - START);
		if (!budget_next(b, now_ns, &slot, &w))
			continue;
		budget_window_done(b, slot, now_ns, 3600000, 3 * MS);
		gap_ms = (double)(now_ns - last_ns) / MS;
		last_ns = now_ns;
		if (++n < 20)
			continue;
		least_ms = fmin(least_ms, gap_ms);
		most_ms = fmax(most_ms, gap_ms);
	}
	say("host: least and most ms between turns", least_ms, most_ms, 0);
	assert_true(least_ms < 600 && most_ms > 1200); /* 880 on average */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget__a_saturated_target_costs_half_to_all_of_the_budget),
		cmocka_unit_test(budget__four_on_two_cores_share_fairly),
		cmocka_unit_test(budget__steps_of_load_are_over_after_five_seconds),
		cmocka_unit_test(budget__hasty_steps_are_paid_too),
		cmocka_unit_test(budget__idle_targets_are_left_alone),
		cmocka_unit_test(budget__asking_is_cheap),
		cmocka_unit_test(budget__suspects_get_four_times_the_windows),
		cmocka_unit_test(budget__windows_start_at_all_phases),
		cmocka_unit_test(budget__a_dear_accident_is_paid_back),
		cmocka_unit_test(budget__the_host_has_a_cap),
		cmocka_unit_test(budget__turns_of_the_host_are_not_a_beat),
	};

	return cmocka_run_group_tests_name("budget_sim", tests, NULL, NULL);
}
