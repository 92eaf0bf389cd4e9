/* SPDX-License-Identifier: GPL-2.0-only */
/* user/growth/snapshot.h — everything the daemon knows at one moment, as plain data.
 *
 * Made by daemon/pipeline once per interval, judged by growth/, said by report/. Only values and
 * pointers to strings; who made a snapshot owns all it points to. Bytes, seconds, shares 0..1. A
 * figure that is not known is NAN (doubles) or -1 (integers), and null in JSON; never 0.
 */
#ifndef USER_GROWTH_SNAPSHOT_H
#define USER_GROWTH_SNAPSHOT_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "growth/cycles.h"
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

/* What the collector makes of a stack: cycles.h. Exact where every block is followed, estimated in
 * windows. */
struct snapshot_cycles {
	double by_references_bytes, by_collector_bytes; /* freed so far, outside and inside of it */
	int64_t by_references_blocks, by_collector_blocks;
	double share_error; /* of the collector's share of these bytes; as live_bytes_error */
	int64_t fulls_survived; /* full collections in a row that left something of it */
	double survived_bytes; /* what the last of them left; NAN: it has seen none */
	double waiting_bytes; /* what the next one is expected to free; NAN: not known */
	enum cycles_verdict verdict;
};
#define SNAPSHOT_CYCLES_NOT_KNOWN \
	((struct snapshot_cycles){ NAN, NAN, -1, -1, NAN, -1, NAN, NAN, CYCLES_NOT_KNOWN })

struct snapshot_stack {
	uint64_t id; /* hash of (file, function, line) frames: the same on every host */
	pid_t pid;
	double live_bytes, live_bytes_error; /* error 0: exact; else half of a 95 % interval */
	uint64_t taken_bytes; /* so far, while every block is followed */
	bool is_judged; /* verdict is known; its since_sec is Unix time here */
	struct detect_verdict verdict;
	double peak_bytes; /* the most that live_bytes was of late; 0: not known */
	int64_t live_blocks;
	double growth_bytes_per_second, growth_error;
	double since; /* Unix time of its first block seen */
	double age_seconds;
	struct snapshot_cycles cycles;
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

/* Since the process is watched. Of the incremental collector of 3.14.0 to 3.14.4: young objects,
 * an increment, a full collection. */
struct snapshot_generation {
	uint64_t collections;
	uint64_t timed; /* of these; less than all where timing all would cost too much */
	int64_t asked; /* of these, by gc.collect() and not by a threshold; -1: not known */
	uint64_t collected, uncollectable; /* objects, as gc.get_stats() counts them */
	/* Of all together, and of those that were asked for: estimated, if not all were timed. NAN:
	 * none was. The rest are of those that were timed. */
	double pause_seconds;
	double pause_p50_seconds, pause_p99_seconds, pause_max_seconds; /* NAN: there were none */
	double time_share; /* of the time that the process is watched */
	double last; /* Unix time at which the last one ended; NAN: there was none */
	int64_t threshold, count; /* it is due when count is more; -1: not known */
};

struct snapshot_gc {
	struct snapshot_generation generations[PGD_GENERATIONS];
	/* Followed blocks that died inside the collector; -1: not every block is followed. */
	int64_t freed_bytes, freed_blocks;
	bool known; /* false: the collect function was not found */
	double probe_duty; /* share of the time that its probes were on */
	/* As the interpreter says now: */
	bool is_state_known;
	bool is_enabled; /* no gc.disable(), no threshold of 0 */
	bool is_incremental;
	int64_t frozen_objects; /* by gc.freeze(), 16,384 at most; -1: not known */
	bool is_freezing; /* there are more of them than when the watch began */
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
