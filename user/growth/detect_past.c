/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/detect_past.c — a day and more of a stack in 2 KiB: bins of three widths, each a
 * ring.
 *
 * Kept of a bin is its least value: a sawtooth's feet are the trend, its teeth are garbage and
 * load. All stacks cut time at the same moments, so that a stack can be laid beside its process.
 */
#include <math.h>
#include <string.h>

#include "growth/detect_internal.h"

#define AGE_RATIO  1.5
#define RATE_MIN   1e-6
#define RATE_STEPS 720.0 /* a factor of 2 */
#define BIRTHS_MAX 0x7fff

static const double level_bins[DETECT_LEVELS] = { 1, 6, 36 };
static const double held_bins[DETECT_LEVELS] = { 1, 6, 6 };
static const struct detect_bin empty = { .error = -1 };

double detect_bin_sec(const struct detect_limits *limits, unsigned level)
{
	return limits->bin_sec * level_bins[level];
}

double detect_held_sec(const struct detect_limits *limits, unsigned level)
{
	return limits->bin_sec * held_bins[level];
}

unsigned detect_span_bins(unsigned span)
{
	return DETECT_BINS >> (DETECT_SPANS - 1 - span);
}

unsigned detect_age(const struct detect_limits *limits, double age_sec)
{
	double end_sec = limits->bin_sec / 6;
	unsigned age = 0;

	for (; age + 1 < DETECT_AGES && age_sec >= end_sec; end_sec *= AGE_RATIO)
		age++;
	return age;
}

/* The share of a class that lies between two ages. Nobody knows where in the last one its blocks
 * are: those are in if its beginning is. */
static double overlap(double class_from, double class_to, double from, double to)
{
	double low = fmax(class_from, from), high = fmin(class_to, to);

	if (low >= high)
		return 0;
	return isinf(class_to) ? (from <= class_from) : (high - low) / (class_to - class_from);
}

double detect_bytes_between(const struct detect_limits *limits, const struct detect_point *p,
			    double young_sec, double old_sec)
{
	double bytes = 0, from_sec = 0, to_sec = limits->bin_sec / 6;

	if (!p->has_ages)
		return p->live_bytes;
	for (unsigned age = 0; age < DETECT_AGES; age++) {
		if (age + 1 == DETECT_AGES)
			to_sec = INFINITY;
		if (p->bytes_by_age[age] > 0)
			bytes += p->bytes_by_age[age] *
				 overlap(from_sec, to_sec, young_sec, old_sec);
		from_sec = to_sec;
		to_sec *= AGE_RATIO;
	}
	return bytes;
}

void detect_past_init(struct detect_past *past)
{
	memset(past, 0, sizeof(*past));
	past->last_sec = past->taken_bytes = NAN;
	past->collections = -1;
}

const struct detect_bin *detect_bin_get(const struct detect_level *level, unsigned i)
{
	const struct detect_bin *bin;

	if (i >= level->n)
		return NULL;
	bin = &level->bins[(level->head + DETECT_BINS - 1 - i) % DETECT_BINS];
	return bin->error < 0 ? NULL : bin;
}

struct detect_amount detect_bin_amount(const struct detect_past *past, const struct detect_bin *bin)
{
	return (struct detect_amount){ past->base_bytes + (double)bin->low, (double)bin->error };
}

static void level_close(struct detect_level *level)
{
	level->bins[level->head] = level->open;
	level->head = (uint8_t)((level->head + 1) % DETECT_BINS);
	if (level->n < DETECT_BINS)
		level->n++;
	level->open = empty;
	level->index++;
}

/* Closes what ended before `index`; what no point fell into is empty. */
static bool level_advance(struct detect_level *level, int64_t index)
{
	if (index == level->index)
		return false;
	if (index - level->index > DETECT_BINS) {
		level->n = 0;
		level->open = empty;
		level->index = index;
		return true;
	}
	while (level->index < index)
		level_close(level);
	return true;
}

static uint16_t saturated(double v)
{
	return v >= UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

uint16_t detect_rate_encode(double per_sec)
{
	if (!isfinite(per_sec))
		return 0;
	return saturated(1 + round(RATE_STEPS * log2(fmax(per_sec, RATE_MIN) / RATE_MIN)));
}

double detect_rate_decode(uint16_t code)
{
	return code ? RATE_MIN * exp2((code - 1) / RATE_STEPS) : NAN;
}

/* held: less base_bytes. */
static void level_add(struct detect_level *level, const struct detect_point *p,
		      const struct detect_amount *held, double taken_per_sec, bool is_collected)
{
	struct detect_bin *bin = &level->open;
	bool is_first = bin->error < 0 || (is_collected && !bin->is_collected);

	if (is_first || held->bytes < (double)bin->low) {
		bin->low = (float)held->bytes;
		bin->error = (float)held->error;
	}
	bin->births =
		p->birth_intervals < BIRTHS_MAX ? p->birth_intervals & BIRTHS_MAX : BIRTHS_MAX;
	bin->taken_code = detect_rate_encode(taken_per_sec);
	bin->is_collected |= is_collected;
}

static void past_begin(struct detect_past *past, const struct detect_limits *limits,
		       const struct detect_point *p)
{
	detect_past_init(past);
	past->base_bytes = p->live_bytes;
	for (unsigned i = 0; i < DETECT_LEVELS; i++) {
		past->levels[i].index = (int64_t)floor(p->time_sec / detect_bin_sec(limits, i));
		past->levels[i].open = empty;
		past->levels[i].open_taken = past->levels[i].open_sec = NAN;
	}
}

/* How fast it has taken memory in the bin that is open: all of it, and not what was taken of late,
 * which in a calm program is a matter of chance. Counters that go back began anew. */
static double taken_per_sec(struct detect_level *level, const struct detect_past *past,
			    const struct detect_point *p, bool is_new)
{
	if (is_new) {
		level->open_taken = past->taken_bytes;
		level->open_sec = past->last_sec;
	}
	if (!(p->taken_bytes >= level->open_taken)) {
		level->open_taken = p->taken_bytes;
		level->open_sec = p->time_sec;
		return NAN;
	}
	return (p->taken_bytes - level->open_taken) / (p->time_sec - level->open_sec);
}

bool detect_past_push(struct detect_past *past, const struct detect_limits *limits,
		      const struct detect_point *p, unsigned *ret_closed)
{
	int64_t collections = 0;
	unsigned closed = 0;

	if (isnan(past->last_sec))
		past_begin(past, limits, p);
	if (p->full_collections > past->collections && past->collections >= 0)
		collections = p->full_collections - past->collections;
	past->collections = p->full_collections;
	for (unsigned i = 0; i < DETECT_LEVELS; i++) {
		double bytes =
			detect_bytes_between(limits, p, detect_held_sec(limits, i), INFINITY);
		double share = p->live_bytes > 0 ? fmin(bytes / p->live_bytes, 1) : 1;
		const struct detect_amount held = { bytes - past->base_bytes,
						    p->error_bytes * sqrt(share) };
		struct detect_level *level = &past->levels[i];
		bool is_new = level_advance(
			level, (int64_t)floor(p->time_sec / detect_bin_sec(limits, i)));

		if (is_new)
			closed |= 1u << i;
		level_add(level, p, &held, taken_per_sec(level, past, p, is_new), collections > 0);
	}
	past->last_sec = p->time_sec;
	past->taken_bytes = p->taken_bytes;
	*ret_closed = closed;
	return closed & 1;
}
