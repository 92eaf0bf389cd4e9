/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/gcstate.c — see gcstate.h. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/cleanup.h"
#include "target/gcstate.h"

#define ENABLED_AT	 12
#define PERMANENT_BEFORE 24 /* the statistics */
#define LINK_FLAGS	 3ull /* low bits of a link are the collector's */
#define PAGE_BYTES	 4096

/* struct gc_generation: the list's head (struct _PyGC_Head), and when it is due. */
struct list {
	uint64_t next, prev;
	int32_t threshold, count;
};

static uint64_t without_flags(uint64_t link)
{
	return link & ~LINK_FLAGS;
}

/* The neighbour of an empty list's head is the head itself. */
static bool is_head(const struct procmem *m, uint64_t addr)
{
	uint64_t next, back;

	return procmem_u64(m, addr, &next) == 0 && without_flags(next) &&
	       procmem_u64(m, without_flags(next) + 8, &back) == 0 && without_flags(back) == addr;
}

static unsigned count_heads(const struct procmem *m, uint64_t lists)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PGD_GENERATIONS; i++)
		n += is_head(m, lists + i * sizeof(struct list));
	return n;
}

int gcstate_find(const struct procmem *m, uint64_t gc, uint64_t gc_stats, struct gcstate *ret)
{
	static const uint32_t places[] = { 24, 20 };
	uint64_t permanent = gc_stats - PERMANENT_BEFORE;

	*ret = (struct gcstate){ 0 };
	for (size_t i = 0; gc && i < ARRAY_SIZE(places); i++) {
		if (count_heads(m, gc + places[i]) < PGD_GENERATIONS - 1)
			continue;
		*ret = (struct gcstate){
			.enabled = gc + ENABLED_AT,
			.lists = gc + places[i],
			.permanent = is_head(m, permanent) ? permanent : 0,
			.n_frozen = -1,
		};
		return 0;
	}
	return -EBADMSG;
}

/* Objects that were made together lie together: a page of them costs one read. */
struct page {
	uint64_t addr; /* 0: none */
	uint8_t bytes[PAGE_BYTES];
};

static int read_links(const struct procmem *m, struct page *page, uint64_t node, struct list *ret)
{
	uint64_t addr = node & ~(uint64_t)(PAGE_BYTES - 1), at = node - addr;
	size_t n_bytes = offsetof(struct list, threshold);
	int r = 0;

	if (at + n_bytes > PAGE_BYTES)
		return procmem_read(m, node, ret, n_bytes);
	if (page->addr != addr)
		r = procmem_read(m, addr, page->bytes, PAGE_BYTES);
	page->addr = r < 0 ? 0 : addr;
	if (r == 0)
		memcpy(ret, page->bytes + at, n_bytes);
	return r;
}

static int64_t count_frozen(const struct procmem *m, uint64_t head, uint64_t first)
{
	uint64_t node = without_flags(first), before = head;
	struct page page = { .addr = 0 };
	int64_t n = 0;

	for (; node != head && n < GCSTATE_FROZEN_MAX; n++) {
		struct list links;

		if (read_links(m, &page, node, &links) < 0 || without_flags(links.prev) != before)
			return -1;
		before = node;
		node = without_flags(links.next);
	}
	return n;
}

/* More than can be counted: freeze() adds at the end. */
static bool has_more(const struct gcstate *g, int64_t n, uint64_t last)
{
	return g->n_frozen >= 0 &&
	       (n > g->n_frozen || (n == GCSTATE_FROZEN_MAX && last != g->frozen_last));
}

static int64_t read_frozen(const struct procmem *m, struct gcstate *g)
{
	struct list head;
	int64_t n;

	if (!g->permanent || procmem_read(m, g->permanent, &head, sizeof(head)) < 0)
		return -1;
	if (g->n_frozen >= 0 && head.next == g->frozen_first && head.prev == g->frozen_last)
		return g->n_frozen;
	n = count_frozen(m, g->permanent, head.next);
	if (n < 0)
		return -1;
	g->is_freezing |= has_more(g, n, head.prev);
	g->n_frozen = n;
	g->frozen_first = head.next;
	g->frozen_last = head.prev;
	return g->n_frozen;
}

int gcstate_read(const struct procmem *m, struct gcstate *g, struct gcstate_now *ret)
{
	struct list lists[PGD_GENERATIONS];
	uint32_t enabled;
	int r;

	if (!g->lists)
		return -ENOENT;
	r = procmem_u32(m, g->enabled, &enabled);
	if (r == 0)
		r = procmem_read(m, g->lists, lists, sizeof(lists));
	if (r < 0)
		return r;
	ret->is_enabled = enabled;
	for (unsigned i = 0; i < PGD_GENERATIONS; i++) {
		ret->thresholds[i] = lists[i].threshold;
		ret->counts[i] = lists[i].count;
	}
	ret->n_frozen = read_frozen(m, g);
	ret->is_freezing = g->is_freezing;
	return 0;
}
