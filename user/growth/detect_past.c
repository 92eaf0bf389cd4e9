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

#define AGE_RATIO   1.5
#define RATE_MIN    1e-6
#define RATE_STEPS  720.0 /* a factor of 2 */
#define YOUNG_STEPS 135.0 /* likewise: DETECT_BYTES_MAX has 13 bits */

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

static double span_sec(const struct detect_limits *limits, unsigned level, unsigned span)
{
	return detect_bin_sec(limits, level) * detect_span_bins(span);
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
	past->turned_sec = -INFINITY;
	for (unsigned i = 0; i < DETECT_LEVELS; i++)
		for (unsigned k = 0; k < DETECT_SPANS; k++)
			past->blurred_sec[i][k] = -INFINITY;
}

const struct detect_bin *detect_bin_get(const struct detect_level *level, unsigned i)
{
	const struct detect_bin *bin;

	if (i >= level->n)
		return NULL;
	bin = &level->bins[(level->head + DETECT_BINS - 1 - i) % DETECT_BINS];
	return bin->error < 0 ? NULL : bin;
}

/* What is more than held, on a logarithmic scale; less than a byte: nothing. */
static uint16_t young_encode(double bytes)
{
	double code = bytes >= 1 ? 1 + round(YOUNG_STEPS * log2(bytes)) : 0;

	return (uint16_t)fmin(code, (1 << 13) - 1);
}

static double young_decode(uint16_t code)
{
	return code ? exp2((code - 1) / YOUNG_STEPS) : 0;
}

bool detect_bin_amount(const struct detect_past *past, const struct detect_bin *bin,
		       enum detect_kind kind, struct detect_amount *ret)
{
	double bytes, more;

	if (!bin || (kind == DETECT_HELD && !bin->is_held))
		return false;
	bytes = past->base_bytes + (double)bin->low;
	*ret = (struct detect_amount){ bytes, (double)bin->error };
	if (kind == DETECT_HELD || !bin->is_held)
		return true;
	more = young_decode(bin->young_code);
	/* As the error of a part was made of that of the whole: see detect_past_push. */
	if (bytes > 0)
		ret->error *= sqrt(1 + more / bytes);
	ret->bytes += more;
	return true;
}

static void level_close(struct detect_level *level)
{
	struct detect_bin *bin = &level->open;

	if (bin->error >= 0 && bin->is_held) {
		bin->young_code = young_encode(level->open_all - (double)bin->low) & 0x1fff;
	} else if (bin->error >= 0) {
		bin->low = (float)level->open_all;
		bin->error = (float)level->open_all_error;
	}
	level->bins[level->head] = *bin;
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

/* One point, less base_bytes. held NULL: ages are not known, or not for long enough. */
static void level_add(struct detect_level *level, const struct detect_amount *all,
		      const struct detect_amount *held, bool has_ages, uint16_t births,
		      bool is_collected)
{
	struct detect_bin *bin = &level->open;
	bool is_first = bin->error < 0 || (is_collected && !bin->is_collected);

	if (is_first) {
		bin->error = 0;
		bin->is_held = false;
	}
	if (is_first || all->bytes < level->open_all) {
		level->open_all = all->bytes;
		level->open_all_error = all->error;
	}
	if (held && (!bin->is_held || held->bytes < (double)bin->low)) {
		bin->low = (float)held->bytes;
		bin->error = (float)held->error;
		bin->is_held = true;
	}
	if (has_ages || !bin->has_ages)
		bin->births = births;
	bin->has_ages |= has_ages;
	bin->is_collected |= is_collected;
}

static void past_begin(struct detect_past *past, const struct detect_limits *limits,
		       const struct detect_point *p)
{
	detect_past_init(past);
	past->base_bytes = p->live_bytes;
	past->has_ages = p->has_ages;
	for (unsigned i = 0; i < DETECT_LEVELS; i++) {
		past->levels[i].index = (int64_t)floor(p->time_sec / detect_bin_sec(limits, i));
		past->levels[i].open = empty;
		past->levels[i].open_taken = past->levels[i].open_sec = NAN;
	}
}

/* How long it was without ages decides who can do with what they say from here on. */
static void past_turn(struct detect_past *past, const struct detect_limits *limits,
		      const struct detect_point *p)
{
	if (p->has_ages == past->has_ages)
		return;
	if (p->has_ages)
		past->without_sec = p->time_sec - past->turned_sec;
	for (unsigned i = 0; p->has_ages && i < DETECT_LEVELS; i++)
		for (unsigned k = 0; k < DETECT_SPANS; k++)
			if (past->without_sec * DETECT_BLUR > span_sec(limits, i, k))
				past->blurred_sec[i][k] = p->time_sec;
	past->has_ages = p->has_ages;
	past->turned_sec = p->time_sec;
}

enum detect_sight detect_past_sight(const struct detect_past *past,
				    const struct detect_limits *limits, unsigned level,
				    unsigned span)
{
	double sec = span_sec(limits, level, span);

	/* What is taken to be born at that moment is somewhere in a class of ages. */
	if (past->last_sec - past->blurred_sec[level][span] < AGE_RATIO * sec)
		return DETECT_SIGHT_NONE;
	if (past->has_ages)
		return DETECT_SIGHT_AGES;
	return (past->last_sec - past->turned_sec) * DETECT_BLUR > sec ? DETECT_SIGHT_NONE
								       : DETECT_SIGHT_LATER;
}

/* Who is taken to be born when ages began to be known counts as held a while after; that is less
 * than a bin of growth, or it has to be waited for. */
static bool is_held_known(const struct detect_past *past, const struct detect_limits *limits,
			  unsigned level, double now_sec)
{
	return past->has_ages &&
	       (past->without_sec <= detect_bin_sec(limits, level) ||
		now_sec - past->turned_sec >= AGE_RATIO * detect_held_sec(limits, level));
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
	past_turn(past, limits, p);
	for (unsigned i = 0; i < DETECT_LEVELS; i++) {
		double bytes =
			detect_bytes_between(limits, p, detect_held_sec(limits, i), INFINITY);
		double share = p->live_bytes > 0 ? fmin(bytes / p->live_bytes, 1) : 1;
		const struct detect_amount all = { p->live_bytes - past->base_bytes,
						   p->error_bytes };
		const struct detect_amount held = { bytes - past->base_bytes,
						    p->error_bytes * sqrt(share) };
		struct detect_level *level = &past->levels[i];
		bool is_new = level_advance(
			level, (int64_t)floor(p->time_sec / detect_bin_sec(limits, i)));
		double taken = taken_per_sec(level, past, p, is_new);

		if (is_new)
			closed |= 1u << i;
		level_add(level, &all, is_held_known(past, limits, i, p->time_sec) ? &held : NULL,
			  p->has_ages,
			  p->has_ages ? saturated(p->birth_intervals) : detect_rate_encode(taken),
			  collections > 0);
	}
	past->last_sec = p->time_sec;
	past->taken_bytes = p->taken_bytes;
	*ret_closed = closed;
	return closed & 1;
}
