/* SPDX-License-Identifier: GPL-2.0-only */
/* user/daemon/pipeline.c — see pipeline.h, and docs/ARCHITECTURE.md for the picture.
 *
 *   target/  discover ─► elf ─► sites ─► pyruntime ─► window        pipeline_add
 *   bpf/     on_alloc, on_free ─► sample ─► pywalk ─► account       (the kernel)
 *   sample/  drain ─► symbolize ─► stacktab                         pipeline_events, pipeline_tick
 *   growth/  series                                                 stacktab_end
 *   report/  document ◄─ struct snapshot ◄─ gather                  (loop, on request)
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "daemon/coverage.h"
#include "daemon/pipeline.h"
#include "growth/blame.h"
#include "lib/clock.h"
#include "lib/log.h"

#define RUNS_EVERY 8 /* intervals */

static struct watch *watch_of_slot(const struct pipeline *p, uint32_t slot)
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
	struct watch *w = watch_of_slot(p, event->key.slot);
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

	/* A row without a name yet is told of again with its next block, or was counted above. */
	return stacktab_account(p->stacks, key, total, may_evict) == 0 && may_evict;
}

/* What our programs take a hit: measured in one interval of RUNS_EVERY, believed in all. */
static void measure_runs(struct pipeline *p)
{
	bool was_on = p->n_ticks % RUNS_EVERY == 0, on = ++p->n_ticks % RUNS_EVERY == 0;
	uint64_t run_ns = 0, hits = 0;

	for (size_t i = 0; i < p->n_watches; i++)
		hits += watch_hits(p->probes, p->watches[i]);
	if (probes_run_ns(p->probes, &run_ns) == 0 && was_on && hits > p->run_hits)
		p->ns_per_hit = (double)(run_ns - p->run_ns) / (double)(hits - p->run_hits);
	p->run_ns = run_ns;
	p->run_hits = hits;
	probes_measure_runs(p->probes, on);
}

void pipeline_tick(struct pipeline *p)
{
	drain_events(p->drain);
	stacktab_begin(p->stacks);
	if (drain_totals(p->drain) < 0)
		for (size_t i = 0; i < p->n_watches; i++)
			p->watches[i]->lost_here[PGD_COUNTER_DRAIN_ERROR]++;
	stacktab_end(p->stacks, clock_monotonic_sec(), true);
	p->ticked_sec = clock_realtime_sec();

	measure_runs(p);
	for (size_t i = 0; i < p->n_watches; i++) {
		watch_check(p->probes, &p->fs, p->watches[i]);
		watch_measure(p->probes, &p->fs, p->watches[i], p->ns_per_hit);
	}
}

/* ── processes ────────────────────────────────────────────────────────────────────────────── */

int pipeline_add(struct pipeline *p, pid_t pid, struct strbuf *why)
{
	struct watch_options o = { .fs = &p->fs, .state_dir = p->state_dir };
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
	r = watch_attach(p->probes, w, why);
	if (r < 0) {
		p->n_watches--;
		watch_close(p->probes, w);
	}
	return r;
}

void pipeline_detach(struct pipeline *p)
{
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

int pipeline_open(const struct probes_options *probes, const char *state_dir, struct pipeline **ret,
		  struct strbuf *why)
{
	_cleanup_(pipeline_closep) struct pipeline *p = calloc(1, sizeof(*p));
	struct drain_sink sink = { .stack = on_stack, .total = on_total, .userdata = p };
	int r;

	if (!p)
		return -ENOMEM;
	p->fs.root = "/proc";
	p->state_dir = state_dir;
	p->started_sec = clock_monotonic_sec();
	p->ticked_sec = clock_realtime_sec();
	r = probes_open(probes, &p->probes, why);
	if (r < 0)
		return r;
	p->ns_per_hit = NAN;
	probes_measure_runs(p->probes, true);
	r = stacktab_new(&p->stacks);
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
	for (size_t i = 0; i < p->n_watches; i++)
		watch_close(p->probes, p->watches[i]);
	free(p->watches);
	drain_close(p->drain);
	stacktab_free(p->stacks);
	probes_close(p->probes);
	free(p);
}
