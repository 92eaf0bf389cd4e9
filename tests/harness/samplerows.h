/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/samplerows.h — samples to be taken on, and what a table of them has let go. */
#ifndef TESTS_HARNESS_SAMPLEROWS_H
#define TESTS_HARNESS_SAMPLEROWS_H

#include "lib/cleanup.h"
#include "pgd_abi.h"
#include "sample/samples.h"
#include "test.h"

static inline struct sample sample(uint32_t slot, uint64_t block, uint64_t stack, double born_sec)
{
	return (struct sample){ .block = block,
				.stack = stack,
				.window = 1,
				.weight = 10,
				.born_sec = born_sec,
				.slot = slot,
				.bytes = 64 };
}

static inline int take_on(struct samples *s, uint32_t slot, uint64_t block, uint64_t stack,
			  double born_sec)
{
	struct sample new = sample(slot, block, stack, born_sec);

	return samples_add(s, &new, NULL);
}

/* The one sample of the slot that is due; NULL: none is. */
static inline struct sample *the_due(struct samples *s, uint32_t slot, double now_sec)
{
	struct sample *due[2];
	size_t n = samples_due(s, slot, now_sec, due, 2);

	assert_true(n <= 1);
	return n ? due[0] : NULL;
}

static inline uint64_t leaves_lost(const struct samples *s, uint32_t slot)
{
	struct samples_lost lost;

	samples_lost(s, slot, &lost);
	return lost.leaves;
}

static inline uint64_t thinned(const struct samples *s, uint32_t slot)
{
	struct samples_lost lost;

	samples_lost(s, slot, &lost);
	return lost.thinned;
}

#endif
