/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/symbolize.c — see symbolize.h.
 *
 * The order of reading is what makes an answer true: type and check bytes, then the strings, then
 * type and check bytes once more. A code object that was freed or replaced meanwhile fails one of
 * the two looks, since what frees it also overwrites it or its successor has another check.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define PYWALK_READ(mem, dst, len, addr) procmem_read((mem), (addr), (dst), (len))
#include "sample/symbolize.h"
#include "pywalk.bpf.h"
#include "sample/pyline.h"
#include "sample/pyobject.h"

struct code_key {
	uint64_t code;
	uint64_t check; /* 64 bits: no padding in a key that is hashed as bytes */
};

/* One code object; what is left of it when the object itself is gone. */
struct code {
	struct code_key key;
	char *function;
	char *file;
	int first_line;
	uint8_t *table;
	size_t table_bytes;
	bool is_bad; /* a name was no str, or was cut */
	bool is_internal;
	UT_hash_handle hh;
};

struct symbolize {
	const struct pyruntime *rt;
	const struct procmem *m;
	struct code *codes;
	size_t n_bytes; /* of what `codes` holds */
};

static void code_free(struct code *c)
{
	if (!c)
		return;
	free(c->function);
	free(c->file);
	free(c->table);
	free(c);
}
DEFINE_CLEANUP(struct code *, code_free)

int symbolize_new(const struct pyruntime *rt, const struct procmem *m, struct symbolize **ret)
{
	struct symbolize *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->rt = rt;
	s->m = m;
	*ret = s;
	return 0;
}

static void forget_all(struct symbolize *s)
{
	struct code *c, *next;

	HASH_ITER (hh, s->codes, c, next) {
		HASH_DEL(s->codes, c);
		code_free(c);
	}
	s->n_bytes = 0;
}

void symbolize_free(struct symbolize *s)
{
	if (!s)
		return;
	forget_all(s);
	free(s);
}

/* ── reading a code object ────────────────────────────────────────────────────────────────── */

/* Does this first word of an object say that it lives? A freed block holds the next free one there,
 * an address, or 0; an object its reference count, below 2^32 in all versions (3.14 keeps flags in
 * the highest 16 bits). What a freed code object pointed to may be gone although it looks whole. */
static bool is_alive(uint64_t word)
{
	return (uint32_t)word != 0 && !(word >> 32 & 0xffff);
}

static bool is_still(const struct symbolize *s, const struct code_key *key)
{
	uint8_t check[PGD_CHECK_BYTES_MAX] __attribute__((aligned(8))) = { 0 };
	const struct pgd_py_offsets *w = &s->rt->walk;
	uint64_t type, refcnt;
	uint32_t line = 0;

	if (w->code_check_bytes > sizeof(check))
		return false;
	return procmem_u64(s->m, key->code, &refcnt) == 0 && is_alive(refcnt) &&
	       procmem_u64(s->m, key->code + s->rt->names.ob_type, &type) == 0 &&
	       type == s->rt->code_type &&
	       procmem_read(s->m, key->code + w->code_check, check, w->code_check_bytes) == 0 &&
	       (w->code_check_line == PGD_NO_OFFSET ||
		procmem_u32(s->m, key->code + w->code_check_line, &line) == 0) &&
	       pywalk_check_hash(check, line) == key->check;
}

/* The str that the code object points to at `offset`; "<bad name>" and is_bad where it is none. */
static char *read_name(const struct symbolize *s, struct code *c, uint32_t offset,
		       enum pyobject_cut cut)
{
	_cleanup_(strbuf_done) struct strbuf b = STRBUF_INIT;
	uint64_t addr;
	int r;

	r = procmem_u64(s->m, c->key.code + offset, &addr);
	if (r == 0)
		r = pyobject_str(&s->rt->names, s->m, addr, SYMBOLIZE_NAME_MAX,
				 SYMBOLIZE_NAME_MAX * 4, cut, &b);
	if (r == -ENOMEM)
		return NULL;
	if (r != 0)
		c->is_bad = true;
	if (r < 0) {
		strbuf_reset(&b);
		strbuf_puts(&b, "<bad name>");
	}
	return strbuf_take(&b);
}

static void read_table(const struct symbolize *s, struct code *c)
{
	uint64_t addr;

	if (procmem_u64(s->m, c->key.code + s->rt->names.code_linetable, &addr) < 0 ||
	    pyobject_bytes(&s->rt->names, s->m, addr, SYMBOLIZE_TABLE_BYTES_MAX, &c->table,
			   &c->table_bytes) < 0)
		c->is_bad = true;
}

/* 3.13 on (specialised calls of a class): under an inlined __init__ lies a frame of a static code
 * object, whose names are all the one str "__init__" and whose line table says nothing. */
static bool is_shim(const struct symbolize *s, const struct code *c)
{
	const struct pyruntime_names *n = &s->rt->names;
	uint64_t file, name;

	return n->code_qualname != PGD_NO_OFFSET && c->table_bytes <= 1 &&
	       procmem_u64(s->m, c->key.code + n->code_filename, &file) == 0 &&
	       procmem_u64(s->m, c->key.code + n->code_name, &name) == 0 && file == name;
}

static int read_code(const struct symbolize *s, const struct code_key *key, struct code **ret)
{
	const struct pyruntime_names *n = &s->rt->names;
	_cleanup_(code_freep) struct code *c = NULL;
	uint32_t line = 0;

	if (!is_still(s, key))
		return -ESTALE;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->key = *key;
	c->file = read_name(s, c, n->code_filename, PYOBJECT_CUT_START);
	c->function =
		read_name(s, c, n->code_qualname == PGD_NO_OFFSET ? n->code_name : n->code_qualname,
			  PYOBJECT_CUT_END);
	if (!c->file || !c->function)
		return -ENOMEM;
	read_table(s, c);
	if (procmem_u32(s->m, key->code + n->code_firstlineno, &line) == 0)
		c->first_line = (int32_t)line;
	c->is_internal = is_shim(s, c);
	if (!is_still(s, key))
		return -ESTALE;
	*ret = TAKE_PTR(c);
	return 0;
}

/* ── answers ──────────────────────────────────────────────────────────────────────────────── */

static int get_code(struct symbolize *s, const struct code_key *key, struct code **ret)
{
	struct code *c = NULL;
	size_t n_bytes;
	int r;

	HASH_FIND(hh, s->codes, key, sizeof(*key), c);
	if (!c) {
		r = read_code(s, key, &c);
		if (r < 0)
			return r;
		n_bytes = sizeof(*c) + strlen(c->function) + strlen(c->file) + c->table_bytes;
		if (HASH_COUNT(s->codes) >= SYMBOLIZE_CODES_MAX ||
		    s->n_bytes + n_bytes > SYMBOLIZE_CACHE_BYTES_MAX)
			forget_all(s);
		HASH_ADD(hh, s->codes, key, sizeof(c->key), c);
		s->n_bytes += n_bytes;
	}
	*ret = c;
	return 0;
}

int symbolize_frame(struct symbolize *s, const struct pgd_frame *frame, struct symbol *ret)
{
	struct code_key key = { .code = frame->code, .check = frame->check };
	struct code *c;
	int r;

	r = get_code(s, &key, &c);
	if (r < 0) {
		*ret = (struct symbol){ .function = "<gone>", .file = "<gone>" };
		return r;
	}
	snprintf(ret->function, sizeof(ret->function), "%s", c->function);
	snprintf(ret->file, sizeof(ret->file), "%s", c->file);
	ret->line = pyline_find(s->rt->names.pyline, c->table, c->table_bytes, c->first_line,
				frame->offset);
	ret->is_internal = c->is_internal;
	return c->is_bad ? -EBADMSG : 0;
}
