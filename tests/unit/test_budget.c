/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/budget.c. The second half simulates targets, millisecond by millisecond, with
 * costs as measured: a trap 1.2 us, attaching 15 ms of wall time and 2 to 4 ms of CPU time. Set
 * PGD_TEST_VERBOSE to see the numbers.
 */
#include <math.h>
#include <stdbool.h>
#include <time.h>

#include "lib/cleanup.h"
#include "target/budget.h"
#include "test.h"

#define MS	 1000000ull
#define SEC	 (1000 * MS)
#define ENTRY_MS (BUDGET_ENTRY_NS / MS) /* free of charge */
#define DAY	 (86400 * SEC)
#define START	 (1000 * SEC)

DEFINE_CLEANUP(struct budget *, budget_free)

static struct budget *new_budget(double share, double host_share)
{
	struct budget_options o = { .share = share, .host_share = host_share, .seed = 1 };
	struct budget *b = NULL;

	assert_ok(budget_new(&o, &b));
	return b;
}

static void say(const char *what, double a, double b, double c)
{
	if (getenv("PGD_TEST_VERBOSE"))
		printf("             %-48s %9.3f %9.3f %9.3f\n", what, a, b, c);
}

/* ── by hand ──────────────────────────────────────────────────────────────────────────────── */

/* `sec` seconds in which slot 0 uses `cpus` cores; windows, if asked for, of that cost. Returns how
 * many there were. */
struct hand {
	struct budget *b;
	uint64_t now_ns, cpu_ns;
	uint64_t loss_ns, extra_ns;
	bool has_windows;
};

static int hand_run(struct hand *h, double sec, double cpus)
{
	struct budget_window w;
	uint32_t slot;
	int n = 0;

	for (int i = 0; i < sec * 10; i++) {
		h->now_ns += 100 * MS;
		h->cpu_ns += (uint64_t)(cpus * 100 * MS);
		budget_earn(h->b, 0, h->now_ns, h->cpu_ns);
		if (!h->has_windows || !budget_next(h->b, h->now_ns, &slot, &w))
			continue;
		assert_int_equal(slot, 0);
		budget_window_done(h->b, slot, h->now_ns, h->loss_ns, h->extra_ns);
		n++;
	}
	return n;
}

static void hand_start(struct hand *h, struct budget *b)
{
	*h = (struct hand){ b, START, 5 * SEC, 4 * MS, 3 * MS, true };
	budget_add(b, 0, h->now_ns, h->cpu_ns);
}

static void budget__bad_shares_are_refused(void **state)
{
	static const struct budget_options rows[] = {
		{ -0.01, 0.1, 0 }, { 1.01, 0.1, 0 },	 { NAN, 0.1, 0 },
		{ 0.1, -1, 0 },	   { 0.1, INFINITY, 0 }, { 0.1, NAN, 0 },
	};
	struct budget *b = NULL;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_err(budget_new(&rows[i], &b), -EINVAL);
	assert_null(b);
	budget_free(NULL);
}

static void budget__nothing_is_known_at_first(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.1);
	struct budget_window w;
	uint32_t slot;

	(void)state;
	assert_true(isnan(budget_overhead(b, 0)));
	assert_true(isnan(budget_host_overhead(b, START)));
	assert_false(budget_next(b, START, &slot, &w));
	assert_int_equal(budget_wait_ns(b, START), 100 * MS);
	budget_add(b, 0, START, 0);
	assert_true(isnan(budget_overhead(b, 0)));
	assert_int_equal(budget_trip_ns(b, 0), BUDGET_TRIP_MIN_NS);
}

/* A process that is not there, or a slot that cannot be. */
static void budget__empty_slots_are_ignored(void **state)
{
	static const uint32_t slots[] = { 0, 7, PGD_TARGETS_MAX - 1, PGD_TARGETS_MAX, UINT32_MAX };
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.1);
	struct budget_window w;
	uint32_t slot;

	(void)state;
	budget_add(b, PGD_TARGETS_MAX, START, 0);
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		budget_del(b, slots[i]);
		budget_set_pace(b, slots[i], BUDGET_PACE_QUIET);
		budget_earn(b, slots[i], START + SEC, 900 * SEC);
		budget_spend(b, slots[i], START + SEC, MS);
		budget_window_done(b, slots[i], START + SEC, MS, MS);
		assert_true(isnan(budget_overhead(b, slots[i])));
		assert_false(budget_allows_always(b, slots[i], 0, true));
		assert_int_equal(budget_trip_ns(b, slots[i]), BUDGET_TRIP_MIN_NS);
	}
	assert_false(budget_next(b, START + 9 * SEC, &slot, &w));
}

static void budget__shares_of_zero_buy_nothing(void **state)
{
	static const struct budget_options rows[] = { { 0, 0, 0 }, { 0, 1, 0 }, { 1, 0, 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b =
			new_budget(rows[i].share, rows[i].host_share);
		struct hand h;

		hand_start(&h, b);
		assert_int_equal(hand_run(&h, 200, 1), 0);
		assert_true(budget_wait_ns(b, h.now_ns) > 0);
		assert_false(budget_allows_always(b, 0, 1, false));
		assert_true(budget_overhead(b, 0) == 0);
	}
}

/* Whatever clocks say, ten seconds later all is as usual: some windows, not many. */
static void budget__hostile_clocks_neither_blind_nor_storm(void **state)
{
	static const struct row {
		const char *name;
		int64_t now_by, cpu_by;
		int min, max; /* windows of the 30 s after it */
	} rows[] = {
		{ "nothing happens", 0, 0, 20, 50 },
		{ "a day forward", DAY, 0, 20, 50 },
		{ "a day back", -(int64_t)(START / 2), 0, 20, 50 },
		{ "to the start of time", -(int64_t)(START + 9 * SEC), 0, 20, 50 },
		{ "a day forward, with CPU time", DAY, DAY, 20, 50 },
		{ "CPU time falls", 0, -(int64_t)(10 * SEC), 20, 50 },
		{ "CPU time leaps", 0, DAY, 15, 60 },
		{ "CPU time leaps to the end", 0, INT64_MAX, 15, 60 },
		{ "both leap to the end", INT64_MAX, INT64_MAX, 0, 60 },
		{ "both fall", -(int64_t)(START / 2), -(int64_t)(10 * SEC), 20, 50 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
		struct hand h;
		int n;

		hand_start(&h, b);
		h.now_ns += 10 * SEC;
		h.cpu_ns += 10 * SEC;
		hand_run(&h, 20, 1);
		h.now_ns += (uint64_t)rows[i].now_by;
		h.cpu_ns += (uint64_t)rows[i].cpu_by;
		n = hand_run(&h, 10, 1);
		say(rows[i].name, n, budget_overhead(b, 0), budget_host_overhead(b, h.now_ns));
		assert_in_range(n, 0, 25);
		n = hand_run(&h, 30, 1);
		assert_in_range(n, rows[i].min, rows[i].max);
		assert_true(budget_overhead(b, 0) <= 0.0125);
		assert_true(n < 15 || budget_overhead(b, 0) >= 0.005);
		assert_true(budget_wait_ns(b, h.now_ns) <= 100 * MS);
	}
}

static void budget__time_that_stands_still_earns_nothing_and_loses_nothing(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct budget_window w;
	uint32_t slot;

	(void)state;
	budget_add(b, 0, START, 0);
	for (uint64_t i = 1; i <= 1000; i++) {
		budget_earn(b, 0, START, i * SEC);
		assert_false(budget_next(b, START, &slot, &w));
	}
	assert_true(isnan(budget_overhead(b, 0)));
	budget_earn(b, 0, START + SEC, SEC);
	budget_spend(b, 0, START + SEC, 10 * MS);
	assert_true(fabs(budget_overhead(b, 0) - 0.01) < 0.001);
}

static void budget__huge_costs_are_forgiven_in_the_end(void **state)
{
	static const uint64_t costs[] = { SEC, DAY, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(costs); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
		struct hand h;

		hand_start(&h, b);
		hand_run(&h, 20, 1);
		budget_spend(b, 0, h.now_ns, costs[i]);
		assert_int_equal(budget_trip_ns(b, 0), BUDGET_TRIP_MIN_NS);
		assert_false(budget_allows_always(b, 0, 0, false));
		assert_int_equal(hand_run(&h, 25, 1), 0); /* it does pay */
		assert_true(hand_run(&h, 15, 1) > 0); /* and not for minutes */
	}
}

/* What a window cost beyond its limit is learnt, slowly; the credit pays all of it. */
static void budget__dear_windows_become_rare(void **state)
{
	static const struct row {
		uint64_t loss_ns, extra_ns;
		int min, max; /* windows of a minute; earned: 450 ms */
	} rows[] = {
		{ 4 * MS, 3 * MS, 55, 68 }, { 40 * MS, 3 * MS, 8, 14 }, { 4 * MS, 60 * MS, 5, 10 },
		{ 0, 3 * MS, 60, 150 },	    { 0, 0, 60, 200 }, /* could not be opened: tried again,
								  at its pace */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
		struct hand h;
		int n;

		hand_start(&h, b);
		h.loss_ns = rows[i].loss_ns;
		h.extra_ns = rows[i].extra_ns;
		hand_run(&h, 60, 1);
		n = hand_run(&h, 60, 1);
		say("dear windows: n, overhead", n, budget_overhead(b, 0), 0);
		assert_in_range(n, rows[i].min, rows[i].max);
	}
}

static void budget__one_accident_is_not_a_lesson(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct hand h;

	(void)state;
	hand_start(&h, b);
	hand_run(&h, 60, 1);
	h.extra_ns = 200 * MS;
	while (!hand_run(&h, 0.1, 1))
		;
	h.extra_ns = 3 * MS;
	hand_run(&h, 30, 1);
	assert_true(hand_run(&h, 10, 1) >= 7);
}

/* A window of 7 ms each 20 s is 3.5 % of the little CPU time of ten seconds; on average it is not.
 */
static void budget__rare_windows_do_not_alarm(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct hand h;
	int windows;

	(void)state;
	hand_start(&h, b);
	windows = hand_run(&h, 60, 0.05);
	for (int sec = 0; sec < 600; sec++) {
		windows += hand_run(&h, 1, 0.05);
		assert_true(budget_overhead(b, 0) <= 0.015);
	}
	assert_in_range(windows, 25, 40);
}

/* It has credit, its turn has come, but it sleeps; and not all its windows are where it wakes up.
 */
static void budget__sleepers_are_left_alone(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct hand h;
	int wakes = 0;

	(void)state;
	hand_start(&h, b);
	for (int i = 0; i < 50; i++) {
		h.has_windows = false;
		hand_run(&h, 3, 1);
		hand_run(&h, 11, 0);
		h.has_windows = true;
		assert_int_equal(hand_run(&h, 10, 0), 0);
		wakes += hand_run(&h, 0.1, 1);
	}
	assert_in_range(wakes, 0, 10);
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

static void budget__limits_of_a_window(void **state)
{
	static const struct row {
		double share;
		uint64_t extra_ns, min, max;
	} rows[] = {
		{ 0.02, MS / 10, 2 * MS, 2 * MS },
		{ 0.02, 3 * MS, 3500000, 3700000 },
		{ 0.05, 3 * MS, 8750000, 9250000 }, /* a larger budget: longer ones, */
		{ 0.02, 10 * MS, BUDGET_LOSS_MAX_NS, BUDGET_LOSS_MAX_NS },
		{ 0.01, 10 * MS, BUDGET_LOSS_MAX_NS, BUDGET_LOSS_MAX_NS },
		{ 1, 10 * MS, BUDGET_LOSS_SCALE_MAX * BUDGET_LOSS_MAX_NS,
		  BUDGET_LOSS_SCALE_MAX * BUDGET_LOSS_MAX_NS }, /* but not much */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(rows[i].share, 0.5);
		struct budget_window w;
		struct hand h;
		uint32_t slot;

		hand_start(&h, b);
		h.loss_ns = MS;
		h.extra_ns = rows[i].extra_ns;
		hand_run(&h, 60, 1);
		h.has_windows = false;
		hand_run(&h, 3, 1);
		assert_true(budget_next(b, h.now_ns, &slot, &w));
		assert_in_range(w.loss_max_ns, rows[i].min, rows[i].max);
		assert_int_equal(w.wall_max_ns, BUDGET_WALL_MAX_NS);
	}
}

static void budget__one_window_at_a_time(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.05, 1);
	bool is_seen[PGD_TARGETS_MAX] = { false };
	struct budget_window w;
	uint64_t now_ns = START;
	uint32_t slot, other;
	int seen = 0;

	(void)state;
	for (uint32_t i = 0; i < PGD_TARGETS_MAX; i++)
		budget_add(b, i, now_ns, 0);
	for (int i = 1; i <= 100; i++) {
		now_ns += 100 * MS;
		for (uint32_t k = 0; k < PGD_TARGETS_MAX; k++)
			budget_earn(b, k, now_ns, (uint64_t)i * 100 * MS);
	}
	for (int i = 0; i < PGD_TARGETS_MAX; i++) {
		now_ns += 20 * MS;
		for (uint32_t k = 0; k < PGD_TARGETS_MAX; k++)
			budget_earn(b, k, now_ns, 10 * SEC + 1);
		assert_true(budget_next(b, now_ns, &slot, &w));
		assert_false(budget_next(b, now_ns, &other, &w));
		assert_int_equal(budget_wait_ns(b, now_ns), 100 * MS);
		assert_in_range(w.wall_max_ns, 50 * MS, i ? BUDGET_WALL_MAX_NS : 50 * MS);
		budget_window_done(b, slot, now_ns, 4 * MS, 3 * MS);
		seen += !is_seen[slot];
		is_seen[slot] = true;
	}
	assert_int_equal(seen, PGD_TARGETS_MAX); /* longest waiting first: each once */
}

/* The window of a process that ended must not be paid by the next one in its slot. */
static void budget__a_slot_used_again_owes_nothing(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct budget_window w;
	struct hand h;
	uint32_t slot;
	double host;

	(void)state;
	hand_start(&h, b);
	h.has_windows = false;
	hand_run(&h, 10, 1);
	assert_true(budget_next(b, h.now_ns, &slot, &w));
	budget_del(b, 0);
	budget_add(b, 0, h.now_ns, 0);
	host = budget_host_overhead(b, h.now_ns);
	budget_window_done(b, 0, h.now_ns, 50 * MS, 50 * MS);
	assert_true(budget_allows_always(b, 0, 0, false));
	h.cpu_ns = 0;
	h.has_windows = true;
	assert_true(hand_run(&h, 5, 1) > 0);
	assert_true(budget_host_overhead(b, h.now_ns) > host);
}

static void budget__always_on_has_hysteresis(void **state)
{
	static const struct row {
		const char *name;
		double spent_ms, cost_share;
		bool are_on, want;
	} rows[] = {
		{ "cheap", 0, 0.004, false, true },
		{ "half", 0, 0.006, false, false },
		{ "half, on", 0, 0.006, true, true },
		{ "dear, on", ENTRY_MS + 20, 0.011, true, false },
		{ "dear, on, of its credit", 0, 0.011, true, true },
		{ "free", 0, 0, false, true },
		{ "not known", 0, NAN, false, false },
		{ "not known, on", 0, NAN, true, true },
		{ "endless", ENTRY_MS + 20, INFINITY, true, false },
		{ "cheap, in debt", ENTRY_MS + 20, 0.004, false, false },
		{ "cheap, in debt, on", ENTRY_MS + 20, 0.004, true, true },
		{ "free, host ruined, on", 1e6, 0, true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
		struct hand h;

		hand_start(&h, b);
		h.has_windows = false;
		hand_run(&h, 30, 1);
		budget_spend(b, 0, h.now_ns, (uint64_t)(rows[i].spent_ms * MS));
		if (budget_allows_always(b, 0, rows[i].cost_share, rows[i].are_on) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

static void budget__trips_are_within_what_five_seconds_allow(void **state)
{
	static const struct row {
		double share, cpus, spent_ms, min_ms, max_ms;
	} rows[] = {
		{ 0.01, 0, 0, 5, 5 }, /* idle: a burst is forgiven */
		{ 0.01, 0.01, 0, 5, 5 },
		{ 0.01, 1, 0, 12, 14 }, /* busy, cheap: all of its credit
					 */
		{ 0.01, 1, ENTRY_MS + 10, 5, 5 },
		{ 0.02, 1, 0, 12, 14 },
		{ 0.05, 1, 0, 20, 30 }, /* as its windows are longer */
		{ 1, 1, 0, 40, 60 },
		{ 0, 1, 0, 5, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(rows[i].share, 0.5);
		struct hand h;
		double trip_ms;

		hand_start(&h, b);
		h.has_windows = false;
		hand_run(&h, 20, rows[i].cpus);
		budget_spend(b, 0, h.now_ns, (uint64_t)(rows[i].spent_ms * MS));
		trip_ms = (double)budget_trip_ns(b, 0) / MS;
		if (!(trip_ms >= rows[i].min_ms && trip_ms <= rows[i].max_ms))
			fail_msg("row %zu: %g ms", i, trip_ms);
	}
}

static void budget__overhead_is_cost_over_cpu_time_and_forgets(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct hand h;

	(void)state;
	hand_start(&h, b);
	h.has_windows = false;
	for (int i = 0; i < 100; i++) {
		hand_run(&h, 0.5, 0.5);
		budget_spend(b, 0, h.now_ns, 10 * MS); /* of 250 ms */
	}
	assert_true(fabs(budget_overhead(b, 0) - 0.04) < 0.002);
	assert_true(fabs(budget_host_overhead(b, h.now_ns) - 0.02) < 0.001);
	hand_run(&h, 40, 0.5);
	assert_true(budget_overhead(b, 0) < 0.04 * exp(-3.5));
	assert_true(budget_host_overhead(b, h.now_ns + 5 * SEC) < 0.02 * exp(-3.9));
}

/* ── simulated targets ────────────────────────────────────────────────────────────────────── */

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
	double always_loss_ns; /* since the last look */
	double always_quota_ns;
	bool has_always, is_always;
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

static double uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(*seed >> 11) * 0x1p-53;
}

static void sim_init(struct sim *s, struct budget *b, size_t n, const struct load *load)
{
	*s = (struct sim){ .b = b, .now_ns = START, .random = 20260101, .n = n };
	for (uint32_t i = 0; i < n; i++) {
		s->targets[i].load = *load;
		budget_add(b, i, s->now_ns, 0);
	}
}

static bool is_busy(const struct sim *s, const struct load *l)
{
	return !l->period_ms || s->now_ns / MS % l->period_ms < l->busy_ms;
}

/* One millisecond: traps make it slower by the factor 1 + slow. It works off what it has to do, as
 * long as there is a core. Returns what the traps cost. */
static double target_ms(struct sim *s, struct sim_target *t, double trapped)
{
	const struct load *l = &t->load;
	double cpus = is_busy(s, l) ? l->busy_cpus : l->idle_cpus;
	double slow = (is_busy(s, l) ? l->busy_hits : l->idle_hits) * TRAP_US * trapped;
	double used = fmin(cpus * (1 + slow), fmax(cpus, l->busy_cpus)) * (double)MS;

	t->cpu_part_ns += used;
	t->cpu_ns = (uint64_t)t->cpu_part_ns;
	return used * slow / (1 + slow);
}

static void always_off(struct sim_target *t)
{
	if (t->is_always)
		t->always_loss_ns += 2e6; /* traps meanwhile, and our own work */
	t->is_always = false;
}

/* What the daemon does ten times a second. */
static void sim_look(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct sim_target *t = &s->targets[i];
		const struct load *l = &t->load;
		double slow = (is_busy(s, l) ? l->busy_hits : l->idle_hits) * TRAP_US;
		bool may;

		budget_earn(s->b, i, s->now_ns, t->cpu_ns);
		if (!t->has_always)
			continue;
		budget_spend(s->b, i, s->now_ns, (uint64_t)t->always_loss_ns);
		t->cost_ns += t->always_loss_ns;
		t->always_loss_ns = 0;
		t->always_quota_ns = (double)budget_trip_ns(s->b, i);
		may = budget_allows_always(s->b, i, slow / (1 + slow), t->is_always);
		if (may && !t->is_always)
			t->always_loss_ns += 2e6;
		if (may)
			t->is_always = true;
		else
			always_off(t);
		budget_set_pace(s->b, i, may ? BUDGET_PACE_ALWAYS : BUDGET_PACE_FULL);
	}
}

static void sim_window(struct sim *s)
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

static void sim_ask(struct sim *s)
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

static void sim_run(struct sim *s, double sec)
{
	for (uint64_t end_ns = s->now_ns + (uint64_t)(sec * 1e9); s->now_ns < end_ns;) {
		s->now_ns += MS;
		for (uint32_t i = 0; i < s->n; i++) {
			struct sim_target *t = &s->targets[i];
			bool is_gate = s->is_open && s->slot == i && s->now_ns > s->gate_ns;
			double loss_ns = target_ms(s, t, is_gate || t->is_always);

			if (is_gate)
				s->loss_ns += loss_ns;
			else if (t->is_always)
				t->always_loss_ns += loss_ns;
			if (t->is_always && t->always_loss_ns >= t->always_quota_ns)
				always_off(t);
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
static double sim_overhead(const struct sim *s, const struct sim *before, uint32_t i)
{
	return (s->targets[i].cost_ns - before->targets[i].cost_ns) /
	       (double)(s->targets[i].cpu_ns - before->targets[i].cpu_ns);
}

static double sim_host_overhead(const struct sim *s, const struct sim *before)
{
	double cost_ns = 0;

	for (uint32_t i = 0; i < s->n; i++)
		cost_ns += s->targets[i].cost_ns - before->targets[i].cost_ns;
	return cost_ns / (double)(s->now_ns - before->now_ns);
}

static const struct load saturated = { .busy_cpus = 1, .busy_hits = 12 };

static void budget__a_saturated_target_costs_half_to_all_of_the_budget(void **state)
{
	static const struct row {
		double share, hits, windows_min, windows_max; /* per second */
	} rows[] = {
		{ 0.01, 12, 0.9, 1.4 },	   { 0.01, 0.5, 0.9, 1.4 },  { 0.02, 12, 1.8, 2.8 },
		{ 0.05, 12, 1.8, 3.4 },	   { 0.05, 0.5, 1.8, 3.4 },  { 0.01, 0.01, 0.9, 3 },
		{ 0.001, 12, 0.09, 0.14 }, { 0.0001, 12, 0, 0.016 },
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
		double share, idle_cpus, idle_hits;
		bool has_always;
		double least; /* that a busy half minute gets of its budget: we are not blind */
	} rows[] = {
		{ 0.01, 0.1, 12, false, 0.5 },	  { 0.01, 0.05, 12, false, 0.5 },
		{ 0.01, 0.05, 0.002, true, 0.5 }, { 0.01, 0, 0, true, 0.5 },
		{ 0.01, 0.01, 0.003, true, 0.5 }, { 0.05, 0.05, 12, false, 0.5 },
		{ 0.05, 0.05, 0.01, true, 0.5 },  { 0.01, 0.3, 0.003, true, 0.5 },
		{ 0.002, 0.05, 0.0005, true, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(budget_freep) struct budget *b = new_budget(rows[i].share, 0.5);
		struct load idle = { .busy_cpus = rows[i].idle_cpus,
				     .busy_hits = rows[i].idle_hits };
		double worst = 0, worst_said = 0, least = INFINITY, start_ms = 0;
		struct sim before, s;

		sim_init(&s, b, 1, &idle);
		s.targets[0].has_always = rows[i].has_always;
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
		assert_true(least >= rows[i].least * rows[i].share);
	}
}

/* Idle and saturated by turns, a second each: sites that are always on trip again and again. */
static void budget__hasty_steps_are_paid_too(void **state)
{
	static const struct load hasty = { 1, 0.05, 12, 0.002, 2000, 1000 };
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct sim before, s;
	double overhead;

	(void)state;
	sim_init(&s, b, 1, &hasty);
	s.targets[0].has_always = true;
	sim_run(&s, 30);
	before = s;
	sim_run(&s, 100);
	overhead = sim_overhead(&s, &before, 0);
	say("hasty steps: overhead", overhead, 0, 0);
	assert_true(overhead <= 0.01);
}

/* Getting to know a process is more than an idle one earns in hours. */
static void budget__an_idle_process_may_be_met(void **state)
{
	_cleanup_(budget_freep) struct budget *b = new_budget(0.01, 0.5);
	struct hand h;

	(void)state;
	hand_start(&h, b);
	hand_run(&h, 1, 0.0001);
	budget_spend(b, 0, h.now_ns, 15 * MS);
	assert_true(budget_overhead(b, 0) > 1); /* it is said all the same */
	assert_true(budget_allows_always(b, 0, 0.001, false));
	hand_run(&h, 1, 0.0001);
	assert_true(budget_allows_always(b, 0, budget_overhead(b, 0), true));
	budget_spend(b, 0, h.now_ns, BUDGET_ENTRY_NS);
	assert_false(budget_allows_always(b, 0, 0.001, false));
	assert_false(budget_allows_always(b, 0, budget_overhead(b, 0), true));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget__bad_shares_are_refused),
		cmocka_unit_test(budget__nothing_is_known_at_first),
		cmocka_unit_test(budget__empty_slots_are_ignored),
		cmocka_unit_test(budget__shares_of_zero_buy_nothing),
		cmocka_unit_test(budget__hostile_clocks_neither_blind_nor_storm),
		cmocka_unit_test(budget__time_that_stands_still_earns_nothing_and_loses_nothing),
		cmocka_unit_test(budget__huge_costs_are_forgiven_in_the_end),
		cmocka_unit_test(budget__dear_windows_become_rare),
		cmocka_unit_test(budget__one_accident_is_not_a_lesson),
		cmocka_unit_test(budget__rare_windows_do_not_alarm),
		cmocka_unit_test(budget__sleepers_are_left_alone),
		cmocka_unit_test(budget__turns_of_the_host_are_not_a_beat),
		cmocka_unit_test(budget__limits_of_a_window),
		cmocka_unit_test(budget__one_window_at_a_time),
		cmocka_unit_test(budget__a_slot_used_again_owes_nothing),
		cmocka_unit_test(budget__always_on_has_hysteresis),
		cmocka_unit_test(budget__trips_are_within_what_five_seconds_allow),
		cmocka_unit_test(budget__overhead_is_cost_over_cpu_time_and_forgets),
		cmocka_unit_test(budget__a_saturated_target_costs_half_to_all_of_the_budget),
		cmocka_unit_test(budget__four_on_two_cores_share_fairly),
		cmocka_unit_test(budget__steps_of_load_are_over_after_five_seconds),
		cmocka_unit_test(budget__hasty_steps_are_paid_too),
		cmocka_unit_test(budget__an_idle_process_may_be_met),
		cmocka_unit_test(budget__idle_targets_are_left_alone),
		cmocka_unit_test(budget__asking_is_cheap),
		cmocka_unit_test(budget__suspects_get_four_times_the_windows),
		cmocka_unit_test(budget__windows_start_at_all_phases),
		cmocka_unit_test(budget__a_dear_accident_is_paid_back),
		cmocka_unit_test(budget__the_host_has_a_cap),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
