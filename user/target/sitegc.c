/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sitegc.c — where does a garbage collection begin, and where does it end?
 *
 * The function is static: gc_collect_main (3.10+), collect (3.8, 3.9). By name where .symtab is
 *left; else it is the call behind `mov $2,%esi` (the oldest generation) in the exported
 *PyGC_Collect. In 3.8 that rule finds invoke_gc_callback, so a stripped 3.8 gets no gc sites.
 *
 *	          ┌──────────────┐
 *	START ──► │ entry        │──jcc──► cold part (own range) ──ret──► DONE
 *	          │ … ret / jmp f│──► DONE
 *	          └──────────────┘
 *
 * For a ret an instruction shortly before it may stand, which costs no single step: sitegc_end.c.
 */
#include "target/sitegc_internal.h"
#include "target/sites_internal.h"

#include <errno.h>
#include <string.h>

#define COLLECTORS_MAX	 4 /* 3.8 has two copies of collect() */
#define AFTER_GEN2_MAX	 8 /* instructions between mov $2,%esi and the call */
#define EXPORT_INSNS_MAX 200 /* looked at in PyGC_Collect */

struct collectors {
	uint64_t v[COLLECTORS_MAX];
	size_t n;
};

/* ── finding it ───────────────────────────────────────────────────────────────────────────── */
/* "collect", "collect.constprop.1", not "collect.cold" or "collect.part.0". */
static bool is_collector_name(const char *name)
{
	static const char *const names[] = { "gc_collect_main", "collect" };

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		size_t n = strlen(names[k]);

		if (!strncmp(name, names[k], n) &&
		    (!name[n] ||
		     (name[n] == '.' && !strstr(name, ".cold") && !strstr(name, ".part"))))
			return true;
	}
	return false;
}

static int match_collector(const char *name, uint64_t vaddr, uint64_t size_bytes, void *arg)
{
	struct collectors *c = arg;

	(void)size_bytes;
	if (c->n < COLLECTORS_MAX && is_collector_name(name))
		c->v[c->n++] = vaddr;
	return 0;
}

static bool is_gen2(const struct insn *i)
{
	return i->op == INSN_MOV && i->dst == PGD_REG_SI && !i->mem.is_used &&
	       i->src == INSN_NO_REG && i->imm == 2;
}

/* The direct call behind mov $2,%esi in the function at vaddr; jumps out of it are followed once.
 */
static bool find_gen2_call(const struct sitescan *scan, uint64_t vaddr, bool may_follow,
			   uint64_t *ret)
{
	const struct sitescan_func *f = sitescan_func_at(scan, vaddr);
	int since = AFTER_GEN2_MAX;
	struct insn i;

	for (int n = 0; f && n < EXPORT_INSNS_MAX && vaddr < f->end; n++, vaddr += i.n_bytes) {
		if (!sitescan_decode(scan, vaddr, &i))
			return false;
		since = is_gen2(&i) ? 0 : since + 1;
		if (since < AFTER_GEN2_MAX && (i.op == INSN_CALL || i.op == INSN_JMP) &&
		    (i.target < f->start || i.target >= f->end)) {
			*ret = i.target;
			return true;
		}
		if (may_follow && i.op == INSN_JMP && sitescan_func_at(scan, i.target) != f &&
		    find_gen2_call(scan, i.target, false, ret))
			return true;
	}
	return false;
}

static void find_collectors(const struct sitescan *scan, struct collectors *ret)
{
	uint64_t vaddr;

	elf_each_symbol(scan->e, match_collector, ret);
	if (ret->n)
		return;
	/* PyObject_GC_IsTracked came with 3.9. */
	if (elf_symbol(scan->e, "PyObject_GC_IsTracked", &vaddr, NULL) < 0 ||
	    elf_symbol(scan->e, "PyGC_Collect", &vaddr, NULL) < 0)
		return;
	if (find_gen2_call(scan, vaddr, true, &vaddr))
		ret->v[ret->n++] = vaddr;
}

/* ── its ends ─────────────────────────────────────────────────────────────────────────────── */
static bool add_part(struct sitegc_parts *p, const struct sitescan_func *f)
{
	for (size_t k = 0; k < p->n; k++)
		if (p->v[k] == f)
			return true;
	if (p->n == SITEGC_PARTS_MAX)
		return false;
	p->v[p->n++] = f;
	return true;
}

/* A range reached by jcc, or one that jumps back into `home` behind its start, is a cold part of
 * it; one reached by jmp only is the target of a tail call. */
static bool is_part(const struct sitescan *scan, const struct sitescan_func *home,
		    const struct insn *via, const struct sitescan_func *f)
{
	struct insn i;

	if (via->op == INSN_JCC || via->target != f->start)
		return true;
	for (uint64_t at = f->start; at < f->end; at += i.n_bytes) {
		if (!sitescan_decode(scan, at, &i))
			return false;
		if ((i.op == INSN_JMP || i.op == INSN_JCC) && i.target > home->start &&
		    i.target < home->end)
			return true;
	}
	return false;
}

/* The cold parts of its parts: all of them before any end is placed. */
static void add_parts(struct sites *s, const struct sitescan *scan, struct sitegc_parts *p,
		      size_t k)
{
	const struct sitescan_func *f = p->v[k], *to;
	struct insn i;

	for (uint64_t at = f->start; at < f->end; at += i.n_bytes) {
		if (!sitescan_decode(scan, at, &i)) {
			i.n_bytes = 1;
			continue;
		}
		to = i.op == INSN_JMP || i.op == INSN_JCC ? sitescan_func_at(scan, i.target) : f;
		if (to && to != f && is_part(scan, p->v[0], &i, to))
			s->n_unplaced += !add_part(p, to);
	}
}

static int add_ends(struct sites *s, const struct sitescan *scan, const struct sitegc_parts *p,
		    size_t k)
{
	const struct sitescan_func *f = p->v[k];
	struct insn i;

	for (uint64_t at = f->start; at < f->end; at += i.n_bytes) {
		struct siteplace here = { .vaddr = at };
		const struct sitescan_func *to;
		int r = 0;

		if (!sitescan_decode(scan, at, &i)) {
			i.n_bytes = 1;
			continue;
		}
		to = i.op == INSN_JMP || i.op == INSN_JCC ? sitescan_func_at(scan, i.target) : f;
		if (i.op == INSN_RET)
			sitegc_end_place(scan, p, f, at, &here.vaddr);
		if (i.op == INSN_RET || (to != f && !(to && is_part(scan, p->v[0], &i, to))))
			r = sites_add(s, scan->e, SITE_GC_DONE, &here);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_collector(struct sites *s, const struct sitescan *scan, uint64_t vaddr)
{
	const struct sitescan_func *f = sitescan_func_at(scan, vaddr);
	struct siteplace at = { 0 };
	struct sitegc_parts parts = { 0 };
	int r;

	if (!f || f->start != vaddr || siteplace_entry(scan, vaddr, &at.vaddr) < 0) {
		s->n_unplaced++;
		return 0;
	}
	r = sites_add(s, scan->e, SITE_GC_START, &at);
	add_part(&parts, f);
	for (size_t k = 0; k < parts.n; k++)
		add_parts(s, scan, &parts, k);
	for (size_t k = 0; r == 0 && k < parts.n; k++)
		r = add_ends(s, scan, &parts, k);
	return r;
}

int sitegc_add(struct sites *s, const struct sitescan *scan)
{
	struct collectors c = { 0 };
	int r = 0;

	find_collectors(scan, &c);
	for (size_t k = 0; r == 0 && k < c.n; k++)
		r = add_collector(s, scan, c.v[k]);
	return r;
}
