/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/survival.c — see survival.h. */
#include <math.h>
#include <stdbool.h>

#include "growth/survival.h"

const double survival_age_sec[SURVIVAL_AGES + 1] = {
	0, 0.1, 0.5, 2, 8, 30, 120, 600, 3600, INFINITY
};

/* Doubles that count seconds since boot, for a year, are good to 4 ns. */
#define ROUNDING_SEC 1e-6

unsigned survival_age(double age_sec)
{
	unsigned age = 0;

	while (age + 1 < SURVIVAL_AGES && age_sec + ROUNDING_SEC >= survival_age_sec[age + 1])
		age++;
	return age;
}

void survival_add(struct survival *s, unsigned age, uint64_t looked, uint64_t died)
{
	if (age >= SURVIVAL_AGES)
		return;
	s->looked[age] += looked;
	s->died[age] += died;
}

void survival_merge(struct survival *s, const struct survival *from)
{
	for (unsigned age = 0; age < SURVIVAL_AGES; age++)
		survival_add(s, age, from->looked[age], from->died[age]);
}

static bool was_looked_at_since(const struct survival *s, unsigned age)
{
	for (; age < SURVIVAL_AGES; age++)
		if (s->looked[age])
			return true;
	return false;
}

double survival_share(const struct survival *s, unsigned age)
{
	double share = NAN;

	if (!was_looked_at_since(s, age))
		return NAN;
	for (unsigned i = 0; i <= age; i++) {
		if (!s->looked[i])
			continue;
		if (isnan(share))
			share = 1;
		/* More deaths than looks are a caller's slip: nobody is left, not fewer. */
		share *= fmax(0, 1 - (double)s->died[i] / (double)s->looked[i]);
	}
	return share;
}
