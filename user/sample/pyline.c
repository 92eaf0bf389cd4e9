/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/pyline.c — see pyline.h.
 * Sources: CPython's Objects/lnotab_notes.txt (3.8 to 3.10) and Objects/locations.md (3.11 on). */
#include <limits.h>
#include <stdbool.h>

#include "sample/pyline.h"

/* Sums run in 64 bits: 2^20 bytes of table move a line by less than 2^50. */
static int line_of(int64_t line)
{
	return line > 0 && line <= INT_MAX ? (int)line : 0;
}

/* co_lnotab: pairs (address += u8, line += s8). A line starts AT its pair's address, so the address
 * is tested before the line moves. Past the end the last line goes on. */
static int find_lnotab(const uint8_t *table, size_t n_bytes, int first, int offset)
{
	int64_t line = first, addr = 0;

	for (size_t i = 0; i + 2 <= n_bytes; i += 2) {
		addr += table[i];
		if (addr > offset)
			break;
		line += (int8_t)table[i + 1];
	}
	return line_of(line);
}

/* PEP 626: pairs (range of u8 bytes, line += s8); -128: this range has no line. */
static int find_pep626(const uint8_t *table, size_t n_bytes, int first, int offset)
{
	int64_t line = first, end = 0;

	for (size_t i = 0; i + 2 <= n_bytes; i += 2) {
		int8_t delta = (int8_t)table[i + 1];

		end += table[i];
		if (delta != -128)
			line += delta;
		if (offset < end)
			return delta == -128 ? 0 : line_of(line);
	}
	return 0;
}

/* Six bits a byte, lowest first, bit 6: more follow. A new entry (bit 7) or the end cuts it short.
 */
static uint32_t read_varint(const uint8_t *table, size_t n_bytes, size_t *at)
{
	uint32_t value = 0;
	unsigned int shift = 0;
	bool more = true;

	while (more && *at < n_bytes && !(table[*at] & 0x80)) {
		if (shift < 32)
			value |= (uint32_t)(table[*at] & 0x3f) << shift;
		shift += 6;
		more = table[*at] & 0x40;
		(*at)++;
	}
	return value;
}

static int64_t read_svarint(const uint8_t *table, size_t n_bytes, size_t *at)
{
	uint32_t v = read_varint(table, n_bytes, at);

	return v & 1 ? -(int64_t)(v >> 1) : (int64_t)(v >> 1);
}

/* PEP 657: entries of one byte 1kkkklll (kind, length - 1 in two-byte units) and bytes below 0x80,
 * of which only a line's movement matters here. Columns are skipped by looking for the next bit 7.
 */
static int find_pep657(const uint8_t *table, size_t n_bytes, int first, int offset)
{
	int64_t line = first, end = 0;
	size_t at = 0;

	while (at < n_bytes) {
		uint8_t head = table[at++], kind = head >> 3 & 0xf;

		if (!(head & 0x80))
			return 0;
		if (kind >= 10 && kind <= 12)
			line += kind - 10;
		else if (kind == 13 || kind == 14)
			line += read_svarint(table, n_bytes, &at);
		end += 2 * ((head & 7) + 1);
		if (offset < end)
			return kind == 15 ? 0 : line_of(line);
		while (at < n_bytes && !(table[at] & 0x80))
			at++;
	}
	return 0;
}

int pyline_find(enum pyline_kind kind, const uint8_t *table, size_t n_bytes, int first, int offset)
{
	if (offset < 0)
		return line_of(first);
	switch (kind) {
	case PYLINE_LNOTAB:
		return find_lnotab(table, n_bytes, first, offset);
	case PYLINE_PEP626:
		return find_pep626(table, n_bytes, first, offset);
	case PYLINE_PEP657:
		return find_pep657(table, n_bytes, first, offset);
	case PYLINE_KIND_MAX:
		break;
	}
	return 0;
}
