/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/pause.h — how long did most of the collector's pauses last, from their classes?
 *
 * The kernel side counts pauses by class (pgd_abi.h), since a process makes millions of them. Four
 * classes to a doubling: what comes out is within 12 % of the truth. Pure.
 */
#ifndef USER_GROWTH_PAUSE_H
#define USER_GROWTH_PAUSE_H

#include <stdint.h>

#include "pgd_abi.h"

/* The shortest pause of a class, in ns. class < PGD_GC_PAUSES. */
double pause_class_min_ns(unsigned class);
/* So long or shorter is this share (0 to 1) of the pauses; max_sec: the longest of them. NAN: there
 * were none. */
double pause_quantile_sec(const uint32_t pauses[PGD_GC_PAUSES], double max_sec, double share);

#endif
