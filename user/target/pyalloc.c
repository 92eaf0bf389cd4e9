/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pyalloc.c — see pyalloc.h.
 *
 *   default      obj {NULL, _PyObject_Malloc, ...}              raw {NULL, _PyMem_RawMalloc, ...}
 *   malloc       obj {NULL, _PyMem_RawMalloc, ...}              raw the same
 *   debug        obj {─► {'o', real slot}, _PyMem_DebugMalloc}  raw {─► {'r', real slot}, ...}
 *   tracemalloc  obj {─► the slot that was here before, its own functions}
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "target/insn.h"
#include "target/pyalloc.h"

/* PyMemAllocatorEx */
struct slot {
	uint64_t ctx;
	uint64_t functions[4]; /* malloc, calloc, realloc, free */
};

#define HOOKS_MAX	 4 /* hooks upon hooks */
#define DECODE_BYTES_MAX 64 /* the slot is read right at the start of PyObject_Malloc */

static bool is_text(const struct discover *d, uint64_t addr)
{
	const struct elf_range *ranges;
	size_t n = elf_exec_ranges(d->elf, &ranges);

	for (size_t i = 0; i < n; i++)
		if (addr - d->bias >= ranges[i].start && addr - d->bias < ranges[i].end)
			return true;
	return false;
}

/* Four different functions of the interpreter? */
static bool is_own_slot(const struct discover *d, const struct slot *s)
{
	for (int i = 0; i < 4; i++) {
		if (!is_text(d, s->functions[i]))
			return false;
		for (int j = 0; j < i; j++)
			if (s->functions[i] == s->functions[j])
				return false;
	}
	return true;
}

/* Plausible for a static that some extension has overwritten: four functions of somebody's. */
static bool is_any_slot(const struct discover *d, const struct slot *s)
{
	for (int i = 0; i < 4; i++)
		if (s->functions[i] < 4096 || s->functions[i] >> 47)
			return false;
	return !is_text(d, s->ctx);
}

/* <= 3.11: the first %rip-relative operands of the exported function are the slot's `ctx` or, where
 * the compiler has inlined the static, `malloc`, 8 bytes into it. */
static int decode_slot(const struct discover *d, const struct procmem *m, const char *function,
		       struct slot *ret)
{
	_cleanup_(insn_decoder_freep) struct insn_decoder *decoder = NULL;
	uint8_t code[DECODE_BYTES_MAX];
	bool has_any = false;
	struct slot s;
	uint64_t vaddr;

	if (elf_symbol(d->elf, function, &vaddr, NULL) < 0 ||
	    elf_read(d->elf, vaddr, code, sizeof(code)) < 0)
		return -ENOENT;
	decoder = insn_decoder_new();
	if (!decoder)
		return -ENOMEM;
	for (size_t at = 0; at < sizeof(code);) {
		struct insn insn;

		insn_decode(decoder, code + at, sizeof(code) - at, vaddr + at, &insn);
		at += insn.n_bytes;
		if (!insn.mem.is_used || !insn.mem.is_rip)
			continue;
		for (int back = 0; back <= 8; back += 8) {
			if (procmem_read(m, insn.target + d->bias - (uint64_t)back, &s, sizeof(s)) <
			    0)
				continue;
			if (is_own_slot(d, &s)) {
				*ret = s;
				return 0;
			}
			if (!has_any && is_any_slot(d, &s)) {
				*ret = s;
				has_any = true;
			}
		}
	}
	return has_any ? 0 : -ENOENT;
}

static int read_slot(const struct discover *d, const struct procmem *m, uint64_t runtime,
		     uint32_t offset, const char *function, struct slot *ret)
{
	if (offset == PGD_NO_OFFSET)
		return decode_slot(d, m, function, ret);
	return procmem_read(m, runtime + offset, ret, sizeof(*ret));
}

/* Down through the hooks to who really serves; *s is that one then. */
static enum pyalloc_kind unwrap(const struct discover *d, const struct procmem *m, struct slot *s)
{
	bool is_hooked = false;

	for (int i = 0; i < HOOKS_MAX && s->ctx; i++) {
		struct slot inner;

		if (!is_text(d, s->functions[0]) ||
		    procmem_read(m, s->ctx, &inner, sizeof(inner)) < 0)
			return PYALLOC_FOREIGN;
		/* debug_alloc_api_t: {char api_id; PyMemAllocatorEx alloc} */
		if (inner.ctx == 'o' || inner.ctx == 'm' || inner.ctx == 'r')
			return PYALLOC_DEBUG;
		*s = inner;
		is_hooked = true;
	}
	if (s->ctx || !is_own_slot(d, s))
		return PYALLOC_FOREIGN;
	return is_hooked ? PYALLOC_HOOKED : PYALLOC_PYMALLOC;
}

int pyalloc_check(const struct discover *d, const struct procmem *m, const struct pylayout *l,
		  uint64_t runtime, enum pyalloc_kind *ret)
{
	enum pyalloc_kind kind;
	struct slot obj, raw;
	int r;

	r = read_slot(d, m, runtime, l->obj_alloc, "PyObject_Malloc", &obj);
	if (r < 0)
		return r;
	r = read_slot(d, m, runtime, l->raw_alloc, "PyMem_RawMalloc", &raw);
	if (r < 0)
		return r;
	kind = unwrap(d, m, &obj);
	if (kind == PYALLOC_PYMALLOC || kind == PYALLOC_HOOKED) {
		unwrap(d, m, &raw);
		if (obj.functions[0] == raw.functions[0])
			kind = PYALLOC_MALLOC;
	}
	*ret = kind;
	return 0;
}
