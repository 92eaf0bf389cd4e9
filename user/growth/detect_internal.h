/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/detect_internal.h — what the three files of the detector share.
 *
 *   detect_push ─► detect_past: points into bins of three widths ─► detect_rise: does any time span
 *   (detect.c: states) ◄──────────────────────────────────────────  rise, and how far does it pass?
 *
 *            bins of      spans looked at (DETECT_BINS / 4, / 2, all)
 *   level 0   1 min       12 min   24 min   48 min
 *   level 1   6 min       72 min    2.4 h    4.8 h
 *   level 2  36 min       7.2 h    14.4 h   28.8 h
 */
#ifndef USER_GROWTH_DETECT_INTERNAL_H
#define USER_GROWTH_DETECT_INTERNAL_H

#include "growth/detect.h"
#include "growth/series.h"

#define DETECT_LEVELS 3
#define DETECT_BINS   48
#define DETECT_SPANS  3

struct detect_bin {
	float low; /* least bytes in it that were older than detect_held_sec, of a process all; only
		    * those after a collection, if there was one; less base_bytes */
	float error; /* of low, half of a 95 % interval; negative: an empty bin */
	uint16_t taken_code; /* detect_rate_encode of what it took in this bin */
	uint16_t births : 15; /* birth intervals alive at its end, at most 32767 */
	uint16_t is_collected : 1; /* a full collection in it */
};

struct detect_level {
	int64_t index; /* of the bin that is being filled: time / width */
	uint8_t n, head; /* closed bins; where the next goes */
	struct detect_bin open;
	/* What the stack had taken by the last point before it, and when; NAN: not known. */
	double open_taken, open_sec;
	struct detect_bin bins[DETECT_BINS];
};

struct detect_past {
	double base_bytes; /* what it held first: floats are differences */
	double last_sec; /* NAN: no point yet */
	double taken_bytes; /* at the last point; NAN: not known */
	int64_t collections; /* at the last point; -1: not known */
	struct detect_level levels[DETECT_LEVELS];
};

/* What a bin holds. */
struct detect_amount {
	double bytes, error;
};

/* What a span of time came out as. */
struct detect_rise {
	enum detect_why why; /* at most DETECT_RISES_UNCOLLECTED */
	bool is_after_collections;
	double since_sec, span_sec, growth_bytes;
	double slope, slope_low, slope_high, tau, p_value;
	double taken_per_sec; /* NAN: not known */
	double births_per_sec; /* of its bytes; NAN: its births do not tell */
};

/* detect_past.c */
void detect_past_init(struct detect_past *past);
/* Times must rise. True: a bin of level 0 was closed. Those of the other levels that closed with
 * it: *ret_closed, one bit each. */
bool detect_past_push(struct detect_past *past, const struct detect_limits *limits,
		      const struct detect_point *p, unsigned *ret_closed);
/* A rate in 16 bits, to 0.1 %; 0: not known, which decodes to NAN. Below 1e-6: as 1e-6. */
uint16_t detect_rate_encode(double per_sec);
double detect_rate_decode(uint16_t code);
/* Bytes that were born between two ages ago (young_sec < old_sec, INFINITY allowed). Within a class
 * births are taken as even. Without ages: all live_bytes. */
double detect_bytes_between(const struct detect_limits *limits, const struct detect_point *p,
			    double young_sec, double old_sec);
double detect_bin_sec(const struct detect_limits *limits, unsigned level);
/* How old what is judged must be: one bin of the level; at level 2 one of level 1, so that these
 * two can be compared. */
double detect_held_sec(const struct detect_limits *limits, unsigned level);
/* Length of a time span: DETECT_BINS / 4, / 2, all bins of the level. */
unsigned detect_span_bins(unsigned span);
/* The i-th newest closed bin, NULL: none, or empty. */
const struct detect_bin *detect_bin_get(const struct detect_level *level, unsigned i);
/* bin: not NULL. */
struct detect_amount detect_bin_amount(const struct detect_past *past,
				       const struct detect_bin *bin);

/* detect_rise.c */
struct detect_query {
	const struct detect_limits *limits;
	const struct detect_past *past, *process; /* process: or NULL */
	const struct detect_point *now;
};

/* The span of that level that comes furthest; of those that come as far the longest. */
struct detect_rise detect_rise_best(const struct detect_query *q, unsigned level);

#endif
