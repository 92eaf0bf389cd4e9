/* SPDX-License-Identifier: GPL-2.0-only */
/* user/lib/splitmix.h — chance that a test can repeat: splitmix64, whose state is its owner's, so
 * that nobody else's draws change it. Every seed, 0 too, is a good one.
 */
#ifndef USER_LIB_SPLITMIX_H
#define USER_LIB_SPLITMIX_H

#include <stdint.h>

/* 0 <= it < 1 */
static inline double splitmix_uniform(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

#endif
