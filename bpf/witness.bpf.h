/* SPDX-License-Identifier: GPL-2.0-only */
/* bpf/witness.bpf.h — which of a target's witnesses does a collection free?
 *
 * A young collection is over before the daemon could be woken, so the kernel looks, in the thread
 * that collects: a few words of each block tell that it is what it was (sample/witness.c chooses
 * them). What it reads may be anything; it only compares. 0.1 µs a witness; paid for as hits are.
 */
#ifndef BPF_WITNESS_BPF_H
#define BPF_WITNESS_BPF_H

#include "kernel.bpf.h"
#include "gcstate.bpf.h"
#include "maps.bpf.h"

#define WITNESS_POINTER_MIN 0x10000ULL /* mmap_min_addr */

static __always_inline int witness_word(const struct pgd_witness *row, __u8 at, __u64 *ret)
{
	return bpf_probe_read_user(ret, sizeof(*ret), (void *)(row->block + 8 * (__u64)at));
}

/* As fingerprint.c has it: counts have 32 bits, above may be flags; a link has more. */
static __always_inline bool witness_is_alive(const struct pgd_witness *row)
{
	__u64 word = 0;

	if (row->life == PGD_WITNESS_LIFE_WORDS)
		return true;
	if (witness_word(row, row->life_at, &word))
		return false;
	if (row->life == PGD_WITNESS_LIFE_LITTLE)
		return word && word < WITNESS_POINTER_MIN;
	return (__u32)word && !(word >> 32 & 0xffff);
}

/* 1: it is what it was.
 * verifier: a global function is checked once and not for each row. */
__noinline int witness_is_same(struct pgd_witness *row)
{
	__u64 word = 0;

	if (!row || !witness_is_alive(row))
		return 0;
	for (int i = 0; i < PGD_WITNESS_WORDS; i++) {
		if (row->at[i] == PGD_WITNESS_NO_WORD)
			break;
		if (witness_word(row, row->at[i], &word) || word != row->was[i])
			return 0;
	}
	return 1;
}

/* The daemon may take the row back meanwhile: then it is not ours to change. */
static __always_inline void witness_move(struct pgd_witness *row, __u32 from, __u32 to)
{
	__sync_val_compare_and_swap(&row->state, from, to);
}

static __always_inline struct pgd_witness *witness_row(__u32 slot, __u32 i)
{
	return &pgd_witnesses[(slot & (PGD_TARGETS_MAX - 1)) * PGD_WITNESSES_MAX +
			      (i & (PGD_WITNESSES_MAX - 1))];
}

/* A collection begins. has_missed: another one was, that nobody looked at. */
static __always_inline void witness_start(__u32 slot, bool has_missed)
{
	__u32 n = gcstate_trip(slot)->n_witnesses;

	for (__u32 i = 0; i < PGD_WITNESSES_MAX && i < n; i++) {
		struct pgd_witness *row = witness_row(slot, i);
		__u32 state = row->state;

		if (state != PGD_WITNESS_WATCHED && state != PGD_WITNESS_INSIDE)
			continue;
		if (witness_is_same(row))
			witness_move(row, state, PGD_WITNESS_INSIDE);
		else
			witness_move(row, state, has_missed ? PGD_WITNESS_LOST : PGD_WITNESS_GONE);
	}
}

/* It is done. How many were looked at. */
static __always_inline __u32 witness_done(__u32 slot, bool is_full)
{
	__u32 n = gcstate_trip(slot)->n_witnesses, n_looked = 0;

	for (__u32 i = 0; i < PGD_WITNESSES_MAX && i < n; i++) {
		struct pgd_witness *row = witness_row(slot, i);

		if (row->state != PGD_WITNESS_INSIDE)
			continue;
		n_looked++;
		if (is_full)
			row->n_fulls++;
		witness_move(row, PGD_WITNESS_INSIDE,
			     witness_is_same(row) ? PGD_WITNESS_WATCHED
			     : is_full		  ? PGD_WITNESS_COLLECTED_FULL
						  : PGD_WITNESS_COLLECTED);
	}
	return n_looked;
}

#endif
