/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/pause.c — see pause.h. */
#include <math.h>

#include "growth/pause.h"

#define FIRST_NS   1024.0
#define PER_POWER  4
#define NS_PER_SEC 1e9

double pause_class_min_ns(unsigned class)
{
	unsigned i = class ? class - 1 : 0;

	if (!class)
		return 0;
	return ldexp(FIRST_NS, (int)(i / PER_POWER)) * (1 + (i % PER_POWER) / (double)PER_POWER);
}

/* In the middle of its class, as far as ratios go. */
static double class_sec(unsigned class, double max_sec)
{
	double low = pause_class_min_ns(class), high = FIRST_NS;

	if (class + 1 == PGD_GC_PAUSES)
		return max_sec;
	if (class)
		high = pause_class_min_ns(class + 1);
	return fmin(sqrt(fmax(low, 1) * high) / NS_PER_SEC, max_sec);
}

double pause_quantile_sec(const uint32_t pauses[PGD_GC_PAUSES], double max_sec, double share)
{
	uint64_t all = 0, so_far = 0;

	for (unsigned i = 0; i < PGD_GC_PAUSES; i++)
		all += pauses[i];
	for (unsigned i = 0; i < PGD_GC_PAUSES; i++) {
		so_far += pauses[i];
		if (pauses[i] && (double)so_far >= share * (double)all)
			return class_sec(i, max_sec);
	}
	return NAN;
}
