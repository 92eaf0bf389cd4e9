/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/gather.c — see gather.h. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/gather.h"
#include "daemon/gather_gc.h"
#include "daemon/kinship.h"
#include "daemon/sampler.h"
#include "lib/clock.h"
#include "target/headroom.h"

/* Its blocks, from birth on: those that died in their window were never looked at. */
static void gather_survival(const struct stack *from, struct snapshot_stack *ret)
{
	struct survival survival = from->survival;

	_Static_assert(SURVIVAL_AGES <= SNAPSHOT_SURVIVAL_MAX, "all ages have a place");
	if (!from->n_caught || from->n_births < from->n_caught)
		return;
	survival.looked[0] = from->n_births;
	survival.died[0] = from->n_births - from->n_caught;
	for (unsigned i = 0; i < SURVIVAL_AGES; i++) {
		double share = survival_share(&survival, i);

		if (!isnan(share))
			ret->survival[ret->n_survival++] =
				(struct snapshot_survival){ survival_age_sec[i], share };
	}
}

static int by_share(const void *a, const void *b)
{
	const struct snapshot_type *x = a, *y = b;

	return x->share < y->share ? 1 : x->share > y->share ? -1 : 0;
}

static void gather_types(const struct stack *from, struct snapshot_stack *ret)
{
	struct snapshot_type all[STACKTAB_TYPES_MAX] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < STACKTAB_TYPES_MAX && from->types[i].name; i++)
		all[n++] = (struct snapshot_type){ from->types[i].name,
						   from->types[i].bytes / from->typed_bytes };
	qsort(all, n, sizeof(*all), by_share);
	ret->n_types = n < SNAPSHOT_TYPES_MAX ? n : SNAPSHOT_TYPES_MAX;
	memcpy(ret->types, all, ret->n_types * sizeof(*all));
}

/* As it was said then: what series_history() gives is brought to one level. */
static double peak_of(const struct series *series)
{
	double peak = 0;

	for (size_t i = 0; i < series->n; i++)
		peak = fmax(peak, series_get(series, i)->live_bytes);
	return peak;
}

static void gather_stack(const struct pipeline *p, const struct stack *from, double now_sec,
			 struct snapshot_stack *ret)
{
	const struct series *series = stacktab_series(p->stacks, from);
	const struct watch *w = pipeline_watch(p, from->slot);
	struct series_rate rate = series_rate(series, SERIES_RATE_POINTS);

	*ret = (struct snapshot_stack){
		.id = from->id,
		.pid = w ? w->pid : -1,
		.live_bytes = (double)from->live_bytes + from->sampled_bytes,
		.live_bytes_error = from->sampled_error,
		.taken_bytes = from->taken_bytes,
		.peak_bytes = peak_of(series),
		.live_blocks = from->live_blocks + llround(from->sampled_blocks),
		.growth_bytes_per_second = rate.bytes_per_sec,
		.growth_error = rate.error,
		.since = from->since_sec,
		.age_seconds = now_sec - from->since_sec,
		.cycles = SNAPSHOT_CYCLES_NOT_KNOWN,
		.truncated = from->truncated,
		.frames = from->frames,
		.n_frames = from->n_frames,
		.blame = from->blame,
	};
	ret->n_history = series_history(series, SNAPSHOT_HISTORY_MAX, ret->history);
	ret->samples = from->samples;
	ret->n_samples = from->n_samples;
	ret->n_windows = from->n_windows;
	ret->weight_error = from->weight_error;
	gather_survival(from, ret);
	gather_types(from, ret);
}

/* Processes are in the order of watches. */
static void gather_cycles_of(const struct pipeline *p, const struct snapshot *s,
			     const struct stack *from, struct snapshot_cycles *ret)
{
	for (size_t i = 0; i < p->n_watches; i++)
		if (p->watches[i]->slot == from->slot) {
			gather_cycles(p->watches[i], &s->processes[i].gc, from, ret);
			return;
		}
}

static void gather_times(const struct pipeline *p, struct snapshot *s)
{
	struct series_point points[SNAPSHOT_HISTORY_MAX];

	s->n_history = series_copy(stacktab_absent(p->stacks), SNAPSHOT_HISTORY_MAX, points);
	for (size_t i = 0; i < s->n_history; i++)
		s->history_sec[i] = points[i].time_sec;
}

static int gather_stacks(const struct pipeline *p, struct snapshot *s)
{
	_cleanup_free_ struct stack **list = NULL;
	size_t n = 0;
	int r = stacktab_list(p->stacks, &list, &n);

	if (r < 0)
		return r;
	s->stacks = calloc(n + 1, sizeof(*s->stacks));
	if (!s->stacks)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		gather_stack(p, list[i], s->at, &s->stacks[i]);
		gather_cycles_of(p, s, list[i], &s->stacks[i].cycles);
	}
	s->n_stacks = n;
	gather_times(p, s);
	snapshot_sort(s);
	return 0;
}

static void gather_windows(const struct pipeline *p, const struct watch *w,
			   struct snapshot_process *ret)
{
	struct windows_status status;

	windows_status(p->windows, w, &status);
	ret->regime = status.regime;
	ret->duty = status.duty;
	ret->overhead = status.overhead;
	ret->overhead_budget = status.budget;
	ret->windows = status.windows;
	ret->samples += status.samples;
	ret->samples_alive = status.samples_alive;
}

static void gather_process(const struct pipeline *p, struct watch *w, struct snapshot_process *ret)
{
	struct procfs_memory memory;
	struct pgd_hits hits = { 0 };

	*ret = (struct snapshot_process){
		.pid = w->pid,
		.start_ticks = w->start_ticks,
		.comm = w->comm,
		.cmdline = w->cmdline,
		.uid = w->uid,
		.unit = w->unit,
		.user = w->user[0] ? w->user : NULL,
		.cgroup = w->cgroup,
		.container = w->container,
		.group = kinship_group(p->watches, p->n_watches, w),
		.service = kinship_service(w),
		.pid_inside = w->pid_inside,
		.is_gone = w->regime == WATCH_GONE,
		.python = w->runtime.version,
		.build_id = w->build_id,
		.regime = w->regime == WATCH_GONE ? "gone" : "exact",
		.why = w->why[0] ? w->why : NULL,
		.duty = w->regime == WATCH_GONE ? 0 : 1,
		.coverage = w->coverage_allocs,
		.coverage_frees = w->coverage_frees,
		.coverage_why = w->coverage_why[0] ? w->coverage_why : NULL,
		.overhead = w->overhead,
		.overhead_budget = NAN,
		.rss_bytes = -1,
		.uss_bytes = -1,
		.pymalloc_bytes = -1,
		.libc_bytes = -1,
		.unexplained_bytes = -1,
		.headroom_bytes = NAN,
		.n_sites = w->sites.n,
		.n_sites_unplaced = w->sites.n_unplaced,
	};
	if (procfs_memory(&p->fs, w->pid, &memory) == 0) {
		ret->rss_bytes = (int64_t)memory.rss_bytes;
		ret->uss_bytes = (int64_t)memory.uss_bytes;
	}
	if (w->regime != WATCH_GONE)
		ret->headroom_bytes =
			headroom_bytes(&p->fs, HEADROOM_CGROUPS, w->pid, &ret->is_headroom_of_host);
	if (probes_hits(p->probes, w->slot, &hits) == 0) {
		ret->samples = hits.followed;
		ret->hits = hits.alloc + hits.free;
	}
	pipeline_lost(p, w, ret->lost);
	if (p->windows)
		gather_windows(p, w, ret);
	gather_gc(p, w, !ret->windows, &ret->gc);
}

static void gather_left_out(const struct left_out *from, struct snapshot_process *ret)
{
	*ret = (struct snapshot_process){ .pid = from->pid,
					  .comm = from->comm,
					  .uid = -1,
					  .regime = from->regime,
					  .why = from->why,
					  .pid_inside = -1,
					  .coverage = NAN,
					  .coverage_frees = NAN,
					  .overhead = NAN,
					  .overhead_budget = NAN,
					  .rss_bytes = -1,
					  .uss_bytes = -1,
					  .pymalloc_bytes = -1,
					  .libc_bytes = -1,
					  .unexplained_bytes = -1,
					  .headroom_bytes = NAN };
}

int gather(const struct pipeline *p, struct snapshot *ret)
{
	struct snapshot s = { .version = PYGROWD_VERSION, .at = p->ticked_sec };
	int r;

	s.uptime_seconds = clock_monotonic_sec() - p->started_sec;
	s.processes = calloc(p->n_watches + p->n_left_out + 1, sizeof(*s.processes));
	if (!s.processes)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_watches; i++)
		gather_process(p, p->watches[i], &s.processes[i]);
	for (size_t i = 0; i < p->n_left_out; i++)
		gather_left_out(&p->left_out[i], &s.processes[p->n_watches + i]);
	s.n_processes = p->n_watches + p->n_left_out;
	r = gather_stacks(p, &s);
	if (r < 0) {
		gather_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void gather_done(struct snapshot *s)
{
	free(s->processes);
	free(s->stacks);
	*s = (struct snapshot){ 0 };
}

/* ── ages ─────────────────────────────────────────────────────────────────────────────────── */

/* Samples that live_bytes counts. The list has room for them. */
static size_t sampled_births(const struct pipeline *p, const struct watch *w,
			     const struct sample *const *samples, size_t n, double now_sec,
			     struct gather_birth *ret)
{
	size_t n_births = 0;

	for (size_t i = 0; i < n; i++) {
		const struct sample *s = samples[i];
		struct pgd_stack_key key = { .hash = s->stack, .slot = w->slot };
		const struct stack *stack = s->stack ? stacktab_find(p->stacks, &key) : NULL;

		if (stack && now_sec - s->born_sec >= SAMPLER_SETTLED_SEC)
			ret[n_births++] = (struct gather_birth){ w->pid, stack->id, s->born_sec,
								 s->weight * s->bytes };
	}
	return n_births;
}

/* Blocks that are followed. The list has room for them. */
static size_t followed_births(const struct pipeline *p, struct gather_birth *ret)
{
	size_t n = births_count(p->births), n_births = 0;

	for (size_t i = 0; i < n; i++) {
		struct births_row row = births_get(p->births, i);
		struct pgd_stack_key key = { .hash = row.stack, .slot = row.slot };
		const struct stack *stack = stacktab_find(p->stacks, &key);
		const struct watch *w = pipeline_watch(p, row.slot);

		if (stack && w)
			ret[n_births++] =
				(struct gather_birth){ w->pid, stack->id, row.born_sec, row.bytes };
	}
	return n_births;
}

int gather_births(const struct pipeline *p, double now_sec, struct gather_birth **ret,
		  size_t *ret_n)
{
	_cleanup_free_ struct gather_birth *list = NULL;
	size_t n = 0;
	int r = births_read(p->births);

	if (r < 0)
		return r;
	list = calloc(births_count(p->births) + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = followed_births(p, list);

	for (size_t i = 0; p->windows && i < p->n_watches; i++) {
		_cleanup_free_ const struct sample **samples = NULL;
		struct gather_birth *grown;
		size_t n_more = 0;

		r = windows_samples(p->windows, p->watches[i]->slot, &samples, &n_more);
		if (r < 0)
			return r;
		grown = reallocarray(list, n + n_more + 1, sizeof(*list));
		if (!grown)
			return -ENOMEM;
		list = grown;
		n += sampled_births(p, p->watches[i], samples, n_more, now_sec, list + n);
	}
	*ret = TAKE_PTR(list);
	*ret_n = n;
	return 0;
}
