/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/snapshot.h — everything the daemon knows at one moment, as plain data.
 *
 * Made by daemon/pipeline once per interval, judged by growth/, said by report/. Only values and
 * pointers to strings; who made a snapshot owns all it points to. Bytes, seconds, shares 0..1. A
 * figure that is not known is NAN (doubles) or -1 (integers), and null in JSON; never 0.
 */
#ifndef USER_GROWTH_SNAPSHOT_H
#define USER_GROWTH_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pgd_abi.h"

struct snapshot_frame {
	const char *function; /* qualified name */
	const char *file;
	int line; /* 0: not known */
	bool in_application; /* not stdlib, not site-packages or dist-packages */
};

#define SNAPSHOT_HISTORY_MAX 60 /* points of a stack's series that a snapshot carries */

struct snapshot_stack {
	uint64_t id; /* hash of (file, function, line) frames: the same on every host */
	pid_t pid;
	double live_bytes, live_bytes_error; /* error 0: exact; else half of a 95 % interval */
	int64_t live_blocks;
	double growth_bytes_per_second, growth_error;
	double since; /* Unix time of its first block seen */
	double age_seconds;
	double gc_freed_bytes;
	bool truncated; /* deeper than PGD_FRAMES_MAX: outer frames are missing */
	const struct snapshot_frame *frames; /* [0] is the innermost; may be empty */
	size_t n_frames;
	int blame; /* index into frames, or -1: no frame */
	double history[SNAPSHOT_HISTORY_MAX]; /* live bytes, oldest first */
	size_t n_history;
};

struct snapshot_gc {
	uint64_t collections[PGD_GENERATIONS];
	double pause_seconds[PGD_GENERATIONS];
	uint64_t freed_bytes, freed_blocks; /* followed blocks that died inside the collector */
	bool known; /* false: the collect function was not found */
};

struct snapshot_process {
	pid_t pid;
	const char *comm, *cmdline;
	const char *unit; /* systemd unit from its cgroup, or NULL */
	const char *python; /* "3.11.2", or NULL */
	const char *build_id; /* of the interpreter, or NULL */
	const char *regime; /* "exact", "windows", "waiting", "unsupported", "gone" */
	const char *why; /* one sentence: why unsupported or gone, or a warning; or NULL */
	double duty, coverage, coverage_frees, overhead;
	const char *coverage_why; /* why coverage is not known, or NULL */
	int64_t rss_bytes, uss_bytes, pymalloc_bytes, libc_bytes, unexplained_bytes;
	uint64_t samples; /* blocks followed so far */
	uint64_t hits; /* sites hit so far */
	size_t n_sites, n_sites_unplaced;
	uint64_t lost[PGD_COUNTER_MAX];
	struct snapshot_gc gc;
};

struct snapshot {
	const char *version;
	double at; /* Unix time */
	double uptime_seconds;
	struct snapshot_process *processes;
	size_t n_processes;
	struct snapshot_stack *stacks; /* sorted by growth, then by live bytes */
	size_t n_stacks;
};

#endif
