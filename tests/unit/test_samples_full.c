/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/samples.c when the table is full: who is let go, who is told, and do estimates stay
 * unbiased? test_samples.c has the rest.
 */
#include <math.h>

#include "samplerows.h"

static void samples__full_table_lets_the_first_leaf_go(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(4, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(2, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(100, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(101, 1, NULL, NULL, &s));
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

#define GONE_MAX 1000

struct gone {
	struct sample samples[GONE_MAX];
	size_t n;
};

static void on_let_go(void *userdata, const struct sample *sample)
{
	struct gone *gone = userdata;

	assert_true(gone->n < GONE_MAX);
	gone->samples[gone->n++] = *sample;
}

static void samples__owner_is_told_of_leaves_that_go(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct gone gone = { 0 };

	(void)state;
	assert_ok(samples_new(3, 1, on_let_go, &gone, &s));
	assert_ok(take_on(s, 0, 16, 7, 1));
	assert_ok(take_on(s, 1, 32, 0, 1));
	assert_ok(take_on(s, 0, 48, 7, 1));
	assert_int_equal(take_on(s, 0, 48, 7, 2), 1); /* replaced */
	assert_int_equal(gone.n, 0);
	assert_ok(take_on(s, 0, 64, 7, 3)); /* pushes out the leaf of slot 1 */
	assert_int_equal(gone.n, 1);
	assert_int_equal(gone.samples[0].slot, 1);
	assert_int_equal(gone.samples[0].block, 32);
	assert_ok(take_on(s, 1, 80, 0, 4)); /* the newcomer goes */
	assert_int_equal(gone.n, 2);
	assert_int_equal(gone.samples[1].block, 80);
	samples_del(s, the_due(s, 0, 1.2));
	samples_forget(s, 0);
	assert_int_equal(gone.n, 2); /* what the owner does itself */
}

/* Each sample is either in the table or was told of, once, as it was taken on. */
static void samples__owner_is_told_of_what_is_thinned_out(void **state)
{
	enum {
		ALL = 500
	};
	_cleanup_(samples_freep) struct samples *s = NULL;
	unsigned n_seen[ALL] = { 0 };
	static struct gone gone;

	(void)state;
	gone.n = 0;
	assert_ok(samples_new(100, 1, on_let_go, &gone, &s));
	for (uint64_t i = 0; i < ALL; i++)
		assert_ok(take_on(s, i % 3 == 0, 16 * i, 1 + i % 7, (double)i));
	assert_int_equal(gone.n, thinned(s, 0) + thinned(s, 1));
	assert_int_equal(gone.n, ALL - samples_count(s, 0) - samples_count(s, 1));
	for (size_t i = 0; i < gone.n; i++) {
		uint64_t at = gone.samples[i].block / 16;

		n_seen[at]++;
		assert_int_equal(gone.samples[i].slot, at % 3 == 0);
		assert_int_equal(gone.samples[i].stack, 1 + at % 7);
	}
	for (uint32_t slot = 0; slot < 2; slot++) {
		_cleanup_free_ const struct sample **list = NULL;
		size_t n;

		assert_ok(samples_list(s, slot, &list, &n));
		for (size_t i = 0; i < n; i++)
			n_seen[list[i]->block / 16]++;
	}
	for (size_t i = 0; i < ALL; i++)
		assert_int_equal(n_seen[i], 1);
}

static void samples__nothing_can_be_let_go(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(2, 1, NULL, NULL, &s));
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

		assert_ok(samples_new(64, (uint64_t)trial, NULL, NULL, &s));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples__full_table_lets_the_first_leaf_go),
		cmocka_unit_test(samples__leaf_whose_stack_became_known_is_no_leaf),
		cmocka_unit_test(samples__full_table_halves_the_fullest_slot),
		cmocka_unit_test(samples__thinned_slot_is_still_looked_at_in_order),
		cmocka_unit_test(samples__owner_is_told_of_leaves_that_go),
		cmocka_unit_test(samples__owner_is_told_of_what_is_thinned_out),
		cmocka_unit_test(samples__nothing_can_be_let_go),
		cmocka_unit_test(samples__thinning_keeps_estimates_unbiased),
	};

	return cmocka_run_group_tests_name("samples_full", tests, NULL, NULL);
}
