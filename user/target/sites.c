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
	[SITE_POP] = "pop",	      [SITE_CARVE] = "carve",	  [SITE_MALLOC] = "malloc",
	[SITE_PUSH] = "push",	      [SITE_FREE] = "free",	  [SITE_REALLOC] = "realloc",
	[SITE_GC_START] = "gc_start", [SITE_GC_DONE] = "gc_done", [SITE_RESIZED] = "resized",
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

/* ── pops and pushes ──────────────────────────────────────────────────────────────────────── */
static struct siteplace_start start_of(const struct siteflow_idiom *d)
{
	return (struct siteplace_start){
		.vaddr = d->next,
		.regs = d->regs,
		.pool_regs = d->is_push ? d->pool_regs : 0,
		.has_slot = d->has_slot,
		.slot = d->slot,
	};
}

/* Compilers merge the tails of two copies: the stores of one, then a jump to behind the stores of
 * the other. Both are seen at the latter's site if they agree on a register. */
static bool merge(const struct sitescan *scan, const struct sitescan_idiom *d,
		  struct siteplace_start *start)
{
	const struct sitescan_jump *j;
	size_t n = sitescan_jumps_to(scan, d->flow.next, &j);

	*start = start_of(&d->flow);
	start->is_merged = true;
	start->has_slot = false;
	for (size_t k = 0; k < n; k++) {
		const struct sitescan_idiom *peer = sitescan_idiom_before(scan, j[k].addr);

		if (!peer || peer->flow.is_push != d->flow.is_push)
			return false;
		start->regs &= peer->flow.regs;
		start->pool_regs &= peer->flow.pool_regs;
	}
	return n > 0;
}

static int add_merged(struct sites *s, const struct sitescan *scan, struct sitescan_idiom *d)
{
	const struct sitescan_jump *j;
	struct siteplace_start start;
	struct siteplace at;
	size_t n;

	if (d->is_done || !d->flow.is_proven || !merge(scan, d, &start) ||
	    siteplace_forward(scan, &start, &at) < 0)
		return 0;
	n = sitescan_jumps_to(scan, d->flow.next, &j);
	for (size_t k = 0; k < n; k++)
		sitescan_idiom_before(scan, j[k].addr)->is_done = true;
	d->is_done = true;
	return sites_add(s, scan->e, d->flow.is_push ? SITE_PUSH : SITE_POP, &at);
}

static int add_idioms(struct sites *s, const struct sitescan *scan,
		      const struct sitescan_func *carver)
{
	int r = 0;

	for (size_t k = 0; k < scan->n_idioms; k++) {
		struct sitescan_idiom *d = &scan->idioms[k];

		d->is_done = !d->flow.is_push && &scan->funcs[d->func] == carver;
	}
	for (size_t k = 0; r == 0 && k < scan->n_idioms; k++)
		r = add_merged(s, scan, &scan->idioms[k]);
	for (size_t k = 0; r == 0 && k < scan->n_idioms; k++) {
		const struct sitescan_idiom *d = &scan->idioms[k];
		struct siteplace_start start = start_of(&d->flow);

		if (d->is_done || !d->flow.is_proven)
			continue;
		r = sites_add_forward(s, scan, d->flow.is_push ? SITE_PUSH : SITE_POP, &start);
	}
	return r;
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
