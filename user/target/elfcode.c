/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/elfcode.c — which bytes are code, where do functions begin, where do stubs lead?
 *
 * The half of elf.h that `sites` needs. Function starts come from .eh_frame_hdr's search table,
 * which the unwinder needs at run time and strip therefore keeps:
 *
 *   version ptr_enc count_enc table_enc | eh_frame_ptr | count | { start, fde } × count
 *      1     any    udata4     datarel sdata4 (the only encodings that ld, gold, lld and mold
 * write)
 */
#include "target/elf_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EH_PE_OMIT	     0xff
#define EH_PE_UDATA4	     0x03
#define EH_PE_DATAREL_SDATA4 0x3b

/* ── executable ranges ────────────────────────────────────────────────────────────────────── */
static int compare_ranges(const void *a, const void *b)
{
	const struct elf_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static int add_range(struct elf_image *e, uint64_t start, uint64_t n_bytes, bool is_plt)
{
	struct elf_range *v;

	if (!n_bytes || !elf_bytes(e, start, n_bytes))
		return 0;
	v = realloc(e->ranges, (e->n_ranges + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	e->ranges = v;
	v[e->n_ranges++] = (struct elf_range){ start, start + n_bytes, is_plt };
	return 0;
}

static int add_section_ranges(struct elf_image *e)
{
	Elf_Scn *scn = NULL;
	size_t strings;

	if (elf_getshdrstrndx(e->elf, &strings) < 0)
		return 0;
	while ((scn = elf_nextscn(e->elf, scn))) {
		const char *name;
		GElf_Shdr sh;
		int r;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_PROGBITS ||
		    !(sh.sh_flags & SHF_EXECINSTR))
			continue;
		name = elf_strptr(e->elf, strings, sh.sh_name);
		r = add_range(e, sh.sh_addr, sh.sh_size, name && !strncmp(name, ".plt", 4));
		if (r < 0)
			return r;
	}
	return 0;
}

/* Sorted, disjoint, and no more than ELF_TEXT_BYTES_MAX in all. */
static void tidy_ranges(struct elf_image *e)
{
	uint64_t end = 0, total_bytes = 0;
	size_t kept = 0;

	if (e->n_ranges)
		qsort(e->ranges, e->n_ranges, sizeof(*e->ranges), compare_ranges);
	for (size_t i = 0; i < e->n_ranges; i++) {
		struct elf_range r = e->ranges[i];

		if (r.start < end)
			r.start = end;
		if (r.start >= r.end || r.end - r.start > ELF_TEXT_BYTES_MAX - total_bytes)
			continue;
		total_bytes += r.end - r.start;
		end = r.end;
		e->ranges[kept++] = r;
	}
	e->n_ranges = kept;
}

int elf_image_read_ranges(struct elf_image *e)
{
	int r = add_section_ranges(e);

	for (size_t i = 0; r == 0 && e->n_ranges == 0 && i < e->n_loads; i++)
		if (e->loads[i].p_flags & PF_X)
			r = add_range(e, e->loads[i].p_vaddr, e->loads[i].p_filesz, false);
	tidy_ranges(e);
	return r;
}

size_t elf_exec_ranges(const struct elf_image *e, const struct elf_range **ret)
{
	*ret = e->ranges;
	return e->n_ranges;
}

/* ── function starts ──────────────────────────────────────────────────────────────────────── */
static int32_t load_s32(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_in_ranges(const struct elf_image *e, uint64_t vaddr)
{
	size_t lo = 0, hi = e->n_ranges;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (e->ranges[mid].end <= vaddr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < e->n_ranges && vaddr >= e->ranges[lo].start;
}

/* The table's rows, and how many are really there; NULL if there is none that we can read. */
static const uint8_t *find_table(const struct elf_image *e, size_t *ret_n)
{
	const uint8_t *h = e->eh_frame_hdr ? elf_bytes(e, e->eh_frame_hdr, 12) : NULL;
	size_t n;

	if (!h || h[0] != 1 || h[1] == EH_PE_OMIT || h[2] != EH_PE_UDATA4 ||
	    h[3] != EH_PE_DATAREL_SDATA4)
		return NULL;
	n = (uint32_t)load_s32(h + 8);
	h = elf_bytes(e, e->eh_frame_hdr, 12 + 8 * n);
	*ret_n = n;
	return h ? h + 12 : NULL;
}

int elf_image_read_functions(struct elf_image *e)
{
	size_t n = 0, kept = 0, unique = 0;
	const uint8_t *rows = find_table(e, &n);

	if (!rows || !n)
		return 0;
	e->functions = malloc(n * sizeof(*e->functions));
	if (!e->functions)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		uint64_t start = e->eh_frame_hdr + (uint64_t)(int64_t)load_s32(rows + 8 * i);

		if (is_in_ranges(e, start))
			e->functions[kept++] = start;
	}
	qsort(e->functions, kept, sizeof(*e->functions), compare_u64);
	for (size_t i = 0; i < kept; i++)
		if (i == 0 || e->functions[i] != e->functions[i - 1])
			e->functions[unique++] = e->functions[i];
	e->n_functions = unique;
	return 0;
}

size_t elf_functions(const struct elf_image *e, const uint64_t **ret)
{
	*ret = e->functions;
	return e->n_functions;
}

/* ── GOT slots and jump stubs ─────────────────────────────────────────────────────────────── */
static int compare_slots(const void *a, const void *b)
{
	const struct elf_slot *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static const char *import_name(const struct elf_image *e, Elf_Data *syms, size_t strings,
			       const GElf_Rela *rela)
{
	uint32_t type = (uint32_t)GELF_R_TYPE(rela->r_info);
	GElf_Sym sym;

	if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT)
		return NULL;
	if (GELF_R_SYM(rela->r_info) > INT32_MAX ||
	    !gelf_getsym(syms, (int)GELF_R_SYM(rela->r_info), &sym))
		return NULL;
	return elf_strptr(e->elf, strings, sym.st_name);
}

static int add_slots(struct elf_image *e, Elf_Scn *scn, const GElf_Shdr *sh)
{
	Elf_Scn *sym_scn = elf_getscn(e->elf, sh->sh_link);
	Elf_Data *relas = elf_getdata(scn, NULL);
	Elf_Data *syms = sym_scn ? elf_getdata(sym_scn, NULL) : NULL;
	size_t n = relas ? relas->d_size / sizeof(Elf64_Rela) : 0;
	struct elf_slot *v;
	GElf_Shdr sym_sh;

	if (!n || n > INT32_MAX || !syms || !gelf_getshdr(sym_scn, &sym_sh) ||
	    sym_sh.sh_type != SHT_DYNSYM)
		return 0;
	/* Sections may overlap in a hostile file: together they hold no more than the file could.
	 */
	if (e->n_slots + n > e->n_bytes / sizeof(Elf64_Rela))
		return -EBADMSG;
	v = realloc(e->slots, (e->n_slots + n) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	e->slots = v;
	for (size_t i = 0; i < n; i++) {
		const char *name;
		GElf_Rela rela;

		if (!gelf_getrela(relas, (int)i, &rela))
			continue;
		name = import_name(e, syms, sym_sh.sh_link, &rela);
		if (name)
			v[e->n_slots++] = (struct elf_slot){ rela.r_offset, name };
	}
	return 0;
}

int elf_image_read_slots(struct elf_image *e)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(e->elf, scn))) {
		GElf_Shdr sh;
		int r;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type != SHT_RELA)
			continue;
		r = add_slots(e, scn, &sh);
		if (r < 0)
			return r;
	}
	if (e->n_slots)
		qsort(e->slots, e->n_slots, sizeof(*e->slots), compare_slots);
	return 0;
}

const char *elf_got_name(const struct elf_image *e, uint64_t vaddr)
{
	struct elf_slot key = { vaddr, NULL };
	const struct elf_slot *s = NULL;

	if (e->n_slots)
		s = bsearch(&key, e->slots, e->n_slots, sizeof(*e->slots), compare_slots);
	return s ? s->name : NULL;
}

/* [endbr64] [bnd] jmp *disp32(%rip) */
const char *elf_plt_name(const struct elf_image *e, uint64_t vaddr)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	const uint8_t *p = elf_bytes(e, vaddr, 11);
	uint64_t at = vaddr;

	if (!p) /* the last stub of a file that ends with it */
		return NULL;
	if (!memcmp(p, endbr64, sizeof(endbr64))) {
		p += sizeof(endbr64);
		at += sizeof(endbr64);
	}
	if (p[0] == 0xf2) {
		p++;
		at++;
	}
	if (p[0] != 0xff || p[1] != 0x25)
		return NULL;
	return elf_got_name(e, at + 6 + (uint64_t)(int64_t)load_s32(p + 2));
}
