/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/gcbudget.c: a target and its collections, simulated beat by beat. Set
 * PGD_TEST_VERBOSE to see the numbers. */
#include <math.h>

#include "lib/cleanup.h"
#include "target/gcbudget.h"
#include "test.h"

#define MS	  1000000ull
#define SEC	  (1000 * MS)
#define START	  (1000 * SEC)
#define BEAT	  (100 * MS)
#define SWITCH_NS 1e6 /* of our CPU time, each way */

struct sim {
	struct gcbudget b;
	uint64_t now_ns, cpu_ns;
	double cpus, per_sec,
		cost_ns; /* collections a second of its CPU time, and what one costs */
	double spent_ns, on_ns;
	int n_on, n_timed;
	uint64_t went_on_ns[1000];
};

static void sim_init(struct sim *s, double overhead, double cpus, double per_sec, double cost_ns)
{
	*s = (struct sim){ .now_ns = START, .cpus = cpus, .per_sec = per_sec, .cost_ns = cost_ns };
	gcbudget_init(&s->b, overhead, 1, START, 0);
}

static void went_on(struct sim *s)
{
	gcbudget_went_on(&s->b, SWITCH_NS);
	s->went_on_ns[s->n_on++ % 1000] = s->now_ns;
	s->spent_ns += 2 * SWITCH_NS;
}

/* Until the next beat, or until the kernel says that the bucket is empty. */
static void step(struct sim *s)
{
	double n = s->b.is_on ? s->per_sec * s->cpus * BEAT / SEC : 0, part = 1;
	double n_max = s->b.bucket_ns / s->cost_ns;

	if (s->b.is_on && n > n_max) {
		part = n_max / n;
		n = n_max;
	}
	s->on_ns += s->b.is_on ? part * BEAT : 0;
	s->now_ns += (uint64_t)(part * BEAT) + 1;
	s->cpu_ns += (uint64_t)(part * BEAT * s->cpus);
	s->spent_ns += n * s->cost_ns;
	s->n_timed += (int)n;
	gcbudget_spend(&s->b, n * s->cost_ns);
	gcbudget_earn(&s->b, s->now_ns, s->cpu_ns);
	if (part < 1 || gcbudget_must_come_off(&s->b))
		gcbudget_came_off(&s->b);
	else if (gcbudget_may_go_on(&s->b))
		went_on(s);
}

static void run(struct sim *s, double sec)
{
	uint64_t end_ns = s->now_ns + (uint64_t)(sec * SEC);

	if (!s->n_on)
		went_on(s);
	while (s->now_ns < end_ns)
		step(s);
}

static void say(const char *what, const struct sim *s)
{
	if (getenv("PGD_TEST_VERBOSE"))
		printf("             %-24s cost %.3f %%, on %.1f %%, %d times\n", what,
		       100 * s->spent_ns / (double)s->cpu_ns,
		       100 * s->on_ns / (double)(s->now_ns - START), s->n_on);
}

static void gcbudget__few_collections_are_all_timed(void **state)
{
	static const struct row {
		double cpus, per_sec, cost_ns;
	} rows[] = {
		{ 1, 0, 50e3 },	 { 1, 10, 50e3 },     { 1, 100, 20e3 },
		{ 8, 45, 50e3 }, { 0.01, 900, 20e3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sim s;

		sim_init(&s, 0.01, rows[i].cpus, rows[i].per_sec, rows[i].cost_ns);
		run(&s, 600);
		say("few", &s);
		if (s.n_on != 1)
			fail_msg("row %zu: they came off", i);
	}
}

static void gcbudget__a_storm_costs_its_share(void **state)
{
	static const double overheads[] = { 0.001, 0.01, 0.05, 0.2 };
	static const double cpus[] = { 0.2, 1, 4 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(overheads); i++)
		for (size_t k = 0; k < ARRAY_SIZE(cpus); k++) {
			double may =
				fmax(GCBUDGET_PART * overheads[i], GCBUDGET_FLOOR_SHARE / cpus[k]);
			double share;
			struct sim s;

			sim_init(&s, overheads[i], cpus[k], 20000, 50e3);
			run(&s, 3600);
			say("storm", &s);
			share = s.spent_ns / (double)s.cpu_ns;
			if (share > 1.05 * may || share < 0.8 * may)
				fail_msg("%g of %g may be, %g is", overheads[i], may, share);
		}
}

/* Not to switch most of the time; and not so long that a program is slow for a second. */
static void gcbudget__a_stretch_is_worth_its_switching(void **state)
{
	struct sim s;

	(void)state;
	sim_init(&s, 0.01, 1, 1700, 53e3);
	run(&s, 3600);
	assert_true(s.n_timed * s.cost_ns > 0.6 * s.spent_ns);
	assert_true(s.on_ns / s.n_on < 0.2 * SEC);
}

static void gcbudget__after_a_storm_all_are_timed_again(void **state)
{
	struct sim s;
	int n_on;

	(void)state;
	sim_init(&s, 0.01, 1, 20000, 50e3);
	run(&s, 60);
	assert_false(s.b.is_on && s.n_on == 1);
	s.per_sec = 10;
	run(&s, 10);
	assert_true(s.b.is_on);
	n_on = s.n_on;
	run(&s, 600);
	assert_int_equal(s.n_on, n_on);
}

/* What happens every 3 s must not be always, or never, in a stretch. */
static void gcbudget__stretches_begin_at_any_moment(void **state)
{
	unsigned bins[6] = { 0 }, n;
	struct sim s;

	(void)state;
	sim_init(&s, 0.01, 1, 20000, 50e3);
	run(&s, 3600);
	n = s.n_on < 1000 ? (unsigned)s.n_on : 1000;
	for (unsigned i = 0; i < n; i++)
		bins[s.went_on_ns[i] % (3 * SEC) / (SEC / 2)]++;
	for (unsigned i = 0; i < 6; i++)
		if (bins[i] < n / 12 || bins[i] > n / 4)
			fail_msg("%u of %u in part %u", bins[i], n, i);
}

static void gcbudget__an_idle_target_does_not_earn_for_ever(void **state)
{
	struct sim s;
	double bucket_ns;

	(void)state;
	sim_init(&s, 0.01, 1, 0, 50e3);
	run(&s, 10);
	bucket_ns = s.b.bucket_ns;
	run(&s, 36000);
	assert_true(s.b.bucket_ns <= bucket_ns + 1);
	s.per_sec = 20000;
	s.spent_ns = 0;
	run(&s, 0.3);
	assert_false(s.b.is_on);
	assert_true(s.spent_ns < 8e6);
}

static void gcbudget__clocks_that_jump_back_earn_nothing(void **state)
{
	struct gcbudget b;
	double bucket_ns;

	(void)state;
	gcbudget_init(&b, 0.01, 1, START, 5 * SEC);
	gcbudget_spend(&b, 50e6);
	bucket_ns = b.bucket_ns;
	gcbudget_earn(&b, START - SEC, SEC);
	assert_true(b.bucket_ns == bucket_ns);
	gcbudget_earn(&b, START, 2 * SEC);
	assert_true(b.bucket_ns > bucket_ns && b.bucket_ns < bucket_ns + 5e6);
}

static void gcbudget__one_bad_measurement_is_not_for_minutes(void **state)
{
	struct sim s;

	(void)state;
	sim_init(&s, 0.01, 1, 20000, 50e3);
	run(&s, 60);
	while (s.b.is_on)
		step(&s);
	gcbudget_went_on(&s.b, 2e9);
	assert_true(s.b.bucket_ns > -10e6);
	gcbudget_came_off(&s.b);
	assert_true(s.b.level_ns < 12e6);
}

static void gcbudget__an_empty_bucket_has_no_hits(void **state)
{
	struct gcbudget b;

	(void)state;
	gcbudget_init(&b, 0.01, 1, START, 0);
	assert_int_equal(gcbudget_hits(&b, 1e4), (int64_t)(b.bucket_ns / 1e4));
	gcbudget_spend(&b, 1e9);
	assert_int_equal(gcbudget_hits(&b, 1e4), 0);
	assert_int_equal(gcbudget_hits(&b, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcbudget__few_collections_are_all_timed),
		cmocka_unit_test(gcbudget__a_storm_costs_its_share),
		cmocka_unit_test(gcbudget__a_stretch_is_worth_its_switching),
		cmocka_unit_test(gcbudget__after_a_storm_all_are_timed_again),
		cmocka_unit_test(gcbudget__stretches_begin_at_any_moment),
		cmocka_unit_test(gcbudget__an_idle_target_does_not_earn_for_ever),
		cmocka_unit_test(gcbudget__clocks_that_jump_back_earn_nothing),
		cmocka_unit_test(gcbudget__one_bad_measurement_is_not_for_minutes),
		cmocka_unit_test(gcbudget__an_empty_bucket_has_no_hits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
