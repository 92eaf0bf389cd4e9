/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/growth/detect.c, with detect_rise.c below it; tests/sim has days of chance. */
#include <math.h>
#include <stdbool.h>

#include "growth/detect.h"
#include "test.h"

#define STEP_SEC  10.0
#define STEPS_MAX 20000
#define MIN	  60.0
#define HOUR	  3600.0
#define MIB	  (1024.0 * 1024)

/* A stack whose past is made up: what it took in each step, and how long that lives. */
struct feed {
	struct detect *d, *process;
	struct detect_limits limits;
	double start_sec, life_sec, churn_bytes, process_bytes;
	double born_bytes[STEPS_MAX];
	size_t n, dead; /* born_bytes below `dead` are gone */
	double taken_bytes;
	bool is_exact; /* that is known */
	struct detect_point point;
	struct detect_verdict v;
	double grew_sec; /* when it became growing; NAN: not */
};

static void feed_init(struct feed *f)
{
	memset(f, 0, sizeof(*f));
	f->limits = detect_limits_default();
	f->start_sec = 1e6;
	f->life_sec = INFINITY;
	f->process_bytes = f->grew_sec = NAN;
	f->point.has_ages = f->is_exact = true;
	f->point.full_collections = -1;
	f->point.headroom_bytes = NAN;
	assert_ok(detect_new(&f->d));
	assert_ok(detect_new(&f->process));
}

static void feed_done(struct feed *f)
{
	detect_free(f->d);
	detect_free(f->process);
}

/* From the youngest to the oldest, class by class. */
static void feed_ages(struct feed *f, double scale)
{
	double end_sec = f->limits.bin_sec / 6, age_sec = 0;
	struct detect_point *p = &f->point;
	unsigned age = 0;

	memset(p->bytes_by_age, 0, sizeof(p->bytes_by_age));
	p->live_bytes = p->bytes_by_age[0] = f->churn_bytes;
	p->birth_intervals = 0;
	for (size_t i = f->n; i-- > f->dead && age_sec < f->life_sec; age_sec += STEP_SEC * scale) {
		for (; age + 1 < DETECT_AGES && age_sec >= end_sec; end_sec *= 1.5)
			age++;
		p->bytes_by_age[age] += f->born_bytes[i];
		p->live_bytes += f->born_bytes[i];
		p->birth_intervals += f->born_bytes[i] > 0;
	}
}

static void feed_process(struct feed *f)
{
	const struct detect_point p = {
		.time_sec = f->point.time_sec,
		.live_bytes = f->process_bytes,
		.taken_bytes = NAN,
		.full_collections = -1,
		.headroom_bytes = NAN,
	};
	struct detect_verdict v;

	if (!isnan(f->process_bytes))
		assert_ok(detect_push(f->process, &f->limits, &p, NULL, &v));
}

static void feed_step(struct feed *f, double bytes, double scale)
{
	assert_true(f->n < STEPS_MAX);
	f->born_bytes[f->n++] = bytes;
	f->taken_bytes += bytes + f->churn_bytes;
	f->point.taken_bytes = f->is_exact ? f->taken_bytes : NAN;
	f->point.time_sec = f->start_sec + (double)f->n * STEP_SEC * scale;
	feed_ages(f, scale);
	feed_process(f);
	assert_ok(detect_push(f->d, &f->limits, &f->point,
			      isnan(f->process_bytes) ? NULL : f->process, &f->v));
	if (f->v.state == DETECT_GROWING && isnan(f->grew_sec))
		f->grew_sec = f->point.time_sec - f->start_sec;
}

static void feed_for(struct feed *f, double sec, double bytes_per_sec)
{
	for (double t = 0; t < sec; t += STEP_SEC)
		feed_step(f, bytes_per_sec * STEP_SEC, 1);
}

static void detect__defaults_are_good_limits_and_bad_ones_are_refused(void **state)
{
	struct detect_limits good = detect_limits_default(), l;

	(void)state;
	assert_ok(detect_limits_check(&good));
#define REFUSED(field, value)                                 \
	do {                                                  \
		l = good;                                     \
		l.field = (value);                            \
		assert_err(detect_limits_check(&l), -EINVAL); \
	} while (0)
	REFUSED(bin_sec, 0);
	REFUSED(bin_sec, NAN);
	REFUSED(wait_sec, -1);
	REFUSED(bin_sec, INFINITY);
	REFUSED(settle_sec, 0);
	REFUSED(min_growth_bytes, -1);
	REFUSED(p_max, NAN);
	REFUSED(tau_min, INFINITY);
#undef REFUSED
}

static void detect__ages_go_up_by_half(void **state)
{
	struct detect_limits l = detect_limits_default();
	static const struct {
		double sec;
		unsigned age;
	} rows[] = {
		{ NAN, 0 }, { -5, 0 },	 { 0, 0 },    { 9.9, 0 },     { 10, 1 },   { 14.9, 1 },
		{ 15, 2 },  { 22.4, 2 }, { 1e5, 23 }, { 113000, 24 }, { 1e9, 24 }, { INFINITY, 24 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(detect_age(&l, rows[i].sec), rows[i].age);
}

static void detect__a_straight_leak_is_suspect_within_minutes_and_grows_after_its_wait(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	feed_for(&f, 30 * MIN, 0);
	assert_int_equal(f.v.state, DETECT_QUIET);
	feed_for(&f, 15 * MIN, 1000);
	assert_int_equal(f.v.state, DETECT_SUSPECT);
	assert_int_equal(f.v.why, DETECT_TOO_SHORT);
	feed_for(&f, 3 * HOUR, 1000);
	assert_int_equal(f.v.state, DETECT_GROWING);
	assert_int_equal(f.v.why, DETECT_RISES);
	assert_true(f.grew_sec > 30 * MIN + f.limits.wait_sec * 0.9);
	assert_true(f.grew_sec < 30 * MIN + f.limits.wait_sec + 24 * MIN);
	assert_true(fabs(f.v.slope_bytes_per_sec - 1000) < 5);
	assert_true(f.v.slope_low <= f.v.slope_bytes_per_sec &&
		    f.v.slope_high >= f.v.slope_bytes_per_sec);
	assert_true(f.v.tau > 0.99 && f.v.p_value < 0.001);
	assert_true(fabs(f.v.growth_bytes / f.v.span_sec - 1000) < 20);
	feed_done(&f);
}

static void detect__what_lives_briefly_is_no_leak_however_long_it_rises(void **state)
{
	static const double lives_sec[] = { 10, 300, 1800 };
	struct feed f;

	(void)state;
	for (size_t i = 0; i < sizeof(lives_sec) / sizeof(*lives_sec); i++) {
		feed_init(&f);
		f.life_sec = lives_sec[i];
		for (int k = 0; k < 10 * 360; k++)
			feed_step(&f, 1e4 * (1000 + k), 1);
		assert_true(isnan(f.grew_sec));
		feed_done(&f);
	}
}

static void detect__caches_that_get_full_are_no_leak(void **state)
{
	static const double lives_sec[] = { 600, 1800, 3600 };
	struct feed f;

	(void)state;
	for (size_t i = 0; i < sizeof(lives_sec) / sizeof(*lives_sec); i++) {
		feed_init(&f);
		f.life_sec = lives_sec[i];
		feed_for(&f, 6 * HOUR, 1e4);
		assert_true(isnan(f.grew_sec));
		assert_int_equal(f.v.state, DETECT_QUIET);
		feed_done(&f);
	}
}

static void detect__a_few_steps_are_no_leak(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	for (int i = 0; i < 5; i++) {
		feed_step(&f, 10 * MIB, 1);
		feed_for(&f, 30 * MIN, 0);
		assert_true(f.v.state != DETECT_GROWING);
	}
	feed_done(&f);
}

static void detect__small_and_slow_growth_is_left_alone(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	feed_for(&f, 8 * HOUR, 3); /* 84 KiB, 3 bytes a second */
	assert_true(isnan(f.grew_sec));
	assert_int_equal(f.v.why, DETECT_TOO_SMALL);
	feed_done(&f);
}

static void detect__growth_within_sampling_error_is_none(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	f.point.error_bytes = 100 * MIB;
	feed_for(&f, 4 * HOUR, 1000);
	assert_true(isnan(f.grew_sec));
	assert_int_equal(f.v.state, DETECT_QUIET);
	feed_done(&f);
}

/* One block, born at the beginning, that realloc makes larger. */
static void feed_buffer(struct feed *f, double sec, double bytes_per_sec, double taken_per_sec)
{
	struct detect_point *p = &f->point;

	for (double t = STEP_SEC; t <= sec; t += STEP_SEC) {
		p->time_sec = f->start_sec + t;
		p->live_bytes = t * bytes_per_sec;
		memset(p->bytes_by_age, 0, sizeof(p->bytes_by_age));
		p->bytes_by_age[detect_age(&f->limits, t)] = p->live_bytes;
		p->birth_intervals = 1;
		p->taken_bytes = t * taken_per_sec;
		assert_ok(detect_push(f->d, &f->limits, p, NULL, &f->v));
		if (f->v.state == DETECT_GROWING && isnan(f->grew_sec))
			f->grew_sec = t;
	}
}

/* Whatever is taken and given back beside it. */
static void detect__a_buffer_that_grows_is_a_leak(void **state)
{
	static const double taken_per_sec[] = { 1000, 2000, 1e6, NAN };
	struct feed f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(taken_per_sec); i++) {
		feed_init(&f);
		feed_buffer(&f, 6 * HOUR, 1000, taken_per_sec[i]);
		assert_true(f.grew_sec > f.limits.wait_sec && f.grew_sec < 3 * HOUR);
		feed_done(&f);
	}
}

/* All of it is young, and most of what was taken is gone. */
static void detect__what_is_young_is_no_buffer(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	f.life_sec = 30 * MIN;
	for (int k = 0; k < 12 * 360; k++)
		feed_step(&f, 1e4 * (1000 + k), 1);
	assert_true(isnan(f.grew_sec));
	assert_int_equal(f.v.why, DETECT_TURNS_OVER);
	feed_done(&f);
}

/* Ten thousand times what it leaks comes and goes in the same stack. */
static void detect__churn_hides_no_leak(void **state)
{
	struct feed f;

	(void)state;
	for (int is_exact = 0; is_exact <= 1; is_exact++) {
		feed_init(&f);
		f.is_exact = is_exact;
		for (int i = 0; i < 3 * 360; i++) {
			f.churn_bytes = 1e8 * (1 + i % 7);
			feed_step(&f, 1e4, 1);
		}
		assert_true(f.grew_sec > f.limits.wait_sec && f.grew_sec < 2 * HOUR);
		feed_done(&f);
	}
}

static void detect__what_takes_all_that_is_free_need_not_wait(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	for (int i = 0; i < 60 * 6; i++) {
		f.point.headroom_bytes = 100 * MIB - f.point.live_bytes;
		feed_step(&f, MIB / 6, 1);
	}
	assert_true(f.grew_sec > 40 * MIN && f.grew_sec < 55 * MIN);
	feed_done(&f);
}

static void detect__garbage_that_waits_for_the_collector_is_told_apart(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	f.point.full_collections = 0;
	for (int i = 0; i < 8 * 360; i++) {
		feed_step(&f, 1e5, 1);
		if (i % 240 == 239) { /* 40 minutes */
			f.dead = f.n;
			f.point.full_collections++;
		}
		assert_true(f.v.state != DETECT_GROWING);
	}
	feed_done(&f);

	feed_init(&f);
	f.point.full_collections = 0;
	for (int i = 0; i < 3 * 360; i++) { /* collected, and it stays */
		f.point.full_collections += i % 60 == 59;
		feed_step(&f, 1e5, 1);
	}
	assert_int_equal(f.v.why, DETECT_RISES);
	assert_true(f.v.is_after_collections);
	assert_true(f.grew_sec < 2 * HOUR);
	feed_done(&f);

	feed_init(&f);
	f.point.full_collections = 0;
	feed_for(&f, 4 * HOUR, 1e4); /* no collection at all: twice the wait */
	assert_int_equal(f.v.why, DETECT_RISES_UNCOLLECTED);
	assert_false(f.v.is_after_collections);
	assert_true(f.grew_sec > 2 * f.limits.wait_sec);
	feed_done(&f);
}

static void detect__a_process_that_does_not_grow_contradicts(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	f.process_bytes = 200 * MIB;
	feed_for(&f, 4 * HOUR, 1e4);
	assert_true(isnan(f.grew_sec));
	assert_int_equal(f.v.why, DETECT_PROCESS_STEADY);
	assert_int_equal(f.v.state, DETECT_SUSPECT);
	feed_done(&f);

	feed_init(&f);
	for (int i = 0; i < 2 * 360; i++) {
		f.process_bytes = 200 * MIB + f.point.live_bytes;
		feed_step(&f, 1e5, 1);
	}
	assert_true(f.grew_sec < 2 * HOUR);
	feed_done(&f);
}

static void detect__what_comes_back_daily_is_seen_before(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	for (int round = 0; round < 3; round++) {
		feed_for(&f, 50 * MIN, 1e4);
		feed_for(&f, 4 * HOUR, 0); /* held, so that there is a past to compare with */
		f.dead = f.n;
		feed_for(&f, HOUR, 0);
	}
	feed_for(&f, 2 * HOUR, 4e3);
	assert_true(isnan(f.grew_sec));
	assert_int_equal(f.v.why, DETECT_SEEN_BEFORE);
	feed_done(&f);
}

static void detect__a_leak_that_stops_settles_after_work_not_after_time(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	feed_for(&f, 3 * HOUR, 1000);
	assert_int_equal(f.v.state, DETECT_GROWING);
	feed_for(&f, 10 * HOUR, 0); /* night: nothing is taken */
	assert_int_equal(f.v.state, DETECT_GROWING);
	feed_for(&f, 2 * HOUR, 1000); /* morning */
	assert_int_equal(f.v.state, DETECT_GROWING);
	f.churn_bytes = 1e4; /* it works again, and does not grow */
	feed_for(&f, 5 * HOUR, 0);
	assert_int_equal(f.v.state, DETECT_SETTLED);
	assert_int_equal(f.v.why, DETECT_STOPPED);
	feed_for(&f, 25 * HOUR, 0);
	assert_int_equal(f.v.state, DETECT_QUIET);
	feed_done(&f);
}

static void detect__memory_given_back_settles_at_once(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	feed_for(&f, 3 * HOUR, 1000);
	assert_int_equal(f.v.state, DETECT_GROWING);
	f.dead = f.n;
	feed_for(&f, 15 * MIN, 1000);
	assert_int_equal(f.v.state, DETECT_SETTLED);
	assert_int_equal(f.v.why, DETECT_RELEASED);
	feed_for(&f, 2.5 * HOUR, 1000); /* no more than it held before */
	assert_int_equal(f.v.state, DETECT_SETTLED);
	feed_for(&f, 2 * HOUR, 1000);
	assert_int_equal(f.v.state, DETECT_GROWING);
	feed_done(&f);
}

static void detect__a_restart_keeps_what_grows_and_forgets_the_rest(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	feed_for(&f, 15 * MIN, 1000);
	assert_int_equal(f.v.state, DETECT_SUSPECT);
	detect_restart(f.d);
	feed_step(&f, 0, 1);
	assert_int_equal(f.v.state, DETECT_QUIET);
	assert_int_equal(f.v.why, DETECT_TOO_NEW);
	feed_for(&f, 3 * HOUR, 1000);
	assert_int_equal(f.v.state, DETECT_GROWING);
	detect_restart(f.d);
	f.dead = f.n;
	feed_for(&f, 3 * HOUR, 1000);
	assert_int_equal(f.v.state, DETECT_GROWING);
	detect_restart(f.d);
	f.dead = f.n;
	f.churn_bytes = 1e5;
	feed_for(&f, 4 * HOUR, 0);
	assert_int_equal(f.v.state, DETECT_SETTLED);
	feed_done(&f);
}

static void detect__regimes_that_come_and_go_do_not_hide_a_leak(void **state)
{
	static const struct {
		double windows_sec, exact_sec;
	} rows[] = {
		{ 20 * MIN, MIN },
		{ MIN, MIN },
		{ 3 * MIN, 17 * MIN },
		{ 2 * HOUR, 3 * HOUR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct feed f;

		feed_init(&f);
		while (f.n * STEP_SEC < 6 * HOUR) {
			f.is_exact = false;
			f.point.error_bytes = 1e5;
			feed_for(&f, rows[i].windows_sec, 1000);
			f.is_exact = true;
			f.point.error_bytes = 0;
			feed_for(&f, rows[i].exact_sec, 1000);
		}
		if (!(f.grew_sec > f.limits.wait_sec && f.grew_sec < 2 * HOUR))
			fail_msg("row %zu: %g h", i, f.grew_sec / HOUR);
		assert_int_equal(f.v.state, DETECT_GROWING);
		feed_done(&f);
	}
}

static void detect__a_gap_is_no_growth_and_a_clock_that_goes_back_is_a_restart(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	feed_for(&f, HOUR, 0);
	f.start_sec += 5 * HOUR; /* nobody looked, and meanwhile it was set up */
	feed_step(&f, 100 * MIB, 1);
	feed_for(&f, 3 * HOUR, 0);
	assert_true(isnan(f.grew_sec));
	feed_for(&f, 15 * MIN, 1e5);
	assert_int_equal(f.v.state, DETECT_SUSPECT);
	f.start_sec -= 20 * HOUR;
	feed_step(&f, 0, 1);
	assert_int_equal(f.v.state, DETECT_QUIET);
	assert_int_equal(f.v.why, DETECT_TOO_NEW);
	f.start_sec += 1e9;
	feed_for(&f, HOUR, 0);
	assert_int_equal(f.v.state, DETECT_QUIET);
	feed_done(&f);
}

static void detect__bad_points_are_refused_and_change_nothing(void **state)
{
	static const struct {
		double time_sec, live_bytes, error_bytes, young_bytes;
	} rows[] = {
		{ 110, 1, 0, NAN },	 { 110, 1, 0, -1 },   { 100, 1, 0, 0 },	 { NAN, 1, 0, 0 },
		{ INFINITY, 1, 0, 0 },	 { 1e300, 1, 0, 0 },  { 110, -1, 0, 0 }, { 110, NAN, 0, 0 },
		{ 110, INFINITY, 0, 0 }, { 110, 1e19, 0, 0 }, { 110, 1, -1, 0 }, { 110, 1, NAN, 0 },
		{ 110, 1, INFINITY, 0 },
	};
	struct detect_limits limits = detect_limits_default();
	_cleanup_(detect_freep) struct detect *d = NULL;
	struct detect_verdict v = { .tau = 77 };
	struct detect_point p = { .time_sec = 100, .live_bytes = 1, .full_collections = -1 };

	(void)state;
	assert_ok(detect_new(&d));
	assert_ok(detect_push(d, &limits, &p, NULL, &v));
	v.tau = 77;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		p.time_sec = rows[i].time_sec;
		p.live_bytes = rows[i].live_bytes;
		p.error_bytes = rows[i].error_bytes;
		p.bytes_by_age[0] = rows[i].young_bytes;
		assert_err(detect_push(d, &limits, &p, NULL, &v), -EINVAL);
	}
	assert_true(v.tau == 77);
}

/* Whatever comes, it neither crashes (UBSan) nor alerts on noise of any size. */
static void detect__wild_values_are_survived(void **state)
{
	static const double wild[] = { 0,	  1e18,	  1,   NAN,  -1, 1e300, INFINITY,
				       -INFINITY, 1e-300, 1e6, 5e17, 3,	 1e12 };
	struct detect_limits limits = detect_limits_default();
	_cleanup_(detect_freep) struct detect *d = NULL, *process = NULL;
	size_t n = sizeof(wild) / sizeof(*wild);
	struct detect_verdict v;
	unsigned seed = 1;

	(void)state;
	assert_ok(detect_new(&d));
	assert_ok(detect_new(&process));
	for (int i = 0; i < 20000; i++) {
		struct detect_point p = { .time_sec = i * 30.0 };
		double *const fields[] = { &p.live_bytes, &p.error_bytes, &p.taken_bytes,
					   &p.headroom_bytes, &p.bytes_by_age[i % DETECT_AGES] };

		for (size_t k = 0; k < sizeof(fields) / sizeof(*fields); k++) {
			seed = seed * 1103515245 + 12345;
			*fields[k] = wild[(seed >> 16) % n];
		}
		p.has_ages = i % 5000 < 2500 || (seed >> 20) % 16 == 0;
		p.birth_intervals = seed;
		p.full_collections = (int64_t)(((uint64_t)seed << 32 | seed) ^ (uint64_t)i << 62);
		if (i % 97 == 0)
			p.time_sec += 1e6 * (seed >> 24);
		(void)detect_push(process, &limits, &p, NULL, &v);
		if (!detect_push(d, &limits, &p, process, &v))
			assert_true(v.state != DETECT_GROWING);
	}
}

/* Counters that stand still: what was taken is 0, then and now, and one over the other is nothing.
 */
static void detect__nothing_taken_is_no_share_of_nothing(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	f.point.has_ages = false;
	for (int i = 0; i < 24 * 360; i++) {
		f.taken_bytes = 0;
		feed_step(&f, i < 3 * 360 ? 1e4 : 0, 1);
		if (i == 3 * 360)
			assert_int_equal(f.v.state, DETECT_GROWING);
	}
	/* Nobody knows whether it works: an eighth of the time is taken for it. */
	assert_int_equal(f.v.state, DETECT_SETTLED);
	assert_int_equal(f.v.why, DETECT_STOPPED);
	assert_true(isfinite(f.v.slope_bytes_per_sec) && isfinite(f.v.growth_bytes));
	feed_done(&f);
}

/* What a daemon before has left is not to be trusted: it may have been damaged, or made up. */
static void detect__only_what_can_have_grown_is_revived(void **state)
{
	struct detect_memory good, m;
	struct detect *d = NULL;
	struct feed f;

	(void)state;
	feed_init(&f);
	assert_false(detect_remember(f.d, &m));
	assert_err(detect_revive(&m, &d), -EINVAL);
	feed_for(&f, 3 * HOUR, 1000);
	assert_true(detect_remember(f.d, &good));
#define REFUSED(field, value)                               \
	do {                                                \
		m = good;                                   \
		m.field = (value);                          \
		assert_err(detect_revive(&m, &d), -EINVAL); \
	} while (0)
	REFUSED(verdict.state, DETECT_SETTLED);
	REFUSED(verdict.why, DETECT_STOPPED);
	REFUSED(verdict.slope_bytes_per_sec, NAN);
	REFUSED(verdict.slope_bytes_per_sec, -1);
	REFUSED(verdict.growth_bytes, INFINITY);
	REFUSED(verdict.since_sec, INFINITY);
	REFUSED(verdict.span_sec, 1e300);
	REFUSED(verdict.slope_high, INFINITY);
	REFUSED(taken_per_sec, -1);
#undef REFUSED
	assert_null(d);
	detect_free(f.d);
	assert_ok(detect_revive(&good, &f.d));
	f.dead = f.n;
	feed_for(&f, 3 * HOUR, 1000); /* on it grows, and is the old one */
	assert_int_equal(f.v.state, DETECT_GROWING);
	assert_true(f.v.since_sec == good.verdict.since_sec);
	f.churn_bytes = 1e5;
	feed_for(&f, 4 * HOUR, 0);
	assert_int_equal(f.v.state, DETECT_SETTLED);
	feed_done(&f);
}

static void detect__scaled_limits_judge_a_scaled_past_alike(void **state)
{
	struct detect_limits limits = detect_limits_default();
	struct feed f;

	(void)state;
	feed_init(&f);
	f.limits = detect_limits_scale(&limits, 0.01);
	assert_ok(detect_limits_check(&f.limits));
	for (int i = 0; i < 3 * 360; i++)
		feed_step(&f, 1e4, 0.01);
	assert_true(f.grew_sec > limits.wait_sec * 0.01 * 0.9);
	assert_true(f.grew_sec < limits.wait_sec * 0.01 * 1.35);
	feed_done(&f);
}

static void detect__an_interval_longer_than_a_bin_will_do(void **state)
{
	struct feed f;

	(void)state;
	feed_init(&f);
	for (int i = 0; i < 12 * 12; i++) /* 12 hours, 5 minutes each */
		feed_step(&f, 3e5, 30);
	assert_int_equal(f.v.state, DETECT_GROWING);
	assert_true(fabs(f.v.slope_bytes_per_sec - 1000) < 10);
	f.churn_bytes = 3e5;
	for (int i = 0; i < 12 * 12; i++)
		feed_step(&f, 0, 30);
	assert_int_equal(f.v.state, DETECT_SETTLED);
	feed_done(&f);
}

static void detect__names_are_complete(void **state)
{
	(void)state;
	for (int i = 0; i < DETECT_WHY_MAX; i++)
		assert_true(strlen(detect_why_name[i]) > 3);
	assert_string_equal(detect_why_name[DETECT_RELEASED], "released");
	assert_string_equal(detect_state_name[DETECT_SETTLED], "settled");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(detect__defaults_are_good_limits_and_bad_ones_are_refused),
		cmocka_unit_test(detect__ages_go_up_by_half),
		cmocka_unit_test(
			detect__a_straight_leak_is_suspect_within_minutes_and_grows_after_its_wait),
		cmocka_unit_test(detect__what_lives_briefly_is_no_leak_however_long_it_rises),
		cmocka_unit_test(detect__caches_that_get_full_are_no_leak),
		cmocka_unit_test(detect__a_few_steps_are_no_leak),
		cmocka_unit_test(detect__small_and_slow_growth_is_left_alone),
		cmocka_unit_test(detect__growth_within_sampling_error_is_none),
		cmocka_unit_test(detect__a_buffer_that_grows_is_a_leak),
		cmocka_unit_test(detect__what_is_young_is_no_buffer),
		cmocka_unit_test(detect__churn_hides_no_leak),
		cmocka_unit_test(detect__what_takes_all_that_is_free_need_not_wait),
		cmocka_unit_test(detect__garbage_that_waits_for_the_collector_is_told_apart),
		cmocka_unit_test(detect__a_process_that_does_not_grow_contradicts),
		cmocka_unit_test(detect__what_comes_back_daily_is_seen_before),
		cmocka_unit_test(detect__a_leak_that_stops_settles_after_work_not_after_time),
		cmocka_unit_test(detect__memory_given_back_settles_at_once),
		cmocka_unit_test(detect__a_restart_keeps_what_grows_and_forgets_the_rest),
		cmocka_unit_test(detect__regimes_that_come_and_go_do_not_hide_a_leak),
		cmocka_unit_test(
			detect__a_gap_is_no_growth_and_a_clock_that_goes_back_is_a_restart),
		cmocka_unit_test(detect__bad_points_are_refused_and_change_nothing),
		cmocka_unit_test(detect__wild_values_are_survived),
		cmocka_unit_test(detect__nothing_taken_is_no_share_of_nothing),
		cmocka_unit_test(detect__only_what_can_have_grown_is_revived),
		cmocka_unit_test(detect__scaled_limits_judge_a_scaled_past_alike),
		cmocka_unit_test(detect__an_interval_longer_than_a_bin_will_do),
		cmocka_unit_test(detect__names_are_complete),
	};

	return cmocka_run_group_tests_name("detect", tests, NULL, NULL);
}
