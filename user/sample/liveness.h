/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/liveness.h — which of these blocks are still alive? By looking, not by trapping.
 *
 * A pool block is free if it is on its pool's free list or was never carved: exact, since one read
 * gets the pool. In use, but by whom? The fingerprint says. libc's blocks have no free list that
 * can be walked: their chunk's size and first words must be as they were (free() overwrites them).
 * Batched: one process_vm_readv for many pools. What is read may change meanwhile; an answer can be
 * wrong for a block that changes hands at this very moment, and is right at the next look.
 *
 * What no look can tell: the same content at the same place. A program that makes the same str,
 * bytes, float or buffer again and again may get the same block for it. In phase with the looks
 * that was 3 to 12 % of the blocks of such a program, at random moments 0 to 12 %; with contents
 * that vary, 0 (a dict of 3.14 in phase: its block alone tells nothing). A window that sees the
 * address handed out again can. Numbers: make test-bpf, test_liveness.
 *
 * Costs 0.2 us a block where many are in a pool, 1.2 us a pool of 16 KiB (0.4 of 4 KiB) with two or
 * three in it (2-core VM, same test). Memory: 450 KiB a process.
 */
#ifndef USER_SAMPLE_LIVENESS_H
#define USER_SAMPLE_LIVENESS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/cleanup.h"
#include "pgd_abi.h"
#include "sample/fingerprint.h"
#include "target/procmem.h"
#include "target/pyruntime.h"

struct liveness; /* of one process: buffers, and the types that were found to be types */

enum liveness_state {
	LIVENESS_ALIVE = 0,
	LIVENESS_FREE, /* on the free list, never carved, pool given back, not mapped; at the first
			* look: dead, on a free list of the interpreter's own */
	LIVENESS_REUSED, /* in use by something else */
	LIVENESS_STATE_MAX
};

struct liveness_block {
	uint64_t block; /* address */
	uint32_t bytes; /* block size as its allocator sees it */
	uint32_t lane; /* enum pgd_lane */
	struct fingerprint *print; /* FINGERPRINT_NONE: is taken now; else compared with */
	enum liveness_state state; /* result */
};

/* rt and m are kept by reference and must outlive it. Limits: LIVENESS_TYPES_MAX types remembered,
 * then the table is emptied. 0 or -ENOMEM. */
#define LIVENESS_TYPES_MAX 4096
int liveness_new(const struct pyruntime *rt, const struct procmem *m, struct liveness **ret);
void liveness_free(struct liveness *l);
DEFINE_CLEANUP(struct liveness *, liveness_free)

/* Fill `state` of each, and `print` of those that have none and are alive. The order of `blocks` is
 * changed: they are sorted by pool. 0; -ESRCH: the process is gone; -EPERM; -ENOMEM. An address
 * that cannot be read is LIVENESS_FREE, no error. */
int liveness_look(struct liveness *l, struct liveness_block *blocks, size_t n);

#endif
