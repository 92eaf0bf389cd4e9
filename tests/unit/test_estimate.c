/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/estimate.c. */
#include <math.h>
#include <stdbool.h>

#include "growth/estimate.h"
#include "lib/cleanup.h"
#include "test.h"

#define SAMPLES_MAX 4096 /* of one trial */

/* The same numbers on every machine and run: Knuth's MMIX generator. */
static double uniform(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (double)(*seed >> 11) * 0x1p-53;
}

static void estimate__nothing_seen_is_nothing(void **state)
{
	struct estimate e = estimate_live(NULL, 0, 100, 0.1);

	(void)state;
	assert_true(e.bytes == 0 && e.bytes_error == 0);
	assert_true(e.blocks == 0 && e.blocks_error == 0);
}

static void estimate__weight_1_is_exact(void **state)
{
	static const struct estimate_sample s[] = { { 0, 64, 1, 0 },
						    { 1, 32, 1, 0 },
						    { 2, 512, 1, 0 } };
	struct estimate e = estimate_live(s, ARRAY_SIZE(s), 1, 0.5);

	(void)state;
	assert_true(e.bytes == 608 && e.bytes_error == 0);
	assert_true(e.blocks == 3 && e.blocks_error == 0);
}

static void estimate__exact_samples_add_no_error(void **state)
{
	static const struct estimate_sample s[] = {
		{ 1, 1000, 1, 0 }, { 1, 64, 10, 0 }, { 2, 64, 10, 0 }, { 2, 3000, 1, 0 }
	};
	struct estimate all = estimate_live(s, 4, 60, 0.1);
	struct estimate drawn = estimate_live(s + 1, 2, 60, 0.1);

	(void)state;
	assert_true(all.bytes == drawn.bytes + 4000 && drawn.bytes == 1280);
	assert_true(all.bytes_error == drawn.bytes_error && drawn.bytes_error > 0);
	assert_true(all.blocks == 22 && all.blocks_error == drawn.blocks_error);
}

/* 100 blocks, 2 to a window: what is left of the error as windows come to fill all the time. */
static double relative_error(double weight, double weight_error)
{
	struct estimate_sample s[100];
	struct estimate e;

	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = (struct estimate_sample){ 1 + i / 2, 64, weight, 0 };
	e = estimate_live(s, ARRAY_SIZE(s), 100, weight_error);
	return e.bytes_error / e.bytes;
}

static void estimate__error_fades_as_weights_become_1(void **state)
{
	(void)state;
	assert_true(relative_error(10, 0) > relative_error(2, 0));
	assert_true(relative_error(2, 0) > relative_error(1.1, 0));
	assert_true(relative_error(1.0001, 0) < 0.01);
	assert_true(relative_error(1.0001, 0.2) < 0.01);
}

static void estimate__shared_error_of_weights_does_not_average_out(void **state)
{
	double without = relative_error(100, 0), with = relative_error(100, 0.5);

	(void)state;
	assert_true(fabs(with - hypot(without, 1.96 * 0.5 * 0.99)) < 1e-4);
}

static void estimate__blocks_of_one_window_are_one_draw(void **state)
{
	struct estimate_sample together[20], apart[20];
	struct estimate a, b;

	(void)state;
	for (size_t i = 0; i < 20; i++) {
		together[i] = (struct estimate_sample){ 1 + i / 10, 64, 20, 0 };
		apart[i] = (struct estimate_sample){ 1 + i, 64, 20, 0 };
	}
	a = estimate_live(together, 20, 200, 0);
	b = estimate_live(apart, 20, 200, 0);
	assert_true(a.bytes == b.bytes);
	assert_true(a.bytes_error > 3 * b.bytes_error);
}

static void estimate__windows_that_drew_nothing_count(void **state)
{
	struct estimate_sample s[10], apart[10];

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		s[i] = (struct estimate_sample){ 1 + i / 2, 64, 10, 0 };
		apart[i] = (struct estimate_sample){ 1 + i / 2 * 2, 64, 10, 0 };
	}
	assert_true(estimate_live(apart, 10, 9, 0).bytes_error >
		    1.2 * estimate_live(s, 10, 9, 0).bytes_error);
	/* But not those of another time: that there was nothing then is known. */
	for (size_t i = 0; i < 10; i++)
		apart[i].window = s[i].window + 1000;
	assert_true(estimate_live(apart, 10, 1009, 0).bytes_error ==
		    estimate_live(s, 10, 9, 0).bytes_error);
	/* Fewer windows than were seen cannot be: as many as were seen. */
	assert_true(estimate_live(s, 10, 0, 0).bytes_error ==
		    estimate_live(s, 10, 5, 0).bytes_error);
}

static void estimate__equal_windows_are_not_exact(void **state)
{
	struct estimate_sample s[8];
	struct estimate e;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		s[i] = (struct estimate_sample){ 1 + i, 64, 10, 0 };
	for (size_t n = 1; n <= 8; n++) {
		e = estimate_live(s, n, n, 0);
		assert_true(e.bytes_error > 1.96 * 64 * sqrt(90.0 * (double)n));
		assert_true(isfinite(e.bytes_error) && isfinite(e.blocks_error));
	}
}

/* 20 blocks in each of four windows: chance, or a rule? Of five one may begin to say. */
static void estimate__few_windows_do_not_say_how_alike_they_are(void **state)
{
	struct estimate_sample s[100];

	(void)state;
	for (size_t i = 0; i < 100; i++)
		s[i] = (struct estimate_sample){ 1 + i / 20, 64, 10, 0 };
	assert_true(estimate_live(s, 80, 4, 0).bytes_error > 1.96 * 20 * 640 * sqrt(4 * 0.9));
	assert_true(estimate_live(s, 100, 5, 0).bytes_error < 3 * 20 * 640);
}

/* Exact samples that were thinned out have a weight and no window: not one window, but many draws.
 */
static void estimate__window_0_is_no_window(void **state)
{
	struct estimate_sample s[100];
	struct estimate e;

	(void)state;
	for (size_t i = 0; i < 100; i++)
		s[i] = (struct estimate_sample){ 0, 64, 2, 0 };
	e = estimate_live(s, 100, 60, 0);
	assert_true(e.bytes == 12800);
	assert_true(e.bytes_error > 1.96 * 64 * sqrt(200) && e.bytes_error < 3 * 64 * sqrt(200));
}

static void estimate__impossible_numbers_count_as_little_as_they_can(void **state)
{
	static const struct {
		const char *name;
		struct estimate_sample sample;
		double want_bytes, want_blocks;
	} rows[] = {
		{ "weight below 1", { 1, 64, 0.25, 0 }, 64, 1 },
		{ "weight 0", { 1, 64, 0, 0 }, 64, 1 },
		{ "negative weight", { 1, 64, -8, 0 }, 64, 1 },
		{ "weight NAN", { 1, 64, NAN, 0 }, 64, 1 },
		{ "weight infinite", { 1, 64, INFINITY, 0 }, 64, 1 },
		{ "negative bytes", { 1, -64, 4, 0 }, 0, 4 },
		{ "bytes NAN", { 1, NAN, 4, 0 }, 0, 4 },
		{ "bytes infinite", { 1, INFINITY, 4, 0 }, 0, 4 },
		{ "no bytes", { 1, 0, 4, 0 }, 0, 4 },
		{ "last window", { UINT64_MAX, 64, 4, 0 }, 256, 4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct estimate e = estimate_live(&rows[i].sample, 1, 60, NAN);

		if (e.bytes != rows[i].want_bytes || e.blocks != rows[i].want_blocks)
			fail_msg("%s: %g bytes, %g blocks", rows[i].name, e.bytes, e.blocks);
		if ((e.bytes_error > 0) != (rows[i].want_bytes > 64) ||
		    (e.blocks_error > 0) != (rows[i].want_blocks > 1))
			fail_msg("%s: +-%g, +-%g", rows[i].name, e.bytes_error, e.blocks_error);
	}
}

static void estimate__sums_that_overflow_are_not_exact(void **state)
{
	static const struct estimate_sample s[] = { { 1, 1e300, 1e200, 0 }, { 2, 1, 2, 0 } };
	static const struct estimate_sample fourths_only = { 1, 1e100, 1e3, 0 };
	struct estimate e = estimate_live(s, 2, 60, 0);

	(void)state;
	assert_true(isinf(e.bytes_error));
	assert_true(isinf(estimate_live(&fourths_only, 1, 60, 0.1).bytes_error));
	assert_false(isnan(e.bytes) || isnan(e.blocks) || isnan(e.blocks_error));
}

/* ── does the interval hold the truth? ────────────────────────────────────────────────────────
 * A stack leaks `n_events` times at random moments, `burst` blocks at once, of 16 to 512 bytes.
 * Each of n_windows equal stretches of time has one window that is `duty` of it. A walk is taken of
 * all blocks in it, or of 1 in 16 until the stack became a suspect, after `unsuspected` of the
 * time.
 */
struct leak {
	const char *name;
	size_t n_windows;
	double duty;
	size_t n_events, burst;
	double unsuspected;
	double holds_min, holds_max; /* share of trials whose interval holds the truth */
};

static int by_window(const void *a, const void *b)
{
	const struct estimate_sample *x = a, *y = b;

	return (x->window > y->window) - (x->window < y->window);
}

static double size_of(size_t block)
{
	return (double)(16 * (1 + block % 32));
}

static size_t draw(const struct leak *l, uint64_t *seed, struct estimate_sample *ret)
{
	size_t n = 0;

	for (size_t event = 0; event < l->n_events; event++) {
		double time = uniform(seed) * (double)l->n_windows;
		double walked = time < l->unsuspected * (double)l->n_windows ? 1.0 / 16 : 1;
		uint64_t window = (uint64_t)time;

		if (time - (double)window >= l->duty)
			continue;
		for (size_t i = event * l->burst; i < (event + 1) * l->burst; i++) {
			if (uniform(seed) >= walked)
				continue;
			assert_true(n < SAMPLES_MAX);
			ret[n++] = (struct estimate_sample){ 1 + window, size_of(i),
							     1 / (l->duty * walked), 0 };
		}
	}
	qsort(ret, n, sizeof(*ret), by_window);
	return n;
}

/* What came of all trials, of one quantity, as shares of the truth. */
struct outcome {
	double holds, bias, error;
};

static void outcome_add(struct outcome *o, double got, double error, double truth, int trials)
{
	o->holds += (fabs(got - truth) <= error) / (double)trials;
	o->bias += (got / truth - 1) / trials;
	o->error += error / truth / trials;
}

static void assert_outcome(const struct leak *l, const char *what, const struct outcome *o)
{
	print_message("  %-33s %3zu windows, %s: holds %.1f %%, bias %+.1f %%, +-%.0f %%\n",
		      l->name, l->n_windows, what, 100 * o->holds, 100 * o->bias, 100 * o->error);
	assert_true(o->holds >= l->holds_min && o->holds <= l->holds_max);
	assert_true(fabs(o->bias) < 0.03);
}

static void assert_interval_holds(const struct leak *l, int trials)
{
	static struct estimate_sample samples[SAMPLES_MAX];
	struct outcome bytes = { 0 }, blocks = { 0 };
	size_t n_blocks = l->n_events * l->burst;
	uint64_t seed = 20240607;
	double truth = 0;

	for (size_t i = 0; i < n_blocks; i++)
		truth += size_of(i);
	for (int trial = 0; trial < trials; trial++) {
		size_t n = draw(l, &seed, samples);
		struct estimate e = estimate_live(samples, n, l->n_windows, 0);

		outcome_add(&bytes, e.bytes, e.bytes_error, truth, trials);
		outcome_add(&blocks, e.blocks, e.blocks_error, (double)n_blocks, trials);
	}
	assert_outcome(l, "bytes ", &bytes);
	assert_outcome(l, "blocks", &blocks);
}

static void estimate__intervals_hold_independent_blocks(void **state)
{
	static const struct leak rows[] = {
		{ "independent blocks", 60, 0.05, 2000, 1, 0, 0.93, 0.99 },
		{ "independent blocks, short windows", 300, 0.01, 3000, 1, 0, 0.93, 0.99 },
		{ "independent blocks, half the time", 100, 0.5, 400, 1, 0, 0.93, 0.99 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_interval_holds(&rows[i], 1000);
}

static void estimate__intervals_hold_bursts(void **state)
{
	static const struct leak rows[] = {
		{ "20 blocks at once", 60, 0.05, 600, 20, 0, 0.93, 0.99 },
		{ "20 blocks at once, short windows", 300, 0.01, 3000, 20, 0, 0.93, 0.99 },
		{ "20 blocks at once, half the time", 100, 0.5, 100, 20, 0, 0.93, 0.99 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_interval_holds(&rows[i], 1000);
}

/* A tenth of the time, or half of it, rests on blocks of 16 times the weight: 6 to 9 of them here,
 * or bursts. */
static void estimate__intervals_hold_mixed_weights(void **state)
{
	static const struct leak rows[] = {
		{ "1 in 16 for half the time", 60, 0.05, 4000, 1, 0.5, 0.9, 0.99 },
		{ "1 in 16 for half the time", 300, 0.05, 6000, 1, 0.5, 0.9, 0.99 },
		{ "1 in 16 for a tenth of the time", 300, 0.1, 9000, 1, 0.1, 0.9, 0.99 },
		{ "1 in 16, bursts", 60, 0.05, 600, 20, 0.5, 0.9, 0.99 },
		{ "1 in 16, bursts", 300, 0.02, 1500, 20, 0.5, 0.9, 0.99 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_interval_holds(&rows[i], 1000);
}

/* What there is least of is what people see first. Of 3 expected events none is seen in 5 % of
 * trials, and then the estimate is 0 +- 0: no interval can do better than the other 95 %. The last
 * row is the same in disguise: half of the truth rests on 1.6 blocks, and one trial in five has
 * none. */
static void estimate__intervals_hold_few_clusters(void **state)
{
	static const struct leak rows[] = {
		{ "3 blocks expected", 60, 0.05, 60, 1, 0, 0.88, 1 },
		{ "5 blocks expected", 60, 0.05, 100, 1, 0, 0.93, 1 },
		{ "10 blocks expected", 300, 0.02, 500, 1, 0, 0.93, 1 },
		{ "3 bursts expected", 60, 0.05, 60, 20, 0, 0.93, 1 },
		{ "5 bursts expected", 60, 0.05, 100, 20, 0, 0.93, 1 },
		{ "10 bursts expected", 300, 0.02, 500, 20, 0, 0.93, 1 },
		{ "10 bursts, 1 in 16", 60, 0.05, 200, 20, 0.5, 0.93, 1 },
		{ "1.6 blocks of 16 times the weight", 60, 0.05, 1000, 1, 0.5, 0.75, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_interval_holds(&rows[i], 4000);
}

/* As in the daemon: windows come after random waits, each of the same length, and stand for the
 * wait before them. The leak begins and ends between windows. */
struct spans {
	const char *name;
	size_t n_windows, burst;
	double per_window; /* events expected in one */
	double shortest, longest; /* wait, in windows' mean waits */
};

static size_t draw_spans(const struct spans *w, uint64_t *seed, struct estimate_sample *ret,
			 double *ret_truth)
{
	double now = -3 - uniform(seed), begin = 0, end = (double)w->n_windows;
	size_t n = 0;

	for (uint64_t window = 1; now < end; window++) {
		double wait = w->shortest + (w->longest - w->shortest) * uniform(seed);
		double chance = exp(-w->per_window), p = uniform(seed);

		now += wait;
		if (now < begin || now > end)
			continue;
		while (p > chance) { /* a Poisson number of events */
			p *= uniform(seed);
			for (size_t i = 0; i < w->burst; i++)
				ret[n++] = (struct estimate_sample){ window, 64, 1000 * wait,
								     1e9 * wait };
			assert_true(n < SAMPLES_MAX - w->burst);
		}
	}
	*ret_truth = end * w->per_window * (double)w->burst * 64 * 1000;
	return n;
}

static void estimate__waits_between_windows_are_no_error(void **state)
{
	static struct estimate_sample samples[SAMPLES_MAX];
	static const struct spans rows[] = {
		{ "many blocks, few windows", 15, 1, 20, 0.3, 1.7 },
		{ "many blocks", 46, 1, 20, 0.3, 1.7 },
		{ "few blocks, few windows", 15, 1, 3, 0.3, 1.7 },
		{ "few blocks", 46, 1, 3, 0.3, 1.7 },
		{ "bursts", 46, 13, 4, 0.3, 1.7 },
		{ "few bursts", 20, 13, 0.5, 0.3, 1.7 },
		{ "waits that are nearly even", 46, 1, 3, 0.9, 1.1 },
		{ "waits that are next to nothing, or long", 46, 1, 3, 0.02, 2 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const int trials = 2000;
		uint64_t seed = 20240607 + i;
		double squares = 0, error = 0, bias = 0, holds = 0, times;

		for (int trial = 0; trial < trials; trial++) {
			double truth, off;
			size_t n = draw_spans(&rows[i], &seed, samples, &truth);
			struct estimate e = estimate_live(samples, n, rows[i].n_windows, 0);

			off = e.bytes / truth - 1;
			bias += off / trials;
			squares += off * off / trials;
			error += e.bytes_error / truth / trials;
			holds += (fabs(off) <= e.bytes_error / truth) / (double)trials;
		}
		times = error / (1.96 * sqrt(squares));
		print_message("  %-26s holds %.1f %%, bias %+.1f %%, +-%.0f %%, %.2f times what it "
			      "scatters by\n",
			      rows[i].name, holds * 100, bias * 100, error * 100, times);
		assert_true(holds > 0.9 && holds < 0.99);
		assert_true(fabs(bias) < 0.03);
		assert_true(times > 0.9 && times < 1.65);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimate__nothing_seen_is_nothing),
		cmocka_unit_test(estimate__weight_1_is_exact),
		cmocka_unit_test(estimate__exact_samples_add_no_error),
		cmocka_unit_test(estimate__error_fades_as_weights_become_1),
		cmocka_unit_test(estimate__shared_error_of_weights_does_not_average_out),
		cmocka_unit_test(estimate__blocks_of_one_window_are_one_draw),
		cmocka_unit_test(estimate__windows_that_drew_nothing_count),
		cmocka_unit_test(estimate__equal_windows_are_not_exact),
		cmocka_unit_test(estimate__few_windows_do_not_say_how_alike_they_are),
		cmocka_unit_test(estimate__window_0_is_no_window),
		cmocka_unit_test(estimate__impossible_numbers_count_as_little_as_they_can),
		cmocka_unit_test(estimate__sums_that_overflow_are_not_exact),
		cmocka_unit_test(estimate__intervals_hold_independent_blocks),
		cmocka_unit_test(estimate__intervals_hold_bursts),
		cmocka_unit_test(estimate__intervals_hold_mixed_weights),
		cmocka_unit_test(estimate__intervals_hold_few_clusters),
		cmocka_unit_test(estimate__waits_between_windows_are_no_error),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
