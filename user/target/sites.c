/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sites.c — from the lists of a scan to the sites of an interpreter.
 *
 *   sitescan ─► idioms ──► POP, PUSH      not those inside the carver when it hands out as a whole
 *            ─► carver ──► CARVE          sitecarve.c
 *            ─► libc ────► MALLOC, FREE … sitelibc.c
 *            ─► gc ──────► GC_START, DONE sitegc.c
 *
 * Each adds what it can place and counts what it cannot.
 */
#include "target/sites.h"

#include <errno.h>
#include <stdlib.h>

#include "target/sites_internal.h"

static const char *const kind_names[] = {
	[SITE_POP] = "pop",	      [SITE_CARVE] = "carve",	    [SITE_MALLOC] = "malloc",
	[SITE_PUSH] = "push",	      [SITE_FREE] = "free",	    [SITE_REALLOC] = "realloc",
	[SITE_GC_START] = "gc_start", [SITE_GC_DONE] = "gc_done",   [SITE_RESIZED] = "resized",
};
_Static_assert(ARRAY_SIZE(kind_names) == SITE_KIND_MAX, "a name for each kind");

const char *site_kind_name(enum site_kind kind)
{
	return (unsigned)kind < SITE_KIND_MAX ? kind_names[kind] : "?";
}

void sites_done(struct sites *s)
{
	free(s->v);
	*s = (struct sites){ 0 };
}

size_t sites_count(const struct sites *s, enum site_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->v[i].kind == kind;
	return n;
}

int sites_add(struct sites *s, const struct elf_image *e, enum site_kind kind,
	      const struct siteplace *at)
{
	uint64_t offset;
	struct site *v;

	if (s->n == SITES_MAX || elf_vaddr_to_offset(e, at->vaddr, &offset) < 0)
		return -EBADMSG;
	if (!(s->n & (s->n - 1))) { /* full: it holds a power of two, or none yet */
		v = realloc(s->v, (s->n ? 2 * s->n : 1) * sizeof(*v));
		if (!v)
			return -ENOMEM;
		s->v = v;
	}
	s->v[s->n++] = (struct site){ offset, kind, at->reg, at->is_mem, at->disp };
	return 0;
}

int sites_add_forward(struct sites *s, const struct sitescan *scan, enum site_kind kind,
		      const struct siteplace_start *start)
{
	struct siteplace at;

	if (siteplace_forward(scan, start, &at) < 0) {
		s->n_unplaced++;
		return 0;
	}
	return sites_add(s, scan->e, kind, &at);
}

int sites_add_return(struct sites *s, const struct sitescan *scan, enum site_kind kind,
		     const struct sitescan_branch *b)
{
	struct siteplace_start start = { .vaddr = b->addr + b->n_bytes,
					 .regs = 1u << PGD_REG_AX,
					 .is_returned = true,
					 .callee = b->op == INSN_CALL ? b->target : 0 };

	return sites_add_forward(s, scan, kind, &start);
}

static int compare_sites(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (int)x->kind - (int)y->kind;
}

void sites_tidy(struct sites *s)
{
	size_t kept = 0;

	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), compare_sites);
	for (size_t i = 0; i < s->n; i++)
		if (kept == 0 || compare_sites(&s->v[kept - 1], &s->v[i]) != 0)
			s->v[kept++] = s->v[i];
	s->n = kept;
}

static int add_idioms(struct sites *s, const struct sitescan *scan,
		      const struct sitescan_func *carver)
{
	for (size_t k = 0; k < scan->n_idioms; k++) {
		const struct siteflow_idiom *d = &scan->idioms[k].flow;
		struct siteplace_start start = {
			.vaddr = d->next,
			.regs = d->regs,
			.pool_regs = d->is_push ? d->pool_regs : 0,
			.has_slot = d->has_slot,
			.slot = d->slot,
		};
		int r;

		if (!d->is_push && &scan->funcs[scan->idioms[k].func] == carver)
			continue;
		r = sites_add_forward(s, scan, d->is_push ? SITE_PUSH : SITE_POP, &start);
		if (r < 0)
			return r;
	}
	return 0;
}

static int find_all(struct sites *s, const struct sitescan *scan)
{
	const struct sitescan_func *carver = sitecarve_find(scan);
	int r = add_idioms(s, scan, carver);

	if (r == 0 && carver)
		r = sitecarve_add(s, scan, carver);
	if (r == 0)
		r = sitelibc_add(s, scan);
	if (r == 0)
		r = sitegc_add(s, scan);
	return r;
}

int sites_find(const struct elf_image *e, struct sites *ret)
{
	struct sitescan scan;
	struct sites s = { 0 };
	int r;

	r = sitescan_init(&scan, e);
	if (r == 0)
		r = find_all(&s, &scan);
	sitescan_done(&scan);
	sites_tidy(&s);
	if (r == 0 && sites_count(&s, SITE_POP) + sites_count(&s, SITE_CARVE) == 0)
		r = -ENOENT;
	if (r < 0) {
		sites_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}
