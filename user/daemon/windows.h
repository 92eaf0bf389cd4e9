/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/windows.h — observe targets within the overhead budget: whose sites are on, and when.
 *
 *   beat, some times a second:  what have they used, what have we cost them ─► budget
 *                               samples that are due ─► sampler_look
 *                               whose turn is it ─► shutter
 *   a window's result:          pace ─► weight ─► sampler_window
 */
#ifndef USER_DAEMON_WINDOWS_H
#define USER_DAEMON_WINDOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sampler.h"
#include "daemon/watch.h"
#include "lib/cleanup.h"
#include "sample/stacktab.h"
#include "target/budget.h"
#include "target/probes.h"

struct windows;

struct windows_options {
	struct budget_options budget;
	double new_sec; /* so long a target has the whole budget, if nothing of it grows or not; 0:
			 * WINDOWS_NEW_SEC */
};
#define WINDOWS_NEW_SEC 120.0

/* What `status` says of a target. */
struct windows_status {
	const char *regime; /* "exact", "windows", "waiting" */
	double duty, overhead, budget;
	uint64_t windows, samples, samples_alive;
};

/* Before any thread is started. 0, or -errno with one clear sentence in `why`. */
int windows_new(struct probes *p, struct stacktab *t, const struct windows_options *o,
		struct windows **ret, struct strbuf *why);
/* Every site off. */
void windows_free(struct windows *w);
DEFINE_CLEANUP(struct windows *, windows_free)

/* Take a target on; its watch must outlive windows_del(). */
int windows_add(struct windows *w, struct watch *watch, struct strbuf *why);
/* Its sites come off; samples stay, they are what was seen. */
void windows_end(struct windows *w, const struct watch *watch);
void windows_del(struct windows *w, const struct watch *watch);

/* Readable when a window is over, or when the kernel has something to say. */
int windows_fd(const struct windows *w);
int windows_births_fd(const struct windows *w);
/* Takes what is there to read, and sees whose turn it is. How long until it is to be called again
 * at most, says windows_wait_ns(). */
void windows_beat(struct windows *w);
uint64_t windows_wait_ns(const struct windows *w);

/* Estimates into the stack table: between stacktab_begin() and stacktab_end(). */
void windows_estimate(struct windows *w);
/* Other shares of the budget from now on. */
void windows_set_shares(struct windows *w, double share, double host_share);
/* Does some stack of it grow, beyond its error? Who does not gets a part of the budget. */
void windows_set_growing(struct windows *w, const struct watch *watch, bool is_growing);
/* Adds what was lost of its samples, for want of room. */
void windows_lost_add(const struct windows *w, const struct watch *watch,
		      uint64_t lost[PGD_COUNTER_MAX]);
void windows_status(const struct windows *w, const struct watch *watch, struct windows_status *ret);
/* What its collector has done, and the share of the time that its probes were on; NULL: they were
 * not found. */
const struct gccount *windows_gc(const struct windows *w, const struct watch *watch,
				 double *ret_duty);
/* The samples of a target, as samples_list() gives them. */
int windows_samples(const struct windows *w, uint32_t slot, const struct sample ***ret,
		    size_t *ret_n);
/* Every site of every target off, at once. */
void windows_stop(struct windows *w);

#endif
