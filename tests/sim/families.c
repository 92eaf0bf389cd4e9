/* SPDX-License-Identifier: GPL-2.0-only */
/* tests/sim/families.c — see families.h. Every second draw is exact. */
#include <math.h>
#include <string.h>

#include "families.h"

#define KIB   1024.0
#define MIB   (1024.0 * KIB)
#define GIB   (1024.0 * MIB)
#define MIN   60.0
#define HOUR  3600.0
#define NEVER 1e9

void scenario_init(struct scenario *s)
{
	memset(s, 0, sizeof(*s));
	s->days = 1;
	s->cluster = 1;
	s->headroom_bytes = s->process_bytes = NAN;
}

struct source *scenario_source(struct scenario *s, double bytes_per_sec, enum life life,
			       double life_sec)
{
	struct source *src = &s->sources[s->n_sources++];

	*src = (struct source){ bytes_per_sec, life, life_sec, .begin_sec = 0 };
	return src;
}

static bool coin(uint64_t *seed)
{
	return random_uniform(seed) < 0.5;
}

/* Size, sampling and noise of a stack that will hold `peak_bytes`. */
static void draw_common(struct scenario *s, uint64_t *seed, double peak_bytes)
{
	scenario_init(s);
	s->is_exact = !coin(seed);
	s->peak_bytes = peak_bytes;
	s->peak_samples = random_log(seed, 8, 200);
	s->cluster = s->is_exact ? 1 : 1 + (unsigned)(3 * random_uniform(seed));
	s->load.jitter = random_log(seed, 0.02, 0.5);
	s->load.jitter_sec = random_log(seed, 10, HOUR);
	s->load.day_phase_sec = DAY_SEC * random_uniform(seed);
	if (random_uniform(seed) < 0.2) {
		s->gap_at_sec = DAY_SEC * random_uniform(seed);
		s->gap_sec = random_log(seed, MIN, 6 * HOUR);
	}
}

static void draw_harmless(struct scenario *s, uint64_t *seed)
{
	double peak_bytes = random_log(seed, 256 * KIB, GIB);

	draw_common(s, seed, peak_bytes);
	if (coin(seed))
		s->headroom_bytes = peak_bytes * random_log(seed, 8, 1000);
	if (random_uniform(seed) < 0.2)
		s->restart_sec = random_log(seed, 10 * MIN, DAY_SEC);
	if (random_uniform(seed) < 0.3)
		s->collect_sec = random_log(seed, MIN, 2 * HOUR);
}

static enum life any_life(uint64_t *seed)
{
	return coin(seed) ? LIFE_FIXED : LIFE_RANDOM;
}

static void draw_requests(struct scenario *s, uint64_t *seed)
{
	double life_sec = random_log(seed, 0.05, 30);

	draw_harmless(s, seed);
	s->load.day_depth = random_uniform(seed);
	scenario_source(s, s->peak_bytes / life_sec, any_life(seed), life_sec);
}

static void draw_sessions(struct scenario *s, uint64_t *seed)
{
	double life_sec = random_log(seed, MIN, 30 * MIN);

	draw_harmless(s, seed);
	s->load.day_depth = random_uniform(seed);
	scenario_source(s, s->peak_bytes / life_sec, any_life(seed), life_sec);
}

static void draw_ramp(struct scenario *s, uint64_t *seed)
{
	double life_sec = random_log(seed, 0.1, 30 * MIN);

	draw_harmless(s, seed);
	s->load.ramp_from = random_log(seed, 0.02, 0.7);
	s->load.ramp_sec = random_log(seed, 5 * MIN, 11 * HOUR);
	s->load.ramp_at_sec = 12 * HOUR * random_uniform(seed);
	scenario_source(s, s->peak_bytes / life_sec, any_life(seed), life_sec);
}

static void draw_ttl_cache(struct scenario *s, uint64_t *seed)
{
	double life_sec = random_log(seed, MIN, HOUR);

	draw_harmless(s, seed);
	s->load.day_depth = 0.9 * random_uniform(seed);
	scenario_source(s, s->peak_bytes / life_sec, LIFE_FIXED, life_sec);
}

static void draw_lru_cache(struct scenario *s, uint64_t *seed)
{
	double fill_sec = random_log(seed, MIN, 40 * MIN);
	struct source *src;

	draw_harmless(s, seed);
	src = scenario_source(s, s->peak_bytes / fill_sec, LIFE_EVER, 0);
	src->cap = CAP_OLDEST;
	src->cap_bytes = s->peak_bytes;
}

static void draw_random_cache(struct scenario *s, uint64_t *seed)
{
	double fill_sec = random_log(seed, MIN, 30 * MIN);
	struct source *src;

	draw_harmless(s, seed);
	src = scenario_source(s, s->peak_bytes / fill_sec, LIFE_EVER, 0);
	src->cap = CAP_FILLS;
	src->cap_bytes = s->peak_bytes;
}

static void draw_warm_up(struct scenario *s, uint64_t *seed)
{
	double fade_sec = random_log(seed, 10, 20 * MIN), life_sec = random_log(seed, 0.1, 100);

	draw_harmless(s, seed);
	scenario_source(s, s->peak_bytes / fade_sec, LIFE_EVER, 0)->fade_sec = fade_sec;
	scenario_source(s, s->peak_bytes / life_sec / 10, LIFE_FIXED, life_sec);
}

static void draw_batches(struct scenario *s, uint64_t *seed)
{
	double life_sec = random_log(seed, MIN, HOUR);

	draw_harmless(s, seed);
	scenario_source(s, s->peak_bytes / life_sec, LIFE_CLEARED, life_sec);
}

static void draw_jobs(struct scenario *s, uint64_t *seed)
{
	double period_sec = random_log(seed, 10 * MIN, 12 * HOUR);
	double busy_sec = fmin(period_sec / 3, 45 * MIN) * random_uniform(seed) + MIN;
	struct source *src;

	draw_harmless(s, seed);
	src = scenario_source(s, s->peak_bytes / busy_sec, LIFE_FIXED,
			      fmin(random_log(seed, MIN, HOUR), period_sec - busy_sec));
	src->period_sec = period_sec;
	src->busy_sec = busy_sec;
}

static void draw_garbage(struct scenario *s, uint64_t *seed)
{
	draw_harmless(s, seed);
	s->collect_sec = random_log(seed, MIN, 2 * HOUR);
	scenario_source(s, s->peak_bytes / s->collect_sec, LIFE_COLLECTED, 0);
}

static void draw_high_water(struct scenario *s, uint64_t *seed)
{
	draw_harmless(s, seed);
	s->load.jitter = random_log(seed, 0.1, 0.5);
	scenario_source(s, s->peak_bytes / 3, LIFE_EVER, 0)->is_high_water = true;
}

static void draw_attached(struct scenario *s, uint64_t *seed)
{
	double life_sec = random_log(seed, HOUR, 12 * HOUR);
	struct source *src;

	draw_common(s, seed, random_log(seed, 64 * MIB, GIB));
	s->process_bytes = s->peak_bytes * random_log(seed, 1.2, 5);
	src = scenario_source(s, s->peak_bytes / life_sec, any_life(seed), life_sec);
	if (coin(seed)) {
		src->life = LIFE_EVER;
		src->cap = CAP_OLDEST;
		src->cap_bytes = s->peak_bytes;
	}
}

static void draw_static(struct scenario *s, uint64_t *seed)
{
	struct source *src;

	draw_harmless(s, seed);
	src = scenario_source(s, s->peak_bytes / 60, LIFE_EVER, 0);
	src->begin_sec = DAY_SEC * random_uniform(seed);
	src->end_sec = src->begin_sec + random_log(seed, 10, 40 * MIN);
	src->bytes_per_sec = s->peak_bytes / (src->end_sec - src->begin_sec);
	scenario_source(s, s->peak_bytes * random_uniform(seed), LIFE_FIXED, 1);
}

static void draw_mixed(struct scenario *s, uint64_t *seed)
{
	double life_sec = random_log(seed, MIN, HOUR), fade_sec = random_log(seed, MIN, 20 * MIN);

	draw_harmless(s, seed);
	s->load.day_depth = random_uniform(seed);
	scenario_source(s, s->peak_bytes, LIFE_RANDOM, 0.5);
	scenario_source(s, s->peak_bytes / life_sec, LIFE_FIXED, life_sec);
	scenario_source(s, s->peak_bytes / fade_sec, LIFE_EVER, 0)->fade_sec = fade_sec;
}

const struct family harmless_families[] = {
	{ "requests", "life 0.05 s-30 s, load by day and night", draw_requests },
	{ "sessions", "life 1-30 min, load by day and night", draw_sessions },
	{ "traffic ramp", "2-70 % to 100 % in 5 min-11 h, life 0.1 s-30 min", draw_ramp },
	{ "TTL cache", "1-60 min, load by day and night", draw_ttl_cache },
	{ "LRU cache", "fills in 1-40 min, then turns over", draw_lru_cache },
	{ "random-key cache", "fills exponentially, 1-30 min", draw_random_cache },
	{ "warm-up", "fades in 10 s-20 min", draw_warm_up },
	{ "sawtooth batches", "cleared each 1-60 min", draw_batches },
	{ "periodic jobs", "each 10 min-12 h, busy up to 45 min, kept 1-60 min", draw_jobs },
	{ "cyclic garbage", "full collection each 1-120 min", draw_garbage },
	{ "high-water marks", "pools and arenas sized by the highest load", draw_high_water },
	{ "attached late",
	  "cache of 1-12 h that was full before; 64 MiB-1 GiB of a process 1.2-5 times as large",
	  draw_attached },
	{ "set-up, then static", "taken within 10 s-40 min, beside churn", draw_static },
	{ "mixed", "requests, TTL cache and warm-up in one stack", draw_mixed },
	{ 0 },
};

static void draw_leak(struct scenario *s, uint64_t *seed, double bytes_per_sec)
{
	draw_common(s, seed, bytes_per_sec * 6 * HOUR);
	s->peak_samples = random_log(seed, 50, 500);
	s->load.jitter = random_log(seed, 0.02, 0.3);
	scenario_source(s, bytes_per_sec, LIFE_EVER, 0);
}

static void draw_plain(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, random_log(seed, KIB, MIB));
	s->headroom_bytes = 4 * GIB;
}

static void draw_collected(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, random_log(seed, KIB, MIB));
	s->collect_sec = random_log(seed, MIN, 20 * MIN);
}

static void draw_urgent(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, random_log(seed, 100 * KIB, 10 * MIB));
	s->headroom_bytes = s->sources[0].bytes_per_sec * random_log(seed, HOUR, 3 * HOUR);
}

static void draw_slow(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, KIB / MIN);
}

static void draw_slow_churn(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, KIB / MIN);
	s->is_exact = false;
	scenario_source(s, 10 * MIB, LIFE_RANDOM, random_log(seed, 0.001, 0.01));
}

static void draw_exact_churn(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, random_log(seed, KIB, 10 * KIB));
	s->is_exact = true;
	scenario_source(s, s->sources[0].bytes_per_sec * random_log(seed, 10, 1000), LIFE_RANDOM,
			1);
}

static void draw_bursts(struct scenario *s, uint64_t *seed)
{
	struct source *src;

	draw_leak(s, seed, random_log(seed, KIB, 100 * KIB));
	src = &s->sources[0];
	src->period_sec = random_log(seed, 10 * MIN, 2 * HOUR);
	src->busy_sec = fmax(STEP_SEC, src->period_sec * random_log(seed, 0.01, 0.3));
	src->bytes_per_sec *= src->period_sec / src->busy_sec;
}

static void draw_day_night(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, random_log(seed, KIB, 100 * KIB));
	s->load.day_depth = 0.9 + 0.1 * random_uniform(seed);
	s->gap_sec = 0;
	s->days = 4;
	scenario_source(s, s->sources[0].bytes_per_sec * 10, LIFE_RANDOM, 5);
}

static void draw_restarts(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, random_log(seed, KIB, 100 * KIB));
	s->restart_sec = random_log(seed, 2 * HOUR, 12 * HOUR);
	s->days = 2;
}

static void draw_uncollected(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, random_log(seed, KIB, MIB));
	s->collect_sec = NEVER;
}

static void draw_begins_late(struct scenario *s, uint64_t *seed)
{
	draw_leak(s, seed, random_log(seed, KIB, 100 * KIB));
	s->sources[0].begin_sec = 8 * HOUR;
	s->is_exact = false;
	scenario_source(s, s->sources[0].bytes_per_sec * 5, LIFE_RANDOM, 5 * MIN);
}

const struct family leak_families[] = {
	{ "plain", "1 KiB/s-1 MiB/s", draw_plain },
	{ "survives collections", "1 KiB/s-1 MiB/s, full collection each 1-20 min",
	  draw_collected },
	{ "urgent", "takes what is free in 1-3 h", draw_urgent },
	{ "slow", "1 KiB/min", draw_slow },
	{ "slow, beside churn", "1 KiB/min; 10 MiB/s of churn in the same stack, sampled",
	  draw_slow_churn },
	{ "exact, beside churn", "1-10 KiB/s; 10-1000 times as much churn", draw_exact_churn },
	{ "bursts", "1-100 KiB/s on average, each 10 min-2 h", draw_bursts },
	{ "day and night", "1-100 KiB/s by request, none at night, 4 days", draw_day_night },
	{ "restarts", "1-100 KiB/s, target restarts each 2-12 h, 2 days", draw_restarts },
	{ "no collection", "1 KiB/s-1 MiB/s, the collector is off", draw_uncollected },
	{ "begins late", "after 8 h, beside sessions of 5 min in the same stack",
	  draw_begins_late },
	{ 0 },
};

static void flip_often(struct scenario *s, uint64_t *seed)
{
	s->windows_sec = random_log(seed, 10, 30 * MIN);
	s->exact_sec = random_log(seed, 10, 10 * MIN);
}

static void flip_seldom(struct scenario *s, uint64_t *seed)
{
	s->windows_sec = random_log(seed, 10 * MIN, 8 * HOUR);
	s->exact_sec = random_log(seed, 10 * MIN, 8 * HOUR);
}

static void flip_by_load(struct scenario *s, uint64_t *seed)
{
	s->exact_below_load = random_log(seed, 0.3, 2);
}

const struct family flip_families[] = {
	{ "often", "windows 10 s-30 min, exact 10 s-10 min on average", flip_often },
	{ "seldom", "each 10 min-8 h on average", flip_seldom },
	{ "by load", "exact while load is below 0.3-2 times the average, and back at half of that",
	  flip_by_load },
	{ 0 },
};
