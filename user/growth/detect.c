/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/detect.c — see detect.h: the states, and what moves a stack from one to the next.
 *
 * An alert at night ends a tool's life, so hysteresis is wide: a rise must pass twice, and a stack
 * that grows stays so until it has worked for settle_sec without growing. Work, not time: a leak by
 * request stands still at night, and must not end each evening to begin anew each morning.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "growth/detect_internal.h"

#define PASSES_MIN 2 /* judgements in a row, of the same level */
#define RATE_BINS  12.0 /* time constant of taken_per_sec */
#define WORK_NOT_KNOWN                                                            \
	0.125 /* share of time that counts as work where taken_bytes is not known \
	       */
#define STOPPED_SHARE  0.25 /* of what it should have grown while it worked: less has stopped */
#define STOPPED_BIRTHS 12 /* so many should have been: that there were a quarter is no chance */
#define RELEASED_SHARE 0.25 /* of what it grew by: to hold less is to have released it */
#define RELEASED_BINS  12
#define FORGET_SETTLES 12 /* times settle_sec: settled becomes quiet */
#define BIN_SEC_MIN    1e-3
#define TIME_SEC_MAX   1e12

struct detect {
	struct detect_past past;
	struct detect_rise rises[DETECT_LEVELS];
	uint8_t passes[DETECT_LEVELS];
	struct detect_verdict verdict;
	double taken_bytes, taken_sec; /* at the last point that knew; NAN: none did */
	double taken_per_sec; /* NAN: not known */
	double suspected_sec; /* last time it was cause for suspicion */
	/* Since it grows: */
	double begin_bytes, peak_bytes; /* what it held before, and at most */
	struct detect_amount mark; /* bytes NAN: not yet */
	double mark_work_sec; /* work since then */
	/* In the span that passed, as its slope; NAN: not known. */
	double mark_births_per_sec, mark_taken_per_sec;
	unsigned released_bins;
	double settled_sec;
	double judged_sec; /* NAN: not yet */
};

_Static_assert(sizeof(struct detect) <= 2560, "thousands of stacks have one");

const char *const detect_state_name[] = { "quiet", "suspect", "growing", "settled" };
_Static_assert(sizeof(detect_state_name) / sizeof(*detect_state_name) == DETECT_STATE_MAX, "");

const char *const detect_why_name[] = {
	"too-new",	     "not-rising",  "within-error",
	"too-small",	     "levels-off",  "turns-over",
	"few-births",	     "seen-before", "waits-for-collector",
	"process-steady",    "too-short",   "rises",
	"rises-uncollected", "stopped",	    "released",
};
_Static_assert(sizeof(detect_why_name) / sizeof(*detect_why_name) == DETECT_WHY_MAX, "");

struct detect_limits detect_limits_default(void)
{
	return (struct detect_limits){
		.bin_sec = 60,
		.wait_sec = 72 * 60, /* a cache of an hour's entries is full by then */
		.settle_sec = 2 * 3600,
		.min_growth_bytes = 128 * 1024, /* 1 KiB a minute: two hours */
		.min_bytes_per_sec = 8, /* a quarter of a gigabyte a year */
		.headroom_share = 1.0 / 3,
		.tau_min = 0.6,
		.p_max = 0.01,
		.still_rising = 0.7,
	};
}

struct detect_limits detect_limits_scale(const struct detect_limits *limits, double factor)
{
	struct detect_limits l = *limits;

	l.bin_sec *= factor;
	l.wait_sec *= factor;
	l.settle_sec *= factor;
	l.min_bytes_per_sec /= factor;
	return l;
}

int detect_limits_check(const struct detect_limits *l)
{
	const double positive[] = { l->bin_sec, l->wait_sec, l->settle_sec };
	const double rest[] = {
		l->min_growth_bytes, l->min_bytes_per_sec, l->headroom_share, l->tau_min, l->p_max,
		l->still_rising
	};

	for (size_t i = 0; i < sizeof(positive) / sizeof(*positive); i++)
		if (!(positive[i] >= BIN_SEC_MIN && positive[i] <= TIME_SEC_MAX))
			return -EINVAL;
	for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++)
		if (!(rest[i] >= 0) || isinf(rest[i]))
			return -EINVAL;
	return 0;
}

static void verdict_set(struct detect *d, enum detect_state state, enum detect_why why)
{
	d->verdict.state = state;
	d->verdict.why = why;
}

static void verdict_figures(struct detect *d, const struct detect_rise *rise)
{
	struct detect_verdict *v = &d->verdict;
	bool is_known = rise->span_sec > 0;

	v->since_sec = is_known ? rise->since_sec : NAN;
	v->span_sec = is_known ? rise->span_sec : NAN;
	v->growth_bytes = is_known ? rise->growth_bytes : NAN;
	v->slope_bytes_per_sec = is_known ? rise->slope : NAN;
	v->slope_low = is_known ? rise->slope_low : NAN;
	v->slope_high = is_known ? rise->slope_high : NAN;
	v->tau = is_known ? rise->tau : NAN;
	v->p_value = is_known ? rise->p_value : NAN;
	v->is_after_collections = is_known && rise->is_after_collections;
}

static void history_forget(struct detect *d)
{
	detect_past_init(&d->past);
	for (unsigned i = 0; i < DETECT_LEVELS; i++) {
		d->rises[i] = (struct detect_rise){ .why = DETECT_TOO_NEW };
		d->passes[i] = 0;
	}
	d->taken_bytes = d->taken_sec = d->taken_per_sec = NAN;
	d->judged_sec = NAN;
	d->suspected_sec = -INFINITY;
}

int detect_new(struct detect **ret)
{
	struct detect *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	history_forget(d);
	verdict_figures(d, &d->rises[0]);
	*ret = d;
	return 0;
}

void detect_free(struct detect *d)
{
	free(d);
}

void detect_restart(struct detect *d)
{
	history_forget(d);
	if (d->verdict.state == DETECT_GROWING) {
		d->begin_bytes = d->peak_bytes = -INFINITY;
		d->mark.bytes = NAN;
		d->released_bins = 0;
		return;
	}
	verdict_set(d, DETECT_QUIET, DETECT_TOO_NEW);
	verdict_figures(d, &d->rises[0]);
}

/* How fast it takes memory: an average that forgets. Counters that go back began anew. */
static void taken_push(struct detect *d, const struct detect_limits *l,
		       const struct detect_point *p)
{
	double past_sec = p->time_sec - d->taken_sec, bytes = p->taken_bytes - d->taken_bytes;

	if (!isfinite(p->taken_bytes)) {
		d->taken_bytes = d->taken_sec = d->taken_per_sec = NAN;
		return;
	}
	if (past_sec > 0 && bytes >= 0) {
		double now = bytes / past_sec,
		       share = 1 - exp(-past_sec / (RATE_BINS * l->bin_sec));

		d->taken_per_sec = isnan(d->taken_per_sec)
					   ? now
					   : d->taken_per_sec + share * (now - d->taken_per_sec);
	}
	d->taken_bytes = p->taken_bytes;
	d->taken_sec = p->time_sec;
}

/* Of the levels that were judged just now the one that passes, of several the longest; NULL: none.
 */
static const struct detect_rise *passed_rise(const struct detect *d, unsigned closed)
{
	const struct detect_rise *rise = NULL;

	for (unsigned i = 0; i < DETECT_LEVELS; i++)
		if ((closed & 1u << i) && d->passes[i] >= PASSES_MIN)
			rise = &d->rises[i];
	return rise;
}

/* Samples that were alive then and are still have the same error now and then: only what came since
 * adds to it. */
static double error_of_excess(const struct detect_amount *now, const struct detect_amount *then)
{
	return sqrt(fmax(0, now->error * now->error - then->error * then->error));
}

/* What settled must exceed what it once held. */
static bool is_news(const struct detect *d, const struct detect_limits *l,
		    const struct detect_amount *now)
{
	return d->verdict.state != DETECT_SETTLED ||
	       now->bytes - d->peak_bytes >= l->min_growth_bytes;
}

/* The level that tells most, of equals the longest. */
static const struct detect_rise *best_rise(const struct detect *d)
{
	const struct detect_rise *best = &d->rises[0];

	for (unsigned i = 1; i < DETECT_LEVELS; i++)
		if (d->rises[i].why >= best->why)
			best = &d->rises[i];
	return best;
}

static void mark(struct detect *d, const struct detect_amount *now)
{
	d->mark = *now;
	d->mark_work_sec = 0;
}

static void grow(struct detect *d, const struct detect_rise *rise, const struct detect_amount *now)
{
	double since_sec = d->verdict.since_sec;
	bool is_new = d->verdict.state != DETECT_GROWING;

	if (is_new || isinf(d->begin_bytes)) {
		d->begin_bytes = now->bytes - rise->growth_bytes;
		d->peak_bytes = now->bytes;
		d->released_bins = 0;
	}
	verdict_set(d, DETECT_GROWING, rise->why);
	verdict_figures(d, rise);
	if (!is_new)
		d->verdict.since_sec = fmin(since_sec, rise->since_sec);
	d->mark_births_per_sec = rise->births_per_sec;
	d->mark_taken_per_sec =
		is_new ? rise->taken_per_sec : fmax(d->mark_taken_per_sec, rise->taken_per_sec);
	mark(d, now);
}

static void settle(struct detect *d, enum detect_why why, double now_sec)
{
	verdict_set(d, DETECT_SETTLED, why);
	d->settled_sec = now_sec;
}

/* Since the last judgement. Of a gap nobody knows whether it worked. */
static double work_sec(const struct detect *d, const struct detect_limits *l, double now_sec)
{
	double past_sec = fmin(now_sec - d->judged_sec, detect_bin_sec(l, 1));
	double share = d->taken_per_sec / d->mark_taken_per_sec;

	if (isnan(d->judged_sec))
		return 0;
	return past_sec * (isfinite(share) ? fmin(share, 1) : WORK_NOT_KNOWN);
}

/* Does what grew grow on? As long as it cannot be told, work goes on. */
static void watch_growth(struct detect *d, const struct detect_limits *l,
			 const struct detect_amount *now, double now_sec)
{
	double grown_bytes, error_bytes, enough_bytes;

	if (isnan(d->mark.bytes))
		mark(d, now);
	d->peak_bytes = fmax(d->peak_bytes, now->bytes);
	d->released_bins =
		now->bytes - d->begin_bytes < RELEASED_SHARE * (d->peak_bytes - d->begin_bytes)
			? d->released_bins + 1
			: 0;
	if (d->released_bins >= RELEASED_BINS) {
		settle(d, DETECT_RELEASED, now_sec);
		return;
	}
	d->mark_work_sec += work_sec(d, l, now_sec);
	if (d->mark_work_sec < l->settle_sec ||
	    d->mark_work_sec * d->mark_births_per_sec < STOPPED_BIRTHS)
		return;
	grown_bytes = now->bytes - d->mark.bytes;
	error_bytes = error_of_excess(now, &d->mark);
	enough_bytes = STOPPED_SHARE * d->verdict.slope_bytes_per_sec * d->mark_work_sec;
	if (grown_bytes + error_bytes < enough_bytes)
		settle(d, DETECT_STOPPED, now_sec);
	else if (grown_bytes - error_bytes >= enough_bytes)
		mark(d, now);
}

static void watch_rest(struct detect *d, const struct detect_limits *l,
		       const struct detect_rise *best, double now_sec)
{
	if (d->verdict.state == DETECT_SETTLED) {
		if (now_sec - d->settled_sec >= FORGET_SETTLES * l->settle_sec)
			verdict_set(d, DETECT_QUIET, best->why);
		return;
	}
	if (best->why > DETECT_TURNS_OVER)
		d->suspected_sec = now_sec;
	verdict_set(d, now_sec - d->suspected_sec < l->wait_sec ? DETECT_SUSPECT : DETECT_QUIET,
		    best->why);
	verdict_figures(d, best);
}

/* What it holds, by the newest bin: an interval longer than a bin leaves bins empty. False: all
 * are. */
static bool holding_now(const struct detect_past *past, struct detect_amount *ret)
{
	const struct detect_level *level = &past->levels[0];
	const struct detect_bin *bin = NULL;

	for (unsigned i = 0; i < level->n && !bin; i++)
		bin = detect_bin_get(level, i);
	if (bin)
		*ret = detect_bin_amount(past, bin);
	return bin;
}

/* The levels whose bins were closed. */
static void judge_levels(struct detect *d, const struct detect_query *q, unsigned closed)
{
	for (unsigned i = 0; i < DETECT_LEVELS; i++) {
		if (!(closed & 1u << i))
			continue;
		d->rises[i] = detect_rise_best(q, i);
		if (d->rises[i].why < DETECT_RISES)
			d->passes[i] = 0;
		else if (d->passes[i] < PASSES_MIN)
			d->passes[i]++;
	}
}

static void judge_bins(struct detect *d, const struct detect_query *q, unsigned closed)
{
	const struct detect_rise *passed;
	struct detect_amount now;

	judge_levels(d, q, closed);
	if (!holding_now(&d->past, &now)) /* a gap ends here that is longer than all that is kept */
		return;
	passed = passed_rise(d, closed);
	if (passed && is_news(d, q->limits, &now))
		grow(d, passed, &now);
	else if (d->verdict.state == DETECT_GROWING)
		watch_growth(d, q->limits, &now, q->now->time_sec);
	else
		watch_rest(d, q->limits, best_rise(d), q->now->time_sec);
	d->judged_sec = q->now->time_sec;
}

static bool is_amount(double bytes)
{
	return bytes >= 0 && bytes <= DETECT_BYTES_MAX;
}

static bool are_amounts(const struct detect_point *p)
{
	for (unsigned i = 0; i < DETECT_AGES; i++)
		if (!is_amount(p->bytes_by_age[i]))
			return false;
	return is_amount(p->live_bytes) && is_amount(p->error_bytes);
}

int detect_push(struct detect *d, const struct detect_limits *limits, const struct detect_point *p,
		const struct detect *process, struct detect_verdict *ret)
{
	struct detect_query q = {
		.limits = limits,
		.past = &d->past,
		.process = process ? &process->past : NULL,
		.now = p,
	};
	unsigned closed;

	if (!(fabs(p->time_sec) <= TIME_SEC_MAX) || p->time_sec == d->past.last_sec ||
	    !are_amounts(p))
		return -EINVAL;
	if (p->time_sec < d->past.last_sec)
		detect_restart(d);
	taken_push(d, limits, p);
	if (detect_past_push(&d->past, limits, p, &closed))
		judge_bins(d, &q, closed);
	*ret = d->verdict;
	return 0;
}

bool detect_remember(const struct detect *d, struct detect_memory *ret)
{
	*ret = (struct detect_memory){ d->verdict, d->mark_taken_per_sec };
	return d->verdict.state == DETECT_GROWING;
}

/* NAN: not known. */
static bool is_time(double sec)
{
	return isnan(sec) || fabs(sec) <= TIME_SEC_MAX;
}

/* A slope must be known: by it is told whether growth has stopped. */
static bool memory_is_good(const struct detect_memory *m)
{
	const struct detect_verdict *v = &m->verdict;

	return v->state == DETECT_GROWING &&
	       (v->why == DETECT_RISES || v->why == DETECT_RISES_UNCOLLECTED) &&
	       is_time(v->since_sec) && is_time(v->span_sec) && is_amount(v->growth_bytes) &&
	       is_amount(v->slope_bytes_per_sec) && !isinf(v->slope_low) && !isinf(v->slope_high) &&
	       !isinf(v->tau) && !isinf(v->p_value) &&
	       (isnan(m->taken_per_sec) || is_amount(m->taken_per_sec));
}

int detect_revive(const struct detect_memory *memory, struct detect **ret)
{
	struct detect *d;
	int r;

	if (!memory_is_good(memory))
		return -EINVAL;
	r = detect_new(&d);
	if (r < 0)
		return r;
	d->verdict = memory->verdict;
	d->mark_taken_per_sec = memory->taken_per_sec;
	d->mark_births_per_sec = NAN;
	detect_restart(d);
	*ret = d;
	return 0;
}
