/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/witness.c; the kernel's part is played by hand. */
#include "sample/witness.h"
#include "test.h"

#define SLOT	 3u
#define BLOCK(i) (0x7f0000000000ull + (uint64_t)(i)*64)

static struct pgd_witness rows[PGD_TARGETS_MAX * PGD_WITNESSES_MAX];
static struct pgd_gc_trip trips[PGD_TARGETS_MAX];
static struct witnesses *ws;

static struct {
	double weight[CYCLES_FATE_MAX];
	unsigned n[CYCLES_FATE_MAX];
} told;

static int setup(void **state)
{
	(void)state;
	memset(rows, 0, sizeof(rows));
	memset(trips, 0, sizeof(trips));
	memset(&told, 0, sizeof(told));
	trips[SLOT].phase = 1;
	return witnesses_new(rows, trips, 42, &ws);
}

static int teardown(void **state)
{
	(void)state;
	witnesses_free(ws);
	return 0;
}

static void tell(void *userdata, uint32_t slot, const struct witness *w, enum cycles_fate fate)
{
	assert_ptr_equal(userdata, &told);
	assert_int_equal(slot, SLOT);
	told.weight[fate] += w->weight;
	told.n[fate]++;
}

static void harvest(void)
{
	witnesses_harvest(ws, SLOT, tell, &told);
}

/* n more, each of this stack and weight; how many there was room for. */
static size_t add(uint64_t stack, double weight, size_t n)
{
	const struct fingerprint print = {
		.kind = FINGERPRINT_OBJECT, .type_at = 1, .mask = 3, .words = { 1, 0x7f1000000000 }
	};
	static unsigned n_blocks;
	struct witness_room room;

	witnesses_reserve(ws, SLOT, PGD_WITNESSES_MAX, &room);
	for (size_t i = 0; i < n && i < room.n; i++) {
		struct witness w = { .stack = stack, .weight = weight, .bytes = 64 };

		assert_true(witness_fill(BLOCK(n_blocks++), &print, room.rows[i]));
		witness_watch(room.rows[i]);
		witnesses_take(ws, SLOT, room.rows[i], &w);
	}
	return n < room.n ? n : room.n;
}

static struct pgd_witness *row(size_t i)
{
	return &rows[SLOT * PGD_WITNESSES_MAX + i];
}

/* The kernel says what became of those that are watched. */
static size_t end_all(uint32_t state)
{
	size_t n = 0;

	for (size_t i = 0; i < PGD_WITNESSES_MAX; i++) {
		if (row(i)->state != PGD_WITNESS_WATCHED)
			continue;
		row(i)->state = state;
		n++;
	}
	return n;
}

static void witness__each_end_is_told_once(void **state)
{
	static const struct row {
		uint32_t state;
		enum cycles_fate fate; /* MAX: of nobody */
	} ends[] = {
		{ PGD_WITNESS_GONE, CYCLES_BY_REFERENCES },
		{ PGD_WITNESS_COLLECTED, CYCLES_BY_COLLECTOR },
		{ PGD_WITNESS_COLLECTED_FULL, CYCLES_BY_FULL },
		{ PGD_WITNESS_LOST, CYCLES_FATE_MAX },
		{ PGD_WITNESS_STATE_MAX + 5, CYCLES_FATE_MAX },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		memset(&told, 0, sizeof(told));
		assert_int_equal(add(7, 10, 4), 4);
		harvest();
		assert_int_equal(end_all(ends[i].state), 4); /* was told of none of them */
		harvest();
		harvest();
		for (unsigned fate = 0; fate < CYCLES_FATE_MAX; fate++)
			assert_int_equal(told.n[fate], fate == ends[i].fate ? 4 : 0);
		for (size_t k = 0; k < PGD_WITNESSES_MAX; k++)
			assert_int_equal(row(k)->state, PGD_WITNESS_EMPTY);
	}
}

static void witness__its_first_full_collection_is_told_and_no_other(void **state)
{
	(void)state;
	add(7, 10, 2);
	row(0)->n_fulls = 1;
	row(1)->n_fulls = 1;
	row(1)->state = PGD_WITNESS_INSIDE; /* what became of it is not said yet */
	harvest();
	assert_int_equal(told.n[CYCLES_MET_FULL], 1);
	row(0)->n_fulls = 2;
	row(1)->state = PGD_WITNESS_COLLECTED_FULL;
	harvest();
	assert_int_equal(told.n[CYCLES_MET_FULL], 2);
	assert_int_equal(told.n[CYCLES_BY_FULL], 1);
}

/* Of many that live long, some stand for all, of each stack for about as many as it had. */
static void witness__room_is_made_and_weight_stays(void **state)
{
	double weight[3] = { 0 };

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		assert_true(add(1 + i % 2, 10, 16) == 16);
		harvest();
	}
	for (size_t i = 0; i < PGD_WITNESSES_MAX; i++)
		row(i)->state =
			row(i)->state == PGD_WITNESS_WATCHED ? PGD_WITNESS_GONE : PGD_WITNESS_EMPTY;
	harvest();
	weight[0] = told.weight[CYCLES_BY_REFERENCES];
	assert_true(weight[0] > 6399 && weight[0] < 6401);
	assert_true(told.n[CYCLES_BY_REFERENCES] <= PGD_WITNESSES_MAX);
	assert_true(told.n[CYCLES_BY_REFERENCES] > PGD_WITNESSES_MAX / 4);
}

static void witness__few_are_kept_where_they_cost_too_much(void **state)
{
	struct witness_room room;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		add(7, 10, WITNESSES_A_WINDOW);
	witnesses_reserve(ws, SLOT, WITNESSES_FEW, &room);
	assert_int_equal(room.n, WITNESSES_FEW / 2);
	assert_true(end_all(PGD_WITNESS_GONE) <= WITNESSES_FEW / 2);
	harvest();
	assert_int_equal((int)(told.weight[CYCLES_BY_REFERENCES] + 0.5), 4 * 32 * 10);
}

/* The window whose rows they were had no result. */
static void witness__what_was_not_taken_is_nobody(void **state)
{
	const struct fingerprint print = { .kind = FINGERPRINT_MEMORY, .mask = 1, .words = { 1 } };
	struct witness_room room, again;

	(void)state;
	witnesses_reserve(ws, SLOT, PGD_WITNESSES_MAX, &room);
	assert_int_equal(room.n, WITNESSES_A_WINDOW);
	assert_true(witness_fill(BLOCK(0), &print, room.rows[0]));
	witness_watch(room.rows[0]);
	end_all(PGD_WITNESS_GONE);
	harvest();
	witnesses_reserve(ws, SLOT, PGD_WITNESSES_MAX, &again);
	assert_int_equal(again.n, WITNESSES_A_WINDOW);
	assert_ptr_equal(again.rows[0], room.rows[0]);
	assert_int_equal(room.rows[0]->state, PGD_WITNESS_EMPTY);
	harvest();
	assert_int_equal(told.n[CYCLES_BY_REFERENCES], 0);
}

static void witness__while_the_probes_are_off_nothing_is_known(void **state)
{
	(void)state;
	add(7, 10, 4);
	trips[SLOT].phase = 3; /* off, and on again */
	end_all(PGD_WITNESS_GONE);
	harvest();
	assert_int_equal(told.n[CYCLES_BY_REFERENCES], 0);
	assert_int_equal(add(7, 10, 4), 4);
	end_all(PGD_WITNESS_GONE);
	harvest();
	assert_int_equal(told.n[CYCLES_BY_REFERENCES], 4);
}

static void witness__who_was_seen_to_die_died_outside_of_collections(void **state)
{
	(void)state;
	add(7, 10, 2);
	trips[SLOT].begun = 1; /* one is running: it will be told by that */
	witnesses_bury(ws, SLOT, row(0)->block);
	assert_int_equal(row(0)->state, PGD_WITNESS_WATCHED);
	trips[SLOT].seen = 1;
	witnesses_bury(ws, SLOT, row(0)->block + 16); /* nobody's */
	witnesses_bury(ws, SLOT + 1, row(0)->block);
	witnesses_bury(ws, SLOT, row(0)->block);
	assert_int_equal(row(0)->state, PGD_WITNESS_GONE);
	row(1)->state = PGD_WITNESS_COLLECTED; /* the kernel was first */
	witnesses_bury(ws, SLOT, row(1)->block);
	assert_int_equal(row(1)->state, PGD_WITNESS_COLLECTED);
	harvest();
	assert_int_equal(told.n[CYCLES_BY_REFERENCES], 1);
	assert_int_equal(told.n[CYCLES_BY_COLLECTOR], 1);
}

/* realloc has made something else of it: nobody freed it, and its row is free. */
static void witness__what_lives_on_elsewhere_was_freed_by_nobody(void **state)
{
	struct witness_room room;

	(void)state;
	add(7, 10, 3);
	row(1)->state = PGD_WITNESS_GONE; /* the kernel has looked at it since */
	witnesses_let_go(ws, SLOT, row(0)->block);
	witnesses_let_go(ws, SLOT, row(1)->block);
	witnesses_let_go(ws, SLOT, row(2)->block + 16); /* nobody's */
	witnesses_let_go(ws, SLOT + 1, row(2)->block);
	assert_int_equal(row(0)->state, PGD_WITNESS_EMPTY);
	assert_int_equal(end_all(PGD_WITNESS_GONE), 1);
	harvest();
	assert_int_equal(told.n[CYCLES_BY_REFERENCES], 1);
	witnesses_reserve(ws, SLOT, PGD_WITNESSES_MAX, &room);
	assert_ptr_equal(room.rows[0], row(0));
}

static void witness__weights_that_were_wrong_are_set_right(void **state)
{
	const struct witness w = { .stack = 7, .weight = 10, .bytes = 64, .pending = PACE_OPEN };

	(void)state;
	add(7, 10, 2);
	witnesses_take(ws, SLOT, row(0), &w);
	witnesses_settle(ws, SLOT, &(struct pace_settlement){ 3, 7, 1 });
	witnesses_settle(ws, SLOT, &(struct pace_settlement){ 7, 2, 1 });
	witnesses_settle(ws, SLOT, &(struct pace_settlement){ 7, 7, 1 });
	end_all(PGD_WITNESS_GONE);
	harvest();
	assert_int_equal((int)told.weight[CYCLES_BY_REFERENCES], 60 + 10);
}

static void witness__words_that_tell(void **state)
{
#define PTR 0x7f2000000000ull
	static const struct row {
		const char *name;
		struct fingerprint print;
		bool want;
		uint8_t life, life_at, at[PGD_WITNESS_WORDS];
	} cases[] = {
		{ "nothing was taken", { 0 }, false, 0, 0, { 0 } },
		{ "an object with a GC head, and what it points to",
		  { .kind = FINGERPRINT_OBJECT,
		    .type_at = 3,
		    .mask = 0x3c,
		    .words = { 5, PTR, PTR + 64, 12 } },
		  true,
		  PGD_WITNESS_LIFE_COUNT,
		  2,
		  { 3, 4, 0xff } },
		{ "one that points to itself tells less than others do",
		  { .kind = FINGERPRINT_OBJECT,
		    .type_at = 1,
		    .mask = 0xf,
		    .words = { 5, PTR, BLOCK(0) + 8, PTR + 8 } },
		  true,
		  PGD_WITNESS_LIFE_COUNT,
		  0,
		  { 1, 3, 0xff } },
		{ "if nothing tells, what is there has to stay",
		  { .kind = FINGERPRINT_OBJECT,
		    .type_at = 1,
		    .mask = 0xf,
		    .words = { 5, PTR, BLOCK(0) + 8, 0 } },
		  true,
		  PGD_WITNESS_LIFE_COUNT,
		  0,
		  { 1, 2, 3 } },
		{ "an int has its digits",
		  { .kind = FINGERPRINT_OBJECT,
		    .type_at = 1,
		    .content = FINGERPRINT_FIXED,
		    .mask = 0xf,
		    .words = { 1, PTR, 1, 77 } },
		  true,
		  PGD_WITNESS_LIFE_COUNT,
		  0,
		  { 1, 2, 3 } },
		{ "a str its length and hash, and not what is filled in later",
		  { .kind = FINGERPRINT_OBJECT,
		    .type_at = 1,
		    .content = FINGERPRINT_STR,
		    .mask = 0x3f,
		    .words = { 1, PTR, 9, ~0ull, 0x64, 3 } },
		  true,
		  PGD_WITNESS_LIFE_COUNT,
		  0,
		  { 1, 2, 0xff } },
		{ "keys of a dict have a count",
		  { .kind = FINGERPRINT_MEMORY, .mask = 0x5, .words = { 1, PTR } },
		  true,
		  PGD_WITNESS_LIFE_LITTLE,
		  0,
		  { 2, 0xff, 0xff } },
		{ "a list's items",
		  { .kind = FINGERPRINT_MEMORY, .mask = 0x3, .words = { PTR, PTR + 8 } },
		  true,
		  PGD_WITNESS_LIFE_WORDS,
		  0,
		  { 0, 1, 0xff } },
		{ "memory that begins with 0: a free one may, too",
		  { .kind = FINGERPRINT_MEMORY, .mask = 0x3, .words = { 0, 5 } },
		  false,
		  0,
		  0,
		  { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct pgd_witness w = { 0 };

		if (witness_fill(BLOCK(0), &cases[i].print, &w) != cases[i].want)
			fail_msg("%s", cases[i].name);
		if (cases[i].want && (w.life != cases[i].life || w.life_at != cases[i].life_at ||
				      memcmp(w.at, cases[i].at, sizeof(w.at)) != 0))
			fail_msg("%s: life %d at %d, words %d %d %d", cases[i].name, w.life,
				 w.life_at, w.at[0], w.at[1], w.at[2]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(witness__each_end_is_told_once),
		TEST(witness__its_first_full_collection_is_told_and_no_other),
		TEST(witness__room_is_made_and_weight_stays),
		TEST(witness__few_are_kept_where_they_cost_too_much),
		TEST(witness__what_was_not_taken_is_nobody),
		TEST(witness__while_the_probes_are_off_nothing_is_known),
		TEST(witness__who_was_seen_to_die_died_outside_of_collections),
		TEST(witness__what_lives_on_elsewhere_was_freed_by_nobody),
		TEST(witness__weights_that_were_wrong_are_set_right),
		TEST(witness__words_that_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
