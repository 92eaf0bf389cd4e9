/* SPDX-License-Identifier: GPL-2.0-only */
/* Mirrors user/sample/pyline.c. */
#include "sample/pyline.h"
#include "test.h"
#include "tests/data/linetables.h"

static void pyline__agrees_with_the_interpreter_of_each_release(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(linetables) / sizeof(linetables[0]); i++) {
		const struct linetable *t = &linetables[i];

		for (size_t j = 0; j < t->n_points; j++) {
			int line = pyline_find(t->kind, t->table, t->n_bytes, t->first_line,
					       t->points[j].offset);

			if (line != t->points[j].line)
				print_error("%s at offset %d\n", t->name, t->points[j].offset);
			assert_int_equal(line, t->points[j].line);
		}
	}
}

static void pyline__frame_not_started_is_on_the_first_line(void **state)
{
	static const uint8_t table[] = { 0x80, 0x00 };

	(void)state;
	for (int kind = 0; kind < PYLINE_KIND_MAX; kind++) {
		assert_int_equal(pyline_find(kind, table, sizeof(table), 41, -1), 41);
		assert_int_equal(pyline_find(kind, NULL, 0, 41, -2), 41);
	}
}

static void pyline__small_tables(void **state)
{
	static const struct {
		const char *name;
		enum pyline_kind kind;
		int first, offset, want;
		size_t n_bytes;
		uint8_t table[12];
	} rows[] = {
		{ "lnotab: empty table is one line", PYLINE_LNOTAB, 7, 100, 7, 0, { 0 } },
		{ "lnotab: last line goes on", PYLINE_LNOTAB, 7, 9999, 9, 2, { 4, 2 } },
		{ "lnotab: signed", PYLINE_LNOTAB, 7, 4, 5, 2, { 4, 0xfe } },
		{ "lnotab: odd byte is left alone", PYLINE_LNOTAB, 7, 4, 7, 1, { 4 } },
		{ "lnotab: below line 1", PYLINE_LNOTAB, 1, 4, 0, 2, { 4, 0x80 } },
		{ "pep626: empty range moves the line",
		  PYLINE_PEP626,
		  7,
		  0,
		  134,
		  4,
		  { 0, 127, 2, 0 } },
		{ "pep626: range without a line", PYLINE_PEP626, 7, 3, 0, 4, { 2, 1, 2, 0x80 } },
		{ "pep626: line behind such a range",
		  PYLINE_PEP626,
		  7,
		  4,
		  9,
		  6,
		  { 2, 1, 2, 0x80, 2, 1 } },
		{ "pep626: past the end", PYLINE_PEP626, 7, 4, 0, 4, { 2, 1, 2, 0 } },
		{ "pep657: no line", PYLINE_PEP657, 7, 0, 0, 1, { 0xf8 } },
		{ "pep657: kind 13, line -3", PYLINE_PEP657, 7, 0, 4, 2, { 0xe8, 0x07 } },
		{ "pep657: kind 14, columns skipped",
		  PYLINE_PEP657,
		  7,
		  2,
		  9,
		  8,
		  { 0xf0, 0x02, 0x00, 0x01, 0x41, 0x01, 0xd8, 0x00 } },
		{ "pep657: past the end", PYLINE_PEP657, 7, 2, 0, 2, { 0xe8, 0x00 } },
		{ "pep657: starts within an entry", PYLINE_PEP657, 7, 0, 0, 2, { 0x01, 0x02 } },
		{ "pep657: varint cut short", PYLINE_PEP657, 7, 0, 7, 2, { 0xe8, 0x40 } },
		{ "pep657: varint cut by an entry",
		  PYLINE_PEP657,
		  7,
		  2,
		  8,
		  4,
		  { 0xe8, 0x40, 0xd8, 0 } },
		{ "pep657: endless varint",
		  PYLINE_PEP657,
		  7,
		  0,
		  0,
		  12,
		  { 0xe8, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f } },
		{ "unknown kind", PYLINE_KIND_MAX, 7, 0, 0, 2, { 4, 2 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int line = pyline_find(rows[i].kind, rows[i].table, rows[i].n_bytes, rows[i].first,
				       rows[i].offset);

		if (line != rows[i].want)
			print_error("%s\n", rows[i].name);
		assert_int_equal(line, rows[i].want);
	}
}

static void pyline__any_bytes_give_an_answer(void **state)
{
	uint8_t table[512];
	uint32_t x = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		for (size_t i = 0; i < sizeof(table); i++) {
			x = x * 1664525 + 1013904223;
			table[i] = (uint8_t)(x >> 24);
		}
		for (int kind = 0; kind < PYLINE_KIND_MAX; kind++)
			assert_true(pyline_find(kind, table, sizeof(table), INT32_MAX - round,
						(int)(x >> 20)) >= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pyline__agrees_with_the_interpreter_of_each_release),
		cmocka_unit_test(pyline__frame_not_started_is_on_the_first_line),
		cmocka_unit_test(pyline__small_tables),
		cmocka_unit_test(pyline__any_bytes_give_an_answer),
	};

	return cmocka_run_group_tests_name("pyline", tests, NULL, NULL);
}
