/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/siteflow.h — is this run of instructions a pymalloc free-list pop or push?
 *
 * P is the pool, B the block, both in whatever registers; the order varies:
 *
 *	pop                              push
 *	  B = [P+8]     (freeblock)        X = [P+8]
 *	  ++dword [P]   (count)            [B] = X
 *	  R = [B]                          [P+8] = B
 *	  [P+8] = R                        --dword [P], or P = B & ~(pool size - 1)
 *	  test R,R; jcc    ◄─ the site ─►  jcc
 *
 * Fed with instructions in address order, it numbers values: two registers hold the same number if
 * they certainly hold the same value. A branch taken out of the run or into it is not followed; the
 * run ends where control cannot fall through.
 */
#ifndef USER_TARGET_SITEFLOW_H
#define USER_TARGET_SITEFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "target/insn.h"

#define SITEFLOW_VALUES_MAX 512 /* numbers a run may use; then the matcher starts afresh */
#define SITEFLOW_RING_MAX   16 /* facts of a kind remembered; the oldest gives way */

struct siteflow_idiom {
	uint64_t next; /* address behind the last store of the idiom */
	uint16_t regs; /* registers that hold B there, a bit each */
	uint16_t pool_regs; /* registers that hold P there */
	bool has_slot; /* B was also spilled, to slot(%rsp) */
	int32_t slot;
	bool is_push;
	bool is_proven; /* false: a jmp at `next` ends the run before the count was seen */
};

/* What a register holds: the value `id` plus `off`. */
struct siteflow_value {
	uint32_t id;
	int64_t off;
};

/* Where the value `id` comes from. */
struct siteflow_origin {
	enum {
		SITEFLOW_UNKNOWN = 0,
		SITEFLOW_LOAD,
		SITEFLOW_AND
	} kind;
	uint8_t width; /* of the load */
	struct siteflow_value from; /* address loaded from, or operand of the and */
	int64_t mask;
};

struct siteflow_mem {
	struct siteflow_value addr;
	struct siteflow_value value;
	uint8_t width; /* 0: unused row */
};

struct siteflow_link { /* [B] = [P+8] was stored, or [P+8] = B was */
	struct siteflow_value pool;
	struct siteflow_value block;
	bool is_used;
};

struct siteflow_wait { /* stores complete, the count not seen yet */
	struct siteflow_idiom idiom;
	struct siteflow_value pool;
	bool is_used;
};

struct siteflow {
	struct siteflow_value regs[PGD_REG_MAX];
	struct siteflow_origin origins[SITEFLOW_VALUES_MAX];
	uint32_t n_values;
	struct siteflow_mem mem[SITEFLOW_RING_MAX];
	struct siteflow_link links[SITEFLOW_RING_MAX]; /* [B] = [P+8] */
	struct siteflow_link heads[SITEFLOW_RING_MAX]; /* [P+8] = B */
	struct siteflow_mem counts[SITEFLOW_RING_MAX]; /* dword [P] += value.off */
	struct siteflow_wait waits[SITEFLOW_RING_MAX];
	unsigned n_mem, n_links, n_heads, n_counts, n_waits;
};

/* Forget everything: a new run begins. */
void siteflow_reset(struct siteflow *f);
/* One instruction further. True if it completes an idiom: *ret says which. The proof may come some
 * instructions after ret->next; where a jmp comes first the idiom is given as not proven. */
bool siteflow_step(struct siteflow *f, const struct insn *i, struct siteflow_idiom *ret);

#endif
