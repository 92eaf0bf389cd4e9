/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/sitegc_end.c — which instruction stands for the `ret` of the collector?
 *
 * A uprobe on `ret` is single-stepped: 10 us a hit on a virtual machine on top of the trap itself,
 * where a young collection takes 50. So, if there is one: the last emulated instruction before the
 * ret that
 *   - each way from the entry to that ret passes (without it, the ret cannot be reached);
 *   - comes after the statistics were counted up: no 8 bytes or more are stored behind it;
 *   - is a conditional jump, or the second call of a function that is called twice
 *     (invoke_gc_callback, for "start" and "stop"), and not the call of the collector's main part.
 * Builds with USDT probes test a semaphore there, others call their callbacks; where there is
 * nothing the ret stays.
 */
#include <stdlib.h>

#include "lib/cleanup.h"
#include "target/sitegc_internal.h"

#define CANDIDATES_MAX 8
#define BYTES_MAX      (64 << 10) /* of all parts */
#define WAYS_MAX       512 /* that wait to be followed */
#define STATS_BYTES    8 /* of a counter in generation_stats */

struct ways {
	const struct sitescan *scan;
	const struct sitegc_parts *parts;
	uint8_t *seen; /* a byte of it for each of the parts */
	uint64_t waiting[WAYS_MAX];
	size_t n;
};

/* Where in `seen`; false: not in any part. */
static bool find_index(const struct ways *w, uint64_t vaddr, size_t *ret)
{
	size_t at = 0;

	for (size_t k = 0; k < w->parts->n; k++) {
		const struct sitescan_func *f = w->parts->v[k];

		if (vaddr >= f->start && vaddr < f->end) {
			*ret = at + (vaddr - f->start);
			return true;
		}
		at += f->end - f->start;
	}
	return false;
}

/* Follow one way to its end. True: it leads to `want`, or nobody knows where. */
static bool follow(struct ways *w, uint64_t at, uint64_t skip, uint64_t want)
{
	struct insn i;
	size_t index;

	for (;; at = i.op == INSN_JMP ? i.target : at + i.n_bytes) {
		if (at == want)
			return true;
		if (at == skip || !find_index(w, at, &index) || w->seen[index])
			return false;
		w->seen[index] = 1;
		if (!sitescan_decode(w->scan, at, &i) || i.op == INSN_JMP_IND)
			return true;
		if (i.op == INSN_RET)
			return false;
		if (i.op != INSN_JCC)
			continue;
		if (w->n == WAYS_MAX)
			return true;
		w->waiting[w->n++] = i.target;
	}
}

/* Can `want` be reached from the entry without passing `skip`? */
static bool has_way_around(const struct sitescan *scan, const struct sitegc_parts *parts,
			   uint64_t skip, uint64_t want)
{
	struct ways w = { .scan = scan, .parts = parts };
	_cleanup_free_ uint8_t *seen = NULL;
	size_t n_bytes = 0;

	for (size_t k = 0; k < parts->n; k++)
		n_bytes += parts->v[k]->end - parts->v[k]->start;
	seen = n_bytes <= BYTES_MAX ? calloc(1, n_bytes) : NULL;
	if (!seen)
		return true;
	w.seen = seen;
	w.waiting[w.n++] = parts->v[0]->start;
	while (w.n)
		if (follow(&w, w.waiting[--w.n], skip, want))
			return true;
	return false;
}

static unsigned count_calls(const struct sitescan *scan, const struct sitegc_parts *parts,
			    uint64_t callee)
{
	unsigned n = 0;
	struct insn i;

	for (size_t k = 0; k < parts->n; k++) {
		for (uint64_t at = parts->v[k]->start; at < parts->v[k]->end; at += i.n_bytes) {
			if (!sitescan_decode(scan, at, &i))
				i.n_bytes = 1;
			else
				n += i.op == INSN_CALL && i.target == callee;
		}
	}
	return n;
}

static bool is_candidate(const struct sitescan *scan, const struct sitegc_parts *parts,
			 const struct insn *i)
{
	if (!i->is_emulated)
		return false;
	return i->op == INSN_JCC ||
	       (i->op == INSN_CALL && count_calls(scan, parts, i->target) >= 2);
}

void sitegc_end_place(const struct sitescan *scan, const struct sitegc_parts *parts,
		      const struct sitescan_func *f, uint64_t vaddr, uint64_t *ret_vaddr)
{
	uint64_t found[CANDIDATES_MAX];
	size_t n = 0;
	struct insn i;

	*ret_vaddr = vaddr;
	for (uint64_t at = f->start; at < vaddr; at += i.n_bytes) {
		bool ends_run;

		if (!sitescan_decode(scan, at, &i)) {
			i.n_bytes = 1;
			n = 0;
			continue;
		}
		ends_run = i.op == INSN_JMP || i.op == INSN_JMP_IND || i.op == INSN_RET;
		if (ends_run || (i.is_store && i.width >= STATS_BYTES))
			n = 0;
		else if (is_candidate(scan, parts, &i))
			found[n++ % CANDIDATES_MAX] = at;
	}
	for (size_t k = 0; k < n && k < CANDIDATES_MAX; k++) {
		uint64_t at = found[(n - 1 - k) % CANDIDATES_MAX];

		if (!has_way_around(scan, parts, at, vaddr)) {
			*ret_vaddr = at;
			return;
		}
	}
}
