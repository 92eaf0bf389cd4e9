/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/samples.c, while there is room; test_samples_full.c has what is let go. */
#include <malloc.h>
#include <math.h>

#include "growth/survival.h"
#include "samplerows.h"

#define SLOTS 3 /* of the random walk below */

/* The same numbers on every machine and run: Knuth's MMIX generator. */
static uint32_t random_below(uint64_t *seed, uint32_t n)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*seed >> 33) % n);
}

static void samples__first_look_is_at_the_first_age(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample new = sample(0, 64, 1, 1000), *due;

	(void)state;
	assert_ok(samples_new(4, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(4, 1, NULL, NULL, &s));
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

static void samples__pending_weights_are_set_right_once(void **state)
{
	static const double want[] = { 4, 4, 10, 10, 10, 1 };
	_cleanup_(samples_freep) struct samples *s = NULL;
	_cleanup_free_ const struct sample **list = NULL;
	size_t n = 0;

	(void)state;
	assert_ok(samples_new(16, 1, NULL, NULL, &s));
	for (uint64_t i = 0; i < ARRAY_SIZE(want); i++) {
		struct sample new = sample(i == 5 ? 1 : 0, 64 + 64 * i, 1, 1000);

		new.window = i + 1;
		new.weight = i == 5 ? 1 : 4;
		new.pending = i >= 2 ? PACE_OPEN : PACE_FOR_GOOD;
		assert_ok(samples_add(s, &new, NULL));
	}
	samples_settle(s, 0, &(struct pace_settlement){ 5, 9, 0 }); /* a better guess, */
	samples_settle(s, 0, &(struct pace_settlement){ 0.25, 9, 1 });
	samples_settle(s, 0, &(struct pace_settlement){ 9, 2, 1 });
	samples_settle(s, 0,
		       &(struct pace_settlement){ 9, 9, 1 }); /* nothing is pending any more */
	samples_settle(s, 1, &(struct pace_settlement){ 0.5, 1, 2 }); /* none stands for less */
	assert_ok(samples_list(s, 0, &list, &n));
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++)
		assert_true(list[i]->weight == want[list[i]->window - 1]);
	free(list);
	assert_ok(samples_list(s, 1, &list, &n));
	assert_true(n == 1 && list[0]->weight == 1);
}

static void samples__pending_without_a_factor_stay_as_they_are(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	_cleanup_free_ const struct sample **list = NULL;
	struct sample new = sample(0, 64, 1, 1000);
	size_t n = 0;

	(void)state;
	new.weight = 4;
	new.pending = PACE_OPEN;
	assert_ok(samples_new(16, 1, NULL, NULL, &s));
	assert_ok(samples_add(s, &new, NULL));
	samples_settle(s, 0, &(struct pace_settlement){ NAN, NAN, 1 });
	samples_settle(s, 0, &(struct pace_settlement){ 2, NAN, 1 });
	samples_settle(s, 0, &(struct pace_settlement){ 2, 2, 1 });
	assert_ok(samples_list(s, 0, &list, &n));
	assert_true(n == 1 && list[0]->weight == 4 && !list[0]->pending);
}

static void samples__late_look_skips_ages(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample *due;

	(void)state;
	assert_ok(samples_new(4, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(64, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(1000, 1, NULL, NULL, &s));
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

static void samples__one_is_found_by_its_block(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;

	(void)state;
	assert_ok(samples_new(4, 1, NULL, NULL, &s));
	assert_null(samples_find(s, 0, 64));
	assert_ok(take_on(s, 0, 64, 1, 10));
	assert_ok(take_on(s, 1, 80, 1, 10));
	assert_int_equal(samples_find(s, 0, 64)->block, 64);
	assert_null(samples_find(s, 0, 80)); /* another target's */
	assert_null(samples_find(s, PGD_TARGETS_MAX, 64));
	samples_del(s, samples_find(s, 0, 64));
	assert_null(samples_find(s, 0, 64));
}

static void samples__same_block_is_replaced(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	struct sample a = sample(0, 64, 7, 1000), b = sample(0, 64, 8, 2000);
	struct sample old = { .stack = 99 };

	(void)state;
	assert_ok(samples_new(2, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(4, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(4, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(1000, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(8, 1, NULL, NULL, &s));
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
	assert_ok(samples_new(SLOTS * BLOCKS, 1, NULL, NULL, &s));
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

size_t __sanitizer_get_current_allocated_bytes(void); /* gcc does not bring the header */

static size_t allocated_bytes(void)
{
#ifdef __SANITIZE_ADDRESS__
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

/* Rows come back one by one, and heaps shrink and grow again: what was full once must not keep room
 * for all, or 128 targets would. */
static void samples__every_slot_may_hold_all_in_turn(void **state)
{
	_cleanup_(samples_freep) struct samples *s = NULL;
	size_t bytes;

	(void)state;
	assert_ok(samples_new(1000, 1, NULL, NULL, &s));
	bytes = allocated_bytes();
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
	assert_in_range(allocated_bytes() - bytes, 0, PGD_TARGETS_MAX / 16 * 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples__first_look_is_at_the_first_age),
		cmocka_unit_test(samples__looks_become_rarer_with_age),
		cmocka_unit_test(samples__pending_weights_are_set_right_once),
		cmocka_unit_test(samples__pending_without_a_factor_stay_as_they_are),
		cmocka_unit_test(samples__late_look_skips_ages),
		cmocka_unit_test(samples__due_are_of_one_slot_and_at_most_so_many),
		cmocka_unit_test(samples__batch_is_worked_through),
		cmocka_unit_test(samples__one_is_found_by_its_block),
		cmocka_unit_test(samples__same_block_is_replaced),
		cmocka_unit_test(samples__impossible_ones_are_refused),
		cmocka_unit_test(samples__slots_that_cannot_be_are_empty),
		cmocka_unit_test(samples__list_is_sorted_by_stack_and_window),
		cmocka_unit_test(samples__forgotten_slot_starts_anew),
		cmocka_unit_test(samples__agrees_with_a_plain_list),
		cmocka_unit_test(samples__every_slot_may_hold_all_in_turn),
	};

	return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
