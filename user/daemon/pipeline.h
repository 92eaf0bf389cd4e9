/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/pipeline.h — the way of the data, from the kernel's maps to a snapshot. */
#ifndef USER_DAEMON_PIPELINE_H
#define USER_DAEMON_PIPELINE_H

#include <stddef.h>
#include <sys/types.h>

#include "daemon/watch.h"
#include "daemon/windows.h"
#include "lib/cleanup.h"
#include "sample/births.h"
#include "sample/drain.h"
#include "sample/stacktab.h"
#include "target/probes.h"

#define PIPELINE_LEFT_OUT_MAX 256 /* beyond: the oldest is forgotten */

/* A Python that is not watched, and why. */
struct left_out {
	pid_t pid;
	char comm[PROCFS_COMM_BYTES];
	const char *regime; /* "unsupported" or "excluded" */
	char why[192];
	bool is_for_room; /* too many are watched: it could be later */
};

struct pipeline {
	struct probes *probes;
	struct drain *drain;
	struct stacktab *stacks;
	struct births *births; /* of what is followed */
	struct windows *windows; /* NULL: --exact, sites are always on */
	struct watch **watches;
	size_t n_watches;
	struct left_out left_out[PIPELINE_LEFT_OUT_MAX];
	size_t n_left_out;
	uint64_t lost_before[PGD_COUNTER_MAX]; /* by processes that were removed */
	struct procfs fs;
	struct procfs_users users;
	char *state_dir; /* NULL: no cache */
	double started_sec; /* monotonic */
	unsigned n_ticks;
	struct probes_runs runs; /* of all programs, at the start of the interval */
	double ns_per_hit; /* what our programs take a hit; NAN: not known */
	double ticked_sec; /* Unix time of the last tick: how old the figures are */
};

struct pipeline_options {
	struct probes_options probes;
	const char *state_dir; /* of the site cache; NULL: no cache */
	struct births_options births;
	bool exact; /* no budget: every block is followed, whatever it costs */
	struct windows_options windows;
};

/* 0, or -errno with one clear sentence in `why`. */
int pipeline_open(const struct pipeline_options *o, struct pipeline **ret, struct strbuf *why);
void pipeline_close(struct pipeline *p);
DEFINE_CLEANUP(struct pipeline *, pipeline_close)

/* Take a process on: found, understood, sites on. */
int pipeline_add(struct pipeline *p, pid_t pid, struct strbuf *why);

/* Not any more: sites off, what was gathered of it goes. */
void pipeline_remove(struct pipeline *p, struct watch *w);
/* One that we do not watch, for status: its row, until the next call of these two; and not so any
 * more. */
struct left_out *pipeline_leave_out(struct pipeline *p, pid_t pid, const char *comm,
				    const char *regime, const char *why);
void pipeline_let_in(struct pipeline *p, pid_t pid);
/* All that was lost of it: by the kernel side, by us, by the samples' table. */
void pipeline_lost(const struct pipeline *p, const struct watch *w, uint64_t ret[PGD_COUNTER_MAX]);
/* Has it gone since the last tick? */
void pipeline_check(struct pipeline *p, struct watch *w);
/* Whose slot is it? NULL: nobody's. */
struct watch *pipeline_watch(const struct pipeline *p, uint32_t slot);

/* New stacks, at once: while their code objects are there. */
void pipeline_events(struct pipeline *p);
/* Windows only, some times a second, and whenever one of its descriptors is readable. */
void pipeline_beat(struct pipeline *p);
/* One interval: everything that the kernel has, into the stacks' series. */
void pipeline_tick(struct pipeline *p);
/* Sites off everywhere; what was gathered stays. */
void pipeline_detach(struct pipeline *p);

/* Processes still watched. */
size_t pipeline_alive(const struct pipeline *p);

#endif
