/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/sim/families.h — the ways programs hold memory, harmless ones and leaks, drawn at random.
 */
#ifndef TESTS_SIM_FAMILIES_H
#define TESTS_SIM_FAMILIES_H

#include "population.h"

struct family {
	const char *name, *ranges; /* what is drawn */
	void (*draw)(struct scenario *s, uint64_t *seed);
};

extern const struct family harmless_families[], leak_families[]; /* end: name NULL */
/* What observes them goes to and fro between windows and exact, in one of these ways: */
extern const struct family flip_families[]; /* draw: on top of another family's */

/* Sources none, a day, headroom and process not known. */
void scenario_init(struct scenario *s);
struct source *scenario_source(struct scenario *s, double bytes_per_sec, enum life life,
			       double life_sec);

#endif
