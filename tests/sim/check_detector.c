/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/sim/check_detector.c — how often does the detector cry wolf, and when does it cry at all?
 *
 *	check_detector [HARMLESS-SERIES [SEED]]
 *
 * Prints the tables of docs/DETECTOR.md. Fails if there was more than one alarm in 10,000 harmless
 * days, if fewer than RECALL_MIN of the leaks were found, or more than AGAIN_MAX alerted twice.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"

#define HARMLESS_SERIES	   10000
#define ALARMS_MAX_PER_DAY 1e-4
#define LEAKS_PER_FAMILY   50
#define RECALL_MIN	   0.99
#define AGAIN_MAX	   0.01
#define CURVE_RUNS	   20
#define FLIP_DAYS	   2
#define FLIP_LEAKS	   10 /* of each family */
#define FLIP_RECALL_MIN	   0.9
#define FAMILIES_MAX	   16

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void say_time(double sec)
{
	if (isnan(sec))
		printf(" %9s |", "-");
	else if (sec < 7200)
		printf(" %5.0f min |", sec / 60);
	else
		printf(" %7.1f h |", sec / 3600);
}

/* What to look for when thresholds are changed. */
static void say_alarm(const char *name, const struct scenario *s, const struct outcome *o)
{
	const struct source *src = &s->sources[0];

	fprintf(stderr,
		"alarm: %s%s at %.0f s over %.0f s; life %.0f s, %.0f samples of %.0f bytes, "
		"gap %.0f + %.0f s, restarts each %.0f s, from %.0f to %.0f s\n",
		name, s->is_exact ? ", exact," : "", o->first_sec, o->first_span_sec, src->life_sec,
		s->peak_samples, s->peak_bytes / s->peak_samples, s->gap_at_sec, s->gap_sec,
		s->restart_sec, src->begin_sec, src->end_sec);
}

static void say_times(double *sec, unsigned n)
{
	qsort(sec, n, sizeof(sec[0]), compare);
	say_time(n ? sec[n / 2] : NAN);
	say_time(n ? sec[n - 1] : NAN);
}

static unsigned run_harmless(unsigned n_series, uint64_t *seed)
{
	unsigned n_families = 0, all = 0;

	while (harmless_families[n_families].name)
		n_families++;
	printf("| family | drawn at random | days | alarms |\n|---|---|--:|--:|\n");
	for (unsigned f = 0; f < n_families; f++) {
		unsigned n = n_series / n_families + (f < n_series % n_families), alarms = 0;

		for (unsigned i = 0; i < n; i++) {
			struct detect_limits limits = detect_limits_default();
			struct scenario s;
			struct outcome o;

			harmless_families[f].draw(&s, seed);
			o = scenario_run(&s, &limits, seed);
			alarms += o.alarms;
			if (o.alarms)
				say_alarm(harmless_families[f].name, &s, &o);
		}
		printf("| %s | %s | %u | %u |\n", harmless_families[f].name,
		       harmless_families[f].ranges, n, alarms);
		fflush(stdout);
		all += alarms;
	}
	printf("| **all** | | %u | **%u** |\n\n", n_series, all);
	return all;
}

struct recall {
	unsigned again;
	unsigned found[2]; /* sampled, exact */
	double sec[2][LEAKS_PER_FAMILY];
	unsigned furthest[DETECT_WHY_MAX]; /* of those that were missed */
};

static void recall_leak(const struct family *family, struct recall *r, uint64_t *seed)
{
	struct detect_limits limits = detect_limits_default();
	struct scenario s;
	struct outcome o;

	family->draw(&s, seed);
	o = scenario_run(&s, &limits, seed);
	if (!o.alarms) {
		r->furthest[o.furthest]++;
		return;
	}
	r->sec[s.is_exact][r->found[s.is_exact]++] = o.first_sec - s.sources[0].begin_sec;
	r->again += o.alarms - 1;
}

static bool run_leaks(uint64_t *seed)
{
	unsigned found = 0, again = 0, n = 0;
	bool is_ok = true;

	printf("| leak | drawn at random | found of %d | sampled: median | worst | "
	       "exact: median | worst | alerted again |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
	       LEAKS_PER_FAMILY);
	for (const struct family *f = leak_families; f->name; f++) {
		struct recall r = { 0 };

		for (unsigned i = 0; i < LEAKS_PER_FAMILY; i++)
			recall_leak(f, &r, seed);
		printf("| %s | %s | %u |", f->name, f->ranges, r.found[0] + r.found[1]);
		for (int k = 0; k <= 1; k++)
			say_times(r.sec[k], r.found[k]);
		printf(" %u |\n", r.again);
		fflush(stdout);
		for (unsigned w = 0; w < DETECT_WHY_MAX; w++)
			if (r.furthest[w])
				fprintf(stderr, "missed: %s: %u came as far as %s\n", f->name,
					r.furthest[w], detect_why_name[w]);
		found += r.found[0] + r.found[1];
		again += r.again;
		n += LEAKS_PER_FAMILY;
	}
	is_ok = found >= RECALL_MIN * n && again <= AGAIN_MAX * n;
	printf("| **all** | | %u of %u | | | | | %u |\n\n", found, n, again);
	return is_ok;
}

/* A leak of `share` of the churn's scatter each hour: found within a day, and when? */
static void curve_row(bool is_exact, double bytes_per_hour_of_noise, double samples, uint64_t *seed)
{
	const double noise_bytes = 1e6;
	double sec[CURVE_RUNS] = { 0 };
	unsigned found = 0;

	for (unsigned i = 0; i < CURVE_RUNS; i++) {
		struct detect_limits limits = detect_limits_default();
		struct scenario s;
		struct outcome o;

		scenario_init(&s);
		s.is_exact = is_exact;
		/* Requests of 2 s: mean 4 noise, scatter noise. */
		s.load.jitter = 0.25;
		s.load.jitter_sec = 120;
		s.peak_bytes = 4 * noise_bytes;
		s.peak_samples = samples;
		scenario_source(&s, bytes_per_hour_of_noise * noise_bytes / 3600, LIFE_EVER, 0);
		scenario_source(&s, 2 * noise_bytes, LIFE_RANDOM, 2);
		o = scenario_run(&s, &limits, seed);
		if (o.alarms)
			sec[found++] = o.first_sec;
	}
	qsort(sec, found, sizeof(sec[0]), compare);
	printf(" %3.0f %% |", 100.0 * found / CURVE_RUNS);
	say_time(found ? sec[found / 2] : NAN);
}

static struct outcome run_flipping(const struct family *flips, const struct family *family,
				   double *ret_begin_sec, uint64_t *seed)
{
	struct detect_limits limits = detect_limits_default();
	struct scenario s;

	family->draw(&s, seed);
	flips->draw(&s, seed);
	s.days = fmax(s.days, FLIP_DAYS);
	*ret_begin_sec = s.sources[0].begin_sec;
	return scenario_run(&s, &limits, seed);
}

struct flipping {
	unsigned days, alarms; /* of harmless ones */
	unsigned leaks, found, again;
	double sec[LEAKS_PER_FAMILY * FAMILIES_MAX];
};

/* All families above, observed so. */
static void run_flips_of(const struct family *flips, unsigned n_harmless, struct flipping *ret,
			 uint64_t *seed)
{
	const struct family *f = harmless_families;
	double begin_sec;

	for (unsigned i = 0; i < n_harmless; i++, f = f[1].name ? f + 1 : harmless_families) {
		struct outcome o = run_flipping(flips, f, &begin_sec, seed);

		ret->days += FLIP_DAYS;
		ret->alarms += o.alarms;
		if (o.alarms)
			fprintf(stderr, "alarm: flips %s: %s at %.0f s over %.0f s\n", flips->name,
				f->name, o.first_sec, o.first_span_sec);
	}
	for (f = leak_families; f->name; f++) {
		for (unsigned i = 0; i < FLIP_LEAKS; i++) {
			struct outcome o = run_flipping(flips, f, &begin_sec, seed);

			ret->leaks++;
			if (!o.alarms) {
				fprintf(stderr, "missed: flips %s: %s came as far as %s\n",
					flips->name, f->name, detect_why_name[o.furthest]);
				continue;
			}
			ret->sec[ret->found++] = o.first_sec - begin_sec;
			ret->again += o.alarms - 1;
		}
	}
}

/* A process at the border of what can be followed exactly. */
static bool run_flips(unsigned n_series, uint64_t *seed)
{
	bool is_ok = true;

	printf("| regime changes | drawn at random | harmless days | alarms | leaks found in %d "
	       "days | "
	       "median | worst | alerted again |\n|---|---|--:|--:|--:|--:|--:|--:|\n",
	       FLIP_DAYS);
	for (const struct family *f = flip_families; f->name; f++) {
		struct flipping r = { 0 };

		run_flips_of(f, n_series / 30, &r, seed);
		printf("| %s | %s | %u | %u | %u of %u |", f->name, f->ranges, r.days, r.alarms,
		       r.found, r.leaks);
		say_times(r.sec, r.found);
		printf(" %u |\n", r.again);
		fflush(stdout);
		is_ok = is_ok && r.alarms <= 1 && r.found >= FLIP_RECALL_MIN * r.leaks;
	}
	printf("\n");
	return is_ok;
}

static void run_curves(uint64_t *seed)
{
	static const double slopes[] = { 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10 };
	static const struct {
		bool is_exact;
		double samples;
	} columns[] = { { false, 400 }, { false, 100 }, { false, 25 }, { true, 400 } };

	printf("| growth an hour / scatter | sampled, 100 per scatter | | 25 | | 6 | | exact | "
	       "|\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < sizeof(slopes) / sizeof(*slopes); i++) {
		printf("| %.2f |", slopes[i]);
		for (size_t j = 0; j < sizeof(columns) / sizeof(*columns); j++)
			curve_row(columns[j].is_exact, slopes[i], columns[j].samples, seed);
		printf("\n");
		fflush(stdout);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : HARMLESS_SERIES;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 20260101, flips_seed = seed + 1;
	bool is_ok;
	unsigned alarms;

	alarms = run_harmless(n, &seed);
	is_ok = run_leaks(&seed);
	run_curves(&seed);
	is_ok &= run_flips(n, &flips_seed);
	is_ok = is_ok && alarms <= fmax(1, n * ALARMS_MAX_PER_DAY);
	printf("detector: %d passed, %d failed\n", is_ok, !is_ok);
	return !is_ok;
}
