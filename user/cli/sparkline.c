/* SPDX-License-Identifier: GPL-2.0-only */
/* user/cli/sparkline.c — see sparkline.h. */
#include <math.h>
#include <string.h>

#include "cli/sparkline.h"

#define LEVELS 8

/* The mean of the known values that fall into a cell; NAN if there is none. */
static double cell_value(const double *values, size_t n, size_t cell, size_t n_cells)
{
	size_t from = cell * n / n_cells, to = (cell + 1) * n / n_cells, n_known = 0;
	double sum = 0;

	for (size_t i = from; i < to; i++) {
		if (isfinite(values[i])) {
			sum += values[i];
			n_known++;
		}
	}
	return n_known ? sum / (double)n_known : NAN;
}

char *sparkline_format(char buf[SPARKLINE_TEXT_MAX], const double *values, size_t n)
{
	size_t n_cells = n < SPARKLINE_CELLS ? n : SPARKLINE_CELLS;
	double cells[SPARKLINE_CELLS] = { 0 }, low = INFINITY, high = -INFINITY;
	char *p = buf;

	for (size_t i = 0; i < n_cells; i++) {
		cells[i] = cell_value(values, n, i, n_cells);
		low = fmin(low, cells[i]); /* fmin and fmax pass over NAN */
		high = fmax(high, cells[i]);
	}
	if (!isfinite(low) || !isfinite(high))
		n_cells = 0; /* nothing known */
	if (high - low < SPARKLINE_FLAT_PART * high)
		low = 0;
	for (size_t i = 0; i < n_cells; i++) {
		double share = high > low ? (cells[i] - low) / (high - low) : 0;
		int level = isfinite(share) ? (int)(share * (LEVELS - 1) + 0.5) : 0;

		/* U+2581 .. U+2588 */
		memcpy(p, "\xe2\x96", 2);
		p[2] = (char)(0x81 + level);
		p += 3;
	}
	*p = '\0';
	return buf;
}
