/* SPDX-License-Identifier: GPL-2.0-only */
/* user/target/probes.h — load the kernel side once, and hand out its programs, maps and slots. */
#ifndef USER_TARGET_PROBES_H
#define USER_TARGET_PROBES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/cleanup.h"
#include "lib/strbuf.h"
#include "pgd_abi.h"
#include "target/window.h"

struct probes;

struct probes_options {
	uint32_t live_max; /* rows of the live map; 0: PGD_LIVE_MAX */
	double born_unit_sec; /* births are told at least as finely; 0: to 8.6 s */
	bool force_perf; /* tests: as on a kernel without uprobe_multi */
};

/* Loads and verifies the programs, and chooses the attach method by trying it on ourselves. 0, or
 * -errno with one clear sentence in `why`: -EPERM names the missing capability, -ENOTSUP the
 * missing kernel feature (BTF, version). */
int probes_open(const struct probes_options *o, struct probes **ret, struct strbuf *why);
void probes_close(struct probes *p);
DEFINE_CLEANUP(struct probes *, probes_close)

/* Is this kernel new enough, and does it carry BTF? -ENOTSUP with one clear sentence in `why`. */
int probes_check_kernel(const char *release, const char *btf_path, struct strbuf *why);

/* Memory that the kernel programs and we share (pgd_abi.h says who writes what); owned by `p`. */
struct probes_shared {
	struct pgd_gate *gate;
	struct pgd_sample *samples; /* PGD_SAMPLES_MAX */
	struct pgd_walked *walked; /* PGD_WALKED_MAX */
	uint32_t *site_hits; /* PGD_SITES_MAX */
	uint32_t *rare_hits; /* by slot * PGD_SITES_MAX + site */
	uint8_t *suspects; /* PGD_SUSPECTS_MAX */
	struct pgd_trip *trips; /* by slot */
	struct pgd_gc_trip *gc_trips; /* by slot */
	struct pgd_witness *witnesses; /* by slot * PGD_WITNESSES_MAX */
	uint32_t *epochs; /* by slot */
};
void probes_shared(const struct probes *p, struct probes_shared *ret);

enum window_method probes_method(const struct probes *p);
/* File descriptors, owned by `p`. */
int probes_stacks_fd(const struct probes *p);
int probes_events_fd(const struct probes *p);
int probes_live_fd(const struct probes *p);
uint32_t probes_born_shift(const struct probes *p); /* of its rows: pgd_live.born */
int probes_births_fd(const struct probes *p);
int probes_over_fd(const struct probes *p);
int probes_procs_fd(const struct probes *p);
void probes_prog_fds(const struct probes *p, int ret[WINDOW_PROG_MAX]);

/* Give a process a slot and tell the kernel how to read it. -ENOSPC: all are taken. */
#define PROBES_TARGETS_MAX (PGD_TARGETS_MAX - 1) /* one slot is the self-test's */
int probes_slot_add(struct probes *p, const struct pgd_target *t, uint32_t *ret_slot);
/* Forget it: its live blocks, stacks, counters. Only after its window is closed. */
void probes_slot_del(struct probes *p, uint32_t slot);

/* How it is observed from now on. */
int probes_set_mode(struct probes *p, uint32_t slot, enum pgd_mode mode);

/* From now on the kernel side may remember the code objects that it reads, since it sees every
 * block of this target change hands; or it may not. What it remembers is forgotten. */
void probes_remember_codes(struct probes *p, uint32_t slot, bool yes);

/* A sample of the daemon's: the row goes away when the kernel sees the block change hands. */
int probes_follow(struct probes *p, uint32_t slot, uint64_t block);
bool probes_is_followed(const struct probes *p, uint32_t slot, uint64_t block);
void probes_unfollow(struct probes *p, uint32_t slot, uint64_t block);

/* About how many blocks are followed. */
size_t probes_live_count(const struct probes *p, uint32_t slot);
/* Each block that is followed, of these slots: one pass over all rows, whose time is that of the
 * map and not of what is found. Non-zero from `each`: its row goes. */
typedef int (*probes_live_visit_t)(void *userdata, uint32_t slot, uint64_t block,
				   const struct pgd_live *live);
void probes_live_each(struct probes *p, const bool is_of[PGD_TARGETS_MAX], probes_live_visit_t each,
		      void *userdata);
/* Their stacks hold nothing any more, as far as the kernel's sums go. */
void probes_stacks_reset(struct probes *p, const bool is_of[PGD_TARGETS_MAX]);

/* What the kernel knows of a slot now. */
int probes_state(const struct probes *p, uint32_t slot, enum pgd_target_state *ret);
int probes_gc(const struct probes *p, uint32_t slot, struct pgd_gc *ret);
int probes_hits(const struct probes *p, uint32_t slot, struct pgd_hits *ret);
int probes_counters(const struct probes *p, uint32_t slot, uint64_t ret[PGD_COUNTER_MAX]);

/* News of processes (struct pgd_proc_event): on, off. Off when opened. 0, or -errno; off then. */
int probes_procs_attach(struct probes *p);
void probes_procs_detach(struct probes *p);
/* Of these, how many did not fit into the ring so far. */
uint64_t probes_procs_lost(const struct probes *p);

/* Nanoseconds that one trap at an emulated site costs on this machine, with a program that only
 * counts: measured when opened. */
double probes_trap_ns(const struct probes *p);
/* Runs of a program, and the nanoseconds that they took, while the kernel was told to measure that,
 * over all targets. Measuring costs two readings of the clock a hit, so it is on at times only. */
struct probes_runs {
	uint64_t ns, n;
};
int probes_runs(const struct probes *p, enum window_prog prog, struct probes_runs *ret);
void probes_measure_runs(struct probes *p, bool on);

#endif
