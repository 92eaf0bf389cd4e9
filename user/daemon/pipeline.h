/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/pipeline.h — the way of the data, from the kernel's maps to a snapshot. */
#ifndef USER_DAEMON_PIPELINE_H
#define USER_DAEMON_PIPELINE_H

#include <stddef.h>
#include <sys/types.h>

#include "daemon/watch.h"
#include "daemon/windows.h"
#include "lib/cleanup.h"
#include "sample/drain.h"
#include "sample/stacktab.h"
#include "target/probes.h"

struct pipeline {
	struct probes *probes;
	struct drain *drain;
	struct stacktab *stacks;
	struct windows *windows; /* NULL: --exact, sites are always on */
	struct watch **watches;
	size_t n_watches;
	struct procfs fs;
	const char *state_dir; /* NULL: no cache */
	double started_sec; /* monotonic */
	unsigned n_ticks;
	struct probes_runs runs; /* of all programs, at the start of the interval */
	double ns_per_hit; /* what our programs take a hit; NAN: not known */
	double ticked_sec; /* Unix time of the last tick: how old the figures are */
};

struct pipeline_options {
	struct probes_options probes;
	const char *state_dir; /* of the site cache; NULL: no cache */
	bool exact; /* no budget: every block is followed, whatever it costs */
	struct budget_options budget;
};

/* 0, or -errno with one clear sentence in `why`. */
int pipeline_open(const struct pipeline_options *o, struct pipeline **ret, struct strbuf *why);
void pipeline_close(struct pipeline *p);
DEFINE_CLEANUP(struct pipeline *, pipeline_close)

/* Take a process on: found, understood, sites on. */
int pipeline_add(struct pipeline *p, pid_t pid, struct strbuf *why);

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
