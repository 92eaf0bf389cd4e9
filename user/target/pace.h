/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/pace.h — how much of the target's normal work happened in a window?
 *
 * In a window the target runs up to 40 times slower, so that its time is no measure of what it did:
 * a window of 5 ms that held 2,500 allocations was 0.2 ms of normal life. What a window stands for
 * depends on it. Two measures, each good where the other is not:
 *
 *   by time   CPU time less the traps in it            good while traps are a small part
 *   by rate   allocations / (allocations a second)     good when traps are nearly all
 *
 * The true rate A cannot be had with all sites on, but with a few sites on that make a small share
 * f of the allocations: such a counting window slows the target by little. Per hit it takes
 *
 *   t = 1 / (A f) + c         c: what a hit costs in this target
 *
 * of CPU time. c is not what it is in a loop that does nothing but trap: caches and branch
 * predictors of a real program suffer, it is twice that here. So there are two sets of sites, a
 * wide one and a thin one, which is part of it, and two equations for A and c. Sampling windows
 * tell the wide set's share of all; the thin one has too few hits there, but its share of the wide
 * one's hits is seen in the wide one's counting windows as well. All this counts from when the sets
 * were chosen: they were chosen for having had few hits, which says that they will have more. How
 * much hits come in bursts, and so what the counts are worth, shows in how they scatter.
 *
 * What a hit costs is remembered for long, the rate is not: a program that begins to keep what it
 * dropped before takes new pages from the kernel, does the same work a quarter slower, and has
 * hits at other sites. So a rate is made of what is of the same time: how long a hit of the thin
 * set took in its counting windows, and what share it had in the sampling windows between them. And
 * the work of these is by the mean of the rates of the time before and the time after, for which it
 * is pending: by their own rate those windows would weigh least that have most of what the thin
 * set's sites take, by chance. A rate of so little scatters; but weights of many windows add up,
 * where that averages out, while a rate of long ago, or a share of another time, is wrong for all.
 * Pure: no clock, no I/O.
 */
#ifndef USER_TARGET_PACE_H
#define USER_TARGET_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pgd_abi.h"

/* What one hit costs the target, trap and program together. */
struct pace_cost {
	double alloc_ns, free_ns, count_ns;
};

/* A window, as the kernel side and the clocks saw it. */
struct pace_window {
	uint64_t allocs, frees; /* hits; of a counting window all are `allocs` */
	uint64_t cpu_ns; /* CPU time that the target used meanwhile */
	const uint32_t *site_hits; /* by site */
};

/* Is a weight for good? If not, it rests on a rate that will be known better. */
enum pace_pending {
	PACE_FOR_GOOD = 0,
	PACE_CLOSED, /* on that of its own time (struct pace_late), until the next one's is known,
			too */
	PACE_OPEN, /* its time is not over, or the rate is not known well enough to be believed */
};

/* What weights (one over work) are to be multiplied by; and by how many steps they come nearer to
 * FOR_GOOD then. */
struct pace_settlement {
	double open, closed;
	uint8_t n_steps;
};
static const struct pace_settlement pace_as_they_are = { 1, 1, PACE_OPEN };

/* What it is now, at least 1. */
double pace_settle_weight(const struct pace_settlement *s, double weight, uint8_t *pending);

enum pace_set {
	PACE_THIN = 0,
	PACE_WIDE,
	PACE_SETS
};

/* Of the time from one counting window of the thin set to another: as share_ and wide_ below; and
 * in the thin set's, both of these included. */
struct pace_late {
	double allocs, share_hits[PACE_SETS], wide_hits[PACE_SETS];
	double thin_hits, thin_ns;
};

/* What hits are counted by, and scatter about. Each by its own amount: how long something takes on
 * cores that others use as well is one thing, what two sets have of the same hits another. */
enum pace_scatter {
	PACE_OF_TIME = 0, /* hits of the thin set, by the time that was counted */
	PACE_OF_ALL, /* of the wide set, by all hits */
	PACE_OF_WIDE, /* of the thin set, by the wide one's */
	PACE_SCATTERS,
};

/* What windows have shown since the sets were chosen. */
struct pace_seen {
	/* Sums as pace.hits and .allocs: of all sites, and of each set. */
	double share_allocs, share_hits[PACE_SETS];
	double wide_hits[PACE_SETS]; /* of each set, in the wide one's counting windows */
	/* In counting windows of each set, weighted: hits, and CPU time; not weighted: hits,
	 * windows. */
	double ref_hits[PACE_SETS], ref_ns[PACE_SETS], ref_seen[PACE_SETS], ref_windows[PACE_SETS];
	/* The shortest such time that says enough; and what has come since. */
	struct pace_late late, next;
	bool is_late_new; /* late: since the last counting window */
	/* Of counts, squared, over what Poisson's would be; and how many. */
	double scatter[PACE_SCATTERS], n_scatter[PACE_SCATTERS];
	unsigned n_counts; /* counting windows */
	double since_count[PACE_SETS]; /* sampling windows since the last one of each set */
};

struct pace {
	size_t n_sites;
	uint8_t is_alloc[PGD_SITES_MAX]; /* hands blocks out: the others do not count */
	uint8_t is_ref[PACE_SETS][PGD_SITES_MAX]; /* on in counting windows: PACE_THIN, _WIDE */
	unsigned turn; /* whose turn it is in the counting window that was asked for */
	bool has_refs;
	/* Sums over windows, slowly forgotten. */
	float hits[PGD_SITES_MAX]; /* in sampling windows that were nearly all trap */
	double allocs; /* of all sites, in these */
	struct pace_seen seen;
	double guess_rate; /* allocations a second, by scouting or with the sets before */
	double pending_rate; /* what work that is PACE_OPEN rests on; 0: none is */
	double closed_rate, before_rate; /* what PACE_CLOSED work rests on; of the time before it */
	enum pace_pending pending; /* what pace_sample() has said last is: PACE_OPEN or _FOR_GOOD */
	double count_ns; /* what a hit costs at least */
	double heaviness; /* share of traps in the CPU time of late sampling windows */
};

void pace_init(struct pace *p, const uint8_t *is_alloc, size_t n_sites);

/* What scouting says of the sites, hits a second of CPU time by index, where `on`: enough to choose
 * the sets by. */
void pace_prime(struct pace *p, const uint8_t *on, const float *rates,
		const struct pace_cost *cost);
/* CPU time, in ns, that the work in this sampling window would have taken without us; at most
 * cpu_ns. p->pending: PACE_OPEN if by a rate that will be known better, see pace_settle(). NAN:
 * nobody has an idea. */
double pace_sample(struct pace *p, const struct pace_window *w, const struct pace_cost *cost);
/* A counting window with the sites of is_ref[turn] on. cost->count_ns: what a hit costs at least.
 */
void pace_count(struct pace *p, const struct pace_window *w, const struct pace_cost *cost);
/* After pace_count(): is anything known better now? */
bool pace_settle(struct pace *p, struct pace_settlement *ret);
/* What is pending stays as it is. */
void pace_settle_end(struct pace *p);

/* Would a counting window help now? `on`: sites that are hit, by index. Chooses p->turn, and
 * p->is_ref anew when that is due. */
bool pace_wants_count(struct pace *p, const uint8_t *on, uint64_t n_windows);
/* How long the counting window that was asked for is to be. By the clock, and not until it has had
 * so many hits: those end soon where hits are dense, and would make them seem denser still. */
double pace_count_ns(const struct pace *p);
/* Is the rate needed, and not known well enough yet? */
bool pace_is_wanting(const struct pace *p);
/* Allocations a second of CPU time, lately; NAN: not known well enough yet. */
double pace_rate(const struct pace *p);
/* What a hit of a counting window costs this target, ns; a guess until that was seen. */
double pace_hit_ns(const struct pace *p);
/* Relative standard error that what pace_sample() says has for long, not of one window: it does not
 * average out. */
double pace_error(const struct pace *p);

#endif
