/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/target/gccount.c: an interpreter that collects, and probes that are on at times. */
#include <math.h>
#include <string.h>

#include "target/gccount.h"
#include "test.h"

#define FULL  (PGD_GENERATIONS - 1)
#define BEGIN 1000 /* collections of each generation before we came */

struct fixture {
	struct gccount c;
	struct gccount_stats stats[PGD_GENERATIONS];
	struct pgd_gc gc;
	uint64_t now_ns;
	double pause_ns; /* truth, of the full ones */
	bool is_on;
};

static void start(struct fixture *f)
{
	*f = (struct fixture){ .now_ns = 1000000,
			       .is_on = true,
			       .stats = { [0 ... FULL] = { BEGIN, 7 * BEGIN, 3 } } };
	gccount_begin(&f->c, f->stats, &f->gc);
}

static void collect(struct fixture *f, unsigned n, uint64_t pause_ns)
{
	struct pgd_gc_generation *g = &f->gc.generations[FULL];

	for (unsigned i = 0; i < n; i++) {
		f->now_ns += 1000;
		f->stats[FULL].collections++;
		f->stats[FULL].collected += 5;
		f->pause_ns += (double)pause_ns;
		if (!f->is_on)
			continue;
		g->collections++;
		g->collected += 5;
		g->asked += i % 2;
		g->pause_ns += pause_ns;
		g->ended_ns = f->now_ns;
	}
}

static const struct gccount_generation *look(struct fixture *f, bool are_all_timed)
{
	f->now_ns += 500;
	gccount_look(&f->c, f->stats, &f->gc, f->now_ns, are_all_timed);
	return &f->c.generations[FULL];
}

/* n of 1 µs, which are timed. */
static void start_timed(struct fixture *f, unsigned n)
{
	start(f);
	collect(f, n, 1000);
	look(f, true);
}

/* n that nobody times; then the probes are on again. */
static const struct gccount_generation *gap(struct fixture *f, unsigned n, uint64_t pause_ns)
{
	const struct gccount_generation *g;

	f->is_on = false;
	collect(f, n, pause_ns);
	g = look(f, false);
	f->is_on = true;
	return g;
}

static void assert_pauses_are_told(const struct fixture *f)
{
	assert_true(fabs(f->c.generations[FULL].pause_ns - f->pause_ns) < 1);
}

static void gccount__what_was_before_is_not_ours(void **state)
{
	const struct gccount_generation *g;
	struct fixture f;

	(void)state;
	start(&f);
	g = look(&f, true);
	assert_int_equal(g->counted.collections, 0);
	assert_int_equal(g->counted.uncollectable, 0);
	assert_true(g->pause_ns == 0);
	assert_int_equal(g->last_ns, 0);
	collect(&f, 10, 2000);
	g = look(&f, true);
	assert_int_equal(g->counted.collections, 10);
	assert_int_equal(g->counted.collected, 50);
	assert_int_equal(f.c.generations[0].counted.collections, 0);
}

/* Some were timed before the base was read. */
static void gccount__begins_with_what_was_timed(void **state)
{
	const struct gccount_generation *g;
	struct fixture f;

	(void)state;
	start(&f);
	collect(&f, 3, 1000);
	gccount_begin(&f.c, f.stats, &f.gc);
	g = look(&f, true);
	assert_int_equal(g->counted.collections, 3);
	assert_int_equal(g->timed, 3);
	assert_true(g->pause_ns == 3000);
}

static void gccount__all_timed_is_exact(void **state)
{
	const struct gccount_generation *g;
	struct fixture f;

	(void)state;
	start(&f);
	for (unsigned i = 0; i < 50; i++) {
		collect(&f, i % 4, 1000 + 977 * i);
		g = look(&f, true);
	}
	assert_true(g->pause_ns == f.pause_ns);
	assert_int_equal(g->timed, g->counted.collections);
	assert_int_equal(g->last_ns, f.gc.generations[FULL].ended_ns);
	assert_int_equal(llround(g->asked), f.gc.generations[FULL].asked);
}

/* It ends between the two reads of a look: counted, and timed with the next. */
static void gccount__one_that_ends_in_a_look_does_not_count_twice(void **state)
{
	const struct gccount_generation *g;
	struct pgd_gc before;
	struct fixture f;

	(void)state;
	start(&f);
	collect(&f, 10, 1000);
	before = f.gc;
	collect(&f, 1, 1000);
	gccount_look(&f.c, f.stats, &before, f.now_ns, true);
	assert_int_equal(f.c.generations[FULL].counted.collections, 11);
	assert_true(f.c.generations[FULL].pause_ns == 11000);
	g = look(&f, true);
	assert_true(g->pause_ns == 11000);
	collect(&f, 4, 9000);
	g = look(&f, true);
	assert_true(g->pause_ns == f.pause_ns);
}

static void gccount__those_not_timed_are_as_the_next_ones(void **state)
{
	const struct gccount_generation *g;
	struct fixture f;

	(void)state;
	start_timed(&f, 10);
	g = gap(&f, 90, 3000);
	assert_int_equal(g->counted.collections, 100);
	assert_int_equal(g->counted.collected, 500);
	assert_int_equal(g->timed, 10);
	assert_int_equal(g->last_ns, f.now_ns); /* no better is known */
	assert_true(g->pause_ns == 100 * 1000); /* by those before, for the time being */
	collect(&f, 30, 3000);
	look(&f, false);
	assert_pauses_are_told(&f);
	collect(&f, 10, 500);
	look(&f, true);
	assert_pauses_are_told(&f);
	assert_int_equal(g->timed, 50);
	assert_true(fabs(g->asked - 70) < 1e-9);
}

/* On again, but nothing has come to be timed yet when somebody looks. */
static void gccount__a_gap_waits_for_the_next_timed_one(void **state)
{
	struct fixture f;

	(void)state;
	start_timed(&f, 1);
	gap(&f, 5, 2000);
	look(&f, false);
	look(&f, true);
	collect(&f, 30, 2000);
	look(&f, true);
	assert_pauses_are_told(&f);
	collect(&f, 3, 9000);
	look(&f, true);
	assert_pauses_are_told(&f);
}

/* The first one after a gap was interrupted: it is itself, and not the thousand before it. */
static void gccount__few_timed_do_not_stand_for_many(void **state)
{
	const struct gccount_generation *g;
	struct fixture f;

	(void)state;
	start_timed(&f, 40);
	gap(&f, 1000, 1000);
	collect(&f, 1, 400000);
	g = look(&f, false);
	assert_true(g->pause_ns < 1.1 * 1041 * 1000);
	collect(&f, 400, 1000);
	g = look(&f, true);
	assert_true(g->pause_ns / f.pause_ns < 2);
}

static void gccount__never_timed_is_not_known(void **state)
{
	const struct gccount_generation *g;
	struct fixture f;

	(void)state;
	start(&f);
	g = gap(&f, 2, 1000);
	assert_true(isnan(g->pause_ns) && isnan(g->asked));
	assert_int_equal(g->counted.collections, 2);
	collect(&f, 2, 1000);
	g = look(&f, false);
	assert_true(g->pause_ns == 4000);
}

static void gccount__sums_never_get_less(void **state)
{
	double told_ns = 0, asked = 0;
	struct fixture f;

	(void)state;
	start(&f);
	srand48(1);
	for (unsigned i = 0; i < 2000; i++) {
		const struct gccount_generation *g;
		bool was_on = f.is_on;

		collect(&f, (unsigned)(drand48() * 5), (uint64_t)(drand48() * 50000));
		f.is_on = drand48() < 0.2;
		g = look(&f, was_on && f.is_on);
		assert_true(isnan(g->pause_ns) || (g->pause_ns >= told_ns && g->asked >= asked));
		told_ns = isnan(g->pause_ns) ? told_ns : g->pause_ns;
		asked = isnan(g->asked) ? asked : g->asked;
	}
	assert_true(fabs(told_ns / f.pause_ns - 1) < 0.1);
}

static void gccount__a_process_that_has_ended_keeps_what_was_timed(void **state)
{
	struct fixture f;

	(void)state;
	start_timed(&f, 10);
	collect(&f, 3, 1000);
	gccount_look(&f.c, NULL, &f.gc, f.now_ns, true);
	assert_int_equal(f.c.generations[FULL].counted.collections, 13);
	assert_int_equal(f.c.generations[FULL].counted.collected, 65);
	assert_true(f.c.generations[FULL].pause_ns == 13000);
	gccount_look(&f.c, NULL, &f.gc, f.now_ns, true);
	assert_int_equal(f.c.generations[FULL].counted.collections, 13);
}

/* Another program is there by now, and something else at that address. */
static void gccount__nonsense_is_not_believed(void **state)
{
	const struct gccount_generation *g;
	struct fixture f;

	(void)state;
	start_timed(&f, 10);
	memset(f.stats, 0, sizeof(f.stats));
	g = look(&f, true);
	assert_int_equal(g->counted.collections, 10);
	memset(f.stats, 0x7f, sizeof(f.stats));
	g = look(&f, true);
	assert_int_equal(g->counted.collections, 10);
	assert_int_equal(g->counted.collected, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gccount__what_was_before_is_not_ours),
		cmocka_unit_test(gccount__begins_with_what_was_timed),
		cmocka_unit_test(gccount__all_timed_is_exact),
		cmocka_unit_test(gccount__one_that_ends_in_a_look_does_not_count_twice),
		cmocka_unit_test(gccount__those_not_timed_are_as_the_next_ones),
		cmocka_unit_test(gccount__a_gap_waits_for_the_next_timed_one),
		cmocka_unit_test(gccount__few_timed_do_not_stand_for_many),
		cmocka_unit_test(gccount__never_timed_is_not_known),
		cmocka_unit_test(gccount__sums_never_get_less),
		cmocka_unit_test(gccount__a_process_that_has_ended_keeps_what_was_timed),
		cmocka_unit_test(gccount__nonsense_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
