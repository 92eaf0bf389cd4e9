/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/estimate.h — from a few sampled blocks that are alive to all of them, and how sure.
 *
 * Horvitz–Thompson: a block that was sampled with probability p stands for 1 / p blocks, its
 * weight. Blocks come in clusters, since a window samples many allocations in a row and a request
 * that leaks takes twenty blocks at once: so the error is taken between windows, not between
 * blocks. Weight 1 is exact and adds no error.
 * Pure: no clock, no I/O, no allocation.
 */
#ifndef USER_GROWTH_ESTIMATE_H
#define USER_GROWTH_ESTIMATE_H

#include <stddef.h>
#include <stdint.h>

/* One sample that is alive. A number that cannot be counts as little as it can: bytes that are
 * negative or not finite as 0, a weight that is below 1 or not finite as 1. */
struct estimate_sample {
	uint64_t window; /* which of its target's windows it was drawn in, counted from 1 and by
			  * time; 0: none, drawn by itself */
	double bytes;
	double weight; /* 1 / p >= 1 */
	double span_ns; /* of the target's time that its window stands for; 0: not said */
};

struct estimate {
	double bytes, bytes_error; /* half of a 95 % interval; 0: exact */
	double blocks, blocks_error;
};

/* Sorted by window (sort again after putting lists together), or the error comes out wrong. A
 * number that is left out is a window that drew nothing. Windows stand for longer and shorter
 * times: how much, span_ns says, is no accident of the drawing, and adds no error.
 *
 * n_windows: windows in which a sample of this stack that is alive now could have been drawn, those
 * that drew none too: few of them do not say how alike they are.
 *
 * weight_error: relative standard error that all weights share (the speed of the target between
 * windows is an estimate itself), 0: none. It is taken of what the weights add, weight - 1: the
 * sampled block itself is certain, so nearly exact stays nearly exact.
 *
 * Never fails; n == 0 is { 0, 0, 0, 0 }: nothing was seen, whatever that means with so few windows.
 * Nor can samples tell of a part that no sample fell into: see test_estimate.c for how often the
 * interval holds the truth with few of them. */
struct estimate estimate_live(const struct estimate_sample *samples, size_t n, size_t n_windows,
			      double weight_error);

#endif
