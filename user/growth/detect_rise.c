/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/detect_rise.c — has a stack grown over a span of time, and is that a leak?
 *
 * The tests in the order of enum detect_why, the cheap ones first: nearly every stack ends at the
 * first. The span is cut into quarters, and the median of each quarter's bins says where it was:
 *
 *   bytes │                   ▪▪▪▪ q4    growth = (q4 - q1) × 4/3: quarters' middles are
 *         │             ▪▪▪▪ q3          three quarters of the span apart
 *         │      ▪▪▪▪ q2                 it still rises: q4 - q3 is still_rising × the
 *         │ ▪▪▪▪ q1                      average step, (q4 - q1) / 3, or more
 *         └───────────────────────► time
 */
#include <math.h>

#include "growth/detect_internal.h"
#include "growth/trend.h"

#define QUARTERS 4

/* Each quarter rises by so much of the average one. */
#define QUARTER_MIN	    0.2
/* Births alive a second in an older quarter, over those in the second-youngest: a leak's are
 * even. More than EVEN_MIN: or the early ones are gone; less than EVEN_MAX: or they fade, as where
 * a cache fills. Sampled, a quarter of 20 survivors is 5 ± 2. */
#define EVEN_MIN	    0.6
#define EVEN_MAX	    2.0
/* The slope over births alive a second in the oldest quarter, and inversely. */
#define EXPLAINS_MIN	    0.4
/* Where it is known what was taken in the span: of it so many bytes must have stayed; of what grows
 * in place: of its growth. */
#define STAYED_MIN	    0.7
/* Birth intervals more than at the span's beginning, and bins that exceed all before. */
#define BIRTHS_MIN	    6
/* Of blocks that are all known: fewer are even, or straight, by chance. Of samples their error says
 * so. */
#define BIRTHS_SURE	    40
#define STEPS_MIN	    6
#define STEP_SHARE	    0.02 /* of the growth: less is no step */
/* The slope just after full collections, over the slope. */
#define COLLECTED_MIN	    0.5
/* Growth of the process over that of the stack. It says nothing of less than the slack: allocators
 * fill holes before they ask for more. */
#define PROCESS_MIN	    0.3
#define PROCESS_SLACK_BYTES (4.0 * 1024 * 1024)
#define PROCESS_SLACK_SHARE 0.01
/* A short rise must stand out from its error. */
#define URGENT_ERRORS	    1.25
/* Bins of level 2, an hour or so: what was as large for less was a peak. */
#define SEEN_BINS_MAX	    2

struct quarter {
	double low_bytes, error_bytes; /* medians */
	double taken_per_sec; /* average; NAN: not known */
};

struct span {
	unsigned level, n_bins;
	double bin_sec, sec;
	size_t n; /* bins that are not empty */
	struct series_point points[DETECT_BINS]; /* oldest first */
	uint16_t births[DETECT_BINS];
	bool is_collected[DETECT_BINS];
	struct quarter q[QUARTERS];
};

static double median_of(double *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		double x = v[i];
		size_t j = i;

		for (; j && v[j - 1] > x; j--)
			v[j] = v[j - 1];
		v[j] = x;
	}
	return n % 2 ? v[n / 2] : (v[n / 2] + v[n / 2 - 1]) / 2;
}

/* False: more than half of its bins are empty. What was taken while nobody counted, which is when
 * load is high, the rest of the quarter does not say; but a history's first bin is no such time. */
static bool quarter_load(const struct detect_past *past, const struct detect_level *level,
			 unsigned newest, unsigned n_bins, struct quarter *ret)
{
	double low[DETECT_BINS / QUARTERS], error[DETECT_BINS / QUARTERS];
	double taken_per_sec = 0;
	size_t n = 0, n_taken = 0;

	for (unsigned i = newest; i < newest + n_bins; i++) {
		const struct detect_bin *bin = detect_bin_get(level, i);
		struct detect_amount amount;

		if (!bin)
			continue;
		amount = detect_bin_amount(past, bin);
		if (bin->taken_code) {
			taken_per_sec += detect_rate_decode(bin->taken_code);
			n_taken++;
		}
		low[n] = amount.bytes;
		error[n++] = amount.error;
	}
	if (2 * n < n_bins)
		return false;
	*ret = (struct quarter){
		.low_bytes = median_of(low, n),
		.error_bytes = median_of(error, n),
		.taken_per_sec =
			n_taken && n_taken + 1 >= n ? taken_per_sec / (double)n_taken : NAN,
	};
	return true;
}

static bool quarters_load(const struct detect_past *past, unsigned level, unsigned n_bins,
			  struct quarter *ret)
{
	unsigned n = n_bins / QUARTERS;

	if (past->levels[level].n < n_bins)
		return false;
	for (unsigned k = 0; k < QUARTERS; k++)
		if (!quarter_load(past, &past->levels[level], (QUARTERS - 1 - k) * n, n, &ret[k]))
			return false;
	return true;
}

static void points_load(const struct detect_past *past, struct span *s)
{
	const struct detect_level *level = &past->levels[s->level];

	s->n = 0;
	for (unsigned i = s->n_bins; i-- > 0;) {
		const struct detect_bin *bin = detect_bin_get(level, i);
		struct detect_amount amount;

		if (!bin)
			continue;
		amount = detect_bin_amount(past, bin);
		s->births[s->n] = bin->births;
		s->is_collected[s->n] = bin->is_collected;
		s->points[s->n++] = (struct series_point){
			.time_sec = ((double)(level->index - 1 - i) + 0.5) * s->bin_sec,
			.live_bytes = amount.bytes,
			.error_bytes = amount.error,
		};
	}
}

/* Sums of bins are rounded. */
static bool is_as_long(const struct span *s, double sec)
{
	return s->sec >= sec * (1 - 1e-9);
}

static double growth_of(const struct quarter *q)
{
	return (q[QUARTERS - 1].low_bytes - q[0].low_bytes) * QUARTERS / (QUARTERS - 1);
}

/* Each quarter above the one before: a step, or a rise and fall, is none. */
static bool rises(const struct quarter *q)
{
	double all = q[QUARTERS - 1].low_bytes - q[0].low_bytes;

	for (unsigned k = 1; k < QUARTERS; k++)
		if (!(all > 0 &&
		      q[k].low_bytes - q[k - 1].low_bytes >= QUARTER_MIN * all / (QUARTERS - 1)))
			return false;
	return true;
}

static double error_of_growth(const struct quarter *q)
{
	return hypot(q[0].error_bytes, q[QUARTERS - 1].error_bytes);
}

/* Medians of quarters see a plateau late, single bins are noisy: both must rise. */
static bool is_still_rising(const struct detect_limits *l, const struct span *s)
{
	const struct quarter *q = s->q;
	double mean = (q[QUARTERS - 1].low_bytes - q[0].low_bytes) / (QUARTERS - 1);
	const struct series_point *last = &s->points[s->n - 1], *before = last;

	while (before > s->points && last->time_sec - before->time_sec < 0.99 * s->sec / QUARTERS)
		before--;
	return q[QUARTERS - 1].low_bytes - q[QUARTERS - 2].low_bytes >= l->still_rising * mean &&
	       last->live_bytes - before->live_bytes >= l->still_rising * mean;
}

/* Alive of what was born in a quarter of the span, a second; 0: the youngest. */
static double births_alive(const struct detect_query *q, const struct span *s, unsigned quarter)
{
	double sec = s->sec / QUARTERS;

	return detect_bytes_between(q->limits, q->now, quarter * sec, (quarter + 1) * sec) / sec;
}

/* Is what was born in the older quarters still there? In each: a cache is young, a warm-up is old,
 * and both in one stack are both. */
static bool survivors_are_of_all_ages(const struct detect_query *q, const struct span *s,
				      double slope)
{
	double young = births_alive(q, s, 1), old = 0;

	for (unsigned k = 2; k < QUARTERS; k++) {
		old = births_alive(q, s, k);
		if (!(old >= EVEN_MIN * young && old <= EVEN_MAX * young))
			return false;
	}
	return old >= EXPLAINS_MIN * slope && slope >= EXPLAINS_MIN * old;
}

/* NAN: not known. */
static double taken_per_sec(const struct span *s)
{
	double sum = 0;

	for (unsigned k = 0; k < QUARTERS; k++)
		sum += s->q[k].taken_per_sec;
	return sum / QUARTERS;
}

/* Of what was taken in the span, most is still there. Else it is in part a coming and going. */
static bool most_stayed(const struct span *s, double slope)
{
	return slope >= STAYED_MIN * taken_per_sec(s);
}

static int births_gained(const struct span *s)
{
	return s->births[s->n - 1] - s->births[0];
}

/* What was born before the span is more than what was held then: blocks that are known all of them,
 * and that realloc makes larger. Whatever else came and went beside them. */
static bool grows_in_place(const struct detect_query *q, const struct span *s)
{
	double old = detect_bytes_between(q->limits, q->now, s->sec, INFINITY);

	return q->now->has_ages && error_of_growth(s->q) <= 0 &&
	       old >= s->q[0].low_bytes + STAYED_MIN * growth_of(s->q);
}

/* Bursts must be watched for hours (level 2); what is judged earlier has to rise steadily. At level
 * 0 that is decided by what is urgent. */
static bool could_be_chance(const struct span *s)
{
	return error_of_growth(s->q) <= 0 && births_gained(s) < BIRTHS_SURE;
}

static bool has_few_births(const struct span *s, bool is_of_all_ages)
{
	double reached = s->points[0].live_bytes, step = STEP_SHARE * growth_of(s->q);
	unsigned steps = 0;

	if (is_of_all_ages && births_gained(s) < BIRTHS_MIN)
		return true;
	for (size_t i = 1; i < s->n; i++) {
		if (s->points[i].live_bytes < reached + step)
			continue;
		reached = s->points[i].live_bytes;
		steps++;
	}
	return steps < STEPS_MIN || (s->level == 1 && 2 * steps < s->n);
}

/* Had it as much before the span? Bins of level 2 reach back for a day. */
static bool was_seen_before(const struct detect_query *q, const struct span *s)
{
	const struct detect_level *day = &q->past->levels[DETECT_LEVELS - 1];
	const struct quarter *last = &s->q[QUARTERS - 1];
	double day_sec = detect_bin_sec(q->limits, DETECT_LEVELS - 1);
	unsigned first = (unsigned)ceil(s->sec / day_sec), as_large = 0;

	for (unsigned i = first; i < day->n; i++) {
		const struct detect_bin *bin = detect_bin_get(day, i);

		as_large += bin && detect_bin_amount(q->past, bin).bytes >= last->low_bytes;
	}
	return as_large > SEEN_BINS_MAX;
}

enum collector {
	COLLECTOR_NOT_KNOWN,
	COLLECTOR_IDLE,
	COLLECTOR_TAKES_ALL,
	COLLECTOR_LEAVES
};

/* A bin with a collection holds what was there just after it. */
static enum collector ask_collector(const struct detect_query *q, const struct span *s,
				    double slope)
{
	const struct series_point *first = NULL, *last = NULL;

	if (q->now->full_collections < 0)
		return COLLECTOR_NOT_KNOWN;
	for (size_t i = 0; i < s->n; i++) {
		if (!s->is_collected[i])
			continue;
		first = first ? first : &s->points[i];
		last = &s->points[i];
	}
	if (!first || last->time_sec - first->time_sec < s->sec / 3)
		return COLLECTOR_IDLE;
	if (last->live_bytes - first->live_bytes <
	    COLLECTED_MIN * slope * (last->time_sec - first->time_sec))
		return COLLECTOR_TAKES_ALL;
	return COLLECTOR_LEAVES;
}

/* A cache that was full before the watch began fills for us only: new entries replace old ones that
 * nobody saw. */
static bool process_is_steady(const struct detect_query *q, const struct span *s)
{
	struct quarter p[QUARTERS];
	double slack;

	if (!q->process || !quarters_load(q->process, s->level, s->n_bins, p))
		return false;
	slack = fmax(PROCESS_SLACK_BYTES, PROCESS_SLACK_SHARE * p[0].low_bytes);
	return growth_of(s->q) > slack && growth_of(p) < PROCESS_MIN * growth_of(s->q);
}

static bool is_urgent(const struct detect_query *q, const struct span *s)
{
	double growth = growth_of(s->q), free_before = q->now->headroom_bytes + growth;

	return q->limits->headroom_share > 0 && is_as_long(s, q->limits->wait_sec / 4) &&
	       growth > URGENT_ERRORS * error_of_growth(s->q) &&
	       growth >= q->limits->headroom_share * free_before;
}

/* What is less sure must last longer. */
static enum detect_why judge_length(const struct detect_query *q, const struct span *s,
				    bool is_of_all_ages, bool is_in_place, enum collector collector)
{
	double wait_sec = q->limits->wait_sec;

	if (collector == COLLECTOR_IDLE || (is_of_all_ages && could_be_chance(s)))
		wait_sec *= 2;
	if (!is_of_all_ages && !is_in_place)
		wait_sec *= 2;
	if (!is_as_long(s, wait_sec) && !is_urgent(q, s))
		return DETECT_TOO_SHORT;
	return collector == COLLECTOR_IDLE ? DETECT_RISES_UNCOLLECTED : DETECT_RISES;
}

/* What rises for sure: is it one that goes on, and one that nothing takes back? */
static enum detect_why judge_kind(const struct detect_query *q, const struct span *s,
				  struct detect_rise *rise)
{
	double slope = rise->slope;
	bool is_of_all_ages, is_in_place;
	enum collector collector;

	if (!is_still_rising(q->limits, s))
		return DETECT_LEVELS_OFF;
	is_of_all_ages = q->now->has_ages && survivors_are_of_all_ages(q, s, slope);
	is_in_place = grows_in_place(q, s);
	if (!is_of_all_ages && !is_in_place && !most_stayed(s, slope))
		return DETECT_TURNS_OVER;
	if (has_few_births(s, is_of_all_ages))
		return DETECT_FEW_BIRTHS;
	if (is_of_all_ages)
		rise->births_per_sec = births_gained(s) / s->sec;
	if (was_seen_before(q, s))
		return DETECT_SEEN_BEFORE;
	collector = ask_collector(q, s, slope);
	rise->is_after_collections =
		collector == COLLECTOR_TAKES_ALL || collector == COLLECTOR_LEAVES;
	if (collector == COLLECTOR_TAKES_ALL)
		return DETECT_WAITS_FOR_COLLECTOR;
	if (process_is_steady(q, s))
		return DETECT_PROCESS_STEADY;
	return judge_length(q, s, is_of_all_ages, is_in_place, collector);
}

static enum detect_why judge_span(const struct detect_query *q, struct span *s,
				  struct detect_rise *ret)
{
	const struct detect_limits *l = q->limits;
	struct trend t;

	if (!quarters_load(q->past, s->level, s->n_bins, s->q))
		return DETECT_TOO_NEW;
	if (!rises(s->q))
		return DETECT_NOT_RISING;
	points_load(q->past, s);
	if (trend_fit(s->points, s->n, &t) || t.tau < l->tau_min || t.p_value > l->p_max ||
	    t.slope_low <= 0)
		return DETECT_NOT_RISING;
	*ret = (struct detect_rise){
		.since_sec = s->points[0].time_sec,
		.span_sec = s->sec,
		.growth_bytes = growth_of(s->q),
		.slope = t.slope_bytes_per_sec,
		.slope_low = t.slope_low,
		.slope_high = t.slope_high,
		.tau = t.tau,
		.p_value = t.p_value,
		.taken_per_sec = taken_per_sec(s),
		.births_per_sec = NAN,
	};
	if (ret->taken_per_sec < ret->slope / 2) /* it cannot have: nobody counted */
		ret->taken_per_sec = NAN;
	if (!(ret->growth_bytes > error_of_growth(s->q)))
		return DETECT_WITHIN_ERROR;
	if (ret->growth_bytes < l->min_growth_bytes || ret->slope < l->min_bytes_per_sec)
		return DETECT_TOO_SMALL;
	return judge_kind(q, s, ret);
}

struct detect_rise detect_rise_best(const struct detect_query *q, unsigned level)
{
	struct detect_rise best = { .why = DETECT_TOO_NEW };

	for (unsigned i = 0; i < DETECT_SPANS; i++) {
		struct span s = { .level = level, .n_bins = detect_span_bins(i) };
		struct detect_rise rise = { 0 };

		s.bin_sec = detect_bin_sec(q->limits, level);
		s.sec = s.bin_sec * s.n_bins;
		rise.why = judge_span(q, &s, &rise);
		if (rise.why >= best.why)
			best = rise;
	}
	return best;
}
