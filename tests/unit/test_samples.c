/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/samples.c. */
#include <math.h>

#include "growth/survival.h"
#include "lib/cleanup.h"
#include "pgd_abi.h"
#include "sample/samples.h"
#include "test.h"

#define SLOTS 3 /* of the random walk below */

/* The same numbers on every machine and run: Knuth's MMIX generator. */
static uint32_t random_below(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*seed >> 33) % n);
}

static struct sample sample(uint32_t slot, uint64_t block, uint64_t stack, double born_sec)
{
	return (struct sample){ .block = block,
				.stack = stack,
				.window = 1,
				.weight = 10,
				.born_sec = born_sec,
				.slot = slot,
				.bytes = 64 };
}

static int take_on(struct samples *s, uint32_t slot, uint64_t block, uint64_t stack,
		   double born_sec)
{
	struct sample new = sample(slot, block, stack, born_sec);

	return samples_add(s, &new, NULL);
}

/* The one sample of the slot that is due; NULL: none is. */
static struct sample *the_due(struct samples *s, uint32_t slot, double now_sec)
{
	struct sample *due[2];
	size_t n = samples_due(s, slot, now_sec, due, 2);

	assert_true(n <= 1);
	return n ? due[0] : NULL;
}

static uint64_t leaves_lost(const struct samples *s, uint32_t slot)
{
	struct samples_lost lost;

	samples_lost(s, slot, &lost);
	return lost.leaves;
}

static uint64_t thinned(const struct samples *s, uint32_t slot)
{
	struct samples_lost lost;

	samples_lost(s, slot, &lost);
	return lost.thinned;
}

static void samples__first_look_is_at_the_first_age(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample new = sample(0, 64, 1, 1000), *due;

	(void)state;
	assert_ok(samples_new(4, 1, &s));
	new.next_look_sec = 5; /* set by the table, whatever the caller says */
	new.next_age = 77;
	assert_ok(samples_add(s, &new, NULL));
	assert_null(the_due(s, 0, 1000));
	assert_null(the_due(s, 0, 1000.09));
	due = the_due(s, 0, 1000.1);
	assert_non_null(due);
	assert_int_equal(due->next_age, SAMPLES_LOOK_FIRST);
	assert_int_equal(due->block, 64);
	assert_true(the_due(s, 0, 1000.1) == due); /* until it was looked at */
}

static void samples__looks_become_rarer_with_age(void **state)
{
	static const double ages[] = { 0.1, 0.5, 2, 8, 30, 37.5, 46.875, 58.59375 };
	_cleanup_(samples_freep) struct samples *s = NULL;
	const double born_sec = 1e6;
	double last_sec = born_sec;
	unsigned last_age = 0;

	(void)state;
	assert_ok(samples_new(4, 1, &s));
	assert_ok(take_on(s, 0, 64, 1, born_sec));
	for (size_t i = 0; i < 60; i++) {
		struct sample *due = the_due(s, 0, INFINITY);
		double now_sec = due->next_look_sec;

		if (i < ARRAY_SIZE(ages))
			assert_true(fabs(now_sec - born_sec - ages[i]) < 1e-6);
		assert_true(now_sec > last_sec && now_sec - last_sec <= SAMPLES_LOOK_MAX_SEC);
		assert_true(due->next_age >= last_age && due->next_age <= SURVIVAL_AGES);
		/* Never a look that counts for no age, nor a quarter of its age late for one. */
		if (now_sec - born_sec > 1.26 * survival_age_sec[due->next_age])
			fail_msg("age %g after %g", now_sec - born_sec,
				 survival_age_sec[due->next_age]);
		last_sec = now_sec;
		last_age = due->next_age;
		samples_alive(s, due, now_sec);
		assert_true(due->next_look_sec > now_sec);
	}
	assert_int_equal(last_age, SURVIVAL_AGES);
	assert_true(last_sec - born_sec > 3600);
}

static void samples__late_look_skips_ages(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample *due;

	(void)state;
	assert_ok(samples_new(4, 1, &s));
	assert_ok(take_on(s, 0, 64, 1, 1000));
	due = the_due(s, 0, 1005);
	samples_alive(s, due, 1005);
	assert_int_equal(due->next_age, 4); /* 8 s */
	assert_true(due->next_look_sec == 1008);
	samples_alive(s, due, 1e9);
	assert_int_equal(due->next_age, SURVIVAL_AGES);
	assert_true(due->next_look_sec == 1e9 + SAMPLES_LOOK_MAX_SEC);
	samples_alive(s, due, 0); /* a clock that goes backwards: young again, and still in order */
	assert_true(due->next_look_sec == 1000.1);
	assert_true(the_due(s, 0, 1001) == due);
}

static void samples__due_are_of_one_slot_and_at_most_so_many(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample *due[8];

	(void)state;
	assert_ok(samples_new(64, 1, &s));
	for (uint64_t i = 1; i <= 10; i++) {
		assert_ok(take_on(s, 0, 16 * i, 1, (double)i));
		assert_ok(take_on(s, 1, 16 * i, 1, 100));
	}
	assert_int_equal(samples_due(s, 0, 5.5, due, 8), 5);
	assert_int_equal(samples_due(s, 0, 50, due, 8), 8);
	assert_int_equal(samples_due(s, 0, 50, due, 0), 0);
	assert_int_equal(samples_due(s, 1, 50, due, 8), 0);
	assert_int_equal(samples_due(s, 0, NAN, due, 8), 0);
	assert_int_equal(samples_due(s, 0, -INFINITY, due, 8), 0);
}

/* Deleting some of a batch leaves the pointers to the others good. */
static void samples__batch_is_worked_through(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample *due[256];
	size_t n, n_seen = 0;

	(void)state;
	assert_ok(samples_new(1000, 1, &s));
	for (uint64_t i = 1; i <= 1000; i++)
		assert_ok(take_on(s, 0, 16 * i, 1, (double)(i % 37)));
	while ((n = samples_due(s, 0, 50, due, 256))) {
		for (size_t i = 0; i < n; i++, n_seen++)
			if (due[i]->block % 64)
				samples_del(s, due[i]);
			else
				samples_alive(s, due[i], 50);
	}
	assert_int_equal(n_seen, 1000);
	assert_int_equal(samples_count(s, 0), 250);
}

static void samples__same_block_is_replaced(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample a = sample(0, 64, 7, 1000), b = sample(0, 64, 8, 2000);
	struct sample old = { .stack = 99 };

	(void)state;
	assert_ok(samples_new(2, 1, &s));
	assert_int_equal(samples_add(s, &a, &old), 0);
	assert_int_equal(old.stack, 99); /* untouched */
	assert_int_equal(samples_add(s, &b, &old), 1);
	assert_int_equal(old.stack, 7);
	assert_int_equal(samples_count(s, 0), 1);
	assert_null(the_due(s, 0, 1500));
	assert_int_equal(the_due(s, 0, 2001)->stack, 8);
	assert_int_equal(samples_add(s, &a, NULL), 1);
	assert_int_equal(the_due(s, 0, 1500)->stack, 7);
	b.slot = 1; /* the same address in another process */
	assert_int_equal(samples_add(s, &b, &old), 0);
	assert_int_equal(samples_count(s, 0), 1);
	assert_int_equal(samples_add(s, &a, &old), 1); /* full, but this needs no room */
	assert_int_equal(thinned(s, 0) + thinned(s, 1), 0);
}

static void samples__impossible_ones_are_refused(void **state)
{
	static const struct {
		const char *name;
		uint32_t slot;
		double weight, born_sec;
		int want;
	} rows[] = {
		{ "slot beyond the last", PGD_TARGETS_MAX, 1, 1, -EINVAL },
		{ "no slot", UINT32_MAX, 1, 1, -EINVAL },
		{ "weight below 1", 0, 0.5, 1, -EINVAL },
		{ "weight NAN", 0, NAN, 1, -EINVAL },
		{ "weight of probability 0", 0, INFINITY, 1, -EINVAL },
		{ "born NAN", 0, 1, NAN, -EINVAL },
		{ "born never", 0, 1, INFINITY, -EINVAL },
		{ "last slot", PGD_TARGETS_MAX - 1, 1, 0, 0 },
	};
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(4, 1, &s));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct sample new = sample(rows[i].slot, 64, 1, rows[i].born_sec);

		new.weight = rows[i].weight;
		if (samples_add(s, &new, NULL) != rows[i].want)
			fail_msg("%s", rows[i].name);
	}
}

static void samples__slots_that_cannot_be_are_empty(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	_cleanup_free_ const struct sample **list = NULL;
	struct samples_lost lost = { 1, 1 };
	struct sample *due;
	size_t n = 99;

	(void)state;
	assert_ok(samples_new(4, 1, &s));
	assert_int_equal(samples_count(s, PGD_TARGETS_MAX), 0);
	assert_int_equal(samples_due(s, UINT32_MAX, 1e9, &due, 1), 0);
	assert_ok(samples_list(s, PGD_TARGETS_MAX, &list, &n));
	assert_int_equal(n, 0);
	samples_lost(s, PGD_TARGETS_MAX, &lost);
	assert_int_equal(lost.leaves + lost.thinned, 0);
	samples_forget(s, PGD_TARGETS_MAX);
}

static void samples__list_is_sorted_by_stack_and_window(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	_cleanup_free_ const struct sample **list = NULL;
	uint64_t seed = 3;
	size_t n;

	(void)state;
	assert_ok(samples_new(1000, 1, &s));
	for (uint64_t i = 1; i <= 500; i++) {
		struct sample new = sample(1, 16 * i, random_below(&seed, 5) * (UINT64_MAX / 5), 1);

		new.window = random_below(&seed, 7) * (UINT64_MAX / 7);
		assert_ok(samples_add(s, &new, NULL));
		assert_ok(take_on(s, 2, 16 * i, 1, 1));
	}
	assert_ok(samples_list(s, 1, &list, &n));
	assert_int_equal(n, 500);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i]->slot, 1);
		if (i)
			assert_true(list[i]->stack > list[i - 1]->stack ||
				    (list[i]->stack == list[i - 1]->stack &&
				     list[i]->window >= list[i - 1]->window));
	}
}

static void samples__forgotten_slot_starts_anew(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(8, 1, &s));
	for (uint64_t i = 1; i <= 9; i++)
		assert_ok(take_on(s, 0, 16 * i, 0, (double)i));
	assert_int_equal(leaves_lost(s, 0), 1);
	samples_forget(s, 0);
	assert_int_equal(samples_count(s, 0), 0);
	assert_int_equal(leaves_lost(s, 0), 0);
	assert_null(the_due(s, 0, 1e9));
	for (uint64_t i = 1; i <= 8; i++)
		assert_ok(take_on(s, 1, 16 * i, 0, (double)i));
	assert_int_equal(leaves_lost(s, 1), 0);
}

/* ── at the limit ─────────────────────────────────────────────────────────────────────────── */

static void samples__full_table_lets_the_first_leaf_go(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(4, 1, &s));
	assert_ok(take_on(s, 0, 16, 7, 1));
	assert_ok(take_on(s, 1, 32, 0, 1));
	assert_ok(take_on(s, 0, 48, 0, 1));
	assert_ok(take_on(s, 0, 64, 7, 1));
	assert_ok(take_on(s, 0, 80, 0, 2)); /* pushes out the leaf of slot 1 */
	assert_int_equal(samples_count(s, 1), 0);
	assert_int_equal(leaves_lost(s, 1), 1);
	assert_int_equal(take_on(s, 0, 48, 0, 3), 1); /* replaced: is the last of the leaves now */
	assert_ok(take_on(s, 0, 96, 7, 3)); /* pushes out 80 */
	assert_int_equal(take_on(s, 0, 48, 0, 4), 1);
	assert_ok(take_on(s, 0, 112, 7, 5)); /* pushes out 48 */
	assert_int_equal(leaves_lost(s, 0), 2);
	assert_int_equal(thinned(s, 0), 0);
	/* Nothing is left that has no stack: the newcomer goes. */
	assert_ok(take_on(s, 1, 128, 0, 6));
	assert_int_equal(samples_count(s, 1), 0);
	assert_int_equal(leaves_lost(s, 1), 2);
	assert_int_equal(samples_count(s, 0), 4);
}

static void samples__leaf_whose_stack_became_known_is_no_leaf(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(2, 1, &s));
	assert_ok(take_on(s, 0, 16, 0, 1));
	the_due(s, 0, 2)->stack = 7;
	assert_ok(take_on(s, 0, 32, 0, 1));
	assert_ok(take_on(s, 0, 48, 7, 1)); /* pushes out 32 */
	assert_int_equal(leaves_lost(s, 0), 1);
	assert_int_equal(thinned(s, 0), 0);
	assert_ok(take_on(s, 1, 64, 7, 1)); /* thins */
	assert_int_equal(leaves_lost(s, 0), 1);
	assert_int_equal(thinned(s, 0), 1);
	assert_int_equal(samples_count(s, 0), 1);
}

static void samples__full_table_halves_the_fullest_slot(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	_cleanup_free_ const struct sample **list = NULL;
	size_t n;

	(void)state;
	assert_ok(samples_new(100, 1, &s));
	for (uint64_t i = 1; i <= 60; i++)
		assert_ok(take_on(s, 0, 16 * i, 1 + i % 3, (double)i));
	for (uint64_t i = 1; i <= 40; i++)
		assert_ok(take_on(s, 1, 16 * i, 1, (double)i));
	assert_ok(take_on(s, 1, 16 * 41, 1, 41));
	assert_int_equal(samples_count(s, 0), 30);
	assert_int_equal(samples_count(s, 1), 41);
	assert_int_equal(thinned(s, 0), 30);
	assert_int_equal(thinned(s, 1), 0);
	assert_ok(samples_list(s, 0, &list, &n));
	for (size_t i = 0; i < n; i++) {
		assert_true(list[i]->weight == 20);
		assert_int_equal(list[i]->stack, 1 + i / 10); /* each stack keeps half */
	}
}

static void samples__thinned_slot_is_still_looked_at_in_order(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample *due[256];
	size_t last = 0;

	(void)state;
	assert_ok(samples_new(101, 1, &s));
	for (uint64_t i = 0; i < 102; i++) /* stacks go down as times of birth go up */
		assert_ok(take_on(s, 0, 16 * (i + 1), 1000 - i, (double)i));
	assert_int_equal(samples_count(s, 0), 52); /* 50 pairs, an odd one, the newcomer */
	for (double now_sec = 0; now_sec <= 102; now_sec++) {
		size_t n = samples_due(s, 0, now_sec + 0.5, due, 256);

		for (size_t i = 0; i < n; i++)
			assert_true(due[i]->born_sec <= now_sec);
		assert_true(n >= last && n <= last + 1);
		last = n;
	}
	assert_int_equal(last, samples_count(s, 0));
}

static void samples__nothing_can_be_let_go(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(2, 1, &s));
	assert_ok(take_on(s, 0, 16, 7, 1));
	assert_ok(take_on(s, 1, 16, 7, 1));
	assert_err(take_on(s, 2, 16, 7, 1), -ENOMEM);
	assert_int_equal(samples_count(s, 0) + samples_count(s, 1), 2);
	assert_int_equal(thinned(s, 0) + thinned(s, 1), 0);
}

/* Sums of bytes × weight, of what is asked for and of its square, over all trials. */
struct moments {
	double sum, squares;
};

static void moments_add(struct moments *m, double x)
{
	m->sum += x;
	m->squares += x * x;
}

/* Its mean is `want` as far as chance allows, and that is near enough to tell 2 % from nothing. */
static void assert_mean(const struct moments *m, int trials, double want)
{
	double mean = m->sum / trials;
	double error = sqrt((m->squares / trials - mean * mean) / trials);

	if (fabs(mean - want) > 3.5 * error || error > 0.01 * want)
		fail_msg("mean %g +- %g, want %g", mean, error, want);
}

/* What the samples of a slot stand for, and those of a few stacks. */
static double stands_for(const struct samples *s, uint32_t slot, uint64_t stack_max,
			 double *ret_blocks)
{
	_cleanup_free_ const struct sample **list = NULL;
	double bytes = 0;
	size_t n;

	*ret_blocks = 0;
	assert_ok(samples_list(s, slot, &list, &n));
	for (size_t i = 0; i < n && list[i]->stack <= stack_max; i++) {
		bytes += list[i]->bytes * list[i]->weight;
		*ret_blocks += list[i]->weight;
	}
	return bytes;
}

/* 401 samples of 40 stacks, of many sizes and weights, in a table of 64: it thins about 14 times.
 * What they stand for stays, on average, in each slot and in stacks of few samples. */
static void samples__thinning_keeps_estimates_unbiased(void **state)
{
	enum {
		TRIALS = 1500,
		ALL = 401,
		FEW = 8
	};
	struct moments of_slot[2] = { 0 }, of_few[2] = { 0 };
	double want[2] = { 0 }, want_few[2] = { 0 }, want_blocks[2] = { 0 };
	struct sample offered[ALL];

	(void)state;
	for (uint32_t i = 0; i < ALL; i++) {
		struct sample *o = &offered[i];

		*o = sample(i % 3 == 0, 16 * (i + 1), 1 + i % 40, i);
		o->weight = i % 10 ? 10 + i % 5 : 160;
		o->bytes = 64 + i % 7 * 64;
		want[o->slot] += o->bytes * o->weight;
		want_blocks[o->slot] += o->weight;
		want_few[o->slot] += o->stack <= FEW ? o->bytes * o->weight : 0;
	}
	for (int trial = 0; trial < TRIALS; trial++) {
		_cleanup_(samples_freep) struct samples *s = NULL;
		double blocks, blocks_few;

		assert_ok(samples_new(64, (uint64_t)trial, &s));
		for (uint32_t i = 0; i < ALL; i++)
			assert_ok(samples_add(s, &offered[i], NULL));
		for (uint32_t slot = 0; slot < 2; slot++) {
			moments_add(&of_slot[slot], stands_for(s, slot, UINT64_MAX, &blocks));
			moments_add(&of_few[slot], stands_for(s, slot, FEW, &blocks_few));
			assert_true(fabs(blocks - want_blocks[slot]) < 1e-6); /* exactly */
		}
		assert_int_equal(samples_count(s, 0) + thinned(s, 0) + samples_count(s, 1) +
					 thinned(s, 1),
				 ALL);
	}
	for (uint32_t slot = 0; slot < 2; slot++) {
		print_message("  slot %u: %.4f of the truth, few stacks %.4f\n", slot,
			      of_slot[slot].sum / TRIALS / want[slot],
			      of_few[slot].sum / TRIALS / want_few[slot]);
		assert_mean(&of_slot[slot], TRIALS, want[slot]);
		assert_mean(&of_few[slot], TRIALS, want_few[slot]);
	}
}

/* An hour of random births, looks and deaths beside a list that is searched from end to end. */
static void samples__agrees_with_a_plain_list(void **state)
{
	enum {
		BLOCKS = 100
	};
	_cleanup_(samples_freep) struct samples *s = NULL;
	double look_sec[SLOTS][BLOCKS] = { 0 }; /* 0: no sample */
	uint64_t seed = 11;

	(void)state;
	assert_ok(samples_new(SLOTS * BLOCKS, 1, &s));
	for (double now_sec = 1; now_sec < 3600; now_sec += 0.5) {
		struct sample *due[BLOCKS];
		uint32_t slot = random_below(&seed, SLOTS), block = random_below(&seed, BLOCKS);
		size_t n, n_want = 0, n_live = 0;
		struct sample new = sample(slot, 16 * (block + 1), block % 3, now_sec);

		assert_int_equal(samples_add(s, &new, NULL), look_sec[slot][block] > 0);
		look_sec[slot][block] = now_sec + 0.1;
		slot = random_below(&seed, SLOTS);
		if (random_below(&seed, 300) == 0) {
			samples_forget(s, slot);
			memset(look_sec[slot], 0, sizeof(look_sec[slot]));
		}
		for (size_t i = 0; i < BLOCKS; i++) {
			n_live += look_sec[slot][i] > 0;
			n_want += look_sec[slot][i] > 0 && look_sec[slot][i] <= now_sec;
		}
		assert_int_equal(samples_count(s, slot), n_live);
		n = samples_due(s, slot, now_sec, due, BLOCKS);
		assert_int_equal(n, n_want);
		for (size_t i = 0; i < n; i++) {
			double *look = &look_sec[slot][due[i]->block / 16 - 1];

			assert_true(due[i]->slot == slot && *look == due[i]->next_look_sec);
			if (random_below(&seed, 4) == 0) {
				samples_del(s, due[i]);
				*look = 0;
			} else {
				samples_alive(s, due[i], now_sec);
				*look = due[i]->next_look_sec;
			}
		}
	}
}

/* Rows come back one by one, and heaps shrink and grow again. */
static void samples__every_slot_may_hold_all_in_turn(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(1000, 1, &s));
	for (uint32_t slot = 0; slot < PGD_TARGETS_MAX; slot += 16) {
		struct sample *due[100];
		size_t n;

		for (uint64_t i = 1; i <= 1000; i++)
			assert_ok(take_on(s, slot, 16 * i, 1, 1));
		assert_int_equal(samples_count(s, slot), 1000);
		while ((n = samples_due(s, slot, 100, due, 100)))
			for (size_t i = 0; i < n; i++)
				samples_del(s, due[i]);
		assert_int_equal(samples_count(s, slot), 0);
		assert_int_equal(thinned(s, slot), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples__first_look_is_at_the_first_age),
		cmocka_unit_test(samples__looks_become_rarer_with_age),
		cmocka_unit_test(samples__late_look_skips_ages),
		cmocka_unit_test(samples__due_are_of_one_slot_and_at_most_so_many),
		cmocka_unit_test(samples__batch_is_worked_through),
		cmocka_unit_test(samples__same_block_is_replaced),
		cmocka_unit_test(samples__impossible_ones_are_refused),
		cmocka_unit_test(samples__slots_that_cannot_be_are_empty),
		cmocka_unit_test(samples__list_is_sorted_by_stack_and_window),
		cmocka_unit_test(samples__forgotten_slot_starts_anew),
		cmocka_unit_test(samples__full_table_lets_the_first_leaf_go),
		cmocka_unit_test(samples__leaf_whose_stack_became_known_is_no_leaf),
		cmocka_unit_test(samples__full_table_halves_the_fullest_slot),
		cmocka_unit_test(samples__thinned_slot_is_still_looked_at_in_order),
		cmocka_unit_test(samples__nothing_can_be_let_go),
		cmocka_unit_test(samples__thinning_keeps_estimates_unbiased),
		cmocka_unit_test(samples__agrees_with_a_plain_list),
		cmocka_unit_test(samples__every_slot_may_hold_all_in_turn),
	};

	return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
