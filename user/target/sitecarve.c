/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sitecarve.c — who opens a new pool, and where does its first block come out?
 *
 * `allocate_from_new_pool` is static and stripped, but it is the one function that initialises a
 * whole pool header (sitescan.c collects the stores) and that is called from beside the pops. Where
 * it is inlined into a function with a pop of its own (3.8's pymalloc_alloc), that function hands
 * out blocks as a whole: its callers are the sites, and sites.c leaves its pops out.
 */
#include "target/sites_internal.h"

static bool has_pop(const struct sitescan *scan, size_t func)
{
	for (size_t k = 0; k < scan->n_idioms; k++)
		if (scan->idioms[k].func == func && !scan->idioms[k].flow.is_push &&
		    scan->idioms[k].flow.is_proven)
			return true;
	return false;
}

/* Calls of f that can be for a new pool: from a function with a pop, or all, if f pops itself.
 * Other functions may store at the same offsets (gcc 16 made one such of libpython 3.13), but
 * nobody who pops calls them. */
static size_t count_calls(const struct sitescan *scan, const struct sitescan_func *f)
{
	bool pops = has_pop(scan, (size_t)(f - scan->funcs));
	size_t n = 0;

	for (size_t k = 0; k < scan->n_branches; k++)
		n += scan->branches[k].op == INSN_CALL && scan->branches[k].target == f->start &&
		     (pops || has_pop(scan, scan->branches[k].func));
	return n;
}

const struct sitescan_func *sitecarve_find(const struct sitescan *scan)
{
	const struct sitescan_func *best = NULL;
	size_t best_calls = 0;

	for (size_t k = 0; k < scan->n_funcs; k++) {
		const struct sitescan_func *f = &scan->funcs[k];
		size_t n;

		if (f->header_stores != SITESCAN_HEADER_ALL)
			continue;
		n = count_calls(scan, f);
		if (n <= best_calls)
			continue;
		best = f;
		best_calls = n;
	}
	return best;
}

/* Behind the carver's return, the arm of a pop that extended its pool may join: the block of that
 * pop is in the same register, and was reported. The kernel side takes a block that the same stack
 * gets twice for one, so the join does no harm; without the site the first block of every pool
 * would be missed, one in 31 of the largest class. */
static int add_return(struct sites *s, const struct sitescan *scan, const struct sitescan_branch *b)
{
	struct siteplace_start start = { .vaddr = b->addr + b->n_bytes,
					 .regs = 1u << PGD_REG_AX,
					 .is_returned = true,
					 .callee = b->target };
	struct siteplace at;

	start.ignores_joins = siteplace_forward(scan, &start, &at) < 0;
	return sites_add_forward(s, scan, SITE_CARVE, &start);
}

int sitecarve_add(struct sites *s, const struct sitescan *scan, const struct sitescan_func *carver)
{
	for (size_t k = 0; k < scan->n_branches; k++) {
		const struct sitescan_branch *b = &scan->branches[k];
		int r = 0;

		if (b->target != carver->start || &scan->funcs[b->func] == carver)
			continue;
		if (b->op == INSN_CALL)
			r = add_return(s, scan, b);
		else if (b->op == INSN_JMP)
			s->n_unplaced++; /* the block comes out at callers we do not know */
		if (r < 0)
			return r;
	}
	return 0;
}
