/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/typetab.c — see typetab.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/strbuf.h"
#include "sample/pyobject.h"
#include "sample/typetab.h"

/* PyTypeObject, the same in 3.8 to 3.14. */
#define TYPE_OB_TYPE	    8
#define TYPE_FLAGS	    168
#define TYPE_BYTES	    176
#define TYPE_F_HEAPTYPE	    (1ull << 9)
#define TYPE_F_TYPE	    (1ull << 31) /* its instances are types */
#define TYPE_NAME_BYTES_MAX 16

#define UNKNOWN_MAX 256 /* types to be verified at once */
#define ROW_CONTENT 7ull /* low bits of a row: types are at multiples of 8 */

_Static_assert(FINGERPRINT_CONTENT_MAX <= ROW_CONTENT + 1, "content in the low bits");

struct unknown {
	uint64_t type;
	uint64_t words[TYPE_BYTES / 8];
	uint64_t meta[TYPE_BYTES / 8];
};

struct typetab {
	const struct pyruntime *rt;
	const struct procmem *m;
	struct procmem_piece *pieces; /* UNKNOWN_MAX */
	struct unknown *unknown; /* UNKNOWN_MAX */
	size_t n_unknown;
	uint64_t *rows; /* open addressing, half full at most: address | enum fingerprint_content */
	size_t n_rows, n_max, row_mask;
};

int typetab_new(const struct pyruntime *rt, const struct procmem *m, size_t n_max,
		struct typetab **ret)
{
	_cleanup_(typetab_freep) struct typetab *t = calloc(1, sizeof(*t));
	size_t n = 2;

	if (!t)
		return -ENOMEM;
	while (n < 2 * n_max)
		n *= 2;
	t->rt = rt;
	t->m = m;
	t->n_max = n_max;
	t->row_mask = n - 1;
	t->pieces = calloc(UNKNOWN_MAX, sizeof(*t->pieces));
	t->unknown = calloc(UNKNOWN_MAX, sizeof(*t->unknown));
	t->rows = calloc(n, sizeof(*t->rows));
	if (!t->pieces || !t->unknown || !t->rows)
		return -ENOMEM;
	*ret = TAKE_PTR(t);
	return 0;
}

void typetab_free(struct typetab *t)
{
	if (!t)
		return;
	free(t->pieces);
	free(t->unknown);
	free(t->rows);
	free(t);
}

/* The row of a type, or the free one where it would go. */
static uint64_t *type_row(const struct typetab *t, uint64_t type)
{
	size_t i = (type * 0x9e3779b97f4a7c15ull) >> 40;

	for (;; i++) {
		uint64_t *row = &t->rows[i & t->row_mask];

		if (!*row || (*row & ~ROW_CONTENT) == type)
			return row;
	}
}

static void type_add(struct typetab *t, uint64_t type, enum fingerprint_content content)
{
	uint64_t *row;

	if (t->n_rows >= t->n_max) {
		memset(t->rows, 0, (t->row_mask + 1) * sizeof(*t->rows));
		t->n_rows = 0;
	}
	row = type_row(t, type);
	t->n_rows += !*row;
	*row = type | content;
}

/* By the name of a static type: no class of a program can have these. */
static enum fingerprint_content type_content(const struct typetab *t, const struct unknown *u)
{
	static const struct {
		const char *name;
		enum fingerprint_content content;
	} rows[] = {
		{ "str", FINGERPRINT_STR },	  { "int", FINGERPRINT_FIXED },
		{ "float", FINGERPRINT_FIXED },	  { "bytes", FINGERPRINT_FIXED },
		{ "complex", FINGERPRINT_FIXED }, { "tuple", FINGERPRINT_FIXED },
		{ "dict", FINGERPRINT_DICT },	  { "frozenset", FINGERPRINT_FIXED },
	};
	_cleanup_(strbuf_done) struct strbuf name = STRBUF_INIT;

	if (u->words[TYPE_FLAGS / 8] & TYPE_F_HEAPTYPE ||
	    pyobject_type_name(&t->rt->names, t->m, u->type, TYPE_NAME_BYTES_MAX, &name) != 0)
		return FINGERPRINT_MUTABLE;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(name.buf, rows[i].name))
			return rows[i].content;
	return FINGERPRINT_MUTABLE;
}

/* Its type is `type`, or, with `class A(metaclass=M)`, one whose instances are types. */
static bool is_type(const struct typetab *t, const struct unknown *u)
{
	return u->words[TYPE_OB_TYPE / 8] == t->rt->type_type ||
	       (u->meta[TYPE_OB_TYPE / 8] == t->rt->type_type &&
		u->meta[TYPE_FLAGS / 8] & TYPE_F_TYPE);
}

/* What cannot be read becomes all zero: of no type. */
static int read_types(struct typetab *t, size_t n)
{
	int r = procmem_read_many(t->m, t->pieces, n);

	for (size_t i = 0; r == 0 && i < n; i++)
		if (t->pieces[i].error || !t->pieces[i].n_bytes)
			memset(t->pieces[i].buf, 0, TYPE_BYTES);
	return r;
}

int typetab_verify(struct typetab *t)
{
	size_t n = t->n_unknown;
	int r;

	t->n_unknown = 0;
	for (size_t i = 0; i < n; i++) {
		struct unknown *u = &t->unknown[i];

		t->pieces[i] = (struct procmem_piece){ u->type, u->words, TYPE_BYTES, 0 };
	}
	r = read_types(t, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct unknown *u = &t->unknown[i];
		uint64_t meta = u->words[TYPE_OB_TYPE / 8];
		bool is_needed = meta && meta != t->rt->type_type;

		t->pieces[i] =
			(struct procmem_piece){ meta, u->meta, is_needed ? TYPE_BYTES : 0, 0 };
	}
	r = read_types(t, n);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (is_type(t, &t->unknown[i]))
			type_add(t, t->unknown[i].type, type_content(t, &t->unknown[i]));
	return 0;
}

static bool is_asked(const struct typetab *t, uint64_t type)
{
	for (size_t i = 0; i < t->n_unknown; i++)
		if (t->unknown[i].type == type)
			return true;
	return false;
}

int typetab_ask(struct typetab *t, const struct fingerprint_view *v)
{
	int r;

	if (!t->rt->type_type)
		return 0;
	for
		FINGERPRINT_TYPE_AT_EACH(at)
		{
			if (!fingerprint_may_be_type(v, at) || *type_row(t, v->words[at]) ||
			    is_asked(t, v->words[at]))
				continue;
			if (t->n_unknown == UNKNOWN_MAX) {
				r = typetab_verify(t);
				if (r < 0)
					return r;
			}
			t->unknown[t->n_unknown++].type = v->words[at];
		}
	return 0;
}

unsigned typetab_find(const struct typetab *t, const struct fingerprint_view *v,
		      enum fingerprint_content *ret_content)
{
	for
		FINGERPRINT_TYPE_AT_EACH(at)
		{
			uint64_t row;

			if (!fingerprint_may_be_type(v, at))
				continue;
			row = *type_row(t, v->words[at]);
			if (!row)
				continue;
			*ret_content = row & ROW_CONTENT;
			return at;
		}
	return 0;
}
