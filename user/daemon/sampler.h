/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/sampler.h — the life of samples: taken on, looked at, buried, added up. */
#ifndef USER_DAEMON_SAMPLER_H
#define USER_DAEMON_SAMPLER_H

#include <stdint.h>

#include "daemon/lens.h"
#include "lib/cleanup.h"
#include "sample/capture.h"
#include "sample/samples.h"
#include "sample/stacktab.h"
#include "target/probes.h"

/* Blocks that are younger do not count as held: most blocks of a busy process live for
 * milliseconds, and one of them that is alive by chance at a window's end would stand for
 * thousands. */
#define SAMPLER_SETTLED_SEC 2.0

struct sampler;

int sampler_new(struct probes *p, struct stacktab *t, struct sampler **ret);
void sampler_free(struct sampler *s);
DEFINE_CLEANUP(struct sampler *, sampler_free)

/* A window is about to open: room in `c` for witnesses. */
void sampler_open(struct sampler *s, const struct lens *l, struct capture *c);
/* The blocks that a window has caught alive. */
void sampler_window(struct sampler *s, const struct lens *l, const struct capture *c,
		    const struct lens_window *w, double now_sec);
/* What weights of pending samples of this target rest on is known better. */
void sampler_settle(struct sampler *s, const struct lens *l,
		    const struct pace_settlement *settlement);
/* One block of a target that was followed exactly until now: weight 1 or, if only some of its
 * blocks were kept, more. */
void sampler_add(struct sampler *s, const struct lens *l, const struct pgd_sample *from,
		 double weight, double born_sec);
/* A block that was taken at a rare site. If realloc made it of one that is known, in the same
 * stack, that one has become this: it is as old, and has not died. */
void sampler_birth(struct sampler *s, const struct lens *l, const struct pgd_birth *birth,
		   double now_sec);

/* Look at the samples of this target that are due. Nanoseconds of our CPU time that it took. */
uint64_t sampler_look(struct sampler *s, struct lens *l, double now_sec);
/* Estimates of its stacks, into the table: between stacktab_begin() and stacktab_end(). */
void sampler_estimate(struct sampler *s, const struct lens *l, double now_sec);
void sampler_forget(struct sampler *s, const struct lens *l);

size_t sampler_count(const struct sampler *s, uint32_t slot);
/* As samples_list(). */
int sampler_list(const struct sampler *s, uint32_t slot, const struct sample ***ret, size_t *ret_n);
void sampler_lost(const struct sampler *s, uint32_t slot, struct samples_lost *ret);

#endif
