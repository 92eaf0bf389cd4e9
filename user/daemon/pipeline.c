/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/pipeline.c — see pipeline.h, and docs/ARCHITECTURE.md for the picture.
 *
 *   target/  discover ─► elf ─► sites ─► pyruntime ─► window        pipeline_add
 *   bpf/     on_alloc, on_free ─► sample ─► pywalk ─► account       (the kernel)
 *   sample/  drain ─► symbolize ─► stacktab                         pipeline_events, pipeline_tick
 *   windows  budget ─► shutter ─► pace ─► samples ─► estimate        pipeline_beat (not --exact)
 *   growth/  series                                                 stacktab_end
 *   report/  document ◄─ struct snapshot ◄─ gather                  (loop, on request)
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/coverage.h"
#include "daemon/pipeline.h"
#include "growth/blame.h"
#include "growth/cycles.h"
#include "lib/clock.h"
#include "lib/log.h"

#define RUNS_EVERY 8 /* intervals */

struct watch *pipeline_watch(const struct pipeline *p, uint32_t slot)
{
	for (size_t i = 0; i < p->n_watches; i++)
		if (p->watches[i]->slot == slot)
			return p->watches[i];
	return NULL;
}

/* ── events: a new stack gets its names ───────────────────────────────────────────────────── */

/* 0: *ret is filled; 1: a frame of the interpreter's own, which no traceback shows. */
static int name_frame(struct pipeline *p, struct watch *w, const struct pgd_frame *frame,
		      struct snapshot_frame *ret)
{
	struct symbol symbol;
	int r = symbolize_frame(w->symbolize, frame, &symbol);

	if (symbol.is_internal)
		return 1;

	if (r == -ESTALE)
		w->lost_here[PGD_COUNTER_NAME_GONE]++;
	else if (r < 0)
		w->lost_here[PGD_COUNTER_NAME_BAD]++;
	ret->function = stacktab_name(p->stacks, symbol.function);
	ret->file = stacktab_name(p->stacks, symbol.file);
	ret->line = symbol.line;
	ret->in_application = blame_in_application(ret->file);
	return ret->function && ret->file ? 0 : -ENOMEM;
}

static void on_stack(void *userdata, const struct pgd_stack_event *event)
{
	struct pipeline *p = userdata;
	struct watch *w = pipeline_watch(p, event->key.slot);
	struct snapshot_frame frames[PGD_FRAMES_MAX];
	size_t n = 0;
	int r = 0;

	if (!w)
		return;
	watch_selftest(w, event);
	for (uint32_t i = 0; i < event->n_frames && r >= 0; i++) {
		r = name_frame(p, w, &event->frames[i], &frames[n]);
		n += r == 0;
	}
	if (r >= 0)
		r = stacktab_add(p->stacks, &event->key, frames, n, event->flags,
				 clock_realtime_sec());
	if (r < 0)
		w->lost_here[PGD_COUNTER_STACKTAB_FULL]++;
}

void pipeline_events(struct pipeline *p)
{
	drain_events(p->drain);
}

/* ── ticks: the sums of all stacks ────────────────────────────────────────────────────────── */

static int on_total(void *userdata, const struct pgd_stack_key *key,
		    const struct pgd_stack_total *total, int may_evict)
{
	struct pipeline *p = userdata;
	bool goes = !total->live_blocks && (may_evict || stacktab_is_idle(p->stacks, key));
	struct watch *w = pipeline_watch(p, key->slot);
	struct pgd_stack_total settled = *total;

	if (w)
		cycles_settle(&settled, w->fulls);
	/* A row without a name yet is told of again with its next block, or was counted above. */
	return stacktab_account(p->stacks, key, &settled, goes) == 0 && goes;
}

/* How many full collections there were, before the stacks are read. */
static void count_fulls(struct pipeline *p)
{
	for (size_t i = 0; i < p->n_watches; i++) {
		struct pgd_gc gc;

		if (probes_gc(p->probes, p->watches[i]->slot, &gc) == 0)
			p->watches[i]->fulls = gc.fulls;
	}
}

/* What our programs take a hit: measured in one interval of RUNS_EVERY, believed in all. */
static void measure_runs(struct pipeline *p)
{
	bool was_on = p->n_ticks % RUNS_EVERY == 0, on = ++p->n_ticks % RUNS_EVERY == 0;
	struct probes_runs sum = { 0 }, runs;

	for (int i = 0; i < WINDOW_PROG_MAX; i++) {
		if (probes_runs(p->probes, i, &runs) < 0)
			return;
		sum.ns += runs.ns;
		sum.n += runs.n;
	}
	if (was_on && sum.n > p->runs.n)
		p->ns_per_hit = (double)(sum.ns - p->runs.ns) / (double)(sum.n - p->runs.n);
	p->runs = sum;
	probes_measure_runs(p->probes, on);
}

/* Which targets have a stack that grows by more than its error? They get the whole budget. */
static void find_growing(struct pipeline *p)
{
	bool is_growing[PGD_TARGETS_MAX] = { false };
	_cleanup_free_ struct stack **list = NULL;
	size_t n = 0;

	if (stacktab_list(p->stacks, &list, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++) {
		struct series_rate rate;

		if (!list[i]->series || list[i]->slot >= PGD_TARGETS_MAX)
			continue;
		rate = series_rate(list[i]->series, SERIES_RATE_POINTS);
		is_growing[list[i]->slot] |= rate.bytes_per_sec > rate.error;
	}
	for (size_t i = 0; i < p->n_watches; i++)
		windows_set_growing(p->windows, p->watches[i], is_growing[p->watches[i]->slot]);
}

void pipeline_tick(struct pipeline *p)
{
	drain_events(p->drain);
	stacktab_begin(p->stacks);
	count_fulls(p);
	if (drain_totals(p->drain) < 0)
		for (size_t i = 0; i < p->n_watches; i++)
			p->watches[i]->lost_here[PGD_COUNTER_DRAIN_ERROR]++;
	if (p->windows)
		windows_estimate(p->windows);
	stacktab_end(p->stacks, clock_monotonic_sec());
	p->ticked_sec = clock_realtime_sec();

	if (p->windows)
		find_growing(p);
	else
		measure_runs(p);
	for (size_t i = 0; i < p->n_watches; i++) {
		pipeline_check(p, p->watches[i]);
		if (!p->windows)
			watch_measure(p->probes, &p->fs, p->watches[i], p->ns_per_hit);
	}
}

void pipeline_check(struct pipeline *p, struct watch *w)
{
	watch_check(p->probes, &p->fs, w);
	if (p->windows && w->regime == WATCH_GONE)
		windows_end(p->windows, w);
}

void pipeline_beat(struct pipeline *p)
{
	windows_beat(p->windows);
}

/* ── processes ────────────────────────────────────────────────────────────────────────────── */

int pipeline_add(struct pipeline *p, pid_t pid, struct strbuf *why)
{
	struct watch_options o = { .fs = &p->fs, .users = &p->users, .state_dir = p->state_dir };
	struct watch **grown, *w = NULL;
	int r;

	grown = realloc(p->watches, (p->n_watches + 1) * sizeof(struct watch *));
	if (!grown)
		return -ENOMEM;
	p->watches = grown;
	r = watch_open(p->probes, pid, &o, &w, why);
	if (r < 0)
		return r;
	coverage_measure(p->probes, &o, w);
	p->watches[p->n_watches++] = w; /* before its first event can come */
	r = p->windows ? windows_add(p->windows, w, why) : watch_attach(p->probes, w, why);
	if (r < 0) {
		p->n_watches--;
		watch_close(p->probes, w);
	}
	return r;
}

void pipeline_lost(const struct pipeline *p, const struct watch *w, uint64_t ret[PGD_COUNTER_MAX])
{
	memset(ret, 0, PGD_COUNTER_MAX * sizeof(ret[0]));
	probes_counters(p->probes, w->slot, ret);
	for (int c = 0; c < PGD_COUNTER_MAX; c++)
		ret[c] += w->lost_here[c];
	if (p->windows)
		windows_lost_add(p->windows, w, ret);
}

void pipeline_remove(struct pipeline *p, struct watch *w)
{
	uint64_t lost[PGD_COUNTER_MAX];

	pipeline_lost(p, w, lost);
	for (int c = 0; c < PGD_COUNTER_MAX; c++)
		p->lost_before[c] += lost[c];
	drain_events(p->drain); /* once its slot is another's, these would be the other's stacks */
	if (p->windows)
		windows_del(p->windows, w);
	for (size_t i = 0; i < p->n_watches; i++)
		if (p->watches[i] == w)
			p->watches[i] = p->watches[--p->n_watches];
	stacktab_forget(p->stacks, w->slot);
	watch_close(p->probes, w);
}

void pipeline_let_in(struct pipeline *p, pid_t pid)
{
	for (size_t i = p->n_left_out; i-- > 0;) {
		if (p->left_out[i].pid != pid)
			continue;
		p->n_left_out--;
		memmove(&p->left_out[i], &p->left_out[i + 1],
			(p->n_left_out - i) * sizeof(p->left_out[i]));
	}
}

struct left_out *pipeline_leave_out(struct pipeline *p, pid_t pid, const char *comm,
				    const char *regime, const char *why)
{
	struct left_out *row;

	if (p->n_left_out == PIPELINE_LEFT_OUT_MAX)
		pipeline_let_in(p, p->left_out[0].pid);
	row = &p->left_out[p->n_left_out++];
	*row = (struct left_out){ .pid = pid, .regime = regime };
	snprintf(row->comm, sizeof(row->comm), "%s", comm);
	snprintf(row->why, sizeof(row->why), "%s", why);
	return row;
}

void pipeline_detach(struct pipeline *p)
{
	if (p->windows)
		windows_stop(p->windows);
	for (size_t i = 0; i < p->n_watches; i++)
		watch_detach(p->watches[i]);
}

size_t pipeline_alive(const struct pipeline *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_watches; i++)
		n += p->watches[i]->regime != WATCH_GONE;
	return n;
}

int pipeline_open(const struct pipeline_options *o, struct pipeline **ret, struct strbuf *why)
{
	_cleanup_(pipeline_closep) struct pipeline *p = calloc(1, sizeof(*p));
	struct drain_sink sink = { .stack = on_stack, .total = on_total, .userdata = p };
	int r;

	if (!p)
		return -ENOMEM;
	p->fs.root = "/proc";
	if (o->state_dir && !(p->state_dir = strdup(o->state_dir)))
		return -ENOMEM;
	p->started_sec = clock_monotonic_sec();
	p->ticked_sec = clock_realtime_sec();
	p->ns_per_hit = NAN;
	r = probes_open(&o->probes, &p->probes, why);
	if (r < 0)
		return r;
	r = stacktab_new(&p->stacks);
	if (r < 0)
		return r;
	r = births_new(probes_live_fd(p->probes), probes_born_shift(p->probes), &o->births,
		       &p->births);
	if (r < 0)
		return r;
	if (o->exact)
		probes_measure_runs(p->probes, true);
	else
		r = windows_new(p->probes, p->stacks, &o->windows, &p->windows, why);
	if (r < 0)
		return r;
	r = drain_open(probes_stacks_fd(p->probes), probes_events_fd(p->probes), &sink, &p->drain);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

void pipeline_close(struct pipeline *p)
{
	if (!p)
		return;
	/* All sites first: closing the rest takes its time, and no target shall pay for it. */
	pipeline_detach(p);
	windows_free(p->windows);
	for (size_t i = 0; i < p->n_watches; i++)
		watch_close(p->probes, p->watches[i]);
	free(p->watches);
	drain_close(p->drain);
	births_free(p->births);
	stacktab_free(p->stacks);
	probes_close(p->probes);
	free(p->state_dir);
	free(p);
}
