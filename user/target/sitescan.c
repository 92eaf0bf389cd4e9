/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sitescan.c — decode the text function by function, and note what sites.c needs.
 *
 * Functions are what .eh_frame_hdr says; code before the first of them, and files without the
 * table, are swept linearly as one function per executable range. 0.5 s for the 4.3 MB of
 * Debian's 3.14.
 */
#include "target/sitescan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *v, size_t n, size_t *cap, size_t row_bytes)
{
	size_t want = *cap ? *cap * 2 : 256;
	void *p = v;

	if (n < *cap)
		return v;
	p = realloc(v, want * row_bytes);
	if (p)
		*cap = want;
	return p;
}

/* ── functions and jump targets ───────────────────────────────────────────────────────────── */
static int list_functions(struct sitescan *s)
{
	const uint64_t *starts;
	size_t n = elf_functions(s->e, &starts), k = 0;

	s->funcs = calloc(n + s->n_ranges, sizeof(*s->funcs));
	if (!s->funcs)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_ranges; i++) {
		const struct elf_range *r = &s->ranges[i];
		uint64_t at = r->start;

		while (k < n && starts[k] <= at)
			k++;
		for (; at < r->end; k += at < r->end) {
			uint64_t end = k < n && starts[k] < r->end ? starts[k] : r->end;

			if (!r->is_plt)
				s->funcs[s->n_funcs++] = (struct sitescan_func){ at, end, 0, 0 };
			at = end;
		}
	}
	return 0;
}

static int compare_jumps(const void *a, const void *b)
{
	const struct sitescan_jump *x = a, *y = b;

	if (x->target != y->target)
		return x->target < y->target ? -1 : 1;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Index of the first jump to vaddr or behind it. */
static size_t first_jump(const struct sitescan *s, uint64_t vaddr)
{
	size_t lo = 0, hi = s->n_jumps;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->jumps[mid].target < vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t sitescan_jumps_to(const struct sitescan *s, uint64_t vaddr, const struct sitescan_jump **ret)
{
	size_t k = first_jump(s, vaddr), n = 0;

	while (k + n < s->n_jumps && s->jumps[k + n].target == vaddr)
		n++;
	*ret = &s->jumps[k];
	return n;
}

bool sitescan_is_joined(const struct sitescan *s, uint64_t start, uint64_t end)
{
	size_t k = first_jump(s, start);

	return k < s->n_jumps && s->jumps[k].target < end;
}

static int compare_idioms(const void *a, const void *b)
{
	const struct sitescan_idiom *x = a, *y = b;

	return x->flow.next < y->flow.next ? -1 : x->flow.next > y->flow.next;
}

struct sitescan_idiom *sitescan_idiom_before(const struct sitescan *s, uint64_t vaddr)
{
	struct sitescan_idiom key = { .flow.next = vaddr };

	if (!s->n_idioms)
		return NULL;
	return bsearch(&key, s->idioms, s->n_idioms, sizeof(key), compare_idioms);
}

const struct sitescan_func *sitescan_func_at(const struct sitescan *s, uint64_t vaddr)
{
	size_t lo = 0, hi = s->n_funcs;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (s->funcs[mid].end <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->n_funcs && vaddr >= s->funcs[lo].start ? &s->funcs[lo] : NULL;
}

static bool falls_through(const struct insn *i)
{
	return i->op != INSN_JMP && i->op != INSN_JMP_IND && i->op != INSN_RET && i->op != INSN_BAD;
}

/* ── what an instruction adds ─────────────────────────────────────────────────────────────── */
/* init_pool() writes count = 1 at 0, szidx at 36, nextoffset at 40, maxnextoffset at 44 (dwords)
 * and freeblock at 8; nothing else in an interpreter does all five. */
static uint32_t header_store(const struct insn *i)
{
	if (i->op != INSN_MOV || !i->is_store || i->mem.base == PGD_REG_SP)
		return 0;
	if (i->width == 8)
		return i->mem.disp == 8 ? 0x10 : 0;
	if (i->width != 4)
		return 0;
	switch (i->mem.disp) {
	case 0:
		return i->src == INSN_NO_REG && i->imm == 1 ? 0x01 : 0;
	case 36:
		return 0x02;
	case 40:
		return 0x04;
	case 44:
		return 0x08;
	}
	return 0;
}

/* What the last call returned, and where it still is. */
struct returned {
	uint64_t callee; /* 0: an indirect call */
	uint64_t since; /* address behind the call */
	uint16_t regs;
};

static void step_returned(struct returned *r, const struct insn *i)
{
	bool copies = i->op == INSN_MOV && i->width == 8 && i->dst < INSN_NO_REG &&
		      i->src < INSN_NO_REG && (r->regs & 1u << i->src);

	r->regs &= (uint16_t)~i->writes;
	if (copies)
		r->regs |= (uint16_t)(1u << i->dst);
	if (!falls_through(i))
		r->regs = 0;
	if (i->op == INSN_CALL || i->op == INSN_CALL_IND) {
		r->callee = i->op == INSN_CALL ? i->target : 0;
		r->since = i->addr + i->n_bytes;
		r->regs = 1u << PGD_REG_AX;
	}
}

static uint64_t step_before(uint64_t before, const struct insn *i)
{
	if (!falls_through(i) || (i->writes & 1u << PGD_REG_DI))
		return 0;
	return i->is_emulated ? i->addr : before;
}

static int note_jump(struct sitescan *s, const struct returned *ret, const struct insn *i)
{
	struct sitescan_jump *v;

	if (i->op != INSN_JMP && i->op != INSN_JCC)
		return 0;
	v = grow(s->jumps, s->n_jumps, &s->cap_jumps, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->jumps = v;
	v[s->n_jumps++] = (struct sitescan_jump){
		.target = i->target,
		.addr = i->addr,
		.callee = ret->callee,
		.since_bytes = (uint32_t)(i->addr - ret->since),
		.regs = ret->regs,
	};
	return 0;
}

/* A jump stub outside of the sections named so; a file may have no sections. [endbr64] [bnd] jmp */
static bool is_stub(const struct sitescan_func *f, const struct insn *i)
{
	return i->addr - f->start <= 4;
}

static int note_branch(struct sitescan *s, uint32_t func, uint64_t before, const struct insn *i)
{
	const struct sitescan_func *f = &s->funcs[func];
	struct sitescan_branch *v;

	switch (i->op) {
	case INSN_CALL:
		break;
	case INSN_JMP:
		if (i->target >= f->start && i->target < f->end)
			return 0;
		break;
	case INSN_JMP_IND:
		if (is_stub(f, i) || !i->mem.is_rip || !elf_got_name(s->e, i->target))
			return 0;
		break;
	case INSN_CALL_IND:
		if (!i->mem.is_rip)
			return 0;
		break;
	default:
		return 0;
	}
	v = grow(s->branches, s->n_branches, &s->cap_branches, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->branches = v;
	v[s->n_branches++] = (struct sitescan_branch){
		.addr = i->addr,
		.target = i->target,
		.before = before,
		.func = func,
		.n_bytes = i->n_bytes,
		.op = (uint8_t)i->op,
		.is_emulated = i->is_emulated,
	};
	return 0;
}

static int note_idiom(struct sitescan *s, uint32_t func, const struct siteflow_idiom *flow)
{
	struct sitescan_idiom *v;

	if (s->n_idioms == SITESCAN_IDIOMS_MAX)
		return -EBADMSG;
	v = grow(s->idioms, s->n_idioms, &s->cap_idioms, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->idioms = v;
	v[s->n_idioms++] = (struct sitescan_idiom){ *flow, func, false };
	s->funcs[func].n_idioms += flow->is_proven;
	return 0;
}

static int scan_function(struct sitescan *s, uint32_t func, struct siteflow *flow)
{
	struct sitescan_func *f = &s->funcs[func];
	size_t n_bytes = f->end - f->start, at = 0;
	const uint8_t *code = elf_bytes(s->e, f->start, n_bytes);
	struct returned returned = { 0 };
	uint64_t before = 0;

	if (!code)
		return 0;
	siteflow_reset(flow);
	while (at < n_bytes) {
		struct siteflow_idiom idiom;
		struct insn i;
		int r;

		insn_decode(s->dec, code + at, n_bytes - at, f->start + at, &i);
		at += i.n_bytes;
		f->header_stores |= header_store(&i);
		r = note_jump(s, &returned, &i);
		if (r == 0)
			r = note_branch(s, func, before, &i);
		if (r == 0 && siteflow_step(flow, &i, &idiom))
			r = note_idiom(s, func, &idiom);
		if (r < 0)
			return r;
		step_returned(&returned, &i);
		before = step_before(before, &i);
	}
	return 0;
}

int sitescan_init(struct sitescan *s, const struct elf_image *e)
{
	_cleanup_free_ struct siteflow *flow = malloc(sizeof(*flow));
	int r;

	*s = (struct sitescan){ .e = e };
	s->n_ranges = elf_exec_ranges(e, &s->ranges);
	s->dec = insn_decoder_new();
	if (!flow || !s->dec)
		return -ENOMEM;
	r = list_functions(s);
	for (uint32_t k = 0; r == 0 && k < s->n_funcs; k++)
		r = scan_function(s, k, flow);
	if (s->n_idioms)
		qsort(s->idioms, s->n_idioms, sizeof(*s->idioms), compare_idioms);
	if (s->n_jumps)
		qsort(s->jumps, s->n_jumps, sizeof(*s->jumps), compare_jumps);
	return r;
}

void sitescan_done(struct sitescan *s)
{
	insn_decoder_free(s->dec);
	free(s->funcs);
	free(s->branches);
	free(s->idioms);
	free(s->jumps);
	*s = (struct sitescan){ 0 };
}

bool sitescan_decode(const struct sitescan *s, uint64_t vaddr, struct insn *ret)
{
	const struct sitescan_func *f = sitescan_func_at(s, vaddr);
	const uint8_t *code = f ? elf_bytes(s->e, vaddr, f->end - vaddr) : NULL;

	if (!code)
		return false;
	insn_decode(s->dec, code, f->end - vaddr, vaddr, ret);
	return ret->op != INSN_BAD;
}
