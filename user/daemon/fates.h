/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/fates.h — of a target in windows: who freed what its samples stand for?
 *
 *	window ─► all that it took ──► dead at its end: by references  ─┐
 *	                          └──► alive: some are witnesses ─► fate ┼─► struct cycles_drawn
 *	looks ──► samples that have died: how much was freed in all  ───┘    of the stack
 */
#ifndef USER_DAEMON_FATES_H
#define USER_DAEMON_FATES_H

#include "daemon/lens.h"
#include "lib/cleanup.h"
#include "sample/capture.h"
#include "sample/samples.h"
#include "sample/stacktab.h"

struct fates;

/* Both must outlive it. 0 or -ENOMEM. */
int fates_new(struct probes *p, struct stacktab *t, struct fates **ret);
void fates_free(struct fates *f);
DEFINE_CLEANUP(struct fates *, fates_free)

/* A window is about to open: room in `c` for witnesses. */
void fates_open(struct fates *f, const struct lens *l, struct capture *c);
/* Its result; before another one is opened. */
void fates_window(struct fates *f, const struct lens *l, const struct capture *c,
		  const struct lens_window *w);
/* As samples_settle(). */
void fates_settle(struct fates *f, uint32_t slot, const struct pace_settlement *settlement);
/* A sample has died. */
void fates_end(struct fates *f, const struct sample *sample);
/* A sample has not died, and is at another address now. */
void fates_move(struct fates *f, const struct sample *sample);
/* What has become of witnesses since the last call. */
void fates_harvest(struct fates *f, uint32_t slot);
/* Full collections whose end was seen so far; a number to compare. */
uint32_t fates_fulls(const struct fates *f, uint32_t slot);
void fates_forget(struct fates *f, uint32_t slot);

#endif
