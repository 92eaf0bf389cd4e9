/* SPDX-License-Identifier: GPL-2.0-only */
/* user/sample/capture.h — which blocks of a window are alive at its end, and how do they look?
 *
 * Called while frees are still seen: the kernel empties the row of a block that dies meanwhile, so
 * what is left after the look was there during the look.
 */
#ifndef USER_SAMPLE_CAPTURE_H
#define USER_SAMPLE_CAPTURE_H

#include <stddef.h>

#include "lib/cleanup.h"
#include "pgd_abi.h"
#include "sample/fingerprint.h"
#include "sample/liveness.h"
#include "sample/witness.h"

struct capture_block {
	struct pgd_sample sample;
	struct fingerprint print;
};

/* Who of them is handed to the kernel as a witness (witness.h), while the frees are still seen too.
 */
struct capture_witnesses {
	const struct pgd_gc_trip *trip; /* of the window's target; NULL: no witnesses */
	uint32_t phase; /* of trip, when the window was opened; odd */
	struct witness_room room;
	uint64_t seed;
	/* Results. The epoch is the one that the window ended in: of blocks taken in it, those that
	 * have died before the capture were freed by references. False: a collection has come
	 * between, or was not seen, and nothing is known of any. */
	bool is_known;
	uint8_t epoch;
	size_t n; /* rows[] of the room that are watched, and whose block each is */
	size_t blocks[WITNESSES_A_WINDOW];
	size_t n_candidates; /* blocks that could have been one */
};

struct capture {
	struct liveness *liveness; /* of the window's target; the caller's */
	struct capture_block *blocks; /* PGD_SAMPLES_MAX of them, n are filled */
	struct liveness_block *looks;
	uint16_t *rows; /* which row of the kernel's each came from */
	size_t n;
	int error; /* of the look: then n is 0 */
	struct capture_witnesses witnesses;
};

int capture_new(struct capture **ret);
void capture_free(struct capture *c);
DEFINE_CLEANUP(struct capture *, capture_free)

/* As shutter_plan.capture: userdata is the struct capture. Allocates nothing. */
void capture_run(void *userdata, struct pgd_sample *samples, size_t n_max);

#endif
