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

#include "growth/detect.h"
#include "growth/estimate.h"
#include "pgd_abi.h"

struct snapshot_frame {
	const char *function; /* qualified name */
	const char *file;
	int line; /* 0: not known */
	bool in_application; /* not stdlib, not site-packages or dist-packages */
};

#define SNAPSHOT_HISTORY_MAX  60 /* points of a stack's series that a snapshot carries */
#define SNAPSHOT_SURVIVAL_MAX 16
#define SNAPSHOT_TYPES_MAX    6

/* One point of a survival curve. */
struct snapshot_survival {
	double age_seconds, share; /* share of the blocks taken that are still alive at that age */
};

/* What the survivors are. */
struct snapshot_type {
	const char *name; /* of a Python type, or what the memory is used for, in brackets */
	double share; /* of the live bytes */
};

struct snapshot_stack {
	uint64_t id; /* hash of (file, function, line) frames: the same on every host */
	pid_t pid;
	double live_bytes, live_bytes_error; /* error 0: exact; else half of a 95 % interval */
	uint64_t taken_blocks; /* so far; in windows only those whose stack was walked */
	bool is_judged; /* verdict is known; its since_sec is Unix time here */
	struct detect_verdict verdict;
	double peak_bytes; /* the most that live_bytes was of late; 0: not known */
	int64_t live_blocks;
	double growth_bytes_per_second, growth_error;
	double since; /* Unix time of its first block seen */
	double age_seconds;
	double gc_freed_bytes; /* NAN: not every block is followed */
	bool truncated; /* deeper than PGD_FRAMES_MAX: outer frames are missing */
	const struct snapshot_frame *frames; /* [0] is the innermost; may be empty */
	size_t n_frames;
	int blame; /* index into frames, or -1: no frame */
	double history[SNAPSHOT_HISTORY_MAX]; /* live bytes, oldest first, the last one at the
					       * snapshot's last history_sec */
	size_t n_history;
	struct snapshot_survival survival[SNAPSHOT_SURVIVAL_MAX]; /* by age; none: not known */
	size_t n_survival;
	struct snapshot_type types[SNAPSHOT_TYPES_MAX]; /* by share; none: not known */
	size_t n_types;
	/* The sampled blocks that live_bytes rests on, besides what was followed exactly; sorted by
	 * window. Sums over stacks need them: stacks that a request takes together are sampled
	 * together, so their errors do not add in quadrature. Owned by the stack table. */
	const struct estimate_sample *samples;
	size_t n_samples;
	size_t n_windows; /* in which they could have been drawn */
	double weight_error; /* see estimate.h */
};

struct snapshot_gc {
	uint64_t collections[PGD_GENERATIONS];
	double pause_seconds[PGD_GENERATIONS];
	/* Followed blocks that died inside the collector; -1: not every block is followed. */
	int64_t freed_bytes, freed_blocks;
	bool known; /* false: the collect function was not found */
};

struct snapshot_process {
	pid_t pid;
	uint64_t start_ticks; /* since boot: with the PID, which process this is */
	const char *comm, *cmdline;
	int64_t uid; /* owner of /proc/PID: root's, if the kernel protects it; -1: not known */
	const char *unit; /* systemd unit from its cgroup, or NULL */
	/* What rules ask for besides, as struct rules_facts has it; NULL: not known, or none. */
	const char *user, *cgroup, *container;
	/* The same number for all processes that are one: of one service or container, or the
	 * workers of one parent. 0: it is on its own. */
	pid_t group;
	const char *service; /* name of the service or container that its group is, or NULL */
	pid_t pid_inside; /* its PID in its own namespace; <= 0: the same, or not known */
	bool is_gone; /* it has ended: figures are those of then */
	const char *python; /* "3.11.2", or NULL */
	const char *build_id; /* of the interpreter, or NULL */
	const char *regime; /* "exact", "windows", "waiting", "unsupported", "excluded", "gone" */
	const char
		*why; /* one sentence: why unsupported, excluded or gone, or a warning; or NULL */
	double duty, coverage, coverage_frees;
	double overhead, overhead_budget; /* shares of its CPU time; budget NAN: none (--exact) */
	uint64_t windows; /* opened so far; 0 where sites are always on */
	uint64_t samples_alive; /* samples that are believed alive */
	const char *coverage_why; /* why coverage is not known, or NULL */
	int64_t rss_bytes, uss_bytes, pymalloc_bytes, libc_bytes, unexplained_bytes;
	/* Until the kernel must end something: by the limit of its cgroup, or of the host. */
	double headroom_bytes;
	bool is_headroom_of_host;
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
	double history_sec[SNAPSHOT_HISTORY_MAX]; /* when the points of all histories were taken;
						   * monotonic, oldest first */
	size_t n_history;
};

/* The stacks: fastest growing first, then biggest. */
void snapshot_sort(struct snapshot *s);

#endif
