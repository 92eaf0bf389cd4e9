/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/fingerprint.c. */
#include "sample/fingerprint.h"
#include "test.h"

#define ADDR 0x7f0000001000ull
#define T    0x7f0000500000ull /* a type */
#define P(i) (0x7f0000600000ull + (uint64_t)(i)*32) /* some object */
#define BIG  0x8123456789abcdefull
#define NO   (~0ull)

static struct fingerprint_view view(const uint64_t *words, size_t n)
{
	return (struct fingerprint_view){ .addr = ADDR, .words = words, .n_words = n };
}

static void fingerprint__where_a_type_may_be(void **state)
{
	static const struct {
		const char *name;
		uint64_t words[6];
		unsigned want; /* bits by index */
	} rows[] = {
		{ "plain object", { 1, T, 7, 7, 7, 7 }, 1u << 1 },
		{ "immortal", { 0xc0000000 | 1ull << 48, T }, 1u << 1 },
		{ "dead", { 0, T }, 1u << 1 },
		{ "link for a count", { P(1), T }, 0 },
		{ "behind a GC head", { P(1), P(2), 1, T, 7, 7 }, 1u << 3 },
		{ "not tracked", { 0, 0, 1, T, 7, 7 }, 1u << 3 },
		{ "collector at work", { P(1), 5, 1, T, 7, 7 }, 1u << 3 },
		{ "no GC head", { 5, 5, 1, T, 7, 7 }, 0 },
		{ "behind a pre-header", { 0, P(3) | 1, P(1), P(2), 1, T }, 1u << 5 },
		{ "no pre-header", { 0, BIG, P(1), P(2), 1, T }, 0 },
		{ "items", { P(1), T, P(2), T, P(3), T }, 0 },
		{ "odd", { 1, T + 4 }, 0 },
		{ "low", { 1, 0x8000 }, 0 },
		{ "kernel's", { 1, 0xffffffff81000000ull }, 0 },
		{ "text", { 1, 0x6867666564636261ull }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fingerprint_view v = view(rows[i].words, 6);
		unsigned got = 0;

		for (unsigned at = 1; at <= 5; at += 2)
			got |= (unsigned)fingerprint_may_be_type(&v, at) << at;
		if (got != rows[i].want)
			print_error("%s: %#x\n", rows[i].name, got);
		assert_int_equal(got, rows[i].want);
		v.n_words = 1;
		for (unsigned at = 1; at <= 5; at += 2)
			assert_false(fingerprint_may_be_type(&v, at));
	}
}

enum {
	M = FINGERPRINT_MUTABLE,
	F = FINGERPRINT_FIXED,
	S = FINGERPRINT_STR,
	D = FINGERPRINT_DICT
};

static const struct same_row {
	const char *name;
	unsigned type_at, content;
	uint32_t chunk_units;
	uint64_t was[12], now[12];
	bool want;
} same_rows[] = {
	/* every object */
	{ "untouched", 1, M, 0, { 1, T, P(1) }, { 1, T, P(1) }, true },
	{ "counted", 1, M, 0, { 1, T, P(1) }, { 9, T, P(1) }, true },
	{ "other type", 1, M, 0, { 1, T, P(1) }, { 1, T + 64, P(1) }, false },
	{ "count 0: dead", 1, M, 0, { 1, T, P(1) }, { 0, T, P(1) }, false },
	{ "link: dead", 1, M, 0, { 1, T, P(1) }, { P(7), T, P(1) }, false },
	{ "moved in the GC's lists",
	  3,
	  M,
	  0,
	  { P(1), P(2), 1, T, P(3) },
	  { P(8), P(9), 2, T, P(3) },
	  true },
	/* words that tell */
	{ "another's", 1, M, 0, { 1, T, P(1), P(2), P(3) }, { 1, T, P(1), P(2), P(9) }, false },
	{ "set what was NULL", 1, M, 0, { 1, T, P(1), 0 }, { 1, T, P(1), P(2) }, true },
	{ "counts in it", 1, M, 0, { 1, T, P(1), 3, 4 }, { 1, T, P(1), 9, 8 }, true },
	{ "hash was asked for", 1, M, 0, { 1, T, NO, 5 }, { 1, T, BIG, 5 }, true },
	{ "number", 1, M, 0, { 1, T, BIG }, { 1, T, BIG + 1 }, false },
	{ "one number of four",
	  1,
	  M,
	  0,
	  { 1, T, BIG, BIG, BIG, BIG },
	  { 1, T, BIG, BIG, BIG, BIG + 1 },
	  true },
	{ "two numbers of four",
	  1,
	  M,
	  0,
	  { 1, T, BIG, BIG, BIG, BIG },
	  { 1, T, BIG, BIG, BIG + 1, BIG + 1 },
	  false },
	{ "numbers alone do not do", 1, M, 0, { 1, T, P(1), BIG }, { 1, T, P(2), BIG }, false },
	{ "itself tells nothing", 1, M, 0, { 1, T, ADDR + 32, 5 }, { 1, T, ADDR + 32, 6 }, false },
	{ "pre-header's values",
	  5,
	  M,
	  0,
	  { 0, P(1) | 1, P(2), P(3), 1, T },
	  { 0, P(1) | 1, P(8), P(9), 1, T },
	  true },
	{ "other values",
	  5,
	  M,
	  0,
	  { 0, P(1) | 1, P(2), P(3), 1, T },
	  { 0, P(4) | 1, P(2), P(3), 1, T },
	  false },
	/* none tells */
	{ "little words", 1, M, 0, { 1, T, 3, 4 }, { 2, T, 3, 4 }, true },
	{ "little words changed", 1, M, 0, { 1, T, 3, 4 }, { 1, T, 3, 5 }, false },
	{ "nothing at all", 1, M, 0, { 1, T }, { 1, T }, true },
	{ "nothing at all, counted", 1, M, 0, { 1, T }, { 2, T }, false },
	/* fixed */
	{ "int", 1, F, 0, { 1, T, 16, 77 }, { 5, T, 16, 77 }, true },
	{ "other int", 1, F, 0, { 1, T, 16, 77 }, { 1, T, 16, 78 }, false },
	{ "tuple",
	  3,
	  F,
	  0,
	  { P(1), P(2), 1, T, 2, NO, P(3), P(4) },
	  { 0, 0, 1, T, 2, BIG, P(3), P(4) },
	  true },
	{ "other tuple",
	  3,
	  F,
	  0,
	  { P(1), P(2), 1, T, 2, NO, P(3), P(4) },
	  { P(1), P(2), 1, T, 2, NO, P(3), P(5) },
	  false },
	/* str: length, hash, state, then by release */
	{ "ASCII of 3.11",
	  1,
	  S,
	  0,
	  { 1, T, 3, NO, 0xe5, 0, 0x636261 },
	  { 1, T, 3, BIG, 0xe6, P(1), 0x636261 },
	  true },
	{ "its text",
	  1,
	  S,
	  0,
	  { 1, T, 3, NO, 0xe5, 0, 0x636261 },
	  { 1, T, 3, NO, 0xe5, 0, 0x646261 },
	  false },
	{ "ASCII of 3.12",
	  1,
	  S,
	  0,
	  { 1, T, 3, BIG, 0x64, 0x636261 },
	  { 1, T, 3, BIG, 0x65, 0x636261 },
	  true },
	{ "its text",
	  1,
	  S,
	  0,
	  { 1, T, 3, BIG, 0x64, 0x636261 },
	  { 1, T, 3, BIG, 0x64, 0x636262 },
	  false },
	{ "its hash",
	  1,
	  S,
	  0,
	  { 1, T, 3, BIG, 0x64, 0x636261 },
	  { 1, T, 3, BIG + 1, 0x64, 0x636261 },
	  false },
	{ "its length",
	  1,
	  S,
	  0,
	  { 1, T, 3, NO, 0x64, 0x636261 },
	  { 1, T, 2, NO, 0x64, 0x636261 },
	  false },
	{ "its padding",
	  1,
	  S,
	  0,
	  { 1, T, 3, NO, 0x64 | 7ull << 32, 0x636261 },
	  { 1, T, 3, NO, 0x64 | 9ull << 40, 0x636261 },
	  true },
	{ "wide: its kind",
	  1,
	  S,
	  0,
	  { 1, T, 1, NO, 0x28, 0, 0, 0x444 },
	  { 1, T, 1, NO, 0x30, 0, 0, 0x444 },
	  false },
	{ "wide of 3.12, as UTF-8",
	  1,
	  S,
	  0,
	  { 1, T, 1, NO, 0x28, 0, 0, 0x444 },
	  { 1, T, 1, NO, 0x28, 2, P(1), 0x444 },
	  true },
	{ "wide of 3.12: its text",
	  1,
	  S,
	  0,
	  { 1, T, 1, NO, 0x28, 0, 0, 0x444 },
	  { 1, T, 1, NO, 0x28, 2, P(1), 0x445 },
	  false },
	{ "wide of 3.11, as UTF-8",
	  1,
	  S,
	  0,
	  { 1, T, 1, NO, 0xa8, 0, 0, 0, 0, 0x444 },
	  { 1, T, 1, NO, 0xa8, P(2), 2, P(1), 1, 0x444 },
	  true },
	{ "str in a block too small", 1, S, 0, { 1, T, 1, NO }, { 1, T, 1, NO }, true },
	/* dict: used, version, keys */
	{ "dict",
	  3,
	  D,
	  0,
	  { P(1), P(2), 1, T, 2, 77, P(3), 0 },
	  { P(1), P(2), 2, T, 2, 77, P(3), 0 },
	  true },
	{ "younger dict",
	  3,
	  D,
	  0,
	  { P(1), P(2), 1, T, 2, 77, P(3), 0 },
	  { P(1), P(2), 1, T, 2, 99, P(3), 0 },
	  false },
	/* memory */
	{ "items", 0, M, 0, { P(1), P(2), P(3) }, { P(1), P(2), P(3) }, true },
	{ "an item more", 0, M, 0, { P(1), P(2), 0 }, { P(1), P(2), P(3) }, true },
	{ "another item", 0, M, 0, { P(1), P(2), P(3) }, { P(1), P(2), P(4) }, false },
	{ "keys", 0, M, 0, { 1, 8, P(1), BIG }, { 2, 9, P(1), BIG }, true },
	{ "keys on a free list", 0, M, 0, { 1, 8, P(1), BIG }, { 0, 8, P(1), BIG }, false },
	{ "keys on a list of 3.13", 0, M, 0, { 1, 8, P(1), BIG }, { P(2), 8, P(1), BIG }, false },
	{ "zeros", 0, M, 0, { 0 }, { 0 }, true },
	{ "zeros no more", 0, M, 0, { 0 }, { 0, 0, 1 }, false },
	{ "text", 0, M, 0, { BIG, BIG + 1, 5 }, { BIG, BIG + 2, 5 }, false },
	/* chunks */
	{ "chunk", 0, M, 64, { BIG, BIG, BIG, BIG, P(1) }, { BIG, BIG, BIG, BIG, P(1) }, true },
	{ "one word written",
	  0,
	  M,
	  64,
	  { BIG, BIG, BIG, BIG, P(1) },
	  { BIG, 7, BIG, BIG, P(1) },
	  true },
	{ "both words overwritten",
	  0,
	  M,
	  64,
	  { BIG, BIG, BIG, BIG, BIG, BIG, BIG, BIG, BIG, BIG },
	  { 7, 7, BIG, BIG, BIG, BIG, BIG, BIG, BIG, BIG },
	  false },
	{ "one in a fast bin",
	  0,
	  M,
	  8,
	  { BIG, BIG, BIG, BIG, BIG },
	  { 7, BIG, BIG, BIG, BIG },
	  false },
	{ "tuple whose GC head changed",
	  3,
	  F,
	  64,
	  { P(1), P(2), 1, T, 9, P(3) },
	  { P(4), P(5), 1, T, 9, P(3) },
	  true },
};

static void fingerprint__same_or_not(void **state)
{
	size_t n_bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(same_rows) / sizeof(same_rows[0]); i++) {
		const struct same_row *row = &same_rows[i];
		struct fingerprint_view was = view(row->was, 12), now = view(row->now, 12);
		struct fingerprint f;

		if (!strcmp(row->name, "str in a block too small"))
			was.n_words = now.n_words = 4;
		was.chunk_units = now.chunk_units = row->chunk_units;
		fingerprint_take(&was, row->type_at, row->content, &f);
		assert_true(fingerprint_is_same(&f, &was));
		if (fingerprint_is_same(&f, &now) != row->want) {
			print_error("row %zu, %s: wanted %d\n", i, row->name, row->want);
			n_bad++;
		}
		now.chunk_units++;
		assert_false(fingerprint_is_same(&f, &now));
	}
	assert_int_equal(n_bad, 0);
}

static void fingerprint__tail_of_fixed_content_counts(void **state)
{
	uint64_t words[FINGERPRINT_WORDS_SEEN] = { 1, T, 480 };
	struct fingerprint_view v = view(words, FINGERPRINT_WORDS_SEEN);
	struct fingerprint f;

	(void)state;
	fingerprint_take(&v, 1, FINGERPRINT_FIXED, &f);
	for (size_t i = 2; i < FINGERPRINT_WORDS_SEEN; i++) {
		words[i] ^= 1ull << i;
		assert_false(fingerprint_is_same(&f, &v));
		words[i] ^= 1ull << i;
		assert_true(fingerprint_is_same(&f, &v));
	}
}

static void fingerprint__words_that_tell_are_kept_from_anywhere(void **state)
{
	uint64_t words[FINGERPRINT_WORDS_SEEN] = { 0, 0, 1,
						   T }; /* a set: its entries are far back */
	struct fingerprint_view v = view(words, 28);
	struct fingerprint f;

	(void)state;
	words[25] = P(1);
	fingerprint_take(&v, 3, FINGERPRINT_MUTABLE, &f);
	words[20] = P(9);
	assert_true(fingerprint_is_same(&f, &v));
	words[25] = P(2);
	assert_false(fingerprint_is_same(&f, &v));
}

static void fingerprint__smaller_or_empty_views_are_not_the_same(void **state)
{
	static const uint64_t words[12] = { 1, T, P(1), P(2), P(3), P(4) };
	struct fingerprint_view v = view(words, 12);
	struct fingerprint f = { 0 };

	(void)state;
	assert_false(fingerprint_is_same(&f, &v));
	fingerprint_take(&v, 1, FINGERPRINT_MUTABLE, &f);
	for (size_t n = 0; n < 12; n++) {
		v.n_words = n;
		assert_false(fingerprint_is_same(&f, &v));
	}
	fingerprint_take(&(struct fingerprint_view){ .addr = ADDR, .words = words }, 0, 0, &f);
	assert_false(fingerprint_is_same(&f, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fingerprint__where_a_type_may_be),
		cmocka_unit_test(fingerprint__same_or_not),
		cmocka_unit_test(fingerprint__tail_of_fixed_content_counts),
		cmocka_unit_test(fingerprint__words_that_tell_are_kept_from_anywhere),
		cmocka_unit_test(fingerprint__smaller_or_empty_views_are_not_the_same),
	};

	return cmocka_run_group_tests_name("fingerprint", tests, NULL, NULL);
}
