/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/harness/sample.h — a small snapshot with everything in it: a web service whose cache leaks
 * through two library stacks, a loop that churns, blocks without Python frames, hostile names.
 * sample_windows() makes of it the same service as it looks under a budget.
 */
#ifndef TESTS_HARNESS_SAMPLE_H
#define TESTS_HARNESS_SAMPLE_H

#include <math.h>
#include <string.h>

#include "growth/snapshot.h"

#define SAMPLE_SERVICE	"/srv/demo/service.py"
#define SAMPLE_FAKER	"/usr/lib/python3/dist-packages/faker/generator.py"
#define SAMPLE_ASYNCIO	"/usr/lib/python3.11/asyncio/events.py"
#define SAMPLE_LAUNCHER "/usr/bin/uvicorn"

struct sample {
	struct snapshot snapshot;
	struct snapshot_process process;
	struct snapshot_stack stacks[4];
};

static const struct snapshot_frame sample_frames[3][5] = {
	{ { "Generator.parse", SAMPLE_FAKER, 98, false },
	  { "get_user", SAMPLE_SERVICE, 17, true },
	  { "Handle._run", SAMPLE_ASYNCIO, 80, false },
	  { "Handle._run", SAMPLE_ASYNCIO, 80, false },
	  { "<module>", SAMPLE_LAUNCHER, 8, true } },
	{ { "Generator.format", SAMPLE_FAKER, 120, false },
	  { "get_user", SAMPLE_SERVICE, 17, true },
	  { "Handle._run", SAMPLE_ASYNCIO, 80, false },
	  { "<module>", SAMPLE_LAUNCHER, 8, true } },
	{ { "churn\x1b[31m\n\xff", SAMPLE_SERVICE, 40, true },
	  { "Handle._run", SAMPLE_ASYNCIO, 80, false },
	  { "<module>", SAMPLE_LAUNCHER, 8, true } },
};

static inline void sample_stack(struct snapshot_stack *s, uint64_t id, size_t n_frames, int blame,
				double live_bytes, double growth, double error)
{
	*s = (struct snapshot_stack){
		.id = id,
		.pid = 4711,
		.live_bytes = live_bytes,
		.live_blocks = (int64_t)live_bytes / 128,
		.growth_bytes_per_second = growth,
		.growth_error = error,
		.since = 1767225600.5,
		.age_seconds = 19.5,
		.cycles = { .fulls_survived = -1, .survived_bytes = NAN, .waiting_bytes = NAN },
		.n_frames = n_frames,
		.blame = blame,
		.n_history = 20,
	};
	for (size_t i = 0; i < s->n_history; i++)
		s->history[i] = live_bytes - growth * (double)(s->n_history - 1 - i);
}

static inline void sample_collector(struct snapshot_gc *gc)
{
	static const struct snapshot_generation generations[PGD_GENERATIONS] = {
		{ .collections = 120,
		  .timed = 120,
		  .asked = 0,
		  .collected = 2400,
		  .pause_seconds = 0.1,
		  .pause_p50_seconds = 0.0008,
		  .pause_p99_seconds = 0.0021,
		  .pause_max_seconds = 0.004,
		  .time_share = 0.005,
		  .last = 1767225620,
		  .threshold = 700,
		  .count = 320 },
		{ .collections = 10,
		  .timed = 10,
		  .asked = 0,
		  .collected = 50,
		  .pause_seconds = 0.25,
		  .pause_p50_seconds = 0.025,
		  .pause_p99_seconds = 0.03,
		  .pause_max_seconds = 0.03,
		  .time_share = 0.0125,
		  .last = 1767225615,
		  .threshold = 10,
		  .count = 4 },
		{ .collections = 1,
		  .timed = 1,
		  .asked = 1,
		  .collected = 1200,
		  .uncollectable = 3,
		  .pause_seconds = 0.5,
		  .pause_p50_seconds = 0.5,
		  .pause_p99_seconds = 0.5,
		  .pause_max_seconds = 0.5,
		  .time_share = 0.025,
		  .last = 1767225610.5,
		  .threshold = 10,
		  .count = 2 },
	};

	memcpy(gc->generations, generations, sizeof(generations));
	gc->probe_duty = 1;
}

static inline void sample_init(struct sample *s)
{
	*s = (struct sample){ 0 };
	s->process = (struct snapshot_process){
		.pid = 4711,
		.comm = "uvicorn",
		.cmdline = "/usr/bin/python3 /usr/bin/uvicorn service:app",
		.python = "3.11.2",
		.build_id = "0123abcd",
		.regime = "exact",
		.duty = 1,
		.coverage = 0.9991,
		.coverage_frees = 1,
		.overhead = NAN,
		.overhead_budget = NAN,
		.rss_bytes = 91 << 20,
		.uss_bytes = -1,
		.pymalloc_bytes = -1,
		.libc_bytes = -1,
		.unexplained_bytes = -1,
		.samples = 1234567,
		.hits = 2345678,
		.n_sites = 219,
		.gc = { .freed_bytes = 3 << 20,
			.freed_blocks = 1200,
			.known = true,
			.is_state_known = true,
			.is_enabled = true,
			.frozen_objects = 0 },
	};
	sample_collector(&s->process.gc);
	s->process.lost[PGD_COUNTER_STACK_TRUNCATED] = 12;
	sample_stack(&s->stacks[0], 0x1f2e3d4c5b6a7988, 5, 1, 20 << 20, 1 << 20, 30000);
	sample_stack(&s->stacks[1], 0x00000000000000aa, 4, 1, 4 << 20, 200000, 40000);
	sample_stack(&s->stacks[2], 0x00000000000000ab, 3, 0, 64 << 10, 0, 9000);
	sample_stack(&s->stacks[3], 1, 0, -1, 4096, NAN, NAN);
	s->stacks[3].n_history = 0;
	/* The collector takes most of what this one has freed. */
	s->stacks[1].cycles = (struct snapshot_cycles){ .by_references_bytes = 1 << 20,
							.by_references_blocks = 8192,
							.by_collector_bytes = 3 << 20,
							.by_collector_blocks = 24576,
							.share_error = 0.125,
							.fulls_survived = 1,
							.survived_bytes = 1 << 20,
							.waiting_bytes = 3 << 20,
							.verdict = CYCLES_WAITS };
	for (size_t i = 0; i < 3; i++)
		s->stacks[i].frames = sample_frames[i];
	s->snapshot = (struct snapshot){
		.version = "0.1.0",
		.at = 1767225620.25,
		.uptime_seconds = 20,
		.processes = &s->process,
		.n_processes = 1,
		.stacks = s->stacks,
		.n_stacks = 4,
	};
}

/* The first stack has a survival curve with a floor, and types; the others' are not known. */
static inline void sample_windows(struct sample *s)
{
	static const struct snapshot_survival survival[] = {
		{ 0, 0.712 }, { 0.1, 0.34 }, { 0.5, 0.21 },  { 2, 0.09 },
		{ 8, 0.03 },  { 30, 0.004 }, { 120, 0.004 }, { 600, NAN },
	};
	static const struct snapshot_type types[] = {
		{ "dict", 0.61 },
		{ "str", 0.22 },
		{ "(memory of containers)", 0.167 },
		{ "Row", 0.003 },
	};

	sample_init(s);
	s->snapshot.uptime_seconds = 200;
	s->process.regime = "windows";
	s->process.duty = 0.02;
	s->process.overhead = 0.007;
	s->process.overhead_budget = 0.01;
	s->process.windows = 1204;
	s->process.samples = 68900;
	s->process.samples_alive = 4064;
	for (size_t i = 0; i < 4; i++) {
		s->stacks[i].live_bytes_error = s->stacks[i].live_bytes * 0.15;
		s->stacks[i].n_samples = 4 + 2000 / (i + 1);
	}
	memcpy(s->stacks[0].survival, survival, sizeof(survival));
	s->stacks[0].n_survival = sizeof(survival) / sizeof(survival[0]);
	memcpy(s->stacks[0].types, types, sizeof(types));
	s->stacks[0].n_types = sizeof(types) / sizeof(types[0]);
}

#endif
